//! Reads the tags and manifests of a repository, for decisions that no client sees.

use hyper::{StatusCode, header};
use serde::Deserialize;

use super::{children::children, undecided};
use crate::{
    authz::Permit,
    proxy::forward::subrequest::{MANIFESTS, Reply, Subrequest},
    registry::{Digest, ErrorCode, Method, Refusal, RepositoryName, Tag},
};

/// The largest page that is asked for. Registry 2.8 lists all tags at once.
const PAGE: usize = 1000;
/// The most pages of tags that are read.
const MOST_PAGES: usize = 100;

/// Reads one repository.
#[derive(Clone, Copy)]
pub(super) struct TagReader<'a> {
    pub(super) registry: &'a Subrequest,
    pub(super) name: &'a RepositoryName,
}

/// The content of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// This manifest.
    Digest(Digest),
    /// Not a manifest that can be read, and the tag is in the list.
    Listed,
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
    pub(super) async fn find(&self, tag: &Tag) -> Result<Found, Refusal> {
        if let Some(digest) = self.digest_of(tag).await? {
            return Ok(Found::Digest(digest));
        }
        let is_listed = self.all().await?.contains(tag);
        Ok(if is_listed { Found::Listed } else { Found::Nothing })
    }

    /// The digest of a tag; `None` where the registry shows no manifest.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(super) async fn digest_of(&self, tag: &Tag) -> Result<Option<Digest>, Refusal> {
        let what = format!("the tag {tag} of {}", self.name);
        let reply = self.ask(Method::Head, &format!("manifests/{tag}"), None, MANIFESTS).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let digest = reply.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
                digest.and_then(Digest::parse).map(Some).ok_or_else(|| undecided(&what, reply.status))
            }
            status => Err(undecided(&what, status)),
        }
    }

    /// The digests of the manifests that an index names; none for an image, `None` where there is no such manifest.
    ///
    /// # Errors
    /// As [`Self::find`]; and for a manifest that cannot be understood.
    pub(super) async fn children(&self, digest: &Digest) -> Result<Option<Vec<Digest>>, Refusal> {
        let what = format!("the manifest {digest} of {}", self.name);
        let reply = self.ask(Method::Get, &format!("manifests/{digest}"), None, MANIFESTS).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let read = children(&reply.body).filter(|_| reply.status == StatusCode::OK);
        read.map(Some).ok_or_else(|| undecided(&what, reply.status))
    }

    /// All tags of the repository; none where there is no such repository.
    ///
    /// # Errors
    /// As [`Self::find`]; and for more than can be read.
    pub(super) async fn all(&self) -> Result<Vec<Tag>, Refusal> {
        let what = format!("the tags of {}", self.name);
        let mut tags: Vec<Tag> = Vec::new();
        for _ in 0..MOST_PAGES {
            let last = tags.last().map(|tag| format!("&last={tag}")).unwrap_or_default();
            let reply = self
                .ask(Method::Get, "tags/list", Some(&format!("n={PAGE}{last}")), "application/json")
                .await?;
            if reply.status == StatusCode::NOT_FOUND && tags.is_empty() {
                return Ok(tags);
            }
            let page = serde_json::from_slice::<Page>(&reply.body).ok();
            let page = page.filter(|_| reply.status == StatusCode::OK);
            let page = page.ok_or_else(|| undecided(&what, reply.status))?.tags.unwrap_or_default();
            let before = tags.len();
            tags.extend(page.iter().filter_map(|tag| Tag::parse(tag)));
            let is_last = !reply.headers.contains_key(header::LINK);
            if is_last {
                return Ok(tags);
            }
            // It promises more, and does not go on.
            if tags.len() == before {
                return Err(undecided(&what, reply.status));
            }
        }
        let why = format!("{} has too many tags to decide about a write-once tag", self.name);
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
