//! `ldap_auth:`: a directory. What docker_auth finds out at the first login is found out here.

use std::{fs, net::IpAddr};

use rustls::pki_types::CertificateDer;

use crate::{
    authn::ldap::{
        ACCOUNT, BindPassword, DnTemplate, Filter, LabelMap as Mapping, LdapSettings, LdapTls, SearchAs,
        Trust,
    },
    config::{
        Context,
        diagnostics::path::Path,
        schema::{Entries, LabelMap, LdapAuth, Switch, Text, text},
        values::{address, pem},
    },
};

/// The directory; `None` after an error.
pub(crate) fn settings(written: &LdapAuth, context: &mut Context<'_>) -> Option<LdapSettings> {
    let address = address(written, context);
    let tls = tls(written, address.as_ref(), context);
    let base = required(&written.base, "base", "the name to search below, as `dc=example,dc=com`", context);
    let filter = filter(written, context);
    let search_as = search_as(written, context);
    let labels = labels(written, context);
    let (host, port) = address?;
    let (tls, base, filter) = (tls?, base?.to_owned(), filter?);
    Some(LdapSettings { host, port, tls, base, filter, search_as: search_as?, labels })
}

fn address(written: &LdapAuth, context: &mut Context<'_>) -> Option<(String, u16)> {
    let text = required(&written.addr, "addr", "host and port, as `ldap.example.com:636`", context)?;
    let parts = address::split_port(text).map(|(host, port)| (bare(host), address::decimal(port)));
    match parts {
        Some((host, Some(port))) if port != 0 && !host.is_empty() => Some((host.to_owned(), port)),
        _ => {
            let hint = "Write both and nothing else, as `ldap.example.com:636` or `[2001:db8::1]:389`";
            context.report.error(at("addr"), "not a host and a port", hint);
            None
        }
    }
}

/// The host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Nothing written means TLS on port 636 and none on any other, as in docker_auth.
fn tls(written: &LdapAuth, address: Option<&(String, u16)>, context: &mut Context<'_>) -> Option<LdapTls> {
    let mode = match (text(&written.tls).unwrap_or_default(), address) {
        ("", Some((_, 636))) => "always",
        ("", _) => "none",
        (mode, _) => mode,
    };
    match mode {
        "none" => {
            warn_if_remote(written, address, context);
            Some(LdapTls::None)
        }
        "starttls" => trust(written, context).map(LdapTls::StartTls),
        "always" => trust(written, context).map(LdapTls::Always),
        _ => {
            let hint = "Write `always`, `starttls`, or `none`";
            context.report.error(at("tls"), "not a way to use TLS", hint);
            None
        }
    }
}

fn warn_if_remote(written: &LdapAuth, address: Option<&(String, u16)>, context: &mut Context<'_>) {
    let local = |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if address.is_some_and(|(host, _)| !local(host)) {
        let key = if text(&written.tls).is_some() { "tls" } else { "addr" };
        let message =
            "passwords cross the network in the clear, and an attacker in between can pose as any account";
        context.report.warn(at(key), message, "Write `tls: starttls`, or `tls: always` with port 636");
    }
}

/// docker_auth does not look at `ca_certificate` either when anything is believed.
fn trust(written: &LdapAuth, context: &mut Context<'_>) -> Option<Trust> {
    if is_on(written.insecure_tls_skip_verify) {
        let message = "ANY certificate is believed: an attacker in between gets the passwords, and can pose as any account";
        let hint = "Remove it, and name the authority of the directory in `ca_certificate`";
        context.report.warn(at("insecure_tls_skip_verify"), message, hint);
        return Some(Trust::Anything);
    }
    let authorities = match text(&written.ca_certificate) {
        // Those of the machine that serves count, not those of this one.
        None if context.without_files => {
            context
                .report
                .note(at("ca_certificate"), "the certificate authorities of this machine were not looked at");
            Vec::new()
        }
        written => authorities(written, &at("ca_certificate"), context)?,
    };
    Some(Trust::Authorities(authorities))
}

/// Returns the authorities of a PEM file, or those of the system where none is written; `None` after an error.
pub(super) fn authorities(
    written: Option<&str>,
    at: &Path,
    context: &mut Context<'_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let Some(file) = written else {
        return if context.without_files { Some(Vec::new()) } else { authorities_of_the_system(at, context) };
    };
    let file = context.path(file);
    if !context.looks_at(&file, at) {
        return Some(Vec::new());
    }
    let pem = pem::read(&file, at, context)?;
    pem::certificates(&pem, &file, at, context)
}

/// The certificate authorities of this machine; `None` after an error, which is reported at `at`.
fn authorities_of_the_system(at: &Path, context: &mut Context<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        let message = format!("this machine knows no certificate authority{why}");
        let hint = "Install the package `ca-certificates`, or name the authority in `ca_certificate`";
        context.report.error(at, message, hint);
        return None;
    }
    Some(found.certs)
}

