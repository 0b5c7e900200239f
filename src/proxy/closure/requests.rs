//! The requests of accounts that may pull some tags only: which are forwarded, and what is learned from their answers.

use std::time::Instant;

use hyper::{HeaderMap, StatusCode};

use super::{Actions, Asked, Closure, DELETE, Inquiry, PULL, PUSH};
use crate::{
    authz::{ByTag, Permit},
    proxy::forward::tag_reader::digest_in,
    registry::{Digest, Endpoint, ErrorCode, Method, Refusal, RepositoryName, Route, Tag},
};

/// The part that the registry's answer to a request will tell.
#[derive(Debug)]
pub(in crate::proxy) struct Lesson {
    account: Box<str>,
    repository: Box<str>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The part that a tag names.
    Root(Box<str>),
    /// An upload has ended, or a mount was made.
    Blob(Digest),
    /// A manifest was pushed.
    Manifest,
}

/// The part of a request that may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Settlement {
    Whole,
    /// A mount as the plain start of an upload.
    WithoutMount,
}

impl Settlement {
    /// The permit for it.
    pub(in crate::proxy) fn permit(self, by_tag: ByTag) -> Permit {
        match self {
            Self::Whole => by_tag.settled(),
            Self::WithoutMount => by_tag.without_mount(),
        }
    }
}

impl Closure {
    /// Takes in the registry's answer.
    pub(in crate::proxy) fn learn(&self, lesson: Lesson, status: StatusCode, headers: &HeaderMap) {
        let Lesson { account, repository, what } = lesson;
        let now = Instant::now();
        let digest = digest_in(headers).map(|digest| digest.as_str().to_owned());
        match (what, status, digest) {
            (What::Root(tag), StatusCode::OK, Some(digest)) => {
                self.roots.lock().insert(&account, &repository, (tag.as_ref().into(), digest.into()), now);
            }
            (What::Blob(digest), StatusCode::CREATED, _) => {
                self.own.lock().insert(&account, &repository, (digest.as_str().into(), false), now);
            }
            (What::Manifest, StatusCode::CREATED, Some(digest)) => {
                self.own.lock().insert(&account, &repository, (digest.into(), true), now);
            }
            _ => {}
        }
    }
}

