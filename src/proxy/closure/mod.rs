//! The digest closure: what an account that may pull some tags of a repository gets by digest.
//!
//! That is what these tags reach: an index its platforms, a manifest its configuration and layers, a subject its referrers,
//! and a manifest the tags that are about it (`sha256-<hex>…`). Everything else is answered as what is not there. What a
//! tag names is asked of the registry, at most two seconds before the answer; manifests are read once and checked by their
//! digest. What cannot be settled is refused with 503.

mod document;
mod graph;
mod kept;
mod push;
mod registry;
mod repository;
mod requests;
mod scans;
mod search;
mod tag_list;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{sync::Mutex as AsyncMutex, time::timeout};

use super::{
    forward::{held_manifests::HeldManifests, subrequest::Subrequest},
    keyed_locks::KeyedLocks,
    response::upstream_error::undecided,
    upstream::RETRY_AFTER,
};
use crate::{
    authz::{self, Authorizers, may_tag},
    registry::{ErrorCode, Method, Refusal, RepositoryName, Route, Tag},
};
pub(super) use document::Children;
use graph::Graph;
use kept::Kept;
pub(super) use requests::Lesson;
use search::AskRegistry;

/// The age up to which it counts what a tag names.
const FRESH: Duration = Duration::from_secs(2);
/// The time for which a complete scan answers that something is not reached.
const SCAN_LASTS: Duration = Duration::from_secs(30);
/// The time for which what a tag named when an account asked for it stays reached by it: a tag may move during a pull.
const ROOT_LASTS: Duration = Duration::from_secs(60 * 60);
/// The time for which an account's own uploads may be named by its manifests.
const UPLOAD_LASTS: Duration = Duration::from_secs(24 * 60 * 60);
/// The time that one question may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Scans that are begun again because something was pushed meanwhile.
const SCANS: usize = 3;

/// A tag, and the digest that it named.
type Root = (Arc<str>, Arc<str>);

/// A digest that was uploaded, and true for a manifest.
type Upload = (Box<str>, bool);

/// The known reach of tags; outlives reloads.
#[derive(Debug)]
pub(super) struct Closure {
    graph: Mutex<Graph>,
    /// The digests that accounts were told that tags name.
    roots: Mutex<Kept<Root>>,
    /// The uploads of accounts.
    own: Mutex<Kept<Upload>>,
    scans: Mutex<HashMap<(Box<str>, u64), Instant>>,
    /// One scan at a time for each repository, and for each account.
    repositories: KeyedLocks<Box<str>, AsyncMutex<()>>,
    accounts: KeyedLocks<Box<str>, AsyncMutex<()>>,
    held: HeldManifests,
    outcomes: Outcomes,
}

/// Questions since the start, by their outcome.
#[derive(Debug, Default)]
struct Outcomes {
    reached: AtomicU64,
    not_reached: AtomicU64,
    undecided: AtomicU64,
}

/// Forgets when it is dropped.
pub(super) struct ForgetAfter {
    closure: Arc<Closure>,
    route: Option<Box<Route>>,
}

impl ForgetAfter {
    /// Forgets nothing: the registry refused the request.
    pub(super) fn nothing(mut self) -> Option<Self> {
        self.route = None;
        None
    }
}

impl Drop for ForgetAfter {
    fn drop(&mut self) {
        self.route.iter().for_each(|route| self.closure.done(route));
    }
}

/// The questions of one caller.
#[derive(Clone, Copy)]
pub(super) struct Inquiry<'a> {
    pub(super) closure: &'a Closure,
    pub(super) authorizers: &'a Authorizers,
    pub(super) caller: authz::Caller<'a>,
    pub(super) registry: &'a Subrequest,
}

/// The digest that is looked for.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    name: &'a RepositoryName,
    digest: &'a str,
    /// True if it is asked for as a manifest, which may refer to another, and which no layer is.
    is_manifest: bool,
}

/// The part that an account must be granted on a tag for the tag to count.
type Actions = &'static [&'static str];
const PULL: Actions = &["pull"];
const PUSH: Actions = &["pull", "push"];
const DELETE: Actions = &["delete"];

impl Default for Closure {
    fn default() -> Self {
        Self {
            graph: Mutex::default(),
            roots: Mutex::new(Kept::new(ROOT_LASTS)),
            own: Mutex::new(Kept::new(UPLOAD_LASTS)),
            scans: Mutex::default(),
            repositories: KeyedLocks::default(),
            accounts: KeyedLocks::default(),
            held: HeldManifests::new("manifests of accounts that may pull some tags"),
            outcomes: Outcomes::default(),
        }
    }
}

impl Closure {
    /// Forgets what a request may change, once it is over, or if there is no answer. `None` for one that changes nothing.
    pub(super) fn forget_after(self: &Arc<Self>, route: &Route) -> Option<ForgetAfter> {
        let writes = matches!(route.method(), Method::Put | Method::Delete);
        let changes = writes && route.endpoint().class() == "manifest";
        changes.then(|| ForgetAfter { closure: Arc::clone(self), route: Some(Box::new(route.clone())) })
    }

    fn done(&self, route: &Route) {
        let Some(name) = route.endpoint().repository() else { return };
        let (name, now) = (name.as_str(), Instant::now());
        match route.method() {
            Method::Put => {
                let tags = route.tag().into_iter().chain(route.tags());
                self.graph.lock().written(name, tags.map(Tag::as_str), now);
            }
            Method::Delete => self.graph.lock().deleted(name, now),
            _ => {}
        }
    }

