//! Carries out the plan for a repository, in batches under its lock: first tags, then the manifests that no tag reaches.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime},
};

use tokio::time::timeout;

use super::{
    Prune, PruneSummary, Stop,
    contents::{Contents, digests_of},
};
use crate::{
    authz::Permit,
    proxy::{
        Snapshot,
        closure::ForgetAfter,
        forward::{subrequest::Subrequest, tag_reader::TagReader},
        freeze::Write,
        write_once::{PruneSteps, no_step},
    },
    registry::{Digest, ErrorCode, Refusal, RepositoryName, Tag},
    retention::{Plan, StoredRepository, StoredTag},
    state::StoreError,
    telemetry::{Decision, Event, Intent, Object, Record, RegistryEvent},
};

/// Tags that are deleted under one lock.
const TAGS: usize = 100;
/// The time after which manifests are deleted under another lock: pushes wait.
const LOCKED: Duration = Duration::from_secs(5);
/// The time to look at the tags again under the lock. Pushes wait for 30 seconds.
const LOOK: Duration = Duration::from_secs(20);

/// A repository with a plan.
pub(super) struct Work<'a> {
    pub(super) name: &'a RepositoryName,
    pub(super) registry: &'a Subrequest,
    /// The entry, for the audit log.
    pub(super) rule: String,
    pub(super) snapshot: &'a Arc<Snapshot>,
    pub(super) contents: Contents<'a>,
    /// The time of the plan, in seconds since 1970, if it depends on pulls.
    pub(super) planned_at: Option<u64>,
}

/// A repository that is locked, and what holds while it is.
struct Batch {
    steps: PruneSteps,
    write: Option<Write>,
    _forget: Option<ForgetAfter>,
}

impl Prune<'_> {
    /// Carries out a plan.
    ///
    /// # Errors
    /// The reason why it stopped. All that was done before is counted.
    pub(super) async fn delete(
        &self,
        work: &mut Work<'_>,
        plan: &Plan,
        summary: &mut PruneSummary,
    ) -> Result<(), Stop> {
        // Those about a manifest come last, in batches of their own: when the others are gone, it shows which are needed.
        let is_about = |tag: &StoredTag| tag.tag.subject().is_some();
        let ordinary = plan.tags.iter().take_while(|tag| !is_about(tag)).count();
        let (ordinary, about) = plan.tags.split_at(ordinary);
        let planned_about: HashSet<Tag> = about.iter().map(|tag| tag.tag.clone()).collect();
        let mut looked_at = 0;
        for some in ordinary.chunks(TAGS).chain(about.chunks(TAGS)) {
            self.reports.progress(work.name, "tags deleted", (looked_at, plan.tags.len()))?;
            summary.tags_deleted += self.delete_tags(work, some, &planned_about).await?;
            looked_at += some.len();
        }
        let mut rest = plan.manifests.as_slice();
        while !rest.is_empty() {
            let done = plan.manifests.len() - rest.len();
            self.reports.progress(work.name, "manifests deleted", (done, plan.manifests.len()))?;
            rest = self.delete_manifests(work, rest, &mut summary.manifests_deleted).await?;
        }
        Ok(())
    }

    /// Deletes those of the tags that still name what was planned. One `about` a manifest, as `sha256-<hex>.sig`, stays if
    /// a tag leads to that manifest now. Returns their number.
    async fn delete_tags(
        &self,
        work: &mut Work<'_>,
        planned: &[StoredTag],
        about: &HashSet<Tag>,
    ) -> Result<usize, Stop> {
        let Batch { mut steps, mut write, _forget } = self.begin(work).await?;
        let are_about = planned.iter().any(|tag| about.contains(&tag.tag));
        let reached = if are_about { reach_now(&mut work.contents, about).await? } else { HashSet::new() };
        let is_needed = |tag: &Tag| tag.subject().is_some_and(|subject| reached.contains(&subject));
        let names: Vec<Tag> = planned.iter().map(|tag| tag.tag.clone()).collect();
        let mut still = Vec::with_capacity(planned.len());
        let pulled = pulled_since(work, planned).await?;
        let reader = TagReader { registry: work.registry, name: work.name };
        for (tag, digest) in planned.iter().zip(digests_of(reader, &names).await) {
            let is_same = digest? == Some(tag.digest.clone()) && !pulled.contains(&tag.tag);
            if is_same && !steps.was_pushed(&tag.digest) && !is_needed(&tag.tag) {
                still.push(tag.tag.clone());
            }
        }
        let mut intents = self.intend(work, planned.iter().filter(|tag| still.contains(&tag.tag))).await;
        let mut done = Vec::with_capacity(still.len());
        let outcome = {
            let deleting = pin!(steps.delete_tags(&still, &mut done));
            Write::unless_cut_off(write.as_mut(), deleting).await
        };
        for tag in planned.iter().filter(|tag| done.contains(&tag.tag)) {
            self.record(work, Some(&tag.tag), &tag.digest, intents.remove(&tag.tag));
        }
        settle(outcome)?;
        steps.end();
        Ok(done.len())
    }

    /// Deletes those of the manifests that no tag reaches now, as far as the time goes. Returns the rest.
    async fn delete_manifests<'m>(
        &self,
        work: &mut Work<'_>,
        planned: &'m [Digest],
        deleted: &mut usize,
    ) -> Result<&'m [Digest], Stop> {
        let Batch { mut steps, mut write, _forget } = self.begin(work).await?;
        let reached = reach_now(&mut work.contents, &HashSet::new()).await?;
        let (began, reader) = (Instant::now(), TagReader { registry: work.registry, name: work.name });
        for (n, digest) in planned.iter().enumerate() {
            if n > 0 && began.elapsed() > LOCKED {
                steps.end();
                return Ok(planned.get(n..).unwrap_or_default());
            }
            // Registry 2.8 takes a layer out of a repository that is deleted as a manifest.
            if reached.contains(digest) || steps.was_pushed(digest) || reader.is_blob(digest).await? {
                continue;
            }
            let intent = self.telemetry.events.intend(event(work, None, digest)).await;
            let outcome = {
                let deleting = pin!(steps.delete_manifest(digest));
                Write::unless_cut_off(write.as_mut(), deleting).await
            };
            if settle(outcome)? {
                *deleted += 1;
                self.record(work, None, digest, intent);
            }
        }
        steps.end();
        Ok(&[])
    }

    /// Locks the repository for a batch.
    async fn begin(&self, work: &Work<'_>) -> Result<Batch, Stop> {
        self.may_go_on(work.snapshot)?;
        let steps = self.gate.lock_to_prune(work.name, work.registry).await?;
        // It may have waited.
        self.may_go_on(work.snapshot)?;
        let permit = Permit::to_untag(work.name, None);
        let permit = permit.ok_or_else(no_step)?;
        let write = self.freeze.admit(permit.route()).map_err(|refusal| Stop::Run(refusal.message))?;
        Ok(Batch { steps, write, _forget: self.closure.forget_after(permit.route()) })
    }

    /// Writes down which tags are about to be deleted.
    async fn intend(&self, work: &Work<'_>, tags: impl Iterator<Item = &StoredTag>) -> HashMap<Tag, Intent> {
        let begin = |tag: &StoredTag| {
            let intending = self.telemetry.events.begin_intent(event(work, Some(&tag.tag), &tag.digest))?;
            Some((tag.tag.clone(), intending))
        };
        // All are begun before the first is waited for, so they are stored in one step.
        let begun: Vec<_> = tags.filter_map(begin).collect();
        let mut intents = HashMap::new();
        for (tag, intending) in begun {
            intents.insert(tag, intending.await);
        }
        intents
    }

    /// Records that a tag, or else a manifest, was deleted.
    fn record(&self, work: &Work<'_>, tag: Option<&Tag>, digest: &Digest, intent: Option<Intent>) {
        let counter = if tag.is_some() { &self.pruned.tags } else { &self.pruned.manifests };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut event = event(work, tag, digest);
        event.intent = intent.and_then(Intent::confirmed);
        self.telemetry.events.tell(event);
        let tag = tag.map(Tag::as_str);
        let mut record = Record::new(Event::Prune);
        record.time = SystemTime::now();
        record.repository = Some(work.name.as_str().to_owned());
        record.reference = Some(tag.unwrap_or(digest.as_str()).to_owned());
        record.digest = Some(digest.as_str().to_owned());
        record.decision = Some(Decision::Allowed);
        record.rule = Some(work.rule.clone());
        record.reason = Some(format!("by user {}", self.request.user));
        self.telemetry.audit.write(&record);
    }
}

