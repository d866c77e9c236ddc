//! How a request was forwarded, for whoever writes it down.
//!
//! Separate so that the log learns what only the forwarder knows, and the forwarder knows no log.

use std::sync::Arc;
use std::time::Duration;

use crate::monotonic::Moment;

/// Where a request went, and how long it took to get there.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The upstream that was asked last: host and port.
    pub upstream: Arc<str>,
    /// When the forwarder was given the request: it had been decided on.
    pub given_at: Moment,
    /// How long it took to get a new connection; `None` on one that was there, or without any.
    pub connect: Option<Duration>,
    /// How many times the request was sent again.
    pub retries: u8,
}
