//! The task between requests and endpoints: it stores events in the spool, in the order in which they were heard, and
//! starts and ends the tasks of endpoints.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::sleep,
};

use super::{
    EndpointList, Heard, RegistryQuestions,
    endpoint::Endpoint,
    envelope::{self, EventSource},
    room,
    spool::{NewEvent, Spool},
};
use crate::{
    limits::{FailureLog, count_suppressed},
    telemetry::{RegistryEvent, TargetDetails},
};

/// The most events that are stored in one step.
const AT_ONCE: usize = 256;
/// The time between two attempts to store.
const PAUSE: Duration = Duration::from_secs(1);
/// The interval between log lines about a spool that cannot be used.
pub(super) const LOG_EVERY: Duration = Duration::from_secs(60);

/// The word from the outside.
#[derive(Clone)]
pub(super) enum Order {
    /// These endpoints are configured now.
    Serve(EndpointList),
    /// Store what was heard, and end.
    Finish,
}

pub(super) struct Writer {
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) spool: Arc<Spool>,
    pub(super) path: PathBuf,
    pub(super) source: EventSource,
    pub(super) registry: Arc<dyn RegistryQuestions>,
    pub(super) endpoints: EndpointList,
    pub(super) tasks: BTreeMap<String, (Arc<Endpoint>, JoinHandle<()>)>,
    pub(super) log: FailureLog,
}

impl Writer {
    /// Stores events until [`Order::Finish`].
    pub(super) async fn run(mut self) {
        self.serve().await;
        let mut batch = Vec::with_capacity(AT_ONCE);
        while !self.is_to_finish() {
            tokio::select! {
                biased;
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.serve().await;
                }
                count = self.heard.recv_many(&mut batch, AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    self.store(&batch).await;
                    batch.clear();
                }
            }
        }
        self.heard.close();
        while self.heard.recv_many(&mut batch, AT_ONCE).await > 0 {
            self.store(&batch).await;
            batch.clear();
        }
        for (_, task) in self.tasks.values() {
            task.abort();
        }
    }

    fn is_to_finish(&self) -> bool {
        matches!(*self.orders.borrow(), Order::Finish)
    }

    /// Ends the tasks of endpoints that are gone or others now, forgets what waits for those that are gone, and starts the
    /// tasks of new ones.
    async fn serve(&mut self) {
        if let Order::Serve(endpoints) = &*self.orders.borrow_and_update() {
            self.endpoints = endpoints.clone();
        }
        let endpoints = self.endpoints.clone();
        let is_served =
            |one: &Arc<Endpoint>| endpoints.iter().any(|endpoint| endpoint.settings == one.settings);
        self.tasks.retain(|_, (endpoint, task)| {
            let stays = is_served(endpoint);
            if !stays {
                task.abort();
            }
            stays
        });
        // Where nothing is configured, no file is made.
        if endpoints.is_empty() && !self.path.exists() {
            return;
        }
        let names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.settings.name.as_str()).collect();
        match self.spool.forget_others(&names).await {
            Ok(forgotten) => {
                for (endpoint, events) in forgotten {
                    tracing::warn!(
                        endpoint,
                        events,
                        "an endpoint is gone: the notifications that waited for it are dropped"
                    );
                }
            }
            Err(error) => self.complain(&error.to_string()),
        }
        for endpoint in endpoints.iter() {
            let name = &endpoint.settings.name;
            if !self.tasks.contains_key(name) {
                let task = tokio::spawn(Arc::clone(endpoint).deliver(Arc::clone(&self.spool)));
                self.tasks.insert(name.clone(), (Arc::clone(endpoint), task));
            }
        }
    }

    /// Stores events for all that want them. Where that fails, it is tried again: meanwhile what is heard waits in memory.
    async fn store(&mut self, heard: &[Heard]) {
        let (mut confirmed, mut settled) = (Vec::new(), Vec::new());
        for news in heard {
            match news {
                Heard::Event(event) => {
                    settled.extend(event.intent);
                    confirmed.push(Arc::clone(event));
                }
                Heard::Over(intent) => settled.push(*intent),
            }
        }
        let events = self.written(&confirmed).await;
        if events.is_empty() && settled.is_empty() {
            return;
        }
        while let Err(error) = self.spool.keep(&events, &settled).await {
            self.complain(&error.to_string());
            if self.is_to_finish() {
                tracing::error!(events = events.len(), "the server stops, and these notifications are lost");
                return;
            }
            sleep(PAUSE).await;
        }
        for endpoint in self.endpoints.iter() {
            endpoint.tally.woken.notify_one();
        }
    }

    /// The events for each endpoint, as far as there is room for them.
    async fn written(&self, heard: &[Arc<RegistryEvent>]) -> Vec<NewEvent> {
        let mut details = self.registry.details(heard, self.endpoints.references).await;
        details.resize_with(heard.len(), TargetDetails::default);
        let mut events: Vec<NewEvent> = Vec::new();
        for (event, details) in heard.iter().zip(details) {
            let (action, media_type) = (event.action.as_str(), envelope::media_type(event));
            let at = event.time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let bodies = envelope::written(event, &details, &self.source);
            let wants = |endpoint: &&Arc<Endpoint>| endpoint.settings.wants(action, media_type);
            for endpoint in self.endpoints.iter().filter(wants) {
                let name = &endpoint.settings.name;
                let new = events.iter().filter(|event| event.endpoint == *name).count() as u64;
                if self.spool.backlog(name).count + new >= room(self.endpoints.waiting, event.action) {
                    endpoint.tally.drop_events(name, bodies.len() as u64);
                    continue;
                }
                events.extend(bodies.iter().map(|body| NewEvent {
                    endpoint: name.clone(),
                    at,
                    action,
                    media_type: media_type.to_owned(),
                    body: body.clone(),
                }));
            }
        }
        events
    }

    fn complain(&self, error: &str) {
        if let Some(suppressed) = self.log.due("spool", Instant::now()) {
            let suppressed = count_suppressed(suppressed);
            tracing::error!(
                suppressed,
                "cannot use the spool of notifications, and events wait in memory: {error}"
            );
        }
    }
}
