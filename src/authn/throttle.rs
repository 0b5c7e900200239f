//! The waits that a wrong password costs its sender (rules 19 and 37).
//!
//! Four truths:
//!
//! - **Every name counts in the same way**, existing or not, in all its spellings together. A sign-in changes nothing
//!   that others at the address could see: it clears no failures and opens no way for another password.
//! - **A guess is a password that was not shown before.** The same wrong one again is none, and no password is none:
//!   they cost work, which is bounded, and no wait.
//! - **A wait is for everything**, the right password too, with the same answer. It comes before the memory of right
//!   passwords is asked ([`Throttle::peek`]). A request that would be refused without being counted must not be looked
//!   up first, or that memory would answer as many guesses as are sent.
//! - **One way leads past a wait**: the password that was right for this account at this very address within a day
//!   ([`RecentSignIns`]). A wrong one shown meanwhile closes that way for ten seconds.
//!
//! Passwords of people are meant. The right token of a robot waits for nothing: it has 256 random bits, so the answer
//! to any number of guesses helps no guesser. A wrong one counts as any wrong password.
//!
//! Counters are bound to the client, so that an account cannot be locked out from afar:
//!
//! - **name and network**, an IPv4 address or a /64: some failures are free, then each doubles the wait, up to a
//!   ceiling. Guesses that are still being verified count: a thousand started together cannot all be ahead of the first
//!   answer. Not the /48: tenants of one hoster share it, and must not lock out each other.
//! - **client**: a bucket of guesses that fills up slowly, for one client that tries many names. A right password gives
//!   back what it took, and no more: logging into one's own account buys nothing. What could not be verified gives back
//!   nothing: a full pool or a back end that is down must not make guesses free.
//!
//! A client is an IPv4 address, or a /64 with what is around it: see [`Network`].
//!
//! Memory is fixed. When a table is full, the least worth entry of a set of eight goes. A guesser that wants to be rid
//! of its own entry would have to fill that set, which it cannot find, with counters as bad as its own. Each of these
//! takes as many failures, from clients that each have a budget; and a guesser with that many clients has the free
//! failures of each anyway.

mod elsewhere;

use std::{net::IpAddr, sync::Arc, time::Instant};

use parking_lot::Mutex;

use super::{
    Secret,
    backoff::{Failures, RetryAfter, ThrottleSettings, WrongPasswords},
    digest::{DigestKey, Guess, NameDigest},
    name_folding::folded,
    recent_sign_ins::RecentSignIns,
};
use crate::limits::{Buckets, CounterTable, Fingerprint, Network};
use elsewhere::Untold;
pub use elsewhere::WrongPassword;

/// Separates the key of this module's digests from other secrets of the signing key, which all servers of a registry
/// have.
pub const THROTTLE_PURPOSE: &str = "portwarden wrong passwords v1";

/// The counters. Thread-safe; nothing in it blocks for long.
pub struct Throttle {
    settings: ThrottleSettings,
    key: DigestKey,
    tables: Mutex<Tables>,
}

struct Tables {
    pairs: CounterTable<WrongPasswords>,
    failures: CounterTable<Failures>,
    /// The remaining guesses.
    guesses: Buckets,
    /// The remaining verifications that are not guesses.
    repeats: Buckets,
    recent_sign_ins: CounterTable<RecentSignIns>,
    /// The wrong passwords that other servers have not been told yet.
    untold: Untold,
}

/// The credentials that a client shows: an account, a password and the client's address.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// The digest of the name, folded.
    name: NameDigest,
    /// The key of the name at the client.
    pair: Fingerprint,
    /// The key of the account as it is written.
    account: Fingerprint,
    from: Network,
    /// The key of the client.
    client: Fingerprint,
    /// `None` without a password.
    guess: Option<Guess>,
}

/// The result of a check: no wait, or a way past it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    is_proven: bool,
}

impl Throttle {
    /// No failures yet. `key` is for digests of passwords.
    pub fn new(settings: ThrottleSettings, key: DigestKey) -> Arc<Self> {
        let settings = settings.bounded();
        let tables = Tables {
            pairs: CounterTable::new(settings.capacity),
            failures: CounterTable::new(settings.capacity),
            guesses: Buckets::new(settings.capacity),
            repeats: Buckets::new(settings.capacity),
            recent_sign_ins: CounterTable::new(settings.capacity),
            untold: Untold::default(),
        };
        Arc::new(Self { settings, key, tables: Mutex::new(tables) })
    }

    /// Returns the digests of a login. `ip` is the client's (rule 11); `None`, as on a Unix socket, counts as one
    /// address.
    pub fn shown(&self, account: &str, password: &Secret, ip: Option<IpAddr>) -> Shown {
        let from = Network::from(ip);
        let (name, guess) = (self.key.name(&folded(account)), self.key.guess(account, password));
        let tables = self.tables.lock();
        Shown {
            name,
            // The /64 alone: a neighbour's wrong password must not keep others waiting. `failures` bounds the /48.
            pair: tables.pairs.fingerprint(&(name, from)),
            account: tables.recent_sign_ins.fingerprint(&account),
            from,
            client: tables.failures.fingerprint(&from.widest()),
            guess,
        }
    }

