//! The freeze of all replicas that share a state, in force here.

use std::{sync::Weak, time::SystemTime};

use tokio::{sync::watch, time::Instant};

use super::Service;
use crate::{
    proxy::{Freeze, FreezeStatus},
    state::SharedFreeze,
    telemetry::{Event, Record},
};

/// Puts the freeze in force of which a server knows that begins; drains no push, for it has none.
pub(super) fn begin(freeze: &Freeze, known: &watch::Receiver<Option<SharedFreeze>>) {
    let left = known.borrow().as_ref().map(|shared| shared.until.saturating_duration_since(Instant::now()));
    if let Some(left) = left.filter(|left| !left.is_zero()) {
        freeze.resume(left);
        tracing::warn!("writes are still frozen, at all replicas; `portwarden thaw` ends it");
    }
}

/// Follows freezes and thaws, for as long as the server runs.
pub(super) async fn follow(
    service: Weak<Service>,
    freeze: Freeze,
    mut known: watch::Receiver<Option<SharedFreeze>>,
) {
    let mut is_first = true;
    loop {
        let shared = known.borrow_and_update().clone();
        let turn = async {
            match &shared {
                Some(shared) => hold(&service, &freeze, shared).await,
                // What a server before this one has left behind holds until a thaw.
                None if is_first => {}
                None if freeze.thaw() => tell(&service, "thawed, at all replicas"),
                None => {}
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            changed = known.changed() => if changed.is_err() { return },
            () = turn => {}
        }
        is_first = false;
    }
}

/// Freezes writes until the end of `shared`. Given up early, what is in force stays, and a drain is called off.
async fn hold(service: &Weak<Service>, freeze: &Freeze, shared: &SharedFreeze) {
    let now = Instant::now();
    let (left, drain) =
        (shared.until.saturating_duration_since(now), shared.drains_until.saturating_duration_since(now));
    if left.is_zero() {
        return;
    }
    let is_new = freeze.status() == FreezeStatus::Open;
    let Ok(cut_off) = freeze.freeze(left, drain).await else { return };
    if is_new {
        tell(service, &format!("frozen here, by a freeze of all replicas; {cut_off} writes cut off here"));
    }
    let state = service.upgrade().map(|service| service.state());
    if let Some(state) = state {
        state.note_frozen(&shared.id, cut_off).await;
    }
    if freeze.expired().await {
        tell(service, "thawed: its time was over");
    }
}

/// Writes to the log and the audit log.
fn tell(service: &Weak<Service>, what: &str) {
    tracing::warn!("writes are {what}");
    let Some(service) = service.upgrade() else { return };
    let mut record = Record::new(Event::Freeze);
    record.time = SystemTime::now();
    record.reason = Some(what.to_owned());
    service.telemetry().audit.write(&record);
}
