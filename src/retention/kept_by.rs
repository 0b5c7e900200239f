//! The reason for which a tag stays.

use std::{fmt, time::Duration};

use super::LastUse;
use crate::registry::Digest;

/// The reason for which a tag stays: the first that holds. Displays for a person, as `newest: 10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptBy {
    /// An entry of `tags.write_once` matches it.
    WriteOnce,
    /// A pattern of `keep` matches it.
    Tag(String),
    /// The entry looks at the time of its push, which is unknown or in the future.
    UnknownTime,
    /// It may be one of the newest so many.
    Newest(u32),
    /// It may be younger than this.
    Younger(Duration),
    /// It was used within this time, or may have been.
    UsedWithin(Duration, LastUse),
    /// It is about this manifest, which a tag that stays leads to.
    About(Digest),
    /// It is about this manifest, which is not in the repository, or to which no other tag leads.
    AboutNothing(Digest),
}

impl KeptBy {
    /// Returns true if it holds by what is known, and not for want of knowledge.
    pub(super) fn is_certain(&self) -> bool {
        !matches!(self, Self::UnknownTime | Self::UsedWithin(_, LastUse::Unknown(_)))
    }
}

impl fmt::Display for KeptBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteOnce => f.write_str("tags.write_once"),
            Self::Tag(pattern) => write!(f, "tag: {pattern}"),
            Self::UnknownTime => f.write_str("the time of its push is unknown"),
            Self::Newest(most) => write!(f, "newest: {most}"),
            Self::Younger(age) => write!(f, "younger: {}", Span(*age)),
            Self::UsedWithin(time, last) => write!(f, "{last} (pulled_within: {})", Span(*time)),
            Self::About(digest) => write!(f, "about {digest}, which stays"),
            Self::AboutNothing(digest) => write!(f, "about {digest}, to which no tag leads"),
        }
    }
}

/// A duration as the configuration has it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds if seconds % 86_400 == 0 => write!(f, "{}d", seconds / 86_400),
            seconds if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}
