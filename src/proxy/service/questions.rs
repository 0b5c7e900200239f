//! Questions to the registry about events: the size of a target, what a manifest refers to, and whether a change took
//! place of which the answer was lost.

use std::{sync::Arc, time::Duration};

use hyper::{StatusCode, header};
use serde::Deserialize;

use super::Service;
use crate::{
    authz::Permit,
    proxy::forward::{
        gather::gather,
        subrequest::{MANIFESTS, Reply, Subrequest},
        tag_reader::digest_in,
    },
    registry::Method,
    telemetry::{Action, Lookup, Object, Reference, RegistryEvent, TargetDetails},
};

/// The time for which the registry is asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// The parts of a manifest, or of an index, that refer to something.
#[derive(Deserialize)]
struct Manifest {
    config: Option<Reference>,
    #[serde(default)]
    layers: Vec<Reference>,
    #[serde(default)]
    manifests: Vec<Reference>,
}

impl Service {
    /// Asks the registry for what the events lack, in their order. With `references`, it reads each manifest that was pushed
    /// or pulled. A fact that it does not tell in time is left out.
    pub async fn details(&self, events: &[Arc<RegistryEvent>], references: bool) -> Vec<TargetDetails> {
        let questions: Vec<_> = events.iter().map(|event| question(event, references)).collect();
        if questions.iter().all(Option::is_none) {
            return Vec::new();
        }
        let registry = self.for_operator();
        let details = gather(questions, PATIENCE, |question| {
            let registry = registry.clone();
            async move { details(&registry, question?).await }
        });
        details.await.into_iter().map(|found| found.flatten().unwrap_or_default()).collect()
    }

    /// Asks the registry whether it shows what an event says: the manifest or the blob is there, each tag names that manifest,
    /// or what was to be deleted is gone.
    pub async fn lookup(&self, event: &RegistryEvent) -> Lookup {
        let registry = self.for_operator();
        if event.tags.is_empty() || event.action == Action::Delete {
            let reference = event.tags.first().or(event.digest.as_ref());
            return match is_as_said(&registry, event, reference).await {
                None => Lookup::Unanswered,
                Some(true) => Lookup::Done(Box::new(event.clone())),
                Some(false) => Lookup::NotDone,
            };
        }
        let mut tags = Vec::new();
        for tag in &event.tags {
            match is_as_said(&registry, event, Some(tag)).await {
                None => return Lookup::Unanswered,
                Some(is_there) => tags.extend(is_there.then(|| tag.clone())),
            }
        }
        if tags.is_empty() {
            return Lookup::NotDone;
        }
        Lookup::Done(Box::new(RegistryEvent { tags, ..event.clone() }))
    }

    fn for_operator(&self) -> Subrequest {
        Subrequest::of_operator(&self.upstream.load(), &self.snapshot.load())
    }
}

/// The request that the registry answers with the details, and the media types that it lists.
fn question(event: &RegistryEvent, references: bool) -> Option<(Permit, &'static str)> {
    let reads_manifest = references && event.object == Object::Manifest;
    if event.action == Action::Delete || (event.size.is_some() && !reads_manifest) {
        return None;
    }
    let method = if reads_manifest { Method::Get } else { Method::Head };
    permit(event, method, event.digest.as_deref()?)
}

fn permit(event: &RegistryEvent, method: Method, reference: &str) -> Option<(Permit, &'static str)> {
    let (kind, accept) = match event.object {
        Object::Blob => ("blobs", "*/*"),
        Object::Manifest | Object::Tag => ("manifests", MANIFESTS),
    };
    let path = format!("/v2/{}/{kind}/{reference}", event.repository);
    Permit::to_decide(method, &path, None).map(|permit| (permit, accept))
}

async fn details(registry: &Subrequest, question: (Permit, &'static str)) -> Option<TargetDetails> {
    let (permit, accept) = question;
    let reply = registry.ask(&permit, accept).await.ok().filter(|reply| reply.status == StatusCode::OK)?;
    let length = reply.headers.get(header::CONTENT_LENGTH);
    let size = length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
    let references = if permit.route().method() == Method::Get { references(&reply) } else { Vec::new() };
    Some(TargetDetails { size, references })
}

/// The descriptors in a manifest: its configuration and its layers, or the manifests of an index.
fn references(reply: &Reply) -> Vec<Reference> {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&reply.body) else { return Vec::new() };
    manifest.config.into_iter().chain(manifest.layers).chain(manifest.manifests).collect()
}

/// Returns true if a tag or digest is in the state that an event says; `None` where the registry does not say it in time.
async fn is_as_said(
    registry: &Subrequest,
    event: &RegistryEvent,
    reference: Option<&String>,
) -> Option<bool> {
    let (permit, accept) = permit(event, Method::Head, reference?)?;
    let reply = tokio::time::timeout(PATIENCE, registry.ask(&permit, accept)).await.ok()?.ok()?;
    let found = digest_in(&reply.headers);
    let is_gone = reply.status == StatusCode::NOT_FOUND
        || found.as_ref().is_some_and(|found| event.object == Object::Tag && found.is_of_placeholder());
    if event.action == Action::Delete {
        return (is_gone || reply.status == StatusCode::OK).then_some(is_gone);
    }
    match reply.status {
        StatusCode::NOT_FOUND => Some(false),
        StatusCode::OK if event.object == Object::Blob => Some(true),
        StatusCode::OK => found.map(|found| event.digest.as_deref() == Some(found.as_str())),
        _ => None,
    }
}
