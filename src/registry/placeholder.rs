//! The placeholder: a manifest that takes the place of a tag's own, so that a registry which deletes by digest only
//! deletes that tag and no other. It is the same for every tag, so that one deletion removes all that were left over.

use super::Digest;

/// The bytes of the placeholder: an index of nothing, which needs no blob to be there.
pub const PLACEHOLDER: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"portwarden.placeholder":"this tag was deleted"}}"#;
/// Its media type.
pub const PLACEHOLDER_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Its digest.
pub const PLACEHOLDER_DIGEST: &str =
    "sha256:b145c8cd6f59bc586e6d78f327edb07a97f06857a82611dcd5e2d6bf65b80f53";

impl Digest {
    /// Returns true for the digest of the placeholder: what has it counts as deleted.
    pub fn is_of_placeholder(&self) -> bool {
        self.as_str() == PLACEHOLDER_DIGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_53_the_digest_of_the_placeholder_is_that_of_its_bytes() {
        assert_eq!(Digest::of(PLACEHOLDER.as_bytes()).as_str(), PLACEHOLDER_DIGEST);
        assert!(Digest::of(PLACEHOLDER.as_bytes()).is_of_placeholder());
        assert!(!Digest::of(b"{}").is_of_placeholder());
        let read: serde_json::Value = serde_json::from_str(PLACEHOLDER).unwrap();
        assert_eq!(read["mediaType"], PLACEHOLDER_TYPE);
    }
}
