//! Portwarden's own requests to the registry, on behalf of a client: each with a permit, like those that the client
//! sends itself. The answer is read whole, up to a bound, and given to the caller.

use std::{
    error::Error,
    future::poll_fn,
    io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    StatusCode,
    body::Bytes,
    header::{self, HeaderMap, HeaderValue},
};

use super::{
    headers,
    rewrite::upstream_head,
    stored_reads::{Asker, Content, StoredAnswer, StoredReads},
};
use crate::{
    authz::Permit,
    limits::count_suppressed,
    net::within,
    proxy::{
        Snapshot, Upstream, UpstreamError,
        body::request_body::RequestBody,
        request::{context::RequestContext, origin::Origin},
        request_log::RequestLog,
        response::{
            body::{ResponseBody, UpstreamBody},
            upstream_error::{reject_unexpected_upstream, unanswered},
        },
        stored_answers::Form,
    },
    registry::{Digest, ErrorCode, Refusal, Route},
    telemetry::{RequestId, Telemetry},
};

/// Asks the registry for one client. Cheap to clone: one for each of several questions at once.
#[derive(Debug, Clone)]
pub(crate) struct Subrequest {
    /// The registry.
    pub(crate) upstream: Upstream,
    /// The time for which an answer may stand still (`limits.idle_body`).
    pub(crate) idle_body: Duration,
    /// The scheme and host under which the client reaches Portwarden: passed to the registry, as with every request.
    pub(crate) origin: Origin,
    /// The client's address, whose share of the slots the request counts against.
    pub(crate) address: Option<IpAddr>,
    /// The request that this is for.
    pub(crate) id: RequestId,
    /// For reads that decide nothing about a change, the files that may answer in the registry's place.
    pub(super) files: Option<Files>,
}

/// The configuration whose files may be read, and the metrics that count it.
#[derive(Debug, Clone)]
pub(super) struct Files {
    snapshot: Arc<Snapshot>,
    telemetry: Arc<Telemetry>,
}

/// An answer of the registry.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The absence of an answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) refusal: Refusal,
    /// False if the registry cannot have got the request.
    pub(crate) may_have_been_sent: bool,
}

/// The largest answer that is read: the bound of registry 2.8 on a manifest, which a page of the catalogue stays under.
pub(in crate::proxy) const LARGEST: usize = 4 << 20;

/// The time in which a file is read whole.
const READING: Duration = Duration::from_secs(2);

/// All kinds of manifests: the registry converts kinds that the client does not list.
pub(crate) const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.v1+prettyjws";

impl Subrequest {
    /// Asks for the client of a request. What a client that only reads needs may come from the registry's files.
    pub(crate) fn of(
        upstream: &Upstream,
        context: RequestContext<'_>,
        address: Option<IpAddr>,
        log: &RequestLog,
    ) -> Self {
        let (origin, idle_body) = (context.origin.clone(), context.snapshot.settings.idle_body);
        let files = matches!(context.head.method, hyper::Method::GET | hyper::Method::HEAD).then(|| Files {
            snapshot: Arc::clone(context.snapshot),
            telemetry: Arc::clone(log.telemetry()),
        });
        Self { upstream: upstream.clone(), idle_body, origin, address, id: log.id().clone(), files }
    }

    /// Asks for an operator at the control socket, as a client of this machine.
    pub(crate) fn of_operator(upstream: &Upstream, snapshot: &Snapshot) -> Self {
        let origin = Origin { scheme: "https", host: "localhost".to_owned() };
        let (upstream, idle_body) = (upstream.clone(), snapshot.settings.idle_body);
        Self { upstream, idle_body, origin, address: None, id: RequestId::random(), files: None }
    }

    /// The same for what decides about a change: the registry itself is asked, whatever its files say.
    pub(crate) fn without_files(&self) -> Self {
        Self { files: None, ..self.clone() }
    }

    /// Asks, with `accept` as the media types that are understood.
    ///
    /// # Errors
    /// The registry gives no answer, too large a one, or one that breaks off.
    pub(crate) async fn ask(&self, permit: &Permit, accept: &'static str) -> Result<Reply, Refusal> {
        if let Some(reply) = self.read_files(permit, accept).await {
            return Ok(reply);
        }
        let reply = self.send(permit, accept, None).await.map_err(|unanswered| unanswered.refusal)?;
        if let Some(answers) = self.files.as_ref().and_then(|files| files.snapshot.answers.as_ref()) {
            answers.learn(permit.route(), &HeaderMap::new(), reply.status, &reply.headers);
        }
        Ok(reply)
    }

