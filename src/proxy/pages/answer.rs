//! The response that a page goes out in: its headers, and its line in the audit log.

use hyper::{
    Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use crate::{proxy::response::body::ResponseBody, registry::Refusal, ui::Asset};

/// A response, and where it is none that the visitor wanted, why.
pub(in crate::proxy) struct Answer {
    pub(in crate::proxy) response: Response<ResponseBody>,
    pub(in crate::proxy) refusal: Option<Refusal>,
}

/// Nothing but our own style, script and pictures; no frame around it, no form that leads elsewhere, and no `<base>`.
/// Nothing inline: whatever of a registry's texts became markup all the same, it would not run.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                                       form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers of every page. `same-origin` and not `no-referrer`: with that, browsers would send `Origin: null` with
/// Portwarden's own forms.
const PAGE_HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::CACHE_CONTROL, "no-store"),
    (header::VARY, "Accept-Encoding, Accept-Language, Cookie"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// An answer that succeeds.
impl From<Response<ResponseBody>> for Answer {
    fn from(response: Response<ResponseBody>) -> Self {
        Self { response, refusal: None }
    }
}

impl Answer {
    /// An answer that refuses the request, with the reason.
    pub(in crate::proxy) fn refusing(response: Response<ResponseBody>, refusal: Refusal) -> Self {
        Self { response, refusal: Some(refusal) }
    }

    /// A page, 200.
    pub(super) fn page(html: String) -> Self {
        let mut response = Response::new(ResponseBody::from(html));
        for (name, value) in PAGE_HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Self::from(response)
    }

    /// The same with another status, because of `refusal`.
    pub(super) fn refused(html: String, status: StatusCode, refusal: Refusal) -> Self {
        let mut answer = Self::page(html);
        *answer.response.status_mut() = status;
        let headers = answer.response.headers_mut();
        if let Some(seconds) = refusal.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if refusal.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Self { refusal: Some(refusal), ..answer }
    }

    /// The same, telling which methods the page takes (RFC 9110 section 15.5.6).
    pub(super) fn allowing(mut self, methods: &[&str]) -> Self {
        let headers = self.response.headers_mut();
        headers
            .extend(HeaderValue::try_from(methods.join(", ")).ok().map(|methods| (header::ALLOW, methods)));
        self
    }

    /// Redirects to another page of Portwarden, by GET. `target` is a path.
    pub(super) fn redirect(target: &str) -> Self {
        Self::to(StatusCode::SEE_OTHER, target, "no-store")
    }

    /// Redirects to the permanent path of a file.
    pub(super) fn redirect_for_ever(target: &str) -> Self {
        Self::to(StatusCode::PERMANENT_REDIRECT, target, "max-age=86400")
    }

    fn to(status: StatusCode, target: &str, cached: &'static str) -> Self {
        let mut response = Response::new(ResponseBody::from(String::new()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.extend(HeaderValue::try_from(target).ok().map(|target| (header::LOCATION, target)));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
        Self { response, refusal: None }
    }

    /// A file that belongs to the pages. Its path changes with its content, so that it is kept for as long as one
    /// likes.
    pub(super) fn asset(asset: &Asset) -> Self {
        let mut answer =
            Self::file(asset.content(), asset.content_type(), "public, max-age=31536000, immutable");
        answer.response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        answer
    }

    /// A text that a browser saves under that name.
    pub(super) fn download(text: String, media_type: &'static str, name: &str) -> Self {
        let mut response = Response::new(ResponseBody::from(text));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let own = HeaderValue::from_static("same-origin");
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), own);
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
        headers.extend(disposition.ok().map(|value| (header::CONTENT_DISPOSITION, value)));
        Self::from(response)
    }

    /// The file for search engines: nothing here is theirs.
    pub(super) fn robots() -> Self {
        Self::file("User-agent: *\nDisallow: /\n", "text/plain; charset=utf-8", "public, max-age=86400")
    }

    fn file(content: &'static str, media_type: &'static str, cached: &'static str) -> Self {
        let mut response = Response::new(ResponseBody::from(content.to_owned()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
        let own = HeaderValue::from_static("same-origin");
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), own);
        Self { response, refusal: None }
    }

    /// The same, and what the browser keeps of our pages goes. Chromium keeps some in memory for its button to go back,
    /// and shows them without asking for them again, though they are `no-store`.
    pub(super) fn forgetting_pages(mut self) -> Self {
        let what = HeaderValue::from_static("\"cache\"");
        self.response.headers_mut().insert(HeaderName::from_static("clear-site-data"), what);
        self
    }

    /// The same, with a cookie to keep.
    pub(super) fn with_cookie(mut self, cookie: &str) -> Self {
        let headers = self.response.headers_mut();
        headers.extend(HeaderValue::try_from(cookie).ok().map(|cookie| (header::SET_COOKIE, cookie)));
        self
    }
}
