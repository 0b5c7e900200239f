//! The `Location` of an upload, with the key that lets the upload go on when the token expires: see
//! [`Authority::upload_key`].

use hyper::header::{self, HeaderMap, HeaderValue};

use crate::{
    proxy::snapshot::unix_now,
    registry::{Endpoint, Route, UPLOAD_KEY},
    token::{Authority, UploadGrace, UploadName},
};

/// Adds the key to the `Location` of an answer, which has been rewritten for the outside. A `Location` that names no
/// upload, as that of a blob that is there, stays as it is.
pub(crate) fn add_key(headers: &mut HeaderMap, grace: &UploadGrace, authority: &Authority) {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let with_key = location.and_then(|location| with_key(location, grace, authority));
    if let Some(location) = with_key.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(header::LOCATION, location);
    }
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
