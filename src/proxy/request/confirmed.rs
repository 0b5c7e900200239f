//! The push, pull, mount or deletion that the registry's answer to a forwarded request confirms. The cases are those in
//! which the registry sends a notification of its own (distribution 2.8, `notifications/listener.go`).

use hyper::{HeaderMap, StatusCode, header};

use crate::{
    registry::{Digest, Endpoint, Method, Route},
    telemetry::{Action, Object},
};

/// An action that is confirmed, and its object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub(crate) action: Action,
    pub(crate) object: Object,
    pub(crate) digest: Option<String>,
    pub(crate) media_type: Option<String>,
    /// In bytes, where a header says it.
    pub(crate) size: Option<u64>,
}

impl Confirmed {
    /// Reads an answer; `sent` are the headers of the request. `None` where nothing of note was done.
    pub(crate) fn by(
        route: &Route,
        sent: &HeaderMap,
        status: StatusCode,
        answer: &HeaderMap,
    ) -> Option<Self> {
        let (action, object) = kind(route, status)?;
        let named = text(answer, "docker-content-digest");
        let of_route = || match route.endpoint() {
            Endpoint::ManifestByDigest(_, digest) | Endpoint::Blob(_, digest) => Some(digest.to_string()),
            _ => route.mounted().map(|digest| digest.to_string()),
        };
        let (described, is_of_body) = match action {
            Action::Push => (sent, route.method() == Method::Put && object == Object::Manifest),
            Action::Pull => (answer, status == StatusCode::OK),
            Action::Mount | Action::Delete => (answer, false),
        };
        let said = |name: header::HeaderName| text(described, name.as_str()).filter(|_| is_of_body);
        Some(Self {
            action,
            object,
            digest: named.or_else(of_route),
            media_type: said(header::CONTENT_TYPE).filter(|_| object == Object::Manifest),
            size: said(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        })
    }

    /// The action that the registry confirms if it does what a request asks for; `None` where that leaves the registry as it
    /// is. `pushed` is the digest of a manifest that is pushed.
    pub(crate) fn intended(route: &Route, sent: &HeaderMap, pushed: Option<&Digest>) -> Option<Self> {
        let status = match route.method() {
            Method::Put | Method::Post => StatusCode::CREATED,
            Method::Delete => StatusCode::ACCEPTED,
            _ => return None,
        };
        let mut intended = Self::by(route, sent, status, &HeaderMap::new())?;
        let named = || route.reference().filter(|reference| Digest::parse(reference).is_some());
        let digest = pushed.map(Digest::as_str).or_else(named).map(str::to_owned);
        intended.digest = intended.digest.or(digest);
        // The beginning of an upload stores nothing.
        (intended.object == Object::Tag || intended.digest.is_some()).then_some(intended)
    }

    /// A deletion that Portwarden itself has put together, or that a page asked for.
    pub(crate) fn deletion(object: Object, digest: Option<String>) -> Self {
        Self { action: Action::Delete, object, digest, media_type: None, size: None }
    }
}

fn kind(route: &Route, status: StatusCode) -> Option<(Action, Object)> {
    use Method::{Delete, Get, Head, Post, Put};
    Some(match (route.endpoint(), route.method(), status) {
        (Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..), Put, StatusCode::CREATED) => {
            (Action::Push, Object::Manifest)
        }
        (Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..), Get | Head, StatusCode::OK) => {
            (Action::Pull, Object::Manifest)
        }
        (Endpoint::ManifestByTag(..), Delete, StatusCode::ACCEPTED) => (Action::Delete, Object::Tag),
        (Endpoint::ManifestByDigest(..), Delete, StatusCode::ACCEPTED) => (Action::Delete, Object::Manifest),
        (
            Endpoint::Blob(..),
            Get | Head,
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::TEMPORARY_REDIRECT,
        ) => (Action::Pull, Object::Blob),
        (Endpoint::Blob(..), Delete, StatusCode::ACCEPTED) => (Action::Delete, Object::Blob),
        (Endpoint::StartUpload(_), Post, StatusCode::CREATED) if route.mounted().is_some() => {
            (Action::Mount, Object::Blob)
        }
        (Endpoint::StartUpload(_), Post, StatusCode::CREATED)
        | (Endpoint::Upload(..), Put, StatusCode::CREATED) => (Action::Push, Object::Blob),
        _ => return None,
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// The answer to a request, as `action object digest media-type size`.
    fn confirmed(method: &str, target: &str, status: u16) -> String {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let route = Route::parse(method, path, query).unwrap();
        let sent = headers(&[("content-type", "of/request"), ("content-length", "5")]);
        let answer = headers(&[("content-type", "of/answer"), ("content-length", "7")]);
        let found = Confirmed::by(&route, &sent, StatusCode::from_u16(status).unwrap(), &answer);
        found.map_or_else(String::new, |Confirmed { action, object, digest, media_type, size }| {
            let digest = digest.map_or("-", |digest| if digest == DIGEST { "named" } else { "other" });
            let (media_type, size) = (media_type.unwrap_or_default(), size.unwrap_or_default());
            format!("{} {object:?} {digest} {media_type} {size}", action.as_str())
        })
    }

    #[test]
    fn what_a_request_is_to_do_is_what_its_answer_confirms() {
        let pushed = Digest::parse(DIGEST).unwrap();
        let by_digest = format!("/v2/a/manifests/{DIGEST}");
        let mount = format!("/v2/a/blobs/uploads/?mount={DIGEST}&from=b");
        let end = format!("/v2/a/blobs/uploads/u?digest={DIGEST}");
        for (method, target, expected) in [
            ("PUT", "/v2/a/manifests/1", "push Manifest"),
            ("PUT", &by_digest, "push Manifest"),
            ("DELETE", "/v2/a/manifests/1", "delete Tag"),
            ("DELETE", &by_digest, "delete Manifest"),
            ("DELETE", &format!("/v2/a/blobs/{DIGEST}"), "delete Blob"),
            ("POST", &mount, "mount Blob"),
            ("PUT", &end, "push Blob"),
            ("POST", "/v2/a/blobs/uploads/", ""),
            ("PATCH", "/v2/a/blobs/uploads/u", ""),
            ("GET", "/v2/a/manifests/1", ""),
            ("HEAD", &by_digest, ""),
        ] {
            let (path, query) =
                target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            let route = Route::parse(method, path, query).unwrap();
            let is_push = method == "PUT" && target.contains("manifests");
            let intended = Confirmed::intended(&route, &HeaderMap::new(), is_push.then_some(&pushed));
            let text = intended.as_ref().map(|found| format!("{} {:?}", found.action.as_str(), found.object));
            assert_eq!(text.unwrap_or_default(), expected, "{method} {target}");
            let digest =
                intended.filter(|found| found.object != Object::Tag).map(|found| found.digest.unwrap());
            assert!(digest.is_none_or(|digest| digest == DIGEST), "{method} {target}");
        }
    }

    #[test]
    fn each_request_that_the_registry_notifies_of_is_confirmed_by_its_answer_alone() {
        let by_digest = format!("/v2/a/manifests/{DIGEST}");
        let blob = format!("/v2/a/blobs/{DIGEST}");
        let mount = format!("/v2/a/blobs/uploads/?mount={DIGEST}&from=b");
        for (method, target, status, expected) in [
            ("PUT", "/v2/a/manifests/1", 201, "push Manifest - of/request 5"),
            ("PUT", "/v2/a/manifests/1", 400, ""),
            ("GET", "/v2/a/manifests/1", 200, "pull Manifest - of/answer 7"),
            ("HEAD", "/v2/a/manifests/1", 200, "pull Manifest - of/answer 7"),
            ("GET", "/v2/a/manifests/1", 304, ""),
            ("DELETE", "/v2/a/manifests/1", 202, "delete Tag -  0"),
            ("DELETE", &by_digest, 202, "delete Manifest named  0"),
            ("DELETE", &by_digest, 404, ""),
            ("GET", &blob, 200, "pull Blob named  7"),
            ("GET", &blob, 206, "pull Blob named  0"),
            ("HEAD", &blob, 307, "pull Blob named  0"),
            ("GET", &blob, 404, ""),
            ("DELETE", &blob, 202, "delete Blob named  0"),
            ("POST", &mount, 201, "mount Blob named  0"),
            ("POST", &mount, 202, ""),
            ("POST", "/v2/a/blobs/uploads/", 202, ""),
            ("PUT", "/v2/a/blobs/uploads/u", 201, "push Blob -  0"),
            ("PATCH", "/v2/a/blobs/uploads/u", 202, ""),
            ("GET", "/v2/a/tags/list", 200, ""),
            ("GET", "/v2/_catalog", 200, ""),
            ("GET", "/v2/", 200, ""),
        ] {
            assert_eq!(confirmed(method, target, status), expected, "{method} {target} {status}");
        }
    }
}
