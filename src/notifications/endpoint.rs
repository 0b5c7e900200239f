//! One endpoint: which events it gets, and the task that hands them over in their order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};

use super::{
    envelope,
    post::{Client, PostError},
    settings::EndpointSettings,
    spool::{KeptEvent, Spool, SpoolError},
};
use crate::limits::{FailureLog, count_suppressed};

/// The time between two attempts before `threshold`, and between two looks at a spool that cannot be read.
const PAUSE: Duration = Duration::from_millis(100);
const SPOOL_PAUSE: Duration = Duration::from_secs(1);
/// The interval between log lines about an endpoint that fails.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// An endpoint as it is configured now.
pub(super) struct Endpoint {
    pub(super) settings: EndpointSettings,
    client: Client,
    pub(super) tally: Arc<Tally>,
}

/// The counts of an endpoint, which outlive a reload.
pub(super) struct Tally {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) error: Mutex<Option<String>>,
    /// Wakes the task when there is something to send.
    pub(super) woken: Notify,
    log: FailureLog,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            error: Mutex::default(),
            woken: Notify::new(),
            log: FailureLog::every(LOG_EVERY),
        }
    }
}

impl Tally {
    /// Counts events that found no room.
    pub(super) fn drop_events(&self, endpoint: &str, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        if let Some(suppressed) = self.log.due("no room", Instant::now()) {
            let suppressed = count_suppressed(suppressed);
            tracing::error!(
                endpoint,
                suppressed,
                "no room for an event, which is not sent: too many wait already; see `portwarden status`"
            );
        }
    }
}

impl Endpoint {
    /// Returns an endpoint, with the counts of `before`.
    ///
    /// # Errors
    /// The TLS library refuses its certificates or its name.
    pub(super) fn new(settings: EndpointSettings, before: Option<&Self>) -> Result<Self, String> {
        let client = Client::new(&settings)
            .map_err(|error| format!("notifications: endpoint {:?}: {error}", settings.name))?;
        let tally = before.map_or_else(Arc::default, |before| Arc::clone(&before.tally));
        Ok(Self { settings, client, tally })
    }

    /// Hands over what waits, for ever. At most one request is under way, so events arrive in their order.
    pub(super) async fn deliver(self: Arc<Self>, spool: Arc<Spool>) {
        let mut failures = 0;
        loop {
            let batch = match spool.next(&self.settings.name).await {
                Ok(batch) => batch,
                Err(error) => {
                    self.complain(&error).await;
                    continue;
                }
            };
            let Some(last) = batch.last().map(|event| event.sequence) else {
                self.tally.woken.notified().await;
                continue;
            };
            match self.send(&batch).await {
                Ok(()) => {
                    failures = 0;
                    self.forget(&spool, last).await;
                }
                Err(error) => {
                    failures += 1;
                    self.report(&error, failures);
                    sleep(if failures < self.settings.threshold { PAUSE } else { self.settings.backoff })
                        .await;
                }
            }
        }
    }

    /// Sends those of the events that it wants now: its settings may have changed since they were kept.
    async fn send(&self, batch: &[KeptEvent]) -> Result<(), PostError> {
        let wants = |event: &&KeptEvent| self.settings.wants(&event.action, &event.media_type);
        let wanted: Vec<&str> = batch.iter().filter(wants).map(|event| event.body.as_str()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let body = Bytes::from(envelope::envelope(wanted.iter().copied()));
        self.client.post(&self.settings, body).await?;
        self.tally.sent.fetch_add(wanted.len() as u64, Ordering::Relaxed);
        if self.tally.error.lock().take().is_some() {
            let suppressed = count_suppressed(self.tally.log.end());
            tracing::info!(
                endpoint = self.settings.name,
                suppressed,
                "an endpoint takes notifications again"
            );
        }
        Ok(())
    }

    /// Forgets what was taken. Until that is done, nothing more is sent: it would be sent again.
    async fn forget(&self, spool: &Spool, last: i64) {
        while let Err(error) = spool.forget(&self.settings.name, last).await {
            self.complain(&error).await;
        }
    }

    /// Logs that the spool cannot be used, and waits a moment.
    async fn complain(&self, error: &SpoolError) {
        if let Some(suppressed) = self.tally.log.due("spool", Instant::now()) {
            let (endpoint, suppressed) = (&self.settings.name, count_suppressed(suppressed));
            tracing::error!(endpoint, suppressed, "notifications wait: the spool cannot be used: {error}");
        }
        sleep(SPOOL_PAUSE).await;
    }

    fn report(&self, error: &PostError, failures: u32) {
        self.tally.failed.fetch_add(1, Ordering::Relaxed);
        *self.tally.error.lock() = Some(error.to_string());
        if let Some(suppressed) = self.tally.log.due("post", Instant::now()) {
            let (endpoint, suppressed) = (&self.settings.name, count_suppressed(suppressed));
            tracing::warn!(
                endpoint,
                failures,
                suppressed,
                "an endpoint does not take notifications, which wait: {error}"
            );
        }
    }
}
