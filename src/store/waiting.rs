//! The Waiting Room: who waits, where they say they work, and who could let them in.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::{Account, Level, Workplace};
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::{AuditEvent, NewMessage, Result};

/// Finding who waits and who could help, and keeping what is said there.
#[async_trait]
pub trait WaitingRoom {
    /// Keeps where a user says they work, in the place of what was said before.
    async fn say_workplace(
        &self,
        user: &UserId,
        workplace: &Workplace,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<()>;
    /// Where a user said they work.
    async fn workplace(&self, user: &UserId) -> Result<Option<Workplace>>;
    /// Who of an organization has signed on and waits, the last to sign on first, and where they say they work.
    async fn waiting(
        &self,
        organization: &OrganizationId,
        limit: u32,
    ) -> Result<Vec<(Account, Option<Workplace>)>>;
    /// Active users of an organization who hold, at `now`, a grant of one of these levels, for this property or
    /// for all; by address. With `None`, for any property.
    async fn holders(
        &self,
        organization: &OrganizationId,
        levels: &[Level],
        property: Option<&PropertyId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Account>>;
}
