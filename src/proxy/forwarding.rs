//! Steps 5 and 6 of the journey: the request that the registry gets, and what of its response goes out.

use hyper::{
    Request, Response, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};

use super::{Upstream, headers, origin::Origin, request_body::RequestBody, response_body::ResponseBody};
use crate::{
    authz::Permit,
    registry::{ErrorCode, Refusal},
};

/// The request for the registry, written anew from the permit.
///
/// # Errors
/// Its target is longer than the library takes.
pub(super) fn upstream_request(
    permit: &Permit,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Request<RequestBody>, Refusal> {
    let route = permit.route();
    let request = Request::builder().method(route.method().as_str()).uri(route.path_and_query()).body(body);
    let mut request =
        request.map_err(|_| Refusal::new(ErrorCode::BadRequest, "the request target is too long"))?;
    *request.headers_mut() = headers;
    Ok(request)
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
