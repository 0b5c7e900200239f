//! The room that a thread read into last: connections that wait need none, and the next one that reads finds it in the
//! processor's cache.

use std::cell::Cell;

use bytes::BytesMut;

thread_local! {
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Room for so many bytes, with nothing in it.
pub(super) fn take(wanted: usize) -> BytesMut {
    let mut spare = SPARE.take();
    if spare.try_reclaim(wanted) { spare } else { BytesMut::with_capacity(wanted) }
}

/// Keeps room that is empty for the next one.
pub(super) fn give_back(room: BytesMut) {
    SPARE.set(room);
}
