//! A blob whose bytes come from the registry's own files (`registry.storage`). The registry is asked for its head first,
//! so it decides whether the repository has the blob, and what the answer says of it.

use std::{ops::Range, time::Instant};

use hyper::{HeaderMap, Response, StatusCode, header};

use super::{Service, journey::Visit};
use crate::{
    authz::Permit,
    limits::{Network, Slot},
    proxy::{
        UpstreamError,
        body::request_body::RequestBody,
        forward::{headers, tag_reader::digest_in},
        request::context::RequestContext,
        request_log::RequestLog,
        response::arriving::{Arriving, StoredBlob},
        upstream::RequestHead,
    },
    registry::{Digest, Endpoint, Method, Route},
    storage::{BlobReader, NotRead, Storage},
};

/// The way to an answer.
pub(super) enum Way {
    /// It is made of the registry's files.
    Storage(Box<Response<Arriving>>),
    /// The registry is asked, in this slot.
    Registry(Slot),
}

/// A request for a blob that may come from its file.
pub(super) struct StoredRead<'a> {
    pub(super) storage: &'a Storage,
    pub(super) permit: &'a Permit,
    pub(super) digest: &'a Digest,
    pub(super) visit: Visit<'a>,
}

/// The blob that a route reads; `None` for any other request.
pub(super) fn blob_of(route: &Route) -> Option<&Digest> {
    match route.endpoint() {
        Endpoint::Blob(_, digest) if route.method() == Method::Get => Some(digest),
        _ => None,
    }
}

impl Service {
    /// Asks the registry for the head of a blob, and takes the bytes from its file. Where that cannot be, the registry is
    /// asked for all of it. So it is where the client has as many files open as it may have.
    ///
    /// # Errors
    /// The registry is down, slow, or broken.
    pub(super) async fn read_stored(
        &self,
        read: StoredRead<'_>,
        slot: Slot,
        log: &RequestLog,
    ) -> Result<Response<Arriving>, UpstreamError> {
        let Some(read_slot) = read.visit.upstream.read_slot(read.visit.address) else {
            self.telemetry.metrics.read_blob("busy");
            return read.ask(Method::Get, slot, log).await;
        };
        let head = read.ask(Method::Head, slot, log).await?;
        match read.open(head.status(), head.headers()).await {
            Ok(reader) => {
                self.telemetry.metrics.read_blob("file");
                let read_slot = read_slot.of(read.visit.context.in_flight);
                Ok(head.map(|_| Arriving::Stored(Box::new(StoredBlob::new(reader, &self.budget, read_slot)))))
            }
            Err(why) => {
                self.telemetry.metrics.read_blob(why.as_ref().map_or("answer", NotRead::as_str));
                if let Some(why) = why {
                    self.log_unread(&read, &why);
                }
                drop(read_slot);
                let slot =
                    read.visit.upstream.slot(read.visit.address).await?.of(read.visit.context.in_flight);
                read.ask(Method::Get, slot, log).await
            }
        }
    }

    fn log_unread(&self, read: &StoredRead<'_>, error: &NotRead) {
        if let Some(suppressed) = self.unread.due(Network::Unknown, Instant::now()) {
            let (path, digest) = (read.storage.path().display(), read.digest);
            tracing::warn!(
                %path, %digest, %error, suppressed,
                "a blob could not be read from registry.storage, so the registry sent it; check that this is its directory, \
                 and that this user may read it"
            );
        }
    }
}

impl StoredRead<'_> {
    async fn ask(
        &self,
        method: Method,
        slot: Slot,
        log: &RequestLog,
    ) -> Result<Response<Arriving>, UpstreamError> {
        let mut head = RequestHead::new(method, &self.permit.route().path_and_query());
        let RequestContext { head: client, origin, .. } = self.visit.context;
        headers::to_registry(&mut head, &client.headers, origin, self.visit.address, log.id());
        let response = self.visit.upstream.send(head.with(RequestBody::empty()), slot).await?;
        Ok(response.map(Arriving::Registry))
    }

    /// Opens the file of a blob whose head the registry has sent.
    ///
    /// # Errors
    /// The reason why it is not read; `None` where the answer is none that has such a body.
    async fn open(&self, status: StatusCode, headers: &HeaderMap) -> Result<BlobReader, Option<NotRead>> {
        let (size, part) = part(status, headers).ok_or(None)?;
        if digest_in(headers).as_ref() != Some(self.digest) || headers.contains_key(header::CONTENT_ENCODING)
        {
            return Err(None);
        }
        Ok(self.storage.blob(self.digest, size, part).await?)
    }
}

/// The size of the whole, and the part that an answer is to have.
fn part(status: StatusCode, headers: &HeaderMap) -> Option<(u64, Range<u64>)> {
    let length: u64 = number(headers.get(header::CONTENT_LENGTH)?.to_str().ok()?)?;
    match status {
        StatusCode::OK => Some((length, 0..length)),
        StatusCode::PARTIAL_CONTENT => {
            let written = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
            let (part, size) = written.split_once('/')?;
            let (first, last) = part.split_once('-')?;
            let (first, end, size) = (number(first)?, number(last)?.checked_add(1)?, number(size)?);
            (end.checked_sub(first) == Some(length) && end <= size).then_some((size, first..end))
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_an_answer_is_read_exactly_or_not_at_all() {
        let whole = |length: &str| (200, length.to_owned(), String::new());
        let some = |length: &str, range: &str| (206, length.to_owned(), range.to_owned());
        for ((status, length, range), expected) in [
            (whole("7"), Some((7, 0..7))),
            (whole("0"), Some((0, 0..0))),
            (whole("-7"), None),
            (whole("+7"), None),
            (whole(""), None),
            (some("3", "bytes 2-4/7"), Some((7, 2..5))),
            (some("1", "bytes 6-6/7"), Some((7, 6..7))),
            (some("2", "bytes 2-4/7"), None),
            (some("3", "bytes 5-7/7"), None),
            (some("3", "bytes 4-2/7"), None),
            (some("3", "bytes 2-4/*"), None),
            (some("3", "items 2-4/7"), None),
            (some("3", ""), None),
            (some("0", "bytes 0-18446744073709551615/7"), None),
            ((304, "7".into(), String::new()), None),
            ((307, "7".into(), String::new()), None),
            ((404, "7".into(), String::new()), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, length.parse().unwrap());
            headers.insert(header::CONTENT_RANGE, range.parse().unwrap());
            let found = part(StatusCode::from_u16(status).unwrap(), &headers);
            assert_eq!(found, expected, "{status} {length} {range}");
        }
    }
}