fn filter(written: &LdapAuth, context: &mut Context<'_>) -> Option<Filter> {
    const LIKE: &str = "a filter, as `(&(uid=${account})(objectClass=person))`";
    let text = required(&written.filter, "filter", LIKE, context)?;
    match Filter::parse(text) {
        Ok(filter) => {
            if !filter.compares_whole_account() {
                let message = format!(
                    "an entry is found where `{ACCOUNT}` is only a part of a value, or none, so a user may sign in \
                     with a part of another one's name"
                );
                let hint = "Compare it with the whole value of an attribute in each alternative, as in \
                            `(uid=${account})`";
                context.report.warn(at("filter"), message, hint);
            }
            Some(filter)
        }
        Err(error) => {
            context.report.error(at("filter"), error.to_string(), format!("Write {LIKE}"));
            None
        }
    }
}

fn search_as(written: &LdapAuth, context: &mut Context<'_>) -> Option<SearchAs> {
    let password_file = text(&written.bind_password_file);
    if is_on(written.initial_bind_as_user) {
        if password_file.is_some() {
            let message = "ignored: with `initial_bind_as_user` each account binds with its own password";
            context.report.warn(at("bind_password_file"), message, "Remove it");
        }
        return bind_as_user(written, context);
    }
    match (text(&written.bind_dn), password_file) {
        (None, None) => Some(SearchAs::Anonymous),
        (None, Some(_)) => {
            let message = "ignored without `bind_dn`: accounts are looked up anonymously";
            context.report.warn(at("bind_password_file"), message, "Add `bind_dn`, or remove this");
            Some(SearchAs::Anonymous)
        }
        (Some(_), None) => {
            let message = "stands without `bind_password_file`: a bind without a password is anonymous";
            let hint = "Add the file with the password of this user, or remove this";
            context.report.error(at("bind_dn"), message, hint);
            None
        }
        (Some(dn), Some(file)) => {
            if dn.contains(ACCOUNT) {
                let message = format!("`{ACCOUNT}` has no meaning here without `initial_bind_as_user`");
                context.report.warn(
                    at("bind_dn"),
                    message,
                    "Set `initial_bind_as_user: true`, or name one user",
                );
            }
            Some(SearchAs::Reader { dn: dn.to_owned(), password: password(file, context)? })
        }
    }
}

fn bind_as_user(written: &LdapAuth, context: &mut Context<'_>) -> Option<SearchAs> {
    const LIKE: &str = "the name of each account, as `uid=${account},ou=people,dc=example,dc=com`";
    let dn = required(&written.bind_dn, "bind_dn", LIKE, context)?;
    match DnTemplate::parse(dn) {
        Ok(template) => Some(SearchAs::User(template)),
        Err(error) => {
            context.report.error(at("bind_dn"), error.to_string(), format!("Write {LIKE}"));
            None
        }
    }
}

/// The password in a file, without the white space around it.
fn password(written: &str, context: &mut Context<'_>) -> Option<BindPassword> {
    let (file, at) = (context.path(written), at("bind_password_file"));
    if !context.looks_at(&file, &at) {
        return BindPassword::new("not read");
    }
    let content = match fs::read(&file) {
        Ok(content) => zeroize::Zeroizing::new(content),
        Err(error) => {
            let hint = "Give a file that this user may read; a relative path starts at this file's directory";
            context.report.error(at, format!("cannot read {}: {error}", file.display()), hint);
            return None;
        }
    };
    pem::warn_if_public(&file, &at, context);
    let password = BindPassword::new(content.trim_ascii());
    if password.is_none() {
        let message = format!("{} is empty: a bind without a password is anonymous", file.display());
        context.report.error(at, message, "Write the password of `bind_dn` into it");
    }
    context.files.push(file);
    password
}

fn labels(written: &LdapAuth, context: &mut Context<'_>) -> Vec<(String, Mapping)> {
    let none = LabelMap::default();
    let Some(Entries(labels)) = &written.labels else { return Vec::new() };
    let maps = labels.iter().filter_map(|(label, map)| {
        let map = map.as_ref().unwrap_or(&none);
        let attribute = text(&map.attribute).map(str::to_owned);
        if attribute.is_none() {
            let hint = "Write the attribute that the label comes from, as `memberOf`";
            context.report.error(at("labels").key(label).key("attribute"), "missing", hint);
        }
        let (parse_cn, lower_case) = (is_on(map.parse_cn), is_on(map.lower_case));
        Some((label.clone(), Mapping { attribute: attribute?, parse_cn, lower_case }))
    });
    maps.collect()
}

/// Returns the text at `key`. If there is none, reports the expected value.
fn required<'a>(
    written: &'a Option<Text>,
    key: &str,
    what: &str,
    context: &mut Context<'_>,
) -> Option<&'a str> {
    let text = text(written);
    if text.is_none() {
        context.report.error(at(key), "missing", format!("Write {what}"));
    }
    text
}

fn is_on(written: Option<Switch>) -> bool {
    written.is_some_and(|switch| switch.0)
}

fn at(key: &str) -> Path {
    Path::from("ldap_auth").key(key)
}

#[cfg(test)]
mod tests;
