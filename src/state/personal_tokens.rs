//! Personal tokens: in memory for each request, and in the file for the next start.
//!
//! One is in force once it is stored. It carries the id of the state and the generation of its account, as what is issued
//! for it does. So a revocation ends it without a search, and a row of another state opens nothing. One that is to end
//! is gone from memory first; where the file does not take that, it is tried again.

mod record;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Stamp, State,
    follow::unix_now,
    revocations::{Revocations, is_robot_token_id},
    sql::Store,
    stored::StoreError,
};
use crate::authn::{TokenDigest, folded_name};
pub use record::{NewPersonalToken, NotMade, PersonalTokenRecord};

/// The most personal tokens of all accounts.
pub(super) const MOST_PERSONAL_TOKENS: usize = 100_000;
/// Bytes of all their texts. With [`MOST_PERSONAL_TOKENS`], all of it stays below 80 MB, and with texts of the usual
/// length below 60 MB.
const MOST_BYTES: usize = 24 << 20;
/// The time for which one that has expired is still listed, and its holder told so, in seconds.
const LISTED_LONGER: u64 = 7 * 24 * 3600;
/// The time that a request waits for the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// The interval between two times of storing uses.
const PAUSE: Duration = Duration::from_secs(30);
/// The most that are deleted, and whose uses are stored, at a time: others who need the file get their turn between.
const AT_A_TIME: usize = 500;
/// The most that are read at a time: rows take more memory than what is made of them.
const READ_AT_A_TIME: u64 = 1000;

/// The tokens in memory.
#[derive(Default)]
pub(super) struct PersonalTokens {
    table: RwLock<Table>,
    /// Held while one is made, and while what waits is stored.
    writer: Arc<tokio::sync::Mutex<()>>,
    /// The ids of those that the file may still have, and must not.
    gone: Mutex<HashSet<Box<str>>>,
    /// Those that have ended here lately: what was read of them before from a shared store is out of date.
    ended: Mutex<HashSet<u64>>,
    made: AtomicU64,
    revoked: AtomicU64,
}

#[derive(Default)]
struct Table {
    /// By the number that the id writes: there may be many.
    by_id: HashMap<u64, Arc<PersonalTokenRecord>>,
    /// By the name under which all spellings of an account count.
    by_account: HashMap<Box<str>, Vec<Arc<PersonalTokenRecord>>>,
    bytes: usize,
}

impl Table {
    fn insert(&mut self, token: Arc<PersonalTokenRecord>) {
        self.remove(&token.id());
        self.bytes += token.bytes();
        let account = folded_name(&token.made.account).into();
        self.by_account.entry(account).or_insert_with(|| Vec::with_capacity(1)).push(Arc::clone(&token));
        self.by_id.extend(number(&token.id()).map(|number| (number, token)));
    }

    fn get(&self, id: &str) -> Option<&Arc<PersonalTokenRecord>> {
        self.by_id.get(&number(id)?)
    }

    fn remove(&mut self, id: &str) -> Option<Arc<PersonalTokenRecord>> {
        let token = self.by_id.remove(&number(id)?)?;
        self.bytes -= token.bytes();
        let account = folded_name(&token.made.account);
        if let Some(own) = self.by_account.get_mut(&*account) {
            own.retain(|other| !Arc::ptr_eq(other, &token));
            if own.is_empty() {
                self.by_account.remove(&*account);
            }
        }
        Some(token)
    }
}

/// The number that an id writes; `None` for what is no id.
fn number(id: &str) -> Option<u64> {
    is_robot_token_id(id).then(|| u64::from_str_radix(id, 16).ok()).flatten()
}

impl PersonalTokens {
    /// Reads those of a store. A row that cannot be understood opens nothing.
    ///
    /// # Errors
    /// The store gives no answer.
    pub(super) async fn read(store: &Store) -> Result<Self, StoreError> {
        let tokens = Self::default();
        let (mut unreadable, mut after) = (0, String::new());
        loop {
            let rows = store.personal_tokens_behind(&after, READ_AT_A_TIME).await?;
            let Some((last, _)) = rows.last() else { break };
            after.clone_from(last);
            let mut table = tokens.table.write();
            for (_, token) in rows {
                match token {
                    Some(token) => table.insert(Arc::new(token)),
                    None => unreadable += 1,
                }
            }
        }
        if unreadable > 0 {
            tracing::error!(unreadable, "personal tokens in the state file that cannot be read are refused");
        }
        Ok(tokens)
    }

