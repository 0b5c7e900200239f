//! Notifications: what the registry has confirmed, sent to endpoints in the form of the registry's own, with the account,
//! the client's address and the rule.
//!
//! An event goes through a bounded channel, so that no request waits, into a spool on disk, and from there to each endpoint
//! by a task of its own: in order, and again until the endpoint has taken it.

mod endpoint;
mod envelope;
mod intents;
mod post;
mod settings;
mod signature;
mod spool;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    limits::FailureLog,
    telemetry::{
        Action, DeliveryReading, Intending, IntentId, Listener, Lookup, RegistryEvent, TargetDetails,
    },
};
use endpoint::Endpoint;
pub use envelope::EventSource;
use intents::Intents;
pub(crate) use post::is_for_endpoints;
pub use settings::{EndpointSettings, NotificationSettings, SigningSecret};
pub(crate) use signature::{SIGNATURE, TIMESTAMP};
use spool::Spool;
use writer::{Order, Writer};

/// The most events in memory that are not stored yet.
const IN_MEMORY: usize = 10_000;
/// The time for which the end of the server waits until all are stored.
const FINISH: Duration = Duration::from_secs(5);

/// An answer that takes its time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Questions to the registry about events.
pub trait RegistryQuestions: Send + Sync {
    /// Returns what the events lack, in their order; with `references`, also what their manifests refer to.
    fn details<'a>(
        &'a self,
        events: &'a [Arc<RegistryEvent>],
        references: bool,
    ) -> Answer<'a, Vec<TargetDetails>>;

    /// Returns whether the registry shows what an event says, of which its answer was lost.
    fn lookup<'a>(&'a self, event: &'a RegistryEvent) -> Answer<'a, Lookup>;
}

/// News for the writer.
enum Heard {
    /// The registry has confirmed an action.
    Event(Arc<RegistryEvent>),
    /// An intent has come to nothing.
    Over(IntentId),
}

/// The endpoints that are configured.
#[derive(Clone, Default)]
pub struct EndpointList {
    endpoints: Arc<[Arc<Endpoint>]>,
    /// The number of events that may wait for each.
    waiting: u64,
    /// True if events list what a manifest refers to.
    references: bool,
}

impl EndpointList {
    /// Returns the endpoints of these settings, with the counts of those of the same name in `before`.
    ///
    /// # Errors
    /// The TLS library refuses the certificates of one, or the name of its host.
    pub fn new(settings: &NotificationSettings, before: Option<&Self>) -> Result<Self, String> {
        let of_before = |name: &str| before?.iter().find(|endpoint| endpoint.settings.name == name);
        let endpoints = settings.endpoints.iter().map(|settings| {
            let before = of_before(&settings.name).map(|endpoint| &**endpoint);
            Endpoint::new(settings.clone(), before).map(Arc::new)
        });
        let endpoints = endpoints.collect::<Result<_, _>>()?;
        Ok(Self { endpoints, waiting: settings.waiting.into(), references: settings.references })
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.iter()
    }

    fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }
}

