//! `server:`: the addresses to listen on, and the proxies that are trusted for a client's address. TLS is in `tls`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{acme, limits};
use crate::{
    authz::IpBlock,
    config::{
        Context,
        diagnostics::path::Path,
        schema::{File, OneOrMany, Server, Text},
        values::address::{self, AddressError},
    },
    proxy::ClientAddressSettings,
    server::{Address, Settings, TlsSettings},
};

/// The settings of the listeners.
pub(crate) fn settings(
    file: &File,
    tls: Option<TlsSettings>,
    idle_body: Duration,
    context: &mut Context<'_>,
) -> Settings {
    let none = Server::default();
    let written = file.server.as_ref().unwrap_or(&none);
    let addresses = addresses(written, context);
    let redirect_addresses = redirect_addresses(written, &addresses, context);
    let limits = limits::connections(file, idle_body, &mut context.report);
    Settings { addresses, redirect_addresses, tls, limits }
}

/// `server.path_prefix`: empty, or absolute without a slash at the end.
pub(crate) fn path_prefix(file: &File, context: &mut Context<'_>) -> String {
    let written = file.server.as_ref().and_then(|server| server.path_prefix.as_ref());
    let Some(Text(prefix)) = written else { return String::new() };
    let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(is_path_byte);
    let trimmed = prefix.strip_suffix('/').unwrap_or(prefix);
    let plain = trimmed.split('/').skip(1).all(segment);
    if prefix.is_empty() || (prefix.starts_with('/') && plain) {
        return trimmed.to_owned();
    }
    let hint = "Write it as `/prefix`: letters, digits, `-`, `.`, `_`, `~` and single slashes";
    context.report.error("server.path_prefix", "must be an absolute path", hint);
    String::new()
}

/// `server.relative_urls`, which is on by default.
pub(crate) fn relative_urls(file: &File) -> bool {
    file.server.as_ref().and_then(|server| server.relative_urls).is_none_or(|on| on.0)
}

/// `server.hsts`.
pub(crate) fn hsts(file: &File) -> bool {
    file.server.as_ref().and_then(|server| server.hsts).unwrap_or_default().0
}

/// `server.real_ip_header`, `real_ip_pos` and `trusted_proxies`.
pub(crate) fn client_address(file: &File, context: &mut Context<'_>) -> ClientAddressSettings {
    let Some(written) = &file.server else { return ClientAddressSettings::default() };
    ClientAddressSettings {
        header: header(written, context),
        position: written.real_ip_pos.map(|position| position.0),
        trusted_proxies: trusted_proxies(written, context),
    }
}

fn addresses(written: &Server, context: &mut Context<'_>) -> Vec<Address> {
    let none = OneOrMany::default();
    let OneOrMany(texts) = written.addr.as_ref().unwrap_or(&none);
    if texts.iter().all(String::is_empty) {
        let hint = "Write where to listen, as `:443` or `127.0.0.1:443`";
        context.report.error("server.addr", "missing", hint);
        return Vec::new();
    }
    match written.net.as_ref().map(|net| net.0.as_str()) {
        None | Some("" | "tcp") => tcp("server.addr", texts, context),
        Some("unix") => texts.iter().map(|text| Address::Unix(context.path(text))).collect(),
        Some(_) => {
            context.report.error("server.net", "unknown network", "Write `tcp` or `unix`");
            Vec::new()
        }
    }
}

