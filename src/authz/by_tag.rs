//! Requests that the rules grant for some tags only: whether one is allowed depends on what the tags reach, which only the
//! registry knows.

use super::{
    Authorizers, Caller, DecidedBy, Denial, NotPermitted, Permit,
    permit::{Extent, Held, hold, in_full},
};
use crate::{
    backend::Unavailable,
    registry::{Endpoint, Method, Route, Scope},
};

/// A request that the rules grant for some tags only: whether it may be forwarded depends on what these tags reach.
#[derive(Debug)]
pub struct ByTag {
    pub(super) route: Route,
    pub(super) by: Vec<DecidedBy>,
    /// True if the account may pull some tags of the repository only.
    pub pull_limited: bool,
    /// True if the same holds for the source of a mount.
    pub source_limited: bool,
    /// For a tag that is denied itself: a signature's follows its subject.
    pub denied: Option<Denial>,
}

impl ByTag {
    /// The request.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Returns the sources of the grants, as [`Permit::decided_by`]; of the denial for a tag that is denied itself.
    pub fn decided_by(&self) -> String {
        match &self.denied {
            Some(denial) => denial.by.in_full(),
            None => in_full(&self.by),
        }
    }

    /// The sources of the grants, as [`Permit::sources`].
    pub fn sources(&self) -> &[DecidedBy] {
        &self.by
    }

    /// The permit, for a caller that has seen that allowed tags reach what is asked for.
    pub fn settled(self) -> Permit {
        Permit::by_tag(self.route, self.by)
    }

    /// Returns true where nothing that the tags reach matters: an upload on its way, a tag that is granted to an
    /// account that may pull all of them.
    pub(super) fn needs_no_look(&self) -> bool {
        let (method, endpoint) = (self.route.method(), self.route.endpoint());
        let reads = matches!(method, Method::Get | Method::Head);
        if self.denied.is_some() || self.source_limited {
            return false;
        }
        match endpoint {
            Endpoint::Upload(..) => !(self.pull_limited && method == Method::Put),
            Endpoint::StartUpload(_) => !self.pull_limited,
            Endpoint::ManifestByTag(..) => !self.pull_limited || method == Method::Delete,
            Endpoint::ManifestByDigest(..) if method == Method::Delete => false,
            Endpoint::ManifestByDigest(..) => !self.pull_limited,
            Endpoint::Blob(..) => reads && !self.pull_limited,
            Endpoint::Tags(_) | Endpoint::Referrers(..) => !self.pull_limited,
            Endpoint::Base | Endpoint::Catalog => true,
        }
    }

    /// The permit to start an upload in place of a mount.
    pub fn without_mount(self) -> Permit {
        let route = self.route.without_mount().unwrap_or(self.route);
        Permit::by_tag(route, self.by)
    }
}

/// Returns true if the caller may do that with this tag, by the rules and the ceiling of its token.
///
/// # Errors
/// A back end that has to be asked gives no answer.
pub async fn may_tag(
    authorizers: &Authorizers,
    caller: Caller<'_>,
    (name, tag): (&str, &str),
    actions: &[&str],
) -> Result<bool, Unavailable> {
    let need = Scope::repository(name, actions);
    Ok(matches!(
        hold(authorizers, caller, &need, Some(tag)).await?,
        Held::Granted(_, Extent::Whole | Extent::Tag)
    ))
}

/// Returns true if the denial of a tag must not be told from a tag that is not there, or may be lifted by the subject
/// of a signature: the account may do the same with other tags.
pub(super) async fn hidden(
    authorizers: &Authorizers,
    caller: Caller<'_>,
    route: &Route,
    need: &Scope,
) -> Result<bool, NotPermitted> {
    let is_read = matches!(route.method(), Method::Get | Method::Head);
    if !is_read && route.tag().is_none_or(|tag| tag.subject().is_none()) {
        return Ok(false);
    }
    let any = hold(authorizers, caller, need, None).await.map_err(NotPermitted::Unavailable)?;
    Ok(matches!(any, Held::Granted(..)))
}

/// A push by digest that names tags (`?tag=`) needs each of them.
pub(super) async fn tags_of_digest(
    authorizers: &Authorizers,
    caller: Caller<'_>,
    route: &Route,
) -> Result<Option<Denial>, NotPermitted> {
    let needs = route.needs();
    let (Some(need), tags) = (needs.first(), route.tags()) else { return Ok(None) };
    for tag in tags {
        let held = hold(authorizers, caller, need, Some(tag.as_str())).await;
        if let Held::Missing(missing, by) = held.map_err(NotPermitted::Unavailable)? {
            return Ok(Some(Denial { needs: needs.to_vec(), missing, by }));
        }
    }
    Ok(None)
}
