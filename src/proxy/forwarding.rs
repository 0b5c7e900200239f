//! Steps 5 and 6 of the journey: the request that the registry gets, and what of its response goes out.

use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};

use super::{Upstream, headers, origin::Origin, response_body::ResponseBody, upstream::RequestHead};
use crate::authz::Permit;

/// The head of the request for the registry, written anew from the permit.
pub(super) fn upstream_head(permit: &Permit) -> RequestHead {
    let route = permit.route();
    RequestHead::new(route.method(), &route.path_and_query())
}

/// The registry's response without what concerned its connection to us, its Location and Link made right.
pub(super) fn for_the_outside(
    mut response: Response<ResponseBody>,
    origin: &Origin,
    upstream: &Upstream,
) -> Response<ResponseBody> {
    headers::from_registry(response.headers_mut());
    let is_own =
        matches!(response.status(), StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
    let outside = |value: &HeaderValue, is_own| {
        HeaderValue::try_from(origin.outside(value.to_str().ok()?, upstream.address(), is_own)).ok()
    };
    for (name, is_own) in [(header::LOCATION, is_own), (header::LINK, true)] {
        // What cannot be read cannot be made right.
        if let Some(value) = response.headers_mut().remove(&name).and_then(|value| outside(&value, is_own)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
