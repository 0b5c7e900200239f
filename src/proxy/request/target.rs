//! The endpoints that are Portwarden's, not the registry's, and their paths.

use hyper::{HeaderMap, Method, header, http::request::Parts};

use crate::ui::PagePath;

/// An endpoint of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LocalEndpoint {
    /// `<path_prefix>/auth` and `<path_prefix>/auth/token`, as in docker_auth.
    Token,
    /// `<path_prefix>/…`: a web page, where they are not turned off.
    Page(PagePath),
    /// Below `<path_prefix>/`, where a browser looks for a page that is not there.
    NoPage,
    /// `<path_prefix>/`, where they are: docker_auth's one-line page.
    Greeting,
    /// `/v2`, which is `/v2/` for every client.
    BaseWithoutSlash,
}

impl LocalEndpoint {
    /// The endpoint that a request asks for. Paths must be spelt exactly so.
    pub(crate) fn of(head: &Parts, prefix: &str, with_pages: bool) -> Option<Self> {
        let path = head.uri.path();
        let below = path.strip_prefix(prefix);
        match below {
            Some("/auth" | "/auth/token") => return Some(Self::Token),
            _ if path == "/v2" => return Some(Self::BaseWithoutSlash),
            // Whatever the prefix is.
            _ if path.starts_with("/v2/") => return None,
            _ if is_v1(path) && !wants_pages(&head.headers) => return None,
            Some("/") if !with_pages => return Some(Self::Greeting),
            _ => {}
        }
        let below = below.filter(|path| with_pages && path.starts_with('/'))?;
        let looks = matches!(head.method, Method::GET | Method::HEAD) && wants_pages(&head.headers);
        PagePath::parse(below).map(Self::Page).or_else(|| looks.then_some(Self::NoPage))
    }
}

/// The first API of registries, which clients still try (`podman search`, `docker search`). A repository may be called so.
pub(crate) fn is_v1(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Returns true if a person looks, by the word of the program that asks: a browser names HTML first, and no other
/// client names it.
fn wants_pages(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}
