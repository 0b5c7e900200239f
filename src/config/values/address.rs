//! Addresses as Go writes them: `:443`, `127.0.0.1:443`, `[::1]:https`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The reason why an address cannot be listened on; displays without a full stop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AddressError {
    /// There is no `:port`.
    NoPort,
    /// The port is no number up to 65535, nor `http` or `https`.
    BadPort,
    /// The host is no IP address.
    NotAnIp,
}

impl AddressError {
    pub(crate) fn message(&self) -> &'static str {
        match self {
            Self::NoPort => "the address has no port",
            Self::BadPort => "the port is not a number from 0 to 65535",
            Self::NotAnIp => "the address has a name where an IP address should be",
        }
    }
}

/// Reads an address to listen on. Without a host it is all interfaces, IPv6 and IPv4.
///
/// # Errors
/// What is wrong with it. Names are not looked up, but for `localhost`, which is 127.0.0.1.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, AddressError> {
    let (host, port) = split_port(text).ok_or(AddressError::NoPort)?;
    let port = match port {
        "http" => 80,
        "https" => 443,
        number => decimal(number).ok_or(AddressError::BadPort)?,
    };
    Ok(SocketAddr::new(ip(host).ok_or(AddressError::NotAnIp)?, port))
}

/// Host, with its brackets, and port; `None` without a port. An IPv6 address must have brackets.
pub(crate) fn split_port(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':')
        .filter(|(host, _)| !host.contains(':') || (host.starts_with('[') && host.ends_with(']')))
}

/// A port in plain digits.
pub(crate) fn decimal(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

fn ip(host: &str) -> Option<IpAddr> {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match (host, bracketed) {
        ("", _) => Some(Ipv6Addr::UNSPECIFIED.into()),
        ("localhost", _) => Some(Ipv4Addr::LOCALHOST.into()),
        (_, Some(v6)) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        (v4, None) => v4.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_listens_on() {
        for (text, address) in [
            (":443", "[::]:443"),
            ("127.0.0.1:5001", "127.0.0.1:5001"),
            ("[::1]:https", "[::1]:443"),
            ("localhost:0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ] {
            assert_eq!(socket_address(text), Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        use AddressError::{BadPort, NoPort, NotAnIp};
        let wrong = [
            ("5001", NoPort),
            ("nonsense", NoPort),
            ("", NoPort),
            ("::1", NoPort),
            (":x", BadPort),
            (":65536", BadPort),
            (":+1", BadPort),
            ("example.org:443", NotAnIp),
            ("[::1:443", NoPort),
            ("[127.0.0.1]:1", NotAnIp),
        ];
        for (text, error) in wrong {
            assert_eq!(socket_address(text), Err(error), "{text}");
        }
    }
}