    /// Asks whether there is something to wait for, before anything is looked up; nothing is reserved.
    ///
    /// # Errors
    /// [`RetryAfter`].
    pub fn peek(&self, shown: &Shown, now: Instant) -> Result<Passage, RetryAfter> {
        self.tables.lock().admit(shown, &self.settings, now)
    }

    /// Asks for an attempt to verify what is shown, and reserves it: how it ended must be reported to the [`Attempt`].
    /// `None` for a password that was wrong before, and is not verified again so soon.
    ///
    /// # Errors
    /// [`RetryAfter`]; then nothing is reserved or counted, so that asking again does not prolong the wait.
    pub fn check(
        self: &Arc<Self>,
        shown: &Shown,
        passage: Passage,
        now: Instant,
    ) -> Result<Option<Attempt>, RetryAfter> {
        let mut tables = self.tables.lock();
        let passage = if passage.is_proven { passage } else { tables.admit(shown, &self.settings, now)? };
        let tried = tables.tried(shown, &self.settings, now);
        let Some(counts) = tables.reserve(shown, passage, &self.settings, now)? else { return Ok(None) };
        drop(tables);
        let (throttle, shown) = (Arc::clone(self), *shown);
        Ok(Some(Attempt { throttle, shown, counts, tried, started: now, reported: false }))
    }

    /// Records that the password was right, though it was not verified now.
    pub fn prove(&self, shown: &Shown, now: Instant) {
        self.tables.lock().prove(shown, now);
    }

    /// From now on, wrong passwords are kept for other servers: see [`Self::take_untold`].
    pub fn share(&self) {
        self.tables.lock().untold.begin();
    }

    /// Takes the wrong passwords that the other servers have not been told yet, with the time of each.
    pub fn take_untold(&self, now: Instant) -> Vec<(Instant, WrongPassword)> {
        self.tables.lock().untold.take(now)
    }

    /// Takes those back that could not be told.
    pub fn take_back(&self, untold: Vec<(Instant, WrongPassword)>) {
        self.tables.lock().untold.take_back(untold);
    }

    /// Counts a password that was wrong at another server.
    pub fn failed_elsewhere(&self, wrong: &WrongPassword, now: Instant) {
        self.tables.lock().failed_elsewhere(wrong, &self.settings, now);
    }

    fn failed(&self, attempt: &Attempt, now: Instant) {
        self.tables.lock().failed(&attempt.shown, attempt.counts, &self.settings, now);
    }
}

impl Tables {
    /// Nothing to wait for, or a way past it.
    fn admit(
        &mut self,
        shown: &Shown,
        settings: &ThrottleSettings,
        now: Instant,
    ) -> Result<Passage, RetryAfter> {
        let Some(guess) = shown.guess else { return Ok(Passage { is_proven: false }) };
        let Err(wait) = self.wait(shown, guess, settings, now) else {
            return Ok(Passage { is_proven: false });
        };
        // A password that is known to be wrong tells nothing, and so closes no way.
        let is_known_wrong =
            self.pairs.get_mut(shown.pair).is_some_and(|pair| pair.is_known_wrong(guess, now));
        let passes = !is_known_wrong
            && self
                .recent_sign_ins
                .get_mut(shown.account)
                .is_some_and(|proven| proven.passes(shown.from, guess, now));
        if passes { Ok(Passage { is_proven: true }) } else { Err(wait) }
    }

    fn wait(
        &mut self,
        shown: &Shown,
        guess: Guess,
        settings: &ThrottleSettings,
        now: Instant,
    ) -> Result<(), RetryAfter> {
        if let Some(pair) = self.pairs.get_mut(shown.pair) {
            pair.check(guess, settings, now)?;
        }
        self.guesses.wait(shown.from, settings.of_address(), now).map_err(RetryAfter)
    }

    /// The number of the client's attempts; 0 where the password was right there lately.
    fn tried(&mut self, shown: &Shown, settings: &ThrottleSettings, now: Instant) -> u32 {
        let Tables { recent_sign_ins, failures, guesses, .. } = self;
        let knows = |guess| {
            recent_sign_ins.get_mut(shown.account).is_some_and(|proven| proven.knows(shown.from, guess, now))
        };
        if shown.guess.is_some_and(knows) {
            return 0;
        }
        let failures = failures.get_mut(shown.client).map_or(0, |failures| failures.at(now));
        failures.saturating_add(guesses.missing(shown.from, settings.of_address(), now))
    }

