//! The kinds of things in a registry, in words.

use super::Texts;

/// Returns the words for a kind, as [`Manifest::artifact_kind`](crate::image::Manifest::artifact_kind) names it:
/// `signature (cosign)`. Of a kind that has no words, the media type itself.
pub(in crate::ui) fn in_words(t: &Texts, kind: &str) -> String {
    let (thing, by) = kind.split_at(kind.find(" (").unwrap_or(kind.len()));
    let thing = match thing {
        "signature" => t.kind_signature,
        "attestation" => t.kind_attestation,
        "list of referrers" => t.kind_referrers,
        "Helm chart" => t.kind_chart,
        "WASM module" => t.kind_wasm,
        "Singularity image" => t.kind_singularity,
        "build cache" => t.kind_cache,
        "docker plugin" => t.kind_plugin,
        // "SBOM" and "README" are such in any language.
        other => other,
    };
    format!("{thing}{by}")
}
