//! Reads a registry for a visitor: each question is a request that the visitor's own client could send, authorised like
//! it.

use std::sync::Arc;

use hyper::{HeaderMap, StatusCode, body::Bytes};
use serde::Deserialize;

use super::{
    known_tags::KnownTags,
    object_store::ObjectStores,
    page_error::{PageError, PageResult},
    summaries::Summaries,
};
use crate::{
    authz::{self, Denial, NotPermitted, Permit, TagLock},
    image::{Descriptor, ImageConfig, Manifest},
    proxy::{
        Snapshot,
        auth::caller::Caller,
        closure::{Closure, Inquiry},
        forward::subrequest::{MANIFESTS, Reply, Subrequest},
        response::upstream_error::undecided,
    },
    registry::{Digest, ErrorCode, Method, RepositoryName, Route, Tag},
    ui::NoConfig,
};

/// Reads for one visitor. Cheap to clone: one for each of several questions at once.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) subrequest: Subrequest,
    pub(super) caller: Arc<Caller>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) tags: Arc<KnownTags>,
    pub(super) summaries: Arc<Summaries>,
    pub(super) object_stores: Arc<ObjectStores>,
    pub(super) closure: Arc<Closure>,
}

/// A manifest, as it was found.
#[derive(Debug)]
pub(super) struct FoundManifest {
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) manifest: Manifest,
}

/// Tags as the registry lists them; `null` for none.
#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

const ANYTHING: &str = "*/*";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Platforms of an index that are looked into.
pub(super) const ENTRIES: usize = 16;
/// The largest document that is looked into. Escaped, it may be five times as long on the page, which is made in one
/// piece.
pub(super) const LARGEST: usize = 512 << 10;

impl Reader {
    /// The tags of a repository, in the registry's order.
    pub(super) async fn tags(&self, name: &RepositoryName) -> PageResult<Vec<Tag>> {
        match self.may_list(name).await? {
            true => self.listed(name).await,
            false => self.inquiry().visible_tags(name).await?.ok_or(PageError::NotFound),
        }
    }

    /// The same without those that belong to another manifest, such as a signature; as they were known within the last
    /// minute. It costs the list alone.
    pub(super) async fn image_tags(&self, name: &RepositoryName) -> PageResult<Arc<[Tag]>> {
        let of_images = |tags: Vec<Tag>| tags.into_iter().filter(|tag| tag.subject().is_none()).collect();
        if !self.may_list(name).await? {
            let visible = self.inquiry().visible_image_tags(name).await?;
            return visible.map(of_images).ok_or(PageError::NotFound);
        }
        if let Some(known) = self.tags.get(name) {
            return Ok(known);
        }
        let before = self.tags.before();
        let tags = of_images(self.listed(name).await?);
        self.tags.keep(name, &tags, before);
        Ok(tags)
    }

    /// Returns false if a repository did not have that tag within the last minute.
    pub(super) fn may_have(&self, name: &RepositoryName, tag: &Tag) -> bool {
        // Those of other manifests are not remembered.
        tag.subject().is_some() || self.tags.get(name).is_none_or(|tags| tags.contains(tag))
    }

    /// Returns true if the visitor may list all tags of a repository, and false if it may see some of them.
    ///
    /// # Errors
    /// It may see none, or that cannot be decided.
    pub(super) async fn may_list(&self, name: &RepositoryName) -> PageResult<bool> {
        let route = Route::parse("GET", &list_of(name), None).map_err(|_| PageError::NotFound)?;
        let asked = self.caller.as_authz(&self.snapshot.settings.service);
        match authz::authorize(&self.snapshot.authorizers, asked, route).await {
            Ok(_) => Ok(true),
            Err(NotPermitted::ByTag(_)) => Ok(false),
            Err(NotPermitted::Denied(denial)) => Err(PageError::Hidden(denial.by.in_full())),
            Err(NotPermitted::Unavailable(error)) => Err(undecided(&error).into()),
        }
    }

    async fn listed(&self, name: &RepositoryName) -> PageResult<Vec<Tag>> {
        let reply = self.get(&list_of(name), "application/json").await?;
        let Ok(listed) = serde_json::from_slice::<Tags>(&reply.body) else {
            return Err(PageError::Strange(reply.status));
        };
        Ok(listed.tags.unwrap_or_default().iter().filter_map(|tag| Tag::parse(tag)).collect())
    }

