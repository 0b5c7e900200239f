//! What a wrong password costs its sender in time (rule 19).
//!
//! Whether the password is right is found elsewhere; remembered passwords and tokens do not come here at all,
//! so that what goes on undisturbed goes on undisturbed.
//!
//! Two counters, both bound to the sender's address, so that nobody can lock somebody else's account out from
//! afar:
//!
//! - **account and address**: some failures are free, then each doubles the wait, up to a ceiling. Attempts
//!   that are still being verified count: a thousand started together cannot all be ahead of the first
//!   answer.
//! - **address**: a bucket of attempts that fills up slowly, for one address that tries many accounts. A
//!   right password gives back what it took, and no more: logging into one's own account buys nothing.
//!
//! Memory is fixed. When the table is full, the counter with the fewest failures of eight goes, so that a
//! guesser who wants to be rid of his own would have to fill that set of eight, which he cannot find, with
//! counters as bad as his. Each of these takes as many failures, from addresses that each have a budget; and
//! whoever has that many addresses has the free failures of each anyway.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::backoff::{Pair, RetryAfter, Sender, ThrottleSettings};
use crate::quota::{Counters, Fingerprint, Network};

/// The counters. Thread-safe; nothing in it blocks for long.
pub struct Throttle {
    settings: ThrottleSettings,
    tables: Mutex<Tables>,
}

struct Tables {
    pairs: Counters<Pair>,
    networks: Counters<Sender>,
}

impl Throttle {
    /// No failures yet.
    pub fn new(settings: ThrottleSettings) -> Arc<Self> {
        let settings = settings.bounded();
        let tables =
            Tables { pairs: Counters::new(settings.capacity), networks: Counters::new(settings.capacity) };
        Arc::new(Self { settings, tables: Mutex::new(tables) })
    }

    /// Whether `account` must wait at this address after failures, whatever it shows; nothing is reserved.
    ///
    /// # Errors
    /// [`RetryAfter`].
    pub fn peek(&self, account: &str, ip: Option<IpAddr>, now: Instant) -> Result<(), RetryAfter> {
        let mut tables = self.lock();
        let pair = tables.pairs.fingerprint(&(account, Network::from(ip)));
        tables.pairs.get_mut(pair).map_or(Ok(()), |pair| pair.wait(now))
    }

    /// Asks for an attempt to log into `account`, existing or not, and reserves it: how it ended must be
    /// reported to the [`Attempt`]. `ip` is the client's (rule 11); `None`, as on a Unix socket, counts as
    /// one address.
    ///
    /// # Errors
    /// [`RetryAfter`]; then nothing is reserved or counted, so that asking again does not prolong the wait.
    pub fn check(
        self: &Arc<Self>,
        account: &str,
        ip: Option<IpAddr>,
        now: Instant,
    ) -> Result<Attempt, RetryAfter> {
        let network = Network::from(ip);
        let mut guard = self.lock();
        let Tables { pairs, networks } = &mut *guard;
        let pair = pairs.fingerprint(&(account, network));
        let network = networks.fingerprint(&network);
        let (mut is_known, mut tried) = (false, 0);
        if let Some(pair) = pairs.get_mut(pair) {
            pair.check(&self.settings, now)?;
            is_known = pair.is_known(&self.settings, now);
        }
        if !is_known && let Some(sender) = networks.get_or_insert(network, Sender::new(now), now) {
            tried = sender.tried(&self.settings, now);
            sender.take(&self.settings, now)?;
        }
        if let Some(pair) = pairs.get_or_insert(pair, Pair::new(now), now) {
            pair.start();
        }
        drop(guard);
        let network = (!is_known).then_some(network);
        Ok(Attempt { throttle: Arc::clone(self), pair, network, tried, started: now, reported: false })
    }

    fn failed(&self, attempt: &Attempt, now: Instant) {
        let mut tables = self.lock();
        if let Some(sender) = attempt.network.and_then(|network| tables.networks.get_mut(network)) {
            sender.fail(&self.settings, now);
        }
        // A counter may have been evicted meanwhile: then this failure is its first.
        if let Some(pair) = tables.pairs.get_or_insert(attempt.pair, Pair::new(now), now) {
            pair.fail(&self.settings, now);
        }
    }

    fn give_back(&self, attempt: &Attempt, update: impl FnOnce(&mut Pair)) {
        let mut tables = self.lock();
        if let Some(sender) = attempt.network.and_then(|network| tables.networks.get_mut(network)) {
            sender.give_back(&self.settings);
        }
        let Some(pair) = tables.pairs.get_mut(attempt.pair) else { return };
        update(pair);
        if pair.is_blank(attempt.started) {
            tables.pairs.remove(attempt.pair);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reserved attempt. Dropped without a report it counts as failed: forgetting to report, a panic or a
/// client that hangs up cannot make guessing cheaper.
#[must_use = "dropping an attempt counts it as failed"]
pub struct Attempt {
    throttle: Arc<Throttle>,
    pair: Fingerprint,
    /// Whose budget it was taken from, if from any.
    network: Option<Fingerprint>,
    /// What that address had tried before.
    tried: u32,
    started: Instant,
    reported: bool,
}

impl Attempt {
    /// How much the address has tried before: attempts that failed, within the time after which they are forgotten, and
    /// those of the last moments. Nothing for an account that is known there. Who has tried less goes first where many
    /// wait.
    pub fn tried(&self) -> u32 {
        self.tried
    }

    /// The password was wrong, or there is no such account; the two must not differ.
    pub fn failed(mut self, now: Instant) {
        self.reported = true;
        self.throttle.failed(&self, now);
    }

    /// The password was right: the failures of this account from this address are forgotten.
    pub fn succeeded(mut self) {
        self.reported = true;
        self.throttle.give_back(&self, |pair| pair.succeed(&self.throttle.settings, self.started));
    }

    /// Nothing was verified (the pool was full, a back end was down): as if it had never been asked for.
    pub fn withdraw(mut self) {
        self.reported = true;
        self.throttle.give_back(&self, Pair::withdraw);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.reported {
            self.throttle.failed(self, self.started);
        }
    }
}

#[cfg(test)]
mod tests;
