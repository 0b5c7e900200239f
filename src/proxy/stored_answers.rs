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
use crate::{
    registry::{Digest, Endpoint, Method, RepositoryName, Route, UploadId},
    storage::Lists,
};

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
    /// The largest page that it is known to send, of lists of repositories.
    page: u32,
    /// True where the registry is to be asked again: its configuration may have changed.
    is_old: bool,
}

/// The kinds of answers that have the same headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Blob { is_head: bool },
    Manifest { is_head: bool },
    Tags,
    Catalog,
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

/// The media types of lists, by which the versions of the registry can be told (`registry/handlers/tags.go`).
const LISTS: [(&str, Lists); 2] =
    [("application/json; charset=utf-8", Lists::V2), ("application/json", Lists::V3)];
/// The length up to which Go's server knows how long an answer is before it begins to send it (`net/http`).
const SIZED: usize = 2048;
/// The names on a page of a registry for a client that does not say how many it wants (`registry/handlers/catalog.go`).
pub(super) const DEFAULT_PAGE: u32 = 100;

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
    /// The form of the answer to a request; `None` where it is no read that the files may answer.
    pub(super) fn of(route: &Route) -> Option<Self> {
        let is_head = match route.method() {
            Method::Get => false,
            Method::Head => true,
            _ => return None,
        };
        match route.endpoint() {
            Endpoint::Blob(..) => Some(Self::Blob { is_head }),
            Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..) => Some(Self::Manifest { is_head }),
            Endpoint::Tags(_) if !is_head => Some(Self::Tags),
            Endpoint::Catalog if !is_head => Some(Self::Catalog),
            _ => None,
        }
    }

    /// Returns true if the answer has no body.
    pub(super) fn is_head(self) -> bool {
        matches!(self, Self::Blob { is_head: true } | Self::Manifest { is_head: true })
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

    /// The version that the registry's lists of tags show.
    pub(super) fn lists(&self) -> Option<Lists> {
        lists_in(&self.learned.lock().forms.get(&Form::Tags)?.headers)
    }

    /// Returns true if the registry is known to send pages of that many names.
    pub(super) fn knows_page(&self, names: u32) -> bool {
        self.learned.lock().forms.get(&Form::Catalog).is_some_and(|known| names <= known.page)
    }

    /// The media type of a manifest, if the registry has ever sent it.
    pub(super) fn media_type(&self, digest: &Digest) -> Option<&'static str> {
        self.learned.lock().media_types.get(digest).copied()
    }

    /// Learns from an answer of the registry, the headers of whose request are `client`.
    pub(super) fn learn(&self, route: &Route, client: &HeaderMap, status: StatusCode, headers: &HeaderMap) {
        let Some(form) = Form::of(route).filter(|_| !is_conditional(client)) else { return };
        match (status, form) {
            (StatusCode::OK, Form::Tags | Form::Catalog) => self.learn_list(form, route, headers),
            (StatusCode::OK, Form::Blob { .. }) => self.learn_one(form, route, headers, &[BLOB]),
            (StatusCode::OK, Form::Manifest { .. }) => self.learn_one(form, route, headers, &MEDIA_TYPES),
            // Its pages are smaller now.
            (StatusCode::BAD_REQUEST, Form::Catalog) if self.knows_page(asked_page(route)) => {
                self.forget(form);
            }
            // The registry sends clients elsewhere now, or asks for a login.
            (status, _) if status.is_redirection() || is_of_login(status) => self.forget(form),
            _ => {}
        }
    }

    fn learn_one(&self, form: Form, route: &Route, headers: &HeaderMap, media_types: &[&'static str]) {
        // A manifest of another kind says nothing of those that are answered here.
        let written = text(headers, &header::CONTENT_TYPE);
        let Some(media_type) = media_types.iter().copied().find(|known| written == Some(*known)) else {
            return;
        };
        let Some(digest) = plain_digest(route, headers) else {
            self.forget(form);
            return;
        };
        self.keep(form, headers, 0);
        if let Form::Manifest { .. } = form {
            let mut learned = self.learned.lock();
            if learned.media_types.len() >= MOST {
                learned.media_types.clear();
            }
            learned.media_types.insert(digest, media_type);
        }
    }

    fn learn_list(&self, form: Form, route: &Route, headers: &HeaderMap) {
        let linked = match text(headers, &header::LINK) {
            // Of pages as large as the registry likes, the link to the next one says how large they are.
            Some(link) if form == Form::Catalog => page_in(link),
            // A part of the tags, as a client of registry 3 has asked for, says nothing of all.
            Some(_) if route.asks("n") => return,
            Some(_) => None,
            None => Some(asked_page(route)),
        };
        let length = text(headers, &header::CONTENT_LENGTH).map_or(Some(0), |length| length.parse().ok());
        let is_sized = length.is_some_and(|length: usize| length <= SIZED);
        let of_one = [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::DATE, header::LINK];
        match linked.filter(|_| is_sized && lists_in(headers).is_some() && is_plain(headers, &of_one)) {
            Some(page) => self.keep(form, headers, page),
            None => self.forget(form),
        }
    }

    fn keep(&self, form: Form, headers: &HeaderMap, page: u32) {
        let lists = matches!(form, Form::Tags | Form::Catalog).then_some(header::CONTENT_TYPE);
        let names = OF_ALL.into_iter().chain(lists);
        let of_all = names.filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
        self.learned.lock().forms.insert(form, Headers { headers: of_all, page, is_old: false });
    }

    fn forget(&self, form: Form) {
        self.learned.lock().forms.remove(&form);
    }
}

fn is_of_login(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The size of the pages of repositories that a request asks for; 0 where it leaves it to the registry.
fn asked_page(route: &Route) -> u32 {
    route.catalog_page().n.unwrap_or(0)
}

/// The version of the registry whose list has these headers.
fn lists_in(headers: &HeaderMap) -> Option<Lists> {
    let written = text(headers, &header::CONTENT_TYPE)?;
    LISTS.into_iter().find(|(media_type, _)| *media_type == written).map(|(_, lists)| lists)
}

/// The size of the pages in a link to the next one, if the registry has made it as it is made here.
fn page_in(link: &str) -> Option<u32> {
    let (_, n) = link.strip_prefix(NEXT)?.strip_suffix(">; rel=\"next\"")?.split_once("&n=")?;
    n.parse().ok()
}

/// The link of a page to the next one, as the registry writes it (`createLinkEntry`).
pub(super) fn next_page(last: &str, n: u32) -> String {
    format!("{NEXT}{}&n={n}>; rel=\"next\"", last.replace('/', "%2F"))
}

/// Returns true if all headers that clients see are known: those of this one answer, and those of all.
fn is_plain(headers: &HeaderMap, of_one: &[HeaderName]) -> bool {
    headers.keys().all(|name| {
        of_one.contains(name)
            || (OF_ALL.contains(name) && text(headers, name).is_some())
            || !is_for_clients(name)
    })
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
    let is_plain = is_asked && is_sized && etag == digest.as_str() && is_plain(headers, &OF_ONE);
    is_plain.then_some(digest)
}

/// The value of a header that stands there once.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// Completes the headers of a list of so many bytes. Longer ones have no Content-Length.
pub(super) fn complete_list(headers: &mut HeaderMap, size: usize) -> bool {
    let is_sized = size <= SIZED;
    headers.extend(is_sized.then(|| (header::CONTENT_LENGTH, size.into())));
    is_sized
}

const NEXT: &str = "</v2/_catalog?last=";

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
mod tests;
