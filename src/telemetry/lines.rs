//! Lines on their way out: written by a thread of their own, so that whoever has one to write never waits.
//!
//! What waits is bounded in bytes, for a line may hold what a client sent. With more, new lines are lost and counted: a
//! log that nobody reads must not stop the proxy, nor eat its memory.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// The most lines that wait; the bytes are the bound that counts.
const WAITING_LINES: usize = 100_000;

/// How long the next lines gather before they are written: each by itself would cost its writer a call to wake this thread,
/// and this thread one to write it.
const GATHERING: Duration = Duration::from_millis(10);

/// A destination of lines. Clones are of the same.
#[derive(Clone)]
pub(super) struct Lines {
    queue: NonBlocking,
    waiting: Arc<AtomicUsize>,
    /// The most bytes that wait.
    most: usize,
    lost: Arc<AtomicU64>,
    /// Writes what waits when it is dropped.
    guard: Arc<Mutex<Option<WorkerGuard>>>,
}

/// Writes, and says how much of what waited is gone.
struct Counted<W> {
    to: W,
    waiting: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Lines to `to`, written by a thread called `name`; at most so many bytes wait.
    pub(super) fn new(name: &str, most: usize, to: impl Write + Send + 'static) -> Self {
        let (waiting, lost) = (Arc::default(), Arc::default());
        let counted = Counted { to, waiting: Arc::clone(&waiting), lost: Arc::clone(&lost) };
        let builder = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).thread_name(name);
        let (queue, guard) = builder.finish(counted);
        Self { queue, waiting, most, lost, guard: Arc::new(Mutex::new(Some(guard))) }
    }

    /// How many lines were lost because too much waited, or because they could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed) + self.queue.error_counter().dropped_lines() as u64
    }

    /// Writes what waits, for as long as a second; what comes later is lost.
    pub(super) fn finish(&self) {
        drop(self.guard.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Takes a whole line at once, and never fails.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.waiting.fetch_add(line.len(), Ordering::Relaxed) + line.len() > self.most {
            self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let dropped = self.queue.error_counter().dropped_lines();
        let written = self.queue.write(line);
        if self.queue.error_counter().dropped_lines() != dropped {
            self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Write for Counted<W> {
    /// Also what cannot be written waits no more.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        if self.to.write_all(bytes).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    /// Called when nothing more waits.
    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        thread::park_timeout(GATHERING);
        flushed
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes nothing until it is told to.
    struct Stuck(mpsc::Receiver<()>, Arc<AtomicUsize>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.fetch_add(bytes.len(), Ordering::Relaxed);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_what_is_lost_is_counted() {
        let (go, stuck) = mpsc::channel();
        let written = Arc::new(AtomicUsize::new(0));
        let mut lines = Lines::new("test", 16 << 20, Stuck(stuck, Arc::clone(&written)));
        let line = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            lines.write_all(&line).unwrap();
        }
        assert!((23..=24).contains(&lines.lost()), "{}", lines.lost());
        drop(go);
        lines.finish();
        assert_eq!(written.load(Ordering::Relaxed) as u64, (40 - lines.lost()) << 20);
        assert_eq!(lines.waiting.load(Ordering::Relaxed), 0, "there is room again");
    }
}
