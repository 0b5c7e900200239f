//! The content types that may reach the registry.
//!
//! Registry 2.8 reads `from` and `mount` out of a form body as well as the query, and the body wins: a client that may
//! push anywhere could mount any blob whose digest is known. Forms have no place in the Distribution API, so they end
//! here.

use hyper::header::{self, HeaderMap};

use crate::registry::{ErrorCode, Refusal};

/// Refuses a form, a malformed `Content-Type`, and two of them.
///
/// # Errors
/// 415.
pub(crate) fn refuse_forms(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::new(ErrorCode::UnsupportedMediaType, why));
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(()),
        (Some(_), Some(_)) => return refuse("the request has two Content-Type headers"),
        (Some(value), None) => value,
    };
    let Some((media_type, subtype)) = value.to_str().ok().and_then(parse) else {
        return refuse("the Content-Type is malformed");
    };
    if media_type == "multipart" || (media_type == "application" && subtype == "x-www-form-urlencoded") {
        return refuse("a registry takes no forms: send the body as application/octet-stream");
    }
    Ok(())
}

/// Type and subtype in lower case, where the whole value follows RFC 9110 section 8.3.1.
fn parse(value: &str) -> Option<(String, String)> {
    let (essence, parameters) = value.split_once(';').map_or((value, ""), |(essence, rest)| (essence, rest));
    let (media_type, subtype) = essence.trim_matches([' ', '\t']).split_once('/')?;
    let well_formed = is_token(media_type) && is_token(subtype) && are_parameters(parameters);
    well_formed.then(|| (media_type.to_ascii_lowercase(), subtype.to_ascii_lowercase()))
}

/// `name=token` or `name="quoted"`, separated by `;`.
fn are_parameters(text: &str) -> bool {
    let mut rest = text.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let Some((name, value)) = rest.split_once('=') else { return false };
        let end = match value.strip_prefix('"') {
            Some(quoted) => match quoted.find('"') {
                Some(end) if !quoted.contains('\\') => end + 2,
                _ => return false,
            },
            None => value.find([';', ' ', '\t']).unwrap_or(value.len()),
        };
        let (value, after) = value.split_at(end);
        if !is_token(name) || !(value.starts_with('"') || is_token(value)) {
            return false;
        }
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(';') {
            return false;
        }
        rest = after.trim_start_matches(';').trim_start_matches([' ', '\t']);
    }
    true
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_TYPE, value.parse().unwrap());
        }
        refuse_forms(&headers).is_err()
    }

    #[test]
    fn rule_07_forms_never_reach_the_registry() {
        for form in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
            "multipart/form-data; boundary=x",
            "MULTIPART/mixed",
            "application/x-www-form-urlencoded; bad",
            "application",
            "/",
            "a/b; c",
            "a/b; c=\"d",
            "a/b, application/x-www-form-urlencoded",
            "application/octet-stream; x=\"\\\"",
        ] {
            assert!(refused(&[form]), "{form}");
        }
        assert!(refused(&["application/json", "application/json"]));
        for good in [
            "application/octet-stream",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "text/plain; charset=utf-8",
            "text/plain;charset=\"utf-8\"; x=y",
        ] {
            assert!(!refused(&[good]), "{good}");
        }
        assert!(!refused(&[]));
    }
}
