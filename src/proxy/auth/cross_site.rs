//! Requests that a page of another site made a browser send (Fetch Metadata, W3C; `Origin`, RFC 6454).
//!
//! Such a page needs no more than `<img src="https://registry.example/auth?account=alice">`. It gets no token, and
//! nothing that it sends is a login: otherwise it could use up the attempts of its visitor.

use hyper::{
    HeaderMap,
    header::{self, HeaderName},
    http::request::Parts,
};

use super::caller::{Presented, presented};
use crate::{
    proxy::{
        CorsSettings,
        request::{cors::Shared, origin::Origin},
    },
    registry::{ErrorCode, Refusal},
};

pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns whether a page of this origin sent it, or none, as far as the browser says: all present ones do with each
/// POST. A client that says nothing is no browser, and brings nothing along against its owner's will.
pub(crate) fn is_our_own(headers: &HeaderMap, origin: &Origin) -> bool {
    let is_ours = |value: &header::HeaderValue| {
        value.as_bytes().eq_ignore_ascii_case(format!("{}://{}", origin.scheme, origin.host).as_bytes())
    };
    headers.get_all(header::ORIGIN).iter().all(is_ours) && !is_said_to_be_foreign(headers)
}

/// Refuses a request for a token that a page of another site sent, unless `server.cors` names it.
///
/// # Errors
/// 403.
pub(crate) fn refuse(head: &Parts, origin: &Origin, cors: &CorsSettings) -> Result<(), Refusal> {
    let may = is_our_own(&head.headers, origin) || Shared::with(head, cors).is_some();
    if may { Ok(()) } else { Err(refusal()) }
}

/// Refuses a password that a page of another site made a browser send, unless `server.cors` names that site. A browser
/// sends the password that it remembers for this host.
///
/// A browser that says `same-origin` is believed whatever its `Origin` is: a front end may be reached by another name
/// than the one it uses for this server. A browser without `Sec-Fetch-Site` is judged by `Origin` alone.
///
/// # Errors
/// 403.
pub(crate) fn refuse_password(head: &Parts, origin: &Origin, cors: &CorsSettings) -> Result<(), Refusal> {
    if !is_said_to_be_ours(&head.headers)
        && !is_our_own(&head.headers, origin)
        && matches!(presented(&head.headers), Ok(Presented::Password(_)))
        && Shared::with(head, cors).is_none()
    {
        return Err(refusal());
    }
    Ok(())
}

/// Returns whether the browser itself says so. Several lines are none of a browser, and count as one.
fn is_said_to_be_foreign(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).iter().any(|value| value != "same-origin" && value != "none")
}

/// Returns whether the browser itself says so, in one line.
fn is_said_to_be_ours(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(SEC_FETCH_SITE).iter();
    values.next().is_some_and(|value| value == "same-origin") && values.next().is_none()
}

fn refusal() -> Refusal {
    let why = "a page of another site sent this request; name its origin in server.cors if it may";
    Refusal::new(ErrorCode::Denied, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://registry.example:8443";
    const UI: &str = "https://ui.example";

    fn head(lines: &[(&'static str, &str)]) -> Parts {
        let mut request = hyper::Request::new(());
        for (name, value) in lines {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request.into_parts().0
    }

    fn origin() -> Origin {
        Origin { scheme: "https", host: "registry.example:8443".to_owned() }
    }

    #[test]
    fn rule_33_only_our_own_pages_and_what_is_no_page_are_ours() {
        for (lines, own) in [
            (&[][..], true),
            (&[("origin", OURS)], true),
            (&[("origin", OURS), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("origin", "https://registry.example")], false),
            (&[("origin", "http://registry.example:8443")], false),
            (&[("origin", "https://registry.example:8443.evil.example")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "Same-Origin")], false),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", OURS), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", OURS), ("origin", "https://evil.example")], false),
        ] {
            assert_eq!(is_our_own(&head(lines).headers, &origin()), own, "{lines:?}");
            assert_eq!(refuse(&head(lines), &origin(), &CorsSettings::default()).is_ok(), own, "{lines:?}");
        }
    }

    #[test]
    fn rule_33_a_named_origin_may_and_no_other_page_sends_a_password() {
        let cors = CorsSettings { origins: vec![UI.to_owned()], methods: Vec::new() };
        let basic = ("authorization", "Basic Ym9iOng=");
        let (cross, same) = (("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin"));
        for (lines, token, password) in [
            (&[("origin", UI), cross, basic][..], true, true),
            (&[("origin", "https://evil.example"), cross, basic], false, false),
            (&[cross, basic], false, false),
            (&[cross, ("authorization", "Bearer a.b.c")], false, true),
            (&[cross], false, true),
            (&[("origin", UI), ("origin", UI), cross, basic], false, false),
            (&[("sec-fetch-site", "same-origin"), basic], true, true),
            // Without `Sec-Fetch-Site`, as old browsers and those over plain HTTP send it.
            (&[("origin", "https://evil.example"), basic], false, false),
            (&[("origin", "null"), basic], false, false),
            (&[("origin", "http://registry.example:8443"), basic], false, false),
            (&[("origin", OURS), ("origin", "https://evil.example"), basic], false, false),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "none"), basic], false, false),
            // Two lines are of no browser: neither of them is believed.
            (&[("origin", "https://evil.example"), same, cross, basic], false, false),
            (&[("origin", UI), basic], true, true),
            (&[("origin", OURS), basic], true, true),
            (&[basic], true, true),
            (&[("origin", "https://evil.example"), ("authorization", "Bearer a.b.c")], false, true),
            (&[("origin", "https://evil.example")], false, true),
            // A front end that is reached by another name than the one it uses.
            (&[("origin", "https://front.example"), ("sec-fetch-site", "same-origin"), basic], false, true),
        ] {
            assert_eq!(refuse(&head(lines), &origin(), &cors).is_ok(), token, "{lines:?}");
            assert_eq!(refuse_password(&head(lines), &origin(), &cors).is_ok(), password, "{lines:?}");
        }
    }
}