impl Inquiry<'_> {
    /// The part that the answer to a request will tell about the account's closure.
    pub(in crate::proxy) fn lesson(&self, route: &Route) -> Option<Lesson> {
        let what = match (route.method(), route.endpoint()) {
            (Method::Get | Method::Head, Endpoint::ManifestByTag(_, tag)) => What::Root(tag.as_str().into()),
            (Method::Put, Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..)) => What::Manifest,
            (Method::Post, Endpoint::StartUpload(_)) if route.source().is_some() => {
                What::Blob(route.mounted()?)
            }
            (Method::Post, Endpoint::StartUpload(_)) | (Method::Put, Endpoint::Upload(..)) => {
                What::Blob(Digest::parse(route.reference()?)?)
            }
            _ => return None,
        };
        let repository = route.endpoint().repository()?.as_str().into();
        Some(Lesson { account: self.caller.account.into(), repository, what })
    }

    /// Settles a request that the rules grant for some tags only.
    ///
    /// # Errors
    /// 404 where no such tag reaches what is asked for; the denial of a write; 503 where it cannot be told.
    pub(in crate::proxy) async fn settle(&self, by_tag: &ByTag) -> Result<Settlement, Refusal> {
        let route = by_tag.route();
        let Some(name) = route.endpoint().repository() else {
            return Err(Refusal::not_there(route.endpoint()));
        };
        if matches!(route.endpoint(), Endpoint::StartUpload(_)) {
            let mounts = self.may_mount(by_tag, name).await?;
            return Ok(if mounts { Settlement::Whole } else { Settlement::WithoutMount });
        }
        let is_granted = self.is_granted(route, name, by_tag.denied.is_some()).await?;
        if is_granted { Ok(Settlement::Whole) } else { Err(self.refuse(by_tag)) }
    }

    async fn is_granted(
        &self,
        route: &Route,
        name: &RepositoryName,
        is_denied: bool,
    ) -> Result<bool, Refusal> {
        let (method, endpoint) = (route.method(), route.endpoint());
        match endpoint {
            Endpoint::ManifestByTag(..) if !is_denied => Ok(true),
            Endpoint::ManifestByTag(_, tag) => self.follows_subject(name, tag, method).await,
            Endpoint::ManifestByDigest(_, digest) if method == Method::Delete => {
                self.knows(name, digest).await
            }
            Endpoint::ManifestByDigest(..) if method == Method::Put => Ok(true),
            Endpoint::ManifestByDigest(_, digest) | Endpoint::Referrers(_, digest) => {
                self.may_read(Asked { name, digest: digest.as_str(), is_manifest: true }, method).await
            }
            Endpoint::Blob(_, digest) if method != Method::Delete => {
                self.may_read(Asked { name, digest: digest.as_str(), is_manifest: false }, method).await
            }
            Endpoint::Upload(..) => Ok(true),
            // A list is made of the tags that may be seen, and never forwarded. No client deletes a blob, which others
            // may need.
            Endpoint::Tags(_)
            | Endpoint::Blob(..)
            | Endpoint::StartUpload(_)
            | Endpoint::Base
            | Endpoint::Catalog => Ok(false),
        }
    }

    /// The answer to what is not granted: for a reader, it is not there.
    fn refuse(&self, by_tag: &ByTag) -> Refusal {
        let route = by_tag.route();
        match (route.method(), route.endpoint(), &by_tag.denied) {
            (Method::Delete, Endpoint::Blob(..), _) => {
                let why = "a blob cannot be deleted by an account that may delete some tags only: delete manifests, and \
                           let the registry collect its garbage";
                Refusal::new(ErrorCode::Denied, why)
            }
            (Method::Put | Method::Delete, _, Some(denial)) => {
                Refusal::new(ErrorCode::Denied, denial.explain(self.caller.account))
            }
            (_, endpoint, _) => Refusal::not_there(endpoint),
        }
    }

    /// A manifest or a blob: what tags reach, and for a look at it what the account uploaded itself.
    async fn may_read(&self, asked: Asked<'_>, method: Method) -> Result<bool, Refusal> {
        let Asked { name, digest, is_manifest } = asked;
        if method == Method::Head && self.is_own(asked) {
            return Ok(true);
        }
        let reached = self.reaches(asked, PULL).await?;
        if reached && is_manifest && method == Method::Get {
            // What is in it will be asked for next.
            self.read(name, digest).await?;
        }
        Ok(reached)
    }

    /// Returns true if the account uploaded it lately.
    pub(super) fn is_own(&self, Asked { name, digest, is_manifest }: Asked<'_>) -> bool {
        let key = (digest.into(), is_manifest);
        self.closure.own.lock().has(self.caller.account, name.as_str(), &key, Instant::now())
    }

    /// A manifest that is to be deleted: one that tags reach which the account may delete or pull, or its own. Whether other
    /// tags need it is asked later, when no push comes between.
    async fn knows(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, Refusal> {
        let asked = Asked { name, digest: digest.as_str(), is_manifest: true };
        Ok(self.is_own(asked) || self.reaches(asked, DELETE).await? || self.reaches(asked, PULL).await?)
    }

    /// A tag that is about a manifest (`sha256-<hex>…`): what may be done with the manifest may be done with it.
    async fn follows_subject(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        method: Method,
    ) -> Result<bool, Refusal> {
        let actions: Actions = match method {
            Method::Get | Method::Head => PULL,
            Method::Put => PUSH,
            Method::Delete => DELETE,
            Method::Post | Method::Patch => return Ok(false),
        };
        let Some(subject) = tag.subject() else { return Ok(false) };
        self.reaches(Asked { name, digest: subject.as_str(), is_manifest: true }, actions).await
    }

    /// A mount takes what the source's tags reach.
    async fn may_mount(&self, by_tag: &ByTag, name: &RepositoryName) -> Result<bool, Refusal> {
        let route = by_tag.route();
        let (Some(source), Some(blob)) = (route.source(), route.mounted()) else { return Ok(false) };
        let is_limited = by_tag.source_limited || (source == name && by_tag.pull_limited);
        if !is_limited {
            return Ok(true);
        }
        self.reaches(Asked { name: source, digest: blob.as_str(), is_manifest: false }, PULL).await
    }
}
