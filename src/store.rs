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

mod audit;
mod logout;
mod organizations;
mod outbox;
mod posts;
mod requests;
mod traces;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use url::Url;

use crate::directory::request::{self, Request};
use crate::directory::{
    Account, DisplayName, Grant, Level, Membership, Organization, Property, Role, Scope, Subject,
    SubjectConflict, Workplace,
};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, ConnectionId, OrganizationId, PropertyId, SessionName, UserId};
use crate::session::{Session, SessionHash};
use crate::target::ReturnPath;

pub use audit::{AuditAnchor, AuditEntry, AuditEvent, AuditFilter, CLAIMS_MAX, Claimant};
pub use logout::{ProviderLoggedOut, ProviderLogout};
pub use organizations::{
    ConnectionTest, DeclaredMetadata, ExpiryWarning, MetadataClaim, MetadataFetched, MetadataKept,
    MetadataSource, NewMetadata, Occasion, OrganizationChange, OrganizationChanged, OrganizationRecord,
    Origin, Outsiders, PropertiesAdded, PropertyChange, Rival, StoredConnection, Validators,
};
pub use outbox::{Batch, Claim, Message, NewMessage};
pub use posts::{HeldPost, POSTS_MAX, POSTS_OF_ONE_MAX};
pub use requests::{NewRequest, RequestChange, RequestChanged, RequestCount, RequestFiled, RequestFilter};
pub use traces::{TRACES_MAX, TRACES_OF_ONE_MAX, Trace};

/// Why the store did not do its work. What it says is for the log, never for a visitor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, is locked for too long, or its disk is full.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row that Anteroom cannot have written.
    #[error("the database has an invalid {column} in {table}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The schema was made by a newer Anteroom.
    #[error("the database has schema version {found}, newer than {known}: run the newer Anteroom")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The schema was made by an older Anteroom, and is not to be changed now.
    #[error(
        "the database has schema version {found}, older than {known}: `anteroom serve` of this version brings it up \
         to date"
    )]
    OlderSchema {
        /// The version found.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The URL names no store that we have.
    #[error("the store URL is not supported")]
    UnsupportedUrl,
}

/// What every operation returns.
pub type Result<T> = std::result::Result<T, Error>;

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

/// A position in the change feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeSeq(pub i64);

/// What has changed. Caches drop what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A user's access, state or profile, or one of the user's sessions ended.
    User(UserId),
    /// Organizations, domains or properties.
    Directory,
    /// The keys of the identity header.
    Keys,
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

/// Whether a change of a user could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChanged {
    /// It was made, and is in the change feed.
    Changed,
    /// Everything was so already; nothing changed and nothing is in the feed.
    Unchanged,
    /// There is no such user.
    NoSuchUser,
    /// The grant names a property that does not exist, is retired, or is another organization's.
    NoSuchProperty(PropertyId),
    /// Nobody would be left to work the support console.
    LastSupport,
    /// The subject is bound to another user.
    SubjectTaken(UserId),
}

/// A change of one user's access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// Adds the grant, or replaces the one of the same scope. A waiting user becomes active.
    Grant(Grant),
    /// Takes one grant away, or all. An active user left without any becomes waiting.
    Revoke(Option<Scope>),
    /// Disables the user and ends all sessions.
    Disable,
    /// Undoes `Disable`: active with grants, otherwise waiting.
    Enable,
    /// Gives a role.
    Role(Role),
    /// Binds the user to a subject in the place of the one bound so far; ends all sessions and settles all
    /// conflicts of the user.
    Bind(Subject),
    /// Forgets the subject, so that the next sign-on by that address binds anew; ends all sessions.
    Unbind,
}

/// One line of an import: makes the user where missing and adds the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedGrant {
    /// The user, made with this id if the address is new.
    pub user: NewUser,
    /// The line in the file, from 1, for messages.
    pub line: u64,
}

/// Why a line of an import could not be done; any such line undoes the whole import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// The line in the file.
    pub line: u64,
    /// What is wrong with it.
    pub kind: ImportProblemKind,
}

/// What is wrong with a line of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportProblemKind {
    /// The address belongs to a user of another organization.
    OtherOrganization(OrganizationId),
    /// There is no such property in the user's organization.
    NoSuchProperty(PropertyId),
    /// There is no such organization.
    NoSuchOrganization,
}

/// How an import went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// All lines are in.
    Done {
        /// Users that were new.
        users_added: u64,
        /// Grants that were added or changed.
        grants_changed: u64,
    },
    /// Nothing changed; these lines are why.
    Refused(Vec<ImportProblem>),
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

