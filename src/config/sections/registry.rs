//! `registry:`: where the registry is, and what is shown of it.

use std::{path::PathBuf, time::Duration};

use super::{limits, object_stores, storage};
use crate::{
    config::{
        Context,
        schema::{File, Registry, Text},
        settings,
        values::{address, quantity},
    },
    proxy::{CatalogSettings, UpstreamAddress, UpstreamSettings, WebOrigin},
};

const DEFAULT_ADDRESS: &str = "127.0.0.1:5000";
const DEFAULT_SERVICE: &str = "Docker registry";
const URL: &str = "Write `http://127.0.0.1:5000` or `unix:/path/of/socket`";

/// The settings of the proxy that `registry:` holds.
pub(crate) struct RegistrySettings {
    pub(crate) upstream: UpstreamSettings,
    /// `registry.service`.
    pub(crate) service: String,
    /// `registry.catalog`.
    pub(crate) catalog: CatalogSettings,
    /// `registry.follow_redirects`.
    pub(crate) follow_redirects: Vec<WebOrigin>,
    /// `registry.storage`.
    pub(crate) storage: Option<PathBuf>,
    /// `registry.storage_answers`.
    pub(crate) storage_answers: bool,
}

/// Reads `registry:`; after an error, with a default in place of what is wrong.
pub(crate) fn settings(file: &File, idle_body: Duration, context: &mut Context<'_>) -> RegistrySettings {
    let none = Registry::default();
    let written = file.registry.as_ref().unwrap_or(&none);
    let address = upstream_address(written, context);
    let service = service(written, context);
    let catalog = catalog(written, context);
    let follow_redirects = object_stores::origins(written, context);
    let storage_answers = storage::answers(written, context);
    let storage = storage::directory(written, context);
    let report = &mut context.report;
    let connect_timeout = const { settings::duration("registry.connect_timeout") };
    let response_timeout = const { settings::duration("registry.response_timeout") };
    let idle_timeout = const { settings::duration("registry.idle_timeout") };
    let upstream = UpstreamSettings {
        address,
        requests: limits::upstream_requests(file, report),
        connect_timeout: quantity::duration(written.connect_timeout.as_ref(), connect_timeout, report),
        response_timeout: quantity::duration(written.response_timeout.as_ref(), response_timeout, report),
        idle_body,
        idle_timeout: quantity::duration(written.idle_timeout.as_ref(), idle_timeout, report),
    };
    RegistrySettings { upstream, service, catalog, follow_redirects, storage, storage_answers }
}

fn upstream_address(written: &Registry, context: &mut Context<'_>) -> UpstreamAddress {
    let default = UpstreamAddress::Tcp(DEFAULT_ADDRESS.to_owned());
    let Some(Text(url)) = &written.url else { return default };
    match parse_url(url, context.base) {
        Ok(address) => {
            warn_if_remote(&address, context);
            address
        }
        Err((what, hint)) => {
            context.report.error("registry.url", what, hint);
            default
        }
    }
}

/// Reads `http://host:port` or `unix:/path`; a relative path starts at `base`.
///
/// # Errors
/// What is wrong, and what to do.
pub(crate) fn parse_url(
    url: &str,
    base: &std::path::Path,
) -> Result<UpstreamAddress, (&'static str, &'static str)> {
    if let Some(path) = url.strip_prefix("unix:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
        return if path.is_empty() {
            Err(("has no path", URL))
        } else {
            Ok(UpstreamAddress::Unix(base.join(path)))
        };
    }
    if url.starts_with("https:") {
        let hint = "Bind the registry to this machine or to a Unix socket. Write `http://127.0.0.1:5000`";
        return Err(("a registry behind TLS is not supported: it needs no TLS of its own", hint));
    }
    let authority = url.strip_prefix("http://").and_then(authority);
    authority.map(UpstreamAddress::Tcp).ok_or(("not the address of a registry", URL))
}

/// `host:port` of what follows `http://`. A path would be ignored, and a password has no use: neither is allowed.
fn authority(rest: &str) -> Option<String> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match address::split_port(rest) {
        Some((host, port)) => (host, address::decimal(port).filter(|port| *port != 0)?),
        None => (rest, 80),
    };
    let name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let bracketed = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let valid = bracketed.map_or_else(|| name(host), |v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
    (valid && !host.is_empty()).then(|| format!("{host}:{port}"))
}

fn warn_if_remote(address: &UpstreamAddress, context: &mut Context<'_>) {
    let UpstreamAddress::Tcp(authority) = address else { return };
    let host = address::split_port(authority).map_or(authority.as_str(), |(host, _)| host);
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    if host != "localhost" && !ip.is_ok_and(|ip| ip.is_loopback()) {
        let message = "the registry is not on this machine: images cross the network in the clear, and a client that \
                       reaches the registry directly need not sign in";
        let hint = "Bind it to 127.0.0.1 or a Unix socket, or let a firewall admit this machine only";
        context.report.warn("registry.url", message, hint);
    }
}

fn service(written: &Registry, context: &mut Context<'_>) -> String {
    let name = written.service.as_ref().map_or(DEFAULT_SERVICE, |text| text.0.as_str());
    // It stands between quotes in a header.
    let quotable = |b: u8| (b.is_ascii_graphic() || b == b' ') && b != b'"' && b != b'\\';
    if name.is_empty() || !name.bytes().all(quotable) {
        let hint = "Write a name in ASCII, without quotes and backslashes, as `Docker registry`";
        context.report.error("registry.service", "not a name of a service", hint);
    }
    name.to_owned()
}

fn catalog(written: &Registry, context: &mut Context<'_>) -> CatalogSettings {
    match written.catalog.as_ref().map(|text| text.0.as_str()) {
        None | Some("filtered") => CatalogSettings::Filtered,
        Some("strict") => CatalogSettings::Strict,
        Some(_) => {
            let hint = "Write `filtered`, for the names of what an account may pull, or `strict`, for all or nothing";
            context.report.error("registry.catalog", "not a way to show the catalogue", hint);
            CatalogSettings::Strict
        }
    }
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn an_authority_has_a_host_and_a_port() {
        for (text, read) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("registry", "registry:80"),
            ("registry:5000/", "registry:5000"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(authority(text).as_deref(), Some(read));
        }
        for text in ["", ":5000", "a:b@c:5000", "a/b", "a:0", "a:x", "::1", "[::1", "a?b", "é:1"] {
            assert_eq!(authority(text), None, "{text}");
        }
    }
}
