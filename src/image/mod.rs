//! Reads manifests and the configurations of images: the OCI image specification 1.1, docker's schema 2, and docker's
//! old schema 1 as far as it is recognised. Pure: bytes in, data out. All of it is untrusted input from pushes:
//! missing, malformed or endless parts give less data, never an error that hides the rest, and never a panic.
//!
//! Clients are written in Go, so a document is understood here as Go understands it, and a page shows what a client
//! would get: see `json.rs`. The size and the source of the bytes are the caller's business; that texts are safe to
//! show is the business of the views.

mod attachment;
mod chart;
mod config;
mod descriptor;
mod json;
mod kind;
mod manifest;
mod named_digests;
mod platform;
mod provenance;
mod readme;
mod timestamp;

pub use attachment::Attachment;
pub use chart::{ChartDependency, HelmChart};
pub use config::{HistoryEntry, ImageConfig};
pub use descriptor::Descriptor;
pub use json::{LONGEST, MOST};
#[cfg(test)]
pub(crate) use kind::all_words;
pub use manifest::{IMAGE_TYPES, INDEX_TYPES, Manifest};
pub use named_digests::NamedDigests;
pub use platform::Platform;
pub use provenance::{Material, Provenance};
pub use readme::{chart_layer, readme, readme_layer, readme_of_chart};
