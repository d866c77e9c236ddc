//! What is kept of refused answers, for support to look at.
//!
//! Separate as one subject of the contract.

use jiff::Timestamp;
use serde_json::Value;

use crate::id::ConnectionId;

/// What was found out about a refused answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What the visitor was shown.
    pub reference: String,
    /// When.
    pub at: Timestamp,
    /// The connection whose answer it was, if that was certain.
    pub connection: Option<ConnectionId>,
    /// What was found out, without anything that tells who the person is.
    pub report: Value,
}

/// Traces that are kept at most.
pub const TRACES_MAX: u32 = 1_000;

/// Traces that are kept of one connection at most, so that nobody crowds those of others out. As many are kept of
/// answers that belong to no connection.
pub const TRACES_OF_ONE_MAX: u32 = 100;
