//! Portwarden: an authorising, streaming TLS proxy in front of an unchanged docker registry.
//!
//! Read `proxy::service::journey` first: it is the journey of one request. The modules, in the order in which they may
//! import each other (left never imports right):
//!
//! `registry`, `limits`, `net`, `backend`, `storage`, `activity` ← `authn`, `authz`, `retention`, `state`, `token`,
//! `image` ← `workload`, `sign_in`, `ui`, `acme` ← `proxy` ← `server` ← `cli`. `config` builds the settings of each; it and
//! `replay` are
//! imported by `cli` only, and `notifications` by both. Any module may import `telemetry`, which decides nothing,
//! `strict_json` and `private_file`.

pub mod acme;
pub mod activity;
pub mod authn;
pub mod authz;
pub mod backend;
pub mod cli;
pub mod config;
pub mod image;
mod limits;
#[cfg(test)]
#[path = "../fuzz/src/mutation.rs"]
mod mutation;
mod net;
pub mod notifications;
mod private_file;
pub mod proxy;
pub mod registry;
pub mod replay;
pub mod retention;
pub mod server;
pub mod sign_in;
pub mod state;
pub mod storage;
mod strict_json;
pub mod telemetry;
pub mod token;
pub mod ui;
pub mod workload;
