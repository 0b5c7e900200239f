//! Manifests that are held in memory before they are forwarded, because a decision needs their content.

use std::{net::IpAddr, time::Duration};

use hyper::body::{Body, Bytes};
use tokio::time::timeout;

use super::subrequest::LARGEST;
use crate::{
    limits::{FairSemaphore, Slot},
    proxy::{body::request_body::RequestBody, upstream::RETRY_AFTER},
    registry::{ErrorCode, Refusal},
};

/// Manifests that are held at the same time; one client gets as many as it leaves for others.
const AT_ONCE: usize = 64;
/// Manifests up to this size need no room: a request has buffers of that size in any case.
const SMALL: u64 = 64 << 10;
/// The time that a client has for a manifest.
const HOLDING: Duration = Duration::from_secs(120);

/// The room for manifests that are held.
#[derive(Debug)]
pub(crate) struct HeldManifests(FairSemaphore);

/// A manifest with its bytes, and the body to forward.
pub(crate) struct HeldManifest {
    pub(crate) bytes: Bytes,
    pub(crate) body: RequestBody,
    /// Its room, to be kept as long as the bytes; `None` for a small one.
    pub(crate) slot: Option<Slot>,
}

impl HeldManifests {
    /// Room for manifests of one kind, which the log names.
    pub(crate) fn new(kind: &'static str) -> Self {
        Self(FairSemaphore::new(AT_ONCE, kind))
    }

    /// Reads a client's manifest, of 4 MiB at most: the bound of registry 2.8.
    ///
    /// # Errors
    /// 503 without room, which is waited for a short while; 408, 413 and 400 for what is wrong with the body.
    pub(crate) async fn hold(
        &self,
        client: Option<IpAddr>,
        body: RequestBody,
    ) -> Result<HeldManifest, Refusal> {
        let is_small = body.size_hint().exact().is_some_and(|length| length <= SMALL);
        let slot = if is_small { None } else { Some(self.slot(client).await?) };
        let held = timeout(HOLDING, body.hold(LARGEST)).await;
        let (bytes, body) = held.unwrap_or_else(|_| {
            Err(Refusal::new(ErrorCode::Timeout, "the manifest took too long").and_close())
        })?;
        Ok(HeldManifest { bytes, body, slot })
    }

    async fn slot(&self, client: Option<IpAddr>) -> Result<Slot, Refusal> {
        self.0.take(client).await.map_err(|_| {
            let why = "too many large manifests are pushed; try again later";
            Refusal::new(ErrorCode::Unavailable, why).retry_after(RETRY_AFTER)
        })
    }

    /// The number of manifests for which there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused()
    }
}
