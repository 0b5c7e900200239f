//! The `Location` of an upload, with the key that lets the upload go on when the token expires: see
//! [`Authority::upload_key`].

use hyper::header::{self, HeaderMap, HeaderValue};

use crate::{
    proxy::{request::origin::Origin, snapshot::unix_now},
    registry::{Endpoint, Route, UPLOAD_KEY},
    token::{Authority, UploadGrace, UploadName},
};

/// Adds the key to the `Location` of an answer, which has been rewritten for the outside, with our `origin` where it is to
/// have one. A `Location` that names no upload, as that of a blob that is there, or another host, stays as it is.
pub(crate) fn add_key(
    headers: &mut HeaderMap,
    grace: &UploadGrace,
    authority: &Authority,
    origin: Option<&Origin>,
) {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let ours = location.filter(|location| leads_here(location, origin));
    let with_key = ours.and_then(|location| with_key(location, grace, authority));
    if let Some(location) = with_key.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(header::LOCATION, location);
    }
}

fn leads_here(location: &str, origin: Option<&Origin>) -> bool {
    let path = match origin {
        Some(Origin { scheme, host }) => {
            location.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")?.strip_prefix(&**host))
        }
        None => Some(location),
    };
    path.is_some_and(|path| path.starts_with('/') && !path.starts_with("//"))
}

fn with_key(location: &str, grace: &UploadGrace, authority: &Authority) -> Option<String> {
    let path = location.get(location.find("/v2/")?..)?;
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let route = Route::parse("PATCH", path, query).ok()?;
    let Endpoint::Upload(name, id) = route.endpoint() else { return None };
    let key =
        authority.upload_key(grace, UploadName { repository: name.as_str(), id: id.as_str() }, unix_now());
    let separator = if query.is_some() { '&' } else { '?' };
    Some(format!("{location}{separator}{UPLOAD_KEY}={key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_48_a_key_is_added_to_no_url_of_another_host() {
        let origin = Origin { scheme: "https", host: "registry.test".to_owned() };
        let path = "/v2/a/b/blobs/uploads/1";
        for (location, origin, expected) in [
            (path, None, true),
            ("https://registry.test/v2/a/b/blobs/uploads/1", Some(&origin), true),
            ("https://registry.test/v2/a/b/blobs/uploads/1", None, false),
            ("//evil.test/v2/a/b/blobs/uploads/1", None, false),
            ("https://evil.test/v2/a/b/blobs/uploads/1", Some(&origin), false),
            ("https://registry.test.evil.test/v2/a/b/blobs/uploads/1", Some(&origin), false),
            ("https://registry.test@evil.test/v2/a/b/blobs/uploads/1", Some(&origin), false),
            ("http://registry.test/v2/a/b/blobs/uploads/1", Some(&origin), false),
            (path, Some(&origin), false),
        ] {
            assert_eq!(leads_here(location, origin), expected, "{location}");
        }
    }
}
