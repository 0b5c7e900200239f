//! Warnings about addresses: the proxies trusted for a client's address, and the clients that a rule's `ip` leaves out.

use std::collections::BTreeSet;

use super::{Lint, LintInput, Report, rule_path};
use crate::{
    authz::{IpBlock, RuleSettings},
    server::Address,
};

pub(super) const LINTS: &[Lint] = &[
    believes_anybody,
    position_without_header,
    position_of_the_clients_claim,
    local_addresses_behind_a_proxy,
    clients_among_the_proxies,
    one_family_of_all_addresses,
    addresses_of_no_client,
];

/// Blocks that no client's address is in: this network, multicast and reserved.
const NOT_CLIENTS: [&str; 4] = ["0.0.0.0/8", "224.0.0.0/3", "::/128", "ff00::/8"];

/// `real_ip_header` without `trusted_proxies`: as docker_auth, and dangerous.
fn believes_anybody(input: &LintInput<'_>, report: &mut Report<'_>) {
    let source = &input.config.proxy.client_address;
    if source.header.is_some() && source.trusted_proxies.is_empty() {
        let message = "ANY client is believed about its own address: each can send this header, \
                       so rules with `ip` protect nothing";
        let hint = "Name your proxies in `server.trusted_proxies`, as `[\"10.0.0.1\"]`";
        report.warn("server.real_ip_header", message, hint);
    }
}

fn position_without_header(input: &LintInput<'_>, report: &mut Report<'_>) {
    let source = &input.config.proxy.client_address;
    let without_effect = source.header.is_none() && source.trusted_proxies.is_empty();
    if without_effect && source.position.is_some_and(|position| position != 0) {
        report.warn(
            "server.real_ip_pos",
            "has no effect without `real_ip_header` or `trusted_proxies`",
            "Add the header or remove this",
        );
    }
}

/// Proxies append: what stands at the start of the list came from the client. A header with one value is written anew.
fn position_of_the_clients_claim(input: &LintInput<'_>, report: &mut Report<'_>) {
    let source = &input.config.proxy.client_address;
    let header = source.header.as_deref().unwrap_or("X-Forwarded-For");
    let is_list = header.to_ascii_lowercase().contains("forwarded");
    if is_list && !source.trusted_proxies.is_empty() && source.position.is_some_and(|position| position >= 0)
    {
        let message = format!(
            "counts from the start of `{header}`, which the client itself may have sent: it can claim any address, and rules \
             with `ip` protect nothing"
        );
        let hint = "Remove it: the last address that is none of `trusted_proxies` counts";
        report.warn("server.real_ip_pos", message, hint);
    }
}

/// A client inside `trusted_proxies` is believed about its address, too.
fn clients_among_the_proxies(input: &LintInput<'_>, report: &mut Report<'_>) {
    let proxies = &input.config.proxy.client_address.trusted_proxies;
    for (n, rule) in input.config.acl.iter().enumerate() {
        let Some(block) = block(rule).filter(|block| !is_local(block)) else { continue };
        if let Some(proxy) = proxies.iter().find(|proxy| proxy.covers(&block) && !proxy.is_wide()) {
            let message = format!(
                "lies in `{proxy}` of `server.trusted_proxies`: a client from there is believed about its address and may \
                 claim another"
            );
            let hint = "Name only the addresses of the proxies in `server.trusted_proxies`";
            report.warn(rule_path(n).key("match").key("ip"), message, hint);
        }
    }
}

/// `0.0.0.0` is not any address.
fn addresses_of_no_client(input: &LintInput<'_>, report: &mut Report<'_>) {
    let is_in =
        |known: &str, block: &IpBlock| known.parse::<IpBlock>().is_ok_and(|known| known.covers(block));
    let only_sockets =
        input.config.server.addresses.iter().all(|address| matches!(address, Address::Unix(_)));
    let source = &input.config.proxy.client_address;
    let no_address = only_sockets && source.header.is_none() && source.trusted_proxies.is_empty();
    for (n, block) in input.config.acl.iter().enumerate().filter_map(|(n, rule)| Some((n, block(rule)?))) {
        let at = rule_path(n).key("match").key("ip");
        if NOT_CLIENTS.iter().any(|known| is_in(known, &block)) {
            let hint = "Write the client's address or network, or leave `ip` out to match every client";
            report.warn(
                at,
                format!("no client has an address in `{block}`, so this rule never matches"),
                hint,
            );
        } else if no_address {
            let message = "a client of a Unix socket has no address, so this rule never matches";
            let hint = "Name proxies in `server.trusted_proxies`; those on the socket are then believed, too";
            report.warn(at, message, hint);
        }
    }
}

