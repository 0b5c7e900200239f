//! Wrong passwords at several servers: each tells the others of those that it has counted, through the state that they
//! share. No login waits for that.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};

use super::{Service, shared_freeze};

/// The interval between two exchanges.
const PAUSE: Duration = Duration::from_millis(500);

impl Service {
    /// Exchanges wrong passwords with the other servers of the state, if it is shared, for as long as this service is in
    /// use. While the state gives no answer, each server counts for itself. Within a tokio runtime.
    pub fn share_wrong_passwords(self: &Arc<Self>) {
        if !self.state().is_shared() {
            return;
        }
        self.authentication.passwords.throttle.share();
        tokio::spawn(keep_sharing(Arc::downgrade(self)));
    }

    /// Takes no writes while a freeze of all replicas that share the state is in force: from when this returns, so it comes
    /// before the first client. Within a tokio runtime.
    pub fn share_freeze(self: &Arc<Self>) {
        if !self.state().is_shared() {
            return;
        }
        let (freeze, known) = (self.freeze().clone(), self.state().shared_freeze());
        shared_freeze::begin(&freeze, &known);
        tokio::spawn(shared_freeze::follow(Arc::downgrade(self), freeze, known));
    }

    async fn exchange_wrong_passwords(&self) {
        let throttle = &self.authentication.passwords.throttle;
        let untold = throttle.take_untold(Instant::now());
        let own = untold.iter().map(|(_, wrong)| wrong.clone()).collect();
        match self.state().exchange_wrong_passwords(own).await {
            Ok(others) => {
                let now = Instant::now();
                others.iter().for_each(|wrong| throttle.failed_elsewhere(wrong, now));
            }
            // The log says that the state cannot be used.
            Err(_) => throttle.take_back(untold),
        }
    }
}

async fn keep_sharing(service: Weak<Service>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(service) = service.upgrade() else { return };
        service.exchange_wrong_passwords().await;
    }
}