    /// The answer to a read, from the registry's files; `None` where the registry is to be asked.
    async fn read_files(&self, permit: &Permit, accept: &'static str) -> Option<Reply> {
        let Files { snapshot, telemetry } = self.files.as_ref()?;
        let (reads, route) = (StoredReads::of(snapshot)?, permit.route());
        let form = Form::of(route)?;
        let asked = [(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
        let slot = || self.upstream.read_slot(self.address);
        let reply = match reads.read((form, route), &asked, Asker::Ourselves, slot).await {
            Ok(answer) => whole(answer, route).await,
            // Pages look for the tags of signatures, which most images do not have.
            Err("missing") if reads.lacks_tag(route).await => {
                Ok(Reply { status: StatusCode::NOT_FOUND, headers: HeaderMap::new(), body: Bytes::new() })
            }
            Err(why) => Err(why),
        };
        telemetry.metrics.answered_from_storage(reply.as_ref().err().copied().unwrap_or("storage"));
        reply.ok()
    }

    /// The same for a request with a body, of which the media type comes first.
    ///
    /// # Errors
    /// As [`Self::ask`], with the word whether the registry may have got the request.
    pub(crate) async fn send(
        &self,
        permit: &Permit,
        accept: &'static str,
        content: Option<(&'static str, &'static str)>,
    ) -> Result<Reply, Unanswered> {
        let failed = |error: UpstreamError| Unanswered {
            may_have_been_sent: error.may_have_been_sent(),
            refusal: unanswered(&error, &self.upstream),
        };
        let broken = |refusal| Unanswered { refusal, may_have_been_sent: true };
        let mut head = upstream_head(permit);
        headers::to_registry(&mut head, &HeaderMap::new(), &self.origin, self.address, &self.id);
        head.append_text(&header::ACCEPT, accept);
        let body = content.map_or_else(RequestBody::empty, |(media_type, text)| {
            head.append_text(&header::CONTENT_TYPE, media_type);
            RequestBody::of(Bytes::from_static(text.as_bytes()))
        });
        let slot = self.upstream.slot(self.address).await.map_err(failed)?;
        let response = self.upstream.send(head.with(body), slot).await.map_err(failed)?;
        reject_unexpected_upstream(&response, &self.upstream).map_err(broken)?;
        let (head, body) = response.into_parts();
        let body = ResponseBody::upstream(UpstreamBody::new(body, head.status, self.idle_body));
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| broken(self.unreadable(&*error)))?;
        Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    /// The answer where the registry's could not be read.
    fn unreadable(&self, error: &(dyn Error + Send + Sync + 'static)) -> Refusal {
        if let Some(suppressed) = self.upstream.failures().due("unreadable", Instant::now()) {
            let (registry, suppressed) = (self.upstream.address(), count_suppressed(suppressed));
            tracing::warn!(%registry, %error, suppressed, "an answer of the registry could not be read");
        }
        let refused =
            |what| Refusal::new(ErrorCode::BadGateway, format!("the registry behind this proxy {what}"));
        if error.downcast_ref::<LengthLimitError>().is_some() {
            refused("sent more than 4 MiB")
        } else {
            refused("broke off").retry_after(crate::proxy::upstream::RETRY_AFTER)
        }
    }
}

/// All of an answer.
///
/// # Errors
/// The reason why the registry is to be asked: the file of a blob is too large, is not read in time, or does not match its
/// digest.
async fn whole(answer: StoredAnswer, route: &Route) -> Result<Reply, &'static str> {
    let StoredAnswer { headers, content, slot } = answer;
    let body = match content {
        _ if slot.is_none() => Bytes::new(),
        Content::Text(text) | Content::LongText(text) => text,
        Content::Blob(mut reader) => {
            if reader.left() > LARGEST as u64 {
                return Err("other");
            }
            let mut body = Vec::new();
            let reading = async {
                while let Some(piece) = poll_fn(|cx| reader.poll_piece(cx, LARGEST)).await {
                    body.extend_from_slice(&piece?);
                }
                Ok::<(), io::Error>(())
            };
            within(READING, reading).await.ok_or("slow")?.map_err(|_| "unreadable")?;
            if route.reference() != Some(Digest::of(&body).as_str()) {
                return Err("other");
            }
            body.into()
        }
    };
    Ok(Reply { status: StatusCode::OK, headers, body })
}
