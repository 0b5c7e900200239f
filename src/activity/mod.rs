//! Activity: the last push and pull of each tag, by which account, and the number of pulls.
//!
//! Pure: it turns what the registry has confirmed into additions to records, which `state` stores. Blobs have no record:
//! a client that pulls an image fetches its manifest.

mod effect;
mod import;
mod record;
mod tally;

pub use import::{Import, Reach};
pub use record::{Activity, Days, Last, WINDOW};
pub use tally::{Batch, Entry, Key, Tally};
