//! The changes of other replicas in a state that they share: revocations, personal tokens, people who sign in, records.
//!
//! The list of changes is read several times a second, so that each replica has them in memory, and no request waits for
//! the store. Where the store gives no answer, what is known counts on, for as long as `state.when_down` allows. What is
//! in force here is stricter than what is read: nothing that was revoked here comes back.

use std::{
    collections::HashSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    NotRevoked, PersonalTokens, Revocations, SharedFreeze, SharedSettings, State, Target, asking,
    leases::LeasedRecords,
    sql::Store,
    stored::{Change, Followed, Seen, SharedChange, StoreError},
};
use crate::authn::WrongPassword;

/// The interval between two readings.
const PAUSE: Duration = Duration::from_millis(300);
/// The interval at which this replica says that it is alive.
const ALIVE: Duration = Duration::from_secs(5);

/// The place up to which the changes were followed.
pub(super) struct Follower {
    seen: Mutex<Seen>,
    /// The beginning of the last reading that came to its end.
    pub(super) read_at: watch::Sender<Instant>,
    /// The time for which what is known counts without another reading; `None` for any.
    pub(super) trusted_for: Option<Duration>,
    is_failing: AtomicBool,
    /// The number of the last wrong password that was read; `None` before the first exchange.
    told: Mutex<Option<u64>>,
    pub(super) records: LeasedRecords,
    /// For questions about programs that wait for their logins.
    pub(super) device_turns: Arc<Semaphore>,
    /// Held while changes are read and put in force: in their order.
    turn: tokio::sync::Mutex<()>,
    /// The freeze of all replicas.
    pub(super) freeze: watch::Sender<Option<SharedFreeze>>,
    /// True until the store was asked about it, where it is of an earlier process.
    pub(super) is_freeze_unsettled: AtomicBool,
}

impl Default for Follower {
    /// Nothing is known.
    fn default() -> Self {
        Self::new(Seen::default(), None)
    }
}

impl Follower {
    /// All is known up to the last change that is stored. To be made before all else is read.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn of(store: &Store) -> Result<Self, StoreError> {
        let seen = store.last_change().await?;
        Ok(Self::new(seen, store.freezes(None).await?.current.map(SharedFreeze::from)))
    }

    fn new(seen: Seen, freeze: Option<SharedFreeze>) -> Self {
        Self {
            seen: Mutex::new(seen),
            read_at: watch::Sender::new(Instant::now()),
            trusted_for: None,
            is_failing: AtomicBool::new(false),
            told: Mutex::default(),
            records: LeasedRecords::default(),
            device_turns: Arc::new(Semaphore::new(asking::OF_STRANGERS)),
            turn: tokio::sync::Mutex::default(),
            freeze: watch::Sender::new(freeze),
            is_freeze_unsettled: AtomicBool::new(false),
        }
    }

    /// Returns true if what is known may lack revocations for longer than is allowed.
    pub(super) fn is_out_of_date(&self) -> bool {
        self.trusted_for.is_some_and(|most| self.read_at.borrow().elapsed() > most)
    }
}

