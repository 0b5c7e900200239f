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

use parking_lot::{Condvar, Mutex};

/// The time for which lines gather before they are written: each by itself would cost its writer a call to wake this
/// thread, and this thread one to write it.
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

struct Queue {
    /// Whole lines.
    waiting: Vec<u8>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Lines are taken, and written a little later.
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
        let queue = Queue { waiting: Vec::new(), writing: 0, lost: 0, stage: Stage::Open };
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
            let lost = to.write_lines(&batch).map_or_else(|Unwritten(_, lost)| lost, |()| 0);
            let mut queue = self.queue.lock();
            queue.writing = 0;
            queue.lost += lost;
            // More gather; the end does not wait for them.
            let is_open = |queue: &mut Queue| queue.stage != Stage::Closing;
            self.changed.wait_while_for(&mut queue, is_open, GATHERING);
        }
        self.queue.lock().stage = Stage::Closed;
        self.changed.notify_all();
    }

    /// Takes what waits, and waits for it; false at the end.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        batch.shrink_to(USUAL);
        let mut queue = self.queue.lock();
        while queue.waiting.is_empty() {
            if queue.stage == Stage::Closing {
                return false;
            }
            queue.stage = Stage::Asleep;
            self.changed.wait(&mut queue);
        }
        mem::swap(batch, &mut queue.waiting);
        queue.writing = batch.len();
        true
    }
}

impl LineWriter {
    /// Takes a whole line, or counts it as lost.
    pub(super) fn put(&self, line: &[u8], rank: Rank) {
        let most = match rank {
            Rank::First => self.0.most,
            Rank::Second => self.0.most / 4 * 3,
            Rank::Third => self.0.most / 2,
        };
        let mut queue = self.0.queue.lock();
        let is_open = matches!(queue.stage, Stage::Open | Stage::Asleep);
        if !is_open || queue.waiting.len() + queue.writing + line.len() > most {
            queue.lost += 1;
            return;
        }
        queue.waiting.extend_from_slice(line);
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
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Reports the bytes it is given, and takes or fails them only on request.
    struct Slow(mpsc::Sender<Vec<u8>>, mpsc::Receiver<io::Result<()>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            self.1.recv().unwrap_or(Ok(())).map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(most: usize) -> (LineWriter, mpsc::Receiver<Vec<u8>>, mpsc::Sender<io::Result<()>>) {
        let ((said, given), (go, told)) = (mpsc::channel(), mpsc::channel());
        (LineWriter::new("test", most, Stream::new(Slow(said, told))), given, go)
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_what_is_lost_is_counted() {
        let (mut lines, given, go) = slow(16 << 20);
        let line = [vec![b'x'; (1 << 20) - 1], b"\n".to_vec()].concat();
        lines.write_all(&line).unwrap();
        let first = given.recv().unwrap().len();
        for _ in 1..40 {
            lines.write_all(&line).unwrap();
        }
        assert_eq!(lines.lost(), 24, "what is being written counts as well");
        drop(go);
        lines.finish();
        assert_eq!(first + given.iter().map(|batch| batch.len()).sum::<usize>(), 16 << 20);
        lines.write_all(b"late").unwrap();
        assert_eq!(lines.lost(), 25);
    }

    #[test]
    fn lines_of_less_worth_leave_room_for_others() {
        let (lines, given, _go) = slow(1000);
        lines.put(b"1\n", Rank::First);
        given.recv().unwrap();
        let put = |rank| {
            let before = lines.lost();
            let taken = || {
                lines.put(b"123456789\n", rank);
                lines.lost() == before
            };
            (0..1000).take_while(|_| taken()).count()
        };
        assert_eq!([Rank::Third, Rank::Third, Rank::Second, Rank::First].map(put), [49, 0, 25, 25]);
    }

    #[test]
    fn lines_that_come_while_others_are_written_are_written_together_and_in_their_order() {
        let (mut lines, given, go) = slow(1000);
        lines.write_all(b"1\n").unwrap();
        assert_eq!(given.recv().unwrap(), b"1\n", "the first is not kept waiting");
        lines.write_all(b"2\n").unwrap();
        lines.write_all(b"3\n").unwrap();
        go.send(Ok(())).unwrap();
        assert_eq!(given.recv().unwrap(), b"2\n3\n");
        go.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        lines.finish();
        assert_eq!(lines.lost(), 2);
    }

    /// Takes so many bytes, and then none for once.
    struct Full(Vec<u8>, usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 == 0 {
                self.1 = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            self.1 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_cut_off_takes_no_other_with_it_and_is_counted_with_those_behind_it() {
        for (room, lost, expected) in [(5, 2, "1\n2\n3\n5\n"), (4, 2, "1\n2\n5\n"), (1, 4, "1\n5\n")] {
            let (mut to, mut whole) = (Full(Vec::new(), room), WholeLines::default());
            assert_eq!(whole.write(&mut to, b"1\n2\n3\n4\n").unwrap_err().1, lost, "{room}");
            whole.write(&mut to, b"5\n").unwrap();
            assert_eq!(String::from_utf8(to.0).unwrap(), expected);
        }
    }

    #[test]
    fn the_end_waits_a_second_at_most() {
        let (mut lines, given, _go) = slow(1000);
        lines.write_all(b"1\n").unwrap();
        given.recv().unwrap();
        let began = std::time::Instant::now();
        // Returns although the line is being written for as long as `_go` is kept.
        lines.finish();
        assert!(began.elapsed() >= PATIENCE);
    }
}
