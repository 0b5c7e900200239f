//! The tests that ask nothing of the machine but a compiler, and wait for nothing: `make test-fast`.
//!
//! An edit in `src/` is proved or refuted by them in seconds. What starts other programs, or waits for deadlines, is in
//! `tests/services/`; what takes hold of the machine is in `tests/system/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly and say what they counted"
)]

/// The parts of the harness that start no other program. `needs.rs` holds this list to that.
#[path = "../support"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    reason = "these tests use some of them"
)]
mod support {
    pub mod audit_schema;
    pub mod in_process;
    pub mod kubernetes;
    pub mod pem;
    pub mod programs;
    pub mod random;
    pub mod raw;
    pub mod recorded_tokens;
    pub mod recorder;
    pub mod routes;
    pub mod sources;
    pub mod tls;
    pub mod waiting;
}

/// The properties that are fuzzed, with a decision of docker_auth in them.
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "the fuzz targets use all of it")]
mod fuzzed;

mod architecture;
mod audit_schema;
mod cases_basic;
mod cases_commands;
mod cases_config;
mod cases_policy;
mod cases_routes;
mod cases_tokens;
mod cases_users;
mod cases_wire_routes;
mod cases_wire_token_requests;
mod cases_wire_tokens;
mod check;
mod command_line;
mod documented_commands;
mod documents;
mod examples;
mod explain;
mod explain_tags;
mod injection;
mod kubernetes;
mod manual;
mod needs;
mod page_texts;
mod policy_deny;
mod policy_index;
mod project;
mod properties;
mod prove_replay;
mod replay;
mod robot_commands;
mod site;
