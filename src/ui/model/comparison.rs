//! Two images of a repository, as the page that compares them shows it.

use std::time::SystemTime;

use crate::image::{Descriptor, ImageConfig};

/// The page that compares two images.
#[derive(Debug, Clone)]
pub struct Comparison<'a> {
    /// The repository.
    pub name: &'a str,
    /// The tag or digest of the older one, as it was asked for; empty for none.
    pub from: &'a str,
    /// The same of the newer one.
    pub to: &'a str,
    /// Tags to choose from: the beginning of a long list.
    pub tags: Vec<&'a str>,
    /// The platforms that both have, if they are for several.
    pub platforms: Vec<String>,
    /// The one that is compared; empty for none.
    pub platform: String,
    /// Both images, the older one first; `None` if there was nothing to compare yet.
    pub compared: Option<Result<[Compared; 2], ComparisonProblem>>,
}

/// An image that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The digest of the manifest that the tag names.
    pub digest: String,
    /// Bytes to pull, compressed, for the platform.
    pub size: Option<u64>,
    /// The creation time, by its own word.
    pub created: Option<SystemTime>,
    /// The layers, the base first.
    pub layers: Vec<Descriptor>,
    /// The configuration; `None` when it cannot be read.
    pub config: Option<ImageConfig>,
}

/// The reason why two images are not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComparisonProblem {
    /// There is none of that name that the visitor may pull.
    NotFound(String),
    /// It is no image.
    NoImage(String),
    /// They have no platform in common.
    NoPlatform,
}
