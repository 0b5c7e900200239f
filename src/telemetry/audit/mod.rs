//! The audit log: one JSON object a line for each decision, each issued token and each finished transfer.
//!
//! The fields are documented in `docs/monitoring.md`; they are an interface, so they only ever grow. Lines are written by
//! a thread of its own. When they cannot be, they are lost and counted, and requests go on: who can fill a disk must not
//! be able to stop the registry.

mod file;
mod record;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use self::file::RotatedFile;
pub use self::record::{Decision, Ended, Event, Record};

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
pub struct Audit(OnceLock<Sink>);

struct Sink {
    lines: NonBlocking,
    /// Lines that were lost because the file could not be written.
    unwritten: Arc<file::Lost>,
    /// Writes what waits when it is dropped.
    guard: Mutex<Option<WorkerGuard>>,
}

/// The file cannot be opened. Displays with its path and what to do.
#[derive(Debug)]
pub struct AuditError(PathBuf, io::Error);

/// Lines that wait to be written; with more, new ones are lost.
const WAITING_LINES: usize = 20_000;

impl Audit {
    /// A log that is written to where the settings say. To be finished with [`Audit::finish`].
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn start(settings: &AuditSettings) -> Result<Self, AuditError> {
        let (writer, unwritten): (Box<dyn io::Write + Send>, _) = match settings {
            AuditSettings::Off => return Ok(Self::default()),
            AuditSettings::Stdout => (Box::new(io::stdout()), Arc::default()),
            AuditSettings::File(path) => {
                let file = RotatedFile::open(path).map_err(|error| AuditError(path.clone(), error))?;
                let unwritten = file.lost();
                (Box::new(file), unwritten)
            }
        };
        let builder = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).thread_name("audit");
        let (lines, guard) = builder.finish(writer);
        Ok(Self(OnceLock::from(Sink { lines, unwritten, guard: Mutex::new(Some(guard)) })))
    }

    /// Whether anything is written: who would only build a record for it need not.
    pub fn is_on(&self) -> bool {
        self.0.get().is_some()
    }

    /// Writes a line, now or soon; never waits.
    pub fn write(&self, record: &Record) {
        let Some(sink) = self.0.get() else { return };
        let line = record.to_line();
        let _ = io::Write::write_all(&mut sink.lines.clone(), &line);
    }

    /// How many lines were lost: too many waited, or the file could not be written.
    pub fn lost(&self) -> u64 {
        let of = |sink: &Sink| sink.lines.error_counter().dropped_lines() as u64 + sink.unwritten.count();
        self.0.get().map_or(0, of)
    }

    /// Writes what waits, for as long as a second; what comes later is lost.
    pub fn finish(&self) {
        if let Some(sink) = self.0.get() {
            drop(sink.guard.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
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
