//! The descriptor: how a manifest names another thing in the registry (OCI image specification 1.1, `descriptor.md`).

use std::collections::BTreeMap;

use super::{Platform, json::Json, kind};
use crate::registry::Digest;

/// A thing in a registry, by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its media type; empty when it is not told.
    pub media_type: String,
    /// Its digest; checked to be one.
    pub digest: String,
    /// Its size, in bytes, as the manifest claims it; 0 when it is not told.
    pub size: u64,
    /// For an entry of an index.
    pub platform: Option<Platform>,
    /// For an entry of a list of referrers.
    pub artifact_type: Option<String>,
    /// Any further information on it.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Reads a descriptor; one without a digest is none.
    pub(super) fn read(json: Json<'_>) -> Option<Self> {
        let [media_type, digest, size, platform, artifact_type, annotations] =
            json.members(["mediaType", "digest", "size", "platform", "artifactType", "annotations"]);
        let digest = digest?.text().filter(|digest| Digest::parse(digest).is_some())?;
        Some(Self {
            media_type: media_type.and_then(Json::text).unwrap_or_default(),
            digest,
            size: size.and_then(Json::number).unwrap_or_default(),
            platform: platform.map(Platform::read).filter(|platform| !platform.is_empty()),
            artifact_type: artifact_type.and_then(Json::words),
            annotations: annotations.map(|map| map.map(Json::text)).unwrap_or_default(),
        })
    }

    /// Reads a list of descriptors, without those that are none.
    pub(super) fn read_all(json: Option<Json<'_>>) -> Vec<Self> {
        json.map(Json::list).unwrap_or_default().into_iter().filter_map(Self::read).collect()
    }

    /// Returns its kind if it is no image, in the words of [`Manifest::artifact_kind`](super::Manifest::artifact_kind):
    /// for an entry in a list of referrers or in an index, as far as the entry tells.
    pub fn kind(&self) -> Option<String> {
        if self.attested().is_some() {
            return Some(kind::ATTESTATION.to_owned());
        }
        let artifact_type = self.artifact_type.as_deref().and_then(|name| kind::of(name, &self.annotations));
        artifact_type.or_else(|| kind::of(&self.media_type, &self.annotations))
    }

    /// For an entry of an index that is no image but BuildKit's attestation of one (provenance, SBOM): the digest of
    /// that image's manifest. Such an entry's platform is `unknown/unknown`.
    pub fn attested(&self) -> Option<&str> {
        let annotation = |name: &str| self.annotations.get(name).map(String::as_str);
        let is_attestation = annotation("vnd.docker.reference.type") == Some("attestation-manifest");
        let digest = annotation("vnd.docker.reference.digest").filter(|_| is_attestation)?;
        Digest::parse(digest).map(|_| digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Descriptor> {
        Descriptor::read(Json::read(json).unwrap())
    }

    #[test]
    fn a_descriptor_without_a_digest_is_none() {
        for json in
            ["{}", "[]", "1", r#"{"digest":"sha256:"}"#, r#"{"digest":"../x"}"#, r#"{"digest":["a:b"]}"#]
        {
            assert_eq!(read(json), None, "{json}");
        }
        let wrong = r#"{"digest":"a:b","mediaType":1,"size":"2","platform":"x","artifactType":{},
            "annotations":{"a":"b","c":1,"d":null}}"#;
        let expected = Descriptor {
            media_type: String::new(),
            digest: "a:b".to_owned(),
            size: 0,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        assert_eq!(read(wrong), Some(expected));
    }

    #[test]
    fn an_attestation_of_buildkit_names_its_image() {
        let attested = |annotations: &str| {
            let json = format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"a:b","annotations":{annotations}}}"#
            );
            let descriptor = read(&json).unwrap();
            (descriptor.attested().map(str::to_owned), descriptor.kind())
        };
        let complete = r#"{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"sha256:ab"}"#;
        assert_eq!(
            attested(complete),
            (Some("sha256:ab".to_owned()), Some("attestation (in-toto)".to_owned()))
        );
        for other in [
            "{}",
            r#"{"vnd.docker.reference.digest":"sha256:ab"}"#,
            r#"{"vnd.docker.reference.type":"attestation-manifest"}"#,
            r#"{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"x"}"#,
            r#"{"vnd.docker.reference.type":"other","vnd.docker.reference.digest":"sha256:ab"}"#,
        ] {
            assert_eq!(attested(other), (None, None), "{other}");
        }
    }
}
