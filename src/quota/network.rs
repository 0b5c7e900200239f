//! What counts as one sender.

use std::{fmt, net::IpAddr};

/// A sender: an IPv4 address, also in its IPv6 form, or an IPv6 address's /64, which is what one subscriber gets. All
/// whose address nobody knows, as on a Unix socket, are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// An address.
    V4(u32),
    /// The upper 64 bits.
    V6(u64),
    /// No address.
    Unknown,
}

impl From<Option<IpAddr>> for Network {
    fn from(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(v4)) => Self::V4(v4.to_bits()),
            Some(IpAddr::V6(v6)) => Self::V6((v6.to_bits() >> 64) as u64),
            None => Self::Unknown,
        }
    }
}

/// For the log: `10.0.0.1`, `2001:db8::/64`, `one address`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(bits) => std::net::Ipv4Addr::from_bits(*bits).fmt(f),
            Self::V6(bits) => write!(f, "{}/64", std::net::Ipv6Addr::from_bits(u128::from(*bits) << 64)),
            Self::Unknown => f.write_str("one address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_one_sender() {
        let of = |ip: &str| Network::from(Some(ip.parse::<IpAddr>().unwrap()));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!([of("2001:db8::1"), of("10.0.0.1")].map(|n| n.to_string()), ["2001:db8::/64", "10.0.0.1"]);
    }
}
