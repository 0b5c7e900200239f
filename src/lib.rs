//! Portwarden: an authorising, streaming TLS proxy in front of an unchanged docker registry.
//!
//! Read `proxy::service` first: it is the journey of one request. The modules, in the order in which they may
//! import each other (left never imports right):
//!
//! `registry`, `quota`, `backend` ← `authn`, `authz`, `token`, `image` ← `ui` ← `proxy` ← `server` ← `cli`; `config` builds the settings of each of them
//! and is imported by `cli` only; `telemetry` is imported by anyone and decides nothing.

pub mod authn;
pub mod authz;
pub mod backend;
pub mod cli;
pub mod config;
pub mod image;
#[cfg(test)]
#[path = "../fuzz/src/mutation.rs"]
mod mutation;
pub mod proxy;
mod quota;
pub mod registry;
pub mod server;
pub mod telemetry;
pub mod token;
pub mod ui;
