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
use crate::directory::request::{self, Request};
use crate::directory::{Account, Organization, Property};
use crate::directory::{Level, SubjectConflict, Workplace};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, PropertyId};
use crate::id::{OrganizationId, UserId};
use crate::session::{Session, SessionHash};
use crate::store::{
    Admission, Arrival, AuditEntry, AuditEvent, Change, ChangeSeq, Consumed, Consumption, Handoff, Imported,
    ImportedGrant, NewUser, Result, SessionSelector, SessionView, Store, StoredKey, Touch, UserAdded,
    UserChange, UserChanged, UserFilter,
};
use crate::store::{
    AuditAnchor, AuditFilter, Batch, Claim, ConnectionTest, Message, NewMessage, NewRequest,
    OrganizationChange, OrganizationChanged, OrganizationRecord, PropertyChange, RequestChange,
    RequestChanged, RequestCount, RequestFiled, RequestFilter,
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
    async fn declare_organizations(&self, organizations: &[Organization], _audit: AuditEvent) -> Result<()> {
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
        mail: Vec<NewMessage>,
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

    async fn organization_records(&self) -> Result<Vec<OrganizationRecord>> {
        unimplemented!()
    }

    async fn change_organization(
        &self,
        change: &OrganizationChange,
        audit: AuditEvent,
    ) -> Result<OrganizationChanged> {
        unimplemented!()
    }

    async fn change_property(
        &self,
        property: &PropertyId,
        change: &PropertyChange,
        audit: AuditEvent,
    ) -> Result<Option<bool>> {
        unimplemented!()
    }

    async fn begin_connection_test(&self, test: &ConnectionTest, audit: AuditEvent) -> Result<()> {
        unimplemented!()
    }

    async fn connection_test(&self, request_id: &str) -> Result<Option<ConnectionTest>> {
        unimplemented!()
    }

    async fn finish_connection_test(
        &self,
        request_id: &str,
        report: serde_json::Value,
        audit: AuditEvent,
    ) -> Result<bool> {
        unimplemented!()
    }

    async fn file_request(
        &self,
        request: &NewRequest,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestFiled> {
        unimplemented!()
    }

    async fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>> {
        unimplemented!()
    }

    async fn request(&self, id: &AccessRequestId) -> Result<Option<(Request, Vec<request::Event>)>> {
        unimplemented!()
    }

    async fn request_counts(&self) -> Result<Vec<RequestCount>> {
        unimplemented!()
    }

    async fn change_request(
        &self,
        id: &AccessRequestId,
        version: i64,
        change: &RequestChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestChanged> {
        unimplemented!()
    }

    async fn say_workplace(
        &self,
        user: &UserId,
        workplace: &Workplace,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<()> {
        unimplemented!()
    }

    async fn workplace(&self, user: &UserId) -> Result<Option<Workplace>> {
        unimplemented!()
    }

    async fn waiting(
        &self,
        organization: &OrganizationId,
        limit: u32,
    ) -> Result<Vec<(Account, Option<Workplace>)>> {
        unimplemented!()
    }

    async fn holders(
        &self,
        organization: &OrganizationId,
        levels: &[Level],
        property: Option<&PropertyId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Account>> {
        unimplemented!()
    }

    async fn lapse_grants(&self, now: Timestamp) -> Result<u64> {
        unimplemented!()
    }

    async fn subject_conflicts(&self, user: Option<&UserId>) -> Result<Vec<SubjectConflict>> {
        unimplemented!()
    }

    async fn dismiss_conflict(&self, reference: &str, audit: AuditEvent) -> Result<bool> {
        unimplemented!()
    }

    async fn audit_search(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
        unimplemented!()
    }

    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<AuditEntry>> {
        unimplemented!()
    }

    async fn audit_anchor(&self) -> Result<AuditAnchor> {
        unimplemented!()
    }

    async fn purge_audit(&self, before: Timestamp, audit: AuditEvent) -> Result<u64> {
        unimplemented!()
    }

    async fn claim_mail(&self, claim: &Claim) -> Result<Option<Batch>> {
        unimplemented!()
    }

    async fn mail_sent(&self, mail_id: &str, now: Timestamp) -> Result<()> {
        unimplemented!()
    }

    async fn mail_failed(&self, mail_id: &str, error: &str, next_attempt_at: Timestamp) -> Result<()> {
        unimplemented!()
    }

    async fn post_mail(&self, messages: &[NewMessage], now: Timestamp) -> Result<()> {
        unimplemented!()
    }

    async fn release_mail(&self) -> Result<u64> {
        unimplemented!()
    }

    async fn messages(&self, only_waiting: bool, limit: u32) -> Result<Vec<Message>> {
        unimplemented!()
    }

    async fn mail_waiting(&self) -> Result<u64> {
        unimplemented!()
    }
}
