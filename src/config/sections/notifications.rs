//! `notifications:`: where events are sent. An operator may write the registry's own section here, word for word.

use std::{collections::HashSet, fs, net::IpAddr, path::PathBuf};

use hyper::{
    Uri,
    header::{self, HeaderName, HeaderValue},
};
use rustls::pki_types::CertificateDer;

use super::{ldap::authorities, state::in_state_directory};
use crate::{
    config::{
        Context,
        diagnostics::path::Path,
        schema::{Entries, File, NotificationEndpoint, Notifications, OneOrMany, Switch, text},
        settings,
        values::{pem, quantity},
    },
    notifications::{
        EndpointSettings, NotificationSettings, SIGNATURE, SigningSecret, TIMESTAMP, is_for_endpoints,
    },
    state::StateSettings,
    telemetry::Action,
};

/// Bytes of the shortest key of a signature.
const SHORTEST_SECRET: usize = 16;
/// Headers that belong to the request itself.
const OURS: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    TIMESTAMP,
    SIGNATURE,
];

/// Reads `notifications:`. Endpoints with an error, and those that are turned off, are left out.
pub(crate) fn settings(
    file: &File,
    state: &StateSettings,
    context: &mut Context<'_>,
) -> NotificationSettings {
    let none = Notifications::default();
    let written = file.notifications.as_ref().unwrap_or(&none);
    let bounds = const { settings::count("notifications.waiting") };
    let waiting = quantity::count(written.waiting, bounds, &mut context.report);
    let references = written.events.as_ref().and_then(|events| events.includereferences);
    let references = references.is_some_and(|Switch(on)| on);
    let spool = spool(written, state, context);
    if file.notifications.is_some() && written.endpoints.as_ref().is_none_or(Vec::is_empty) {
        let hint = "List an endpoint, as `- {name: scanner, url: https://scanner.example/events}`, or remove this section";
        context.report.error(at("endpoints"), "there are no endpoints", hint);
    }
    let endpoints = endpoints(written, context);
    if spool.is_none() && !endpoints.is_empty() {
        let hint = "Write the path of a file in a directory that the service may write, as `/var/lib/portwarden/notifications.spool`";
        context.report.error(at("spool"), "missing: there is no directory of systemd's for it", hint);
    }
    NotificationSettings { endpoints, spool, waiting, references }
}

/// The file in which events wait.
fn spool(written: &Notifications, state: &StateSettings, context: &mut Context<'_>) -> Option<PathBuf> {
    const NAME: &str = "notifications.spool";
    match text(&written.spool) {
        Some(path) => {
            let path = context.path(path);
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            let missing = directory.filter(|directory| !context.without_files && !directory.is_dir());
            if let Some(directory) = missing {
                let message = format!("expected a directory at {}, found none", directory.display());
                let hint = "Make it, and let the user of the service write there";
                context.report.error(at("spool"), message, hint);
            }
            Some(path)
        }
        None => in_state_directory(NAME).or_else(|| match state {
            StateSettings::File(state) => Some(state.with_file_name(NAME)),
            _ => None,
        }),
    }
}

fn endpoints(written: &Notifications, context: &mut Context<'_>) -> Vec<EndpointSettings> {
    let none = NotificationEndpoint::default();
    let mut names = HashSet::new();
    let mut endpoints = Vec::new();
    for (n, endpoint) in written.endpoints.iter().flatten().enumerate() {
        let written = endpoint.as_ref().unwrap_or(&none);
        let mut reader = Reader { at: at("endpoints").index(n), written, context };
        let endpoint = reader.endpoint();
        if let Some(name) = text(&written.name)
            && !names.insert(name)
        {
            reader.error("name", "another endpoint has this name", "Give each endpoint a name of its own");
        }
        let is_on = !written.disabled.is_some_and(|Switch(disabled)| disabled);
        endpoints.extend(endpoint.filter(|_| is_on));
    }
    endpoints
}

