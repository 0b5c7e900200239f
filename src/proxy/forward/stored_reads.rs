//! Reads that the registry's files answer alone (`registry.storage_answers`), for clients and for Portwarden itself.

use std::time::Instant;

use hyper::{
    HeaderMap,
    body::Bytes,
    header::{self, HeaderValue},
};
use serde_json::json;

use crate::{
    limits::Slot,
    proxy::{
        Snapshot,
        stored_answers::{
            BLOB, DEFAULT_PAGE, Form, StoredAnswers, accepts, complete, complete_list, is_conditional,
            next_page,
        },
    },
    registry::{Endpoint, Route, Tag},
    storage::{BlobReader, Lists, Part, Storage},
};

/// The files, and the knowledge about answers from them.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct StoredReads<'a> {
    storage: &'a Storage,
    answers: &'a StoredAnswers,
}

/// The one that a read is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Asker {
    /// A client, whose answer is the registry's to the last byte.
    Client,
    /// Portwarden itself, which gets lists whole: it reads them to their end in any case.
    Ourselves,
}

/// An answer with the status 200.
pub(in crate::proxy) struct StoredAnswer {
    pub(in crate::proxy) headers: HeaderMap,
    pub(in crate::proxy) content: Content,
    /// `None` for an answer to HEAD, which has no body.
    pub(in crate::proxy) slot: Option<Slot>,
}

/// The body of an answer, also where it is not sent.
pub(in crate::proxy) enum Content {
    /// The bytes of a blob, which are yet to be read.
    Blob(BlobReader),
    /// All of it.
    Text(Bytes),
    /// A list without a Content-Length.
    LongText(Bytes),
}

/// The largest list that a client gets from the files, in bytes: it is held in memory until it has gone out.
const LARGEST_LIST: usize = 256 << 10;
/// The most repositories that Portwarden reads for itself.
const MOST_REPOSITORIES: usize = 200_000;

type Read<T> = Result<T, &'static str>;

impl<'a> StoredReads<'a> {
    /// Those of a configuration; `None` where the files answer nothing.
    pub(in crate::proxy) fn of(snapshot: &'a Snapshot) -> Option<Self> {
        Some(Self { storage: snapshot.storage.as_ref()?, answers: snapshot.answers.as_ref()? })
    }

    /// Answers a read that is permitted, with the headers that `client` has sent.
    ///
    /// # Errors
    /// The reason why the registry is to be asked, in the word for metrics.
    pub(in crate::proxy) async fn read(
        &self,
        (form, route): (Form, &Route),
        client: &HeaderMap,
        asker: Asker,
        slot: impl FnOnce() -> Option<Slot>,
    ) -> Read<StoredAnswer> {
        if !self.answers.is_proven(Instant::now()) {
            return Err("off");
        }
        if is_conditional(client) {
            return Err("condition");
        }
        // Taken before a file is opened. An answer to HEAD keeps none.
        let slot = if form.is_head() { None } else { Some(slot().ok_or("busy")?) };
        let (headers, content) = match form {
            Form::Blob { .. } => self.blob(form, route).await,
            Form::Manifest { .. } => self.manifest(form, route, client).await,
            Form::Tags => self.tags(route, asker).await,
            Form::Catalog => self.catalog(route, asker).await,
        }?;
        Ok(StoredAnswer { headers, content, slot })
    }

    /// Returns true if a read that found nothing was of a tag that is not there: no registry has it either.
    pub(in crate::proxy) async fn lacks_tag(&self, route: &Route) -> bool {
        match route.endpoint() {
            Endpoint::ManifestByTag(name, tag) => self.storage.lacks_tag(name, tag).await,
            _ => false,
        }
    }

    /// The headers of all answers of a form. The last thing to be asked for: a request that is not answered here leaves it
    /// to others to see whether they have changed.
    fn headers(&self, form: Form) -> Read<HeaderMap> {
        self.answers.headers(form).ok_or("unlearned")
    }

