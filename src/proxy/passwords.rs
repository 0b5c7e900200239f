//! Checking passwords off the async threads, a bounded number at a time, so that guessing slows nobody but the guesser.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{PasswordSettings, Snapshot, single_flight::SingleFlight};
use crate::{
    authn::{
        Credentials, Identity, NoRandomness, Outcome, Remembered, RememberedSettings, RetryAfter, Throttle,
        ThrottleSettings, User,
    },
    registry::{ErrorCode, Refusal},
};

/// The bounded pool, with what is remembered and what is held against whom. Outlives reloads.
pub struct Passwords {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    throttle: Arc<Throttle>,
    remembered: Mutex<Arc<Remembered>>,
    single_flight: SingleFlight,
}

impl Passwords {
    /// An idle pool.
    ///
    /// # Errors
    /// The machine has no random bytes for the key of what is remembered.
    pub fn new(settings: &PasswordSettings) -> Result<Self, NoRandomness> {
        Ok(Self {
            running: Arc::new(Semaphore::new(settings.concurrent)),
            places: Arc::new(Semaphore::new(settings.concurrent + settings.queue)),
            throttle: Throttle::new(ThrottleSettings::default()),
            remembered: Mutex::new(Arc::new(remembered(settings)?)),
            single_flight: SingleFlight::default(),
        })
    }

    /// Forgets every remembered password, as a reload must.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn forget(&self, settings: &PasswordSettings) -> Result<(), NoRandomness> {
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(remembered(settings)?);
        Ok(())
    }

    /// The identity that the credentials prove; `None` when they prove none.
    ///
    /// # Errors
    /// 429 to who failed too often, 503 when too many checks are waiting, both with `Retry-After`.
    pub async fn check(
        &self,
        snapshot: &Arc<Snapshot>,
        credentials: Credentials,
        ip: Option<IpAddr>,
    ) -> Result<Option<Identity>, Refusal> {
        let Credentials { account, password } = credentials;
        // Without a name there is nothing to guess: no bcrypt, and nothing is held against the clients that ask for a
        // token before they log in.
        let has_password = snapshot.users.lookup(&account).is_some_and(User::has_password);
        if account.is_empty() && !has_password {
            return Ok(snapshot.users.anonymous());
        }
        // Before what is remembered is asked: who has to wait learns nothing, or it would be a free and fast oracle.
        let refuse = |after: RetryAfter| {
            tracing::debug!(
                account,
                ip = ip.map(tracing::field::display),
                "a login has to wait after failed ones"
            );
            too_many(after.0)
        };
        self.throttle.peek(&account, ip, Instant::now()).map_err(refuse)?;
        let remembered = Arc::clone(&self.remembered.lock().unwrap_or_else(PoisonError::into_inner));
        let stored = snapshot.users.stored_hash(&account);
        let shown = remembered.digest(&account, &password, stored.unwrap_or_default());
        let is_remembered = || stored.is_some() && remembered.is_remembered(&shown, Instant::now());
        if is_remembered() {
            return Ok(snapshot.users.identity(&account));
        }
        // Where nothing is remembered, waiting for another's result would bring none.
        let _turn = match snapshot.settings.passwords.remember {
            Duration::ZERO => None,
            _ => Some(self.single_flight.take(shown).await),
        };
        if is_remembered() {
            return Ok(snapshot.users.identity(&account));
        }
        let attempt = self.throttle.check(&account, ip, Instant::now()).map_err(refuse)?;
        let Ok(_place) = self.places.try_acquire() else {
            attempt.withdraw();
            return Err(Refusal::new(ErrorCode::Unavailable, "too many logins at once").retry_after(BUSY));
        };
        let Ok(running) = Arc::clone(&self.running).acquire_owned().await else {
            return Err(Refusal::new(ErrorCode::Internal, "the password pool is closed"));
        };
        let name = account.clone();
        let users_of = Arc::clone(snapshot);
        let checked = tokio::task::spawn_blocking(move || {
            // Held by the thread, not by the request: a client that hangs up does not free its place early.
            let _running = running;
            let outcome = users_of.users.verify(&account, &password);
            if matches!(outcome, Outcome::Accepted(_)) {
                remembered.remember(shown, Instant::now());
            }
            outcome
        });
        match checked.await {
            Ok(Outcome::Accepted(identity)) => {
                attempt.succeeded();
                Ok(Some(identity))
            }
            Ok(Outcome::WrongPassword | Outcome::NoSuchUser) => {
                attempt.failed(Instant::now());
                tracing::info!(account = name, ip = ip.map(tracing::field::display), "a login failed");
                Ok(None)
            }
            Err(_) => Err(Refusal::new(ErrorCode::Internal, "checking the password failed")),
        }
    }
}

/// How long a client waits when the queue is full: bcrypt at cost 10 takes 50 ms.
const BUSY: Duration = Duration::from_secs(1);

fn too_many(after: Duration) -> Refusal {
    Refusal::new(ErrorCode::TooManyRequests, "too many failed logins; wait before you try again")
        .retry_after(after)
}

fn remembered(settings: &PasswordSettings) -> Result<Remembered, NoRandomness> {
    let mut bounds = RememberedSettings { ttl: settings.remember, ..RememberedSettings::default() };
    if settings.remember.is_zero() {
        bounds.capacity = 0;
    }
    Remembered::new(bounds)
}
