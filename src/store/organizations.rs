//! Organizations: those that the configuration file declares, and those that are created and changed at run time.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::{ConnectionOptions, DisplayName, Organization};
use crate::email::EmailDomain;
use crate::id::{ConnectionId, OrganizationId};
use crate::saml::metadata;
use crate::store::{AuditEvent, MetadataSource, NewMetadata, Result};

/// Finding, declaring and changing organizations.
#[async_trait]
pub trait Organizations {
    /// Makes the declared organizations known (added or renamed), for users and properties to refer to.
    /// Those no longer declared stay, with their users, but without a connection, and count as created from then
    /// on; those that were created and are now declared lose the connection that they were created with. The event
    /// is written only if anything changed; its details then name what did.
    async fn declare_organizations(&self, organizations: &[Organization], audit: AuditEvent) -> Result<()>;
    /// All organizations, by id.
    async fn organizations(&self) -> Result<Vec<Organization>>;
    /// All organizations with everything that is kept of them, by id.
    async fn organization_records(&self) -> Result<Vec<OrganizationRecord>>;
    /// One organization with everything that is kept of it.
    async fn organization_record(&self, id: &OrganizationId) -> Result<Option<OrganizationRecord>>;
    /// Changes an organization.
    async fn change_organization(
        &self,
        change: &OrganizationChange,
        audit: AuditEvent,
    ) -> Result<OrganizationChanged>;
}

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
    /// Its identity provider, for one that was created, or whose metadata is fetched; otherwise it stands in a file.
    pub connection: Option<StoredConnection>,
}

/// An identity provider that was added at run time, or whose metadata is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnection {
    /// Its id.
    pub id: ConnectionId,
    /// The Federation Metadata in force, as uploaded or fetched; empty as long as none could be fetched.
    pub metadata: String,
    /// What is different there.
    pub options: ConnectionOptions,
    /// When it was uploaded, or was fetched and was another one than before.
    pub changed_at: Timestamp,
    /// Which identity provider is meant, where the metadata has several.
    pub entity_id: Option<String>,
    /// Where it is fetched, if it is.
    pub source: Option<MetadataSource>,
}

impl StoredConnection {
    /// One whose metadata was uploaded.
    #[must_use]
    pub fn uploaded(id: ConnectionId, metadata: String, changed_at: Timestamp) -> Self {
        let options = ConnectionOptions::default();
        Self { id, metadata, options, changed_at, entity_id: None, source: None }
    }

    /// The entity ID by which the people of its organization are known, also where the metadata that names it can no
    /// longer be used, or could not be fetched yet; `None` if nothing names one.
    #[must_use]
    pub fn provider(&self) -> Option<String> {
        let read = || metadata::entity_id(self.metadata.as_bytes()).ok();
        self.entity_id.clone().or_else(read)
    }
}

/// An organization that has the identity provider which another one was to get. Two cannot share one: whose people
/// it vouches for would be anybody's guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// Who has it.
    pub organization: OrganizationId,
    /// Its entity ID.
    pub entity_id: String,
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
    /// Replaces the metadata, and where it comes from.
    Metadata(OrganizationId, NewMetadata),
    /// Puts the metadata into force that is held, if it still is this one; of a declared organization, too.
    AcceptMetadata(OrganizationId, String),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationChanged {
    /// It was, and is in the change feed.
    Changed,
    /// Everything was so already.
    Unchanged,
    /// There is no such organization.
    NoSuchOrganization,
    /// Another one has that id.
    IdTaken,
    /// Another one has that identity provider.
    ProviderTaken(Rival),
    /// The configuration file declares it.
    Declared,
    /// It has no identity provider.
    NoProvider,
    /// Nobody would be left to work the support console.
    LastSupport,
    /// So many users belong to it.
    HasUsers(u64),
}
