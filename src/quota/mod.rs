//! How much of a thing one sender may have, so that nobody takes all of it: places, attempts in a while, lines of the log.
//!
//! Of what, and what a sender is told who has too much, is known where it is given out. Pure; time is an argument.

mod bucket;
mod complaints;
mod counters;
mod network;
mod shares;

pub(crate) use bucket::{Bucket, Rate};
pub(crate) use complaints::Complaints;
pub(crate) use counters::{Counters, Fingerprint, Worth};
pub(crate) use network::Network;
pub(crate) use shares::{Share, Shares};
