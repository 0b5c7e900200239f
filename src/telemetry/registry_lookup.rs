//! The answers of the registry to questions about an event: what the event lacks, and whether it took place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RegistryEvent;

/// Facts about the target of an event that neither the request nor its answer told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TargetDetails {
    /// The size in bytes; `None` where the event has it or needs none, and where the registry does not say it.
    pub size: Option<u64>,
    /// The descriptors in a manifest, in its order; empty where that was not asked for, or cannot be read.
    pub references: Vec<Reference>,
}

/// A descriptor in a manifest: its configuration, a layer, or another manifest (OCI image specification, `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The media type.
    #[serde(rename = "mediaType", default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The type of an artifact.
    #[serde(rename = "artifactType", default, skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// The size in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// The digest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Places outside of the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of an image in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<serde_json::Value>,
}

/// The state of the registry after a request whose answer was lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// It shows what the request was to do: the event, with those tags for which that is true.
    Done(Box<RegistryEvent>),
    /// It does not.
    NotDone,
    /// It gives no answer, or an unclear one.
    Unanswered,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(size: &u64) -> bool {
    *size == 0
}
