//! The manifest: an index, an image or artifact, or nothing that is known.

use std::collections::BTreeMap;

use super::{Descriptor, json::Json, kind};

/// The media types of indexes that are understood: of the OCI image specification, and docker's. For an `Accept` header
/// too.
pub const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// The same of images.
pub const IMAGE_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// A configuration of docker 1.10 is of this type, which says nothing of anything else.
const OCTETS: &str = "application/octet-stream";

/// A manifest, by what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// One manifest for each platform, or a list of referrers, or any other manifests under one name.
    Index {
        /// The manifests, in their order.
        manifests: Vec<Descriptor>,
        /// The kind of the whole, when it is no image.
        artifact_type: Option<String>,
        /// Any further information on it.
        annotations: BTreeMap<String, String>,
        /// The manifest that it refers to.
        subject: Option<Descriptor>,
    },
    /// An image, or an artifact: its configuration and its layers. Which, [`Manifest::artifact_kind`] tells.
    Image {
        /// Its configuration, an [`ImageConfig`](super::ImageConfig) if it is an image.
        config: Descriptor,
        /// Its layers, the lowest first.
        layers: Vec<Descriptor>,
        /// Its kind, when it is no image.
        artifact_type: Option<String>,
        /// Any further information on it.
        annotations: BTreeMap<String, String>,
        /// The manifest that it refers to.
        subject: Option<Descriptor>,
    },
    /// docker's schema 1, or nothing that is known.
    Unknown,
}

impl Manifest {
    /// Reads a manifest of which the registry says that it is of `media_type`. Its shape decides what it is; the type
    /// of the header, then that in the document, only where it has the shape of both. At most [`MOST`](super::MOST)
    /// entries of each list and [`LONGEST`](super::LONGEST) bytes of each text are kept, and no descriptor without a
    /// digest.
    pub fn parse(media_type: Option<&str>, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Json::read(&text).and_then(|document| Self::read(media_type, document)).unwrap_or(Self::Unknown)
    }

    fn read(media_type: Option<&str>, document: Json<'_>) -> Option<Self> {
        let [own_type, manifests, config, layers, artifact_type, annotations, subject] = document.members([
            "mediaType",
            "manifests",
            "config",
            "layers",
            "artifactType",
            "annotations",
            "subject",
        ]);
        let declared = || [media_type.map(str::to_owned), own_type.and_then(Json::text)];
        let is_index = match (manifests.is_some_and(Json::is_list), config.is_some_and(Json::is_object)) {
            (true, true) => declared().into_iter().flatten().find_map(|name| is_index_type(&name))?,
            (false, false) => return None,
            (is_index, _) => is_index,
        };
        let artifact_type = artifact_type.and_then(Json::words);
        let annotations = annotations.map(|map| map.map(Json::text)).unwrap_or_default();
        let subject = subject.and_then(Descriptor::read);
        Some(if is_index {
            Self::Index { manifests: Descriptor::read_all(manifests), artifact_type, annotations, subject }
        } else {
            let (config, layers) = (config.and_then(Descriptor::read)?, Descriptor::read_all(layers));
            Self::Image { config, layers, artifact_type, annotations, subject }
        })
    }

    /// Describes it in words if it is no image and no index of images: `Helm chart`, `signature (cosign)`, `SBOM
    /// (SPDX)`; or by the media type, when there are no words for it. Determined by its artifact type, else by its
    /// configuration's type, else by that of the first layer that is not an image's. `None` for [`Manifest::Unknown`],
    /// too.
    pub fn artifact_kind(&self) -> Option<String> {
        match self {
            Self::Index { manifests, artifact_type, annotations, .. } => {
                let own = artifact_type.as_deref().and_then(|name| kind::of(name, annotations));
                // A build cache is an index of layers, and says what it is by an entry of its own.
                own.or_else(|| manifests.iter().find_map(|entry| kind::of(&entry.media_type, annotations)))
            }
            Self::Image { config, layers, artifact_type, annotations, .. } => {
                let of = |name: &str| kind::of(name, annotations);
                let own = artifact_type.as_deref().and_then(of);
                own.or_else(|| of(&config.media_type).filter(|_| config.media_type != OCTETS))
                    .or_else(|| layers.iter().find_map(|layer| of(&layer.media_type)))
                    .or_else(|| kind::is_placeholder(&config.media_type).then(|| config.media_type.clone()))
            }
            Self::Unknown => None,
        }
    }

    /// The bytes that a client fetches for it: its configuration and its layers, as the manifest claims. `None` for an
    /// index, of which a client takes one manifest, and for what is unknown.
    pub fn size(&self) -> Option<u64> {
        let Self::Image { config, layers, .. } = self else { return None };
        Some(layers.iter().fold(config.size, |sum, layer| sum.saturating_add(layer.size)))
    }
}

/// Returns true for the type of an index, false for that of an image; `None` when it is that of no manifest.
fn is_index_type(media_type: &str) -> Option<bool> {
    let essence = kind::essence(media_type);
    let is_index = INDEX_TYPES.contains(&essence.as_str());
    (is_index || IMAGE_TYPES.contains(&essence.as_str())).then_some(is_index)
}

#[cfg(test)]
mod tests;
