//! Retention: which tags of a repository stay, and which manifests nothing needs once the others are gone.
//!
//! Pure: it looks at what was read of a repository and says what may go. Whatever is not known, stays: a tag whose time
//! is unknown, one of which pulls are not on record, a pattern that cannot be evaluated, a manifest about one that is not
//! there.

mod kept_by;
mod last_use;
mod plan;
mod rules;
mod stored;

pub use kept_by::KeptBy;
pub use last_use::LastUse;
pub use plan::{Plan, plan};
pub use rules::{KeepSettings, Retention, RetentionEntry, RetentionError, RetentionSettings};
pub use stored::{Manifest, Pulls, PushTime, StoredRepository, StoredTag};
