//! `server.cors:`: the pages of other origins that may use the registry.

use hyper::Uri;

use super::{
    Context,
    file::{Cors, File, OneOrMany},
    path::Path,
};
use crate::{proxy::CorsSettings, registry::Method};

const ORIGIN: &str = "Write each origin by name, as `https://ui.example`: its pages use the passwords that a browser knows for \
                      this registry";

/// Reads `server.cors:`.
pub(super) fn settings(file: &File, context: &mut Context<'_>) -> CorsSettings {
    let Some(written) = file.server.as_ref().and_then(|server| server.cors.as_ref()) else {
        return CorsSettings::default();
    };
    CorsSettings { origins: origins(written, context), methods: methods(written, context) }
}

fn origins(written: &Cors, context: &mut Context<'_>) -> Vec<String> {
    let Some(OneOrMany(texts)) = &written.origins else {
        context.report.error(at("origins"), "missing", ORIGIN);
        return Vec::new();
    };
    let mut origins = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let at = if texts.len() > 1 { at("origins").index(n) } else { at("origins") };
        let Some((scheme, host, origin)) = origin(text) else {
            context.report.error(at, "not an origin", ORIGIN);
            continue;
        };
        let is_local =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if scheme == "http" && !is_local {
            let message = "a page that comes over the network in the clear may be an attacker's";
            context.report.warn(at, message, format!("Write `https://{host}`, and serve the page over TLS"));
        }
        origins.push(origin);
    }
    origins
}

/// The scheme, the host and the whole as a browser sends it (RFC 6454 section 6.2): in lower case, without a default port.
fn origin(text: &str) -> Option<(&'static str, String, String)> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, default) = match uri.scheme_str()? {
        "https" => ("https", 443),
        "http" => ("http", 80),
        _ => return None,
    };
    let authority = uri.authority()?;
    let host = authority.host().to_lowercase();
    let is_plain = !authority.as_str().contains(['@', '*']) && uri.path() == "/" && uri.query().is_none();
    let port = authority.port_u16();
    // A port that is none is no part of the authority's port.
    let is_whole = authority.as_str().len() == host.len() + port.map_or(0, |port| 1 + port.to_string().len());
    let port = port.filter(|port| *port != default).map_or_else(String::new, |port| format!(":{port}"));
    let whole = format!("{scheme}://{host}{port}");
    (is_plain && is_whole && !host.is_empty()).then_some((scheme, host, whole))
}

/// GET and HEAD: to look. Everything else is named.
fn methods(written: &Cors, context: &mut Context<'_>) -> Vec<&'static str> {
    let Some(OneOrMany(texts)) = &written.methods else { return vec!["GET", "HEAD"] };
    let mut methods = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match Method::parse(text) {
            Some(method) => methods.push(method.as_str()),
            None => {
                let hint = "Write some of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`";
                context.report.error(at("methods").index(n), "not a method of the registry", hint);
            }
        }
    }
    methods
}

fn at(key: &str) -> Path {
    Path::from("server").key("cors").key(key)
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for (text, sent) in [
            ("https://ui.example", "https://ui.example"),
            ("https://UI.example/", "https://ui.example"),
            ("https://ui.example:443", "https://ui.example"),
            ("https://ui.example:8443", "https://ui.example:8443"),
            ("http://localhost:80", "http://localhost"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(origin(text).map(|(_, _, whole)| whole).as_deref(), Some(sent), "{text}");
        }
        for text in [
            "*",
            "null",
            "",
            "ui.example",
            "https://",
            "https://*.example",
            "https://*",
            "https://ui.example/path",
            "https://ui.example?x",
            "https://u@ui.example",
            "https://ui.example:",
            "https://ui.example:x",
            "https://ui.example:99999",
            "ftp://ui.example",
            "https://ui.example, https://b.example",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
