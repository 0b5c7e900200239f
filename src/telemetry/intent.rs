//! Intents: actions that are written down before the registry gets the request. Where the program is killed between the
//! registry's answer and the event, the intent is still there, and the registry is asked what became of it.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::RegistryEvent;

/// An intent that is being written down. It is there in any case: where it cannot be stored in time, the request goes on.
pub type Intending<'a> = Pin<Box<dyn Future<Output = Intent> + Send + 'a>>;

/// The part of the program that has written intents down.
pub trait IntentKeeper: Send + Sync {
    /// The request of an intent is over. Does not wait.
    fn ended(&self, intent: IntentId, event: &Arc<RegistryEvent>, outcome: IntentOutcome);
}

/// The name of an intent, which no other has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntentId(pub i64);

/// The end of a request that was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentOutcome {
    /// The registry has confirmed the action, and an event says so.
    Confirmed,
    /// The registry has not done it.
    Refused,
    /// Not known: no answer came, or one that says neither.
    Unknown,
}

/// An action that is written down. Dropped, its outcome is unknown.
#[must_use]
pub struct Intent(Option<Kept>);

struct Kept {
    id: IntentId,
    event: Arc<RegistryEvent>,
    keeper: Arc<dyn IntentKeeper>,
}

impl Intent {
    /// An intent that `keeper` keeps under this name.
    pub fn new(id: IntentId, event: Arc<RegistryEvent>, keeper: Arc<dyn IntentKeeper>) -> Self {
        Self(Some(Kept { id, event, keeper }))
    }

    /// The registry has confirmed the action. Returns the name of the intent, for the event.
    pub fn confirmed(mut self) -> Option<IntentId> {
        self.end(IntentOutcome::Confirmed)
    }

    /// The registry has not done it.
    pub fn refused(mut self) {
        self.end(IntentOutcome::Refused);
    }

    fn end(&mut self, outcome: IntentOutcome) -> Option<IntentId> {
        let Kept { id, event, keeper } = self.0.take()?;
        keeper.ended(id, &event, outcome);
        Some(id)
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        self.end(IntentOutcome::Unknown);
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Intent").field(&self.0.as_ref().map(|kept| kept.id)).finish()
    }
}
