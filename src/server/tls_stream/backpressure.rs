//! Limits the output of the bodies of an HTTP/1.1 connection, so that little of them is held for a client that does not
//! keep up.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::net::BufferBudget;

/// The room for a body's output at the moment: a piece at a time, and nothing to a client that takes no more.
#[derive(Debug, Clone)]
pub(in crate::server) struct Backpressure(Arc<Weight>);

#[derive(Debug)]
struct Weight {
    budget: BufferBudget,
    /// The socket takes no more.
    on: AtomicBool,
    /// Bytes of bodies since everything was sent.
    given: AtomicUsize,
    /// A body has more and was told to wait.
    waited: AtomicBool,
}

impl Backpressure {
    pub(super) fn new(budget: BufferBudget) -> Self {
        let (on, given, waited) = (AtomicBool::default(), AtomicUsize::default(), AtomicBool::default());
        Self(Arc::new(Weight { budget, on, given, waited }))
    }

    /// Returns true if a body may give its next frame. If not, the code that drives the connection asks again once all
    /// is sent.
    pub(in crate::server) fn has_room(&self) -> bool {
        // hyper would go on until its own buffer is full, which is as large for one body of a thousand as for one of
        // one.
        let has_room = !self.is_on() && self.0.given.load(Ordering::Relaxed) < self.0.budget.piece();
        if !has_room {
            self.0.waited.store(true, Ordering::Relaxed);
        }
        has_room
    }

    /// A body gave so many bytes.
    pub(in crate::server) fn gave(&self, bytes: usize) {
        self.0.given.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Relaxed)
    }

    /// Everything is sent, or the socket takes no more.
    pub(super) fn set(&self, on: bool) {
        self.0.on.store(on, Ordering::Relaxed);
        if !on {
            self.0.given.store(0, Ordering::Relaxed);
        }
    }

    /// Returns true if a body waits, and ends its wait.
    pub(super) fn take_waited(&self) -> bool {
        self.0.waited.swap(false, Ordering::Relaxed)
    }
}
