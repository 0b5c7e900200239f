//! Pages of other origins that may use the registry from a browser (Fetch standard, section 3.2): those that the
//! operator names, with the methods that the operator names. Off unless set up.
//!
//! Their requests are authorised like any other; this only lets the browser hand them the answers. A session of
//! Portwarden's own pages never counts for them, see [`crate::proxy::auth::caller`].

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderValue},
    http::request::Parts,
};

use crate::proxy::CorsSettings;

/// A request of a page that may read the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared<'a> {
    origin: &'a HeaderValue,
    settings: &'a CorsSettings,
}

/// Headers that a request may carry besides those that every page may send: the password or token, and those that front
/// ends ask for.
const REQUEST_HEADERS: &str = "Authorization, Accept, Cache-Control, Content-Type";
/// Headers of an answer that a page may see: the digest, the next page of a list, and the reason of a failure.
const RESPONSE_HEADERS: &str = "Docker-Content-Digest, Link, Retry-After, WWW-Authenticate, X-Request-Id";
/// The time for which a browser need not ask again, in seconds.
const REMEMBERED: &str = "600";

impl<'a> Shared<'a> {
    /// The page that sends the request, where it is one that may.
    pub(crate) fn with(head: &'a Parts, settings: &'a CorsSettings) -> Option<Self> {
        let mut origins = head.headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        settings.origins.iter().any(|named| origin == named.as_str()).then_some(Self { origin, settings })
    }

    /// The headers of the answer to a browser that asks before it sends; `None` where it does not. It lists the
    /// allowed methods, and is the same for every method that the browser names.
    pub(crate) fn preflight(&self, head: &Parts) -> Option<HeaderMap> {
        if head.method != Method::OPTIONS || !head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut headers = HeaderMap::new();
        let methods = HeaderValue::try_from(self.settings.methods.join(", "));
        headers.extend(methods.ok().map(|methods| (header::ACCESS_CONTROL_ALLOW_METHODS, methods)));
        let own = [
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
        ];
        headers.extend(own.map(|(name, value)| (name, HeaderValue::from_static(value))));
        Some(headers)
    }

    /// Lets the page read an answer, and the browser add the password that it knows for Portwarden.
    pub(crate) fn admit(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    }
}

/// Tells caches that answers differ by origin, where they do.
pub(crate) fn vary(headers: &mut HeaderMap, settings: &CorsSettings) {
    if !settings.origins.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}