/// A private key of the identity header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The `kid`.
    pub kid: String,
    /// `ES256`, `RS256` or `EdDSA`.
    pub algorithm: String,
    /// PKCS#8, sealed with the cluster secret.
    pub sealed: Vec<u8>,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// When it leaves the published set; `None` as long as it has no successor.
    pub retires_at: Option<Timestamp>,
}

/// A session that is alive, with its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// Its user.
    pub account: Account,
}

/// A session's last use and the path to open from the Waiting Room, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Which session.
    pub hash: SessionHash,
    /// The last request seen.
    pub last_seen_at: Timestamp,
    /// The path last asked for while waiting.
    pub return_path: Option<ReturnPath>,
}

/// Which sessions to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSelector {
    /// One, by its secret id.
    Hash(SessionHash),
    /// One, by its public name.
    Name(SessionName),
    /// All of a user.
    User(UserId),
}

/// Sessions that one user may have at the same time; the oldest gives way.
pub const SESSIONS_PER_USER_MAX: u32 = 50;

/// Everything that is kept.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    // Organizations and properties

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
    /// Adds a property; `false` if the id is taken or there is no such organization.
    async fn add_property(&self, property: &Property, audit: AuditEvent) -> Result<bool>;
    /// Adds properties, all or none, with one event and one change; without any, nothing happens.
    async fn add_properties(&self, properties: &[Property], audit: AuditEvent) -> Result<PropertiesAdded>;
    /// Properties, of one organization or all, by id; retired ones too.
    async fn properties(&self, organization: Option<&OrganizationId>) -> Result<Vec<Property>>;
    /// Changes a property; `None` if there is none, `Some(false)` if it was so already.
    async fn change_property(
        &self,
        property: &PropertyId,
        change: &PropertyChange,
        audit: AuditEvent,
    ) -> Result<Option<bool>>;

    // Metadata that is fetched

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

    // Trials of a connection

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

    // New User requests

    /// Files a request, or joins the open one for the same person and scope. On a merge the event's action
    /// becomes `request.merged` and its subject the id of the open request.
    async fn file_request(
        &self,
        request: &NewRequest,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestFiled>;
    /// Requests by filter, the oldest first unless the filter says otherwise.
    async fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>>;
    /// One request with its history, oldest first.
    async fn request(&self, id: &AccessRequestId) -> Result<Option<(Request, Vec<request::Event>)>>;
    /// How many requests there are in each state that has any.
    async fn request_counts(&self) -> Result<Vec<RequestCount>>;
    /// Lets something happen to a request of that version that is open. Tells the change feed of the user whom
    /// it is for, if there is one.
    async fn change_request(
        &self,
        id: &AccessRequestId,
        version: i64,
        change: &RequestChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestChanged>;

    // The Waiting Room

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

    // Users

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
    /// Changes a user's access. A change that would leave nobody who is not disabled with the role `support`
    /// is refused. The messages are kept if anything changed.
    async fn change_user(
        &self,
        user: &UserId,
        change: &UserChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<UserChanged>;
    /// Makes users and grants, all or none. The messages are kept if anything changed.
    async fn import(
        &self,
        lines: &[ImportedGrant],
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<Imported>;
    /// Removes grants whose time is over, with an event `grant.lapsed` for each user; how many users lost
    /// access that way. Bounded work per call, and next to none when there are none.
    async fn lapse_grants(&self, now: Timestamp) -> Result<u64>;
    /// Sign-ons that met a user with another subject and are not settled yet, of one user or all, newest first.
    async fn subject_conflicts(&self, user: Option<&UserId>) -> Result<Vec<SubjectConflict>>;
    /// Settles one conflict without binding; `false` if there is none of that reference.
    async fn dismiss_conflict(&self, reference: &str, audit: AuditEvent) -> Result<bool>;

    // Sign-on

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

    // Sessions

    /// Begins a session, unless the user's organization is paused, or the provider has ended its own session since
    /// it made the assertion: `false` then. Of more than [`SESSIONS_PER_USER_MAX`] the oldest end.
    async fn begin_session(&self, session: &Session, audit: AuditEvent) -> Result<bool>;
    /// The session and its user, whatever their state; `None` once it has been ended.
    async fn session(&self, hash: &SessionHash) -> Result<Option<SessionView>>;
    /// Sessions with their users, newest first; of one user or all.
    async fn sessions(&self, user: Option<&UserId>, limit: u32) -> Result<Vec<SessionView>>;
    /// Writes down when sessions were last used; ended ones are passed over. No change feed.
    async fn touch(&self, touches: &[Touch]) -> Result<()>;
    /// Ends sessions and returns how many.
    async fn end_sessions(&self, selector: &SessionSelector, audit: AuditEvent) -> Result<u64>;
    /// Ends sessions because their provider asks for it, once for each request, and lets no sign-on from before
    /// begin another. The event is written for each user whose sessions ended, with the user as its subject and
    /// the sessions in its details.
    async fn end_by_provider(&self, logout: &ProviderLogout, audit: AuditEvent) -> Result<ProviderLoggedOut>;

    // Forms that wait

    /// Whose session it is, or was: of one that time has ended, for a day after; `None` for one that was ended by
    /// anybody's wish.
    async fn session_owner(&self, hash: &SessionHash) -> Result<Option<UserId>>;
    /// Keeps a form. Of more than [`POSTS_OF_ONE_MAX`] of one user, and of more than [`POSTS_MAX`] in all, the oldest go.
    async fn hold_post(&self, post: &HeldPost) -> Result<()>;
    /// Looks at a form that is kept.
    async fn held_post(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<HeldPost>>;
    /// Takes a user's form out, once; `None`, and nothing changed, if it is another's.
    async fn take_post(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<HeldPost>>;

    // Keys

    /// All keys that are not forgotten yet.
    async fn keys(&self) -> Result<Vec<StoredKey>>;
    /// Puts a new set of keys in the place of the one that `expected` names (all its `kid`s): `false`, and
    /// nothing changed, if another node was first.
    async fn replace_keys(&self, expected: &[String], keys: &[StoredKey], audit: AuditEvent) -> Result<bool>;

    // Changes and audit

    /// The newest position in the change feed.
    async fn change_head(&self) -> Result<ChangeSeq>;
    /// Changes after a position, oldest first, at most 1,000; with the position of the last one. After a
    /// position that the feed no longer reaches back to, everything counts as changed: all users once.
    async fn changes_after(&self, seq: ChangeSeq) -> Result<(ChangeSeq, Vec<Change>)>;
    /// Adds an event to the audit log.
    async fn audit(&self, event: AuditEvent) -> Result<()>;
    /// Adds an event to the audit log, and keeps what was found out about the refused answer it tells of. Of more
    /// than [`TRACES_OF_ONE_MAX`] traces of one connection (or of none), and of more than [`TRACES_MAX`] in all, the
    /// oldest go.
    async fn audit_with_trace(&self, event: AuditEvent, trace: &Trace) -> Result<()>;
    /// What was found out about the answer that was refused under a reference.
    async fn trace(&self, reference: &str) -> Result<Option<Trace>>;
    /// Removes traces from before a moment. Bounded work per call; how many were removed.
    async fn purge_traces(&self, before: Timestamp) -> Result<u64>;
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

    /// What was kept of the configuration that was last in force.
    async fn configuration(&self) -> Result<Option<serde_json::Value>>;
    /// Keeps what may be kept of the configuration in force, in the place of what was.
    async fn keep_configuration(&self, values: &serde_json::Value, audit: AuditEvent) -> Result<()>;

    // Outbox

    /// Claims what is due for one recipient and topic: a batch that was tried before goes out as it was, else
    /// all messages that wait together. Counts the try. A recipient who has had enough mail within the hour is
    /// put off, not dropped.
    async fn claim_mail(&self, claim: &Claim) -> Result<Option<Batch>>;
    /// Notes that a batch was delivered.
    async fn mail_sent(&self, mail_id: &str, now: Timestamp) -> Result<()>;
    /// Notes that a batch was not delivered, and when to try again.
    async fn mail_failed(&self, mail_id: &str, error: &str, next_attempt_at: Timestamp) -> Result<()>;
    /// Puts messages into the outbox that no change causes.
    async fn post_mail(&self, messages: &[NewMessage], now: Timestamp) -> Result<()>;
    /// Gives back what was claimed by servers that are no more, at the start of a server; how many messages. A
    /// store that has one server at a time knows that it is all of them; another one has to leave it to the time
    /// until which they are claimed.
    async fn release_mail(&self) -> Result<u64>;
    /// The newest messages, newest first: those still waiting, or all.
    /// With `before`, only those before that place, for paging.
    async fn messages(&self, only_waiting: bool, before: Option<i64>, limit: u32) -> Result<Vec<Message>>;
    /// One message, delivered or not.
    async fn message(&self, id: i64) -> Result<Option<Message>>;
    /// How many messages wait.
    async fn mail_waiting(&self) -> Result<u64>;

    // Housekeeping

    /// Removes what has expired: consumptions, hand-offs, forms that were kept, logouts by providers, trials of connections older than a day, delivered
    /// messages older than 30 days, sessions past their end or idle since before `idle_since`, changes older than
    /// a day. Bounded work per call. What time has ended needs no line in
    /// the change feed: every node has a clock.
    async fn purge(&self, now: Timestamp, idle_since: Timestamp) -> Result<()>;
    /// Finishes open work and closes the store.
    async fn close(&self);
}