    /// The number of pushes that got no slot.
    pub(super) fn without_slot(&self) -> u64 {
        self.held.refused()
    }

    /// The number of questions since the start, by their outcome, and of digests that are known.
    pub(super) fn counts(&self) -> ([(&'static str, u64); 3], usize) {
        let Outcomes { reached, not_reached, undecided } = &self.outcomes;
        let outcomes = [("reached", reached), ("not_reached", not_reached), ("undecided", undecided)];
        (
            outcomes.map(|(outcome, counter)| (outcome, counter.load(Ordering::Relaxed))),
            self.graph.lock().len(),
        )
    }

    /// Forgets everything: the registry is another one.
    pub(super) fn forget(&self) {
        *self.graph.lock() = Graph::default();
        self.roots.lock().clear();
        self.own.lock().clear();
        self.scans.lock().clear();
    }
}

/// The answer where a question could not be settled.
fn unsettled(why: &str) -> Refusal {
    let why = format!("it cannot be told now whether your tags reach this: {why}; try again later");
    Refusal::new(ErrorCode::Unavailable, why).retry_after(RETRY_AFTER)
}

impl Inquiry<'_> {
    /// Returns true if a tag on which the account has these actions reaches the digest.
    ///
    /// # Errors
    /// It cannot be told: the registry, or a back end, gives no answer in time.
    async fn reaches(&self, asked: Asked<'_>, actions: Actions) -> Result<bool, Refusal> {
        self.closure.graph.lock().begin(asked.name.as_str(), Instant::now());
        let found = timeout(PATIENCE, self.look_for(asked, actions)).await;
        let found = found.unwrap_or_else(|_| Err(unsettled("it takes too long")));
        let Outcomes { reached, not_reached, undecided } = &self.closure.outcomes;
        let counter = match found {
            Ok(true) => reached,
            Ok(false) => not_reached,
            Err(_) => undecided,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    async fn look_for(&self, asked: Asked<'_>, actions: Actions) -> Result<bool, Refusal> {
        let Asked { name, digest, is_manifest } = asked;
        if self.search(asked, actions, AskRegistry::No).await? {
            return Ok(true);
        }
        if actions == PULL {
            self.read_kept(asked).await?;
        }
        if is_manifest {
            // It may refer to a subject that is reached.
            self.read(name, digest).await?;
        }
        if self.search(asked, actions, AskRegistry::Yes).await? {
            return Ok(true);
        }
        if self.is_scanned(name, actions) {
            return Ok(false);
        }
        let account = self.closure.accounts.of(self.person());
        let repository = self.closure.repositories.of(name.as_str().into());
        let _account = account.lock().await;
        let _repository = repository.lock().await;
        for _ in 0..SCANS {
            let began = Instant::now();
            if !self.is_scanned(name, actions) {
                self.scan(name, actions).await?;
                self.scanned(name, actions, began);
            }
            if self.search(asked, actions, AskRegistry::Yes).await? {
                return Ok(true);
            }
            if !self.may_have_changed(name, actions, began).await? {
                return Ok(false);
            }
        }
        Err(unsettled("its tags are being pushed"))
    }

    /// The account; for the anonymous user, whom many clients are, the address.
    fn person(&self) -> Box<str> {
        match (self.caller.account, self.caller.ip) {
            ("", Some(address)) => address.to_string().into(),
            (account, _) => account.into(),
        }
    }

    /// Returns true if the account may do that with the tag, by the rules of now.
    async fn may(&self, name: &RepositoryName, tag: &str, actions: Actions) -> Result<bool, Refusal> {
        asked(self.authorizers, self.caller, (name.as_str(), tag), actions).await
    }
}

/// Asks the rules. They wait for nothing, and a list asks about tens of thousands of tags: others on that thread get
/// their turn between.
async fn asked(
    authorizers: &Authorizers,
    caller: authz::Caller<'_>,
    of: (&str, &str),
    actions: Actions,
) -> Result<bool, Refusal> {
    tokio::task::consume_budget().await;
    may_tag(authorizers, caller, of, actions).await.map_err(|error| undecided(&error))
}

/// The digest that a tag is about.
fn subject(tag: &str) -> Option<String> {
    Some(Tag::parse(tag)?.subject()?.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap, rc::Rc};

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;
    use crate::authz::{AuthorizationBackendSettings, Ceilings, LeftOut, Policy};

    #[test]
    fn rule_28_others_get_their_turn_between_the_questions_about_tags() {
        let authorizers = Authorizers::new(
            Policy::default(),
            Ceilings::default(),
            AuthorizationBackendSettings::default(),
            None,
        );
        let (labels, left_out) = (BTreeMap::new(), LeftOut::default());
        let caller = authz::Caller {
            account: "alice",
            labels: &labels,
            left_out: &left_out,
            ip: None,
            service: "registry.example",
            ceiling: None,
            token_scopes: None,
            now: 0,
        };
        let turns = Rc::new(Cell::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let own = Rc::clone(&turns);
            spawn_local(async move {
                loop {
                    own.set(own.get() + 1);
                    yield_now().await;
                }
            });
            for n in 0..10_000 {
                let tag = format!("v{n}");
                assert!(!asked(&authorizers, caller, ("team/app", &tag), PULL).await.unwrap());
            }
        });
        assert!(turns.get() > 10, "{}", turns.get());
    }
}
