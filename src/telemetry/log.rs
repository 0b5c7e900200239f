//! The log for people: where it goes and in which form. Secrets cannot get in, because their types print as `***`.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, fmt};

use super::lines::{Lines, Stream};

/// Libraries that log what others say as it comes: the notices of a database may be lines of any content.
const SILENT: [&str; 1] = ["sqlx=off"];
/// Libraries that tell at the level of debugging what they do with each connection: ten lines for one of ours.
const QUIET: [&str; 4] = ["h2=info", "hyper_util=info", "rustls=info", "tokio_rustls=info"];

/// Some 7,000 lines.
const WAITING_BYTES: usize = 1 << 20;

/// The log. Dropped, it writes what waits.
#[derive(Debug)]
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Starts logging to standard error, which systemd hands to the journal. `RUST_LOG` overrides `level`.
///
/// Lines are written by a thread of their own until the [`Log`] is dropped, which writes the rest.
pub fn start(level: LevelFilter, json: bool) -> Log {
    let asked = std::env::var_os("RUST_LOG").is_some();
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let quiet =
        QUIET.iter().filter(|_| !asked && level > LevelFilter::INFO).filter_map(|quiet| quiet.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    let filter =
        SILENT.iter().filter_map(|silent| silent.parse().ok()).fold(filter, EnvFilter::add_directive);
    // https://no-color.org: a variable of any value but the empty one.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let log = Log(Lines::new("log", WAITING_BYTES, Stream::new(std::io::stderr())));
    let writer = log.0.clone();
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && !no_color);
    // The journal has a clock of its own.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let _ = match (json, in_journal) {
        (true, _) => lines.json().flatten_event(true).try_init(),
        (false, true) => lines.without_time().try_init(),
        (false, false) => lines.try_init(),
    };
    log
}
