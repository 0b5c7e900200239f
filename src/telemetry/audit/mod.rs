//! The audit log: one JSON object a line for each decision, each issued token and each finished transfer, and one for
//! both where a request has ended before its decision was written.
//!
//! The fields are documented in `docs/monitoring.md`; they are an interface, so they only ever grow. Lines are written
//! by a thread of its own. When they cannot be, they are lost and counted, and requests go on: an attacker that can
//! fill a disk must not be able to stop the registry.

mod file;
mod history;
mod line;
mod record;
mod strangers;
mod word;

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::{Instant, SystemTime},
};

use parking_lot::Mutex;

use super::{
    held_line::HeldLine,
    line_writer::{Destination, LineWriter, Rank, Stream},
};
use file::RotatedFile;
pub use history::{History, Position, ReadBack};
pub use record::Record;
use strangers::{Budget, Strangers, Summary};
pub use word::{Decision, Ended, Event};

/// The settings of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditSettings {
    /// `audit.to`.
    pub to: AuditDestination,
    /// `audit.labels`: lines about an authenticated account have its labels.
    pub labels: bool,
}

/// The destination of the lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuditDestination {
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
    lines: LineWriter,
    /// The last lines, for a look at them without the file: about accounts, and about strangers.
    recent: Mutex<[VecDeque<Recent>; 2]>,
    strangers: Mutex<Strangers>,
    summed_up: AtomicU64,
    labels: bool,
    /// The files, if it is written to one.
    history: Option<History>,
}

/// One of the last lines.
#[derive(Debug)]
enum Recent {
    Line(Vec<u8>),
    Held(HeldLine),
}

/// A decision whose line is held back: its request may end before it is written.
#[derive(Debug, Default)]
pub struct HeldDecision(Option<HeldLine>);

/// The file cannot be opened. Displays with its path and what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "audit.to: cannot write {}: {}; make its directory, and let the user of the service write there",
    .0.display(),
    .1
)]
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

/// The lines that are kept at hand, and those among them that are about strangers.
const RECENT: usize = 200;
const RECENT_STRANGERS: usize = 50;

/// The room that is kept for the next line: most take a third of it.
const USUAL_LINE: usize = 1 << 10;

thread_local! {
    /// The line that is being written.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Calls `write` with the room for a line.
fn with_line<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    LINE.with_borrow_mut(|line| {
        line.clear();
        line.shrink_to(USUAL_LINE);
        write(line)
    })
}

impl Sink {
    fn new(to: impl Destination + 'static) -> Self {
        Self {
            lines: LineWriter::new("audit", WAITING_BYTES, to),
            recent: Mutex::default(),
            strangers: Mutex::new(Strangers::new(SystemTime::now(), Instant::now())),
            summed_up: AtomicU64::new(0),
            labels: false,
            history: None,
        }
    }

    /// Writes the line of a record, or counts it.
    fn write(&self, record: &Record, line: &mut Vec<u8>) {
        record.write_to(line);
        if let Some(rank) = self.rank(record, line.len()) {
            self.put(line, rank);
        }
    }

    /// The same for a line that may be taken back.
    fn hold(&self, record: &Record, line: &mut Vec<u8>) -> Option<HeldLine> {
        record.write_to(line);
        let held = self.lines.hold(line, self.rank(record, line.len())?)?;
        self.remember(Recent::Held(held.clone()), held.rank());
        Some(held)
    }

