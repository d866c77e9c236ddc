//! Users: finding, counting and making them.
//!
//! Separate as one subject of the contract.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::{Account, DisplayName, Grant, Membership, Role};
use crate::email::EmailAddress;
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::{AuditEvent, NewMessage, Result};

/// Finding, counting and making users.
#[async_trait]
pub trait Users {
    /// The user with that id.
    async fn account(&self, user: &UserId) -> Result<Option<Account>>;
    /// The user with that address.
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>>;
    /// Users by address.
    async fn accounts(&self, filter: &UserFilter) -> Result<Vec<Account>>;
    /// How many users each organization has that has any.
    async fn user_counts(&self) -> Result<HashMap<OrganizationId, u64>>;
    /// Users of an organization, apart from disabled ones, whose addresses are outside its domains: how many, and
    /// the first by address.
    async fn outsiders(&self, organization: &OrganizationId, limit: u32) -> Result<Outsiders>;
    /// How many users hold, at `now`, a grant for each property of an organization that anybody has one for;
    /// grants for all properties do not count.
    async fn grant_counts(
        &self,
        organization: &OrganizationId,
        now: Timestamp,
    ) -> Result<HashMap<PropertyId, u64>>;
    /// Makes a user. The messages are kept if one was made.
    async fn add_user(&self, user: &NewUser, audit: AuditEvent, mail: Vec<NewMessage>) -> Result<UserAdded>;
}

/// Which users a list shall have; all conditions together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only of this organization.
    pub organization: Option<OrganizationId>,
    /// Only in this state.
    pub state: Option<Membership>,
    /// Only with this role.
    pub role: Option<Role>,
    /// Only those whose address or name contain every word of this, whatever the case.
    pub text: Option<String>,
    /// Only after this address (for paging), in order of the address.
    pub after: Option<EmailAddress>,
    /// At most this many; 0 means all.
    pub limit: u32,
}

/// Users whom nobody can vouch for any more: their addresses are outside the domains of their organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outsiders {
    /// How many.
    pub count: u64,
    /// The first of them, by address.
    pub first: Vec<EmailAddress>,
}

/// A user to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The id, made by the caller.
    pub id: UserId,
    /// The address.
    pub email: EmailAddress,
    /// The name, if known.
    pub name: Option<DisplayName>,
    /// Whose staff.
    pub organization: OrganizationId,
    /// The role.
    pub role: Role,
    /// First grants. With any, the user is `active`, otherwise `waiting`.
    pub grants: Vec<Grant>,
}

/// Whether a user could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserAdded {
    /// It was.
    Added,
    /// The address is taken; nothing changed.
    EmailTaken,
    /// A grant names a property that does not exist or is another organization's; nothing changed.
    NoSuchProperty(PropertyId),
    /// There is no such organization; nothing changed.
    NoSuchOrganization,
}
