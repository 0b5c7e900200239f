//! Counts the requests of one connection that are with the registry, for the choice among connections.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The count of one connection.
#[derive(Debug, Clone, Default)]
pub struct AtRegistry(Arc<AtomicUsize>);

/// One of them. Ends when it is dropped.
#[derive(Debug)]
pub struct Present(AtRegistry);

impl AtRegistry {
    /// Counts a request that holds a slot before the registry.
    pub fn enter(&self) -> Present {
        self.0.fetch_add(1, Ordering::Relaxed);
        Present(self.clone())
    }

    /// Returns the number that are there now.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
