//! Write-once tags on a registry that knows none: a push that would move one, and a deletion that would delete it or
//! hollow it out, are refused before they reach the registry.
//!
//! A registry cannot be asked to write only if nothing is there. So each request is decided while it holds a lock, and a
//! push also claims its tags: if its answer is lost, it is not known whether it was done, and no other digest may be
//! pushed until the registry shows one. Whatever cannot be read, refuses.

mod children;
mod claims;
mod locks;
mod reach;
mod tags;
#[cfg(test)]
mod tests;

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hyper::StatusCode;
use tokio::time::timeout;

use super::{body::request_body::RequestBody, forward::subrequest::Subrequest, request_log::RequestLog};
use crate::{
    authz::{EntryPlace, Permit, TagLock, WriteOnce},
    limits::{FairSemaphore, Slot},
    registry::{Digest, Endpoint, ErrorCode, Method, Refusal, RepositoryName, Route, Tag},
};
use claims::Claims;
pub(super) use locks::Passage;
use locks::{Locks, TagKey};
use tags::{Found, TagReader};

/// The largest manifest: the bound of registry 2.8.
const LARGEST_MANIFEST: usize = 4 << 20;

/// Manifests that are held at the same time; one client gets as many as it leaves for others.
const HELD_AT_ONCE: usize = 64;

/// The time that a client has for a manifest.
const HOLDING: Duration = Duration::from_secs(120);

/// Decides about the pushes and deletions that concern write-once tags. Outlives reloads.
pub(super) struct WriteOnceGate {
    held: FairSemaphore,
    locks: Locks,
    claims: Claims,
    refused: AtomicU64,
    undecided: AtomicU64,
}

impl Default for WriteOnceGate {
    fn default() -> Self {
        Self {
            held: FairSemaphore::new(HELD_AT_ONCE, "manifests of write-once tags"),
            locks: Locks::default(),
            claims: Claims::default(),
            refused: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
        }
    }
}

/// A request that the rules allow, with all that decides about it.
#[derive(Clone, Copy)]
pub(super) struct Guarded<'a> {
    pub(super) permit: &'a Permit,
    /// The account; empty for the anonymous user.
    pub(super) account: &'a str,
    pub(super) rules: &'a WriteOnce,
    pub(super) registry: &'a Subrequest,
}

/// A tag that is write-once for the account, with the entry that says so.
type Locked = (Tag, EntryPlace);

impl WriteOnceGate {
    /// Returns true if a request may concern a write-once tag: all others pass at no cost.
    pub(super) fn concerns(route: &Route, rules: &WriteOnce) -> bool {
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
        let guarded_tags = guarded.guarded_tags(name, &pushed, log);
        if guarded_tags.is_empty() {
            return Ok((body, Passage::default()));
        }
        let slot = self.slot(guarded.registry.address).await?;
        let held = timeout(HOLDING, body.hold(LARGEST_MANIFEST)).await;
        let (manifest, body) = held.unwrap_or_else(|_| {
            Err(Refusal::new(ErrorCode::Timeout, "the manifest took too long").and_close())
        })?;
        let digest = Digest::of(&manifest);
        if named.is_some_and(|named| *named != digest) {
            let why =
                format!("expected a manifest of {}, found one of {digest}", named.map_or("", Digest::as_str));
            return Err(Refusal::new(ErrorCode::BadRequest, why));
        }
        // Also for an account that may move the tag: what it pushes must not land on what another has pushed meanwhile.
        let keys = guarded_tags.iter().map(|(tag, _)| TagKey::new(name, tag)).collect();
        let passage = self.locks.for_push(name, keys, &self.claims, digest.clone()).await?.with(slot);
        let reader = TagReader { registry: guarded.registry, name };
        for (tag, place) in write_once(guarded_tags) {
            self.check(&reader, &tag, &digest).await.inspect_err(|_| log.ruled(|| place.to_string()))?;
        }
        Ok((body, passage))
    }

