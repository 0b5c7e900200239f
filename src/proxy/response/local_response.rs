//! Answers of Portwarden itself that are neither a refusal nor a page.

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
};

use super::body::ResponseBody;

/// Returns docker_auth's one-line page, at `<path_prefix>/` where the web pages are turned off.
pub(crate) fn greeting(issuer: &str) -> Response<ResponseBody> {
    let escaped = issuer.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut response = Response::new(ResponseBody::from(format!("<h1>{escaped}</h1>\n")));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// Returns that text.
pub(crate) fn plain_text(text: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(text));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Returns a permanent redirect to another URL that keeps the method (RFC 9110 section 15.4.9).
pub(crate) fn redirect_to(location: HeaderValue) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(String::new()));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Returns 204 with these headers.
pub(crate) fn no_content(headers: HeaderMap) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(String::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}