    /// The manifest that a tag or a digest names.
    pub(super) async fn manifest(&self, name: &RepositoryName, reference: &str) -> PageResult<FoundManifest> {
        let reply = self.get(&format!("/v2/{name}/manifests/{reference}"), MANIFESTS).await?;
        let digest = digest_in(&reply.headers).ok_or(PageError::Strange(reply.status))?;
        let media_type = text(&reply.headers, "content-type").to_owned();
        let declared = Some(media_type.as_str()).filter(|text| !text.is_empty());
        let manifest = manifest_in(declared, &reply.body);
        Ok(FoundManifest { digest, media_type, manifest })
    }

    /// The manifests that refer to one, as the registry lists them (OCI distribution 1.1).
    ///
    /// # Errors
    /// [`PageError::NotFound`]: the registry lists none, as registry 2.8 and 3.
    pub(super) async fn referrers(&self, name: &RepositoryName, digest: &str) -> PageResult<Vec<Descriptor>> {
        let reply = self.get(&format!("/v2/{name}/referrers/{digest}"), INDEX).await?;
        match manifest_in(Some(INDEX), &reply.body) {
            Manifest::Index { manifests, .. } => Ok(manifests),
            _ => Err(PageError::Strange(reply.status)),
        }
    }

    /// The digest of what a tag names.
    pub(super) async fn digest_of(&self, name: &RepositoryName, tag: &str) -> PageResult<Digest> {
        let path = format!("/v2/{name}/manifests/{tag}");
        let reply = only_ok(self.ask(Method::Head, &path, MANIFESTS).await?)?;
        digest_in(&reply.headers).ok_or(PageError::Strange(reply.status))
    }

    /// The configuration of an image, or why it is not known.
    ///
    /// # Errors
    /// It cannot be read just now.
    pub(super) async fn config(
        &self,
        name: &RepositoryName,
        config: &Descriptor,
    ) -> PageResult<Result<ImageConfig, NoConfig>> {
        let document = self.document(name, config).await?;
        Ok(document.and_then(|document| ImageConfig::parse(&document).ok_or(NoConfig::Unreadable)))
    }

    /// A blob that is small enough to be looked into, or why it is not known.
    ///
    /// # Errors
    /// It cannot be read just now.
    pub(super) async fn document(
        &self,
        name: &RepositoryName,
        blob: &Descriptor,
    ) -> PageResult<Result<Bytes, NoConfig>> {
        let answer = self.ask(Method::Get, &format!("/v2/{name}/blobs/{}", blob.digest), ANYTHING).await;
        let document = match answer {
            Ok(reply) if reply.status.is_redirection() => match self.follow(&reply.headers, blob).await {
                Ok(document) => Some(document),
                Err(why) => return Ok(Err(why)),
            },
            answer => lasting(answer.and_then(only_ok))?.map(|reply| reply.body),
        };
        Ok(document.filter(|document| document.len() <= LARGEST).ok_or(NoConfig::Unreadable))
    }

    /// The blob in the object store to which the registry redirects.
    async fn follow(&self, redirect: &HeaderMap, blob: &Descriptor) -> Result<Bytes, NoConfig> {
        let allowed = &self.snapshot.settings.follow_redirects;
        self.object_stores.follow(redirect, allowed, self.subrequest.upstream.address(), &blob.digest).await
    }

    /// Returns true if the visitor can neither move nor delete a tag.
    pub(super) fn is_write_once(&self, name: &RepositoryName, tag: &Tag) -> bool {
        matches!(self.snapshot.write_once.lock(name, tag, self.caller.account()), TagLock::WriteOnce(_))
    }

