//! Blocks of addresses, as an ACL's `ip` and a list of trusted proxies write them.
//!
//! Reads what Go's `net.ParseIP` and `net.ParseCIDR` read, and contains what `net.IPNet` contains. Whose address is
//! asked about (peer, header) is decided elsewhere.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A block of addresses: `10.0.0.0/8`, `::1`. A plain address is a block of one.
///
/// IPv4 and IPv6 are apart: `0.0.0.0/0` holds no IPv6 address and `::/0` no IPv4 address. An IPv4-mapped IPv6 address
/// is its IPv4 address, on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpBlock {
    /// The first address of the block; never IPv4-mapped.
    network: IpAddr,
    /// The number of leading bits of `network` that count: at most 32 or 128.
    prefix: u32,
}

/// An error for a text that is not a block of addresses. Displays the text and the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.problem(), IpBlock::HINT)]
pub struct IpBlockError(String);

impl IpBlock {
    /// The expected form.
    pub(in crate::authz) const HINT: &str =
        "write one like \"10.1.2.3\", \"10.0.0.0/8\" or \"2001:db8::/32\"";

    /// Returns true if `address` lies in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Returns true if every address of `other` lies in this block.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.network)
    }

    /// Returns whether it holds more than any one operator's network: wider than 10.0.0.0/8, or in IPv6 than a /16,
    /// but for the private fc00::/7.
    pub fn is_wide(&self) -> bool {
        match self.network {
            IpAddr::V4(_) => self.prefix < 8,
            IpAddr::V6(network) => self.prefix < 16 && !(self.prefix >= 7 && network.is_unique_local()),
        }
    }

    /// Returns whether `address` is the first of the block.
    pub fn is_network(&self, address: IpAddr) -> bool {
        self.network == address.to_canonical()
    }

    /// The block around `address`; host bits are cleared. `prefix` is at most the length of the address.
    fn new(address: IpAddr, prefix: u32) -> Self {
        match address {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                Self { network: IpAddr::V4((a.to_bits() & mask).into()), prefix }
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                Self::from_masked(Ipv6Addr::from_bits(a.to_bits() & mask), prefix)
            }
        }
    }

    /// As Go does, what is IPv4-mapped *after* masking is IPv4, with the last 32 bits of the mask.
    fn from_masked(network: Ipv6Addr, prefix: u32) -> Self {
        match (network.to_ipv4_mapped(), prefix.checked_sub(96)) {
            (Some(v4), Some(prefix)) => Self { network: IpAddr::V4(v4), prefix },
            _ => Self { network: IpAddr::V6(network), prefix },
        }
    }
}

impl FromStr for IpBlock {
    type Err = IpBlockError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || IpBlockError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => prefix_length(digits).filter(|p| *p <= bits).ok_or_else(error)?,
            None => bits,
        };
        Ok(Self::new(address, prefix))
    }
}

/// Decimal digits only (no sign), leading zeros allowed as Go allows them.
fn prefix_length(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for IpBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl IpBlockError {
    pub(in crate::authz) fn problem(&self) -> String {
        format!("{:?} is neither an address nor a CIDR block", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(block: &str, address: &str) -> bool {
        block.parse::<IpBlock>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn families_are_apart_and_mapped_is_v4() {
        assert!(contains("0.0.0.0/0", "255.0.0.1") && contains("0.0.0.0/0", "::ffff:1.2.3.4"));
        assert!(!contains("0.0.0.0/0", "::1") && !contains("::/0", "1.2.3.4") && contains("::/0", "::1"));
        assert!(!contains("::/0", "::ffff:1.2.3.4"));
        assert!(contains("::ffff:10.0.0.0/104", "10.9.9.9") && !contains("::ffff:10.0.0.0/104", "11.0.0.1"));
        assert!(contains("::ffff:0:0/96", "1.2.3.4") && !contains("::ffff:0:0/95", "1.2.3.4"));
        assert!(contains("10.1.2.3/8", "10.0.0.0") && !contains("10.1.2.3/32", "10.1.2.4"));
        assert!(contains("::1", "::1") && !contains("::1", "::2"));
    }

    #[test]
    fn a_block_covers_its_parts() {
        let covers = |a: &str, b: &str| a.parse::<IpBlock>().unwrap().covers(&b.parse().unwrap());
        assert!(covers("10.0.0.0/8", "10.1.0.0/16") && covers("10.0.0.0/8", "10.9.9.9/8"));
        assert!(!covers("10.1.0.0/16", "10.0.0.0/8") && !covers("10.0.0.0/8", "11.0.0.0/16"));
        assert!(!covers("0.0.0.0/0", "::/0") && !covers("::/0", "0.0.0.0/0") && covers("::/0", "::1"));
    }

    #[test]
    fn refuses_what_go_refuses() {
        let bad = [
            "",
            " ",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.1/",
            "10.0.0.1/33",
            "10.0.0.1/+8",
            "10.0.0.1/-1",
            "::1/129",
            "fe80::1%eth0",
            "[::1]",
            "1:2:3:4:5:6:7",
            "1:2:3:4::5:6:7:8",
            "::ffff:10.0.0.01",
            "10.0.0.0/8/8",
            "/8",
            "10.0.0.0/99999999999",
        ];
        for text in bad {
            assert!(text.parse::<IpBlock>().is_err(), "{text:?}");
        }
        assert!(contains("10.0.0.0/08", "10.1.1.1"), "Go takes leading zeros in the prefix length");
    }
}