    /// Puts what is stored under an id now in place of what is known: another replica has changed it.
    pub(super) fn follow(&self, id: &str, stored: Option<PersonalTokenRecord>) {
        let (mut table, gone) = (self.table.write(), self.gone.lock());
        match (stored, table.get(id)) {
            (None, _) => drop(table.remove(id)),
            (Some(stored), Some(known)) => known.join_uses(&stored),
            // It has ended here, and is about to end there.
            (Some(_), None) if gone.contains(id) || self.has_ended(id) => {}
            (Some(stored), None) => table.insert(Arc::new(stored)),
        }
    }

    /// Puts all that is stored in place of what is known.
    pub(super) fn replace(&self, stored: Self) {
        let new = stored.table.into_inner();
        let (mut table, gone) = (self.table.write(), self.gone.lock());
        let before = std::mem::replace(&mut *table, new);
        let ended: Vec<String> = table.by_id.values().map(|token| token.id()).collect();
        for id in ended.iter().filter(|id| gone.contains(id.as_str()) || self.has_ended(id)) {
            table.remove(id);
        }
        for token in before.by_id.values() {
            if let Some(stored) = table.get(&token.id()) {
                stored.join_uses(token);
            }
        }
    }

    /// Takes those out that are revoked or have expired long ago.
    fn sweep(&self, revocations: &RwLock<Revocations>, now: u64) {
        let ended: Vec<String> = {
            let (table, revocations) = (self.table.read(), revocations.read());
            let has_ended = |token: &PersonalTokenRecord| {
                token.made.ends.saturating_add(LISTED_LONGER) < now || !token.is_in_force(&revocations)
            };
            let ended = table.by_id.values().filter(|token| has_ended(token));
            ended.map(|token| token.id()).collect()
        };
        let (mut table, mut gone) = (self.table.write(), self.gone.lock());
        for id in ended {
            table.remove(&id);
            self.remember_end(&id);
            gone.insert(id.into());
        }
    }

    fn remember_end(&self, id: &str) {
        let mut ended = self.ended.lock();
        if ended.len() >= MOST_PERSONAL_TOKENS {
            ended.clear();
        }
        ended.extend(number(id));
    }

    fn has_ended(&self, id: &str) -> bool {
        number(id).is_some_and(|number| self.ended.lock().contains(&number))
    }

    /// The next part of what waits to be stored: ids that are gone, and last uses.
    fn waiting(&self) -> (Vec<String>, Vec<(Arc<PersonalTokenRecord>, u64)>) {
        let gone = self.gone.lock().iter().take(AT_A_TIME).map(ToString::to_string).collect();
        let table = self.table.read();
        let used = table.by_id.values().filter_map(|token| {
            let used = token.used.load(Ordering::Relaxed);
            (used > token.stored_use.load(Ordering::Relaxed)).then(|| (Arc::clone(token), used))
        });
        (gone, used.take(AT_A_TIME).collect())
    }
}

impl State {
    /// Returns true if personal tokens can be kept: there is a state.
    pub fn keeps_personal_tokens(&self) -> bool {
        self.store.is_ok()
    }

    /// The token of an account that was shown, where it is not revoked. It may have expired. Takes the same steps where
    /// there is none with its id: one comparison in constant time.
    pub fn personal_token(&self, account: &str, shown: &TokenDigest) -> Option<Arc<PersonalTokenRecord>> {
        let found = self.personal.table.read().get(&shown.id()).cloned();
        // Compared with itself where there is none, and then not counted.
        let is_equal = found.as_ref().map_or(shown, |token| &token.made.digest).is(shown);
        found.filter(|token| is_equal && self.is_of(token, account))
    }

    /// The token `id` of an account, where it is not revoked. It may have expired.
    pub fn personal_token_by_id(&self, account: &str, id: &str) -> Option<Arc<PersonalTokenRecord>> {
        let found = self.personal.table.read().get(id).cloned();
        found.filter(|token| self.is_of(token, account))
    }

    fn is_of(&self, token: &PersonalTokenRecord, account: &str) -> bool {
        *token.made.account == *account && token.is_in_force(&self.revocations.read())
    }

    /// The tokens that are not revoked, the latest first; with `account`, those of its spellings.
    pub fn personal_tokens(&self, account: Option<&str>) -> Vec<Arc<PersonalTokenRecord>> {
        let (table, revocations) = (self.personal.table.read(), self.revocations.read());
        let mut found: Vec<_> = match account {
            None => table.by_id.values().cloned().collect(),
            Some(account) => table.by_account.get(&*folded_name(account)).cloned().unwrap_or_default(),
        };
        found.retain(|token| token.is_in_force(&revocations));
        found.sort_by(|a, b| b.made.at.cmp(&a.made.at).then_with(|| a.id().cmp(&b.id())));
        found
    }

