//! The list of the tags that an account may pull.

use hyper::{Response, header, header::HeaderValue};
use serde_json::json;
use tokio::time::timeout;

use super::{Asked, Inquiry, PATIENCE, PULL, unsettled};
use crate::{
    proxy::response::{body::ResponseBody, error_response::API_VERSION},
    registry::{ErrorCode, Refusal, RepositoryName, Route, Tag},
};

impl Inquiry<'_> {
    /// Answers `tags/list` with the tags that may be pulled, in pages of the size that was asked for.
    ///
    /// # Errors
    /// The registry, or a back end, gives no answer.
    pub(in crate::proxy) async fn list_tags(&self, route: &Route) -> Result<Response<ResponseBody>, Refusal> {
        let Some(name) = route.endpoint().repository() else {
            return Err(Refusal::not_there(route.endpoint()));
        };
        let Some(visible) = self.visible_tags(name).await? else {
            let unknown = Refusal::new(ErrorCode::NotFound, "repository name not known to registry");
            return Err(unknown.with_detail(json!({ "name": name.as_str() })));
        };
        let mut visible: Vec<&str> = visible.iter().map(Tag::as_str).collect();
        visible.sort_unstable();
        let (n, last) = route.tags_page();
        let first = if last.is_empty() { 0 } else { visible.partition_point(|tag| *tag <= last) };
        let rest = visible.get(first..).unwrap_or_default();
        let page = rest.get(..n.unwrap_or(rest.len()).min(rest.len())).unwrap_or_default();
        let text = json!({ "name": name.as_str(), "tags": page });
        let mut response = Response::new(ResponseBody::from(format!("{text}\n")));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        if let (Some(last), true) = (page.last(), page.len() < rest.len()) {
            let link = format!("</v2/{name}/tags/list?last={last}&n={}>; rel=\"next\"", page.len());
            headers.extend(HeaderValue::try_from(link).ok().map(|link| (header::LINK, link)));
        }
        Ok(response)
    }

    /// The tags that may be pulled, in the registry's order; `None` where the repository is not there.
    ///
    /// # Errors
    /// The registry, or a back end, gives no answer.
    pub(in crate::proxy) async fn visible_tags(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<Vec<Tag>>, Refusal> {
        let all = timeout(PATIENCE, self.find_visible_tags(name)).await;
        all.unwrap_or_else(|_| Err(unsettled("it takes too long")))
    }

    /// The same without those that belong to another manifest, such as a signature: the registry is asked for its list
    /// alone.
    ///
    /// # Errors
    /// As [`Self::visible_tags`].
    pub(in crate::proxy) async fn visible_image_tags(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<Vec<Tag>>, Refusal> {
        let Some(tags) = self.tags(name).await? else { return Ok(None) };
        let mut visible = Vec::new();
        for tag in tags {
            if tag.subject().is_none() && self.may(name, tag.as_str(), PULL).await? {
                visible.push(tag);
            }
        }
        Ok(Some(visible))
    }

    async fn find_visible_tags(&self, name: &RepositoryName) -> Result<Option<Vec<Tag>>, Refusal> {
        let Some(tags) = self.tags(name).await? else { return Ok(None) };
        let mut visible = Vec::new();
        for tag in tags {
            let is_visible = match tag.subject() {
                _ if self.may(name, tag.as_str(), PULL).await? => true,
                Some(subject) => {
                    self.reaches(Asked { name, digest: subject.as_str(), is_manifest: true }, PULL).await?
                }
                None => false,
            };
            if is_visible {
                visible.push(tag);
            }
        }
        Ok(Some(visible))
    }
}
