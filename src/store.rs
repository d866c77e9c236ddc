//! The one seam between Anteroom and its database: what is kept, in operations that are whole.
//!
//! Separate so that SQLite and PostgreSQL can stand behind it with the same conformance tests.
//!
//! Rules:
//! - Every operation is one transaction: it happened and is on disk when it returns `Ok`, or nothing changed.
//! - Every operation that changes what a user may do, or ends sessions, adds one line per user to the change
//!   feed in the same transaction. A change of grants, state, role, address or name also raises that user's
//!   `access_version`.
//! - Every change takes the audit events that tell of it and writes them in the same transaction; what a user
//!   could do before and after it is added to the details there (`before`, `after`), and where a request stood
//!   before and stands after it (`request_before`, `request_after`).
//! - Every change takes the messages that tell people of it and puts them into the outbox in the same transaction.
//! - Not found is `Ok(None)`; a refusal is an enum; `Err` means that the store did not do its work.

pub mod chain;
pub mod sqlite;

mod access;
mod audit;
mod configuration;
mod error;
mod feed;
mod keys;
mod logout;
mod metadata;
mod organizations;
mod outbox;
mod posts;
mod properties;
mod requests;
mod sessions;
mod sign_on;
mod traces;
mod trials;
mod users;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use access::{
    Access, ImportProblem, ImportProblemKind, Imported, ImportedGrant, UserChange, UserChanged,
};
pub use audit::{AuditAnchor, AuditEntry, AuditEvent, AuditFilter, AuditLog, CLAIMS_MAX, Claimant};
pub use configuration::KeptConfiguration;
pub use error::{Error, Result};
pub use feed::{CHANGES_AT_ONCE, Change, ChangeFeed, ChangeSeq};
pub use keys::{Keys, StoredKey};
pub use logout::{ProviderLoggedOut, ProviderLogout};
pub use metadata::{
    DeclaredMetadata, ExpiryWarning, FetchedMetadata, MetadataClaim, MetadataFetched, MetadataKept,
    MetadataSource, NewMetadata, Occasion, Validators,
};
pub use organizations::{
    OrganizationChange, OrganizationChanged, OrganizationRecord, Organizations, Origin, Rival,
    StoredConnection,
};
pub use outbox::{Batch, Claim, Message, NewMessage, Outbox};
pub use posts::{HeldPost, POSTS_MAX, POSTS_OF_ONE_MAX, Posts};
pub use properties::{Properties, PropertiesAdded, PropertyChange};
pub use requests::{
    NewRequest, RequestChange, RequestChanged, RequestCount, RequestFiled, RequestFilter, Requests,
};
pub use sessions::{SESSIONS_PER_USER_MAX, SessionSelector, SessionView, Sessions, Touch};
pub use sign_on::{Admission, Arrival, Consumed, Consumption, Handoff, SignOns};
pub use traces::{TRACES_MAX, TRACES_OF_ONE_MAX, Trace, Traces};
pub use trials::{ConnectionTest, Trials};
pub use users::{NewUser, Outsiders, UserAdded, UserFilter, Users};
pub use waiting::WaitingRoom;

/// Everything that is kept: the operations of each subject, and what concerns them all.
#[async_trait]
pub trait Store:
    Send
    + Sync
    + std::fmt::Debug
    + Organizations
    + Properties
    + FetchedMetadata
    + Trials
    + Users
    + Access
    + Requests
    + WaitingRoom
    + SignOns
    + Sessions
    + Posts
    + Keys
    + ChangeFeed
    + AuditLog
    + Traces
    + KeptConfiguration
    + Outbox
{
    /// Removes what has expired: consumptions, hand-offs, forms that were kept, logouts by providers, trials of
    /// connections older than a day, delivered messages older than 30 days, sessions past their end or idle since
    /// before `idle_since`, changes older than a day. Bounded work per call. What time has ended needs no line in
    /// the change feed: every node has a clock.
    async fn purge(&self, now: Timestamp, idle_since: Timestamp) -> Result<()>;
    /// Finishes open work and closes the store.
    async fn close(&self);
}

/// Which store to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// A SQLite database in a file, made where it is missing.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A SQLite database of its own in memory, gone when it is closed: for tests.
    Memory,
}

impl Settings {
    /// Reads `sqlite:PATH` or `sqlite::memory:`; a relative path is relative to `base`.
    pub fn parse(url: &str, base: &Path) -> Result<Self> {
        let path = url.strip_prefix("sqlite:").ok_or(Error::UnsupportedUrl)?;
        if path == ":memory:" {
            return Ok(Self::Memory);
        }
        let path = path.strip_prefix("//").unwrap_or(path);
        // Parameters of other programs (`?mode=ro`) would become part of the file's name.
        if path.is_empty() || path.contains(['?', '#', '\0']) {
            return Err(Error::UnsupportedUrl);
        }
        Ok(Self::Sqlite { path: base.join(path) })
    }
}

/// Opens the store and brings its schema up to date.
pub async fn open(settings: &Settings) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(sqlite::Database::open(&options(settings)).await?))
}

/// Opens the store to look at it: nothing is written, and a schema of another version is refused, not changed.
pub async fn open_to_read(settings: &Settings) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(sqlite::Database::open_to_read(&options(settings)).await?))
}

fn options(settings: &Settings) -> sqlite::Options {
    match settings {
        Settings::Sqlite { path } => sqlite::Options::file(path),
        Settings::Memory => sqlite::Options::memory(),
    }
}
