//! Organizations that are changed at run time, properties, and trials of connections.
//!
//! Separate as one subject of the contract, which `store` lists whole.

use jiff::Timestamp;

use crate::directory::{ConnectionOptions, DisplayName, Organization};
use crate::email::{EmailAddress, EmailDomain};
use crate::id::{ConnectionId, OrganizationId, PropertyId, UserId};

/// Where an organization comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The configuration file, which alone can change name, domains and metadata.
    Declared,
    /// The console or a command.
    Created,
}

/// An organization with everything that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRecord {
    /// The organization.
    pub organization: Organization,
    /// Where it comes from.
    pub origin: Origin,
    /// Since when nobody signs on there, if so.
    pub paused_at: Option<Timestamp>,
    /// Its identity provider, for one that was created; that of a declared one stands in its file.
    pub connection: Option<StoredConnection>,
}

/// An identity provider that was added at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnection {
    /// Its id.
    pub id: ConnectionId,
    /// The Federation Metadata, as uploaded.
    pub metadata: String,
    /// What is different there.
    pub options: ConnectionOptions,
    /// When the metadata was uploaded.
    pub changed_at: Timestamp,
}

/// A change of an organization. What belongs to the configuration file can only be changed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationChange {
    /// Makes one.
    Create {
        /// The organization.
        organization: Organization,
        /// Its identity provider.
        connection: StoredConnection,
    },
    /// Gives another name.
    Rename(OrganizationId, DisplayName),
    /// Gives other domains.
    Domains(OrganizationId, Vec<EmailDomain>),
    /// Replaces the metadata.
    Metadata(OrganizationId, String),
    /// Replaces the options of the identity provider, if there is one.
    Options(OrganizationId, ConnectionOptions),
    /// Lets nobody sign on any more, and ends the sessions of its users.
    Pause(OrganizationId),
    /// The same, unless nobody who is not disabled would be left with the role `support` in an organization that
    /// is not paused.
    PauseKeepingSupport(OrganizationId),
    /// Undoes `Pause`.
    Resume(OrganizationId),
    /// Removes it with its properties, if it has no users.
    Remove(OrganizationId),
}

/// Whether an organization could be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationChanged {
    /// It was, and is in the change feed.
    Changed,
    /// Everything was so already.
    Unchanged,
    /// There is no such organization.
    NoSuchOrganization,
    /// Another one has that id.
    IdTaken,
    /// The configuration file declares it.
    Declared,
    /// It has no identity provider.
    NoProvider,
    /// Nobody would be left to work the support console.
    LastSupport,
    /// So many users belong to it.
    HasUsers(u64),
}

/// Whether properties could be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertiesAdded {
    /// All of them were.
    Added,
    /// This id is taken, the first of those that are; nothing changed.
    IdTaken(PropertyId),
    /// There is no such organization; nothing changed.
    NoSuchOrganization(OrganizationId),
}

/// A change of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyChange {
    /// Gives another name.
    Rename(DisplayName),
    /// Gives it up: all grants for it end.
    Retire,
    /// Takes it back; grants do not come back.
    Restore,
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

/// Users whom nobody can vouch for any more: their addresses are outside the domains of their organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outsiders {
    /// How many.
    pub count: u64,
    /// The first of them, by address.
    pub first: Vec<EmailAddress>,
}
