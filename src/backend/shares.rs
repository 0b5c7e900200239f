//! Limits the slots before a back end that one address may hold, so that it does not hold all of them.
//!
//! Names and passwords that take a command long, and where the anonymous account exists any names of repositories,
//! would otherwise keep all other clients out at no cost.

use std::net::IpAddr;

use super::{BackendLimits, Unavailable};
use crate::limits::{self, Network, Share};

/// Questions on their way, by where they come from.
#[derive(Debug)]
pub(crate) struct BackendShares {
    most: usize,
    taken: limits::Shares,
}

impl BackendShares {
    /// Half of all slots for each address.
    pub(crate) fn new(limits: &BackendLimits) -> Self {
        Self { most: ((limits.concurrent + limits.queue) / 2).max(1), taken: limits::Shares::default() }
    }

    /// A slot for a question to `backend` from that address; an unknown one counts as one address.
    ///
    /// # Errors
    /// It holds all the slots that it may have.
    pub(crate) fn of(&self, ip: Option<IpAddr>, backend: &'static str) -> Result<Share, Unavailable> {
        let of = Network::from(ip);
        let too_many = || Unavailable { backend, why: format!("too many questions come from {of}") };
        self.taken.take(of, self.most).ok_or_else(too_many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_half() {
        let shares =
            BackendShares::new(&BackendLimits { concurrent: 2, queue: 2, ..BackendLimits::default() });
        let of = |ip: &str| shares.of(Some(ip.parse().unwrap()), "ldap_auth");
        let taken = [of("2001:db8::1"), of("2001:db8::2:1"), of("10.0.0.1")];
        assert!(taken.iter().all(Result::is_ok));
        assert_eq!(of("2001:db8::3").unwrap_err().why, "too many questions come from 2001:db8::/64");
        assert!(shares.of(None, "ldap_auth").is_ok());
        let least =
            BackendShares::new(&BackendLimits { concurrent: 1, queue: 0, ..BackendLimits::default() });
        assert!(least.of(None, "ldap_auth").is_ok());
    }
}
