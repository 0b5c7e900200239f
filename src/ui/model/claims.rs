//! The claims of a builder about how it made something, as the page of an image shows them.

use crate::image::Provenance;

/// Provenance, with where it was found. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The claims.
    pub provenance: Provenance,
    /// The digest of the manifest that has them; `None` if that is the one of the page.
    pub digest: Option<String>,
    /// The platform whose image they are about; `None` if that is not told, or all of them.
    pub platform: Option<String>,
    /// False if they are about another digest than the one that they are attached to; `None` where there is none.
    pub is_about_it: Option<bool>,
}
