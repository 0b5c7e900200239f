//! A request on its way to the registry, with all that ends when its outcome is known.

use std::pin::pin;

use hyper::Response;

use crate::{
    limits::Slot,
    proxy::{
        UpstreamError,
        closure::ForgetAfter,
        freeze::Write,
        upstream::{Incoming, Upstream, UpstreamRequest},
        write_once::Passage,
    },
    registry::{ErrorCode, Refusal},
};

/// A request, and what it holds until the registry has answered.
pub(super) struct Sending {
    pub(super) upstream: Upstream,
    pub(super) request: Box<UpstreamRequest>,
    pub(super) slot: Slot,
    pub(super) write: Option<Write>,
    pub(super) passage: Passage,
    pub(super) forget: Option<ForgetAfter>,
}

/// The registry's answer, or none; cut off by a freeze before that.
type Sent = Result<Result<Response<Incoming>, UpstreamError>, Refusal>;

impl Sending {
    /// Sends it. A deletion that locks its repository and a push that claims tags go on where their client is gone: only the
    /// answer ends the lock and the claims.
    ///
    /// # Errors
    /// A freeze cut it off.
    pub(super) async fn outcome(self) -> Sent {
        if !self.passage.needs_answer() {
            return self.send().await;
        }
        let failed = |_| Refusal::new(ErrorCode::Internal, "the request could not be sent");
        tokio::spawn(self.send()).await.map_err(failed).flatten()
    }

    async fn send(self) -> Sent {
        let Self { upstream, request, slot, mut write, mut passage, mut forget } = self;
        let sending = pin!(upstream.send(request, slot));
        let sent = Write::unless_cut_off(write.as_mut(), sending).await;
        match &sent {
            Ok(Ok(response)) => {
                passage.answered(response.status());
                if response.status().is_client_error() {
                    forget = forget.take().and_then(ForgetAfter::nothing);
                }
            }
            Ok(Err(error)) if !error.may_have_been_sent() => passage.not_sent(),
            Ok(Err(_)) | Err(_) => {}
        }
        drop(forget);
        sent
    }
}
