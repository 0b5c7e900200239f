//! Warnings about addresses: whose word is taken for a client's, and which clients a rule's `ip` leaves out.

use std::collections::BTreeSet;

use super::{Lint, Report, Subject, rule_path};
use crate::authz::{IpBlock, RuleSettings};

pub(super) const LINTS: &[Lint] =
    &[believes_anybody, position_without_header, local_addresses_behind_a_proxy, one_family_of_all_addresses];

/// `real_ip_header` without `trusted_proxies`: as docker_auth, and dangerous.
fn believes_anybody(subject: &Subject<'_>, report: &mut Report<'_>) {
    let source = &subject.config.proxy.client_address;
    if source.header.is_some() && source.trusted_proxies.is_empty() {
        let message = "ANYBODY is believed about their own address: whoever connects can send this header, \
                       so rules with `ip` protect nothing";
        let hint = "Name your proxies in `server.trusted_proxies`, as `[\"10.0.0.1\"]`";
        report.warn("server.real_ip_header", message, hint);
    }
}

fn position_without_header(subject: &Subject<'_>, report: &mut Report<'_>) {
    let source = &subject.config.proxy.client_address;
    if source.header.is_none() && source.position.is_some_and(|position| position != 0) {
        report.warn(
            "server.real_ip_pos",
            "has no effect without `real_ip_header`",
            "Add the header or remove this",
        );
    }
}

/// Behind a proxy on the same machine or bridge, everybody may seem to come from there.
fn local_addresses_behind_a_proxy(subject: &Subject<'_>, report: &mut Report<'_>) {
    let source = &subject.config.proxy.client_address;
    if source.header.is_none() && source.trusted_proxies.is_empty() {
        return;
    }
    for (n, rule) in subject.config.acl.iter().enumerate() {
        if block(rule).is_some_and(|block| is_local(&block)) {
            let message = "behind a proxy on this machine this address is everybody's when the proxy does \
                           not name the client";
            let hint =
                "Match accounts instead, or make sure that the proxy always sends the client's address";
            report.warn(rule_path(n).key("match").key("ip"), message, hint);
        }
    }
}

/// All of one family is meant as everybody; whoever comes by the other one is left out.
fn one_family_of_all_addresses(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (all, family, other) in [("0.0.0.0/0", "IPv4", "::/0"), ("::/0", "IPv6", "0.0.0.0/0")] {
        let rules = &subject.config.acl;
        let is = |rule: &RuleSettings, ip: &str| block(rule).is_some_and(|block| block.to_string() == ip);
        let of_others = rules.iter().filter(|rule| rule.ip.is_none() || is(rule, other));
        let of_others: BTreeSet<_> = of_others.map(but_for_the_address).collect();
        for (n, rule) in rules.iter().enumerate().filter(|(_, rule)| is(rule, all)) {
            if of_others.contains(&but_for_the_address(rule)) {
                continue;
            }
            let message =
                format!("holds every {family} address and no other: a client from `{other}` does not match");
            let hint = format!("Leave `ip` out if everybody is meant, or add the same rule with `{other}`");
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
    use super::super::testing::{rules, with_server};

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
                "f.yml:15:13: warning: acl[0].match.ip: behind a proxy on this machine this address is \
                 everybody's when the proxy does not name the client. Match accounts instead, or make sure \
                 that the proxy always sends the client's address",
                "{ip}"
            );
        }
        for ip in ["10.0.0.0/8", "172.16.1.0/24", "172.32.0.0/16", "192.168.0.0/16", "2001:db8::1"] {
            assert_eq!(of_ip(ip), "", "{ip}");
        }
        assert_eq!(rules("- match: {ip: 172.17.0.0/16}\n    actions: []\n"), "", "no proxy");
    }

    #[test]
    fn all_addresses_of_one_family() {
        assert_eq!(
            rules("- match: {ip: 0.0.0.0/0}\n    actions: [pull]\n"),
            "f.yml:13:13: warning: acl[0].match.ip: holds every IPv4 address and no other: a client from \
             `::/0` does not match. Leave `ip` out if everybody is meant, or add the same rule with `::/0`"
        );
        assert_eq!(
            rules("- match: {ip: \"::/0\"}\n    actions: [pull]\n"),
            "f.yml:13:13: warning: acl[0].match.ip: holds every IPv6 address and no other: a client from \
             `0.0.0.0/0` does not match. Leave `ip` out if everybody is meant, or add the same rule with \
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
