//! Manifests that are pushed by accounts which may pull some tags only.

use std::{collections::HashSet, time::Duration};

use serde_json::json;
use tokio::time::timeout;

use super::{Asked, Inquiry, PULL, document::Children, unsettled};
use crate::{
    image::NamedDigests,
    limits::Slot,
    proxy::{body::request_body::RequestBody, forward::held_manifests::HeldManifest},
    registry::{Digest, ErrorCode, Refusal, RepositoryName, Route},
};

/// Digests that a pushed manifest may name.
const MOST_NAMED: usize = 2_000;
/// The time for all that a manifest names.
const LOOKING: Duration = Duration::from_secs(120);

impl Inquiry<'_> {
    /// Holds the manifest that an account pushes which may pull some tags only. Each digest that it names must be reached
    /// by these tags, or have been uploaded by the account: or its push would show it what it may not pull.
    ///
    /// # Errors
    /// 400 where one is not, 413 for a manifest that is too large, 503 where it cannot be told.
    pub(in crate::proxy) async fn hold_push(
        &self,
        route: &Route,
        body: RequestBody,
    ) -> Result<(RequestBody, Option<Slot>), Refusal> {
        let Some(name) = route.endpoint().repository() else { return Ok((body, None)) };
        let HeldManifest { bytes, body, slot } = self.closure.held.hold(self.registry.address, body).await?;
        let invalid = |why| Refusal::new(ErrorCode::ManifestInvalid, format!("manifest invalid: {why}"));
        let named = NamedDigests::read(&bytes).ok_or_else(|| invalid("it is no JSON object"))?;
        let named: HashSet<Digest> = named.digests.into_iter().collect();
        if named.len() > MOST_NAMED {
            return Err(invalid("it names more than 2000 digests"));
        }
        let Children { manifests, subject, .. } = Children::read(&bytes);
        let all = async {
            for digest in &named {
                let is_manifest = subject.as_deref() == Some(digest.as_str())
                    || manifests.iter().any(|manifest| manifest == digest.as_str());
                self.admit_named(name, digest, is_manifest).await?;
            }
            Ok(())
        };
        timeout(LOOKING, all).await.unwrap_or_else(|_| Err(unsettled("it takes too long")))?;
        Ok((body, Some(slot)))
    }

    async fn admit_named(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        is_manifest: bool,
    ) -> Result<(), Refusal> {
        let asked = Asked { name, digest: digest.as_str(), is_manifest };
        if self.is_own(asked) || self.reaches(asked, PULL).await? {
            return Ok(());
        }
        let unknown = Refusal::new(ErrorCode::ManifestBlobUnknown, "blob unknown to registry");
        Err(unknown.with_detail(json!({ "digest": digest.as_str() })))
    }
}
