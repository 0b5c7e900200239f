//! Write-once tags on a registry that knows none: a push that would move one, and a deletion that would delete it or
//! hollow it out, are refused before they reach the registry. A deletion by an account that may delete some tags only is
//! decided in the same way: the other tags are locked for it.
//!
//! A registry cannot be asked to write only if nothing is there. So each request is decided while it holds a lock, and a
//! push also claims its tags: if its answer is lost, it is not known whether it was done, and no other digest may be
//! pushed until the registry shows one. Whatever cannot be read, refuses.

mod claimed_elsewhere;
mod claims;
mod going_along;
mod leftovers;
mod locks;
mod placeholder_steps;
mod prune_steps;
mod pushed_meanwhile;
mod reach;
mod release;
mod tag_deletion;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    body::request_body::RequestBody,
    forward::{
        held_manifests::{HeldManifest, HeldManifests},
        subrequest::Subrequest,
        tag_reader::{Found, TagReader},
    },
    request_log::RequestLog,
    response::upstream_error::undecided,
};
use crate::{
    authz::{self, Authorizers, EntryPlace, Permit, TagLock, WriteOnce, may_tag},
    registry::{Digest, Endpoint, ErrorCode, Method, PLACEHOLDER, Refusal, RepositoryName, Route, Tag},
    state::State,
};
use claims::Claims;
use leftovers::Leftovers;
pub(super) use leftovers::Look;
pub(super) use locks::Passage;
use locks::{Locks, TagKey, claimed};
pub(super) use placeholder_steps::no_step;
pub(super) use prune_steps::PruneSteps;
use pushed_meanwhile::PushedMeanwhile;
pub use release::Released;
use tag_deletion::DeletedTags;
pub(super) use tag_deletion::TagOutcome;

/// The actions that a push, and a deletion, need.
const PUSH: &[&str] = &["pull", "push"];
const DELETE: &[&str] = &["delete"];

/// Decides about the pushes and deletions that concern write-once tags. Outlives reloads.
pub(super) struct WriteOnceGate {
    held: HeldManifests,
    locks: Locks,
    state: Arc<State>,
    claims: Claims,
    leftovers: Arc<Leftovers>,
    deleted: Arc<DeletedTags>,
    pushed: PushedMeanwhile,
    refused: AtomicU64,
    undecided: AtomicU64,
}

impl WriteOnceGate {
    /// That of a server that may share its state with others.
    pub(super) fn sharing(state: Arc<State>) -> Self {
        Self {
            held: HeldManifests::new("manifests that are pushed"),
            locks: Locks::sharing(Arc::clone(&state)),
            state,
            claims: Claims::default(),
            leftovers: Arc::default(),
            deleted: Arc::default(),
            pushed: PushedMeanwhile::default(),
            refused: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
        }
    }
}

/// A request that the rules allow, with all that decides about it.
#[derive(Clone, Copy)]
pub(super) struct Guarded<'a> {
    pub(super) permit: &'a Permit,
    /// The account; `None` for the anonymous user.
    pub(super) caller: Option<authz::Caller<'a>>,
    pub(super) rules: &'a WriteOnce,
    pub(super) authorizers: &'a Authorizers,
    pub(super) registry: &'a Subrequest,
}

/// A tag that the account may not change, with the reason.
type Locked = (Tag, LockedBy);

/// The reason why a tag may not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockedBy {
    /// An entry of `tags.write_once`.
    Entry(EntryPlace),
    /// The rules, which let the account delete other tags only.
    Rules,
}

