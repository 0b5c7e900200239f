//! Answers from the registry's files alone (`registry.storage_answers`): what is needed for them besides the files. A proof
//! that these are the files of this registry, which ends by itself; and what the registry's own answers look like, learned
//! from them, so that its version, its configuration and all that stands before it show in ours as they do in its own.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use parking_lot::Mutex;

use super::{
    forward::{headers::is_for_clients, tag_reader::digest_in},
    response::error_response::API_VERSION,
};
use crate::registry::{Digest, Endpoint, Method, RepositoryName, Route, UploadId};

/// The proof, and what was learned since the configuration came into force.
#[derive(Debug, Default)]
pub struct StoredAnswers {
    proof: Mutex<Proof>,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Proof {
    /// The result of the last attempt.
    last: Option<Result<(), String>>,
    /// The end of the last one that succeeded.
    ends: Option<Instant>,
    /// The time of the next attempt.
    next: Option<Instant>,
    /// The upload that it is made with.
    upload: Option<Probe>,
}

/// An upload that never ends, of a repository that exists: each proof goes on with it.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) name: RepositoryName,
    pub(super) id: UploadId,
    /// The URL that the registry gave for the next request.
    pub(super) location: hyper::Uri,
}

#[derive(Debug, Default)]
struct Learned {
    /// The headers that are the same in all answers of a form.
    forms: HashMap<Form, Headers>,
    /// The media types of manifests, as the registry names them. They follow from the content.
    media_types: HashMap<Digest, &'static str>,
}

#[derive(Debug)]
struct Headers {
    headers: HeaderMap,
    /// True where the registry is to be asked again: its configuration may have changed.
    is_old: bool,
}

/// The kinds of answers that have the same headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Form {
    is_manifest: bool,
    is_head: bool,
}

/// A proof is made anew after this time.
const EACH: Duration = Duration::from_secs(60);
/// The end of one that was not made anew.
const LASTS: Duration = Duration::from_secs(120);
/// One that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Digests of which the media type is known. A registry is asked once more about the others.
const MOST: usize = 20_000;

/// Manifests that are sent as they are to clients that accept them.
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Headers that say something of one answer, and are written anew.
const OF_ONE: [HeaderName; 5] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::DATE, header::ETAG, CONTENT_DIGEST];
/// Headers that are the same in each. An answer with any other that clients see is not learned from.
const OF_ALL: [HeaderName; 3] = [header::ACCEPT_RANGES, header::CACHE_CONTROL, API_VERSION];

/// Headers of a request on which more than the headers of its answer depends.
const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

impl Form {
    /// The form of the answer to a request; `None` where it is no read of one manifest or blob.
    pub(super) fn of(route: &Route) -> Option<Self> {
        let is_head = match route.method() {
            Method::Get => false,
            Method::Head => true,
            _ => return None,
        };
        match route.endpoint() {
            Endpoint::Blob(..) => Some(Self { is_manifest: false, is_head }),
            Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..) => {
                Some(Self { is_manifest: true, is_head })
            }
            _ => None,
        }
    }
}

/// Returns true for a request that wants a part, or depends on what the client has.
pub(super) fn is_conditional(client: &HeaderMap) -> bool {
    CONDITIONS.iter().any(|name| client.contains_key(name))
}

/// Returns true if `Accept` names a media type, by itself: no wildcard, and no parameter.
pub(super) fn accepts(client: &HeaderMap, media_type: &str) -> bool {
    let values = client.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|accepted| accepted.trim_matches([' ', '\t']) == media_type)
}

impl StoredAnswers {
    /// Returns true while the files are known to be the registry's.
    pub(super) fn is_proven(&self, now: Instant) -> bool {
        self.proof.lock().ends.is_some_and(|ends| now < ends)
    }

    /// The reason why the registry is asked for everything; `None` while it is not.
    pub(super) fn off(&self, now: Instant) -> Option<String> {
        let proof = self.proof.lock();
        match &proof.last {
            _ if proof.ends.is_some_and(|ends| now < ends) => None,
            Some(Err(why)) => Some(why.clone()),
            _ => {
                Some("it is not yet known whether registry.storage has the files of this registry".to_owned())
            }
        }
    }

