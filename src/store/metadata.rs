//! Metadata of identity providers that is fetched: from where, by which node, and what came of it.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;
use url::Url;

use crate::directory::ConnectionOptions;
use crate::id::OrganizationId;
use crate::store::{AuditEvent, Result, Rival, StoredConnection};

/// Fetching metadata by one node at a time, and warning once of what will soon not count.
#[async_trait]
pub trait FetchedMetadata {
    /// Makes known where the metadata of declared organizations is fetched; where it is not any more, what was
    /// fetched is forgotten. What was fetched from another address stays in force until there is something new. The
    /// event is written only if anything changed.
    async fn declare_metadata(&self, declared: &[DeclaredMetadata], audit: AuditEvent) -> Result<()>;
    /// Claims the right to fetch an organization's metadata; `None` if it is not fetched at all, another one does it
    /// already, or it is not time for that.
    async fn claim_metadata(
        &self,
        organization: &OrganizationId,
        claim: &MetadataClaim,
    ) -> Result<Option<StoredConnection>>;
    /// Keeps what became of fetching metadata from an address, and gives the claim back, unless it is fetched
    /// somewhere else by now, or is of an identity provider that another organization has: then nothing has changed.
    /// Tells the change feed if other metadata is in force.
    async fn keep_metadata(
        &self,
        organization: &OrganizationId,
        url: &Url,
        fetched: &MetadataFetched,
        due_at: Timestamp,
        now: Timestamp,
        audit: Option<AuditEvent>,
    ) -> Result<MetadataKept>;
    /// Notes that a warning is given, with the event that tells of it; `false` if it was given before.
    async fn warn_of_expiry(&self, warning: &ExpiryWarning, audit: AuditEvent) -> Result<bool>;
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

impl MetadataSource {
    /// An address that has not been asked yet.
    #[must_use]
    pub const fn new(url: Url, due_at: Timestamp) -> Self {
        let validators = Validators { etag: None, last_modified: None };
        Self { url, validators, due_at, checked_at: None, failures: 0, fault: None, held: None }
    }
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

impl From<String> for NewMetadata {
    /// What was uploaded, of one identity provider.
    fn from(metadata: String) -> Self {
        Self { metadata, entity_id: None, source: None }
    }
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
