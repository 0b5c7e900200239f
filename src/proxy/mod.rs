//! The journey of one request: parse, authenticate, authorize, forward, answer. Start at [`service`].
//!
//! Knows nothing of sockets, TLS or files: a connection is handed in by `server`, settings by `config`.

mod admit;
mod asked;
mod caching;
mod caller;
mod catalog;
mod cors;
mod cross_site;
mod ended_sessions;
mod exchange;
mod failure;
mod form;
mod forwarding;
mod freeze;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod idle_timer;
mod inquiry;
mod list;
mod location;
mod media_type;
mod names;
mod origin;
mod own;
mod pages;
mod passwords;
mod refuse;
mod registry_health;
mod request_body;
mod response_body;
pub mod service;
mod session;
mod settings;
mod single_flight;
mod snapshot;
mod to_https;
mod token_endpoint;
mod token_requests;
mod upstream;

pub use crate::limits::AtRegistry;
pub use freeze::{Freeze, FreezeStatus, NotFrozen};
pub use passwords::Passwords;
pub use request_body::BodyError;
pub use response_body::ResponseBody;
pub use service::Service;
pub use settings::*;
pub use snapshot::Snapshot;
pub use upstream::{Upstream, UpstreamError, UpstreamLoad};
