//! The journey of one request: parse, authenticate, authorize, forward, answer. Start at [`service`].
//!
//! Knows nothing of sockets, TLS or files: a connection is handed in by `server`, settings by `config`.

mod auth;
mod body;
mod closure;
mod forward;
mod freeze;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod https_redirect;
mod keyed_locks;
mod pages;
mod personal_tokens;
mod prune;
mod registry_health;
mod request;
mod request_log;
mod response;
pub mod service;
mod settings;
mod shadow;
mod signed_in;
mod snapshot;
mod stored_answers;
mod upstream;
mod web_origin;
mod write_once;

pub use crate::limits::InFlight;
pub use auth::passwords::Passwords;
pub use body::request_body::BodyError;
pub use freeze::{Freeze, FreezeStatus, NotFrozen};
pub use prune::{PruneEvent, PruneItem, PruneRequest, PruneSummary, PruneWhat};
pub use response::body::ResponseBody;
pub use service::Service;
pub use settings::*;
pub use shadow::{Difference, Shadow, ShadowSettings, Subject, Totals};
pub use snapshot::Snapshot;
pub use stored_answers::StoredAnswers;
pub use upstream::{Upstream, UpstreamError, UpstreamLoad};
pub use web_origin::WebOrigin;
pub use write_once::Released;
