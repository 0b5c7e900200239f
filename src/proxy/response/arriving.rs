//! The bytes of an answer as they arrive: from the registry, or from its own files.

use std::task::{Context, Poll, ready};

use hyper::body::{Bytes, Frame, SizeHint};

use crate::{
    limits::Slot,
    net::{BudgetShare, BufferBudget},
    proxy::{
        body::request_body::BodyError,
        upstream::{ChunkSize, Incoming},
    },
    storage::BlobReader,
};

/// A body under way.
pub enum Arriving {
    /// From the registry.
    Registry(Incoming),
    /// From its files.
    Stored(Box<StoredBlob>),
    /// From its files, and all of it in memory.
    Held(Held),
}

/// A manifest or a list from the registry's files, or nothing, as for HEAD.
pub struct Held {
    content: Bytes,
    /// False for a list without a Content-Length.
    is_sized: bool,
    _share: Option<(BudgetShare, Slot)>,
}

impl Held {
    /// Nothing.
    pub(in crate::proxy) fn empty() -> Self {
        Self { content: Bytes::new(), is_sized: true, _share: None }
    }

    /// A text that is sent in one piece. It keeps its slot until it has gone out.
    pub(in crate::proxy) fn new(content: Bytes, budget: &BufferBudget, slot: Slot) -> Self {
        Self { content, is_sized: true, _share: Some((budget.share(), slot)) }
    }

    /// The same without a Content-Length.
    pub(in crate::proxy) fn without_length(self) -> Self {
        Self { is_sized: false, ..self }
    }
}

/// A blob from the registry's files. It keeps its slot, and the file open, until it has gone out.
pub struct StoredBlob {
    reader: BlobReader,
    budget: BufferBudget,
    chunk_size: ChunkSize,
    _share: BudgetShare,
    _slot: Slot,
}

impl StoredBlob {
    /// A blob that is read in pieces of the size that the budget allows.
    pub(in crate::proxy) fn new(reader: BlobReader, budget: &BufferBudget, slot: Slot) -> Self {
        let chunk_size = ChunkSize::default();
        Self { reader, budget: budget.clone(), chunk_size, _share: budget.share(), _slot: slot }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let most = self.chunk_size.next(self.budget.piece());
        let piece = ready!(self.reader.poll_piece(cx, most));
        self.chunk_size.yielded();
        let broken = |error| format!("the registry's file of the blob cannot be read: {error}").into();
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(broken)))
    }
}

impl Arriving {
    /// The next piece, or the trailers; `None` at the end.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Registry(body) => body.poll_frame(cx),
            Self::Stored(blob) => blob.poll_frame(cx),
            Self::Held(held) => {
                let content = std::mem::take(&mut held.content);
                Poll::Ready((!content.is_empty()).then(|| Ok(Frame::data(content))))
            }
        }
    }

    /// Returns true if all of it was taken.
    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Registry(body) => body.is_end_stream(),
            Self::Stored(blob) => blob.reader.left() == 0,
            Self::Held(held) => held.content.is_empty(),
        }
    }

    /// Returns whether all of it has come, taken or not.
    pub(super) fn is_here(&self) -> bool {
        match self {
            Self::Registry(body) => body.is_here(),
            Self::Stored(_) | Self::Held(_) => true,
        }
    }

    /// Returns the length of the rest, where that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Registry(body) => body.size_hint(),
            Self::Stored(blob) => SizeHint::with_exact(blob.reader.left()),
            Self::Held(held) if !held.is_sized => SizeHint::default(),
            Self::Held(held) => SizeHint::with_exact(held.content.len() as u64),
        }
    }
}

impl From<Incoming> for Arriving {
    fn from(body: Incoming) -> Self {
        Self::Registry(body)
    }
}
