//! The addresses that count as one client.

use std::{fmt, net::IpAddr};

use super::Rate;

/// A client: an IPv4 address, also in its IPv6 form, or the /64 of an IPv6 address. All clients without a known
/// address, as on a Unix socket, are one.
///
/// A subscriber of IPv6 holds more than a /64: a /56 at home, a /48 at work. So an IPv6 client is also counted with its
/// neighbours, see [`Network::levels`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// An address.
    V4(u32),
    /// The upper 64 bits, of which the first `length` count; the others are zero.
    V6 { bits: u64, length: u8 },
    /// No address.
    Unknown,
}

/// The prefixes of IPv6 that are counted, and how many eighths of one client's share each may have. What a smaller one
/// leaves is for its neighbours: one /64 cannot take all that its /48 may have.
const V6_LEVELS: [(u8, u8); 3] = [(64, 6), (56, 7), (48, 8)];

impl Network {
    /// Itself, then the wider networks it counts towards, which are one client as well: the /56 and the /48 of a /64.
    pub(crate) fn levels(self) -> impl Iterator<Item = Self> + Clone {
        let wider = V6_LEVELS.into_iter().filter_map(move |(length, _)| self.cut_to(length));
        std::iter::once(self).chain(wider)
    }

    /// The widest of its levels: what one subscriber may hold.
    pub(crate) fn widest(self) -> Self {
        self.levels().last().unwrap_or(self)
    }

    /// The part of one client's share that it may have, rounded up.
    pub(crate) fn part_of(self, share: usize) -> usize {
        share - share / 8 * usize::from(8 - self.eighths())
    }

    /// The same of a rate.
    pub(crate) fn part_of_rate(self, rate: Rate) -> Rate {
        let burst = rate.burst - rate.burst / 8 * u32::from(8 - self.eighths());
        Rate { burst, interval: rate.interval.saturating_mul(8) / u32::from(self.eighths()) }
    }

    /// An address that stands for it; `None` for the unknown one. The network of that address is this one.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::V4(bits) => Some(std::net::Ipv4Addr::from_bits(bits).into()),
            Self::V6 { bits, .. } => Some(std::net::Ipv6Addr::from_bits(u128::from(bits) << 64).into()),
            Self::Unknown => None,
        }
    }

    fn eighths(self) -> u8 {
        let Self::V6 { length, .. } = self else { return 8 };
        V6_LEVELS.iter().find(|(level, _)| *level == length).map_or(8, |(_, eighths)| *eighths)
    }

    fn cut_to(self, wider: u8) -> Option<Self> {
        let Self::V6 { bits, length } = self else { return None };
        (wider < length).then(|| Self::V6 { bits: bits & (u64::MAX << (64 - wider)), length: wider })
    }
}

impl From<Option<IpAddr>> for Network {
    fn from(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(v4)) => Self::V4(v4.to_bits()),
            Some(IpAddr::V6(v6)) => Self::V6 { bits: (v6.to_bits() >> 64) as u64, length: 64 },
            None => Self::Unknown,
        }
    }
}

/// For the log: `10.0.0.1`, `2001:db8::/64`, `one address`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(bits) => std::net::Ipv4Addr::from_bits(*bits).fmt(f),
            Self::V6 { bits, length } => {
                write!(f, "{}/{length}", std::net::Ipv6Addr::from_bits(u128::from(*bits) << 64))
            }
            Self::Unknown => f.write_str("one address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(ip: &str) -> Network {
        Network::from(Some(ip.parse::<IpAddr>().unwrap()))
    }

    #[test]
    fn a_network_is_named_by_an_address() {
        for ip in ["10.0.0.1", "2001:db8:1:2345::1", "::ffff:10.0.0.1", "::1"] {
            assert_eq!(Network::from(of(ip).address()), of(ip), "{ip}");
        }
        assert_eq!(Network::from(Network::Unknown.address()), Network::Unknown);
    }

    #[test]
    fn a_subscriber_is_one_client() {
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!([of("2001:db8::1"), of("10.0.0.1")].map(|n| n.to_string()), ["2001:db8::/64", "10.0.0.1"]);
    }

    #[test]
    fn rule_35_a_64_is_counted_within_its_56_and_its_48() {
        let levels = |ip| of(ip).levels().map(|level| level.to_string()).collect::<Vec<_>>();
        assert_eq!(
            levels("2001:db8:1:2345::1"),
            ["2001:db8:1:2345::/64", "2001:db8:1:2300::/56", "2001:db8:1::/48"]
        );
        assert_eq!(levels("10.0.0.1"), ["10.0.0.1"]);
        assert_eq!(Network::Unknown.levels().count(), 1);
        assert_eq!(of("2001:db8:1:2345::1").widest(), of("2001:db8:1:ff00::1").widest());
        assert_ne!(of("2001:db8:1::1").widest(), of("2001:db8:2::1").widest());
    }

    #[test]
    fn a_64_leaves_a_quarter_to_its_neighbours_and_small_shares_stay_whole() {
        let parts = |share| of("2001:db8::1").levels().map(|level| level.part_of(share)).collect::<Vec<_>>();
        assert_eq!(parts(1000), [750, 875, 1000]);
        assert_eq!([parts(1), parts(7)], [[1; 3], [7; 3]]);
        assert_eq!(of("10.0.0.1").part_of(usize::MAX), usize::MAX);
        let rate = Rate { burst: 60, interval: Duration::from_secs(6) };
        let part = of("2001:db8::1").part_of_rate(rate);
        assert_eq!((part.burst, part.interval), (46, Duration::from_secs(8)));
    }
}