    /// Returns true if the visitor may send that request.
    pub(super) async fn may(&self, method: Method, path: &str) -> PageResult<bool> {
        match self.permit(method, path).await {
            Ok(permit) => Ok(permit.is_ok()),
            Err(PageError::NotFound) => Ok(false),
            Err(PageError::Refused(refusal)) if refusal.code == ErrorCode::Denied => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The permit for a request; the reason where there is none.
    pub(super) async fn permit(&self, method: Method, path: &str) -> PageResult<Result<Permit, Denial>> {
        let route = Route::parse(method.as_str(), path, None).map_err(|_| PageError::NotFound)?;
        let asked = self.caller.as_authz(&self.snapshot.settings.service);
        match authz::authorize(&self.snapshot.authorizers, asked, route).await {
            Ok(permit) => Ok(Ok(permit)),
            Err(NotPermitted::Denied(denial)) => Ok(Err(denial)),
            Err(NotPermitted::Unavailable(error)) => Err(undecided(&error).into()),
            Err(NotPermitted::ByTag(by_tag)) => match self.inquiry().settle(&by_tag).await {
                Ok(settlement) => Ok(Ok(settlement.permit(*by_tag))),
                Err(refusal) if refusal.code.status() == 404 => Err(PageError::NotFound),
                Err(refusal) => Err(refusal.into()),
            },
        }
    }

    /// The part that the tags reach that the visitor may pull, where it may not pull all.
    fn inquiry(&self) -> Inquiry<'_> {
        Inquiry {
            closure: &self.closure,
            authorizers: &self.snapshot.authorizers,
            caller: self.caller.as_authz(&self.snapshot.settings.service),
            registry: &self.subrequest,
        }
    }

    pub(super) async fn get(&self, path: &str, accept: &'static str) -> PageResult<Reply> {
        only_ok(self.ask(Method::Get, path, accept).await?)
    }

    /// Asks; what one may not see is not there.
    async fn ask(&self, method: Method, path: &str, accept: &'static str) -> PageResult<Reply> {
        let permit = self.permit(method, path).await?;
        let permit = permit.map_err(|denial| PageError::Hidden(denial.by.in_full()))?;
        let lesson = self.inquiry().lesson(permit.route());
        let reply = self.subrequest.ask(&permit, accept).await.map_err(PageError::from)?;
        if let Some(lesson) = lesson {
            self.closure.learn(lesson, reply.status, &reply.headers);
        }
        match digest_in(&reply.headers) {
            Some(digest) if digest.is_of_placeholder() => Err(PageError::NotFound),
            _ => Ok(reply),
        }
    }
}

/// The path of the tags of a repository.
fn list_of(name: &RepositoryName) -> String {
    format!("/v2/{name}/tags/list")
}

/// A reply with the status 200.
///
/// # Errors
/// It has another one.
fn only_ok(reply: Reply) -> PageResult<Reply> {
    match reply.status {
        StatusCode::OK => Ok(reply),
        StatusCode::NOT_FOUND => Err(PageError::NotFound),
        other => Err(PageError::Strange(other)),
    }
}

/// Returns the answer that will be the same the next time: the value, or `None`.
///
/// # Errors
/// What may be another answer in a moment.
pub(super) fn lasting<T>(answer: PageResult<T>) -> PageResult<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(PageError::Refused(refusal)) if refusal.retry_after.is_some() => Err(refusal.into()),
        Err(PageError::Strange(status)) if status.is_server_error() => Err(PageError::Strange(status)),
        Err(_) => Ok(None),
    }
}

/// The manifest that a document is; unknown when it is too large to be looked into.
pub(super) fn manifest_in(media_type: Option<&str>, document: &[u8]) -> Manifest {
    if document.len() > LARGEST { Manifest::Unknown } else { Manifest::parse(media_type, document) }
}

fn digest_in(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(text(headers, "docker-content-digest"))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failure_of_the_registry_is_no_lasting_answer() {
        let lasts = |error| lasting::<()>(Err(error)).is_ok_and(|answer| answer.is_none());
        assert!(lasts(PageError::NotFound));
        assert!(lasts(PageError::Strange(StatusCode::TEMPORARY_REDIRECT)));
        assert!(!lasts(PageError::Strange(StatusCode::INTERNAL_SERVER_ERROR)));
        let broken = crate::registry::Refusal::new(crate::registry::ErrorCode::BadGateway, "it broke off")
            .retry_after(Duration::from_secs(1));
        assert!(!lasts(PageError::Refused(broken)));
    }
}