    /// Returns true if it is time for a proof.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.proof.lock().next.is_none_or(|next| next <= now)
    }

    /// Nothing is known, and the upload of the configuration before this one is gone on with.
    pub fn after(before: Option<&Self>) -> Self {
        let upload = before.and_then(Self::upload);
        Self { proof: Mutex::new(Proof { upload, ..Proof::default() }), ..Self::default() }
    }

    /// The upload of the last proof.
    pub(super) fn upload(&self) -> Option<Probe> {
        self.proof.lock().upload.clone()
    }

    /// Keeps an upload for the next proof.
    pub(super) fn keep_upload(&self, upload: Option<Probe>) {
        self.proof.lock().upload = upload;
    }

    /// Takes in the result of a proof that began at `began`, or why there is none. Returns true if that is not what it was.
    pub(super) fn proved(&self, result: Result<(), String>, began: Instant) -> bool {
        let mut proof = self.proof.lock();
        let is_proven = result.is_ok();
        proof.ends = is_proven.then(|| began + LASTS);
        proof.next = Some(began + if is_proven { EACH } else { AGAIN });
        let is_news = proof.last.as_ref() != Some(&result);
        proof.last = Some(result);
        drop(proof);
        let mut learned = self.learned.lock();
        if is_proven {
            learned.forms.values_mut().for_each(|headers| headers.is_old = true);
        } else {
            *learned = Learned::default();
        }
        is_news
    }

    /// The headers of all answers of a form; `None` where the registry has to be asked, once in a while to see whether they
    /// have changed.
    pub(super) fn headers(&self, form: Form) -> Option<HeaderMap> {
        let mut learned = self.learned.lock();
        let headers = learned.forms.get_mut(&form)?;
        let is_old = std::mem::take(&mut headers.is_old);
        (!is_old).then(|| headers.headers.clone())
    }

    /// The media type of a manifest, if the registry has ever sent it.
    pub(super) fn media_type(&self, digest: &Digest) -> Option<&'static str> {
        self.learned.lock().media_types.get(digest).copied()
    }

    /// Learns from an answer of the registry, the headers of whose request are `client`.
    pub(super) fn learn(&self, route: &Route, client: &HeaderMap, status: StatusCode, headers: &HeaderMap) {
        let Some(form) = Form::of(route).filter(|_| !is_conditional(client)) else { return };
        match status {
            StatusCode::OK => {}
            // The registry sends clients elsewhere now, or asks for a login.
            status if status.is_redirection() || is_of_login(status) => {
                self.learned.lock().forms.remove(&form);
                return;
            }
            _ => return,
        }
        // A manifest of another kind says nothing of those that are answered here.
        let Some(media_type) = media_type(form, headers) else { return };
        let digest = plain_digest(route, headers);
        let mut learned = self.learned.lock();
        let Some(digest) = digest else {
            learned.forms.remove(&form);
            return;
        };
        let of_all = OF_ALL.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
        learned.forms.insert(form, Headers { headers: of_all.collect(), is_old: false });
        if form.is_manifest {
            if learned.media_types.len() >= MOST {
                learned.media_types.clear();
            }
            learned.media_types.insert(digest, media_type);
        }
    }
}

