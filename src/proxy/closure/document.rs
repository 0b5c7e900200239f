//! The digests that a manifest reaches. Where programs could read it in several ways, it reaches nothing.

use serde::Deserialize;

use crate::registry::Digest;

/// The part that a manifest reaches directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Children {
    /// The manifests of an index. Its entries of other media types are blobs: the layers of a build cache.
    pub(in crate::proxy) manifests: Vec<String>,
    /// The configuration and the layers.
    pub(in crate::proxy) blobs: Vec<String>,
    /// The manifest that it refers to.
    pub(in crate::proxy) subject: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Entry>>,
    blobs: Option<Vec<Descriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<Vec<SchemaOneLayer>>,
    subject: Option<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    digest: String,
}

impl Entry {
    fn is_manifest(&self) -> bool {
        let is_of_manifest =
            |media_type: &String| media_type.contains("manifest") || media_type.contains("index");
        self.media_type.as_ref().is_none_or(is_of_manifest)
    }
}

#[derive(Deserialize)]
struct SchemaOneLayer {
    #[serde(rename = "blobSum")]
    digest: String,
}

impl Children {
    /// Reads a manifest. What cannot be read, or has a member twice, reaches nothing.
    pub(in crate::proxy) fn read(bytes: &[u8]) -> Self {
        let Ok(document) = serde_json::from_slice::<Document>(bytes) else { return Self::default() };
        let Document { config, layers, manifests, blobs, fs_layers, subject } = document;
        let is_digest = |digest: &String| Digest::parse(digest).is_some();
        let lists = [layers, blobs].into_iter().flatten().flatten();
        let blobs = config.into_iter().chain(lists).map(|descriptor| descriptor.digest);
        let blobs = blobs.chain(fs_layers.into_iter().flatten().map(|layer| layer.digest));
        let (manifests, others): (Vec<_>, Vec<_>) =
            manifests.into_iter().flatten().partition(Entry::is_manifest);
        let blobs = blobs.chain(others.into_iter().map(|entry| entry.digest));
        let manifests = manifests.into_iter().map(|entry| entry.digest);
        Self {
            manifests: manifests.filter(is_digest).collect(),
            blobs: blobs.filter(is_digest).collect(),
            subject: subject.map(|descriptor| descriptor.digest).filter(is_digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reaches_its_configuration_its_layers_and_its_platforms() {
        let image = br#"{"config":{"digest":"a:c"},"layers":[{"digest":"a:1"},{"digest":"a:2"}],"subject":{"digest":"a:s"}}"#;
        let read = Children::read(image);
        assert_eq!((read.blobs.join(" ").as_str(), read.subject.as_deref()), ("a:c a:1 a:2", Some("a:s")));
        assert_eq!(Children::read(br#"{"manifests":[{"digest":"a:1"}]}"#).manifests, ["a:1"]);
        assert_eq!(Children::read(br#"{"fsLayers":[{"blobSum":"a:1"}]}"#).blobs, ["a:1"]);
        let cache = br#"{"manifests":[{"mediaType":"a/layer","digest":"a:1"},{"mediaType":"a/index","digest":"a:2"}]}"#;
        let read = Children::read(cache);
        assert_eq!((read.blobs.join(" ").as_str(), read.manifests.join(" ").as_str()), ("a:1", "a:2"));
        let elsewhere: [&[u8]; 4] = [
            br#"{"other":{"digest":"a:1"},"annotations":{"digest":"a:2"}}"#,
            br#"{"config":{"digest":"a:1"},"config":{"digest":"a:2"}}"#,
            br#"{"layers":[{"digest":"no digest"}]}"#,
            b"no JSON",
        ];
        for document in elsewhere {
            assert_eq!(Children::read(document), Children::default());
        }
    }
}
