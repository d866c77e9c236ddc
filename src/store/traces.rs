//! What is kept of refused answers, for support to look at.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::id::ConnectionId;
use crate::store::{AuditEvent, Result};

/// Keeping traces for a while.
#[async_trait]
pub trait Traces {
    /// Adds an event to the audit log, and keeps what was found out about the refused answer it tells of. Of more
    /// than [`TRACES_OF_ONE_MAX`] traces of one connection (or of none), and of more than [`TRACES_MAX`] in all, the
    /// oldest go.
    async fn audit_with_trace(&self, event: AuditEvent, trace: &Trace) -> Result<()>;
    /// What was found out about the answer that was refused under a reference.
    async fn trace(&self, reference: &str) -> Result<Option<Trace>>;
    /// Removes traces from before a moment. Bounded work per call; how many were removed.
    async fn purge_traces(&self, before: Timestamp) -> Result<u64>;
}

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