/// The event of the deletion of a tag, or else of a manifest.
fn event(work: &Work<'_>, tag: Option<&Tag>, digest: &Digest) -> RegistryEvent {
    let object = if tag.is_some() { Object::Tag } else { Object::Manifest };
    let (name, tag) = (work.name.as_str(), tag.map(Tag::as_str));
    let mut event = RegistryEvent::deletion(object, name, tag, Some(digest.as_str()));
    event.rule = Some(work.rule.clone());
    event
}

/// Those of the tags that were pulled since the plan was made; none if it does not depend on pulls.
///
/// # Errors
/// That is not known.
async fn pulled_since(work: &Work<'_>, planned: &[StoredTag]) -> Result<HashSet<Tag>, Stop> {
    let Some(at) = work.planned_at else { return Ok(HashSet::new()) };
    let pulls = work.snapshot.state.pulls(work.name).await.map_err(|error| pulls_unknown(&error))?;
    let manifests = work.contents.manifests().clone();
    Ok(StoredRepository { tags: planned.to_vec(), manifests, pulls }.pulled_since(at))
}

/// The error for pulls that cannot be read.
pub(super) fn pulls_unknown(error: &StoreError) -> Stop {
    Stop::Repository(format!("it is not known when its tags were pulled: {error}"))
}

/// All that the tags reach that are there now, as if those of `without` were gone.
///
/// # Errors
/// They cannot be read in time.
async fn reach_now(contents: &mut Contents<'_>, without: &HashSet<Tag>) -> Result<HashSet<Digest>, Stop> {
    let reach = async {
        let tags = contents.tags().await?;
        contents.read_below(&tags).await?;
        let stored = |(tag, digest)| StoredTag { tag, digest, pushed: None, is_write_once: false };
        let (tags, manifests) = (tags.into_iter().map(stored).collect(), contents.manifests().clone());
        Ok(StoredRepository { tags, manifests, ..StoredRepository::default() }.reach_without(without))
    };
    timeout(LOOK, reach).await.unwrap_or_else(|_| {
        Err(Stop::Repository("its tags could not all be looked at again within 20 s, so what is left of the plan stays; run it again when the registry has less to do".to_owned()))
    })
}

/// The outcome of a step: cut off by a freeze on the outside, refused by the registry inside.
fn settle<T>(outcome: Result<Result<T, Refusal>, Refusal>) -> Result<T, Stop> {
    outcome.map_err(|refusal| Stop::Run(refusal.message))?.map_err(|refusal| match refusal.code {
        // It would be the same in each repository.
        ErrorCode::Unsupported => Stop::Run(refusal.message),
        _ => refusal.into(),
    })
}