    fn reserve(
        &mut self,
        shown: &Shown,
        passage: Passage,
        settings: &ThrottleSettings,
        now: Instant,
    ) -> Result<Option<Counts>, RetryAfter> {
        let rate = settings.of_address();
        let pair = self.pairs.get_mut(shown.pair);
        let is = |what: fn(&WrongPasswords, Guess, Instant) -> bool| {
            pair.as_deref().zip(shown.guess).is_some_and(|(pair, guess)| what(pair, guess, now))
        };
        let (is_known, is_known_wrong) = (is(WrongPasswords::is_known), is(WrongPasswords::is_known_wrong));
        let Some(guess) = shown.guess.filter(|_| !is_known) else {
            return match self.repeats.take(shown.from, rate, now) {
                Ok(()) => Ok(Some(Counts::Repeat)),
                Err(_) if is_known_wrong => Ok(None),
                Err(after) => Err(RetryAfter(after)),
            };
        };
        if !passage.is_proven {
            self.guesses.take(shown.from, rate, now).map_err(RetryAfter)?;
        }
        if let Some(pair) = self.pairs.get_or_insert(shown.pair, WrongPasswords::new(now), now) {
            pair.start(guess);
        }
        Ok(Some(if passage.is_proven { Counts::FreeGuess } else { Counts::Guess }))
    }

    fn failed(&mut self, shown: &Shown, counts: Counts, settings: &ThrottleSettings, now: Instant) {
        let Some(guess) = shown.guess else { return };
        if let Some(proven) = self.recent_sign_ins.get_mut(shown.account) {
            proven.forget(shown.from, guess);
        }
        // A counter may have been evicted meanwhile: then this failure is its first.
        let Some(pair) = self.pairs.get_or_insert(shown.pair, WrongPasswords::new(now), now) else { return };
        if counts != Counts::Repeat {
            pair.end(guess);
        }
        if pair.fail(guess, settings, now) {
            if let Some(failures) = self.failures.get_or_insert(shown.client, Failures::new(now), now) {
                failures.add(settings, now);
            }
            self.untold.push(shown, guess, now);
        } else if counts == Counts::Guess {
            self.guesses.give_back(shown.from, settings.of_address());
        }
    }

    fn succeeded(&mut self, shown: &Shown, counts: Counts, settings: &ThrottleSettings, now: Instant) {
        self.prove(shown, now);
        match counts {
            Counts::Guess => self.guesses.give_back(shown.from, settings.of_address()),
            Counts::FreeGuess => {}
            Counts::Repeat => self.repeats.give_back(shown.from, settings.of_address()),
        }
        self.end(shown, counts);
    }

    fn withdraw(&mut self, shown: &Shown, counts: Counts, settings: &ThrottleSettings) {
        if counts == Counts::Repeat {
            self.repeats.give_back(shown.from, settings.of_address());
        }
        self.end(shown, counts);
    }

    fn prove(&mut self, shown: &Shown, now: Instant) {
        let Some(guess) = shown.guess else { return };
        if let Some(proven) = self.recent_sign_ins.get_or_insert(shown.account, RecentSignIns::default(), now)
        {
            proven.record(shown.from, guess, now);
        }
        if let Some(pair) = self.pairs.get_mut(shown.pair) {
            pair.prove(guess);
        }
    }

    fn end(&mut self, shown: &Shown, counts: Counts) {
        let Some((pair, guess)) = self.pairs.get_mut(shown.pair).zip(shown.guess) else { return };
        if counts != Counts::Repeat {
            pair.end(guess);
        }
        if pair.is_blank() {
            self.pairs.remove(shown.pair);
        }
    }
}

/// As what an attempt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// A guess, taken from the client's bucket.
    Guess,
    /// A guess that passed a wait.
    FreeGuess,
    /// A password that was shown before, or none.
    Repeat,
}

/// A reserved attempt. Dropped without a report it counts as failed: forgetting to report, a panic or a
/// client that hangs up cannot make guessing cheaper.
#[must_use = "dropping an attempt counts it as failed"]
pub struct Attempt {
    throttle: Arc<Throttle>,
    shown: Shown,
    counts: Counts,
    /// The number of the client's earlier attempts.
    tried: u32,
    started: Instant,
    reported: bool,
}

impl Attempt {
    /// The number of the client's earlier attempts: guesses that failed, within the time after which they are
    /// forgotten, and those of the last moments. 0 for a password that was right there lately. A client that has
    /// tried less goes first where many wait.
    pub fn tried(&self) -> u32 {
        self.tried
    }

    /// The password was wrong, or there is no such account; the two must not differ.
    pub fn failed(mut self, now: Instant) {
        self.reported = true;
        self.throttle.failed(&self, now);
    }

    /// The password was right. What failed before still counts.
    pub fn succeeded(mut self) {
        self.reported = true;
        let Throttle { settings, .. } = &*self.throttle;
        self.throttle.tables.lock().succeeded(&self.shown, self.counts, settings, self.started);
    }

    /// Nothing was verified (the pool was full, a back end was down): no failure of the account. The client's guess is
    /// spent, or it could be made without end.
    pub fn withdraw(mut self) {
        self.reported = true;
        let Throttle { settings, .. } = &*self.throttle;
        self.throttle.tables.lock().withdraw(&self.shown, self.counts, settings);
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
