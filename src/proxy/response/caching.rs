//! The rules for caches of an answer. One account may not pull all that another may, and a right may end at any time:
//! no cache that several clients share may keep an answer, not even one for anonymous clients.

use hyper::{
    StatusCode,
    header::{self, HeaderMap, HeaderValue},
};

use crate::registry::{Endpoint, Route};

/// Nothing is kept, not even by the client.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Directives of the registry for the client itself.
const KEPT: [&str; 5] = ["immutable", "must-revalidate", "no-cache", "no-store", "no-transform"];

/// Writes `Cache-Control` anew: the client may keep blobs and manifests for as long as the registry says; lists,
/// redirects (their URLs may be signed) and errors are not kept.
pub(crate) fn restrict(headers: &mut HeaderMap, route: &Route, status: StatusCode) {
    let is_list = matches!(route.endpoint(), Endpoint::Tags(_) | Endpoint::Catalog | Endpoint::Referrers(..));
    let is_answer = status.is_success() || status == StatusCode::NOT_MODIFIED;
    let value = if is_list || !is_answer { NO_STORE } else { private(headers) };
    headers.insert(header::CACHE_CONTROL, value);
}

/// Forbids caching of an answer of our own that says nothing about it: tokens, names, refusals.
pub(crate) fn by_default(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
}

fn private(headers: &HeaderMap) -> HeaderValue {
    let written = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = written.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase());
    let mut value = "private".to_owned();
    for directive in directives.filter(|directive| is_kept(directive)) {
        value = value + ", " + &directive;
    }
    HeaderValue::try_from(value).unwrap_or(NO_STORE)
}

fn is_kept(directive: &str) -> bool {
    let age = directive.strip_prefix("max-age=");
    KEPT.contains(&directive)
        || age.is_some_and(|age| !age.is_empty() && age.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str, status: u16, written: Option<&'static str>) -> String {
        let route = Route::parse("GET", target, None).unwrap();
        let mut headers = HeaderMap::new();
        headers.extend(written.map(|value| (header::CACHE_CONTROL, HeaderValue::from_static(value))));
        restrict(&mut headers, &route, StatusCode::from_u16(status).unwrap());
        headers[header::CACHE_CONTROL].to_str().unwrap().to_owned()
    }

    #[test]
    fn rule_34_shared_caches_keep_nothing_and_clients_keep_what_never_changes() {
        let blob = format!("/v2/a/blobs/sha256:{}", "a".repeat(64));
        let year = Some("public, max-age=31536000, s-maxage=9, immutable");
        assert_eq!(of(&blob, 200, year), "private, max-age=31536000, immutable");
        assert_eq!(of(&blob, 206, year), "private, max-age=31536000, immutable");
        assert_eq!(of(&blob, 304, Some("max-age=31536000")), "private, max-age=31536000");
        assert_eq!(of("/v2/a/manifests/1", 200, None), "private");
        assert_eq!(of("/v2/a/manifests/1", 200, Some("No-Cache, max-age=x, max-age=")), "private, no-cache");
        assert_eq!(of("/v2/", 200, Some("public")), "private");
        for (target, status) in [
            ("/v2/a/tags/list", 200),
            ("/v2/_catalog", 200),
            ("/v2/a/manifests/1", 404),
            (blob.as_str(), 307),
            (blob.as_str(), 416),
        ] {
            assert_eq!(of(target, status, year), "no-store", "{target} {status}");
        }
    }
}
