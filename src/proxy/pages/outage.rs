//! The notice that the registry does not answer, on pages that show what was known of it before.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::timeout;

use super::{
    page_error::PageError,
    visit::{Request, Visit},
};

/// The time for which an answer counts: many pages ask.
const AGE: Duration = Duration::from_secs(5);
/// The time that the registry has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last answer: its time, and true if the registry was down.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<(Instant, bool)>>);

impl Outage {
    /// The registry is another one.
    pub(super) fn forget(&self) {
        *self.0.lock() = None;
    }
}

impl Request<'_> {
    /// Asks the registry whether it answers at all, once in five seconds for all visitors.
    pub(super) async fn is_registry_down(&self, visit: &Visit) -> bool {
        let last = *self.pages.outage.0.lock();
        if let Some((_, is_down)) = last.filter(|(asked, _)| asked.elapsed() < AGE) {
            return is_down;
        }
        let reader = self.reader(visit);
        let asked = timeout(PATIENCE, reader.get("/v2/", "*/*")).await;
        let is_down = matches!(asked, Err(_) | Ok(Err(PageError::Refused(_) | PageError::Strange(_))));
        *self.pages.outage.0.lock() = Some((Instant::now(), is_down));
        is_down
    }
}
