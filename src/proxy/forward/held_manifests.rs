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

/// Large manifests that are held at the same time; one client gets as many as it leaves for others.
const AT_ONCE: usize = 64;
/// Small ones that are held at the same time: nearly all are. Over HTTP/2, a connection may have a hundred.
const SMALL_AT_ONCE: usize = 1024;
/// The size of a small one, in bytes at most.
const SMALL: u64 = 64 << 10;
/// The time that a client has for a manifest.
const HOLDING: Duration = Duration::from_secs(120);

/// The room for manifests that are held.
#[derive(Debug)]
pub(crate) struct HeldManifests {
    large: FairSemaphore,
    small: FairSemaphore,
}

/// A manifest with its bytes, and the body to forward.
pub(crate) struct HeldManifest {
    pub(crate) bytes: Bytes,
    pub(crate) body: RequestBody,
    /// Its room, to be kept as long as the bytes.
    pub(crate) slot: Slot,
}

impl HeldManifests {
    /// Room for manifests of one kind, which the log names.
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { large: FairSemaphore::new(AT_ONCE, kind), small: FairSemaphore::new(SMALL_AT_ONCE, kind) }
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
        let slot = if is_small { &self.small } else { &self.large }.take(client).await;
        let slot = slot.map_err(|_| {
            let why = "too many manifests are pushed at the same time; try again later";
            Refusal::new(ErrorCode::Unavailable, why).retry_after(RETRY_AFTER)
        })?;
        let held = timeout(HOLDING, body.hold(LARGEST)).await;
        let (bytes, body) = held.unwrap_or_else(|_| {
            Err(Refusal::new(ErrorCode::Timeout, "the manifest took too long").and_close())
        })?;
        Ok(HeldManifest { bytes, body, slot })
    }

    /// The number of manifests for which there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.large.refused() + self.small.refused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rule_53_one_client_leaves_room_for_small_manifests_of_others() {
        let held = HeldManifests::new("manifests of a test");
        let client = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let hold = |last| held.hold(client(last), RequestBody::of(Bytes::from_static(b"{}")));
        let mut kept = Vec::new();
        for _ in 0..SMALL_AT_ONCE {
            kept.extend(hold(1).await);
        }
        assert_eq!(kept.len(), SMALL_AT_ONCE / 2);
        assert_eq!(held.refused(), (SMALL_AT_ONCE / 2) as u64);
        assert!(hold(2).await.is_ok(), "another client");
        kept.clear();
        assert!(hold(1).await.is_ok());
    }
}
