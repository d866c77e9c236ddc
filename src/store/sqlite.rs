//! The store in a SQLite file: the embedded default, for one node and the commands beside it.
//!
//! Separate from the contract so that PostgreSQL can stand next to it. This file only says which part does
//! which operation.

mod access;
mod audit;
mod conflicts;
mod connection;
mod feed;
mod grants;
mod housekeeping;
mod import;
mod keys;
mod logout;
mod metadata;
mod migration;
mod organization_changes;
mod organizations;
mod outbox;
mod posts;
mod properties;
mod request_changes;
mod requests;
mod row;
mod search;
mod sessions;
mod sign_on;
mod traces;
mod trials;
mod users;
mod waiting;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use url::Url;

use self::connection::Connections;
pub use self::connection::Options;
use crate::directory::request::{self, Request};
use crate::directory::{Account, Level, Organization, Property, SubjectConflict, Workplace};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, OrganizationId, PropertyId, UserId};
use crate::session::{Session, SessionHash};
use crate::store::{
    Admission, Arrival, AuditAnchor, AuditEntry, AuditEvent, AuditFilter, Batch, Change, ChangeSeq, Claim,
    ConnectionTest, Consumed, Consumption, DeclaredMetadata, ExpiryWarning, Handoff, HeldPost, Imported,
    ImportedGrant, Message, MetadataClaim, MetadataFetched, MetadataKept, NewMessage, NewRequest, NewUser,
    OrganizationChange, OrganizationChanged, OrganizationRecord, Outsiders, PropertiesAdded, PropertyChange,
    ProviderLoggedOut, ProviderLogout, RequestChange, RequestChanged, RequestCount, RequestFiled,
    RequestFilter, Result, SessionSelector, SessionView, Store, StoredConnection, StoredKey, Touch, Trace,
    UserAdded, UserChange, UserChanged, UserFilter,
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

    /// Opens a database that is there to look at it; every write fails. One of another schema is refused.
    pub async fn open_to_read(options: &Options) -> Result<Self> {
        let connections = Connections::open_to_read(options)?;
        migration::check(&connections).await?;
        Ok(Self { connections })
    }

    /// Writes a consistent copy into a new file, while everything goes on.
    pub async fn backup_to(&self, path: &Path) -> Result<()> {
        housekeeping::backup_to(&self.connections, path).await
    }
}

#[async_trait]
impl Store for Database {
    async fn declare_organizations(&self, organizations: &[Organization], audit: AuditEvent) -> Result<()> {
        organizations::declare(&self.connections, organizations, &audit).await
    }

    async fn organizations(&self) -> Result<Vec<Organization>> {
        organizations::all(self.connections.readers()).await
    }

    async fn organization_records(&self) -> Result<Vec<OrganizationRecord>> {
        organizations::records(self.connections.readers(), None).await
    }

    async fn organization_record(&self, id: &OrganizationId) -> Result<Option<OrganizationRecord>> {
        Ok(organizations::records(self.connections.readers(), Some(id)).await?.pop())
    }

    async fn change_organization(
        &self,
        change: &OrganizationChange,
        audit: AuditEvent,
    ) -> Result<OrganizationChanged> {
        organization_changes::change(&self.connections, change, &audit).await
    }

    async fn add_property(&self, property: &Property, audit: AuditEvent) -> Result<bool> {
        properties::add(&self.connections, property, &audit).await
    }

    async fn add_properties(&self, properties: &[Property], audit: AuditEvent) -> Result<PropertiesAdded> {
        properties::add_all(&self.connections, properties, &audit).await
    }

    async fn properties(&self, organization: Option<&OrganizationId>) -> Result<Vec<Property>> {
        properties::list(self.connections.readers(), organization).await
    }

    async fn change_property(
        &self,
        property: &PropertyId,
        change: &PropertyChange,
        audit: AuditEvent,
    ) -> Result<Option<bool>> {
        properties::change(&self.connections, property, change, &audit).await
    }

    async fn declare_metadata(&self, declared: &[DeclaredMetadata], audit: AuditEvent) -> Result<()> {
        metadata::declare(&self.connections, declared, &audit).await
    }

    async fn claim_metadata(
        &self,
        organization: &OrganizationId,
        claim: &MetadataClaim,
    ) -> Result<Option<StoredConnection>> {
        metadata::claim(&self.connections, organization, claim).await
    }

