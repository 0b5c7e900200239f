//! Properties that must hold for every input, one a module: plain functions over bytes, which panic when they do not
//! hold.
//!
//! The targets of `cargo fuzz` call them with what libFuzzer makes, `tests/fast/properties.rs` with a few thousand
//! inputs that are the same in each run. Properties of private parts stand beside these (`…/fuzzing.rs` in `src/`).
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property fails by a panic"
)]

pub mod configuration;
pub mod docker_auth;
pub mod glob;
pub mod go_regex;
pub mod input;
pub mod page_path;
pub mod policy;
pub mod routing;
pub mod scope;
pub mod token;
