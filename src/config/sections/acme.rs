//! `server.letsencrypt` and `server.acme`: the certificate of the listeners by ACME.
//!
//! docker_auth turns this on by an address for e-mail and takes whatever name a client asks for. Here the name is
//! written down: a stranger that asks for others must cause no order.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path as FilePath, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hyper::Uri;
use zeroize::Zeroizing;

use super::{ldap::authorities, state};
use crate::{
    acme::{AcmeSettings, ChallengeKind, ExternalAccount, LETS_ENCRYPT},
    authn::Secret,
    config::{
        Context,
        diagnostics::path::Path,
        schema::{self, File, Server, text},
        values::pem,
    },
    private_file,
};

const SECTION: &str = "server.letsencrypt";
const ACME: &str = "server.acme";
/// The shortest key that signs for an account: HMAC with SHA-256 (RFC 7518 section 3.2).
const SHORTEST_KEY: usize = 32;

/// Returns true if the section asks for a certificate. One that is empty, or that has keys without values, does not, in
/// docker_auth either.
pub(super) fn is_on(server: &Server) -> bool {
    server.letsencrypt.as_ref().is_some_and(|written| {
        [&written.host, &written.email, &written.cache_dir].into_iter().any(|key| text(key).is_some())
    })
}

/// Returns whether a file is the one in which the renewed key is stored.
pub(super) fn is_renewed(key: &FilePath, file: &File, context: &Context<'_>) -> bool {
    let Some(server) = file.server.as_ref().filter(|server| is_on(server)) else { return false };
    let written = server.letsencrypt.as_ref();
    let host = written.and_then(|written| text(&written.host)).unwrap_or_default().to_ascii_lowercase();
    let cached = written
        .and_then(|written| text(&written.cache_dir).map(|path| context.path(path)))
        .map(|directory| directory.join(host));
    let real = |path: &FilePath| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    cached.is_some_and(|cached| real(&cached) == real(key))
}

/// The settings of ACME; `None` where it is off, or after an error.
pub(super) fn settings(file: &File, context: &mut Context<'_>) -> Option<AcmeSettings> {
    let server = file.server.as_ref()?;
    let none = schema::Acme::default();
    let acme = server.acme.as_ref().unwrap_or(&none);
    let written = match &server.letsencrypt {
        Some(written) if is_on(server) => written,
        _ => {
            if server.acme.is_some() {
                let hint = "Add `letsencrypt: {host: registry.example}`, or remove this";
                context.report.error(ACME, "stands without `letsencrypt`", hint);
            }
            return None;
        }
    };
    if text(&server.certificate).or(text(&server.key)).is_some() {
        let hint = "Remove `certificate` and `key`, or this";
        context.report.error(SECTION, "stands beside `certificate` and `key`", hint);
    }
    let host = host(written, context);
    let email = email(written, context);
    let directory = directory(acme, context);
    let cache_dir = usable_cache_dir(written, host.as_deref(), context);
    let challenge = challenge(acme, server, context);
    let external_account = external_account(acme, context);
    let at = Path::from(ACME).key("ca_certificate");
    let sealing_key = state::sealing_key(file, context);
    let authorities = authorities(text(&acme.ca_certificate), &at, context);
    Some(AcmeSettings {
        host: host?,
        email,
        cache_dir: cache_dir?,
        directory: directory?,
        authorities: authorities?,
        challenge: challenge?,
        external_account: external_account?,
        sealing_key: sealing_key?,
    })
}

/// A name of the DNS, in lower case.
fn host(written: &schema::LetsEncrypt, context: &mut Context<'_>) -> Option<String> {
    let at = Path::from(SECTION).key("host");
    let Some(host) = text(&written.host) else {
        let message = "missing: a certificate for whatever name a client asks for would let any client use up \
                       the limits of the authority";
        context.report.error(at, message, "Write the name of the registry, as `registry.example`");
        return None;
    };
    let is_label_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_label_byte)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    if host.len() > 253 || !host.split('.').all(is_label) || is_address {
        let message = match host {
            _ if is_address => "expected a name, found an address",
            _ if host.starts_with("*.") => {
                "a name with `*` is proven in the DNS only, which Portwarden cannot"
            }
            _ => "not a name of the DNS",
        };
        context.report.error(at, message, "Write the one name of the registry, as `registry.example`");
        return None;
    }
    Some(host.to_ascii_lowercase())
}

fn email(written: &schema::LetsEncrypt, context: &mut Context<'_>) -> Option<String> {
    let email = text(&written.email)?;
    let is_address = email.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty()
            && !domain.is_empty()
            && email.bytes().all(|b| b.is_ascii_graphic() && !b"?,".contains(&b))
    });
    if !is_address {
        let at = Path::from(SECTION).key("email");
        context.report.error(at, "not one address", "Write it as `ops@example.org`, or leave it out");
    }
    Some(email.to_owned())
}

