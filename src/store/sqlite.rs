//! The store in a SQLite file: the embedded default, for one node and the commands beside it.
//!
//! Separate from the contract so that PostgreSQL can stand next to it. This file only says which part does
//! which operation.

mod access;
mod connection;
mod housekeeping;
mod import;
mod keys;
mod log;
mod migration;
mod organizations;
mod row;
mod sessions;
mod sign_on;
mod users;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use self::connection::Connections;
pub use self::connection::Options;
use crate::directory::{Account, Organization, Property};
use crate::email::EmailAddress;
use crate::id::{OrganizationId, UserId};
use crate::session::{Session, SessionHash};
use crate::store::{
    Admission, Arrival, AuditEntry, AuditEvent, Change, ChangeSeq, Consumed, Consumption, Handoff, Imported,
    ImportedGrant, NewUser, Result, SessionSelector, SessionView, Store, StoredKey, Touch, UserAdded,
    UserChange, UserChanged, UserFilter,
};

/// An open SQLite database.
#[derive(Debug)]
pub struct Database {
    connections: Connections,
}

impl Database {
    /// Opens the database, made where it is missing, and brings its schema up to date.
    pub async fn open(options: &Options) -> Result<Self> {
        let connections = Connections::open(options).await?;
        migration::run(&connections).await?;
        Ok(Self { connections })
    }

    /// Writes a consistent copy into a new file, while everything goes on.
    pub async fn backup_to(&self, path: &Path) -> Result<()> {
        housekeeping::backup_to(&self.connections, path).await
    }
}

#[async_trait]
impl Store for Database {
    async fn declare_organizations(&self, organizations: &[Organization]) -> Result<()> {
        organizations::declare(&self.connections, organizations).await
    }

    async fn organizations(&self) -> Result<Vec<Organization>> {
        organizations::all(self.connections.readers()).await
    }

    async fn add_property(&self, property: &Property, audit: AuditEvent) -> Result<bool> {
        organizations::add_property(&self.connections, property, &audit).await
    }

    async fn properties(&self, organization: Option<&OrganizationId>) -> Result<Vec<Property>> {
        organizations::properties(self.connections.readers(), organization).await
    }

    async fn account(&self, user: &UserId) -> Result<Option<Account>> {
        users::by_id(self.connections.readers(), user).await
    }

    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>> {
        users::by_email(self.connections.readers(), email).await
    }

    async fn accounts(&self, filter: &UserFilter) -> Result<Vec<Account>> {
        users::list(self.connections.readers(), filter).await
    }

    async fn add_user(&self, user: &NewUser, audit: AuditEvent) -> Result<UserAdded> {
        users::add(&self.connections, user, &audit).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: &UserChange,
        audit: AuditEvent,
    ) -> Result<UserChanged> {
        access::change(&self.connections, user, change, &audit).await
    }

    async fn import(&self, lines: &[ImportedGrant], audit: AuditEvent) -> Result<Imported> {
        import::run(&self.connections, lines, &audit).await
    }

    async fn consume(&self, consumption: &Consumption) -> Result<Consumed> {
        sign_on::consume(&self.connections, consumption).await
    }

    async fn admit(
        &self,
        arrival: &Arrival,
        audit: Arc<dyn for<'a> Fn(&'a Admission) -> AuditEvent + Send + Sync>,
    ) -> Result<Admission> {
        sign_on::admit(&self.connections, arrival, audit).await
    }

    async fn put_handoff(&self, handoff: &Handoff) -> Result<()> {
        sign_on::put_handoff(&self.connections, handoff).await
    }

    async fn take_handoff(&self, code_hash: &[u8; 32], now: Timestamp) -> Result<Option<Handoff>> {
        sign_on::take_handoff(&self.connections, code_hash, now).await
    }

    async fn begin_session(&self, session: &Session, audit: AuditEvent) -> Result<()> {
        sessions::begin(&self.connections, session, &audit).await
    }

    async fn session(&self, hash: &SessionHash) -> Result<Option<SessionView>> {
        sessions::by_hash(self.connections.readers(), hash).await
    }

    async fn sessions(&self, user: Option<&UserId>, limit: u32) -> Result<Vec<SessionView>> {
        sessions::list(self.connections.readers(), user, limit).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<()> {
        sessions::touch(&self.connections, touches).await
    }

    async fn end_sessions(&self, selector: &SessionSelector, audit: AuditEvent) -> Result<u64> {
        sessions::end(&self.connections, selector, &audit).await
    }

    async fn keys(&self) -> Result<Vec<StoredKey>> {
        keys::all(self.connections.readers()).await
    }

    async fn replace_keys(&self, expected: &[String], keys: &[StoredKey], audit: AuditEvent) -> Result<bool> {
        keys::replace(&self.connections, expected, keys, &audit).await
    }

    async fn change_head(&self) -> Result<ChangeSeq> {
        log::head(self.connections.readers()).await
    }

    async fn changes_after(&self, seq: ChangeSeq) -> Result<(ChangeSeq, Vec<Change>)> {
        log::after(self.connections.readers(), seq).await
    }

    async fn audit(&self, event: AuditEvent) -> Result<()> {
        let mut write = self.connections.begin().await?;
        log::append(write.connection(), &event).await?;
        write.commit().await
    }

    async fn audit_entries(&self, limit: u32) -> Result<Vec<AuditEntry>> {
        log::entries(self.connections.readers(), limit).await
    }

    async fn audit_by_reference(&self, reference: &str) -> Result<Option<AuditEntry>> {
        log::by_reference(self.connections.readers(), reference).await
    }

    async fn purge(&self, now: Timestamp, idle_since: Timestamp) -> Result<()> {
        housekeeping::purge(&self.connections, now, idle_since).await
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}
