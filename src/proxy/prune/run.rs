//! The run: one repository after the other is read, planned and shown, and the plan carried out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Prune, PruneEvent, PruneItem, PruneSummary, PruneWhat, Stop,
    contents::Contents,
    deletion::{Work, pulls_unknown},
};
use crate::{
    authz::TagLock,
    proxy::{
        Snapshot,
        forward::{catalog::Names, subrequest::Subrequest},
        snapshot::unix_now,
    },
    registry::{Digest, RepositoryName, Tag},
    retention::{Plan, PushTime, RetentionEntry, StoredRepository, StoredTag, plan},
};

impl Prune<'_> {
    /// Runs it, to the end that it reports.
    pub(in crate::proxy) async fn run(self) {
        let mut summary = PruneSummary::default();
        let outcome = match self.gate.begin_prune() {
            None => Err(Stop::Run("another run of prune goes on; wait for its end".to_owned())),
            Some(_run) => {
                let (user, apply) = (self.request.user, self.request.apply);
                tracing::info!(user, apply, "prune begins");
                let outcome = self.all(&mut summary).await;
                let PruneSummary { tags_deleted, manifests_deleted, failed, .. } = summary;
                tracing::info!(user, apply, tags_deleted, manifests_deleted, failed, "prune ends");
                outcome
            }
        };
        summary.stopped = match outcome {
            Ok(()) => None,
            Err(Stop::Repository(why) | Stop::Run(why)) => Some(why),
            Err(Stop::Gone) => Some("the command did not wait for the end".to_owned()),
        };
        if let Some(why) = &summary.stopped {
            tracing::warn!(why, "prune ended early");
        }
        let _ = self.reports.send(PruneEvent::End(summary)).await;
    }

    async fn all(&self, summary: &mut PruneSummary) -> Result<(), Stop> {
        let snapshot = self.snapshot.load_full();
        if snapshot.retention.is_empty() {
            let why = "the configuration has no `retention`, so there is nothing to prune; see docs/tags.md";
            return Err(Stop::Run(why.to_owned()));
        }
        let named = self.named(&snapshot)?;
        if !named.is_empty() {
            for name in &named {
                self.one(name, summary).await?;
            }
            return Ok(());
        }
        let (registry, mut names) = (self.registry(&snapshot), Names::behind(""));
        while let Some(page) = names.next_page(&registry).await? {
            for name in &page {
                self.one(name, summary).await?;
            }
        }
        Ok(())
    }

    /// The repositories that the request names.
    ///
    /// # Errors
    /// No entry matches one of them: then nothing is done at all.
    fn named(&self, snapshot: &Snapshot) -> Result<Vec<RepositoryName>, Stop> {
        let parse = |text: &String| {
            let name = RepositoryName::parse(text);
            name.filter(|name| snapshot.retention.entry(name).is_some()).ok_or_else(|| {
                Stop::Run(format!(
                    "no entry of `retention` is for {text}, so nothing was looked at; add one, or leave the name out"
                ))
            })
        };
        self.request.repositories.iter().map(parse).collect()
    }

    /// One repository, whose failure does not concern the others.
    async fn one(&self, name: &RepositoryName, summary: &mut PruneSummary) -> Result<(), Stop> {
        self.reports.progress(name, "begun", (0, 0))?;
        match self.repository(name, summary).await {
            Err(Stop::Repository(why)) => {
                summary.failed += 1;
                tracing::warn!(repository = %name, why, "prune could not do a repository");
                let repository = name.as_str().to_owned();
                self.reports.send(PruneEvent::Failed { repository, why }).await
            }
            outcome => outcome,
        }
    }

    async fn repository(&self, name: &RepositoryName, summary: &mut PruneSummary) -> Result<(), Stop> {
        // The one in force until its end: if it is replaced meanwhile, nothing more is deleted here.
        let snapshot = self.snapshot.load_full();
        let Some(entry) = snapshot.retention.entry(name) else { return Ok(()) };
        let registry = self.registry(&snapshot);
        let applies = self.request.apply && !entry.is_dry_run();
        if applies {
            self.may_go_on(&snapshot)?;
            // Pushes that began before this run, and are not known to it, have ended.
            drop(self.gate.lock_to_prune(name, &registry).await?);
            self.gate.hidden_tags(name, &registry, self.freeze).await?;
        }
        let mut contents = Contents::new(&registry, name, &self.reports);
        let tags = contents.tags().await?;
        if tags.is_empty() && !self.request.repositories.is_empty() {
            return Err(Stop::Repository("the registry shows no tags of it; check its name".to_owned()));
        }
        contents.read_below(&tags).await?;
        let mut stored = self.stored(&snapshot, name, tags, &contents).await?;
        let planned_at = unix_now();
        if entry.looks_at_pulls() {
            stored.pulls = snapshot.state.pulls(name).await.map_err(|error| pulls_unknown(&error))?;
        }
        let plan = plan(entry, &stored, planned_at);
        summary.repositories += 1;
        summary.tags += stored.tags.len();
        summary.tags_to_go += plan.tags.len();
        summary.manifests_to_go += plan.manifests.len();
        summary.tags_of_dry_run += if entry.is_dry_run() { plan.tags.len() } else { 0 };
        self.show(name, entry, &plan).await?;
        if !applies {
            return Ok(());
        }
        let (registry, rule) = (&registry, entry.to_string());
        let planned_at = entry.looks_at_pulls().then_some(planned_at);
        let mut work = Work { name, registry, rule, snapshot: &snapshot, contents, planned_at };
        self.delete(&mut work, &plan, summary).await
    }

    /// The tags with all that is known of each.
    async fn stored(
        &self,
        snapshot: &Snapshot,
        name: &RepositoryName,
        tags: Vec<(Tag, Digest)>,
        contents: &Contents<'_>,
    ) -> Result<StoredRepository, Stop> {
        let unknown = |error| {
            Stop::Repository(format!(
                "it is not known when its tags were pushed: {error}; see the log of the server"
            ))
        };
        snapshot.state.note_seen(name, &tags, unix_now()).await.map_err(unknown)?;
        let times = snapshot.state.push_times(name).await.map_err(unknown)?;
        let tags = tags.into_iter().map(|(tag, digest)| StoredTag {
            pushed: pushed(&times, &tag, &digest),
            is_write_once: snapshot.write_once.lock(name, &tag, "") != TagLock::Open,
            tag,
            digest,
        });
        let manifests = contents.manifests().clone();
        Ok(StoredRepository { tags: tags.collect(), manifests, ..StoredRepository::default() })
    }

    async fn show(&self, name: &RepositoryName, entry: &RetentionEntry, plan: &Plan) -> Result<(), Stop> {
        let item = |tag: &StoredTag, what, why| {
            PruneEvent::Tag(PruneItem {
                repository: name.as_str().to_owned(),
                tag: tag.tag.as_str().to_owned(),
                digest: tag.digest.as_str().to_owned(),
                pushed: tag.pushed.map(|pushed| pushed.at),
                is_exact: tag.pushed.is_some_and(|pushed| pushed.is_exact),
                what,
                why,
            })
        };
        let manifests: HashSet<&Digest> = plan.manifests.iter().collect();
        for tag in &plan.tags {
            let goes = manifests.contains(&tag.digest);
            let what = if goes { PruneWhat::TagAndImage } else { PruneWhat::Tag };
            self.reports.send(item(tag, what, format!("not kept by {entry}"))).await?;
        }
        for (tag, by) in plan.kept.iter().filter(|_| self.request.kept) {
            self.reports.send(item(tag, PruneWhat::Kept, by.to_string())).await?;
        }
        self.reports.send(PruneEvent::Shown { repository: name.as_str().to_owned() }).await
    }

    fn registry(&self, snapshot: &Snapshot) -> Subrequest {
        Subrequest::of_operator(&self.upstream.load(), snapshot)
    }

    /// Returns whether the next step may be taken.
    ///
    /// # Errors
    /// The command is gone, writes are frozen, or another configuration is in force.
    pub(super) fn may_go_on(&self, snapshot: &Arc<Snapshot>) -> Result<(), Stop> {
        use crate::proxy::FreezeStatus;
        self.reports.here()?;
        if self.freeze.status() != FreezeStatus::Open {
            let why = "writes are frozen; run it again after `portwarden thaw`";
            return Err(Stop::Run(why.to_owned()));
        }
        if !Arc::ptr_eq(snapshot, &self.snapshot.load()) {
            let why = "the configuration was reloaded meanwhile; run it again";
            return Err(Stop::Repository(why.to_owned()));
        }
        Ok(())
    }
}

/// The time of the push of a tag. A record about another manifest is none.
fn pushed(times: &HashMap<Tag, (Digest, PushTime)>, tag: &Tag, digest: &Digest) -> Option<PushTime> {
    times.get(tag).filter(|(of, _)| of == digest).map(|(_, pushed)| *pushed)
}
