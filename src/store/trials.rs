//! Trials of a connection: sign-ons that begin no session.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::id::{ConnectionId, UserId};
use crate::store::{AuditEvent, Result};

/// Noting trials and what they find.
#[async_trait]
pub trait Trials {
    /// Notes that a trial begins.
    async fn begin_connection_test(&self, test: &ConnectionTest, audit: AuditEvent) -> Result<()>;
    /// The trial that a SAML request belongs to, if it is one.
    async fn connection_test(&self, request_id: &str) -> Result<Option<ConnectionTest>>;
    /// Keeps what a trial has found, once: `false` if there is no such trial or it has a report already.
    async fn finish_connection_test(
        &self,
        request_id: &str,
        report: serde_json::Value,
        audit: AuditEvent,
    ) -> Result<bool>;
}

/// What a trial sign-on found, for the agent who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionTest {
    /// The ID of the trial's SAML request.
    pub request_id: String,
    /// Which connection was tried.
    pub connection: ConnectionId,
    /// Which agent asked for it; `None`: an operator at the command line.
    pub agent: Option<UserId>,
    /// When it began.
    pub begun_at: Timestamp,
    /// What was found, as JSON; `None` until the identity provider has answered.
    pub report: Option<serde_json::Value>,
}
