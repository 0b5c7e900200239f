//! The times of pushes, noted before the registry gets the push, for `portwarden prune`; and what the pages learn of them.

use std::time::Instant;

use hyper::StatusCode;

use super::Service;
use crate::{
    limits::Network,
    proxy::{Snapshot, snapshot::unix_now, write_once::Passage},
    registry::{Endpoint, Route},
};

impl Service {
    /// Notes when the tags of a push are given their manifest, in a repository that an entry of `retention` is for. A
    /// push whose time cannot be noted goes on: a full disk for the state stops no push.
    pub(super) async fn note_push(&self, route: &Route, passage: &Passage, snapshot: &Snapshot) {
        let (tags, digest) = match (route.endpoint(), passage.pushed()) {
            (Endpoint::ManifestByTag(_, tag), Some(digest)) => (std::slice::from_ref(tag), digest),
            (Endpoint::ManifestByDigest(..), Some(digest)) => (route.tags(), digest),
            _ => return,
        };
        let Some(name) = route.endpoint().repository() else { return };
        if snapshot.retention.entry(name).is_none() {
            return;
        }
        for tag in tags {
            let Err(error) = Box::pin(snapshot.state.note_push(name, tag, digest, unix_now())).await else {
                continue;
            };
            if let Some(suppressed) = self.unnoted.due(Network::Unknown, Instant::now()) {
                tracing::error!(
                    repository = %name, %tag, %error, suppressed,
                    "cannot note when a tag was pushed: `portwarden prune` prunes nothing until it is noted"
                );
            }
        }
    }

    /// Tells the pages what the registry has answered: what they remember of a repository ends with a change.
    pub(super) fn tell_pages(&self, route: &Route, status: StatusCode) {
        let (Endpoint::ManifestByTag(name, _) | Endpoint::ManifestByDigest(name, _)) = route.endpoint()
        else {
            return;
        };
        match status {
            StatusCode::CREATED => self.pages.pushed(name),
            StatusCode::ACCEPTED => self.pages.tags().forget(name),
            _ => {}
        }
    }
}
