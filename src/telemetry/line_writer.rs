//! Lines on their way out: written by a thread of their own, so that the code with a line to write never waits.
//!
//! The queue is bounded in bytes, for a line may hold text from a client. When it is full, new lines are lost and
//! counted: a log without a reader must not stop the proxy, nor eat its memory.

use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::held_line::HeldLine;

/// The time for which lines gather before they are written: each by itself would cost its writer a call to wake this
/// thread, and this thread one to write it. A line that is held misses one time, and is written at the next.
const GATHERING: Duration = Duration::from_millis(10);

/// The timeout for writing the rest at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// The room that is kept for the next lines.
const USUAL: usize = 64 << 10;

/// A destination of lines. Clones are of the same.
#[derive(Clone)]
pub(super) struct LineWriter(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Told when the queue or its stage changes.
    changed: Condvar,
    /// The most bytes that wait, or are being written.
    most: usize,
}

#[derive(Default)]
struct Queue {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Lines that are held since the last time, and those that are due at the next.
    held: Vec<HeldLine>,
    due: Vec<HeldLine>,
    /// The number of bytes that are held, also of lines that were taken back since.
    holding: usize,
    /// The number of bytes that are being written.
    writing: usize,
    lost: u64,
    stage: Stage,
}

/// The rank of a line: the lower it is, the sooner the queue is too full for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Takes whatever room there is.
    First,
    /// Leaves a quarter.
    Second,
    /// Leaves half.
    Third,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Lines are taken, and written a little later.
    #[default]
    Open,
    /// The same, and the thread waits to be told of the next.
    Asleep,
    /// The queue is written, and no more is taken.
    Closing,
    /// All is written.
    Closed,
}

impl LineWriter {
    /// Lines to `to`, written by a thread called `name`; at most so many bytes wait. Where the system has no thread for
    /// it, all are lost: then it has none for connections either, and the start of those says so.
    pub(super) fn new(name: &str, most: usize, to: impl Destination + 'static) -> Self {
        let queue = Queue::default();
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new(), most });
        let writer = Arc::clone(&shared);
        if thread::Builder::new().name(name.to_owned()).spawn(move || writer.write_all_to(to)).is_err() {
            shared.queue.lock().stage = Stage::Closed;
        }
        Self(shared)
    }

    /// Returns the number of lines lost because the queue was full, or because they could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.0.queue.lock().lost
    }

    /// Writes what waits, for as long as a second; what comes later is lost.
    pub(super) fn finish(&self) {
        let mut queue = self.0.queue.lock();
        if queue.stage != Stage::Closed {
            queue.stage = Stage::Closing;
            self.0.changed.notify_all();
        }
        let is_open = |queue: &mut Queue| queue.stage != Stage::Closed;
        self.0.changed.wait_while_for(&mut queue, is_open, PATIENCE);
    }
}

impl Shared {
    /// The thread.
    fn write_all_to(&self, mut to: impl Destination) {
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            // All that was there is held on, or was taken back.
            if batch.is_empty() {
                continue;
            }
            let lost = to.write_lines(&batch).map_or_else(|Unwritten(_, lost)| lost, |()| 0);
            let mut queue = self.queue.lock();
            queue.writing = 0;
            queue.lost += lost;
        }
        self.queue.lock().stage = Stage::Closed;
        self.changed.notify_all();
    }

    /// Waits for lines, lets more gather, and takes them; false at the end.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        batch.shrink_to(USUAL);
        let mut queue = self.queue.lock();
        while queue.is_empty() {
            if queue.stage == Stage::Closing {
                return false;
            }
            queue.stage = Stage::Asleep;
            self.changed.wait(&mut queue);
        }
        // The end does not wait for more.
        let is_open = |queue: &mut Queue| queue.stage != Stage::Closing;
        self.changed.wait_while_for(&mut queue, is_open, GATHERING);
        queue.take(batch);
        true
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.held.is_empty() && self.due.is_empty()
    }

    /// Takes what is to be written: lines that were held come before those that came after them.
    fn take(&mut self, batch: &mut Vec<u8>) {
        let mut due = mem::replace(&mut self.due, mem::take(&mut self.held));
        if self.stage == Stage::Closing {
            due.append(&mut self.due);
        }
        for line in due.iter().filter(|line| line.is_due()) {
            batch.extend_from_slice(line.line());
        }
        self.holding = self.due.iter().map(|line| line.line().len()).sum();
        if batch.is_empty() {
            mem::swap(batch, &mut self.waiting);
        } else {
            batch.append(&mut self.waiting);
            self.waiting.shrink_to(USUAL);
        }
        self.writing = batch.len();
    }

    /// Returns whether there is room for a line of so many bytes; else it is counted as lost.
    fn admits(&mut self, bytes: usize, rank: Rank, most: usize) -> bool {
        let most = match rank {
            Rank::First => most,
            Rank::Second => most / 4 * 3,
            Rank::Third => most / 2,
        };
        let is_open = matches!(self.stage, Stage::Open | Stage::Asleep);
        let is_admitted = is_open && self.waiting.len() + self.holding + self.writing + bytes <= most;
        self.lost += u64::from(!is_admitted);
        is_admitted
    }
}

