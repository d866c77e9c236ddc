//! What operators see of a running Anteroom: its log and its counts.
//!
//! Separate so that no other part chooses formats or names metrics: parts write events with `tracing` and say
//! what happened in their results; `app` brings both here.
//!
//! Rules: never a secret, a cookie, a token, an assertion or the query of a request; what comes from outside
//! cannot forge a line, move a cursor, or make up a label.

mod log;
mod metrics;

pub use log::{Error, Format, Log};
pub use metrics::{Metrics, Moment, Provider};
