//! The bytes of a file, read without waiting where the system has them at hand, and on another thread where it has not.

use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    num::NonZeroU64,
    ops::Range,
    os::fd::OwnedFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use rustix::{
    fs::{Advice, fadvise},
    io::{ReadWriteFlags, preadv2},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// A part of a file that is read from its beginning to its end.
pub(crate) struct BlobReader {
    file: Arc<OwnedFd>,
    left: Range<u64>,
    /// A read that waits for the disk.
    waiting: Option<Waiting>,
    turns: Arc<Semaphore>,
    /// The last piece: its room is used again when it has been written.
    last: Option<Bytes>,
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// The number of bytes that the kernel is asked to read ahead when it has none in its cache.
const AHEAD: u64 = 8 << 20;
/// Copying into memory that begins with a page is several times as fast on some processors.
const PAGE: usize = 4096;

impl BlobReader {
    pub(super) fn new(file: OwnedFd, left: Range<u64>, turns: Arc<Semaphore>) -> Self {
        Self { file: Arc::new(file), left, waiting: None, turns, last: None }
    }

    /// Returns the number of bytes that are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left.end - self.left.start
    }

    /// The next piece, of up to `most` bytes; `None` at the end.
    ///
    /// # Errors
    /// The file is shorter than it was, or cannot be read.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let wanted = usize::try_from(self.left()).unwrap_or(usize::MAX).min(most);
        if wanted == 0 {
            return Poll::Ready(None);
        }
        let read = match &mut self.waiting {
            Some(waiting) => ready!(waiting.as_mut().poll(cx)),
            None => match self.read_at_hand(wanted) {
                Some(read) => read,
                None => ready!(self.waiting.insert(self.read_on_a_thread(wanted)).as_mut().poll(cx)),
            },
        };
        self.waiting = None;
        Poll::Ready(Some(read.inspect(|piece| self.left.start += piece.len() as u64)))
    }

    /// Reads what is at hand; `None` where nothing is.
    fn read_at_hand(&mut self, wanted: usize) -> Option<io::Result<Bytes>> {
        let mut room = self.room(wanted);
        let mut slices = [IoSliceMut::new(&mut room)];
        match preadv2(&self.file, &mut slices, self.left.start, ReadWriteFlags::NOWAIT) {
            Ok(0) => Some(Err(shorter())),
            Ok(read) => {
                room.truncate(read);
                let piece = room.freeze();
                self.last = Some(piece.clone());
                Some(Ok(piece))
            }
            // Not at hand; or this system or file system cannot tell. A thread gets the error, if there is one.
            Err(_) => None,
        }
    }

    /// Room for so many bytes.
    fn room(&mut self, wanted: usize) -> BytesMut {
        let last = self.last.take().and_then(|last| last.try_into_mut().ok());
        let mut room = last.filter(|room| room.capacity() >= wanted).unwrap_or_else(|| {
            let mut room = BytesMut::zeroed(wanted + PAGE);
            let before = room.as_ptr().align_offset(PAGE);
            room.advance(before.min(PAGE));
            room
        });
        room.resize(wanted, 0);
        room
    }

    fn read_on_a_thread(&self, wanted: usize) -> Waiting {
        let (file, turns, left) = (Arc::clone(&self.file), Arc::clone(&self.turns), self.left.clone());
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let reading = spawn_blocking(move || {
                let _turn = turn;
                let ahead = NonZeroU64::new(AHEAD.min(left.end - left.start));
                // It is only faster with it.
                let _ = fadvise(&file, left.start, ahead, Advice::WillNeed);
                let mut room = vec![0; wanted];
                let read = rustix::io::pread(&file, &mut room[..], left.start)?;
                room.truncate(read);
                if read == 0 { Err(shorter()) } else { Ok(room.into()) }
            });
            reading.await.map_err(io::Error::other)?
        })
    }
}

fn shorter() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was")
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader").field("left", &self.left).finish_non_exhaustive()
    }
}
