//! The search for a tag that reaches a digest, in what is known of the repository.

use std::{collections::HashSet, sync::Arc, time::Instant};

use super::{Actions, Asked, FRESH, Inquiry, PULL, Root, subject};
use crate::registry::{Refusal, RepositoryName, Tag};

/// Tags that are looked at before other requests get their turn.
const BETWEEN_YIELDS: usize = 256;

/// A tag, and what it named when it was read.
struct Named {
    tag: Arc<str>,
    root: Arc<str>,
    /// True if the account was told so, lately.
    is_kept: bool,
}

/// The choice to ask the registry what a tag names, where that is not known for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskRegistry {
    No,
    Yes,
}

impl Inquiry<'_> {
    /// Reads what the account was told that its tags name: the manifests, and for a blob those below.
    pub(super) async fn read_kept(&self, Asked { name, is_manifest, .. }: Asked<'_>) -> Result<(), Refusal> {
        let roots: HashSet<Arc<str>> = {
            let roots = self.closure.roots.lock();
            let here = roots.of(self.caller.account, name.as_str(), Instant::now());
            here.map(|(_, root)| Arc::clone(root)).collect()
        };
        let mut there = Vec::with_capacity(roots.len());
        for root in roots {
            if self.read(name, &root).await? {
                there.push(root);
            } else {
                let is_gone = |(_, gone): &Root| *gone == root;
                self.closure.roots.lock().remove_of(self.caller.account, name.as_str(), is_gone);
            }
        }
        if is_manifest { Ok(()) } else { self.read_below(name, &there).await }
    }

    /// Returns true if a tag with these actions reaches the digest, as far as the graph is known: one that the account was
    /// told of lately, or one that still names what it named.
    ///
    /// A tag that is about a manifest (`sha256-<hex>…`) counts if that manifest is reached.
    pub(super) async fn search(
        &self,
        Asked { name, digest, is_manifest }: Asked<'_>,
        actions: Actions,
        ask: AskRegistry,
    ) -> Result<bool, Refusal> {
        // What the account was told of comes first: it needs no look at the registry, and is nearly always enough.
        let ways = if actions == PULL { &[false, true][..] } else { &[false] };
        let mut open: Vec<_> =
            ways.iter().map(|is_kept| (digest.to_owned(), is_manifest, *is_kept)).collect();
        let (mut targets, mut tags) = (HashSet::from([digest.to_owned()]), HashSet::new());
        while let Some((target, is_manifest, is_kept)) = open.pop() {
            for named in self.named_above(name, (&target, is_manifest), is_kept) {
                if !tags.insert((Arc::clone(&named.tag), is_kept)) {
                    continue;
                }
                if tags.len() % BETWEEN_YIELDS == 0 {
                    tokio::task::yield_now().await;
                }
                let may = self.may(name, &named.tag, actions).await?;
                let subject = if may { None } else { subject(&named.tag) };
                let subject = subject.filter(|subject| !targets.contains(subject));
                if !may && subject.is_none() || !self.holds(name, &named, ask).await? {
                    continue;
                }
                match subject {
                    None => return Ok(true),
                    Some(subject) => {
                        open.extend(ways.iter().map(|is_kept| (subject.clone(), true, *is_kept)));
                        targets.insert(subject);
                    }
                }
            }
        }
        Ok(false)
    }

    /// The tags that named what reaches a digest: those that the account was told of lately, or those that were read.
    fn named_above(&self, name: &RepositoryName, digest: (&str, bool), is_kept: bool) -> Vec<Named> {
        let named = |(tag, root): (&Arc<str>, &Arc<str>)| Named {
            tag: Arc::clone(tag),
            root: Arc::clone(root),
            is_kept,
        };
        if !is_kept {
            return self.closure.graph.lock().above(name.as_str(), digest).tags().map(named).collect();
        }
        let roots = self.closure.roots.lock();
        let mut here = roots.of(self.caller.account, name.as_str(), Instant::now()).peekable();
        if here.peek().is_none() {
            return Vec::new();
        }
        let graph = self.closure.graph.lock();
        let above = graph.above(name.as_str(), digest);
        here.filter(|(_, root)| above.has(root)).map(|(tag, root)| named((tag, root))).collect()
    }

    /// Returns true if the tag still counts for what it named: the registry says so, at most two seconds ago, or the
    /// account was told of it lately.
    async fn holds(&self, name: &RepositoryName, named: &Named, ask: AskRegistry) -> Result<bool, Refusal> {
        if named.is_kept {
            return Ok(true);
        }
        let since = Instant::now().checked_sub(FRESH);
        let known = self.closure.graph.lock().tag_since(name.as_str(), &named.tag, since);
        let found = match (known, Tag::parse(&named.tag)) {
            (Some(known), _) => Some(known),
            (None, Some(tag)) if ask == AskRegistry::Yes => self.ask_tag(name, &tag).await?,
            (None, _) => None,
        };
        Ok(found.is_some_and(|found| found == named.root))
    }
}
