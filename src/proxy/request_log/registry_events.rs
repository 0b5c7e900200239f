//! Events that the registry confirms for the request, told to those that listen.

use std::{borrow::Cow, time::SystemTime};

use hyper::HeaderMap;

use super::RequestLog;
use crate::{
    proxy::request::{confirmed::Confirmed, origin::Origin},
    registry::{Digest, Route, Tag},
    telemetry::{Action, Intent, Object, RegistryEvent},
};

impl RequestLog {
    /// Records the host and port that the client named.
    pub(in crate::proxy) fn reached_at(&mut self, origin: &Origin) {
        if self.telemetry.events.are_heard() {
            self.origin = Some(origin.clone());
        }
    }

    /// The tag of the request was deleted, which was on this manifest.
    pub(in crate::proxy) fn deleted_tag(&mut self, digest: Option<&Digest>) {
        let digest = digest.map(|digest| digest.as_str().to_owned());
        if self.telemetry.keeps_records() {
            self.record.digest.clone_from(&digest);
        }
        self.tell(Confirmed::deletion(Object::Tag, digest));
    }

    /// Returns true if events name the tags that go with a manifest.
    pub(in crate::proxy) fn names_tags_that_go(&self) -> bool {
        self.telemetry.events.want_tags_that_go()
    }

    /// Records the tags on the manifest that is to be deleted.
    pub(in crate::proxy) fn takes_along(&mut self, tags: Vec<String>) {
        self.gone = Some(tags);
    }

    /// The manifest of the request was deleted, and each tag on it.
    pub(in crate::proxy) fn deleted_manifest(&mut self, digest: &Digest) {
        self.tell(Confirmed::deletion(Object::Manifest, Some(digest.as_str().to_owned())));
    }

    /// The registry has confirmed something, or nothing of note. A pull counts when all of it has gone out.
    pub(super) fn confirmed(&mut self, confirmed: Option<Confirmed>) {
        match confirmed {
            Some(pull) if pull.action == Action::Pull => self.pull = Some(pull),
            Some(confirmed) => self.tell(confirmed),
            None => {}
        }
    }

    /// The whole response has gone out.
    pub(super) fn went_out(&mut self) {
        if let Some(pull) = self.pull.take() {
            self.tell(pull);
        }
    }

    /// Writes down what the request will have done if the registry confirms it. `pushed` is the digest of a manifest that it
    /// pushes. To be waited for before the request goes to the registry.
    pub(in crate::proxy) async fn intend(
        &mut self,
        route: &Route,
        sent: &HeaderMap,
        pushed: Option<&Digest>,
    ) {
        let intended = Confirmed::intended(route, sent, pushed);
        let intended = intended.filter(|intended| self.telemetry.events.are_intended(intended.action));
        if let Some(intended) = intended {
            let event = self.event(intended);
            self.intent = self.telemetry.events.intend(event).await;
        }
    }

    /// The registry has done nothing that a request for `route` was to do.
    pub(in crate::proxy) fn not_done(&mut self) {
        if let Some(intent) = self.intent.take() {
            intent.refused();
        }
    }

    /// Tells those that listen what the registry has confirmed.
    fn tell(&mut self, confirmed: Confirmed) {
        if !self.telemetry.events.are_heard() {
            return;
        }
        let mut event = self.event(confirmed);
        event.intent = self.intent.take().and_then(Intent::confirmed);
        self.telemetry.events.tell(event);
    }

    fn event(&self, confirmed: Confirmed) -> RegistryEvent {
        let Confirmed { action, object, digest, media_type, size } = confirmed;
        let record = &self.record;
        let named = || {
            let tag = record.reference.iter().filter(|reference| Tag::parse(reference).is_some());
            tag.chain(record.tags.iter().flatten()).cloned().collect()
        };
        RegistryEvent {
            time: SystemTime::now(),
            action,
            object,
            repository: record.repository.clone().unwrap_or_default(),
            tags: if object == Object::Blob { Vec::new() } else { named() },
            gone: self.gone.clone().filter(|_| (action, object) == (Action::Delete, Object::Manifest)),
            digest,
            media_type,
            size,
            from: record.from.clone().filter(|_| action == Action::Mount),
            account: record.account.clone().unwrap_or_default(),
            source: record.source.map(Cow::Borrowed),
            address: record.address,
            scheme: Cow::Borrowed(self.origin.as_ref().map_or("https", |origin| origin.scheme)),
            host: self.origin.as_ref().map(|origin| origin.host.clone()),
            method: record.method.clone(),
            user_agent: record.user_agent.clone(),
            request_id: record.request_id.clone(),
            rule: record.rule.clone(),
            intent: None,
            settled: false,
        }
    }
}
