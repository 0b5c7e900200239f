//! The share of a resource that one client may have, so that none takes all of it: slots, attempts in a while, lines of
//! the log.
//!
//! Of what, and what a client with too much is answered, is known where it is given out. Pure; time is an argument.

mod bucket;
mod buckets;
mod log_throttle;
mod counters;
mod network;
mod shares;

pub(crate) use bucket::{Bucket, Rate};
pub(crate) use buckets::Buckets;
pub(crate) use log_throttle::LogThrottle;
pub(crate) use counters::{Counters, Fingerprint, Worth};
pub(crate) use network::Network;
pub(crate) use shares::{Share, Shares};
