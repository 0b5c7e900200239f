//! Portwarden's own requests to the registry, on behalf of a client: each with a permit, like those that the client
//! sends itself. The answer is read whole, up to a bound, and given to the caller.

use std::{
    error::Error,
    net::IpAddr,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    StatusCode,
    body::Bytes,
    header::{self, HeaderMap},
};

use super::{headers, rewrite::upstream_head};
use crate::{
    authz::Permit,
    limits::count_suppressed,
    proxy::{
        Snapshot, Upstream, UpstreamError,
        body::request_body::RequestBody,
        request::{context::RequestContext, origin::Origin},
        request_log::RequestLog,
        response::{
            body::{ResponseBody, UpstreamBody},
            upstream_error::{reject_unexpected_upstream, unanswered},
        },
    },
    registry::{ErrorCode, Refusal},
    telemetry::RequestId,
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

/// All kinds of manifests: the registry converts kinds that the client does not list.
pub(crate) const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.v1+prettyjws";

impl Subrequest {
    /// Asks for the client of a request.
    pub(crate) fn of(
        upstream: &Upstream,
        context: RequestContext<'_>,
        address: Option<IpAddr>,
        log: &RequestLog,
    ) -> Self {
        let (origin, idle_body) = (context.origin.clone(), context.snapshot.settings.idle_body);
        Self { upstream: upstream.clone(), idle_body, origin, address, id: log.id().clone() }
    }

    /// Asks for an operator at the control socket, as a client of this machine.
    pub(crate) fn of_operator(upstream: &Upstream, snapshot: &Snapshot) -> Self {
        let origin = Origin { scheme: "https", host: "localhost".to_owned() };
        let (upstream, idle_body) = (upstream.clone(), snapshot.settings.idle_body);
        Self { upstream, idle_body, origin, address: None, id: RequestId::random() }
    }

    /// Asks, with `accept` as the media types that are understood.
    ///
    /// # Errors
    /// The registry gives no answer, too large a one, or one that breaks off.
    pub(crate) async fn ask(&self, permit: &Permit, accept: &'static str) -> Result<Reply, Refusal> {
        self.send(permit, accept, None).await.map_err(|unanswered| unanswered.refusal)
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
