//! Events of the registry: a push, a pull, a mount or a deletion that it has confirmed, with the account behind it. The
//! registry's own notifications lose that account behind a proxy.

use std::{
    borrow::Cow,
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::intent::{Intending, Intent, IntentId};

/// The action of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// A manifest or a blob was stored.
    Push,
    /// A manifest or a blob went out; with the method `HEAD`, only its head.
    Pull,
    /// A blob was taken over from another repository.
    Mount,
    /// A tag, a manifest or a blob was deleted.
    Delete,
}

impl Action {
    /// Returns the name that the registry has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Mount => "mount",
            Self::Delete => "delete",
        }
    }
}

/// The kind of object that an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// A manifest, named by its tag or its digest.
    Manifest,
    /// A tag alone: its manifest stays.
    Tag,
    /// A blob.
    Blob,
}

/// An action that the registry has confirmed, for a client, an operator or `retention`. The fields are those of the audit
/// log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryEvent {
    /// The time at which the registry's answer was known.
    pub time: SystemTime,
    /// The action.
    pub action: Action,
    /// The kind of object that it is about.
    pub object: Object,
    /// The repository.
    pub repository: String,
    /// The tags that a pushed manifest was given, the tag that was pulled, or the tag that was deleted; none where only a
    /// digest was named.
    pub tags: Vec<String>,
    /// The tags that went with a manifest that was deleted by its digest; `None` for any other event, and where they were not
    /// looked up.
    pub gone: Option<Vec<String>>,
    /// The digest of the manifest or the blob; for a tag that was deleted, that of its manifest, as far as it is known.
    pub digest: Option<String>,
    /// The media type of a manifest.
    pub media_type: Option<String>,
    /// The size of the object in bytes, where the request or the answer says it: not for a blob that was pushed or mounted.
    pub size: Option<u64>,
    /// The repository that a blob was mounted from.
    pub from: Option<String>,
    /// The account; empty for the anonymous user, an operator and `retention`.
    pub account: String,
    /// The section that knows the account.
    pub source: Option<Cow<'static, str>>,
    /// The client's address, as the rules see it.
    pub address: Option<IpAddr>,
    /// The scheme by which the client reached Portwarden.
    pub scheme: Cow<'static, str>,
    /// The host and port by which the client reached Portwarden.
    pub host: Option<String>,
    /// The method of the request; empty where no client made one.
    pub method: String,
    /// `User-Agent`, the beginning of it.
    pub user_agent: Option<String>,
    /// `X-Request-Id`; empty where no client made a request.
    pub request_id: String,
    /// The rule that allowed it.
    pub rule: Option<String>,
    /// The intent that it confirms.
    #[serde(skip)]
    pub intent: Option<IntentId>,
    /// True where the registry's answer was lost, and a later look at the registry confirms it.
    #[serde(default)]
    pub settled: bool,
}

impl RegistryEvent {
    /// The deletion of a tag or a manifest that no client asked for, but an operator or `retention`.
    pub fn deletion(object: Object, repository: &str, tag: Option<&str>, digest: Option<&str>) -> Self {
        Self {
            time: SystemTime::now(),
            action: Action::Delete,
            object,
            repository: repository.to_owned(),
            tags: tag.into_iter().map(str::to_owned).collect(),
            gone: None,
            digest: digest.map(str::to_owned),
            media_type: None,
            size: None,
            from: None,
            account: String::new(),
            source: None,
            address: None,
            scheme: Cow::Borrowed("https"),
            host: None,
            method: String::new(),
            user_agent: None,
            request_id: String::new(),
            rule: None,
            intent: None,
            settled: false,
        }
    }
}

/// A part of the program that receives each event.
pub trait Listener: Send + Sync {
    /// Takes an event. It is called while a request is answered, so it does not wait.
    fn hear(&self, event: &Arc<RegistryEvent>);

    /// Returns false while it makes no use of events: where no part does, none need be built.
    fn is_listening(&self) -> bool {
        true
    }

    /// Returns true if it makes use of the tags that go with a manifest: they take a look at each tag of a repository.
    fn wants_tags_that_go(&self) -> bool {
        false
    }

    /// Returns true if it writes such actions down before the registry gets the request.
    fn intends(&self, _: Action) -> bool {
        false
    }

    /// Begins to write an action down; the registry gets the request when that is done. `None` if [`Self::intends`] says no.
    fn intend(&self, _: RegistryEvent) -> Option<Intending<'_>> {
        None
    }

    /// Returns the state of each endpoint that it sends events to.
    fn deliveries(&self) -> Vec<DeliveryReading> {
        Vec::new()
    }
}

/// The state of an endpoint of `notifications`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeliveryReading {
    /// Its name.
    pub endpoint: String,
    /// Events that wait.
    pub waiting: u64,
    /// The age of the oldest of these, in seconds; 0 if none waits.
    pub oldest: u64,
    /// Events that it has taken since the start.
    pub sent: u64,
    /// Attempts since the start that failed.
    pub failed: u64,
    /// Events since the start that found no room.
    pub dropped: u64,
    /// The reason why the last attempt failed; `None` if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// All that listen, from the start of the server on.
#[derive(Default)]
pub struct Events(OnceLock<Vec<Arc<dyn Listener>>>);

impl Events {
    /// Tells all events to these from now on. Only the first call counts.
    pub fn listen(&self, listeners: Vec<Arc<dyn Listener>>) {
        let _ = self.0.set(listeners);
    }

    /// Returns true if one listens: without that, no event need be built.
    pub fn are_heard(&self) -> bool {
        self.0.get().into_iter().flatten().any(|listener| listener.is_listening())
    }

    /// Returns true if one makes use of the tags that go with a manifest.
    pub fn want_tags_that_go(&self) -> bool {
        self.0.get().into_iter().flatten().any(|listener| listener.wants_tags_that_go())
    }

    /// Returns true if such actions are written down before the registry gets the request.
    pub fn are_intended(&self, action: Action) -> bool {
        self.0.get().into_iter().flatten().any(|listener| listener.intends(action))
    }

    /// Begins to write an action down, before the registry gets the request; `None` where no part makes use of that.
    pub fn begin_intent(&self, event: RegistryEvent) -> Option<Intending<'_>> {
        let mut listeners = self.0.get().into_iter().flatten();
        listeners.find(|listener| listener.intends(event.action))?.intend(event)
    }

    /// Writes an action down, before the registry gets the request; `None` where no part makes use of that.
    pub async fn intend(&self, event: RegistryEvent) -> Option<Intent> {
        Some(self.begin_intent(event)?.await)
    }

    /// Returns the state of each endpoint that events are sent to.
    pub fn deliveries(&self) -> Vec<DeliveryReading> {
        self.0.get().into_iter().flatten().flat_map(|listener| listener.deliveries()).collect()
    }

    /// Tells an event to all that listen.
    pub fn tell(&self, event: RegistryEvent) {
        let event = Arc::new(event);
        for listener in self.0.get().into_iter().flatten() {
            listener.hear(&event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
