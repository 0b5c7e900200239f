//! Reads the tags and manifests of a repository, for decisions that no client sees.

use hyper::{HeaderMap, StatusCode, body::Bytes, header};
use serde::Deserialize;

use super::subrequest::{LARGEST, MANIFESTS, Reply, Subrequest};
use crate::{
    authz::Permit,
    image::NamedDigests,
    proxy::upstream::RETRY_AFTER,
    registry::{Digest, ErrorCode, Method, PLACEHOLDER_DIGEST, Refusal, RepositoryName, Tag},
};

/// The largest page that is asked for. Registry 2.8 lists all tags at once.
const PAGE: usize = 1000;
/// The most pages of tags that are read.
const MOST_PAGES: usize = 100;

/// Reads one repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TagReader<'a> {
    pub(crate) registry: &'a Subrequest,
    pub(crate) name: &'a RepositoryName,
}

/// The content of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// This manifest.
    Digest(Digest),
    /// Not a manifest that can be read, and the tag is in the list.
    Listed,
    /// The placeholder: it counts as deleted.
    Placeholder,
    /// It is not there.
    Nothing,
}

/// A page of `tags/list`; `null` for none.
#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl TagReader<'_> {
    /// The content of a tag, as far as the registry shows it.
    ///
    /// # Errors
    /// The registry gives no answer, or one that says neither.
    pub(crate) async fn find(&self, tag: &Tag) -> Result<Found, Refusal> {
        match self.digest_on(tag).await? {
            Some(digest) if digest.is_of_placeholder() => return Ok(Found::Placeholder),
            Some(digest) => return Ok(Found::Digest(digest)),
            None => {}
        }
        let is_listed = self.all().await?.is_some_and(|tags| tags.contains(tag));
        Ok(if is_listed { Found::Listed } else { Found::Nothing })
    }

    /// The digest of a tag; `None` where the registry shows no manifest, or the placeholder.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) async fn digest_of(&self, tag: &Tag) -> Result<Option<Digest>, Refusal> {
        Ok(self.digest_on(tag).await?.filter(|digest| !digest.is_of_placeholder()))
    }

    /// The digest of a tag, or that of the placeholder; `None` where the registry shows neither.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) async fn digest_on(&self, tag: &Tag) -> Result<Option<Digest>, Refusal> {
        let what = format!("the tag {tag} of {}", self.name);
        let reply = self.ask(Method::Head, &format!("manifests/{tag}"), None, MANIFESTS).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                digest_in(&reply.headers).map(Some).ok_or_else(|| undecided(&what, reply.status))
            }
            status => Err(undecided(&what, status)),
        }
    }

    /// Returns true if the repository has the placeholder, so that it may stand on tags.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) async fn has_placeholder(&self) -> Result<bool, Refusal> {
        let path = format!("manifests/{PLACEHOLDER_DIGEST}");
        let reply = self.ask(Method::Head, &path, None, MANIFESTS).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(false),
            StatusCode::OK => Ok(digest_in(&reply.headers).is_some_and(|digest| digest.is_of_placeholder())),
            status => Err(undecided(&format!("which tags of {} are deleted", self.name), status)),
        }
    }

    /// The bytes of a manifest; `None` where the registry does not have it.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) async fn manifest(&self, digest: &Digest) -> Result<Option<Bytes>, Refusal> {
        let reply = self.ask(Method::Get, &format!("manifests/{digest}"), None, MANIFESTS).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => Ok(Some(reply.body)),
            status => Err(self.without_manifest(digest, status)),
        }
    }

    /// Returns true if the repository has the digest as a blob, which registry 2.8 reads as a manifest as well.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) async fn is_blob(&self, digest: &Digest) -> Result<bool, Refusal> {
        let reply = self.ask(Method::Head, &format!("blobs/{digest}"), None, "*/*").await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() || status.is_redirection() => Ok(true),
            status => Err(undecided(&format!("the blob {digest} of {}", self.name), status)),
        }
    }

    /// Returns true if the repository has the digest as a blob that no registry can read as a manifest: a layer that an
    /// index names, as that of a build cache.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) async fn is_no_manifest(&self, digest: &Digest) -> Result<bool, Refusal> {
        let path = format!("blobs/{digest}");
        let head = self.ask(Method::Head, &path, None, "*/*").await?;
        let length =
            head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if head.status == StatusCode::OK && length.is_some_and(|length: usize| length > LARGEST) {
            return Ok(true);
        }
        let reply = self.ask(Method::Get, &path, None, "*/*").await?;
        let is_whole = reply.status == StatusCode::OK && Digest::of(&reply.body) == *digest;
        Ok(is_whole && NamedDigests::read(&reply.body).is_none())
    }

    /// The answer where a manifest cannot be used.
    pub(crate) fn without_manifest(&self, digest: &Digest, status: StatusCode) -> Refusal {
        undecided(&format!("the manifest {digest} of {}", self.name), status)
    }

    /// All tags of the repository, in the registry's order; `None` where there is no such repository.
    ///
    /// # Errors
    /// As [`Self::find`]; and for more than can be read.
    pub(crate) async fn all(&self) -> Result<Option<Vec<Tag>>, Refusal> {
        let what = format!("the tags of {}", self.name);
        let mut tags: Vec<Tag> = Vec::new();
        for _ in 0..MOST_PAGES {
            let last = tags.last().map(|tag| format!("&last={tag}")).unwrap_or_default();
            let reply = self
                .ask(Method::Get, "tags/list", Some(&format!("n={PAGE}{last}")), "application/json")
                .await?;
            if reply.status == StatusCode::NOT_FOUND && tags.is_empty() {
                return Ok(None);
            }
            let page = serde_json::from_slice::<Page>(&reply.body).ok();
            let page = page.filter(|_| reply.status == StatusCode::OK);
            let page = page.ok_or_else(|| undecided(&what, reply.status))?.tags.unwrap_or_default();
            let before = tags.len();
            tags.extend(page.iter().filter_map(|tag| Tag::parse(tag)));
            let is_last = !reply.headers.contains_key(header::LINK);
            if is_last {
                return Ok(Some(tags));
            }
            // It promises more, and does not go on.
            if tags.len() == before {
                return Err(undecided(&what, reply.status));
            }
        }
        let why = format!(
            "{} has too many tags to decide this: delete tags, or take away the rule with `tag` or the entry of \
             tags.write_once that looks at them",
            self.name
        );
        Err(Refusal::new(ErrorCode::Unavailable, why))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        accept: &'static str,
    ) -> Result<Reply, Refusal> {
        let permit = Permit::to_decide(method, &format!("/v2/{}/{path}", self.name), query);
        let permit = permit.ok_or_else(|| Refusal::new(ErrorCode::Internal, "a read that is none"))?;
        self.registry.ask(&permit, accept).await
    }
}

/// The digest in an answer about a manifest.
pub(crate) fn digest_in(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(headers.get("docker-content-digest")?.to_str().ok()?)
}

/// The answer where the registry does not say enough.
fn undecided(what: &str, status: StatusCode) -> Refusal {
    let why = format!(
        "this depends on the tags of the repository, and the registry does not show {what}: it answers {}; try again \
         later",
        status.as_u16()
    );
    Refusal::new(ErrorCode::Unavailable, why).retry_after(RETRY_AFTER)
}
