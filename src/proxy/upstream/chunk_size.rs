//! Sets the size of the chunks in which a response's body is read, by the time that its client took for the last one.
//!
//! Large chunks spare system calls where the client keeps up. One that does not would have them held for it, and seem
//! to stand still while it takes one.

use std::time::Duration;

use tokio::time::Instant;

/// The size of the next chunk for one client.
#[derive(Debug)]
pub(in crate::proxy) struct ChunkSize {
    chunk: usize,
    yielded_at: Option<Instant>,
}

/// The size to begin with, and the least.
const FIRST: usize = 64 << 10;
const LEAST: usize = 16 << 10;
/// A chunk that is taken sooner may be followed by one of twice its size, one that is taken later by one of half.
const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(200);

impl Default for ChunkSize {
    fn default() -> Self {
        Self { chunk: FIRST, yielded_at: None }
    }
}

impl ChunkSize {
    /// Bytes of the next chunk, of which there may be `most`. Called when the client wants it.
    pub(in crate::proxy) fn next(&mut self, most: usize) -> usize {
        let taken = self.yielded_at.take().map(|at| at.elapsed());
        self.chunk = match taken {
            Some(taken) if taken < SOON => self.chunk * 2,
            Some(taken) if taken > LATE => (self.chunk / 2).max(LEAST),
            _ => self.chunk,
        };
        self.chunk = self.chunk.min(most);
        self.chunk
    }

    /// Records that a chunk was handed on.
    pub(in crate::proxy) fn yielded(&mut self) {
        self.yielded_at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_chunks_soon_gets_larger_ones_and_another_smaller_ones() {
        let mut chunk_size = ChunkSize::default();
        let mut after = async |time| {
            chunk_size.yielded();
            tokio::time::advance(Duration::from_millis(time)).await;
            chunk_size.next(1 << 20)
        };
        assert_eq!(after(1).await, FIRST * 2);
        for _ in 0..10 {
            after(1).await;
        }
        assert_eq!(after(100).await, 1 << 20);
        assert_eq!(after(300).await, 512 << 10);
        for _ in 0..10 {
            after(300).await;
        }
        assert_eq!(after(100).await, LEAST);
    }
}
