//! Documents that belong to a manifest: a README, and what builders say about how it was made. They are read within
//! bounds, and only where a manifest or a list of referrers names them.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::timeout};

use super::reader::{LARGEST, Reader};
use crate::{
    image::{
        Descriptor, Manifest, Provenance, chart_layer, readme as text_of, readme_layer, readme_of_chart,
    },
    registry::{Digest, RepositoryName},
    ui::{Claim, Referrer},
};

/// The time for all documents of a page.
const PATIENCE: Duration = Duration::from_secs(5);
/// Layers of an attestation that are read.
const LAYERS: usize = 3;

/// The documents of a page.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) readme: Option<String>,
    pub(super) claims: Vec<Claim>,
}

impl Documents {
    /// Reads the documents of a manifest, as far as there is time.
    pub(super) async fn of(
        reader: &Reader,
        name: &RepositoryName,
        (digest, manifest): (&Digest, &Manifest),
        referrers: &[Referrer],
    ) -> Self {
        let reading = Reading { reader, name, digest, referrers };
        let all =
            async { Self { readme: reading.readme(manifest).await, claims: reading.claims(manifest).await } };
        timeout(PATIENCE, all).await.unwrap_or_default()
    }
}

/// The parts of the page that lead to documents.
struct Reading<'r> {
    reader: &'r Reader,
    name: &'r RepositoryName,
    digest: &'r Digest,
    referrers: &'r [Referrer],
}

impl Reading<'_> {
    async fn readme(&self, manifest: &Manifest) -> Option<String> {
        let is_artifact = manifest.artifact_kind().is_some();
        if let Manifest::Image { layers, .. } = manifest
            && is_artifact
        {
            if let Some(chart) = chart_layer(layers) {
                let archive = self.document(chart).await?;
                return spawn_blocking(move || readme_of_chart(&archive)).await.ok()?;
            }
            return text_of(&self.document(readme_layer(layers)?).await?);
        }
        let attached = self.referrers.iter().find(|referrer| referrer.kind == "README")?;
        let found = self.reader.manifest(self.name, &attached.digest).await.ok()?;
        let Manifest::Image { layers, .. } = found.manifest else { return None };
        text_of(&self.document(readme_layer(&layers)?).await?)
    }

    async fn claims(&self, manifest: &Manifest) -> Vec<Claim> {
        match manifest {
            Manifest::Image { layers, .. } if manifest.artifact_kind().is_some() => {
                let about = Attached { digest: None, platform: None, subject: None };
                self.claims_in(layers, &about).await
            }
            Manifest::Index { manifests, .. } if manifests.iter().any(|entry| entry.attested().is_some()) => {
                self.claims_of_index(manifests).await
            }
            _ => self.claims_of_referrer().await,
        }
    }

    /// The claims about the first platform that has some: those about the others are mostly the same.
    async fn claims_of_index(&self, manifests: &[Descriptor]) -> Vec<Claim> {
        let first = manifests.iter().find_map(|entry| Some((entry, entry.attested()?)));
        let Some((entry, subject)) = first else { return Vec::new() };
        let platform = manifests.iter().find(|other| other.digest == subject);
        let platform = platform.and_then(|image| image.platform.as_ref()).map(ToString::to_string);
        self.claims_of(&entry.digest, platform, subject).await
    }

    async fn claims_of_referrer(&self) -> Vec<Claim> {
        let attestation = self.referrers.iter().find(|referrer| referrer.kind.starts_with("attestation"));
        match attestation {
            Some(attestation) => self.claims_of(&attestation.digest, None, self.digest.as_str()).await,
            None => Vec::new(),
        }
    }

    /// The claims in the manifest of an attestation about `subject`.
    async fn claims_of(&self, digest: &str, platform: Option<String>, subject: &str) -> Vec<Claim> {
        match self.reader.manifest(self.name, digest).await.map(|found| found.manifest) {
            Ok(Manifest::Image { layers, .. }) => {
                let (digest, subject) = (Some(digest.to_owned()), Some(subject));
                self.claims_in(&layers, &Attached { digest, platform, subject }).await
            }
            _ => Vec::new(),
        }
    }

    async fn claims_in(&self, layers: &[Descriptor], to: &Attached<'_>) -> Vec<Claim> {
        let mut claims = Vec::new();
        for layer in layers.iter().filter(|layer| Provenance::may_be_in(layer)).take(LAYERS) {
            let Some(document) = self.document(layer).await else { continue };
            // It is gone through once for each fact, which takes a while for one that is made for that.
            let parsed = spawn_blocking(move || Provenance::parse(&document)).await;
            let Some(provenance) = parsed.ok().flatten() else { continue };
            let is_about = |subject: &str| provenance.subjects.iter().any(|named| named == subject);
            claims.push(Claim {
                is_about_it: to.subject.map(is_about),
                digest: to.digest.clone(),
                platform: to.platform.clone(),
                provenance,
            });
        }
        claims
    }

    /// The content of a blob that is not said to be too large.
    async fn document(&self, blob: &Descriptor) -> Option<hyper::body::Bytes> {
        if blob.size > LARGEST as u64 {
            return None;
        }
        self.reader.document(self.name, blob).await.ok()?.ok()
    }
}

/// The subject of an attestation.
struct Attached<'s> {
    /// The manifest of the attestation.
    digest: Option<String>,
    platform: Option<String>,
    subject: Option<&'s str>,
}
