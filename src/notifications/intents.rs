//! Intents: a change is written into the spool before the registry gets the request. What a crash, or a client that is gone,
//! leaves unknown is asked of the registry.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    Heard, RegistryQuestions,
    spool::{NewIntent, Spool},
};
use crate::{
    limits::{FailureLog, count_suppressed},
    telemetry::{Intending, Intent, IntentId, IntentKeeper, IntentOutcome, Lookup, RegistryEvent},
};

/// The time for which a request waits until its intent is stored.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most intents that are stored in one step.
const AT_ONCE: usize = 64;
/// The most that wait to be stored, and the most whose outcome is asked for.
const MOST: usize = 1024;
/// The time after which the registry is asked what became of a request, and asked again where it gives no answer.
#[cfg(not(test))]
const PAUSE: Duration = Duration::from_secs(5);
#[cfg(test)]
const PAUSE: Duration = Duration::from_millis(50);
/// The interval between log lines.
const LOG_EVERY: Duration = Duration::from_secs(60);

type Unknown = (IntentId, Arc<RegistryEvent>);

/// The intents of this server.
pub(super) struct Intents {
    /// A name that no other server has had.
    server: String,
    spool: Arc<Spool>,
    /// Those whose request is under way.
    open: Mutex<HashSet<IntentId>>,
    new: mpsc::Sender<Waiting>,
    unknown: mpsc::Sender<Unknown>,
    heard: mpsc::Sender<Heard>,
    log: FailureLog,
}

/// The other ends of what [`Intents`] hands on.
pub(super) struct Receivers {
    new: mpsc::Receiver<Waiting>,
    unknown: mpsc::Receiver<Unknown>,
}

/// An intent that is to be stored.
struct Waiting {
    id: IntentId,
    event: Arc<RegistryEvent>,
    /// Told once it is stored, or cannot be.
    tried: oneshot::Sender<()>,
}

impl Intents {
    /// The intents of a server. `heard` gets the outcome of each.
    pub(super) fn new(server: &str, spool: Arc<Spool>, heard: mpsc::Sender<Heard>) -> (Arc<Self>, Receivers) {
        let (new, new_receiver) = mpsc::channel(MOST);
        let (unknown, unknown_receiver) = mpsc::channel(MOST);
        let intents = Self {
            server: server.to_owned(),
            spool,
            open: Mutex::default(),
            new,
            unknown,
            heard,
            log: FailureLog::every(LOG_EVERY),
        };
        (Arc::new(intents), Receivers { new: new_receiver, unknown: unknown_receiver })
    }

    /// Begins to store an intent. Where that fails, or takes long, the request goes on.
    pub(super) fn begin(self: &Arc<Self>, event: RegistryEvent) -> Intending<'static> {
        let (event, id) = (Arc::new(event), random_id());
        self.open.lock().insert(id);
        let (tried, done) = oneshot::channel();
        let sent = self.new.try_send(Waiting { id, event: Arc::clone(&event), tried });
        let intents = Arc::clone(self);
        let intent = Intent::new(id, event, Arc::clone(self) as Arc<dyn IntentKeeper>);
        Box::pin(async move {
            let in_time = sent.is_ok() && timeout(PATIENCE, done).await.is_ok();
            if !in_time {
                intents.complain("it takes longer than a second");
            }
            intent
        })
    }

    /// Stores intents and settles those whose outcome is unknown, for ever.
    pub(super) async fn run(self: Arc<Self>, receivers: Receivers, registry: Arc<dyn RegistryQuestions>) {
        let Receivers { new, unknown } = receivers;
        tokio::join!(self.store(new), self.settle(unknown, &*registry));
    }

    async fn store(&self, mut new: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(AT_ONCE);
        while new.recv_many(&mut batch, AT_ONCE).await > 0 {
            let intents =
                batch.iter().map(|waiting: &Waiting| NewIntent { id: waiting.id, event: &waiting.event });
            let intents: Vec<NewIntent<'_>> = intents.collect();
            let is_over = |id| !self.open.lock().contains(&id);
            if let Err(error) = self.spool.keep_intents(&self.server, &intents, is_over).await {
                self.complain(&error.to_string());
            }
            for waiting in batch.drain(..) {
                let _ = waiting.tried.send(());
            }
        }
    }

    async fn settle(&self, mut unknown: mpsc::Receiver<Unknown>, registry: &dyn RegistryQuestions) {
        let mut left = self.left().await;
        loop {
            left = self.ask(left, registry).await;
            if left.is_empty() {
                left.extend(unknown.recv().await);
            }
            // The registry may be at work on it still.
            sleep(PAUSE).await;
            while left.len() < MOST
                && let Ok(more) = unknown.try_recv()
            {
                left.push(more);
            }
        }
    }

    /// The intents of the server before this one: it ended while their requests were under way.
    async fn left(&self) -> Vec<Unknown> {
        if !self.spool.exists() {
            return Vec::new();
        }
        let left = self.spool.left_intents(&self.server).await.unwrap_or_else(|error| {
            self.complain(&error.to_string());
            Vec::new()
        });
        if !left.is_empty() {
            let count = left.len();
            tracing::info!(
                count,
                "changes were under way when the server ended: the registry is asked about them"
            );
        }
        left.into_iter().map(|(id, event)| (id, Arc::new(event))).collect()
    }

    /// Asks the registry about each. Returns those about which it gives no answer.
    async fn ask(&self, unknown: Vec<Unknown>, registry: &dyn RegistryQuestions) -> Vec<Unknown> {
        let mut unanswered = Vec::new();
        for (id, event) in unknown {
            let heard = match registry.lookup(&event).await {
                Lookup::Done(event) => {
                    Heard::Event(Arc::new(RegistryEvent { intent: Some(id), settled: true, ..*event }))
                }
                Lookup::NotDone => Heard::Over(id),
                Lookup::Unanswered => {
                    unanswered.push((id, event));
                    continue;
                }
            };
            let _ = self.heard.send(heard).await;
        }
        unanswered
    }

    fn complain(&self, error: &str) {
        if let Some(suppressed) = self.log.due("intents", Instant::now()) {
            let suppressed = count_suppressed(suppressed);
            tracing::error!(
                suppressed,
                "cannot write down what the registry is about to do, and the notification of it may be lost: {error}"
            );
        }
    }
}

impl IntentKeeper for Intents {
    fn ended(&self, id: IntentId, event: &Arc<RegistryEvent>, outcome: IntentOutcome) {
        // From now on it is not stored any more: what forgets it comes later.
        self.open.lock().remove(&id);
        let over = || drop(self.heard.try_send(Heard::Over(id)));
        match outcome {
            IntentOutcome::Confirmed => {}
            IntentOutcome::Refused => over(),
            IntentOutcome::Unknown => {
                if self.unknown.try_send((id, Arc::clone(event))).is_err() {
                    // A client that breaks off pushes without end must not fill the disk.
                    self.complain("too many answers of the registry were lost at the same time");
                    over();
                }
            }
        }
    }
}

/// A name that no other intent has, with near certainty.
fn random_id() -> IntentId {
    let mut bytes = [0; 8];
    // Without randomness, an intent is not stored where another of the same name is; no secret rests on it.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    IntentId(i64::from_be_bytes(bytes))
}
