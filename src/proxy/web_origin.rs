//! Origins of the web (RFC 6454): a scheme, a host and a port.

use std::{fmt, net::IpAddr};

use hyper::Uri;

/// An origin of `http` or `https`, in lower case. Displays as browsers send it: without a default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin {
    is_tls: bool,
    host: String,
    /// `None` for that of the scheme.
    port: Option<u16>,
}

impl WebOrigin {
    /// Returns the origin of a URL; `None` with another scheme, without a host, or with user information.
    pub fn of(url: &Uri) -> Option<Self> {
        let (is_tls, default) = match url.scheme_str()? {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return None,
        };
        let authority = url.authority()?;
        let host = authority.host().to_lowercase();
        let port = authority.port_u16();
        // An empty or unreadable port stands in the text, and `port` is `None`.
        let length = host.len() + port.map_or(0, |port| 1 + port.to_string().len());
        let is_whole = authority.as_str().len() == length && !authority.as_str().contains(['@', '*']);
        let port = port.filter(|port| *port != default);
        (is_whole && !host.is_empty()).then_some(Self { is_tls, host, port })
    }

    /// Reads an origin that stands alone: no path but `/`, no query, no wildcard.
    pub fn parse(text: &str) -> Option<Self> {
        let url: Uri = text.parse().ok()?;
        let is_alone = url.path() == "/" && url.query().is_none() && !text.contains('#');
        Self::of(&url).filter(|_| is_alone)
    }

    /// Returns true for `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Returns the host: a name, or an address, that of IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the address that the host is; `None` for a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    /// Returns true if the host is this machine by its name or its address.
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::WebOrigin;

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
            assert_eq!(
                WebOrigin::parse(text).map(|origin| origin.to_string()).as_deref(),
                Some(sent),
                "{text}"
            );
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
            "https://ui.example/#x",
            "https://u@ui.example",
            "https://ui.example:",
            "https://ui.example:x",
            "https://ui.example:99999",
            "ftp://ui.example",
            "https://ui.example, https://b.example",
        ] {
            assert_eq!(WebOrigin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_origin_of_a_url_is_not_what_stands_in_its_user_information_or_path() {
        let of =
            |url: &str| url.parse().ok().and_then(|url| WebOrigin::of(&url)).map(|origin| origin.to_string());
        assert_eq!(of("HTTPS://Store.example:443/a?X-Sig=1").as_deref(), Some("https://store.example"));
        assert_eq!(of("https://store.example@evil.example/"), None);
        assert_eq!(of("https://evil.example/@store.example").as_deref(), Some("https://evil.example"));
        assert_eq!(
            of("https://store.example.evil.example/").as_deref(),
            Some("https://store.example.evil.example")
        );
        assert_eq!(of("//store.example/x"), None);
        assert_eq!(of("/x"), None);
        assert_eq!(of("gopher://store.example/"), None);
    }
}
