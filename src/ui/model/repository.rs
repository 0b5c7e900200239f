//! A repository with its tags, as its page shows it.

use std::time::SystemTime;

use super::{Page, TagActivity};

/// A repository with its tags.
#[derive(Debug, Clone)]
pub struct Repository<'a> {
    /// Its name.
    pub name: &'a str,
    /// The text that is searched for among the tags; empty for all.
    pub query: &'a str,
    /// The tags on this page.
    pub tags: Vec<TagRow<'a>>,
    /// The part of the list.
    pub page: Page,
    /// The order of the tags.
    pub order: Order,
    /// True if the tags can be sorted by their time.
    pub has_times: bool,
    /// Tags that attach something to what no tag here names.
    pub orphans: Vec<Orphan>,
    /// The number of further ones, which were not looked at.
    pub more_orphans: usize,
    /// Bytes of its layers in the registry's storage, and their number; `None` where that is not known.
    pub usage: Option<(u64, usize)>,
    /// True if the visitor may push to it.
    pub may_push: bool,
    /// True if there is a way to delete a tag of this page.
    pub may_delete: bool,
    /// The digest of what has just been deleted.
    pub deleted: Option<&'a str>,
    /// The tag that has just been deleted alone.
    pub untagged: Option<&'a str>,
}

/// The order of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Sorts by the last push where it is known, else by the date in the image, the newest first; tags without a time
    /// last.
    Newest,
    /// Sorts by version, the highest first.
    Version,
    /// Sorts by name.
    Name,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Newest, Self::Version, Self::Name];

    /// The order of that name in a query.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }

    /// Returns its name in a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Version => "version",
            Self::Name => "name",
        }
    }
}

/// A tag in the list.
#[derive(Debug, Clone)]
pub struct TagRow<'a> {
    /// The tag.
    pub tag: &'a str,
    /// A summary of its manifest; `None` when that could not be read just now.
    pub summary: Option<Summary>,
    /// The things that belong to it.
    pub badges: Badges,
    /// True if it can neither be moved nor deleted by the visitor.
    pub is_write_once: bool,
    /// True if there is a way to delete it.
    pub may_delete: bool,
    /// Its activity; `None` where it is not known.
    pub activity: Option<TagActivity>,
}

/// A summary of a tag's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The digest of the manifest.
    pub digest: String,
    /// Bytes to pull, compressed; over all platforms of an index. `None` when unknown.
    pub size: Option<u64>,
    /// The platforms; one for an image, several for an index.
    pub platforms: Vec<PlatformSize>,
    /// The creation time, by its own word.
    pub created: Option<SystemTime>,
    /// Not an image: `Helm chart`, `signature`, …
    pub artifact: Option<String>,
    /// True if the index has attestations of its builder.
    pub is_attested: bool,
}

/// A platform of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformSize {
    /// `linux/amd64` and the like.
    pub name: String,
    /// Bytes to pull for it, compressed; `None` when unknown.
    pub size: Option<u64>,
}

/// The things that belong to an image. None of it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Badges {
    /// There is a signature.
    pub signed: bool,
    /// There is an SBOM.
    pub sbom: bool,
    /// There is an attestation.
    pub attested: bool,
    /// The number of other things that refer to it.
    pub others: usize,
}

impl Badges {
    /// Returns the badges of the same manifest by two lists, which may name the same things.
    pub fn with(self, other: Self) -> Self {
        Self {
            signed: self.signed || other.signed,
            sbom: self.sbom || other.sbom,
            attested: self.attested || other.attested,
            others: self.others.max(other.others),
        }
    }

    /// Adds something of this kind, in the words of [`Manifest::artifact_kind`](crate::image::Manifest::artifact_kind).
    pub fn add(&mut self, kind: &str) {
        match kind.split(' ').next() {
            Some("signature") => self.signed = true,
            Some("SBOM") => self.sbom = true,
            Some("attestation") => self.attested = true,
            _ => self.others += 1,
        }
    }
}

/// A tag that attaches something to a manifest that no other tag of the repository names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The tag.
    pub tag: String,
    /// The kind of what it attaches.
    pub kind: &'static str,
    /// The digest of the manifest that it belongs to.
    pub subject: String,
    /// True if that manifest is in the repository; `None` where that is not known just now.
    pub subject_is_there: Option<bool>,
}
