//! The threads that connections live on: one for each processor, each with a runtime of its own.
//!
//! The work of a connection stays on one processor: its request, the connection to the registry and both bodies. A
//! runtime that steals work wakes another thread for each piece of a body, and then finds its caches cold.

use std::{
    future::Future,
    io, iter,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinHandle,
};

use super::{Accepting, Listener};

/// The threads. Dropped, they end, and what is still running on them is cut off.
pub struct Workers {
    /// This one accepts too.
    first: Worker,
    others: Vec<Worker>,
}

struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    thread: Option<(thread::JoinHandle<()>, oneshot::Sender<()>)>,
}

/// A connection on a worker.
struct Counted(Arc<AtomicUsize>);

impl Workers {
    /// One for each processor that this process may use.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let others = (1..processors).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Self { first: Worker::start(0)?, others })
    }

    /// Tasks that have not ended, on all of them.
    pub fn tasks(&self) -> usize {
        self.iter().map(|worker| worker.runtime.metrics().num_alive_tasks()).sum()
    }

    /// Has a listener watched by the first thread, which accepts: for its own connections no other needs to be woken.
    ///
    /// # Errors
    /// Its runtime cannot watch it.
    pub fn listen(&self, listener: Listener) -> io::Result<Accepting> {
        let _there = self.first.runtime.enter();
        listener.accepting()
    }

    /// Runs what accepts, on that thread.
    pub(super) fn accept(&self, accepting: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.first.runtime.spawn(accepting)
    }

    /// Runs a connection on the thread that has the fewest.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let fewest = self.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        let worker = fewest.unwrap_or(&self.first);
        worker.connections.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&worker.connections));
        // Moved into another future, it would take its room twice.
        let connection = Box::pin(connection);
        worker.runtime.spawn(async move {
            let _counted = counted;
            connection.await;
        });
    }

    fn iter(&self) -> impl Iterator<Item = &Worker> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("connections-{number}")).spawn(move || {
            let _ = runtime.block_on(stopped);
            // Its work on other threads must not hold up the exit.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, connections: Arc::default(), thread: Some((thread, stop)) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some((thread, stop)) = self.thread.take() else { return };
        let _ = stop.send(());
        let _ = thread.join();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
