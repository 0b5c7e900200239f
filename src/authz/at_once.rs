//! Decisions that wait for nothing, since no back end takes part.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Returns the decision if it is at hand, as every one is without back ends; `None` if it waits all the same.
pub fn at_once<T>(decision: impl Future<Output = T>) -> Option<T> {
    match pin!(decision).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decided) => Some(decided),
        Poll::Pending => None,
    }
}
