//! The endpoints that are ours, not the registry's, and where they stand.

use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};

use super::response_body::ResponseBody;

/// An endpoint of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnEndpoint {
    /// `<path_prefix>/auth` and `<path_prefix>/auth/token`, as in docker_auth.
    Token,
    /// `<path_prefix>/`: docker_auth's one-line page.
    Greeting,
    /// `/v2`, which is `/v2/` for every client.
    BaseWithoutSlash,
}

impl OwnEndpoint {
    /// The endpoint at a raw path, which must be spelt exactly so.
    pub(super) fn at(path: &str, prefix: &str) -> Option<Self> {
        match path.strip_prefix(prefix) {
            Some("/auth" | "/auth/token") => return Some(Self::Token),
            Some("/") => return Some(Self::Greeting),
            _ => {}
        }
        (path == "/v2").then_some(Self::BaseWithoutSlash)
    }

    /// The page of `<path_prefix>/`.
    pub(super) fn greeting(self, issuer: &str) -> Response<ResponseBody> {
        let escaped = issuer.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let mut response = Response::new(ResponseBody::from(format!("<h1>{escaped}</h1>\n")));
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        response
    }

    /// To `/v2/`, with the method kept.
    pub(super) fn redirect_to_base(self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::from(String::new()));
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/v2/"));
        response
    }
}