impl State {
    /// Connects to a database that others share. `now` in seconds since 1970.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) async fn share(settings: &SharedSettings, now: u64) -> Result<Self, StoreError> {
        let store = Store::connect(&settings.server, now).await?;
        if store.is_new() {
            let server = store.place().display();
            tracing::warn!(%server, "made the tables of a new state: tokens and sessions that were issued before are refused");
        }
        let store = Arc::new(store);
        let mut state = Self::with(Arc::clone(&store)).await?;
        state.follower.trusted_for = settings.trusted_for;
        state.follower.records.replace(store.leased_records().await?);
        Ok(state)
    }

    /// Returns true if other Portwardens share the state.
    pub fn is_shared(&self) -> bool {
        self.store.as_ref().is_ok_and(|store| store.is_shared())
    }

    /// Returns the time since all changes of other replicas were known; `None` for a state of one.
    pub fn behind(&self) -> Option<Duration> {
        self.is_shared().then(|| self.follower.read_at.borrow().elapsed())
    }

    /// Returns true if what was revoked is not known for longer than the operator allows.
    pub fn is_out_of_date(&self) -> bool {
        self.follower.is_out_of_date()
    }

    /// Follows the other replicas, for as long as the state is in use. Within a tokio runtime.
    pub fn follow_replicas(self: &Arc<Self>) {
        if !self.is_shared() {
            return;
        }
        tokio::spawn(keep_following(Arc::downgrade(self)));
        tokio::spawn(stay_alive(Arc::downgrade(self)));
    }

    /// Tells the other replicas of wrong passwords, and returns theirs.
    ///
    /// # Errors
    /// The store gives no answer: they may be told or not.
    pub async fn exchange_wrong_passwords(
        &self,
        own: Vec<WrongPassword>,
    ) -> Result<Vec<WrongPassword>, StoreError> {
        let Ok(store) = &self.store else { return Ok(Vec::new()) };
        let after = *self.follower.told.lock();
        let told = store.exchange_wrong_passwords(&own, after).await?;
        *self.follower.told.lock() = Some(told.last);
        Ok(told.wrong)
    }

    /// Reads once what other replicas have changed. The log has the first failure, and the end of it.
    pub(super) async fn follow(&self) {
        let Ok(store) = &self.store else { return };
        let _turn = self.follower.turn.lock().await;
        let began = Instant::now();
        let followed = self.read_changes(store).await;
        self.note(&followed);
        let Follower { read_at, is_failing, .. } = &self.follower;
        match followed {
            Ok(()) => {
                read_at.send_replace(began);
                if is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the shared state can be used again");
                }
            }
            Err(error) => {
                if !is_failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the shared state cannot be used; what other replicas revoke is not known here");
                }
            }
        }
    }

    async fn read_changes(&self, store: &Store) -> Result<(), StoreError> {
        Self::store_changes(store, &mut *self.unstored.lock().await).await?;
        self.store_ended_sessions(store).await?;
        if self.follower.is_freeze_unsettled.load(Ordering::Relaxed) {
            self.settle_freeze(store).await?;
        }
        loop {
            let seen = self.follower.seen.lock().clone();
            match store.follow(&seen).await? {
                Followed::Changes { id, changes, last } => {
                    if self.revocations.read().id.as_deref() != Some(&*id) {
                        return self.read_all(store).await.map(drop);
                    }
                    let is_last = changes.is_empty();
                    for change in changes {
                        self.apply_shared(change).await;
                    }
                    *self.follower.seen.lock() = last;
                    if is_last {
                        return Ok(());
                    }
                }
                Followed::Missed => return self.read_all(store).await.map(drop),
                Followed::Restored => return self.after_restore(store).await,
            }
        }
    }

    /// The store has another past than what was read before: a backup lacks revocations that this replica may know or not.
    async fn after_restore(&self, store: &Store) -> Result<(), StoreError> {
        match self.read_all(store).await? {
            None => return Ok(()),
            Some(false) => {
                tracing::error!("the shared state was replaced: all tokens and sessions of the old one end");
                return Ok(());
            }
            Some(true) => {}
        }
        tracing::error!(
            "the shared state was restored from a backup, and may lack revocations: all tokens and sessions end"
        );
        let mut unstored = self.unstored.lock().await;
        match self.revocations.write().apply(&Target::All, unix_now()) {
            Ok(change) => unstored.push(change),
            // Only if the system gives no random bytes.
            Err(error) => tracing::error!(%error, "cannot end the tokens of a state that was restored"),
        }
        Self::store_changes(store, &mut unstored).await
    }

    /// Reads all of it, and keeps what is stricter here. Returns true if it is the state that was known, and `None` if a
    /// revocation here came in between: the reading may lack it, and the next time is soon.
    async fn read_all(&self, store: &Store) -> Result<Option<bool>, StoreError> {
        let before = self.revocation_count();
        // First, so that no change is missed.
        let seen = store.last_change().await?;
        let records = store.leased_records().await?;
        let stored = store.load().await?;
        let tokens = PersonalTokens::read(store).await?;
        let sign_ins = store.sign_ins().await?;
        let ended = store.ended_sessions().await?;
        self.settle_freeze(store).await?;
        // The list of replicas may be another one, too.
        store.is_alive().await?;
        let mut unstored = self.unstored.lock().await;
        if !unstored.is_empty() || self.revocation_count() != before {
            return Ok(None);
        }
        let is_same = self.revocations.read().id.as_deref() == Some(&*stored.id);
        let known: HashSet<_> = stored.tokens.iter().map(|(id, _)| id.clone()).collect();
        {
            let mut revocations = self.revocations.write();
            revocations.replace(Revocations::of(stored));
            // What the store lacks of that has to survive a restart.
            let lacked = revocations.tokens.iter().filter(|(id, _)| !known.contains(&***id));
            unstored.extend(lacked.map(|(id, at)| Change::Token { id: id.to_string(), at: *at }));
        }
        self.ended_sessions.lock().extend(&ended, unix_now());
        self.personal.replace(tokens);
        self.sign_ins.replace(sign_ins).await;
        self.follower.records.replace(records);
        *self.follower.seen.lock() = seen;
        Ok(Some(is_same))
    }

    async fn apply_shared(&self, change: SharedChange) {
        match change {
            SharedChange::Account { name, generation, at } => {
                self.revocations.write().raise_account(name, generation, at);
            }
            SharedChange::Token { id, at } => self.revocations.write().add_token(id, at),
            SharedChange::PersonalToken(id, token) => self.personal.follow(&id, token.map(|token| *token)),
            SharedChange::EndedSession(session) => {
                self.ended_sessions.lock().extend(&session, unix_now());
            }
            SharedChange::Record(name, content) => self.follower.records.follow(name, content),
            SharedChange::SignIn(name, record) => {
                self.sign_ins.follow(&name, record.map(|record| *record)).await;
            }
            SharedChange::Freeze(freeze) => self.apply_freeze(freeze),
        }
    }

    /// Stores what is in force here, in its order.
    pub(super) async fn store_changes(store: &Store, unstored: &mut Vec<Change>) -> Result<(), StoreError> {
        while let Some(change) = unstored.first() {
            store.keep(change).await?;
            unstored.remove(0);
        }
        Ok(())
    }

    /// After a revocation was stored: what came of it where another replica has revoked the same.
    pub(super) async fn follow_own(&self, stored: Result<(), NotRevoked>) -> Result<(), NotRevoked> {
        if stored.is_ok() && self.is_shared() {
            self.follow().await;
        }
        stored
    }
}

async fn keep_following(state: Weak<State>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(state) = state.upgrade() else { return };
        state.follow().await;
    }
}

async fn stay_alive(state: Weak<State>) {
    let mut ticks = interval(ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(state) = state.upgrade() else { return };
        if let Ok(store) = &state.store {
            // A failure is logged and counted where the changes are followed.
            let _ = store.is_alive().await;
        }
    }
}

/// The time, in seconds since 1970.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
