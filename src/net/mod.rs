//! The mechanics of connections, below `server` and `proxy`: deadlines, closing, and how much of a stream is held.
//!
//! Imports nothing of HTTP, accounts or the registry.

mod buffer_budget;
mod deadline;
mod lingering_close;
mod pass_on;
mod write_deadline;

pub(crate) use buffer_budget::{BudgetShare, BufferBudget};
pub(crate) use deadline::{Deadline, within};
pub(crate) use lingering_close::Lingering;
pub(crate) use pass_on::pass_on;
pub(crate) use write_deadline::WriteDeadline;
