//! The complete scans of lately: for whom and since when each answers.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Instant,
};

use super::{Actions, Inquiry, SCAN_LASTS, subject};
use crate::{
    authz,
    registry::{Refusal, RepositoryName},
};

/// Scans that are remembered.
const MOST_SCANS: usize = 10_000;

impl Inquiry<'_> {
    /// The caller as far as rules look at it: the answer of a scan is only for the same one.
    fn scan_key(&self, name: &RepositoryName, actions: Actions) -> (Box<str>, u64) {
        let mut hasher = DefaultHasher::new();
        let authz::Caller { account, labels, ip, service, .. } = self.caller;
        (account, labels, ip, service, actions).hash(&mut hasher);
        (self.caller.ceiling, self.caller.token_scopes).hash(&mut hasher);
        (name.as_str().into(), hasher.finish())
    }

    /// Returns true if a complete scan of lately answers.
    pub(super) fn is_scanned(&self, name: &RepositoryName, actions: Actions) -> bool {
        let key = self.scan_key(name, actions);
        let scanned = self.closure.scans.lock().get(&key).copied();
        let Some(began) = scanned.filter(|began| began.elapsed() < SCAN_LASTS) else { return false };
        // What was scanned may have been forgotten, or something was pushed.
        let graph = self.closure.graph.lock();
        graph.known_since(name.as_str()).is_some_and(|since| since <= began)
            && graph.is_unchanged_since(name.as_str(), began)
    }

    /// A scan is complete that began then.
    pub(super) fn scanned(&self, name: &RepositoryName, actions: Actions, began: Instant) {
        let key = self.scan_key(name, actions);
        let mut scans = self.closure.scans.lock();
        if scans.len() >= MOST_SCANS {
            scans.retain(|_, at| at.elapsed() < SCAN_LASTS);
        }
        if scans.len() >= MOST_SCANS {
            scans.clear();
        }
        scans.insert(key, began);
    }

    /// Returns true if a tag with these actions may have been written through us since `began`: pushes of other tags
    /// delay no answer.
    pub(super) async fn may_have_changed(
        &self,
        name: &RepositoryName,
        actions: Actions,
        began: Instant,
    ) -> Result<bool, Refusal> {
        let Some(tags) = self.closure.graph.lock().written_since(name.as_str(), began) else {
            return Ok(true);
        };
        for tag in tags {
            if subject(&tag).is_some() || self.may(name, &tag, actions).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
