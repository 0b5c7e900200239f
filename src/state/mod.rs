//! The state: what was revoked, in memory for each request and in a file for the next start; personal tokens; the labels
//! of accounts that are too long for a token; the people who have signed in at a provider; when tags were pushed; and
//! their activity.
//!
//! Each account name has a generation, which a revocation raises. Tokens and sessions carry the generation with which
//! they were issued, and the id of the state: those of an earlier generation, or of another state, count no longer. So
//! nothing depends on clocks, and a state that was lost ends all that was issued with it, revoked or not.
//!
//! Revocations are known without the file: it is read at the start and written by a revocation. Where
//! there is no state, nothing can be revoked, and what carries the id of one is refused.

mod account_claims;
mod activity;
mod asking;
mod device_logins;
mod ended_sessions;
mod follow;
mod freeze;
mod holds;
mod leases;
mod personal_tokens;
mod pushes;
mod revocations;
mod settings;
mod sign_ins;
mod sql;
mod stored;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use account_claims::ClaimsMemory;
pub use account_claims::{AccountClaims, ClaimsDigest, NoClaims};
use activity::ActivityNotes;
pub use device_logins::{DeviceLogin, DeviceLoginStanding, SharedDeviceLogins};
pub use ended_sessions::EndedSession;
use ended_sessions::EndedSessions;
use follow::{Follower, unix_now};
pub use freeze::{FreezeBegin, FreezeConfirmation, SharedFreeze};
pub use holds::{MOST_PUSH_CLAIMS, NotHeld, PUSH_CLAIMS_SHARE, PUSH_SETTLED, PushClaim, SharedHold};
pub use leases::Lease;
use personal_tokens::PersonalTokens;
pub use personal_tokens::{NewPersonalToken, NotMade, PersonalTokenRecord};
use pushes::PushNotes;
use revocations::Revocations;
pub use revocations::{NotRevoked, is_robot_token_id};
pub use settings::{SharedSettings, StateSettings};
use sign_ins::SignInMemory;
pub use sign_ins::{NotSignedIn, SignIn, SignInEntry};
use sql::Store;
use stored::Change;
pub use stored::StoreError;

/// The most accounts and tokens that are revoked at the same time.
pub const MOST_REVOCATIONS: usize = 100_000;
/// The longest name of an account that can be revoked, in bytes.
pub const LONGEST_NAME: usize = 512;
/// The longest id of a token that can be revoked, in bytes: 64 characters, as the audit log has them. A token itself is
/// longer.
pub const LONGEST_ID: usize = 256;

/// The part of a token or session that revocations are held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The id of the state with which it was issued; `None` if there was none.
    pub state: Option<Box<str>>,
    /// The generation of its account.
    pub generation: u64,
    /// Its own id, `jti`; `None` in a token that is still to be made.
    pub id: Option<Box<str>>,
}

/// The subject of a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// All that was issued to an account, in each spelling of its name.
    Account(String),
    /// A token by its id: that of a robot's token, or a `jti`.
    Token(String),
    /// All that was issued.
    All,
}

/// The reason why a token, a session or a login no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its account was revoked.
    Account,
    /// It was revoked by its id.
    Token,
    /// It was issued before everything was revoked, or with another state.
    OtherState,
    /// The revocations of others are not known for longer than the operator allows.
    Unknown,
}

/// A revocation that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its subject.
    pub target: Target,
    /// Its time, in seconds since 1970.
    pub at: u64,
}

/// The number of revocations since the start: a point in their order, and no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationCount(u64);

/// The account was revoked while it signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedMeanwhile;

/// The revocations in force, and the claims and times that are stored. Outlives reloads.
pub struct State {
    revocations: RwLock<Revocations>,
    store: Result<Arc<Store>, String>,
    /// The revocations that are in force and not stored yet. One is stored at a time, in the order of their coming.
    unstored: tokio::sync::Mutex<Vec<Change>>,
    /// The reason why the last revocation, claims or time were not stored, or the default file not opened.
    trouble: Mutex<Option<String>>,
    claims: ClaimsMemory,
    sign_ins: SignInMemory,
    pushes: Arc<PushNotes>,
    activity: Arc<ActivityNotes>,
    personal: Arc<PersonalTokens>,
    ended_sessions: Mutex<EndedSessions>,
    /// Those that are not stored yet.
    unstored_sessions: tokio::sync::Mutex<Vec<EndedSession>>,
    follower: Follower,
    /// For questions to the store.
    turns: Arc<Semaphore>,
    /// For those of pages about activity.
    page_turns: Arc<Semaphore>,
    /// True once it was logged that the file is older than a token.
    is_behind: AtomicBool,
    /// True once it was logged that a token is of another state.
    has_seen_others: AtomicBool,
}

