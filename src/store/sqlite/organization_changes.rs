//! Changes of organizations at run time.
//!
//! Separate from how they are kept, because what the configuration file declares is not to be touched here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::directory::{ConnectionOptions, DisplayName, Organization};
use crate::email::EmailDomain;
use crate::id::{ConnectionId, OrganizationId};
use crate::secret::sha256;
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{access, audit, feed, organizations, requests, sessions};
use crate::store::{
    AuditEvent, Change, Error, NewMetadata, OrganizationChange, OrganizationChanged, OrganizationRecord,
    Origin, Result, StoredConnection,
};

/// Changes an organization.
pub(super) async fn change(
    connections: &Connections,
    change: &OrganizationChange,
    event: &AuditEvent,
) -> Result<OrganizationChanged> {
    let mut write = connections.begin().await?;
    let id = subject(change);
    let before = find(write.connection(), id).await?;
    let outcome = match change {
        OrganizationChange::Create { organization, connection } => {
            create(write.connection(), organization, connection).await?
        }
        _ => match &before {
            Some(record) => apply(write.connection(), record, change, event).await?,
            None => OrganizationChanged::NoSuchOrganization,
        },
    };
    if outcome != OrganizationChanged::Changed {
        write.roll_back().await?;
        return Ok(outcome);
    }
    let after = find(write.connection(), id).await?;
    if let Some(rival) = organizations::rival(write.connection(), before.as_ref(), after.as_ref()).await? {
        write.roll_back().await?;
        return Ok(OrganizationChanged::ProviderTaken(rival));
    }
    let describe = match change {
        // By themselves, so that they are never too long to be kept.
        OrganizationChange::Options(..) => described_options,
        _ => described,
    };
    let notes = [("before", describe(before.as_ref())), ("after", describe(after.as_ref()))];
    feed::tell(write.connection(), &Change::Directory, event.at).await?;
    audit::append(write.connection(), &audit::noted(event, notes)).await?;
    write.commit().await?;
    Ok(outcome)
}

const fn subject(change: &OrganizationChange) -> &OrganizationId {
    match change {
        OrganizationChange::Create { organization, .. } => &organization.id,
        OrganizationChange::Rename(id, _)
        | OrganizationChange::Domains(id, _)
        | OrganizationChange::Metadata(id, _)
        | OrganizationChange::Options(id, _)
        | OrganizationChange::AcceptMetadata(id, _)
        | OrganizationChange::Pause(id)
        | OrganizationChange::PauseKeepingSupport(id)
        | OrganizationChange::Resume(id)
        | OrganizationChange::Remove(id) => id,
    }
}

async fn find(db: &mut SqliteConnection, id: &OrganizationId) -> Result<Option<OrganizationRecord>> {
    Ok(organizations::records(db, Some(id)).await?.pop())
}

async fn create(
    db: &mut SqliteConnection,
    organization: &Organization,
    connection: &StoredConnection,
) -> Result<OrganizationChanged> {
    let is_taken = organizations::exists(db, &organization.id).await?
        || is_connection_taken(db, &connection.id, &organization.id).await?;
    if is_taken {
        return Ok(OrganizationChanged::IdTaken);
    }
    organizations::put(db, organization, Origin::Created).await?;
    put_connection(db, &organization.id, connection).await?;
    Ok(OrganizationChanged::Changed)
}

