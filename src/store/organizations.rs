//! Organizations that are changed at run time, properties, and trials of connections.
//!
//! Separate as one subject of the contract, which `store` lists whole.

use jiff::Timestamp;
use url::Url;

use crate::directory::{ConnectionOptions, DisplayName, Organization};
use crate::email::{EmailAddress, EmailDomain};
use crate::id::{ConnectionId, OrganizationId, PropertyId, UserId};
use crate::saml::metadata;

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

/// Where metadata is fetched, and how that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataSource {
    /// The address.
    pub url: Url,
    /// What the server said when it was last fetched, to ask whether it has changed.
    pub validators: Validators,
    /// When to ask again.
    pub due_at: Timestamp,
    /// When it was last known to be what the server has.
    pub checked_at: Option<Timestamp>,
    /// How many tries have failed since then.
    pub failures: u32,
    /// Why the last one failed.
    pub fault: Option<String>,
    /// Metadata of another entity ID that the server has now; an operator has to accept it.
    pub held: Option<String>,
}

/// What tells whether a document has changed (RFC 9110 section 8.8), as the server wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`
    pub etag: Option<String>,
    /// `Last-Modified`
    pub last_modified: Option<String>,
}

/// Metadata to be put in the place of what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMetadata {
    /// The Federation Metadata.
    pub metadata: String,
    /// Which identity provider is meant, where it has several.
    pub entity_id: Option<String>,
    /// Where it was fetched, if it was.
    pub source: Option<MetadataSource>,
}

/// Metadata of a declared organization that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredMetadata {
    /// The organization.
    pub organization: OrganizationId,
    /// The address.
    pub url: Url,
    /// Which identity provider is meant, where it has several.
    pub entity_id: Option<String>,
    /// What is different there.
    pub options: ConnectionOptions,
}

/// A wish to fetch metadata. Of all nodes one may do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataClaim {
    /// The time.
    pub now: Timestamp,
    /// When another one may try if nothing was heard of this one.
    pub until: Timestamp,
    /// Why.
    pub occasion: Occasion,
}

/// Why metadata is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It is time to.
    Due,
    /// A message was signed by an unknown key. Counts only if no other one has been the reason since then.
    UnknownKey {
        /// The moment.
        not_since: Timestamp,
    },
    /// An operator wants it.
    Asked,
}

/// What became of fetching metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataFetched {
    /// It is what there is already.
    Same(Validators),
    /// It is another one of the same identity provider, and is in force from now on.
    Newer {
        /// The metadata.
        metadata: String,
        /// What the server said of it.
        validators: Validators,
    },
    /// It is of another identity provider, and is kept for an operator to accept; what there is stays in force.
    Held {
        /// The metadata.
        metadata: String,
        /// What the server said of it.
        validators: Validators,
    },
    /// It could not be fetched or used.
    Failed(String),
}

/// What the store made of metadata that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataKept {
    /// It keeps it.
    Kept,
    /// Nothing: the metadata is fetched somewhere else by now, or not at all.
    Gone,
    /// Nothing: another organization has that identity provider.
    Taken(Rival),
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

/// What an operator is told once: that a certificate, or something else of that fingerprint, will soon not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// Whose it is.
    pub subject: String,
    /// Which one it is.
    pub fingerprint: String,
    /// How many days ahead.
    pub days: u16,
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

impl MetadataSource {
    /// An address that has not been asked yet.
    #[must_use]
    pub const fn new(url: Url, due_at: Timestamp) -> Self {
        let validators = Validators { etag: None, last_modified: None };
        Self { url, validators, due_at, checked_at: None, failures: 0, fault: None, held: None }
    }
}

impl From<String> for NewMetadata {
    /// What was uploaded, of one identity provider.
    fn from(metadata: String) -> Self {
        Self { metadata, entity_id: None, source: None }
    }
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