/// One endpoint.
struct Reader<'r, 'c, 'w> {
    at: Path,
    written: &'w NotificationEndpoint,
    context: &'r mut Context<'c>,
}

impl Reader<'_, '_, '_> {
    fn endpoint(&mut self) -> Option<EndpointSettings> {
        let written = self.written;
        let (name, url) = (self.name(), self.url());
        let (timeout, backoff) = (
            const { settings::duration("notifications.endpoints[].timeout") },
            const { settings::duration("notifications.endpoints[].backoff") },
        );
        let threshold = const { settings::count("notifications.endpoints[].threshold") };
        let (at, report) = (self.at.clone(), &mut self.context.report);
        let timeout = quantity::duration_at(written.timeout.as_ref(), timeout, at.key("timeout"), report);
        let threshold = quantity::count_at(written.threshold, threshold, at.key("threshold"), report);
        let backoff = quantity::duration_at(written.backoff.as_ref(), backoff, at.key("backoff"), report);
        let (headers, secret) = (self.headers(), self.secret());
        let authorities = self.authorities(url.as_ref())?;
        let ignored_actions = self.ignored_actions();
        Some(EndpointSettings {
            name: name?,
            url: url?,
            headers: headers?,
            secret: secret?,
            authorities,
            timeout,
            threshold,
            backoff,
            ignored_media_types: self.ignored_media_types(),
            ignored_actions,
        })
    }

    fn name(&mut self) -> Option<String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = text(&self.written.name).filter(|name| name.len() <= 64 && name.bytes().all(is_plain));
        if name.is_none() {
            let hint = "Write up to 64 letters, digits, `.`, `-` or `_`, as `scanner`";
            self.error("name", "missing, or not a name of an endpoint", hint);
        }
        name.map(str::to_owned)
    }

    /// Messages do not have the URL: there may be a token in it.
    fn url(&mut self) -> Option<Uri> {
        let written = text(&self.written.url).unwrap_or_default();
        let hint = "Write an absolute URL, as `https://scanner.example/events`";
        if written.is_empty() {
            self.error("url", "missing", hint);
            return None;
        }
        let is_plain = !written.contains(['#', '\\']) && written.bytes().all(|byte| byte.is_ascii_graphic());
        let url: Option<Uri> = written.parse().ok().filter(|_| is_plain);
        let url = url.filter(|url| matches!(url.scheme_str(), Some("http" | "https")));
        let Some(url) = url.filter(|url| url.host().is_some_and(|host| !host.is_empty())) else {
            self.error("url", "not an http or https URL", hint);
            return None;
        };
        if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            let hint = "Move it into `headers`, as `Authorization: [\"Basic …\"]`, with the user and the password in Base64";
            self.error("url", "has a user or a password in it", hint);
            return None;
        }
        self.judge(&url);
        Some(url)
    }

    /// Reports a URL that is allowed and risky.
    fn judge(&mut self, url: &Uri) {
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let is_local = host.eq_ignore_ascii_case("localhost") || address.is_some_and(|a| a.is_loopback());
        if url.scheme_str() == Some("http") && !is_local {
            let message = "plain HTTP to another host: accounts, addresses and the values of `headers` can be read on the way";
            self.context.report.warn(self.at.key("url"), message, "Write an https URL");
        }
        if address.is_some_and(|address| !is_for_endpoints(address)) {
            let message = "a link-local or multicast address, where clouds keep the credentials of a machine";
            self.context.report.warn(
                self.at.key("url"),
                message,
                "Write the address of the server that takes events",
            );
        }
    }

    fn headers(&mut self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Some(Vec::new());
        for (written, values) in self.written.headers.iter().flat_map(|Entries(entries)| entries) {
            let place = self.at.key("headers").key(written);
            let name = HeaderName::from_bytes(written.as_bytes()).ok();
            if name.is_none() || name.as_ref().is_some_and(|name| OURS.contains(name)) {
                let hint = "Write a name such as `Authorization`; those of the request itself cannot be set";
                self.context.report.error(place, "not a header that can be added", hint);
                headers = None;
                continue;
            }
            let texts = values.iter().flat_map(|OneOrMany(values)| values);
            for value in texts.map(|value| HeaderValue::from_str(value)) {
                match (value, &name, &mut headers) {
                    (Ok(mut value), Some(name), Some(headers)) => {
                        value.set_sensitive(true);
                        headers.push((name.clone(), value));
                    }
                    (Ok(_), ..) => {}
                    (Err(_), ..) => {
                        let hint = "Write it on one line, without control characters";
                        self.context.report.error(place.clone(), "not a value of a header", hint);
                        headers = None;
                    }
                }
            }
        }
        headers
    }

    /// The key of the signature; the outer `None` after an error.
    fn secret(&mut self) -> Option<Option<SigningSecret>> {
        let Some(written) = text(&self.written.secret_file) else { return Some(None) };
        let (file, place) = (self.context.path(written), self.at.key("secret_file"));
        if !self.context.looks_at(&file, &place) {
            return Some(Some(SigningSecret::new(Vec::new())));
        }
        let content = match fs::read(&file) {
            Ok(content) => zeroize::Zeroizing::new(content),
            Err(error) => {
                let hint =
                    "Give a file that this user may read; a relative path starts at this file's directory";
                let message = format!("cannot read {}: {error}", file.display());
                self.context.report.error(place, message, hint);
                return None;
            }
        };
        pem::warn_if_public(&file, &place, self.context);
        let key = content.strip_suffix(b"\n").unwrap_or(&content);
        let key = key.strip_suffix(b"\r").unwrap_or(key);
        if key.len() < SHORTEST_SECRET {
            let message = format!("{} has fewer than {SHORTEST_SECRET} bytes", file.display());
            self.context.report.error(place, message, "Write one with `openssl rand -hex 32`");
            return None;
        }
        let secret = SigningSecret::new(key.to_vec());
        self.context.files.push(file);
        Some(Some(secret))
    }

    fn authorities(&mut self, url: Option<&Uri>) -> Option<Vec<CertificateDer<'static>>> {
        let place = self.at.key("ca_certificate");
        let is_tls = url.is_some_and(|url| url.scheme_str() == Some("https"));
        match text(&self.written.ca_certificate) {
            Some(_) if url.is_some() && !is_tls => {
                self.error("ca_certificate", "stands beside an http URL", "Write an https URL, or remove it");
                None
            }
            None if !is_tls => Some(Vec::new()),
            written => authorities(written, &place, self.context),
        }
    }

    fn ignored_media_types(&self) -> Vec<String> {
        let ignore = self.written.ignore.as_ref().and_then(|ignore| ignore.mediatypes.as_ref());
        let lists = ignore.into_iter().chain(self.written.ignoredmediatypes.as_ref());
        lists.flat_map(|OneOrMany(types)| types.clone()).collect()
    }

    fn ignored_actions(&mut self) -> Vec<Action> {
        const ACTIONS: [Action; 4] = [Action::Push, Action::Pull, Action::Mount, Action::Delete];
        let written = self.written.ignore.as_ref().and_then(|ignore| ignore.actions.as_ref());
        let mut ignored = Vec::new();
        for (n, name) in written.iter().flat_map(|OneOrMany(names)| names).enumerate() {
            match ACTIONS.into_iter().find(|action| action.as_str() == name) {
                Some(action) => ignored.push(action),
                None => {
                    let place = self.at.key("ignore").key("actions").index(n);
                    let hint = "Write some of `push`, `pull`, `mount` and `delete`";
                    self.context.report.error(place, "not an action of events", hint);
                }
            }
        }
        ignored
    }

    fn error(&mut self, key: &str, message: &str, hint: &str) {
        self.context.report.error(self.at.key(key), message, hint);
    }
}

fn at(key: &str) -> Path {
    Path::from("notifications").key(key)
}

#[cfg(test)]
mod tests;