/// Behind a proxy on the same machine or bridge, all clients may seem to come from there.
fn local_addresses_behind_a_proxy(input: &LintInput<'_>, report: &mut Report<'_>) {
    let source = &input.config.proxy.client_address;
    if source.header.is_none() && source.trusted_proxies.is_empty() {
        return;
    }
    for (n, rule) in input.config.acl.iter().enumerate() {
        if block(rule).is_some_and(|block| is_local(&block)) {
            let message = "behind a proxy on this machine every client has this address when the proxy \
                           does not name the client";
            let hint =
                "Match accounts instead, or make sure that the proxy always sends the client's address";
            report.warn(rule_path(n).key("match").key("ip"), message, hint);
        }
    }
}

/// All addresses of one family are meant as all clients; those of the other family are left out.
fn one_family_of_all_addresses(input: &LintInput<'_>, report: &mut Report<'_>) {
    for (all, family, other) in [("0.0.0.0/0", "IPv4", "::/0"), ("::/0", "IPv6", "0.0.0.0/0")] {
        let rules = &input.config.acl;
        let is = |rule: &RuleSettings, ip: &str| block(rule).is_some_and(|block| block.to_string() == ip);
        let of_others = rules.iter().filter(|rule| rule.ip.is_none() || is(rule, other));
        let of_others: BTreeSet<_> = of_others.map(but_for_the_address).collect();
        for (n, rule) in rules.iter().enumerate().filter(|(_, rule)| is(rule, all)) {
            if of_others.contains(&but_for_the_address(rule)) {
                continue;
            }
            let message =
                format!("holds every {family} address and no other: a client from `{other}` does not match");
            let hint =
                format!("Leave `ip` out if all clients are meant, or add the same rule with `{other}`");
            report.warn(rule_path(n).key("match").key("ip"), message, hint);
        }
    }
}

fn block(rule: &RuleSettings) -> Option<IpBlock> {
    rule.ip.as_deref()?.parse().ok()
}

/// The conditions of a rule that are not about the address.
fn but_for_the_address(rule: &RuleSettings) -> impl Ord {
    let fields = [&rule.account, &rule.resource_type, &rule.name, &rule.service];
    (fields.map(Option::<String>::clone), rule.labels.clone())
}