fn is_of_login(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn media_type(form: Form, headers: &HeaderMap) -> Option<&'static str> {
    let written = text(headers, &header::CONTENT_TYPE)?;
    let known: &[&'static str] = if form.is_manifest { &MEDIA_TYPES } else { &[BLOB] };
    known.iter().copied().find(|media_type| *media_type == written)
}

/// The digest in an answer that could as well be made here; `None` for any other.
fn plain_digest(route: &Route, headers: &HeaderMap) -> Option<Digest> {
    let digest = digest_in(headers).filter(Digest::is_sha256)?;
    let is_asked = match route.endpoint() {
        Endpoint::Blob(_, asked) | Endpoint::ManifestByDigest(_, asked) => *asked == digest,
        _ => true,
    };
    let etag = text(headers, &header::ETAG)?.strip_prefix('"')?.strip_suffix('"')?;
    let is_sized = text(headers, &header::CONTENT_LENGTH)?.bytes().all(|byte| byte.is_ascii_digit());
    let is_known = |name: &HeaderName| {
        OF_ONE.contains(name)
            || (OF_ALL.contains(name) && text(headers, name).is_some())
            || !is_for_clients(name)
    };
    let is_plain = is_asked && is_sized && etag == digest.as_str() && headers.keys().all(is_known);
    is_plain.then_some(digest)
}

/// The value of a header that stands there once.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// The media type of each blob.
pub(super) const BLOB: &str = "application/octet-stream";

/// Completes the headers of an answer.
pub(super) fn complete(headers: &mut HeaderMap, digest: &Digest, media_type: &'static str, size: u64) {
    headers.insert(header::CONTENT_LENGTH, size.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let written = HeaderValue::try_from(digest.as_str()).ok();
    headers.extend(written.map(|digest| (CONTENT_DIGEST, digest)));
    let quoted = HeaderValue::try_from(format!("\"{digest}\"")).ok();
    headers.extend(quoted.map(|etag| (header::ETAG, etag)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, digest: &Digest) -> Route {
        Route::parse(method, &format!("/v2/a/manifests/{digest}"), None).unwrap()
    }

    fn answer(digest: &Digest, more: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        complete(&mut headers, digest, MEDIA_TYPES[1], 7);
        for (name, value) in more {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn rule_66_only_what_the_registry_has_shown_is_known() {
        let (answers, digest, none) = (StoredAnswers::default(), Digest::of(b"a"), HeaderMap::new());
        let (get, form) = (route("GET", &digest), Form { is_manifest: true, is_head: false });
        let learn = |client: &HeaderMap, status: u16, headers: &HeaderMap| {
            answers.learn(&get, client, StatusCode::from_u16(status).unwrap(), headers);
            (answers.headers(form), answers.media_type(&digest))
        };
        let version =
            [("docker-distribution-api-version", "registry/2.0"), ("x-content-type-options", "nosniff")];
        let whole = answer(&digest, &version);
        assert_eq!(learn(&none, 404, &whole), (None, None));
        let ranged = [(header::RANGE, HeaderValue::from_static("bytes=0-"))].into_iter().collect();
        assert_eq!(learn(&ranged, 200, &whole), (None, None));
        for other in
            [("vary", "accept"), ("content-encoding", "gzip"), ("etag", "x"), ("age", "1"), ("link", "<x>")]
        {
            assert_eq!(learn(&none, 200, &answer(&digest, &[other])), (None, None), "{other:?}");
        }
        assert_eq!(learn(&none, 200, &answer(&Digest::of(b"b"), &[])), (None, None), "of another digest");
        let (headers, media_type) = learn(&none, 200, &whole);
        assert_eq!((headers.unwrap().len(), media_type), (1, Some(MEDIA_TYPES[1])));
        assert!(answers.headers(Form { is_manifest: true, is_head: true }).is_none(), "another form");
        for status in [307, 401, 403] {
            assert_eq!(learn(&none, status, &whole).0, None, "{status}");
            assert!(learn(&none, 200, &whole).0.is_some());
        }
        assert!(learn(&none, 404, &whole).0.is_some() && learn(&none, 503, &whole).0.is_some());
        // An answer of another form of that kind ends it.
        assert_eq!(learn(&none, 200, &answer(&digest, &[("vary", "accept")])).0, None);
    }

    #[test]
    fn rule_66_a_proof_ends_by_itself_and_a_failure_at_once() {
        let (answers, start) = (StoredAnswers::default(), Instant::now());
        assert!(!answers.is_proven(start) && answers.is_due(start) && answers.off(start).is_some());
        assert!(answers.proved(Ok(()), start) && !answers.proved(Ok(()), start));
        assert!(answers.is_proven(start) && !answers.is_due(start) && answers.off(start).is_none());
        assert!(answers.is_due(start + EACH) && answers.is_proven(start + EACH));
        assert!(!answers.is_proven(start + LASTS) && answers.off(start + LASTS).is_some());
        let digest = Digest::of(b"a");
        answers.learn(&route("GET", &digest), &HeaderMap::new(), StatusCode::OK, &answer(&digest, &[]));
        let form = Form { is_manifest: true, is_head: false };
        assert!(answers.headers(form).is_some());
        answers.proved(Ok(()), start);
        assert!(answers.headers(form).is_none(), "one asks the registry again");
        assert!(answers.headers(form).is_some(), "and others do not wait for it");
        assert!(answers.proved(Err("no".to_owned()), start));
        assert_eq!((answers.is_proven(start), answers.off(start)), (false, Some("no".to_owned())));
        assert!(answers.headers(form).is_none() && answers.media_type(&digest).is_none());
    }

    #[test]
    fn accept_names_a_media_type_or_does_not() {
        let accepted = |text: &'static str| {
            let client = [(header::ACCEPT, HeaderValue::from_static(text))].into_iter().collect();
            accepts(&client, MEDIA_TYPES[1])
        };
        assert!(accepted("application/vnd.oci.image.manifest.v1+json"));
        assert!(accepted("a/b;q=1 ,\tapplication/vnd.oci.image.manifest.v1+json , */*"));
        for text in [
            "*/*",
            "",
            "application/*",
            "application/vnd.oci.image.manifest.v1+json;q=0",
            "x application/vnd.oci.image.manifest.v1+json",
        ] {
            assert!(!accepted(text), "{text}");
        }
    }

    #[test]
    fn rule_66_the_memory_of_media_types_is_bounded() {
        let answers = StoredAnswers::default();
        for n in 0..=MOST {
            let digest = Digest::of(&n.to_le_bytes());
            answers.learn(&route("GET", &digest), &HeaderMap::new(), StatusCode::OK, &answer(&digest, &[]));
        }
        assert_eq!(answers.learned.lock().media_types.len(), 1);
    }
}