impl Default for State {
    /// No state.
    fn default() -> Self {
        let why = "this server has no state file; set `state.file`, or `StateDirectory=portwarden` in its unit, and \
                   restart it";
        Self::without(why.to_owned(), None)
    }
}

impl State {
    /// Opens the state, at `now` in seconds since 1970. Within a tokio runtime.
    ///
    /// # Errors
    /// The file that is configured cannot be opened. One that is only there by default is left out instead, with an
    /// error in the log; then logins with a JWT from before `now` are refused, since one of them may be revoked.
    pub async fn open(settings: &StateSettings, now: u64) -> Result<Self, StoreError> {
        let (path, is_default) = match settings {
            StateSettings::Off => return Ok(Self::default()),
            StateSettings::Shared(shared) => return Self::share(shared, now).await,
            StateSettings::Default(path) => (path, true),
            StateSettings::File(path) => (path, false),
        };
        match Self::load(path.clone(), now).await {
            Err(error) if is_default => {
                tracing::error!(
                    "the state file cannot be used: {error}; nothing can be revoked, and tokens that were issued with it \
                     are refused, until it is corrected and Portwarden restarted"
                );
                let state = Self::without(format!("the state file cannot be used: {error}"), Some(now));
                *state.trouble.lock() = Some(error.to_string());
                Ok(state)
            }
            opened => opened,
        }
    }

    async fn load(path: PathBuf, now: u64) -> Result<Self, StoreError> {
        let store = Store::open(path, now).await?;
        if store.is_new() {
            let path = store.place().display();
            tracing::warn!(%path, "made a new state file: tokens and sessions that were issued before are refused");
        }
        Self::with(Arc::new(store)).await
    }

    /// The state that a store holds.
    async fn with(store: Arc<Store>) -> Result<Self, StoreError> {
        // First, so that no change is missed.
        let follower = Follower::of(&store).await?;
        let revocations = Revocations::of(store.load().await?);
        let sign_ins = SignInMemory::of(store.sign_ins().await?);
        let (latest, lost_at) = store.latest_activity();
        let activity = Arc::new(ActivityNotes::since(latest, lost_at));
        let personal = Arc::new(PersonalTokens::read(&store).await?);
        let ended_sessions = Mutex::new(EndedSessions::of(&store.ended_sessions().await?, unix_now()));
        let whole = Self::holding(revocations, String::new());
        Ok(Self { store: Ok(store), activity, personal, sign_ins, ended_sessions, follower, ..whole })
    }

    fn without(why: String, since: Option<u64>) -> Self {
        Self::holding(Revocations::empty_since(since), why)
    }

    fn holding(revocations: Revocations, why: String) -> Self {
        Self {
            revocations: RwLock::new(revocations),
            store: Err(why),
            unstored: tokio::sync::Mutex::default(),
            trouble: Mutex::default(),
            claims: ClaimsMemory::default(),
            sign_ins: SignInMemory::default(),
            pushes: Arc::default(),
            activity: Arc::default(),
            personal: Arc::default(),
            ended_sessions: Mutex::default(),
            unstored_sessions: tokio::sync::Mutex::default(),
            follower: Follower::default(),
            turns: Arc::new(Semaphore::new(asking::AT_ONCE)),
            page_turns: Arc::new(Semaphore::new(asking::OF_PAGES)),
            is_behind: AtomicBool::default(),
            has_seen_others: AtomicBool::default(),
        }
    }

    /// Returns the number of revocations since the start. Taken before a login, it makes sure that what is issued at its
    /// end does not outlive a revocation in between.
    pub fn revocation_count(&self) -> RevocationCount {
        RevocationCount(self.revocations.read().sequence)
    }

    /// The stamp of what is issued to an account, whose login began after `began` was taken.
    ///
    /// # Errors
    /// The account, or everything, was revoked since.
    pub fn stamp(&self, account: &str, began: RevocationCount) -> Result<Stamp, RevokedMeanwhile> {
        let revocations = self.revocations.read();
        if revocations.changed(account) > began.0 {
            return Err(RevokedMeanwhile);
        }
        Ok(Stamp { state: revocations.id.clone(), generation: revocations.generation(account), id: None })
    }

