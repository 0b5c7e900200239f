//! Portwarden beside nginx, HAProxy and the registry's own TLS and tokens: processors, time and memory for the same
//! work.
//!
//! The others do not authorise anything; Portwarden checks a token for each request, with an ACL of a thousand rules.
//! All have the same certificate and the same cipher, the same registry behind them and the same client before them. In
//! each round all take their turn, in an order that changes, so that what else the machine does falls on each. What is
//! better is judged within a round.
//!
//! `cargo bench --bench compare -- [--quick] [--rounds N] [NAME…]`: a name selects what begins with it, `pull` or
//! `pull-h2-8`. Whether goals are met is said and does not change how it ends; a wrong byte is a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark may fail loudly, and prints what it measured"
)]

mod blocking;
mod classic;
mod client;
mod contenders;
mod crowd;
mod floor;
mod growth;
mod handshake;
mod idle;
mod latency;
mod options;
mod pull;
mod push;
mod relay;
mod report;
mod small;
mod state;
#[path = "../../tests/support/mod.rs"]
mod support;
mod token;
mod usage;

use options::Options;
use report::Report;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The scenarios, in their order.
const SCENARIOS: [fn(&Options, &mut Report); 11] = [
    pull::run,
    push::run,
    classic::run,
    small::run,
    handshake::run,
    idle::run,
    crowd::run,
    latency::run,
    token::run,
    growth::run,
    state::run,
];

fn main() {
    floor::serve_if_asked();
    relay::serve_if_asked();
    let options = Options::of(std::env::args().skip(1));
    // Thousands of connections, here and in each of those that are started from here.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })
        .expect("as many descriptors as allowed");
    let mut report = Report::new();
    for scenario in SCENARIOS {
        scenario(&options, &mut report);
    }
    report.print();
    report.write(&options);
}
