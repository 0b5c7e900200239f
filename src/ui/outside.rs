//! Links to other sites, whose addresses come from a push: the one place where such a text becomes an address.

use maud::{Markup, html};

use super::untrusted::Untrusted;

/// The longest address that becomes a link.
const LONGEST: usize = 500;

/// An address from a push: a link if it is a plain `https` one, shown in full, so that it leads where it says. Any other
/// text stays text. The other site gets no referrer, and no hold of this page.
pub(super) fn outside(address: &str) -> Markup {
    html! {
        @if is_plain(address) {
            a.outside href=(address) rel="noopener noreferrer nofollow external" { (Untrusted(address)) }
        } @else { (Untrusted(address)) }
    }
}

/// `https`, a host by its name, perhaps a port, and a path of printable ASCII: no account before the host, which would be
/// taken for it, and nothing that a browser reads differently.
fn is_plain(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("https://") else { return false };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let is_label = |label: &str| {
        let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-')
    };
    address.len() <= LONGEST
        && host.contains('.')
        && host.split('.').all(is_label)
        && (1..=5).contains(&port.len())
        && port.bytes().all(|b| b.is_ascii_digit())
        && path.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_63_only_a_plain_https_address_is_a_link_and_it_leads_where_it_says() {
        for address in [
            "https://git.example/team/app",
            "https://git.example:8443/a?b=c&d=%20#e",
            "https://git.example",
            "https://xn--bcher-kva.example/~me/a_(b)",
        ] {
            let shown = outside(address).into_string();
            let escaped = address.replace('&', "&amp;");
            assert!(shown.contains(&format!("href=\"{escaped}\"")), "{shown}");
            assert!(shown.contains(&format!("<bdi>{escaped}</bdi>")), "shown in full: {shown}");
            assert!(shown.contains("rel=\"noopener noreferrer nofollow external\""), "{shown}");
        }
        for text in [
            "",
            "http://git.example/a",
            "javascript:alert(1)",
            "HTTPS://git.example",
            "https:git.example",
            "https:///git.example",
            "https://git.example@evil.example/",
            "https://git.example:pass@evil.example/",
            "https://git.example\\@evil.example/",
            "https://localhost/",
            "https://-a.example/",
            "https://a..example/",
            "https://[::1]/",
            "https://git.example:/",
            "https://git.example:123456/",
            "https://git.ex\u{430}mple/",
            "https://git.example/\u{202e}gpj",
            "https://git.example/a b",
            "https://git.example/\"onmouseover=",
            "https://git.example/\n",
            " https://git.example/",
            &format!("https://git.example/{}", "a".repeat(LONGEST)),
        ] {
            assert!(!outside(text).into_string().contains("href"), "{text}");
        }
    }
}