/// Whether a connection of that id is another organization's, which for a declared one has its organization's id.
async fn is_connection_taken(
    db: &mut SqliteConnection,
    id: &ConnectionId,
    organization: &OrganizationId,
) -> Result<bool> {
    let found = sqlx::query(
        "SELECT 1 FROM connections WHERE id = $1 AND organization_id <> $2 \
         UNION ALL SELECT 1 FROM organizations WHERE id = $1 AND id <> $2 LIMIT 1",
    )
    .bind(id.as_str())
    .bind(organization.as_str())
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

async fn put_connection(
    db: &mut SqliteConnection,
    organization: &OrganizationId,
    connection: &StoredConnection,
) -> Result<()> {
    let source = connection.source.as_ref();
    sqlx::query(
        "INSERT INTO connections (id, organization_id, metadata, changed_at, entity_id, metadata_url, due_at, \
         checked_at, options) VALUES ($1, $2, $3, $4, $5, $6, COALESCE($7, 0), $8, $9) \
         ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, changed_at = excluded.changed_at, \
         entity_id = excluded.entity_id, metadata_url = excluded.metadata_url, etag = NULL, \
         last_modified = NULL, due_at = excluded.due_at, checked_at = excluded.checked_at, failures = 0, \
         fault = NULL, held = NULL, claimed_until = NULL",
    )
    .bind(connection.id.as_str())
    .bind(organization.as_str())
    .bind(connection.metadata.as_str())
    .bind(connection.changed_at.as_millisecond())
    .bind(connection.entity_id.as_deref())
    .bind(source.map(|source| source.url.as_str()))
    .bind(source.map(|source| source.due_at.as_millisecond()))
    .bind(source.and_then(|source| source.checked_at).map(jiff::Timestamp::as_millisecond))
    .bind(written(&connection.options))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) fn written(options: &ConnectionOptions) -> String {
    serde_json::to_string(options).expect("texts and flags always have a JSON form")
}

async fn apply(
    db: &mut SqliteConnection,
    record: &OrganizationRecord,
    change: &OrganizationChange,
    event: &AuditEvent,
) -> Result<OrganizationChanged> {
    let changed = match change {
        OrganizationChange::PauseKeepingSupport(id)
            if record.paused_at.is_none() && !access::has_support_outside(db, id).await? =>
        {
            return Ok(OrganizationChanged::LastSupport);
        }
        OrganizationChange::Pause(_) | OrganizationChange::PauseKeepingSupport(_) => {
            pause(db, record, event).await?
        }
        OrganizationChange::Resume(_) => resume(db, record).await?,
        OrganizationChange::AcceptMetadata(_, held) => accept(db, record, held, event).await?,
        _ if record.origin == Origin::Declared => return Ok(OrganizationChanged::Declared),
        OrganizationChange::Rename(_, name) => rename(db, record, name).await?,
        OrganizationChange::Domains(_, domains) => change_domains(db, record, domains).await?,
        OrganizationChange::Metadata(_, metadata) => return rotate(db, record, metadata, event).await,
        OrganizationChange::Options(_, options) => return change_options(db, record, options).await,
        OrganizationChange::Remove(_) => return remove(db, record).await,
        OrganizationChange::Create { .. } => false,
    };
    Ok(if changed { OrganizationChanged::Changed } else { OrganizationChanged::Unchanged })
}

async fn pause(db: &mut SqliteConnection, record: &OrganizationRecord, event: &AuditEvent) -> Result<bool> {
    if record.paused_at.is_some() {
        // It has ended all sessions, and none begins meanwhile.
        return Ok(false);
    }
    let id = &record.organization.id;
    let ended = sqlx::query(
        "DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE organization_id = $1) \
         RETURNING user_id",
    )
    .bind(id.as_str())
    .fetch_all(&mut *db)
    .await?;
    sessions::tell_users(db, &ended, event.at).await?;
    organizations::set_paused_at(db, id, Some(event.at)).await?;
    Ok(true)
}

async fn resume(db: &mut SqliteConnection, record: &OrganizationRecord) -> Result<bool> {
    organizations::set_paused_at(db, &record.organization.id, None).await?;
    Ok(record.paused_at.is_some())
}

async fn rename(db: &mut SqliteConnection, record: &OrganizationRecord, name: &DisplayName) -> Result<bool> {
    if record.organization.name == *name {
        return Ok(false);
    }
    let id = &record.organization.id;
    sqlx::query("UPDATE organizations SET name = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(name.as_str())
        .execute(&mut *db)
        .await?;
    requests::index_open_of(db, id).await?;
    Ok(true)
}

async fn change_domains(
    db: &mut SqliteConnection,
    record: &OrganizationRecord,
    domains: &[EmailDomain],
) -> Result<bool> {
    if record.organization.domains == domains {
        return Ok(false);
    }
    organizations::put_domains(db, &record.organization.id, domains).await?;
    Ok(true)
}

async fn change_options(
    db: &mut SqliteConnection,
    record: &OrganizationRecord,
    options: &ConnectionOptions,
) -> Result<OrganizationChanged> {
    let connection = match &record.connection {
        None => return Ok(OrganizationChanged::NoProvider),
        Some(connection) if connection.options == *options => return Ok(OrganizationChanged::Unchanged),
        Some(connection) => &connection.id,
    };
    put_options(db, connection, options).await?;
    Ok(OrganizationChanged::Changed)
}

/// Replaces the options of a connection, and nothing else.
pub(super) async fn put_options(
    db: &mut SqliteConnection,
    connection: &ConnectionId,
    options: &ConnectionOptions,
) -> Result<()> {
    sqlx::query("UPDATE connections SET options = $2 WHERE id = $1")
        .bind(connection.as_str())
        .bind(written(options))
        .execute(db)
        .await?;
    Ok(())
}

/// Replaces the metadata; the options stay. An organization that was declared once has no connection; its users are known through
/// one of its own id, so that is the one it gets back.
async fn rotate(
    db: &mut SqliteConnection,
    record: &OrganizationRecord,
    new: &NewMetadata,
    event: &AuditEvent,
) -> Result<OrganizationChanged> {
    let organization = &record.organization.id;
    let url = new.source.as_ref().map(|source| &source.url);
    let is_same = |connection: &StoredConnection| {
        connection.metadata == new.metadata
            && connection.entity_id == new.entity_id
            && connection.source.as_ref().map(|source| &source.url) == url
    };
    let id = match &record.connection {
        Some(connection) if is_same(connection) => return Ok(OrganizationChanged::Unchanged),
        Some(connection) => connection.id.clone(),
        None => ConnectionId::parse(organization.as_str())
            .map_err(|_| Error::Inconsistent { table: "organizations", column: "id" })?,
    };
    if is_connection_taken(db, &id, organization).await? {
        return Ok(OrganizationChanged::IdTaken);
    }
    let options = record.connection.as_ref().map(|connection| connection.options.clone()).unwrap_or_default();
    let NewMetadata { metadata, entity_id, source } = new.clone();
    let connection = StoredConnection { id, metadata, options, changed_at: event.at, entity_id, source };
    put_connection(db, organization, &connection).await?;
    Ok(OrganizationChanged::Changed)
}

/// Puts what is held into force.
async fn accept(
    db: &mut SqliteConnection,
    record: &OrganizationRecord,
    held: &str,
    event: &AuditEvent,
) -> Result<bool> {
    let accepted = sqlx::query(
        "UPDATE connections SET metadata = held, held = NULL, changed_at = $3 \
         WHERE organization_id = $1 AND held = $2",
    )
    .bind(record.organization.id.as_str())
    .bind(held)
    .bind(event.at.as_millisecond())
    .execute(db)
    .await?;
    Ok(accepted.rows_affected() > 0)
}

async fn remove(db: &mut SqliteConnection, record: &OrganizationRecord) -> Result<OrganizationChanged> {
    let id = record.organization.id.as_str();
    let users = sqlx::query("SELECT COUNT(*) AS users FROM users WHERE organization_id = $1").bind(id);
    let users = Row::of("users", &users.fetch_one(&mut *db).await?).count("users")?;
    if users > 0 {
        return Ok(OrganizationChanged::HasUsers(users));
    }
    sqlx::query("DELETE FROM properties WHERE organization_id = $1").bind(id).execute(&mut *db).await?;
    sqlx::query("DELETE FROM organizations WHERE id = $1").bind(id).execute(db).await?;
    Ok(OrganizationChanged::Changed)
}

/// An organization, for the audit log; its metadata by their digest.
fn described(record: Option<&OrganizationRecord>) -> Value {
    let Some(record) = record else { return Value::Null };
    let domains: Vec<_> = record.organization.domains.iter().map(EmailDomain::as_str).collect();
    json!({
        "name": record.organization.name.as_str(),
        "domains": domains,
        "paused": record.paused_at.is_some(),
        "metadata_sha256": record.connection.as_ref().map(digest),
        "options": options_of(Some(record)),
        "metadata_url": record.connection.as_ref().and_then(|one| one.source.as_ref()).map(|one| one.url.as_str()),
    })
}

fn described_options(record: Option<&OrganizationRecord>) -> Value {
    json!({ "options": options_of(record) })
}

fn options_of(record: Option<&OrganizationRecord>) -> Option<&ConnectionOptions> {
    record?.connection.as_ref().map(|connection| &connection.options)
}

fn digest(connection: &StoredConnection) -> String {
    STANDARD.encode(sha256(connection.metadata.as_bytes()))
}
