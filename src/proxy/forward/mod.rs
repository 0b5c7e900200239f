//! Requests to the registry, a client's and our own, and the lists of names that are made of its answers.

pub(super) mod catalog;
pub(super) mod gather;
pub(super) mod headers;
pub(super) mod held_manifests;
pub(super) mod repository_names;
pub(super) mod rewrite;
pub(super) mod stored_reads;
pub(super) mod subrequest;
pub(super) mod tag_reader;
