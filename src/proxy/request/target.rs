//! The target of a request: the registry, or an endpoint of Portwarden and its path.

use hyper::{HeaderMap, Method, header, http::request::Parts};

use crate::ui::PagePath;

/// The part of Portwarden that a request is for, by its path and by the program that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/v2/…`: the registry's API; and other paths that begin with `/v2`, which it refuses in its own form.
    Registry,
    /// `/v1/…`: the API before it, which is answered with 404 in JSON.
    FirstApi,
    /// A path that leads nowhere.
    Nowhere,
    /// A browser that asks first what a page of a named origin may send; the headers of the answer.
    Preflight(HeaderMap),
    /// `<path_prefix>/auth` and `<path_prefix>/auth/token`, as in docker_auth.
    Token,
    /// `<path_prefix>/-/device/…`: what `portwarden login` asks, where there are web pages.
    Device(DeviceEndpoint),
    /// `<path_prefix>/…`: a web page, where they are not turned off; `None` where a browser looks for one that is not
    /// there.
    Page(Option<PagePath>),
    /// `<path_prefix>/`, where web pages are turned off: docker_auth's one-line page.
    Greeting,
    /// `/v2`, which is `/v2/` for every client.
    BaseWithoutSlash,
}

/// An endpoint of device authorization, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEndpoint {
    /// `/-/device/code`: a program asks for codes.
    Code,
    /// `/-/device/token`: it asks again with the one, until a person has answered.
    Token,
    /// `/-/device/revoke`: it ends its token.
    Revoke,
}

impl DeviceEndpoint {
    /// The endpoint at a path below the prefix.
    fn parse(path: &str) -> Option<Self> {
        match path {
            "/-/device/code" => Some(Self::Code),
            "/-/device/token" => Some(Self::Token),
            "/-/device/revoke" => Some(Self::Revoke),
            _ => None,
        }
    }
}

impl Target {
    /// Classifies a request. Paths must be spelt exactly so.
    pub(crate) fn classify(head: &Parts, prefix: &str, with_pages: bool) -> Self {
        let path = head.uri.path();
        let below = path.strip_prefix(prefix);
        match below {
            Some("/auth" | "/auth/token") => return Self::Token,
            _ if path == "/v2" => return Self::BaseWithoutSlash,
            // Whatever the prefix is.
            _ if path.starts_with("/v2/") => return Self::Registry,
            _ if is_v1(path) && !wants_pages(&head.headers) => return Self::FirstApi,
            Some("/") if !with_pages => return Self::Greeting,
            _ => {}
        }
        if let Some(below) = below.filter(|path| with_pages && path.starts_with('/')) {
            if let Some(endpoint) = DeviceEndpoint::parse(below) {
                return Self::Device(endpoint);
            }
            let looks = matches!(head.method, Method::GET | Method::HEAD) && wants_pages(&head.headers);
            match PagePath::parse(below) {
                None if !looks => {}
                page => return Self::Page(page),
            }
        }
        match path {
            path if path.starts_with("/v2") => Self::Registry,
            path if is_v1(path) => Self::FirstApi,
            _ => Self::Nowhere,
        }
    }

    /// Returns true if pages of other origins may ask for it: the registry and its tokens, but no page of Portwarden's.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Registry | Self::Token)
    }
}

/// The first API of registries, which clients still try (`podman search`, `docker search`). A repository may be called
/// so.
fn is_v1(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Returns true if a person looks, by the word of the program that asks: a browser names HTML first, and no other
/// client names it.
fn wants_pages(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}