/// `server.redirect_addr`: none, or TCP beside a server that speaks TLS over TCP.
fn redirect_addresses(written: &Server, served: &[Address], context: &mut Context<'_>) -> Vec<Address> {
    const KEY: &str = "server.redirect_addr";
    let none = OneOrMany::default();
    let OneOrMany(texts) = written.redirect_addr.as_ref().unwrap_or(&none);
    if texts.iter().all(String::is_empty) {
        return Vec::new();
    }
    let is_written = |text: &Option<Text>| text.as_ref().is_some_and(|text| !text.0.is_empty());
    if !is_written(&written.certificate) && !is_written(&written.key) && !acme::is_on(written) {
        let hint = "Add `certificate` and `key`, or remove this";
        context.report.error(KEY, "redirects to HTTPS, which the server does not speak", hint);
    }
    if served.iter().any(|address| matches!(address, Address::Unix(_))) {
        let hint = "Remove this, or let `addr` be a TCP address";
        context.report.error(KEY, "redirects to a TCP port, and `server.addr` is a Unix socket", hint);
    }
    let addresses = tcp(KEY, texts, context);
    if let Some(taken) = addresses.iter().find(|address| served.iter().any(|other| clash(address, other))) {
        let message = format!("`{taken}` is an address of `server.addr`, where HTTPS is spoken");
        context.report.error(KEY, message, "Write another port, as `:80`");
    }
    addresses
}

/// Returns whether no two sockets can listen on both. Port 0 is another one each time.
fn clash(one: &Address, other: &Address) -> bool {
    let (Address::Tcp(one), Address::Tcp(other)) = (one, other) else { return false };
    let holds = |all: &SocketAddr, address: &SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || address.is_ipv4())
    };
    let same_host = one.ip() == other.ip() || holds(one, other) || holds(other, one);
    one.port() == other.port() && one.port() != 0 && same_host
}

fn tcp(key: &str, texts: &[String], context: &mut Context<'_>) -> Vec<Address> {
    let mut addresses = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match address::socket_address(text) {
            Ok(address) => addresses.push(Address::Tcp(address)),
            Err(error) => {
                context.report.error(element(key, n, texts), error.message(), remedy(&error, text));
            }
        }
    }
    addresses
}

fn remedy(error: &AddressError, text: &str) -> String {
    match error {
        AddressError::NoPort if address::decimal(text).is_some() => format!("Write `:{text}`"),
        _ => "Write `:443`, `127.0.0.1:443` or `[::1]:443`".to_owned(),
    }
}

/// The place of a text that may stand alone or in a list.
fn element(key: &str, n: usize, texts: &[String]) -> Path {
    if texts.len() > 1 { Path::from(key).index(n) } else { Path::from(key) }
}

fn header(written: &Server, context: &mut Context<'_>) -> Option<String> {
    let Text(name) = written.real_ip_header.as_ref()?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.bytes().all(token) {
        let hint = "Write the name alone, as `X-Forwarded-For`";
        context.report.error("server.real_ip_header", "not the name of a header", hint);
    }
    Some(name.clone()).filter(|name| !name.is_empty())
}

fn trusted_proxies(written: &Server, context: &mut Context<'_>) -> Vec<IpBlock> {
    let none = OneOrMany::default();
    let OneOrMany(texts) = written.trusted_proxies.as_ref().unwrap_or(&none);
    let mut blocks = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        if let Ok(block) = text.parse() {
            warn_of_width(text, &block, element("server.trusted_proxies", n, texts), context);
            blocks.push(block);
        } else {
            let hint = "Write an address or a block, as `10.0.0.1` or `10.0.0.0/8`";
            context.report.error(
                element("server.trusted_proxies", n, texts),
                "not a block of addresses",
                hint,
            );
        }
    }
    blocks
}

/// A proxy in the block is trusted for the client's address, and for the scheme and host of links.
fn warn_of_width(text: &str, block: &IpBlock, at: Path, context: &mut Context<'_>) {
    let hint = "Name your proxies one by one, as `[\"10.0.0.1\"]`";
    let host = text.split_once('/').map(|(host, _)| host);
    let has_host_bits = |host: &str| host.parse().is_ok_and(|address: IpAddr| !block.is_network(address));
    if block.is_wide() {
        let message = format!(
            "ANY host in `{block}` is believed about the client's address, so rules with `ip` protect nothing"
        );
        context.report.warn(at, message, hint);
    } else if let Some(host) = host.filter(|host| has_host_bits(host)) {
        let message = format!("holds all of `{block}`, and not `{host}` alone");
        context.report.warn(at, message, format!("Write `{host}` for one proxy, or `{block}`"));
    }
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
