//! The table of the programs that wait: what strangers may take of it, and which code leads to which program.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DeviceKey, DeviceRequest, GUESSES, Grant, POLLS, SWEEP, TOLD_LONGER, UserCode, WrongCode};
use crate::{
    authn::{NoRandomness, folded_name},
    limits::{Bucket, CounterTable, Network, Share},
};

/// The programs that wait, by both of their codes, and the wrong codes that accounts have typed.
pub(super) struct Table {
    pub(super) waiting: HashMap<DeviceKey, Waiting>,
    pub(super) by_user_code: HashMap<UserCode, DeviceKey>,
    pub(super) guesses: CounterTable<Bucket>,
    /// The questions of programs that wait in a shared state.
    pub(super) polls: CounterTable<Bucket>,
    pub(super) swept: Option<Instant>,
}

/// A program that waits.
pub(super) struct Waiting {
    pub(super) request: Arc<DeviceRequest>,
    pub(super) user: UserCode,
    pub(super) ends: Instant,
    pub(super) interval: Duration,
    pub(super) polled: Option<Instant>,
    pub(super) answer: Option<Answered>,
    pub(super) _share: Share,
}

/// The word of a person.
#[derive(Debug)]
pub(super) enum Answered {
    Allowed(Box<Grant>),
    Refused,
}

impl Table {
    /// Forgets programs whose time is over, once in a while.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.waiting.retain(|_, waiting| now < waiting.ends + TOLD_LONGER);
        let Self { waiting, by_user_code, .. } = self;
        by_user_code.retain(|_, key| waiting.contains_key(key));
    }

    /// Gives up the oldest code of the client with the most, for one that has two less at least: many clients together
    /// leave a place to any other. Returns which it was; `None` if there is none.
    pub(super) fn give_up_for(&mut self, of: Network) -> Option<DeviceKey> {
        let mut held: HashMap<Network, usize> = HashMap::new();
        let client = |waiting: &Waiting| Network::from(waiting.request.address).widest();
        for waiting in self.waiting.values() {
            *held.entry(client(waiting)).or_default() += 1;
        }
        let own = held.get(&of.widest()).copied().unwrap_or_default();
        // Those without an address may be many, and have a part of the table for themselves.
        let most = held.into_iter().filter(|(of, _)| *of != Network::Unknown).max_by_key(|(_, count)| *count);
        let (of, _) = most.filter(|(_, count)| *count >= own + 2)?;
        let of_client = self.waiting.iter().filter(|(_, waiting)| client(waiting) == of);
        let oldest = of_client.min_by_key(|(_, waiting)| waiting.ends).map(|(key, _)| *key)?;
        self.remove(&oldest).map(|_| oldest)
    }

    /// Makes a code that no program has.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub(super) fn free_user_code(&self) -> Result<UserCode, NoRandomness> {
        loop {
            let user = UserCode::random()?;
            if !self.by_user_code.contains_key(&user) {
                return Ok(user);
            }
        }
    }

    /// The program that waits with this code, unanswered. The same for a code that is over as for one that never was.
    ///
    /// # Errors
    /// [`WrongCode`].
    pub(super) fn waiting_for(
        &mut self,
        typed: &str,
        account: &str,
        now: Instant,
    ) -> Result<(UserCode, &mut Waiting), WrongCode> {
        let Self { waiting, by_user_code, guesses, .. } = self;
        let guesser = guesses.fingerprint(&folded_name(account));
        let bucket = guesses.get_or_insert(guesser, Bucket::new(now), now);
        if let Some(Err(wait)) = bucket.as_ref().map(|bucket| bucket.wait(GUESSES, now)) {
            return Err(WrongCode::TooMany(wait));
        }
        let user = UserCode::parse(typed);
        let found = user.and_then(|user| Some((user, waiting.get_mut(by_user_code.get(&user)?)?)));
        let found = found.filter(|(_, waiting)| now < waiting.ends && waiting.answer.is_none());
        if found.is_none() {
            let _ = bucket.map(|bucket| bucket.take(GUESSES, now));
        }
        found.ok_or(WrongCode::Unknown)
    }

    /// Counts a code against an account before it is known whether it is wrong.
    ///
    /// # Errors
    /// [`WrongCode::TooMany`].
    pub(super) fn guess(&mut self, account: &str, now: Instant) -> Result<(), WrongCode> {
        let guesses = self.guesses_of(account, now);
        guesses.map_or(Ok(()), |guesses| guesses.take(GUESSES, now)).map_err(WrongCode::TooMany)
    }

    /// Counts it no longer.
    pub(super) fn give_guess_back(&mut self, account: &str, now: Instant) {
        if let Some(guesses) = self.guesses_of(account, now) {
            guesses.give_back(GUESSES);
        }
    }

    /// Counts a question of a program that waits in a shared state; returns false for one that comes too soon.
    pub(super) fn may_poll(&mut self, key: &DeviceKey, now: Instant) -> bool {
        let of = self.polls.fingerprint(key);
        self.polls.get_or_insert(of, Bucket::new(now), now).is_none_or(|polls| polls.take(POLLS, now).is_ok())
    }

    fn guesses_of(&mut self, account: &str, now: Instant) -> Option<&mut Bucket> {
        let guesser = self.guesses.fingerprint(&folded_name(account));
        self.guesses.get_or_insert(guesser, Bucket::new(now), now)
    }

    /// Forgets a program.
    pub(super) fn remove(&mut self, key: &DeviceKey) -> Option<Waiting> {
        let waiting = self.waiting.remove(key)?;
        self.by_user_code.remove(&waiting.user);
        Some(waiting)
    }
}
