//! `portwarden prune`, as the control socket begins it.

use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver};

use super::Service;
use crate::proxy::{
    PruneEvent, PruneRequest,
    prune::{Prune, Reports},
};

/// Reports that wait for the command.
const WAITING: usize = 64;

impl Service {
    /// Begins a run of `prune`, and returns its reports, `End` as the last. Where they are dropped, it stops before its next
    /// step.
    pub fn prune(self: &Arc<Self>, request: PruneRequest) -> Receiver<PruneEvent> {
        let (to, reports) = mpsc::channel(WAITING);
        let service = Arc::clone(self);
        tokio::spawn(async move {
            let prune = Prune {
                gate: &service.write_once,
                closure: &service.closure,
                freeze: &service.freeze,
                snapshot: &service.snapshot,
                upstream: &service.upstream,
                telemetry: &service.telemetry,
                pruned: &service.pruned,
                reports: Reports::new(to),
                request,
            };
            prune.run().await;
            service.pages.tags().forget_all();
        });
        reports
    }
}
