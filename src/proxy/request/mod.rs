//! The request as it came in: its target, where it comes from, and the media types and origins that may send it.

pub(super) mod confirmed;
pub(super) mod context;
pub(super) mod cors;
pub(super) mod form;
pub(super) mod header_list;
pub(super) mod media_type;
pub(super) mod origin;
pub(super) mod quality;
pub(super) mod target;
pub(super) mod trace_context;