impl LineWriter {
    /// Takes a whole line, or counts it as lost.
    pub(super) fn put(&self, line: &[u8], rank: Rank) {
        let mut queue = self.0.queue.lock();
        if queue.admits(line.len(), rank, self.0.most) {
            queue.waiting.extend_from_slice(line);
            self.wake(queue);
        }
    }

    /// Holds a whole line for ten to twenty milliseconds before it is written; `None` if it is lost, and counted.
    pub(super) fn hold(&self, line: &[u8], rank: Rank) -> Option<HeldLine> {
        let mut queue = self.0.queue.lock();
        if !queue.admits(line.len(), rank, self.0.most) {
            return None;
        }
        let held = HeldLine::new(line, rank);
        queue.holding += line.len();
        queue.held.push(held.clone());
        self.wake(queue);
        Some(held)
    }

    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        let was_asleep = mem::replace(&mut queue.stage, Stage::Open) == Stage::Asleep;
        drop(queue);
        if was_asleep {
            self.0.changed.notify_all();
        }
    }
}

/// Takes a whole line at once, and never fails.
impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line, Rank::First);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A destination of lines.
pub(super) trait Destination: Send {
    /// Writes whole lines.
    ///
    /// # Errors
    /// Not all could be written; those are not tried again.
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten>;
}

impl Destination for Box<dyn Destination> {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        (**self).write_lines(lines)
    }
}

/// A stream that has no buffer of its own.
pub(super) struct Stream<W> {
    to: W,
    whole: WholeLines,
}

impl<W> Stream<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, whole: WholeLines::default() }
    }
}

impl<W: Write + Send> Destination for Stream<W> {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        self.whole.write(&mut self.to, lines)
    }
}

/// Writes whole lines: one that was cut off by an error is ended before the next.
#[derive(Debug, Default)]
pub(super) struct WholeLines {
    torn: bool,
}

/// The error that stopped the writing, and the number of lines that were not written.
#[derive(Debug)]
pub(super) struct Unwritten(pub(super) io::Error, pub(super) u64);

impl WholeLines {
    /// Writes all of them.
    ///
    /// # Errors
    /// What `to` says, which has no buffer of its own; what is not written is not tried again.
    pub(super) fn write(&mut self, to: &mut impl Write, lines: &[u8]) -> Result<(), Unwritten> {
        let mut left = lines;
        self.write_on(to, &mut left)
            .map_err(|error| Unwritten(error, memchr::memchr_iter(b'\n', left).count() as u64))
    }

    /// Takes what was written off the front of `lines`.
    fn write_on(&mut self, to: &mut impl Write, lines: &mut &[u8]) -> io::Result<()> {
        if self.torn {
            to.write_all(b"\n")?;
            self.torn = false;
        }
        while !lines.is_empty() {
            match to.write(lines) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (these, rest) = lines.split_at(written.min(lines.len()));
                    (*lines, self.torn) = (rest, !these.ends_with(b"\n"));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl fmt::Debug for LineWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineWriter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
