//! The keys of an issuer as they are known now: from a file, or fetched, cached, and fetched again.
//!
//! Fetched keys are good for an hour. After it, and for a `kid` that is not among them, the issuer is asked again, at
//! most once in half a minute and once at a time, whatever strangers send. While the issuer does not answer, the old
//! keys hold for a day.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{JwtError, KeySet, jwks::Jwk};

/// The time for which fetched keys are good without asking again.
const FRESH: Duration = Duration::from_secs(3600);
/// The time for which they hold while the issuer does not answer.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// The time between two questions to an issuer.
const PAUSE: Duration = Duration::from_secs(30);

/// Asks the issuer for its keys.
pub(super) type Fetch =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<KeySet, String>> + Send>> + Send + Sync>;

/// The keys of one issuer.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// Of a file, which is read again with the configuration.
    Fixed(KeySet),
    /// Of the issuer.
    Fetched(Arc<Fetched>),
}

/// The state of the keys of one issuer, for the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysReading {
    /// Times that the issuer was asked.
    pub fetches: u64,
    /// Times that it gave no keys.
    pub failures: u64,
    /// The age of the keys; `None` while there are none.
    pub age: Option<Duration>,
}

/// Keys that are fetched.
pub(super) struct Fetched {
    issuer: String,
    fetch: Fetch,
    state: Mutex<State>,
    /// Held while the issuer is asked.
    flight: Arc<AsyncMutex<()>>,
    fetches: AtomicU64,
    failures: AtomicU64,
}

#[derive(Default)]
struct State {
    keys: Option<(KeySet, Instant)>,
    asked_at: Option<Instant>,
    has_failed: bool,
}

impl Keys {
    /// The key of that `kid`; waits for the issuer where it must be asked.
    ///
    /// # Errors
    /// [`JwtError::UnknownKey`]; [`JwtError::KeysUnavailable`] where the issuer does not answer.
    pub(super) async fn find(&self, id: &str) -> Result<Arc<Jwk>, JwtError> {
        match self {
            Self::Fixed(keys) => keys.get(id).ok_or(JwtError::UnknownKey),
            Self::Fetched(fetched) => fetched.find(id).await,
        }
    }

    /// Returns true if a key that was known once may still sign. An issuer takes keys back from its list when no JWT of
    /// theirs is valid any more, but a file is what the operator trusts now.
    pub(super) fn may_hold(&self, id: &str, fingerprint: &str) -> bool {
        match self {
            Self::Fixed(keys) => keys.get(id).is_some_and(|key| key.fingerprint() == fingerprint),
            Self::Fetched(_) => true,
        }
    }

    /// Returns the state of fetched keys.
    pub(super) fn reading(&self) -> Option<KeysReading> {
        let Self::Fetched(fetched) = self else { return None };
        let age = fetched.state.lock().keys.as_ref().map(|(_, at)| at.elapsed());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Some(KeysReading { fetches: count(&fetched.fetches), failures: count(&fetched.failures), age })
    }
}

impl Fetched {
    pub(super) fn new(issuer: String, fetch: Fetch) -> Arc<Self> {
        Arc::new(Self {
            issuer,
            fetch,
            state: Mutex::default(),
            flight: Arc::default(),
            fetches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    async fn find(self: &Arc<Self>, id: &str) -> Result<Arc<Jwk>, JwtError> {
        if let Some(known) = self.state.lock().look(id, Instant::now()) {
            return known;
        }
        let flight = Arc::clone(&self.flight).lock_owned().await;
        // Another request may have asked meanwhile.
        if let Some(known) = self.state.lock().look(id, Instant::now()) {
            return known;
        }
        let fetched = Arc::clone(self);
        // In a task of its own: a client that hangs up must not break the question off.
        let asked = tokio::spawn(async move {
            fetched.ask().await;
            drop(flight);
        });
        let _ = asked.await;
        self.state.lock().look(id, Instant::now()).unwrap_or(Err(JwtError::KeysUnavailable(PAUSE)))
    }

    async fn ask(&self) {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let answer = (self.fetch)().await;
        let now = Instant::now();
        let mut state = self.state.lock();
        state.asked_at = Some(now);
        state.has_failed = answer.is_err();
        match answer {
            Ok(keys) => {
                tracing::debug!(issuer = self.issuer, keys = keys.len(), "fetched the keys of an issuer");
                state.keys = Some((keys, now));
            }
            Err(why) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(issuer = self.issuer, "cannot fetch the keys of an issuer: {why}");
            }
        }
    }
}

impl State {
    /// The answer about a `kid`; `None` where the issuer has to be asked first, and may be.
    fn look(&self, id: &str, now: Instant) -> Option<Result<Arc<Jwk>, JwtError>> {
        let age = self.keys.as_ref().map(|(_, at)| now.saturating_duration_since(*at));
        let keys = self.keys.as_ref().filter(|_| age.is_some_and(|age| age < KEPT));
        let key = keys.and_then(|(keys, _)| keys.get(id));
        let since = self.asked_at.map(|at| now.saturating_duration_since(at)).filter(|since| *since < PAUSE);
        let is_fresh = age.is_some_and(|age| age < FRESH);
        match (key, since) {
            (Some(key), since) if is_fresh || since.is_some() => Some(Ok(key)),
            (_, None) => None,
            (None, Some(since)) if self.has_failed => Some(Err(JwtError::KeysUnavailable(PAUSE - since))),
            _ => Some(Err(JwtError::UnknownKey)),
        }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys of {}", self.issuer)
    }
}

#[cfg(test)]
mod tests;
