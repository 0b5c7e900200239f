//! The last use of a tag: the latest that its pulls, its push, and what is not on record can be.

use std::{fmt, time::Duration};

use super::{StoredRepository, StoredTag, stored::Links};

/// The last use of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastUse {
    /// A client pulled it so long ago, or asked whether it is the same.
    Pulled(Duration),
    /// It was pushed so long ago, and not pulled since.
    Pushed(Duration),
    /// Up to this time, in seconds since 1970, pulls are not on record.
    Unknown(u64),
}

impl LastUse {
    /// Returns the last use of a tag at `now`, in seconds since 1970, and how long ago that is at least. A time in the
    /// future is not believed, and counts as now.
    ///
    /// A tag is used by a pull of itself, of its manifest, and of each that this leads to: of an index, clients pull the
    /// platform they need by its digest.
    pub(super) fn of(
        tag: &StoredTag,
        stored: &StoredRepository,
        links: &Links<'_>,
        now: u64,
    ) -> (Self, Duration) {
        let pulls = &stored.pulls;
        let below = links.owned(std::iter::once(&tag.digest));
        let below = below.into_iter().filter_map(|digest| pulls.manifests.get(digest));
        let pulled = below.chain(pulls.tags.get(&tag.tag)).max().copied();
        let pushed = tag.pushed.map(|pushed| pushed.at);
        let last = pulled.max(pushed).unwrap_or(0).max(pulls.since);
        let ago = Duration::from_secs(now.saturating_sub(last));
        let last_use = match last {
            _ if last > now => Self::Unknown(last),
            last if pulled == Some(last) => Self::Pulled(ago),
            last if pushed == Some(last) => Self::Pushed(ago),
            last => Self::Unknown(last),
        };
        (last_use, ago)
    }
}

impl fmt::Display for LastUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pulled(ago) => write!(f, "pulled {}", Ago(*ago)),
            Self::Pushed(ago) => write!(f, "pushed {}", Ago(*ago)),
            Self::Unknown(_) => f.write_str("it is not known whether it was pulled"),
        }
    }
}

/// `3 days ago`.
struct Ago(Duration);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0.as_secs() {
            seconds if seconds < 60 => return f.write_str("just now"),
            seconds if seconds < 3600 => (seconds / 60, "minute"),
            seconds if seconds < 2 * 86_400 => (seconds / 3600, "hour"),
            seconds => (seconds / 86_400, "day"),
        };
        write!(f, "{count} {unit}{} ago", if count == 1 { "" } else { "s" })
    }
}
