//! The last step of every answer: the headers that each carries, and no body after HEAD.

use hyper::{
    Method, Response,
    header::{self, HeaderValue},
};

use super::{body::ResponseBody, caching};
use crate::{
    proxy::{
        Settings,
        request::{
            cors::{self, Shared},
            origin::REQUEST_ID,
        },
    },
    telemetry::RequestId,
};

/// Adds the headers that every answer carries, and takes Portwarden's own body off the answer to a HEAD.
pub(crate) fn finish(
    response: &mut Response<ResponseBody>,
    method: &Method,
    settings: &Settings,
    shared: Option<Shared<'_>>,
    id: &RequestId,
) {
    if method == Method::HEAD {
        remove_own_body(response);
    }
    let headers = response.headers_mut();
    caching::by_default(headers);
    cors::vary(headers, &settings.cors);
    if let Some(shared) = shared {
        shared.admit(headers);
    }
    // Pushed content is never a page or a script, whatever it looks like to a browser.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if settings.hsts {
        let two_years = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, two_years);
    }
    if let Ok(id) = HeaderValue::try_from(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Leaves the length of a body that a GET would have got: over HTTP/2 hyper leaves that to the service. The registry's
/// response to a HEAD has none.
fn remove_own_body(response: &mut Response<ResponseBody>) {
    if let Some(length) = response.body().own_length() {
        *response.body_mut() = ResponseBody::from(String::new());
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}