    /// Holds what was issued to an account against all revocations.
    ///
    /// # Errors
    /// The reason why it no longer counts.
    pub fn check(&self, account: &str, stamp: &Stamp) -> Result<(), Ended> {
        self.check_date()?;
        let revocations = self.revocations.read();
        if stamp.state != revocations.id {
            self.log_another_state(&revocations);
            return Err(Ended::OtherState);
        }
        let generation = revocations.generation(account);
        if stamp.generation < generation {
            return Err(Ended::Account);
        }
        if stamp.generation > generation {
            // Another replica has revoked the account and issued it a moment ago, unless it is alone.
            if !self.is_shared() {
                self.log_that_it_is_behind();
            }
            return Err(Ended::OtherState);
        }
        match &stamp.id {
            Some(id) if revocations.tokens.contains_key(&**id) => Err(Ended::Token),
            _ => Ok(()),
        }
    }

    /// Holds the id of a token against those that were revoked.
    ///
    /// # Errors
    /// [`Ended::Token`]; [`Ended::Unknown`]; [`Ended::OtherState`] for a robot's token while a file that is there cannot be read, since it may
    /// say that this one is revoked.
    pub fn check_token(&self, id: &str) -> Result<(), Ended> {
        self.check_date()?;
        let revocations = self.revocations.read();
        if revocations.id.is_none() && revocations.since.is_some() && is_robot_token_id(id) {
            return Err(Ended::OtherState);
        }
        if revocations.tokens.contains_key(id) { Err(Ended::Token) } else { Ok(()) }
    }

    /// Holds a login with another issuer's JWT against all revocations: it has no generation, but the time at which it
    /// was issued, in seconds since 1970 by the issuer's clock, and maybe an id.
    ///
    /// # Errors
    /// The reason why it no longer counts. A JWT of the minute after a revocation is refused too, since clocks differ.
    pub fn check_jwt(&self, account: &str, id: Option<&str>, issued_at: i64) -> Result<(), Ended> {
        self.check_date()?;
        let revocations = self.revocations.read();
        let is_before = |at: u64| i128::from(issued_at) <= i128::from(at) + i128::from(LEEWAY);
        if revocations.since.is_some_and(is_before) {
            return Err(Ended::OtherState);
        }
        if revocations.account(account).is_some_and(|revoked| is_before(revoked.at)) {
            return Err(Ended::Account);
        }
        match id {
            Some(id) if revocations.tokens.contains_key(id) => Err(Ended::Token),
            _ => Ok(()),
        }
    }

    fn check_date(&self) -> Result<(), Ended> {
        if self.is_out_of_date() { Err(Ended::Unknown) } else { Ok(()) }
    }

    /// Revokes, at `now` in seconds since 1970. It is in force before it is stored, and stays in force if it cannot be.
    ///
    /// # Errors
    /// It is not in force, or it would not survive a restart: [`NotRevoked`] says which.
    pub async fn revoke(&self, target: &Target, now: u64) -> Result<(), NotRevoked> {
        let mut unstored = self.unstored.lock().await;
        let store = self.store.as_ref().map_err(|why| NotRevoked::NoState(why.clone()))?;
        let change = self.revocations.write().apply(target, now)?;
        if matches!(change, Change::All(_)) {
            unstored.clear();
        }
        unstored.push(change);
        let stored = Self::store_changes(store, &mut unstored).await;
        *self.trouble.lock() = stored.as_ref().err().map(ToString::to_string);
        drop(unstored);
        self.follow_own(stored.map_err(NotRevoked::NotStored)).await
    }

    /// The revocations in force, the latest first; with `account`, only its own, and that of everything.
    pub fn revocations(&self, account: Option<&str>) -> Vec<Revocation> {
        self.revocations.read().revocations(account)
    }

    /// The time at which a token was revoked by its id, in seconds since 1970.
    pub fn token_revoked_at(&self, id: &str) -> Option<u64> {
        self.revocations.read().tokens.get(id).copied()
    }

    /// Returns the number of revoked accounts and tokens.
    pub fn len(&self) -> usize {
        self.revocations.read().len()
    }

    /// Returns true if no account and no token is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn log_another_state(&self, revocations: &Revocations) {
        if revocations.id.is_some() && !self.has_seen_others.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "refused a token that was issued with another state file, or with none: expected after a new one was made \
                 or `revoke --all-sessions`. Several Portwardens with one key need `state: {{file: none}}` each"
            );
        }
    }

    fn log_that_it_is_behind(&self) {
        if !self.is_behind.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "the state file is older than a token that was issued with it, so it was restored and lacks revocations; \
                 end what it lacks: portwarden revoke --all-sessions"
            );
        }
    }
}

/// The clock skew that is allowed between us and an issuer of JWTs, in seconds.
const LEEWAY: u64 = 60;

/// Shows no names of accounts.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}