    /// Returns the number of tokens in memory, and of those that were made and revoked by their ids since the start.
    pub fn personal_token_counts(&self) -> (usize, [(&'static str, u64); 2]) {
        let PersonalTokens { table, made, revoked, .. } = &*self.personal;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (table.read().by_id.len(), [("made", count(made)), ("revoked", count(revoked))])
    }

    /// Keeps a token, of which an account may have `most`. `stamp` is that of the session in which it is made: revoked in
    /// between, the token is, too. When this returns, it survives a crash.
    ///
    /// # Errors
    /// [`NotMade`]. After a failure of the store, it may be listed all the same.
    pub async fn make_personal_token(
        &self,
        new: NewPersonalToken,
        stamp: &Stamp,
        most: usize,
    ) -> Result<(), NotMade> {
        let store = self.store.as_ref().map_err(|why| NotMade::NoState(why.clone()))?;
        let state = stamp.state.clone().unwrap_or_default();
        let writer = Arc::clone(&self.personal.writer).lock_owned().await;
        self.personal.sweep(&self.revocations, new.at);
        let token = PersonalTokenRecord {
            made: new,
            state,
            generation: stamp.generation,
            used: AtomicU64::new(0),
            stored_use: AtomicU64::new(0),
        };
        self.find_room(&token, most)?;
        let (personal, token) = (Arc::clone(&self.personal), Arc::new(token));
        let keep = async move |store: Arc<Store>| {
            // Kept to its end, whatever becomes of the request.
            let _writer = writer;
            store.keep_personal_token(&token).await?;
            personal.table.write().insert(token);
            personal.made.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        self.ask(store, PATIENCE, keep).await.map_err(NotMade::NotStored)
    }

    fn find_room(&self, token: &PersonalTokenRecord, most: usize) -> Result<(), NotMade> {
        let table = self.personal.table.read();
        let own = table.by_account.get(&*folded_name(&token.made.account));
        let is_running = |other: &&Arc<PersonalTokenRecord>| other.made.ends > token.made.at;
        if own.is_some_and(|own| own.iter().filter(is_running).count() >= most) {
            return Err(NotMade::TooMany(most));
        }
        // Twice the same 48 bits come by chance only.
        let is_taken = table.get(&token.id()).is_some();
        let is_full = table.by_id.len() >= MOST_PERSONAL_TOKENS || table.bytes + token.bytes() > MOST_BYTES;
        if is_taken || is_full { Err(NotMade::Full) } else { Ok(()) }
    }

    /// Revokes the token `id`, and all that was issued for it; returns false if there is none. `now` in seconds since
    /// 1970.
    ///
    /// # Errors
    /// It is refused from now on, and a restart may forget that.
    pub async fn end_personal_token(&self, id: &str, now: u64) -> Result<bool, StoreError> {
        {
            let mut table = self.personal.table.write();
            if table.remove(id).is_none() {
                return Ok(false);
            }
            self.personal.remember_end(id);
        }
        self.personal.gone.lock().insert(id.into());
        self.personal.revoked.fetch_add(1, Ordering::Relaxed);
        self.settle_personal_tokens(now).await.map(|()| true)
    }

    /// Stores what waits: tokens that are gone, and last uses. `now` in seconds since 1970.
    ///
    /// # Errors
    /// Not all of it is stored.
    pub async fn settle_personal_tokens(&self, now: u64) -> Result<(), StoreError> {
        let Ok(store) = &self.store else { return Ok(()) };
        let _writer = self.personal.writer.lock().await;
        self.personal.sweep(&self.revocations, now);
        loop {
            let (gone, used) = self.personal.waiting();
            if gone.is_empty() && used.is_empty() {
                return Ok(());
            }
            let uses: Vec<_> = used.iter().map(|(token, at)| (token.id(), *at)).collect();
            let ids = gone.clone();
            let settle = async move |store: Arc<Store>| store.settle_personal_tokens(&ids, &uses).await;
            self.ask(store, PATIENCE, settle).await?;
            self.personal.gone.lock().retain(|id| !gone.iter().any(|done| **done == **id));
            used.iter().for_each(|(token, at)| token.stored_use.store(*at, Ordering::Relaxed));
        }
    }

    /// Stores what waits at an orderly end. A failure costs last uses; what is revoked by its id, and could not be deleted, was
    /// reported then.
    pub async fn end_personal_tokens(&self) {
        if let Err(error) = self.settle_personal_tokens(unix_now()).await {
            tracing::warn!(%error, "the last uses of personal tokens could not be stored");
        }
    }

    /// Stores last uses every half a minute, for as long as the state is in use. Within a tokio runtime.
    pub fn store_token_uses(self: &Arc<Self>) {
        let state = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = interval(PAUSE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(state) = state.upgrade() else { return };
                if let Err(error) = state.settle_personal_tokens(unix_now()).await {
                    tracing::error!(%error, "cannot store which personal tokens were used or revoked; it is tried again");
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