    async fn keep_metadata(
        &self,
        organization: &OrganizationId,
        url: &Url,
        fetched: &MetadataFetched,
        due_at: Timestamp,
        now: Timestamp,
        audit: Option<AuditEvent>,
    ) -> Result<MetadataKept> {
        metadata::keep(&self.connections, (organization, url), fetched, (due_at, now), audit.as_ref()).await
    }

    async fn warn_of_expiry(&self, warning: &ExpiryWarning, audit: AuditEvent) -> Result<bool> {
        metadata::warn(&self.connections, warning, &audit).await
    }

    async fn begin_connection_test(&self, test: &ConnectionTest, audit: AuditEvent) -> Result<()> {
        trials::begin(&self.connections, test, &audit).await
    }

    async fn connection_test(&self, request_id: &str) -> Result<Option<ConnectionTest>> {
        trials::by_request(self.connections.readers(), request_id).await
    }

    async fn finish_connection_test(
        &self,
        request_id: &str,
        report: serde_json::Value,
        audit: AuditEvent,
    ) -> Result<bool> {
        trials::finish(&self.connections, request_id, &report, &audit).await
    }

    async fn file_request(
        &self,
        request: &NewRequest,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestFiled> {
        request_changes::file(&self.connections, request, &audit, &mail).await
    }

    async fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>> {
        requests::list(self.connections.readers(), filter).await
    }

    async fn request(&self, id: &AccessRequestId) -> Result<Option<(Request, Vec<request::Event>)>> {
        requests::with_history(self.connections.readers(), id).await
    }

    async fn request_counts(&self) -> Result<Vec<RequestCount>> {
        requests::counts(self.connections.readers()).await
    }

    async fn change_request(
        &self,
        id: &AccessRequestId,
        version: i64,
        change: &RequestChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestChanged> {
        request_changes::change(&self.connections, id, version, change, &audit, &mail).await
    }

    async fn say_workplace(
        &self,
        user: &UserId,
        workplace: &Workplace,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<()> {
        waiting::say(&self.connections, user, workplace, &audit, &mail).await
    }

    async fn workplace(&self, user: &UserId) -> Result<Option<Workplace>> {
        waiting::of(self.connections.readers(), user).await
    }

    async fn waiting(
        &self,
        organization: &OrganizationId,
        limit: u32,
    ) -> Result<Vec<(Account, Option<Workplace>)>> {
        waiting::list(self.connections.readers(), organization, limit).await
    }

    async fn holders(
        &self,
        organization: &OrganizationId,
        levels: &[Level],
        property: Option<&PropertyId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Account>> {
        waiting::holders(self.connections.readers(), organization, levels, property, now, limit).await
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

    async fn user_counts(&self) -> Result<HashMap<OrganizationId, u64>> {
        users::counts(self.connections.readers()).await
    }

    async fn outsiders(&self, organization: &OrganizationId, limit: u32) -> Result<Outsiders> {
        users::outsiders(self.connections.readers(), organization, limit).await
    }

    async fn grant_counts(
        &self,
        organization: &OrganizationId,
        now: Timestamp,
    ) -> Result<HashMap<PropertyId, u64>> {
        users::grant_counts(self.connections.readers(), organization, now).await
    }

    async fn add_user(&self, user: &NewUser, audit: AuditEvent, mail: Vec<NewMessage>) -> Result<UserAdded> {
        users::add(&self.connections, user, &audit, &mail).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: &UserChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<UserChanged> {
        access::change(&self.connections, user, change, &audit, &mail).await
    }

    async fn import(
        &self,
        lines: &[ImportedGrant],
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<Imported> {
        import::run(&self.connections, lines, &audit, &mail).await
    }

    async fn lapse_grants(&self, now: Timestamp) -> Result<u64> {
        grants::lapse(&self.connections, now).await
    }

    async fn subject_conflicts(&self, user: Option<&UserId>) -> Result<Vec<SubjectConflict>> {
        conflicts::list(self.connections.readers(), user).await
    }

    async fn dismiss_conflict(&self, reference: &str, audit: AuditEvent) -> Result<bool> {
        conflicts::dismiss(&self.connections, reference, &audit).await
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

    async fn session_owner(&self, hash: &SessionHash) -> Result<Option<UserId>> {
        posts::session_owner(self.connections.readers(), hash).await
    }

    async fn hold_post(&self, post: &HeldPost) -> Result<()> {
        posts::hold(&self.connections, post).await
    }

    async fn held_post(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<HeldPost>> {
        posts::held(self.connections.readers(), token_hash, now).await
    }

    async fn take_post(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<HeldPost>> {
        posts::take(&self.connections, token_hash, user, now).await
    }

    async fn put_handoff(&self, handoff: &Handoff) -> Result<()> {
        sign_on::put_handoff(&self.connections, handoff).await
    }

    async fn take_handoff(&self, code_hash: &[u8; 32], now: Timestamp) -> Result<Option<Handoff>> {
        sign_on::take_handoff(&self.connections, code_hash, now).await
    }

    async fn begin_session(&self, session: &Session, audit: AuditEvent) -> Result<bool> {
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

    async fn end_by_provider(&self, logout: &ProviderLogout, audit: AuditEvent) -> Result<ProviderLoggedOut> {
        logout::end(&self.connections, logout, &audit).await
    }

    async fn keys(&self) -> Result<Vec<StoredKey>> {
        keys::all(self.connections.readers()).await
    }

    async fn replace_keys(&self, expected: &[String], keys: &[StoredKey], audit: AuditEvent) -> Result<bool> {
        keys::replace(&self.connections, expected, keys, &audit).await
    }

    async fn change_head(&self) -> Result<ChangeSeq> {
        feed::head(self.connections.readers()).await
    }

    async fn changes_after(&self, seq: ChangeSeq) -> Result<(ChangeSeq, Vec<Change>)> {
        feed::after(self.connections.readers(), seq).await
    }

    async fn audit(&self, event: AuditEvent) -> Result<()> {
        let mut write = self.connections.begin().await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await
    }

    async fn audit_entries(&self, limit: u32) -> Result<Vec<AuditEntry>> {
        audit::newest(self.connections.readers(), limit).await
    }

    async fn audit_search(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
        audit::search(self.connections.readers(), filter).await
    }

    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<AuditEntry>> {
        audit::after(self.connections.readers(), seq, limit).await
    }

    async fn audit_anchor(&self) -> Result<AuditAnchor> {
        audit::anchor(self.connections.readers()).await
    }

    async fn purge_audit(&self, before: Timestamp, audit: AuditEvent) -> Result<u64> {
        audit::purge(&self.connections, before, &audit).await
    }

    async fn audit_with_trace(&self, event: AuditEvent, trace: &Trace) -> Result<()> {
        traces::keep(&self.connections, &event, trace).await
    }

    async fn trace(&self, reference: &str) -> Result<Option<Trace>> {
        traces::by_reference(self.connections.readers(), reference).await
    }

    async fn purge_traces(&self, before: Timestamp) -> Result<u64> {
        traces::purge(&self.connections, before).await
    }

    async fn audit_by_reference(&self, reference: &str) -> Result<Option<AuditEntry>> {
        audit::by_reference(self.connections.readers(), reference).await
    }

    async fn post_mail(&self, messages: &[NewMessage], now: Timestamp) -> Result<()> {
        outbox::post(&self.connections, messages, now).await
    }

    async fn release_mail(&self) -> Result<u64> {
        outbox::release(&self.connections).await
    }

    async fn configuration(&self) -> Result<Option<serde_json::Value>> {
        audit::configuration(self.connections.readers()).await
    }

    async fn keep_configuration(&self, values: &serde_json::Value, audit: AuditEvent) -> Result<()> {
        audit::keep_configuration(&self.connections, values, &audit).await
    }

    async fn claim_mail(&self, claim: &Claim) -> Result<Option<Batch>> {
        outbox::claim(&self.connections, claim).await
    }

    async fn mail_sent(&self, mail_id: &str, now: Timestamp) -> Result<()> {
        outbox::sent(&self.connections, mail_id, now).await
    }

    async fn mail_failed(&self, mail_id: &str, error: &str, next_attempt_at: Timestamp) -> Result<()> {
        outbox::failed(&self.connections, mail_id, error, next_attempt_at).await
    }

    async fn messages(&self, only_waiting: bool, before: Option<i64>, limit: u32) -> Result<Vec<Message>> {
        outbox::newest(self.connections.readers(), only_waiting, before, limit).await
    }

    async fn message(&self, id: i64) -> Result<Option<Message>> {
        outbox::by_id(self.connections.readers(), id).await
    }

    async fn mail_waiting(&self) -> Result<u64> {
        outbox::waiting(self.connections.readers()).await
    }

    async fn purge(&self, now: Timestamp, idle_since: Timestamp) -> Result<()> {
        housekeeping::purge(&self.connections, now, idle_since).await
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}
