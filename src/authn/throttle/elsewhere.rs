//! Wrong passwords that the servers of one registry tell each other, so that a guesser who asks all of them has no more
//! tries than at one.
//!
//! They are told after they were counted: no login waits for another server. Where they cannot be told, each server
//! counts for itself.

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{Shown, Tables};
use crate::{
    authn::{
        backoff::{Failures, ThrottleSettings, WrongPasswords},
        digest::{Guess, NameDigest},
    },
    limits::Network,
};

/// The most that wait to be told. Further ones count here alone.
const MOST_WAITING: usize = 1000;
/// The time after which one is not told any longer: its wait would begin anew at the others.
const STALE: Duration = Duration::from_secs(30);

/// A wrong password of an account from an address, for other servers. It tells nothing without the key that they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongPassword {
    /// The digest of the account's folded name.
    pub name: NameDigest,
    /// The client: an address that stands for its network. `None` for an unknown one.
    pub client: Option<IpAddr>,
    /// The digest of the account and the password.
    pub guess: u64,
}

impl WrongPassword {
    /// As texts: the name and the guess in hexadecimal digits, the client as an address, or nothing for an unknown one.
    pub fn texts(&self) -> [String; 3] {
        let client = self.client.map(|client| client.to_string()).unwrap_or_default();
        [format!("{:032x}", u128::from_be_bytes(self.name)), client, format!("{:016x}", self.guess)]
    }

    /// Reads such texts; `None` for anything else.
    pub fn parse(name: &str, client: &str, guess: &str) -> Option<Self> {
        let client = if client.is_empty() { None } else { Some(client.parse().ok()?) };
        let name = u128::from_str_radix(name, 16).ok()?.to_be_bytes();
        Some(Self { name, client, guess: u64::from_str_radix(guess, 16).ok()? })
    }
}

/// Those that the other servers have not been told yet.
#[derive(Default)]
pub(super) struct Untold {
    /// `None` where there are no other servers.
    waiting: Option<VecDeque<(Instant, WrongPassword)>>,
}

impl Untold {
    /// From now on, there are other servers.
    pub(super) fn begin(&mut self) {
        self.waiting.get_or_insert_default();
    }

    pub(super) fn push(&mut self, shown: &Shown, guess: Guess, now: Instant) {
        let Some(waiting) = self.waiting.as_mut().filter(|waiting| waiting.len() < MOST_WAITING) else {
            return;
        };
        let client = shown.from.address();
        waiting.push_back((now, WrongPassword { name: shown.name, client, guess: guess.number() }));
    }

    /// Takes those that are not stale.
    pub(super) fn take(&mut self, now: Instant) -> Vec<(Instant, WrongPassword)> {
        let waiting = self.waiting.as_mut().map(std::mem::take).unwrap_or_default();
        waiting.into_iter().filter(|(at, _)| now.saturating_duration_since(*at) < STALE).collect()
    }

    /// Takes those back that could not be told, before those that have come since.
    pub(super) fn take_back(&mut self, untold: Vec<(Instant, WrongPassword)>) {
        let Some(waiting) = &mut self.waiting else { return };
        untold.into_iter().rev().for_each(|untold| waiting.push_front(untold));
        waiting.truncate(MOST_WAITING);
    }
}

impl Tables {
    /// Counts a password that was wrong at another server, as if it had been verified here.
    pub(super) fn failed_elsewhere(
        &mut self,
        wrong: &WrongPassword,
        settings: &ThrottleSettings,
        now: Instant,
    ) {
        let (from, guess) = (Network::from(wrong.client), Guess::from_number(wrong.guess));
        let key = self.pairs.fingerprint(&(wrong.name, from));
        let Some(pair) = self.pairs.get_or_insert(key, WrongPasswords::new(now), now) else { return };
        if !pair.fail(guess, settings, now) {
            return;
        }
        let client = self.failures.fingerprint(&from.widest());
        if let Some(failures) = self.failures.get_or_insert(client, Failures::new(now), now) {
            failures.add(settings, now);
        }
        // Where there is none left, the client has to wait already.
        let _ = self.guesses.take(from, settings.of_address(), now);
    }
}