    /// A slot for a manifest that is held. It is waited for a short while.
    async fn slot(&self, client: Option<IpAddr>) -> Result<Slot, Refusal> {
        self.held.take(client).await.map_err(|_| {
            let why = "too many manifests of write-once tags are pushed; try again later";
            Refusal::new(ErrorCode::Unavailable, why).retry_after(crate::proxy::upstream::RETRY_AFTER)
        })
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
            Found::Nothing => match self.claims.other_than(&key, digest) {
                None => Ok(()),
                Some(claimed) => {
                    let why = format!(
                        "tag {tag} of {name} is write-once, and an unfinished push of {claimed} holds it; push that one \
                         again, or another tag"
                    );
                    Err(Refusal::new(ErrorCode::Conflict, why))
                }
            },
        }
    }

    async fn admit_deletion(&self, guarded: Guarded<'_>, log: &mut RequestLog) -> Result<Passage, Refusal> {
        match guarded.permit.route().endpoint() {
            Endpoint::ManifestByTag(name, tag) => {
                let guarded_tags = guarded.guarded_tags(name, std::slice::from_ref(tag), log);
                match write_once(guarded_tags).next() {
                    None => Ok(Passage::default()),
                    Some((_, place)) => {
                        log.ruled(|| place.to_string());
                        Err(denied(format!("tag {tag} of {name} is write-once, and cannot be deleted")))
                    }
                }
            }
            Endpoint::ManifestByDigest(name, digest) => {
                let passage = self.locks.for_deletion(name).await?;
                let reader = TagReader { registry: guarded.registry, name };
                let tags = reader.all().await?;
                let locked: Vec<Locked> = write_once(guarded.guarded_tags(name, &tags, log)).collect();
                match reach::reaching(&reader, &locked, digest).await? {
                    None => Ok(passage),
                    Some((tag, place)) => {
                        log.ruled(|| place.to_string());
                        let why = format!("{digest} belongs to tag {tag} of {name}, which is write-once");
                        Err(denied(format!("{why}, and cannot be deleted")))
                    }
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
    /// Those of the tags that an entry matches. `log` is told where one excepts the account.
    fn guarded_tags(&self, name: &RepositoryName, tags: &[Tag], log: &mut RequestLog) -> Vec<(Tag, TagLock)> {
        let states = tags.iter().map(|tag| (tag, self.rules.lock(name, tag, self.account)));
        let states = states.filter(|(_, state)| *state != TagLock::Open);
        let owned = |(tag, state): (&Tag, TagLock)| {
            if let TagLock::Excepted(place) = state {
                log.ruled(|| format!("{}; excepted by {place}", self.permit.decided_by()));
            }
            (tag.clone(), state)
        };
        states.map(owned).collect()
    }
}

/// Those that are write-once for the account.
fn write_once(tags: Vec<(Tag, TagLock)>) -> impl Iterator<Item = Locked> {
    tags.into_iter().filter_map(|(tag, state)| match state {
        TagLock::WriteOnce(place) => Some((tag, place)),
        TagLock::Open | TagLock::Excepted(_) => None,
    })
}

fn denied(why: String) -> Refusal {
    Refusal::new(ErrorCode::Denied, why)
}

/// The answer where the manifest of a write-once tag is gone: what else it needs is not known.
fn unreadable(tag: &Tag, name: &RepositoryName) -> Refusal {
    let why = format!(
        "tag {tag} of {name} is write-once and its manifest cannot be read, so it is not known what must not be deleted; \
         restore the manifest, or take the tag out of tags.write_once for the time of this deletion"
    );
    Refusal::new(ErrorCode::Unavailable, why)
}

/// The answer where the registry does not say enough.
fn undecided(what: &str, status: StatusCode) -> Refusal {
    let why = format!(
        "a write-once tag may be concerned, and the registry does not show {what}: it answers {}; try again later",
        status.as_u16()
    );
    Refusal::new(ErrorCode::Unavailable, why).retry_after(crate::proxy::upstream::RETRY_AFTER)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl std::fmt::Debug for WriteOnceGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WriteOnceGate")
    }
}
