//! The audit log: one JSON object a line for each decision, each issued token and each finished transfer.
//!
//! The fields are documented in `docs/monitoring.md`; they are an interface, so they only ever grow. Lines are written by
//! a thread of its own. When they cannot be, they are lost and counted, and requests go on: who can fill a disk must not
//! be able to stop the registry.

mod file;
mod line;
mod record;

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use self::file::RotatedFile;
pub use self::record::{Decision, Ended, Event, Record};
use super::lines::{Destination, Lines, Stream};

/// Where the lines go (`audit.to`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuditSettings {
    /// Nowhere.
    Off,
    /// Standard output, which systemd hands to the journal: the default.
    #[default]
    Stdout,
    /// A file, which is opened anew when it was renamed or removed.
    File(PathBuf),
}

/// The audit log. Without [`Audit::start`] nothing is written.
#[derive(Debug, Default)]
pub struct Audit(Option<Sink>);

#[derive(Debug)]
struct Sink {
    lines: Lines,
    /// The last lines, for who looks at them without the file.
    recent: Mutex<VecDeque<Vec<u8>>>,
}

/// The file cannot be opened. Displays with its path and what to do.
#[derive(Debug)]
pub struct AuditError(PathBuf, io::Error);

/// Standard output itself: what the library's own keeps of a line that was cut off would come later.
struct Stdout;

impl io::Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Some 30,000 lines: seconds of the most that can happen.
const WAITING_BYTES: usize = 16 << 20;

/// The lines that are kept at hand.
const RECENT: usize = 200;

/// The room that is kept for the next line: most take a third of it.
const USUAL_LINE: usize = 1 << 10;

thread_local! {
    /// The line that is being written.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Sink {
    fn remember(&self, line: &[u8]) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        // In the room of the oldest.
        let oldest = if recent.len() < RECENT { None } else { recent.pop_front() };
        let mut kept = oldest.unwrap_or_default();
        kept.clear();
        kept.shrink_to(USUAL_LINE);
        kept.extend_from_slice(line);
        recent.push_back(kept);
    }
}

impl Audit {
    /// A log that is written to where the settings say. To be finished with [`Audit::finish`].
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn start(settings: &AuditSettings) -> Result<Self, AuditError> {
        let to: Box<dyn Destination> = match settings {
            AuditSettings::Off => return Ok(Self::default()),
            AuditSettings::Stdout => Box::new(Stream::new(Stdout)),
            AuditSettings::File(path) => {
                Box::new(RotatedFile::open(path).map_err(|error| AuditError(path.clone(), error))?)
            }
        };
        let lines = Lines::new("audit", WAITING_BYTES, to);
        Ok(Self(Some(Sink { lines, recent: Mutex::default() })))
    }

    /// Whether anything is written: who would only build a record for it need not.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line, now or soon; never waits.
    pub fn write(&self, record: &Record) {
        let Some(sink) = &self.0 else { return };
        LINE.with_borrow_mut(|line| {
            line.clear();
            line.shrink_to(USUAL_LINE);
            record.write_to(line);
            let _ = io::Write::write_all(&mut sink.lines.clone(), line);
            sink.remember(line);
        });
    }

    /// The last lines, the newest last; `None` where nothing is written.
    pub fn recent(&self) -> Option<Vec<Vec<u8>>> {
        let recent = self.0.as_ref()?.recent.lock().unwrap_or_else(PoisonError::into_inner);
        Some(recent.iter().cloned().collect())
    }

    /// How many lines were lost: too many waited, or the file could not be written.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |sink| sink.lines.lost())
    }

    /// Writes what waits, for as long as a second; what comes later is lost.
    pub fn finish(&self) {
        if let Some(sink) = &self.0 {
            sink.lines.finish();
        }
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, error) = self;
        write!(
            f,
            "audit.to: cannot write {}: {error}; make its directory, and let the user of the service write there",
            path.display()
        )
    }
}

impl std::error::Error for AuditError {}
