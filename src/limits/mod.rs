//! Bounds on load: the part of a resource that one client may have, queues before it, and rates.
//!
//! The answer to a client over its limit is known where a limit is used. Time is an argument, except for the two
//! queues, which wait.

mod client_network;
mod counter_table;
mod failure_log;
mod fair_semaphore;
mod in_flight;
mod log_throttle;
mod per_client;
mod priority_queue;
mod shares;
mod token_bucket;

pub(crate) use client_network::Network;
pub(crate) use counter_table::{CounterTable, Fingerprint, Worth};
pub(crate) use failure_log::{FailureLog, count_suppressed};
pub(crate) use fair_semaphore::{FairSemaphore, Slot};
pub use in_flight::InFlight;
pub(crate) use log_throttle::LogThrottle;
pub(crate) use per_client::Buckets;
pub(crate) use priority_queue::CheckQueue;
pub(crate) use shares::{Share, Shares};
pub(crate) use token_bucket::{Bucket, Rate};
