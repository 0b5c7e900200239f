//! What a directory, or whoever stands in its place, may send.
