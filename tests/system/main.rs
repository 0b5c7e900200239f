//! The tests that take hold of the machine: a docker daemon, mounts, journald, limits of processes, signals, attack
//! tools, and load that leaves little for others. Most need root. Each module says which programs it needs; `make
//! tools` installs them all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly and say what they measured"
)]
#![allow(unreachable_pub, reason = "the modules of one test program")]

use std::sync::{Mutex, MutexGuard, PoisonError};

#[path = "../support/mod.rs"]
mod support;

mod attack_tools;
mod big_blob;
mod certificates;
mod clients;
mod commands;
mod docker;
mod faults;
mod faults_clients;
mod faults_machine;
mod faults_operation;
mod faults_registry;
mod freeze;
mod hanging_disk;
mod htpasswd;
mod journal;
mod kubernetes;
mod ldap;
mod notified_clients;
mod operation;
mod personal_tokens;
mod recording;
mod registry3;
mod revocation;
mod robots;
mod slow_moments;
#[allow(clippy::cast_possible_truncation, reason = "a tally of small numbers")]
mod soak;
mod sql;
mod systemd;
mod tag_rules;
mod workload;

/// Returns the guard of the tests that load the machine to its limits: while one holds it, none of the others begins.
fn heavy_load() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