/// Inside loopback or the blocks that docker takes its bridges from. 172.16.0.0/16 is an ordinary network.
fn is_local(block: &IpBlock) -> bool {
    let holds = |text: &str| text.parse::<IpBlock>().is_ok_and(|own| own.covers(block));
    ["127.0.0.0/8", "::1", "172.16.0.0/12"].into_iter().any(holds) && !holds("172.16.0.0/16")
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::{rules, with_server};

    const PROXIED: &str = "  real_ip_header: X-Forwarded-For\n  trusted_proxies: 10.0.0.1\n";

    fn of_ip(ip: &str) -> String {
        with_server(PROXIED, &format!("- match: {{ip: \"{ip}\"}}\n    actions: []\n"))
    }

    #[test]
    fn a_local_address_behind_a_proxy() {
        for ip in [
            "127.0.0.1",
            "127.0.0.0/8",
            "::1",
            "172.17.0.0/16",
            "172.31.0.1",
            "172.16.0.0/12",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(
                of_ip(ip),
                "f.yml:15:13: warning: acl[0].match.ip: behind a proxy on this machine every client has \
                 this address when the proxy does not name the client. Match accounts instead, or make sure \
                 that the proxy always sends the client's address",
                "{ip}"
            );
        }
        for ip in ["10.0.0.0/8", "172.16.1.0/24", "172.32.0.0/16", "192.168.0.0/16", "2001:db8::1"] {
            assert_eq!(of_ip(ip), "", "{ip}");
        }
        assert_eq!(rules("- match: {ip: 172.17.0.0/16}\n    actions: []\n"), "", "no proxy");
    }

    const RULE: &str = "- match: {account: alice}\n    actions: []\n";

    #[test]
    fn a_position_that_the_client_fills() {
        let of = |server: &str| with_server(server, RULE);
        let said = |line: u8, header: &str| {
            format!(
                "f.yml:{line}:3: warning: server.real_ip_pos: counts from the start of `{header}`, which the client itself may \
                 have sent: it can claim any address, and rules with `ip` protect nothing. Remove it: the last address that is \
                 none of `trusted_proxies` counts"
            )
        };
        for position in ["0", "1"] {
            assert_eq!(of(&format!("{PROXIED}  real_ip_pos: {position}\n")), said(5, "X-Forwarded-For"));
        }
        assert_eq!(of("  trusted_proxies: 10.0.0.1\n  real_ip_pos: 0\n"), said(4, "X-Forwarded-For"));
        for fine in ["real_ip_pos: -1", "real_ip_pos: -2"] {
            assert_eq!(of(&format!("{PROXIED}  {fine}\n")), "", "{fine}");
        }
        assert_eq!(of("  trusted_proxies: 10.0.0.1\n  real_ip_pos: -1\n"), "", "it has an effect");
        assert_eq!(of("  trusted_proxies: 10.0.0.1\n  real_ip_header: X-Real-IP\n  real_ip_pos: 0\n"), "");
        assert!(of("  real_ip_pos: -1\n").contains("has no effect"));
    }

    #[test]
    fn a_rule_for_clients_among_the_proxies() {
        let of = |proxies: &str, ip: &str| {
            let rule = format!("- match: {{ip: \"{ip}\"}}\n    actions: []\n");
            with_server(&format!("  trusted_proxies: {proxies}\n"), &rule)
        };
        for ip in ["10.0.0.0/8", "10.1.2.0/24", "10.1.2.3"] {
            assert_eq!(
                of("10.0.0.0/8", ip),
                "f.yml:14:13: warning: acl[0].match.ip: lies in `10.0.0.0/8` of `server.trusted_proxies`: a client from there \
                 is believed about its address and may claim another. Name only the addresses of the proxies in \
                 `server.trusted_proxies`",
                "{ip}"
            );
        }
        for (proxies, ip) in
            [("10.0.0.1", "10.0.0.0/8"), ("10.2.0.0/16", "10.0.0.0/8"), ("10.2.0.0/16", "10.1.0.0/16")]
        {
            assert_eq!(of(proxies, ip), "", "{proxies} {ip}");
        }
    }

    #[test]
    fn an_address_that_no_client_has() {
        for ip in ["0.0.0.0", "255.255.255.255", "224.0.0.0/4", "::", "ff02::1"] {
            let said = rules(&format!("- match: {{ip: \"{ip}\"}}\n    actions: []\n"));
            assert!(said.contains("acl[0].match.ip: no client has an address in `"), "{ip}: {said}");
        }
        let socket = super::super::super::tests::said(
            "server: {net: unix, addr: a.sock}\ntoken: {issuer: A, expiration: 900, certificate: cert.pem, key: key.pem}\n\
             users: {}\nacl:\n  - {match: {ip: 10.0.0.0/8}, actions: []}\n",
        );
        assert!(socket.contains("a client of a Unix socket has no address"), "{socket}");
    }

    #[test]
    fn all_addresses_of_one_family() {
        assert_eq!(
            rules("- match: {ip: 0.0.0.0/0}\n    actions: [pull]\n"),
            "f.yml:13:13: warning: acl[0].match.ip: holds every IPv4 address and no other: a client from \
             `::/0` does not match. Leave `ip` out if all clients are meant, or add the same rule with `::/0`"
        );
        assert_eq!(
            rules("- match: {ip: \"::/0\"}\n    actions: [pull]\n"),
            "f.yml:13:13: warning: acl[0].match.ip: holds every IPv6 address and no other: a client from \
             `0.0.0.0/0` does not match. Leave `ip` out if all clients are meant, or add the same rule with \
             `0.0.0.0/0`"
        );
        assert_eq!(
            rules(
                "- match: {ip: 0.0.0.0/0}\n    actions: [pull]\n  \
                 - match: {ip: \"::/0\"}\n    actions: [pull]\n"
            ),
            ""
        );
        let other = rules(
            "- match: {ip: 0.0.0.0/0}\n    actions: [pull]\n  \
             - match: {ip: \"::/0\", account: alice}\n    actions: [pull]\n",
        );
        assert_eq!(other.lines().count(), 2, "{other}");
        assert_eq!(rules("- match: {ip: 0.0.0.0/1}\n    actions: [pull]\n"), "");
    }
}
