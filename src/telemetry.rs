//! What operators see of a running Anteroom: its log and its counts.
//!
//! Separate so that no other part chooses formats or names metrics: parts write events with `tracing` and say
//! what happened in their results; `app` brings both here.
//!
//! Rules: never a secret, a cookie, a token, an assertion or the query of a request; what comes from outside
//! cannot forge a line, move a cursor, or make up a label.

mod access;
mod log;
mod metrics;
mod spool;

pub(crate) use access::name;
pub use access::{AccessLog, CoreLog, Line, Name};
pub use log::{Error, Format, Log, Started};
pub use metrics::{CoreMetrics, Metrics, Moment, Provider, Upstream};
