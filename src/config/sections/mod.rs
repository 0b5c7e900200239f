//! The sections of the file, one module for each: from what was written to the settings of the module that it is for.

pub(super) mod access;
pub(super) mod acme;
pub(super) mod audit;
pub(super) mod backends;
pub(super) mod certificates;
pub(super) mod command;
pub(super) mod control;
pub(super) mod cors;
pub(super) mod htpasswd;
pub(super) mod ldap;
pub(super) mod limits;
pub(super) mod log;
pub(super) mod metrics;
pub(super) mod notifications;
pub(super) mod object_stores;
pub(super) mod personal_tokens;
pub(super) mod proxy;
pub(super) mod registry;
pub(super) mod retention;
pub(super) mod robots;
pub(super) mod server;
pub(super) mod shadow;
pub(super) mod sign_in;
pub(super) mod sql;
pub(super) mod state;
pub(super) mod storage;
pub(super) mod tags;
pub(super) mod tls;
pub(super) mod token;
pub(super) mod ui;
pub(super) mod unsupported;
pub(super) mod workload;

#[cfg(test)]
mod tests;
