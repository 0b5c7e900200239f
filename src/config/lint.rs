//! What is allowed but probably not meant: warnings about a configuration that is right in each part.
//!
//! A lint is a function in [`LINTS`]. It sees the checked configuration and may only warn.

use std::net::IpAddr;

use super::{Config, access::rule_path, finding::Report};

type Lint = fn(&Config, &mut Report<'_>);

const LINTS: &[Lint] = &[believes_anybody, position_without_header, local_addresses_behind_a_proxy];

/// Runs every lint.
pub(super) fn run(config: &Config, report: &mut Report<'_>) {
    for lint in LINTS {
        lint(config, report);
    }
}

/// `real_ip_header` without `trusted_proxies`: as docker_auth, and dangerous.
fn believes_anybody(config: &Config, report: &mut Report<'_>) {
    let source = &config.proxy.client_address;
    if source.header.is_some() && source.trusted_proxies.is_empty() {
        let message = "ANYBODY is believed about their own address: whoever connects can send this header, \
        so rules with \
                       `ip` protect nothing";
        let hint = "Name your proxies in `server.trusted_proxies`, as `[\"10.0.0.1\"]`";
        report.warn("server.real_ip_header", message, hint);
    }
}

fn position_without_header(config: &Config, report: &mut Report<'_>) {
    let source = &config.proxy.client_address;
    if source.header.is_none() && source.position.is_some_and(|position| position != 0) {
        report.warn(
            "server.real_ip_pos",
            "has no effect without `real_ip_header`",
            "Add the header or remove this",
        );
    }
}

/// Behind a proxy on the same machine or bridge, everybody may seem to come from there.
fn local_addresses_behind_a_proxy(config: &Config, report: &mut Report<'_>) {
    let source = &config.proxy.client_address;
    if source.header.is_none() && source.trusted_proxies.is_empty() {
        return;
    }
    for (n, rule) in config.acl.iter().enumerate() {
        if rule.ip.as_deref().is_some_and(is_local) {
            let message = "behind a proxy on this machine this address is everybody's when the proxy does \
            not name the client";
            let hint =
                "Match accounts instead, or make sure that the proxy always sends the client's address";
            report.warn(rule_path(n).key("match").key("ip"), message, hint);
        }
    }
}

/// Loopback, or a block that docker takes its bridges from.
fn is_local(block: &str) -> bool {
    match block.split('/').next().unwrap_or_default().parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || matches!(ip.octets(), [172, 17..=31, ..]),
        Ok(IpAddr::V6(ip)) => ip.is_loopback(),
        Err(_) => false,
    }
}
