//! Steps 5 and 6 of the journey: the request that the registry gets, and what of its response goes out.

use hyper::{Response, StatusCode, header};

use super::headers;
use crate::{
    authz::Permit,
    proxy::{
        response::{body::ResponseBody, caching, location::Outside},
        upstream::RequestHead,
    },
    registry::Route,
};

/// The head of the request for the registry, written anew from the permit.
pub(crate) fn upstream_head(permit: &Permit) -> RequestHead {
    let route = permit.route();
    RequestHead::new(route.method(), &route.path_and_query())
}

/// The registry's response with the headers that may go out, its URLs made right, and a word for caches.
pub(crate) fn rewrite_response(
    mut response: Response<ResponseBody>,
    route: &Route,
    outside: &Outside<'_>,
) -> Response<ResponseBody> {
    let status = response.status();
    let headers = response.headers_mut();
    headers::from_registry(headers);
    if !status.is_success() || status == StatusCode::NO_CONTENT {
        // The body may be shorter. See `UpstreamBody`.
        headers.remove(header::CONTENT_LENGTH);
    }
    outside.rewrite(headers, status);
    caching::restrict(headers, route, status);
    response
}
