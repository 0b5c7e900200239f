//! Content to upload: bytes that are made as they are sent, the same for the same seed, so that a blob of any size
//! costs no memory and its digest is known beforehand.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use aws_lc_rs::digest::{self, SHA256};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::Notify;

use super::image::{hex, random_bytes};

const BLOCK: usize = 64 << 10;

/// A body to be sent.
#[derive(Debug, Clone)]
pub struct Content {
    source: Source,
    media_type: Option<&'static str>,
    framing: Framing,
}

#[derive(Debug, Clone)]
enum Source {
    Given(Bytes),
    Made { seed: u64, size: u64 },
}

#[derive(Debug, Clone)]
enum Framing {
    Length,
    Chunked,
    /// Announces all, sends this much, says so and stands still.
    Stalls {
        after: u64,
        stalled: Arc<Notify>,
    },
}

/// A body on its way.
pub struct ContentBody {
    content: Content,
    sent: u64,
}

impl Content {
    /// No body.
    pub fn empty() -> Self {
        Self { source: Source::Given(Bytes::new()), media_type: None, framing: Framing::Length }
    }

    /// These bytes.
    pub fn given(bytes: impl Into<Bytes>, media_type: &'static str) -> Self {
        Self { source: Source::Given(bytes.into()), media_type: Some(media_type), framing: Framing::Length }
    }

    /// `size` bytes that belong to `seed` alone.
    pub fn made(seed: u64, size: u64) -> Self {
        let media_type = Some("application/octet-stream");
        Self { source: Source::Made { seed, size }, media_type, framing: Framing::Length }
    }

    /// Sent without saying how long it is.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Sent up to that byte only; the notification comes when these bytes have been taken.
    pub fn stalling(mut self, after: u64) -> (Self, Arc<Notify>) {
        let stalled = Arc::new(Notify::new());
        self.framing = Framing::Stalls { after, stalled: Arc::clone(&stalled) };
        (self, stalled)
    }

    /// Returns its length in bytes.
    pub fn size(&self) -> u64 {
        match &self.source {
            Source::Given(bytes) => bytes.len() as u64,
            Source::Made { size, .. } => *size,
        }
    }

    /// `sha256:…` of all of it.
    pub fn digest(&self) -> String {
        digest_of(std::slice::from_ref(self))
    }

    pub(super) fn media_type(&self) -> Option<&'static str> {
        self.media_type
    }

    /// A body with all of it.
    pub fn body(&self) -> ContentBody {
        ContentBody { content: self.clone(), sent: 0 }
    }

    /// The bytes from `at`, which is the start of a block.
    fn block(&self, at: u64) -> Bytes {
        match &self.source {
            Source::Given(bytes) => bytes.slice(at as usize..),
            Source::Made { seed, size } => {
                let mut block = noise()[..BLOCK.min((size - at) as usize)].to_vec();
                for (byte, mark) in
                    block.iter_mut().zip(seed.to_be_bytes().into_iter().chain(at.to_be_bytes()))
                {
                    *byte ^= mark;
                }
                block.into()
            }
        }
    }
}

/// `sha256:…` of the pieces one after the other.
pub fn digest_of(pieces: &[Content]) -> String {
    let mut context = digest::Context::new(&SHA256);
    for piece in pieces {
        let mut at = 0;
        while at < piece.size() {
            let block = piece.block(at);
            context.update(&block);
            at += block.len() as u64;
        }
    }
    format!("sha256:{}", hex(context.finish().as_ref()))
}

/// A block that no other test process has.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| random_bytes(BLOCK))
}

impl Body for ContentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sent == self.content.size() {
            return Poll::Ready(None);
        }
        if let Framing::Stalls { after, stalled } = &self.content.framing
            && self.sent >= *after
        {
            stalled.notify_one();
            return Poll::Pending;
        }
        let block = self.content.block(self.sent);
        self.sent += block.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.content.size()
    }

    fn size_hint(&self) -> SizeHint {
        match self.content.framing {
            Framing::Chunked => SizeHint::default(),
            _ => SizeHint::with_exact(self.content.size() - self.sent),
        }
    }
}