/// Hears what the registry has confirmed, and sends it on. Outlives reloads.
pub struct Notifications {
    endpoints: ArcSwap<EndpointList>,
    heard: mpsc::Sender<Heard>,
    intents: Arc<Intents>,
    settling: JoinHandle<()>,
    orders: watch::Sender<Order>,
    spool: Arc<Spool>,
    has_spool: bool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Notifications {
    /// Starts to store and to send, within a tokio runtime.
    ///
    /// # Errors
    /// As [`EndpointList::new`].
    pub fn start(
        settings: &NotificationSettings,
        source: EventSource,
        registry: Arc<dyn RegistryQuestions>,
    ) -> Result<Arc<Self>, String> {
        let endpoints = EndpointList::new(settings, None)?;
        let (heard, receiver) = mpsc::channel(IN_MEMORY);
        let (orders, followed) = watch::channel(Order::Serve(endpoints.clone()));
        let has_spool = settings.spool.is_some();
        let path = settings.spool.clone().unwrap_or_default();
        let spool = Arc::new(Spool::new(&path));
        let (intents, receivers) = Intents::new(source.instance(), Arc::clone(&spool), heard.clone());
        let settling = tokio::spawn(Arc::clone(&intents).run(receivers, Arc::clone(&registry)));
        let writer = Writer {
            heard: receiver,
            orders: followed,
            spool: Arc::clone(&spool),
            path,
            source,
            registry,
            endpoints: endpoints.clone(),
            tasks: BTreeMap::new(),
            log: FailureLog::every(writer::LOG_EVERY),
        };
        let writer = Mutex::new(Some(tokio::spawn(writer.run())));
        let endpoints = ArcSwap::from_pointee(endpoints);
        Ok(Arc::new(Self { endpoints, heard, intents, settling, orders, spool, has_spool, writer }))
    }

    /// Returns the endpoints of other settings, to be put in force by [`Self::replace`].
    ///
    /// # Errors
    /// As [`EndpointList::new`]; and where the server was started without a place for the spool.
    pub fn prepare(&self, settings: &NotificationSettings) -> Result<EndpointList, String> {
        if !self.has_spool && !settings.endpoints.is_empty() {
            let why =
                "notifications: the server was started without a place for the spool; restart Portwarden";
            return Err(why.to_owned());
        }
        EndpointList::new(settings, Some(&**self.endpoints.load()))
    }

    /// Puts other endpoints in force. What waits for those that are gone is dropped.
    pub fn replace(&self, endpoints: EndpointList) {
        self.endpoints.store(Arc::new(endpoints.clone()));
        let _ = self.orders.send(Order::Serve(endpoints));
    }

    /// Stores what was heard, and ends. What is stored is sent after the next start.
    pub async fn finish(&self) {
        self.settling.abort();
        let writer = self.writer.lock().take();
        let _ = self.orders.send(Order::Finish);
        if let Some(writer) = writer
            && timeout(FINISH, writer).await.is_err()
        {
            tracing::error!("not all notifications could be stored within {FINISH:?}; those are lost");
        }
    }
}

/// The part of a queue that events of an action may fill: a flood of pulls leaves a quarter of it to what is rarer.
fn room(whole: u64, action: Action) -> u64 {
    if action == Action::Pull { whole - whole / 4 } else { whole }
}

/// Returns true if an endpoint gets an event.
fn is_wanted(endpoint: &Endpoint, event: &RegistryEvent) -> bool {
    endpoint.settings.wants(event.action.as_str(), envelope::media_type(event))
}

impl Listener for Notifications {
    fn hear(&self, event: &Arc<RegistryEvent>) {
        let endpoints = self.endpoints.load();
        let wants = |endpoint: &&Arc<Endpoint>| is_wanted(endpoint, event);
        if !endpoints.iter().any(|endpoint| wants(&endpoint)) {
            if let Some(intent) = event.intent {
                let _ = self.heard.try_send(Heard::Over(intent));
            }
            return;
        }
        let waiting = (IN_MEMORY - self.heard.capacity()) as u64;
        let has_room = waiting < room(IN_MEMORY as u64, event.action);
        if !has_room || self.heard.try_send(Heard::Event(Arc::clone(event))).is_err() {
            for endpoint in endpoints.iter().filter(wants) {
                endpoint.tally.drop_events(&endpoint.settings.name, 1);
            }
        }
    }

    fn intends(&self, action: Action) -> bool {
        let endpoints = self.endpoints.load();
        action != Action::Pull
            && endpoints.iter().any(|endpoint| endpoint.settings.wants(action.as_str(), ""))
    }

    fn intend(&self, event: RegistryEvent) -> Option<Intending<'_>> {
        let endpoints = self.endpoints.load();
        endpoints.iter().any(|endpoint| is_wanted(endpoint, &event)).then(|| self.intents.begin(event))
    }

    fn is_listening(&self) -> bool {
        !self.endpoints.load().is_empty()
    }

    fn wants_tags_that_go(&self) -> bool {
        let delete = Action::Delete.as_str();
        self.endpoints.load().iter().any(|endpoint| endpoint.settings.wants(delete, ""))
    }

    fn deliveries(&self) -> Vec<DeliveryReading> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let reading = |endpoint: &Arc<Endpoint>| {
            let (tally, backlog) = (&endpoint.tally, self.spool.backlog(&endpoint.settings.name));
            DeliveryReading {
                endpoint: endpoint.settings.name.clone(),
                waiting: backlog.count,
                oldest: if backlog.count == 0 { 0 } else { now.saturating_sub(backlog.oldest) },
                sent: tally.sent.load(Ordering::Relaxed),
                failed: tally.failed.load(Ordering::Relaxed),
                dropped: tally.dropped.load(Ordering::Relaxed),
                error: tally.error.lock().clone(),
            }
        };
        self.endpoints.load().iter().map(reading).collect()
    }
}
