//! The sizes of what was pushed, pulled or mounted, where neither the request nor its answer said them.

use std::{sync::Arc, time::Duration};

use hyper::{StatusCode, header};

use super::Service;
use crate::{
    authz::Permit,
    proxy::forward::{
        gather::gather,
        subrequest::{MANIFESTS, Subrequest},
    },
    registry::Method,
    telemetry::{Action, Object, RegistryEvent},
};

/// The time for which the registry is asked.
const PATIENCE: Duration = Duration::from_secs(5);

impl Service {
    /// Asks the registry for the size of the target of each event, in bytes and in their order. `None` where the event has
    /// it, where it is a deletion, and where the registry does not say it in time.
    pub async fn sizes(&self, events: &[Arc<RegistryEvent>]) -> Vec<Option<u64>> {
        let questions: Vec<_> = events.iter().map(|event| question(event)).collect();
        if questions.iter().all(Option::is_none) {
            return Vec::new();
        }
        let registry = Subrequest::of_operator(&self.upstream.load(), &self.snapshot.load());
        let sizes = gather(questions, PATIENCE, |question| {
            let registry = registry.clone();
            async move { size(&registry, question?).await }
        });
        sizes.await.into_iter().map(Option::flatten).collect()
    }
}

/// The request that the registry answers with a size, and the media types that it lists.
fn question(event: &RegistryEvent) -> Option<(Permit, &'static str)> {
    if event.size.is_some() || event.action == Action::Delete {
        return None;
    }
    let digest = event.digest.as_deref()?;
    let (kind, accept) = match event.object {
        Object::Blob => ("blobs", "*/*"),
        _ => ("manifests", MANIFESTS),
    };
    let path = format!("/v2/{}/{kind}/{digest}", event.repository);
    Permit::to_decide(Method::Head, &path, None).map(|permit| (permit, accept))
}

async fn size(registry: &Subrequest, (permit, accept): (Permit, &'static str)) -> Option<u64> {
    let reply = registry.ask(&permit, accept).await.ok().filter(|reply| reply.status == StatusCode::OK)?;
    reply.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
