//! Sign-ons: what one uses up, whom it finds, and how it gets to the application's host.
//!
//! Separate as one subject of the contract.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::{Account, DisplayName, Subject};
use crate::email::EmailAddress;
use crate::id::{ConnectionId, OrganizationId, UserId};
use crate::store::{AuditEvent, Result};

/// Using up a response, finding the person, and handing over between the hosts.
#[async_trait]
pub trait SignOns {
    /// Uses up the request and the assertion: a single atomic step, durable before it returns.
    async fn consume(&self, consumption: &Consumption) -> Result<Consumed>;
    /// Finds, binds or makes the user, or finds a conflict, which is kept under the event's reference if the user
    /// is of the same organization. Writes the event that tells of the outcome: `audit` is called with it inside
    /// the transaction.
    async fn admit(
        &self,
        arrival: &Arrival,
        audit: Arc<dyn for<'a> Fn(&'a Admission) -> AuditEvent + Send + Sync>,
    ) -> Result<Admission>;
    /// Keeps a hand-off until its code is shown.
    async fn put_handoff(&self, handoff: &Handoff) -> Result<()>;
    /// Takes a hand-off out, once: a second call with the same code finds nothing, and neither does one after
    /// it expired.
    async fn take_handoff(&self, code_hash: &[u8; 32], now: Timestamp) -> Result<Option<Handoff>>;
}

/// What is used up by one sign-on, once and for all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumption {
    /// The connection whose provider made the assertion.
    pub connection: ConnectionId,
    /// Our request's ID.
    pub request_id: String,
    /// The assertion's ID.
    pub assertion_id: String,
    /// When neither could be accepted any more, so that the record may go.
    pub expires_at: Timestamp,
}

/// Whether a response may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumed {
    /// It was not used before, and now it is.
    First,
    /// The request has been answered before.
    RequestReplayed,
    /// The assertion has been used before.
    AssertionReplayed,
}

/// A person whom an identity provider has vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Who it is to the provider.
    pub subject: Subject,
    /// The asserted address.
    pub email: EmailAddress,
    /// The asserted name.
    pub name: Option<DisplayName>,
    /// The organization of the connection.
    pub organization: OrganizationId,
    /// The id for a user who has to be made; `None` if none may be made from this arrival.
    pub new_user: Option<UserId>,
    /// The time of the sign-on.
    pub at: Timestamp,
}

/// What became of an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The user whom the subject is bound to; address and name brought up to date. A new address that another
    /// user has is not taken over; the audit event's details then say so.
    Known(Account),
    /// The user of that address, of the same organization, who had no subject yet: now bound.
    Bound(Account),
    /// A user made just in time, waiting.
    Created(Account),
    /// Nobody is known by that subject or address, and `new_user` was `None`. Nothing changed.
    Unknown,
    /// The address belongs to a user with another subject or of another organization. Nothing changed.
    Conflict {
        /// The user who has the address.
        user: UserId,
    },
}

/// A sign-on on its way from the login host to the application's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// SHA-256 of the one-time code.
    pub code_hash: [u8; 32],
    /// The request that was answered; only the browser that made it may redeem the code.
    pub request_id: String,
    /// What the session will be made from, sealed by the caller.
    pub payload: Vec<u8>,
    /// 60 seconds after it was made.
    pub expires_at: Timestamp,
}
