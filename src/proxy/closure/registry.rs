//! Reads from the registry what tags reach: what each names, and the manifests below.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Actions, Inquiry, SCAN_LASTS, document::Children, graph::NotTaken, subject, unsettled};
use crate::{
    proxy::forward::{gather::gather, tag_reader::TagReader},
    registry::{Digest, ErrorCode, Refusal, RepositoryName, Tag},
};

/// The time for one round of questions. It is shorter than that of the whole, so that what was read is kept.
const READING: Duration = Duration::from_secs(15);

impl Inquiry<'_> {
    /// The tags of a repository, in the registry's order; `None` where it is not there.
    ///
    /// # Errors
    /// The registry gives no answer, or one that is no list of tags.
    pub(super) async fn tags(&self, name: &RepositoryName) -> Result<Option<Vec<Tag>>, Refusal> {
        TagReader { registry: self.registry, name }.all().await
    }

    /// Asks the registry what a tag names, and keeps it.
    pub(super) async fn ask_tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let read = Instant::now();
        let named = TagReader { registry: self.registry, name }.digest_of(tag).await?;
        self.keep_tag(name, tag, named.as_ref(), read)?;
        Ok(named.map(|digest| digest.as_str().into()))
    }

    fn keep_tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        named: Option<&Digest>,
        read: Instant,
    ) -> Result<(), Refusal> {
        let named = named.map(Digest::as_str);
        self.closure.graph.lock().tag(name.as_str(), tag.as_str(), named, read).map_err(not_taken)
    }

    /// Reads a manifest, unless it is known. Returns false for one that is not there. One whose content is not that of its
    /// digest reaches nothing.
    ///
    /// # Errors
    /// The registry gives no answer, or there is no room.
    pub(super) async fn read(&self, name: &RepositoryName, digest: &str) -> Result<bool, Refusal> {
        if self.closure.graph.lock().is_read(name.as_str(), digest) {
            return Ok(true);
        }
        let read = Instant::now();
        let children = children(TagReader { registry: self.registry, name }, digest).await?;
        self.keep(name, digest, children.as_ref(), read)?;
        Ok(children.is_some())
    }

    fn keep(
        &self,
        name: &RepositoryName,
        digest: &str,
        children: Option<&Children>,
        read: Instant,
    ) -> Result<(), Refusal> {
        let Some(children) = children else {
            self.closure.graph.lock().absent(name.as_str(), digest, read);
            return Ok(());
        };
        self.closure.graph.lock().add(name.as_str(), digest, children, read).map_err(not_taken)
    }

    /// Reads the manifests at and below these, as far as they are not known.
    pub(super) async fn read_below(&self, name: &RepositoryName, roots: &[Arc<str>]) -> Result<(), Refusal> {
        let mut asked = HashSet::new();
        loop {
            let mut unread = self.closure.graph.lock().unread_below(name.as_str(), roots, Instant::now());
            unread.retain(|digest| asked.insert(Arc::clone(digest)));
            if unread.is_empty() {
                return Ok(());
            }
            let read = Instant::now();
            let found = gather(unread.clone(), READING, |digest: Arc<str>| {
                let (registry, name) = (self.registry.clone(), name.clone());
                async move { children(TagReader { registry: &registry, name: &name }, &digest).await }
            });
            for (digest, found) in unread.iter().zip(found.await) {
                self.keep(name, digest, found.ok_or_else(too_slow)??.as_ref(), read)?;
            }
        }
    }

    /// Reads what the tags name on which the account has these actions; then what is about it (`sha256-<hex>…`), and all
    /// manifests below. What was read lately is not read again, so that a reading that took too long goes on.
    ///
    /// # Errors
    /// The registry, or a back end, gives no answer.
    pub(super) async fn scan(&self, name: &RepositoryName, actions: Actions) -> Result<(), Refusal> {
        let (mut first, mut about) = (Vec::new(), Vec::new());
        let Some(tags) = self.tags(name).await? else { return Ok(()) };
        self.closure.graph.lock().know(name.as_str(), Instant::now()).map_err(not_taken)?;
        for tag in tags {
            if self.may(name, tag.as_str(), actions).await? {
                first.push(tag);
            } else if tag.subject().is_some() {
                about.push(tag);
            }
        }
        self.read_tags(name, first).await?;
        loop {
            let (known, rest): (Vec<Tag>, Vec<Tag>) = {
                let graph = self.closure.graph.lock();
                let is_known =
                    |tag: &Tag| subject(tag.as_str()).is_some_and(|of| graph.has(name.as_str(), &of));
                about.into_iter().partition(is_known)
            };
            if known.is_empty() {
                return Ok(());
            }
            self.read_tags(name, known).await?;
            about = rest;
        }
    }

    /// Asks what each tag names, and reads the manifests at and below.
    async fn read_tags(&self, name: &RepositoryName, mut tags: Vec<Tag>) -> Result<(), Refusal> {
        let read = Instant::now();
        let mut roots = Vec::with_capacity(tags.len());
        {
            let (since, graph) = (read.checked_sub(SCAN_LASTS), self.closure.graph.lock());
            tags.retain(|tag| match graph.tag_since(name.as_str(), tag.as_str(), since) {
                Some(digest) => {
                    roots.push(digest);
                    false
                }
                None => true,
            });
        }
        let named = gather(tags.clone(), READING, |tag: Tag| {
            let (registry, name) = (self.registry.clone(), name.clone());
            async move { TagReader { registry: &registry, name: &name }.digest_of(&tag).await }
        });
        let mut outcome = Ok(());
        for (tag, found) in tags.iter().zip(named.await) {
            match found {
                Some(Ok(digest)) => {
                    self.keep_tag(name, tag, digest.as_ref(), read)?;
                    roots.extend(digest.map(|digest| Arc::from(digest.as_str())));
                }
                Some(Err(refusal)) => outcome = Err(refusal),
                None => outcome = Err(too_slow()),
            }
        }
        outcome?;
        self.read_below(name, &roots).await
    }
}

fn not_taken(why: NotTaken) -> Refusal {
    match why {
        NotTaken::Outdated => unsettled("something in the repository is being deleted"),
        NotTaken::TooLarge => {
            let why = "the repository has too many digests to tell whether your tags reach this; a rule without `tag` needs \
                       no such look";
            Refusal::new(ErrorCode::Unavailable, why)
        }
    }
}

fn too_slow() -> Refusal {
    unsettled("it takes too long")
}

/// The part that a manifest reaches; `None` where it is not there. Only SHA-256 is known: a manifest of another digest
/// reaches nothing. A blob that looks like a manifest was not looked into when it was uploaded, and refers to nothing.
async fn children(reader: TagReader<'_>, digest: &str) -> Result<Option<Children>, Refusal> {
    let Some(digest) = Digest::parse(digest).filter(Digest::is_sha256) else {
        return Ok(None);
    };
    let manifest = match reader.manifest(&digest).await {
        // Or the failure would show that it is there. It is not kept, since a failure may be over.
        Err(_) if reader.is_blob(&digest).await? => None,
        manifest => manifest?,
    };
    let Some(manifest) = manifest else { return Ok(None) };
    if Digest::of(&manifest) != digest {
        return Ok(Some(Children::default()));
    }
    let mut children = Children::read(&manifest);
    if children.subject.is_some() && reader.is_blob(&digest).await? {
        children.subject = None;
    }
    Ok(Some(children))
}
