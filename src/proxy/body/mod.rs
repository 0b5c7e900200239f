//! Bodies in both directions: streamed with back-pressure, observed, and ended when they stand still.

pub(super) mod idle_timer;
pub(super) mod request_body;
