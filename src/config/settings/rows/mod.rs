//! The rows, by section.

pub(crate) mod accounts;
pub(crate) mod backends;
pub(crate) mod certificates;
pub(crate) mod limits;
pub(crate) mod notifications;
pub(crate) mod personal_tokens;
pub(crate) mod refused;
pub(crate) mod registry;
pub(crate) mod reporting;
pub(crate) mod retention;
pub(crate) mod robots;
pub(crate) mod server;
pub(crate) mod shadow;
pub(crate) mod sign_in;
pub(crate) mod tags;
pub(crate) mod token;
pub(crate) mod ui;
pub(crate) mod workload;
