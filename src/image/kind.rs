//! Descriptions of media types in words. The order in which the types of a thing are tried is up to `manifest.rs` and
//! `descriptor.rs`.

use std::collections::BTreeMap;

pub(super) const ATTESTATION: &str = "attestation (in-toto)";
pub(super) const SBOM: &str = "SBOM";
pub(super) const README: &str = "README";
pub(super) const SIGNATURE: &str = "signature (cosign)";

/// Prefixes of media types, each with the kind of thing it stands for.
const KINDS: [(&str, &str); 18] = [
    ("application/vnd.cncf.helm.", "Helm chart"),
    ("application/vnd.dev.cosign.simplesigning.", SIGNATURE),
    ("application/vnd.dev.cosign.artifact.sig.", SIGNATURE),
    ("application/vnd.dev.cosign.artifact.sbom.", SBOM),
    ("application/vnd.dev.sigstore.bundle", SIGNATURE),
    ("application/vnd.cncf.notary.signature", "signature (Notary)"),
    ("application/vnd.in-toto", ATTESTATION),
    ("application/vnd.dsse.envelope.", ATTESTATION),
    ("application/spdx", "SBOM (SPDX)"),
    ("text/spdx", "SBOM (SPDX)"),
    ("application/vnd.cyclonedx", "SBOM (CycloneDX)"),
    ("application/vnd.syft", "SBOM (Syft)"),
    ("application/vnd.wasm.", "WASM module"),
    ("application/vnd.module.wasm.", "WASM module"),
    ("application/wasm", "WASM module"),
    ("application/vnd.sylabs.sif.", "Singularity image"),
    ("application/vnd.buildkit.cacheconfig.", "build cache (BuildKit)"),
    ("application/vnd.docker.plugin.", "docker plugin"),
];

/// Prefixes of the types of an image's own parts: of its manifests, its configuration, its layers.
const OF_IMAGES: [&str; 4] = [
    "application/vnd.oci.image.",
    "application/vnd.docker.distribution.manifest.",
    "application/vnd.docker.container.image.",
    "application/vnd.docker.image.rootfs.",
];

/// Types that only fill a place: the specification's, and what `oras` wrote before there was one.
const PLACEHOLDERS: [&str; 2] =
    ["application/vnd.oci.empty.v1+json", "application/vnd.unknown.config.v1+json"];

/// Describes a thing of this type and with these annotations: words, or the type itself when there are none for it.
/// `None` when it is an image or a part of one, or the type says nothing.
pub(super) fn of(media_type: &str, annotations: &BTreeMap<String, String>) -> Option<String> {
    let essence = essence(media_type);
    let begins = |start: &&str| essence.starts_with(*start);
    if essence.is_empty() || is_placeholder(media_type) || OF_IMAGES.iter().any(begins) {
        return None;
    }
    let known = KINDS.iter().find(|(start, _)| begins(start)).map(|(_, words)| *words);
    let known = known.or_else(|| is_readme(&essence).then_some(README));
    let known = if is_attesting_bundle(&essence, annotations) { Some(ATTESTATION) } else { known };
    Some(known.map_or_else(|| media_type.to_owned(), str::to_owned))
}

/// The words for all kinds, for the tests of what shows them.
#[cfg(test)]
pub(crate) fn all_words() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(_, words)| *words)
}

/// Returns true if the type is there only because one is required.
pub(super) fn is_placeholder(media_type: &str) -> bool {
    PLACEHOLDERS.contains(&essence(media_type).as_str())
}

/// A media type without its parameters, in lower case.
pub(super) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// There is no type of its own for a README: clients take that of its text, or one of their own.
fn is_readme(essence: &str) -> bool {
    essence == "text/markdown" || (essence.starts_with("application/") && essence.contains("readme"))
}

/// A Sigstore bundle is a signature or any other attestation; cosign tells which beside it.
fn is_attesting_bundle(essence: &str, annotations: &BTreeMap<String, String>) -> bool {
    let predicate = annotations.get("dev.sigstore.bundle.predicateType");
    essence.starts_with("application/vnd.dev.sigstore.bundle")
        && predicate.is_some_and(|predicate| !predicate.contains("/cosign/sign/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_have_words() {
        for (media_type, words) in [
            ("application/vnd.cncf.helm.config.v1+json", "Helm chart"),
            ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "Helm chart"),
            ("application/vnd.dev.cosign.simplesigning.v1+json", "signature (cosign)"),
            ("application/vnd.dev.cosign.artifact.sig.v1+json", "signature (cosign)"),
            ("application/vnd.dev.sigstore.bundle.v0.3+json", "signature (cosign)"),
            ("application/vnd.cncf.notary.signature", "signature (Notary)"),
            ("application/spdx+json", "SBOM (SPDX)"),
            ("text/spdx", "SBOM (SPDX)"),
            ("Application/vnd.CycloneDX+json; version=1.5", "SBOM (CycloneDX)"),
            ("application/vnd.syft+json", "SBOM (Syft)"),
            ("application/vnd.dev.cosign.artifact.sbom.v1+json", "SBOM"),
            ("application/vnd.in-toto+json", "attestation (in-toto)"),
            ("application/vnd.in-toto.spdx+dsse", "attestation (in-toto)"),
            ("application/vnd.dsse.envelope.v1+json", "attestation (in-toto)"),
            ("application/vnd.wasm.config.v0+json", "WASM module"),
            ("application/wasm", "WASM module"),
            ("application/vnd.sylabs.sif.layer.v1.sif", "Singularity image"),
            ("application/vnd.buildkit.cacheconfig.v0", "build cache (BuildKit)"),
            ("application/vnd.docker.plugin.v1+json", "docker plugin"),
            ("text/markdown", "README"),
            ("application/vnd.acme.readme.v1+json", "README"),
            ("application/vnd.Acme.Model", "application/vnd.Acme.Model"),
        ] {
            assert_eq!(of(media_type, &BTreeMap::new()).as_deref(), Some(words), "{media_type}");
        }
    }

    #[test]
    fn images_and_placeholders_are_nothing_else() {
        for media_type in [
            "",
            " ;a=b",
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.empty.v1+json",
        ] {
            assert_eq!(of(media_type, &BTreeMap::new()), None, "{media_type}");
        }
    }

    #[test]
    fn a_bundle_may_be_an_attestation() {
        let kind = |predicate: &str| {
            let name = "dev.sigstore.bundle.predicateType".to_owned();
            let annotations = BTreeMap::from([(name, predicate.to_owned())]);
            of("application/vnd.dev.sigstore.bundle.v0.3+json", &annotations).unwrap()
        };
        assert_eq!(kind("https://slsa.dev/provenance/v1"), ATTESTATION);
        assert_eq!(kind("https://sigstore.dev/cosign/sign/v1"), SIGNATURE);
    }
}