impl WriteOnceGate {
    /// Returns true if a request needs a lock, since it pushes a manifest or deletes a tag, or may concern a write-once tag,
    /// or one that the account may not delete: all others pass at no cost.
    pub(super) fn concerns(permit: &Permit, rules: &WriteOnce) -> bool {
        let route = permit.route();
        let locks = match (route.method(), route.endpoint()) {
            (Method::Put, Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..)) => true,
            (Method::Delete, Endpoint::ManifestByTag(..)) => true,
            (Method::Delete, Endpoint::ManifestByDigest(..)) => permit.is_by_tag(),
            _ => false,
        };
        locks || Self::concerns_write_once(route, rules)
    }

    fn concerns_write_once(route: &Route, rules: &WriteOnce) -> bool {
        let writes = matches!(
            (route.method(), route.endpoint()),
            (Method::Put | Method::Delete, Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..))
                | (Method::Delete, Endpoint::Blob(..))
        );
        writes && route.endpoint().repository().is_some_and(|name| rules.concerns(name))
    }

    /// Lets a request pass that [`Self::concerns`] is true for, with its body and what it holds while the registry has it.
    ///
    /// # Errors
    /// 403 for what would change a write-once tag; 409 while another push holds the tag; 503 where that cannot be
    /// decided; and what is wrong with the body.
    pub(super) async fn admit(
        &self,
        guarded: Guarded<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<(RequestBody, Passage), Refusal> {
        let decided = match guarded.permit.route().method() {
            Method::Delete => self.admit_deletion(guarded, log).await.map(|passage| (body, passage)),
            _ => self.admit_push(guarded, body, log).await,
        };
        decided.inspect_err(|refusal| match refusal.code {
            ErrorCode::Denied | ErrorCode::Conflict => count(&self.refused),
            ErrorCode::Unavailable | ErrorCode::BadGateway | ErrorCode::GatewayTimeout => {
                count(&self.undecided);
            }
            _ => {}
        })
    }

    /// The number of requests since the start that were refused, and that could not be decided.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [("refused", &self.refused), ("undecided", &self.undecided)]
            .map(|(outcome, counter)| (outcome, counter.load(Ordering::Relaxed)))
    }

    /// The number of tags that were deleted since the start, by the registry itself and with the placeholder.
    pub(super) fn deleted_tags(&self) -> [(&'static str, u64); 2] {
        self.deleted.counts()
    }

    async fn admit_push(
        &self,
        guarded: Guarded<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<(RequestBody, Passage), Refusal> {
        let (name, pushed, named) = match guarded.permit.route().endpoint() {
            Endpoint::ManifestByTag(name, tag) => (name, vec![tag.clone()], None),
            Endpoint::ManifestByDigest(name, digest) => {
                (name, guarded.permit.route().tags().to_vec(), Some(digest))
            }
            _ => return Ok((body, Passage::default())),
        };
        guarded.admit_what_follows(name, &pushed, PUSH).await?;
        let guarded_tags = guarded.guarded_tags(name, &pushed, log);
        // Held before anything is locked: a slow client keeps no other waiting.
        let HeldManifest { bytes, body, slot } = self.held.hold(guarded.registry.address, body).await?;
        if *bytes == *PLACEHOLDER.as_bytes() {
            let why = "manifest invalid: this one stands for tags that were deleted, and cannot be pushed";
            return Err(Refusal::new(ErrorCode::ManifestInvalid, why));
        }
        let digest = Digest::of(&bytes);
        if guarded_tags.is_empty() {
            // No deletion decides meanwhile about what the tag needs, or takes what is pushed for the placeholder.
            let passage = self.locks.shared(name, &digest).await?;
            self.pushed.note(name, &digest);
            return Ok((body, passage.pushing(digest, slot)));
        }
        if named.is_some_and(|named| *named != digest) {
            let why =
                format!("expected a manifest of {}, found one of {digest}", named.map_or("", Digest::as_str));
            return Err(Refusal::new(ErrorCode::BadRequest, why));
        }
        // Also for an account that may move the tag: what it pushes must not land on what another has pushed meanwhile.
        let keys = guarded_tags.iter().map(|(tag, _)| TagKey::new(name, tag)).collect();
        let reader = TagReader { registry: guarded.registry, name };
        let passage = self.locked_for_push(&reader, keys, &guarded_tags, &digest).await?;
        let passage = passage.pushing(digest.clone(), slot);
        for (tag, place) in write_once(guarded_tags) {
            self.check(&reader, &tag, &digest).await.inspect_err(|_| log.ruled(|| place.to_string()))?;
        }
        self.pushed.note(name, &digest);
        Ok((body, passage))
    }

    /// The number of pushes that got no slot.
    pub(super) fn without_slot(&self) -> u64 {
        self.held.refused()
    }

    /// Checks that a tag may be pushed with this digest: it is not there, or has the same.
    async fn check(&self, reader: &TagReader<'_>, tag: &Tag, digest: &Digest) -> Result<(), Refusal> {
        let (name, key) = (reader.name, TagKey::new(reader.name, tag));
        match reader.find(tag).await? {
            Found::Digest(found) => {
                // Whatever was pushed last, this is what became of it.
                self.claims.settle(&key);
                if found == *digest {
                    return Ok(());
                }
                Err(denied(format!("tag {tag} of {name} is write-once and is {found}; push another tag")))
            }
            Found::Listed => Err(denied(format!(
                "tag {tag} of {name} is write-once, and its manifest cannot be read; push another tag"
            ))),
            Found::Nothing | Found::Placeholder => match self.claims.other_than(&key, digest) {
                None => Ok(()),
                Some(other) => Err(claimed(name, tag.as_str(), other.as_str())),
            },
        }
    }

    async fn admit_deletion(&self, guarded: Guarded<'_>, log: &mut RequestLog) -> Result<Passage, Refusal> {
        match guarded.permit.route().endpoint() {
            Endpoint::ManifestByTag(name, tag) => {
                let guarded_tags = guarded.guarded_tags(name, std::slice::from_ref(tag), log);
                match write_once(guarded_tags).next() {
                    None => {
                        let passage = self.locks.for_deletion(name, guarded.account()).await?;
                        guarded.admit_what_follows(name, std::slice::from_ref(tag), DELETE).await?;
                        Ok(passage)
                    }
                    Some((_, place)) => {
                        log.ruled(|| place.to_string());
                        Err(denied(format!("tag {tag} of {name} is write-once, and cannot be deleted")))
                    }
                }
            }
            Endpoint::ManifestByDigest(name, digest) => {
                let passage = self.locks.for_deletion(name, guarded.account()).await?;
                let reader = TagReader { registry: guarded.registry, name };
                let tags = reader.all().await?.unwrap_or_default();
                let locked = guarded.locked(name, &tags, log).await?;
                match reach::with_what_it_is_about(&reader, locked, digest).await? {
                    None => Ok(passage),
                    Some((tag, LockedBy::Entry(place))) => {
                        log.ruled(|| place.to_string());
                        let why = format!("{digest} belongs to tag {tag} of {name}, which is write-once");
                        Err(denied(format!("{why}, and cannot be deleted")))
                    }
                    // The account may not know of the tag.
                    Some((_, LockedBy::Rules)) => Err(denied(format!(
                        "a tag of {name} that your account may not delete needs {digest} as well"
                    ))),
                }
            }
            Endpoint::Blob(name, _) => {
                log.ruled(|| {
                    guarded.rules.places(name).next().map_or_else(String::new, |place| place.to_string())
                });
                Err(denied(format!(
                    "blobs of {name} cannot be deleted one by one, because it may have write-once tags; the registry's \
                     garbage collection removes those that no manifest needs"
                )))
            }
            _ => Ok(Passage::default()),
        }
    }
}

impl Guarded<'_> {
    fn account(&self) -> &str {
        self.caller.map_or("", |caller| caller.account)
    }

    /// Those of the tags that an entry matches. `log` is told where one excepts the account.
    fn guarded_tags(&self, name: &RepositoryName, tags: &[Tag], log: &mut RequestLog) -> Vec<(Tag, TagLock)> {
        let states = tags.iter().map(|tag| (tag, self.rules.lock(name, tag, self.account())));
        let states = states.filter(|(_, state)| *state != TagLock::Open);
        let owned = |(tag, state): (&Tag, TagLock)| {
            if let TagLock::Excepted(place) = state {
                log.ruled(|| format!("{}; excepted by {place}", self.permit.decided_by()));
            }
            (tag.clone(), state)
        };
        states.map(owned).collect()
    }

    /// Lets tags that are about a manifest (`sha256-<hex>…`) be pushed, or deleted, by an account that may do that with every
    /// tag which reaches it: or a copy under a tag of its own would let it replace the signatures of others.
    ///
    /// # Errors
    /// 403 where it may not; 503 where that cannot be told.
    async fn admit_what_follows(
        &self,
        name: &RepositoryName,
        tags: &[Tag],
        actions: &[&str],
    ) -> Result<(), Refusal> {
        let Some(caller) = self.caller.filter(|_| self.permit.is_by_tag()) else { return Ok(()) };
        let reader = TagReader { registry: self.registry, name };
        for tag in tags {
            let Some(subject) = tag.subject() else { continue };
            if self.may(caller, name, tag, actions).await? {
                continue;
            }
            let mut locked = Vec::new();
            for other in reader.all().await?.unwrap_or_default() {
                if other.subject().is_none() && !self.may(caller, name, &other, actions).await? {
                    locked.push((other, LockedBy::Rules));
                }
            }
            if reach::with_what_it_is_about(&reader, locked, &subject).await?.is_some() {
                let what = actions.last().unwrap_or(&"change");
                return Err(denied(format!(
                    "a tag of {name} that your account may not {what} has {subject} as well, so {tag} is not yours to {what}"
                )));
            }
        }
        Ok(())
    }

    async fn may(
        &self,
        caller: authz::Caller<'_>,
        name: &RepositoryName,
        tag: &Tag,
        actions: &[&str],
    ) -> Result<bool, Refusal> {
        let may = may_tag(self.authorizers, caller, (name.as_str(), tag.as_str()), actions).await;
        may.map_err(|error| undecided(&error))
    }

    /// Those of the tags that the account may not delete.
    ///
    /// # Errors
    /// A back end that has to be asked gives no answer.
    async fn locked(
        &self,
        name: &RepositoryName,
        tags: &[Tag],
        log: &mut RequestLog,
    ) -> Result<Vec<Locked>, Refusal> {
        let guarded_tags = self.guarded_tags(name, tags, log);
        let mut locked: Vec<Locked> =
            write_once(guarded_tags).map(|(tag, place)| (tag, LockedBy::Entry(place))).collect();
        let Some(caller) = self.caller.filter(|_| self.permit.is_by_tag()) else { return Ok(locked) };
        for tag in tags {
            if !self.may(caller, name, tag, DELETE).await? {
                locked.push((tag.clone(), LockedBy::Rules));
            }
        }
        Ok(locked)
    }
}

/// Those that are write-once for the account.
fn write_once(tags: Vec<(Tag, TagLock)>) -> impl Iterator<Item = (Tag, EntryPlace)> {
    tags.into_iter().filter_map(|(tag, state)| match state {
        TagLock::WriteOnce(place) => Some((tag, place)),
        TagLock::Open | TagLock::Excepted(_) => None,
    })
}

fn denied(why: String) -> Refusal {
    Refusal::new(ErrorCode::Denied, why)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl std::fmt::Debug for WriteOnceGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WriteOnceGate")
    }
}