fn directory(acme: &schema::Acme, context: &mut Context<'_>) -> Option<String> {
    let Some(url) = text(&acme.directory) else { return Some(LETS_ENCRYPT.to_owned()) };
    let parsed = url.parse::<Uri>().ok();
    let is_https = parsed.is_some_and(|url| url.scheme_str() == Some("https") && url.host().is_some());
    if !is_https || url.bytes().any(|b| b.is_ascii_control()) {
        let hint = format!("Write the URL of the authority's directory, as `{LETS_ENCRYPT}`");
        context.report.error(Path::from(ACME).key("directory"), "not an https URL", hint);
        return None;
    }
    Some(url.to_owned())
}

fn challenge(acme: &schema::Acme, server: &Server, context: &mut Context<'_>) -> Option<ChallengeKind> {
    let at = Path::from(ACME).key("challenge");
    match text(&acme.challenge) {
        None => Some(ChallengeKind::TlsAlpn),
        Some(name) if name == ChallengeKind::TlsAlpn.name() => Some(ChallengeKind::TlsAlpn),
        Some(name) if name == ChallengeKind::Http.name() => {
            let addresses = server.redirect_addr.as_ref().is_some_and(|addresses| !addresses.0.is_empty());
            if !addresses {
                let hint = "Add `redirect_addr: \":80\"` under `server`, or write `tls-alpn-01`";
                context.report.error(at, "asks for a port that speaks plain HTTP, and there is none", hint);
            }
            Some(ChallengeKind::Http)
        }
        Some(_) => {
            context.report.error(
                at,
                "not a challenge that Portwarden answers",
                "Write `tls-alpn-01` or `http-01`",
            );
            None
        }
    }
}

/// The account that exists; the outer `None` after an error.
fn external_account(acme: &schema::Acme, context: &mut Context<'_>) -> Option<Option<ExternalAccount>> {
    let Some(written) = &acme.eab else { return Some(None) };
    let at = Path::from(ACME).key("eab");
    let (Some(id), Some(file)) = (text(&written.kid), text(&written.key_file)) else {
        let hint = "Write both, as the authority gave them to you: the key alone in a file";
        context.report.error(at, "needs `kid` and `key_file`", hint);
        return None;
    };
    let (file, at) = (context.path(file), at.key("key_file"));
    if !context.looks_at(&file, &at) {
        return Some(None);
    }
    let content = Zeroizing::new(pem::read(&file, &at, context)?);
    pem::warn_if_public(&file, &at, context);
    let written = content.trim_ascii();
    let end = written.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    let key = BASE64URL.decode(written.get(..end).unwrap_or_default()).map(Zeroizing::new);
    match key {
        Ok(key) if key.len() >= SHORTEST_KEY => {
            Some(Some(ExternalAccount { id: id.to_owned(), key: Secret::new(key.to_vec()) }))
        }
        _ => {
            let message =
                format!("{} holds no key of {SHORTEST_KEY} bytes or more in base64url", file.display());
            context.report.error(
                at,
                message,
                "Write the HMAC key into it as the authority shows it, and nothing else",
            );
            None
        }
    }
}

/// Looks for what would keep certificates from being stored there, or let others read them.
fn usable_cache_dir(
    written: &schema::LetsEncrypt,
    host: Option<&str>,
    context: &mut Context<'_>,
) -> Option<PathBuf> {
    let at = Path::from(SECTION).key("cache_dir");
    let Some(path) = text(&written.cache_dir).map(|path| context.path(path)) else {
        let hint = "Write a directory of its own for certificates and keys, as `/var/lib/portwarden/acme`";
        context.report.error(at, "missing", hint);
        return None;
    };
    if !context.looks_at(&path, &at) {
        return Some(path);
    }
    // One that is not there is made, in a directory that is.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(FilePath::new("."));
    let found = match fs::metadata(&path) {
        Err(_) if parent.is_dir() => return Some(path),
        found => found.ok().filter(fs::Metadata::is_dir),
    };
    let Some(found) = found else {
        let message = format!("expected a directory at {}, found none", path.display());
        context.report.error(at, message, "Make it, and let the user of the service write there");
        return None;
    };
    if found.mode() & 0o022 != 0 {
        let message = format!("other users may write to {}: mode {:o}", path.display(), found.mode() & 0o777);
        context.report.error(at, message, "Run `chmod go-w` on it");
        return None;
    }
    if let Some(Err(why)) = host.map(|host| private_file::look_at(&path.join(host), "remove it")) {
        let message = format!("{}: {}", path.join(host.unwrap_or_default()).display(), why.message);
        context.report.error(at, message, why.hint);
        return None;
    }
    Some(path)
}

#[cfg(test)]
mod tests;