    /// The rank of a line; `None` for one that is counted instead.
    fn rank(&self, record: &Record, bytes: usize) -> Option<Rank> {
        let Some(budget) = Budget::of(record) else {
            let is_read = matches!(record.method.as_str(), "GET" | "HEAD");
            return Some(if is_read { Rank::Second } else { Rank::First });
        };
        let mut strangers = self.strangers.lock();
        if let Some(summary) = strangers.turn(false, SystemTime::now(), Instant::now()) {
            self.sum_up(&summary);
        }
        if strangers.admit(record, budget, bytes) {
            return Some(Rank::Third);
        }
        self.summed_up.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn sum_up(&self, summary: &Summary) {
        let mut line = Vec::new();
        summary.write_to(&mut line);
        self.put(&line, Rank::First);
    }

    fn put(&self, line: &[u8], rank: Rank) {
        self.lines.put(line, rank);
        let mut kept = Vec::with_capacity(line.len());
        kept.extend_from_slice(line);
        self.remember(Recent::Line(kept), rank);
    }

    /// Keeps a line, in the room of the oldest.
    fn remember(&self, line: Recent, rank: Rank) {
        let mut recent = self.recent.lock();
        let [accounts, strangers] = &mut *recent;
        let (lines, most) = match rank {
            Rank::First | Rank::Second => (accounts, RECENT - RECENT_STRANGERS),
            Rank::Third => (strangers, RECENT_STRANGERS),
        };
        if lines.len() >= most {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl Recent {
    /// The line, unless it was taken back.
    fn line(&self) -> Option<&[u8]> {
        match self {
            Self::Line(line) => Some(line),
            Self::Held(held) => (!held.is_taken_back()).then(|| held.line()),
        }
    }
}

impl Audit {
    /// A log that is written to where the settings say. To be finished with [`Audit::finish`].
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn start(settings: &AuditSettings) -> Result<Self, AuditError> {
        let to: Box<dyn Destination> = match &settings.to {
            AuditDestination::Off => return Ok(Self::default()),
            AuditDestination::Stdout => Box::new(Stream::new(Stdout)),
            AuditDestination::File(path) => {
                Box::new(RotatedFile::open(path).map_err(|error| AuditError(path.clone(), error))?)
            }
        };
        let history = match &settings.to {
            AuditDestination::File(path) => Some(History::of(path)),
            AuditDestination::Off | AuditDestination::Stdout => None,
        };
        Ok(Self(Some(Sink { labels: settings.labels, history, ..Sink::new(to) })))
    }

    /// Returns true if anything is written: without that, no record need be built.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Returns true if lines have the labels of accounts.
    pub fn has_labels(&self) -> bool {
        self.0.as_ref().is_some_and(|sink| sink.labels)
    }

    /// Writes a line, now or soon; never waits. Of lines about strangers there is one each only while they are few.
    pub fn write(&self, record: &Record) {
        let Some(sink) = &self.0 else { return };
        with_line(|line| sink.write(record, line));
    }

    /// Writes the line of a decision a little later than [`Audit::write`] would, unless [`Audit::end`] comes before.
    pub fn hold(&self, record: &Record) -> HeldDecision {
        let Some(sink) = &self.0 else { return HeldDecision::default() };
        HeldDecision(with_line(|line| sink.hold(record, line)))
    }

    /// Writes that a request has ended: in one line with its decision, if that is still held back.
    pub fn end(&self, decision: &HeldDecision, record: &mut Record) {
        let Some(sink) = &self.0 else { return };
        match decision.0.as_ref().filter(|held| held.take_back()) {
            // Its line was admitted already.
            Some(held) => with_line(|line| {
                record.write_to(line);
                sink.put(line, held.rank());
            }),
            None => {
                record.leave_to_decision();
                self.write(record);
            }
        }
    }

    /// Sums up what was left out, once a minute. To be called from time to time.
    pub fn tick(&self) {
        self.turn(false);
    }

    fn turn(&self, is_end: bool) {
        let Some(sink) = &self.0 else { return };
        let summary = sink.strangers.lock().turn(is_end, SystemTime::now(), Instant::now());
        if let Some(summary) = summary {
            sink.sum_up(&summary);
        }
    }

    /// The files of the log; `None` where it is not written to a file.
    pub fn history(&self) -> Option<History> {
        self.0.as_ref()?.history.clone()
    }

    /// The last lines, the newest last; `None` where nothing is written.
    pub fn recent(&self) -> Option<Vec<Vec<u8>>> {
        let recent = self.0.as_ref()?.recent.lock();
        let lines = recent.iter().flatten().filter_map(Recent::line);
        let mut lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
        // Each begins with its time.
        lines.sort();
        Some(lines)
    }

    /// The number of lines that were counted rather than written.
    pub fn summed_up(&self) -> u64 {
        self.0.as_ref().map_or(0, |sink| sink.summed_up.load(Ordering::Relaxed))
    }

    /// Returns the number of lost lines: too many waited, or the file could not be written.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |sink| sink.lines.lost())
    }

    /// Writes what waits, for as long as a second; what comes later is lost.
    pub fn finish(&self) {
        self.turn(true);
        if let Some(sink) = &self.0 {
            sink.lines.finish();
        }
    }
}