    async fn blob(&self, form: Form, route: &Route) -> Read<(HeaderMap, Content)> {
        let Endpoint::Blob(name, digest) = route.endpoint() else { return Err("other") };
        let reader = self.storage.linked_blob(name, digest).await.map_err(|error| error.as_str())?;
        let mut headers = self.headers(form)?;
        complete(&mut headers, digest, BLOB, reader.left());
        Ok((headers, Content::Blob(reader)))
    }

    async fn manifest(&self, form: Form, route: &Route, client: &HeaderMap) -> Read<(HeaderMap, Content)> {
        let manifest = match route.endpoint() {
            Endpoint::ManifestByTag(name, tag) => self.storage.tagged_manifest(name, tag).await,
            Endpoint::ManifestByDigest(name, digest) => self.storage.linked_manifest(name, digest).await,
            _ => return Err("other"),
        };
        let manifest = manifest.map_err(|error| error.as_str())?;
        let media_type = self.answers.media_type(&manifest.digest).ok_or("unlearned")?;
        if !accepts(client, media_type) {
            return Err("accept");
        }
        let mut headers = self.headers(form)?;
        complete(&mut headers, &manifest.digest, media_type, manifest.content.len() as u64);
        Ok((headers, Content::Text(manifest.content)))
    }

    async fn tags(&self, route: &Route, asker: Asker) -> Read<(HeaderMap, Content)> {
        let Endpoint::Tags(name) = route.endpoint() else { return Err("other") };
        let lists = self.answers.lists().ok_or("unlearned")?;
        // Registry 2.8 does not look at the query. How large pages may be is a setting of registry 3.
        let is_part = match asker {
            Asker::Client => route.asks("n") || route.asks("last"),
            Asker::Ourselves => route.asks("last"),
        };
        if is_part && lists == Lists::V3 {
            return Err("condition");
        }
        let mut tags = self.storage.tags(name).await.map_err(|error| error.as_str())?;
        if tags.is_empty() {
            // Written as `null` by some.
            return Err("other");
        }
        if lists == Lists::V3 {
            tags.sort_unstable();
        }
        let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        let text = format!("{}\n", json!({ "name": name.as_str(), "tags": tags }));
        list(self.headers(Form::Tags)?, text, asker)
    }

    async fn catalog(&self, route: &Route, asker: Asker) -> Read<(HeaderMap, Content)> {
        let lists = self.answers.lists().ok_or("unlearned")?;
        let (page, is_first) = (route.catalog_page(), !route.asks("last"));
        let n = page.n.unwrap_or(DEFAULT_PAGE);
        let (most, is_whole) = match asker {
            // A page of none has rules of its own.
            Asker::Client if n == 0 || !self.answers.knows_page(n) => return Err("unlearned"),
            Asker::Client => (n as usize, false),
            Asker::Ourselves => (MOST_REPOSITORIES, true),
        };
        // Registry 3 goes on in the middle of its walk, and lists with another one `1/a/0` that comes before `1/a`.
        if !is_first && (is_whole || lists == Lists::V3 || page.last.is_empty()) {
            return Err("condition");
        }
        let part = Part { lists, last: page.last, most };
        let found = self.storage.repositories(part).await.map_err(|error| error.as_str())?;
        if is_whole && found.has_more {
            return Err("other");
        }
        // For ourselves only the version matters, and the lists of tags show that.
        let mut headers = if is_whole { HeaderMap::new() } else { self.headers(Form::Catalog)? };
        if let Some(last) = found.names.last().filter(|_| found.has_more) {
            headers.extend(HeaderValue::try_from(next_page(last, n)).ok().map(|link| (header::LINK, link)));
        }
        list(headers, format!("{}\n", json!({ "repositories": found.names })), asker)
    }
}

fn list(mut headers: HeaderMap, text: String, asker: Asker) -> Read<(HeaderMap, Content)> {
    if asker == Asker::Client && text.len() > LARGEST_LIST {
        return Err("other");
    }
    let is_sized = complete_list(&mut headers, text.len());
    let text = Bytes::from(text);
    Ok((headers, if is_sized { Content::Text(text) } else { Content::LongText(text) }))
}
