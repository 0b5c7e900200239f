//! The room that a thread read into last: connections that wait need none, and the next one that reads finds it in the
//! processor's cache.

use std::cell::Cell;

use bytes::BytesMut;

thread_local! {
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// The largest room that is kept: a connection that reads little must not get the room of a fast upload, and hold it.
pub(super) const LARGEST: usize = 16 << 10;

/// Room for so many bytes, with nothing in it.
pub(super) fn take(wanted: usize) -> BytesMut {
    if wanted > LARGEST {
        return BytesMut::with_capacity(wanted);
    }
    let mut spare = SPARE.take();
    if spare.try_reclaim(wanted) { spare } else { BytesMut::with_capacity(wanted) }
}

/// Keeps room of at most [`LARGEST`] for the next one, without what is in it.
pub(super) fn give_back(mut room: BytesMut) {
    room.clear();
    SPARE.set(room);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_room_is_used_again() {
        let mut room = take(LARGEST);
        room.extend_from_slice(b"of another connection");
        let at = room.as_ptr();
        give_back(room);
        assert_eq!(take(LARGEST + 1).capacity(), LARGEST + 1);
        let again = take(100);
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (at, 0, LARGEST));
    }
}
