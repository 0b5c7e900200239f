//! The activity of a tag, or of a manifest by its digest, as a page shows it.

use std::time::SystemTime;

/// The last push of a tag, and its pulls; or those of a manifest by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagActivity {
    /// The push of what the tag names now.
    pub pushed: Option<Done>,
    /// The last pull.
    pub pulled: Option<Done>,
    /// The number of pulls in the last 30 days.
    pub pulls: u64,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The moment.
    pub at: SystemTime,
    /// The account, empty for the anonymous one; `None` if the visitor may not see it.
    pub by: Option<String>,
}
