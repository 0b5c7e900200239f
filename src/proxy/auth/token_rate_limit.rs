//! Limits the rate at which one address may ask for tokens.
//!
//! A right password that is remembered costs little, and a token a signature: the rate is for clients that ask without
//! end, not for those that guess, which `authn` slows. Hundreds of machines behind one address that all start to pull,
//! each several images, are no such client: a burst of half a minute's worth is free.

use std::{
    fmt,
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    limits::{Buckets, LogThrottle, Network, Rate},
    registry::{ErrorCode, Refusal},
};

/// The requests of each client that count against its rate now.
pub(crate) struct TokenRequests {
    buckets: Mutex<Buckets>,
    refused: AtomicU64,
    log_throttle: LogThrottle,
}

/// Networks that are known at the same time; each takes less than 50 bytes.
const NETWORKS: usize = 16 * 1024;
/// The size of a burst, in seconds' worth of requests.
const BURST_SECONDS: u32 = 30;

impl TokenRequests {
    /// A table without any request yet.
    pub(crate) fn new() -> Self {
        Self {
            buckets: Mutex::new(Buckets::new(NETWORKS)),
            refused: AtomicU64::new(0),
            log_throttle: LogThrottle::default(),
        }
    }

    /// Counts a request from that address, of which there may be `per_second`. An unknown address, as through a Unix
    /// socket, may stand for many clients, and is not counted.
    ///
    /// # Errors
    /// 429, with the time until there may be one more.
    pub(crate) fn admit(&self, from: Option<IpAddr>, per_second: u32, now: Instant) -> Result<(), Refusal> {
        if from.is_none() {
            return Ok(());
        }
        let from = Network::from(from);
        let per_second = per_second.max(1);
        let burst = per_second.saturating_mul(BURST_SECONDS);
        let rate = Rate { burst, interval: Duration::from_secs(1) / per_second };
        let mut buckets = self.buckets.lock();
        buckets.take(from, rate, now).map_err(|after| self.refuse(from, after, now))
    }

    /// Returns the number of refused requests.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn refuse(&self, from: Network, after: Duration, now: Instant) -> Refusal {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = self.log_throttle.due(from, now) {
            tracing::warn!(%from, suppressed, "too many requests for tokens from one address (limits.token_requests): rejected");
        }
        let message = "too many requests for tokens from your address; wait before you try again";
        Refusal::new(ErrorCode::TooManyRequests, message).retry_after(after)
    }
}

/// The requests of each address are kept private.
impl fmt::Debug for TokenRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenRequests")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_for_each_address() {
        let (requests, now) = (TokenRequests::new(), Instant::now());
        let ask = |ip: &str, now| requests.admit(Some(ip.parse().unwrap()), 2, now);
        assert!((0..60).all(|_| ask("10.0.0.1", now).is_ok()), "half a minute's worth");
        assert_eq!(ask("10.0.0.1", now).unwrap_err().retry_after, Some(1));
        assert!(ask("10.0.0.2", now).is_ok());
        assert!(ask("10.0.0.1", now + Duration::from_millis(500)).is_ok());
        assert!(ask("10.0.0.1", now + Duration::from_millis(500)).is_err());
        assert_eq!(requests.refused(), 2);
        assert!((0..100).all(|_| requests.admit(None, 1, now).is_ok()), "a Unix socket");
    }
}
