//! The audit log: its entries, and how they are written and asked for.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::Subject;
use crate::email::EmailAddress;
use crate::store::Result;

/// Reading the audit log, and writing what no other operation tells of.
#[async_trait]
pub trait AuditLog {
    /// Adds an event to the audit log.
    async fn audit(&self, event: AuditEvent) -> Result<()>;
    /// The newest events, newest first.
    async fn audit_entries(&self, limit: u32) -> Result<Vec<AuditEntry>>;
    /// Events by filter, newest first.
    async fn audit_search(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>>;
    /// Events after a place, oldest first, for export and verification.
    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<AuditEntry>>;
    /// Where the chain begins.
    async fn audit_anchor(&self) -> Result<AuditAnchor>;
    /// Removes the oldest events from before a moment, remembers where the chain goes on, and writes the event if
    /// any was removed. Bounded work per call. How many were removed.
    async fn purge_audit(&self, before: Timestamp, audit: AuditEvent) -> Result<u64>;
    /// The event under a reference that a visitor was shown.
    async fn audit_by_reference(&self, reference: &str) -> Result<Option<AuditEntry>>;
}

/// One line of the audit log. Never holds a secret or an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened.
    pub at: Timestamp,
    /// What happened: a stable dotted code, e.g. `sign_on.refused`.
    pub action: &'static str,
    /// Who did it: an e-mail address, `command` or `anteroom`.
    pub actor: String,
    /// Whom or what it concerns: an e-mail address, an id, or nothing.
    pub subject: Option<String>,
    /// The machine-readable reason, for refusals: e.g. `wrong_audience`.
    pub reason: Option<String>,
    /// The short reference that the visitor was shown.
    pub reference: Option<String>,
    /// The name of the HTTP request that caused it (`X-Request-Id`), if one did.
    pub request_id: Option<String>,
    /// The rest, as a JSON object; bounded to 4 kB.
    pub details: serde_json::Value,
}

impl AuditEvent {
    /// Something that Anteroom did by itself.
    #[must_use]
    pub fn of_anteroom(at: Timestamp, action: &'static str) -> Self {
        Self {
            at,
            action,
            actor: "anteroom".to_owned(),
            subject: None,
            reason: None,
            reference: None,
            request_id: None,
            details: serde_json::Value::Null,
        }
    }
}

/// An [`AuditEvent`] as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place in the log, from 1.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub action: String,
    /// Who did it.
    pub actor: String,
    /// Whom or what it concerns.
    pub subject: Option<String>,
    /// The machine-readable reason.
    pub reason: Option<String>,
    /// The short reference.
    pub reference: Option<String>,
    /// The name of the HTTP request that caused it.
    pub request_id: Option<String>,
    /// The rest.
    pub details: serde_json::Value,
    /// SHA-256 over the entry and the hash of the one before it; `None` for entries from before the log was
    /// chained, which can only be its first.
    pub hash: Option<[u8; 32]>,
}

/// Which entries of the audit log to read; all conditions together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only actions that begin with this, e.g. `sign_on.`.
    pub action_prefix: Option<String>,
    /// Only entries about exactly this.
    pub subject: Option<String>,
    /// Only refused sign-ons that spoke of this person.
    pub claimant: Option<Claimant>,
    /// Only entries in which actor, subject, reason, reference or the address that a refused sign-on spoke of contain
    /// this, whatever the case.
    pub text: Option<String>,
    /// Only before this place, for paging from the newest to the oldest.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Somebody whom refused sign-ons may have spoken of (`details.claimed` of their entries): by the address, or by the
/// identity provider's key. At most the newest [`CLAIMS_MAX`] of each are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// The address.
    pub email: EmailAddress,
    /// The key, if the person is bound to one.
    pub subject: Option<Subject>,
}

/// The most refused sign-ons that are found by the address or by the key of a person.
pub const CLAIMS_MAX: u32 = 100;

/// Where the chain of the audit log begins after its oldest entries were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditAnchor {
    /// The place of the last entry that was removed; 0 if none was.
    pub seq: i64,
    /// The hash of that entry; zeroes if none was removed.
    pub hash: [u8; 32],
}
