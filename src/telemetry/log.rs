//! The log for people: where it goes and in which form. Secrets cannot get in, because their types print as `***`.

use std::{
    io::{self, IsTerminal, Write},
    time::Instant,
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::{
    callsite_throttle::Throttle,
    line_writer::{LineWriter, Stream},
};

/// Libraries that log what others say as it comes: the notices of a database may be lines of any content.
const SILENT: [&str; 1] = ["sqlx=off"];
/// Libraries that log their work on each connection at the level of debugging: ten lines for one of Portwarden.
const QUIET: [&str; 4] = ["h2=info", "hyper_util=info", "rustls=info", "tokio_rustls=info"];

/// Some 7,000 lines.
const WAITING_BYTES: usize = 1 << 20;

/// The longest line. A client chooses some of its texts, and journald splits at 48 KiB.
const LONGEST: usize = 8 << 10;

/// The log. Dropped, it writes what waits.
#[derive(Debug)]
pub struct Log(LineWriter);

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
    let log = Log(LineWriter::new("log", WAITING_BYTES, Stream::new(std::io::stderr())));
    let writer = Bounded { lines: log.0.clone(), json };
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && !no_color);
    // The journal has a clock of its own.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let throttle = Throttle::new(Instant::now());
    let _ = match (json, in_journal) {
        (true, _) => lines.json().flatten_event(true).finish().with(throttle).try_init(),
        (false, true) => lines.without_time().finish().with(throttle).try_init(),
        (false, false) => lines.finish().with(throttle).try_init(),
    };
    log
}

/// Takes whole lines, and cuts what is too long.
#[derive(Clone)]
struct Bounded {
    lines: LineWriter,
    json: bool,
}

impl Write for Bounded {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match line.split_at_checked(LONGEST) {
            Some((beginning, _)) => self.lines.write_all(cut(beginning, self.json).as_bytes())?,
            None => self.lines.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line that is whole, with the beginning of one that was too long.
fn cut(beginning: &[u8], json: bool) -> String {
    let beginning = String::from_utf8_lossy(beginning);
    if json {
        return format!(
            "{}\n",
            serde_json::json!({ "message": "a line was too long", "beginning": beginning })
        );
    }
    format!("{beginning}… (cut)\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_and_stays_one() {
        let long = "é".repeat(LONGEST);
        let text = cut(&long.as_bytes()[..LONGEST + 1], false);
        assert!(text.ends_with("… (cut)\n") && text.lines().count() == 1 && text.len() < 2 * LONGEST);
        let json: serde_json::Value = serde_json::from_str(&cut(b"{\"a\":\"b", true)).unwrap();
        assert_eq!(json["beginning"], "{\"a\":\"b");
    }
}
