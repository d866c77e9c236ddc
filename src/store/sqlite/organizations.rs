//! Organizations as they are kept: declared by the configuration file or created at run time.
//!
//! Separate as one subject of the store; what changes one at run time stands in `organization_changes`.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use sqlx::{SqliteConnection, SqliteExecutor};
use url::Url;

use crate::directory::{DisplayName, Organization};
use crate::email::EmailDomain;
use crate::id::{ConnectionId, OrganizationId};
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, audit, feed, organization_changes};
use crate::store::{
    AuditEvent, Change, MetadataSource, OrganizationChange, OrganizationChanged, OrganizationRecord,
    Organizations, Origin, Result, Rival, StoredConnection, Validators,
};

#[async_trait]
impl Organizations for Database {
    async fn declare_organizations(&self, declared: &[Organization], event: AuditEvent) -> Result<()> {
        let mut write = self.connections.begin().await?;
        let known = records(&mut *write.connection(), None).await?;
        let news = News::between(&known, declared);
        if news.is_empty() {
            return write.roll_back().await;
        }
        for organization in news.added.iter().chain(&news.changed).chain(&news.adopted) {
            put(write.connection(), organization, Origin::Declared).await?;
        }
        for organization in &news.adopted {
            // Its identity provider stands in the file now; two sources of trust would be one too many.
            sqlx::query("DELETE FROM connections WHERE organization_id = $1")
                .bind(organization.id.as_str())
                .execute(write.connection())
                .await?;
        }
        for id in &news.released {
            sqlx::query("UPDATE organizations SET origin = 'created' WHERE id = $1")
                .bind(id.as_str())
                .execute(write.connection())
                .await?;
            // What was fetched for it was trusted because the file said so.
            sqlx::query("DELETE FROM connections WHERE organization_id = $1")
                .bind(id.as_str())
                .execute(write.connection())
                .await?;
        }
        feed::tell(write.connection(), &Change::Directory, event.at).await?;
        audit::append(write.connection(), &news.noted(&event)).await?;
        write.commit().await
    }

    async fn organizations(&self) -> Result<Vec<Organization>> {
        let rows = sqlx::query(
            "SELECT o.id, o.name, d.domain FROM organizations o \
             LEFT JOIN organization_domains d ON d.organization_id = o.id ORDER BY o.id, d.position",
        )
        .fetch_all(self.connections.readers())
        .await?;
        let mut organizations: Vec<Organization> = Vec::new();
        for row in &rows {
            let row = Row::of("organizations", row);
            let id = row.raw::<&str>("id")?;
            match organizations.last_mut() {
                Some(last) if last.id.as_str() == id => last.domains.extend(domain(row)?),
                _ => organizations.push(organization(row)?),
            }
        }
        Ok(organizations)
    }

    async fn organization_records(&self) -> Result<Vec<OrganizationRecord>> {
        records(self.connections.readers(), None).await
    }

    async fn organization_record(&self, id: &OrganizationId) -> Result<Option<OrganizationRecord>> {
        Ok(records(self.connections.readers(), Some(id)).await?.pop())
    }

    async fn change_organization(
        &self,
        change: &OrganizationChange,
        audit: AuditEvent,
    ) -> Result<OrganizationChanged> {
        organization_changes::change(&self.connections, change, &audit).await
    }
}

/// What the configuration file says that the store does not have so.
struct News<'a> {
    added: Vec<&'a Organization>,
    changed: Vec<&'a Organization>,
    /// Created at run time, and now declared.
    adopted: Vec<&'a Organization>,
    /// No longer declared: from now on they can be changed at run time.
    released: Vec<&'a OrganizationId>,
}

impl<'a> News<'a> {
    fn between(known: &'a [OrganizationRecord], declared: &'a [Organization]) -> Self {
        let mut news =
            Self { added: Vec::new(), changed: Vec::new(), adopted: Vec::new(), released: Vec::new() };
        for organization in declared {
            match known.iter().find(|record| record.organization.id == organization.id) {
                None => news.added.push(organization),
                Some(record) if record.origin == Origin::Created => news.adopted.push(organization),
                Some(record) if record.organization != *organization => news.changed.push(organization),
                Some(_) => {}
            }
        }
        let is_released = |record: &&OrganizationRecord| {
            record.origin == Origin::Declared && !declared.iter().any(|one| one.id == record.organization.id)
        };
        news.released = known.iter().filter(is_released).map(|record| &record.organization.id).collect();
        news
    }

    const fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.adopted.is_empty()
            && self.released.is_empty()
    }

    fn noted(&self, event: &AuditEvent) -> AuditEvent {
        let ids = |organizations: &[&Organization]| {
            json!(organizations.iter().map(|one| one.id.as_str()).collect::<Vec<_>>())
        };
        let released: Vec<_> = self.released.iter().map(|id| id.as_str()).collect();
        audit::noted(
            event,
            [
                ("added", ids(&self.added)),
                ("changed", ids(&self.changed)),
                ("adopted", ids(&self.adopted)),
                ("released", json!(released)),
            ],
        )
    }
}

/// The organization that has the identity provider which a change has given to another one; in the transaction of the
/// change, so that no two can get the same one at the same time. Those that stand in files are not known here.
pub(super) async fn rival(
    db: &mut SqliteConnection,
    before: Option<&OrganizationRecord>,
    after: Option<&OrganizationRecord>,
) -> Result<Option<Rival>> {
    let connection_of = |record: Option<&OrganizationRecord>| record.and_then(|one| one.connection.clone());
    let (before, Some(connection), Some(record)) = (connection_of(before), connection_of(after), after)
    else {
        return Ok(None);
    };
    let is_same_text = |before: &StoredConnection| {
        before.metadata == connection.metadata && before.entity_id == connection.entity_id
    };
    if before.as_ref().is_some_and(is_same_text) {
        return Ok(None);
    }
    let Some(entity_id) = connection.provider() else { return Ok(None) };
    // One that was never fetched is not in force, whatever it was said to be of.
    let before = before.filter(|before| !before.metadata.is_empty()).and_then(|before| before.provider());
    if before.as_ref() == Some(&entity_id) {
        return Ok(None);
    }
    let others = records(db, None).await?.into_iter();
    let mut others = others.filter(|other| other.organization.id != record.organization.id);
    let owner = others.find(|other| {
        other.connection.as_ref().and_then(StoredConnection::provider).as_ref() == Some(&entity_id)
    });
    Ok(owner.map(|owner| Rival { organization: owner.organization.id, entity_id }))
}

/// Adds an organization, or brings name, domains and origin up to date.
pub(super) async fn put(
    db: &mut SqliteConnection,
    organization: &Organization,
    origin: Origin,
) -> Result<()> {
    let origin = match origin {
        Origin::Declared => "declared",
        Origin::Created => "created",
    };
    sqlx::query(
        "INSERT INTO organizations (id, name, origin) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, origin = excluded.origin",
    )
    .bind(organization.id.as_str())
    .bind(organization.name.as_str())
    .bind(origin)
    .execute(&mut *db)
    .await?;
    put_domains(db, &organization.id, &organization.domains).await
}

/// Replaces an organization's domains.
pub(super) async fn put_domains(
    db: &mut SqliteConnection,
    id: &OrganizationId,
    domains: &[EmailDomain],
) -> Result<()> {
    sqlx::query("DELETE FROM organization_domains WHERE organization_id = $1")
        .bind(id.as_str())
        .execute(&mut *db)
        .await?;
    for (position, domain) in (0_i64..).zip(domains) {
        sqlx::query(
            "INSERT INTO organization_domains (organization_id, position, domain) VALUES ($1, $2, $3)",
        )
        .bind(id.as_str())
        .bind(position)
        .bind(domain.as_str())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// All organizations or one, by id, with everything that is kept of them.
pub(super) async fn records(
    db: impl SqliteExecutor<'_>,
    id: Option<&OrganizationId>,
) -> Result<Vec<OrganizationRecord>> {
    let rows = sqlx::query(
        "SELECT o.id, o.name, o.origin, o.paused_at, d.domain, \
         c.id AS connection_id, c.metadata, c.options, c.changed_at, c.entity_id, c.metadata_url, c.etag, \
         c.last_modified, c.due_at, c.checked_at, c.failures, c.fault, c.held \
         FROM organizations o LEFT JOIN organization_domains d ON d.organization_id = o.id \
         LEFT JOIN connections c ON c.id = (SELECT id FROM connections WHERE organization_id = o.id \
         ORDER BY changed_at DESC, id LIMIT 1) \
         WHERE o.id = COALESCE($1, o.id) ORDER BY o.id, d.position",
    )
    .bind(id.map(OrganizationId::as_str))
    .fetch_all(db)
    .await?;
    let mut records: Vec<OrganizationRecord> = Vec::new();
    for row in &rows {
        let row = Row::of("organizations", row);
        let id = row.raw::<&str>("id")?;
        match records.last_mut() {
            Some(last) if last.organization.id.as_str() == id => {
                last.organization.domains.extend(domain(row)?);
            }
            _ => records.push(record(row)?),
        }
    }
    Ok(records)
}

fn record(row: Row<'_>) -> Result<OrganizationRecord> {
    let origin = |text: &str| match text {
        "declared" => Some(Origin::Declared),
        "created" => Some(Origin::Created),
        _ => None,
    };
    Ok(OrganizationRecord {
        organization: organization(row)?,
        origin: row.named("origin", origin)?,
        paused_at: row.time_if_any("paused_at")?,
        connection: connection(row.table("connections"))?,
    })
}

/// The organization of a row, with the one domain that the row may have.
fn organization(row: Row<'_>) -> Result<Organization> {
    Ok(Organization {
        id: row.parsed("id", OrganizationId::parse)?,
        name: row.parsed("name", DisplayName::parse)?,
        domains: domain(row)?.into_iter().collect(),
    })
}

fn domain(row: Row<'_>) -> Result<Option<EmailDomain>> {
    row.table("organization_domains").parsed_if_any("domain", EmailDomain::parse)
}

fn connection(row: Row<'_>) -> Result<Option<StoredConnection>> {
    let Some(id) = row.parsed_if_any("connection_id", ConnectionId::parse)? else { return Ok(None) };
    Ok(Some(StoredConnection {
        id,
        metadata: row.raw("metadata")?,
        options: row.json("options")?,
        changed_at: row.time("changed_at")?,
        entity_id: row.raw("entity_id")?,
        source: source(row)?,
    }))
}

fn source(row: Row<'_>) -> Result<Option<MetadataSource>> {
    let Some(url) = row.parsed_if_any("metadata_url", Url::parse)? else { return Ok(None) };
    Ok(Some(MetadataSource {
        url,
        validators: Validators { etag: row.raw("etag")?, last_modified: row.raw("last_modified")? },
        due_at: row.time("due_at")?,
        checked_at: row.time_if_any("checked_at")?,
        failures: u32::try_from(row.raw::<i64>("failures")?).map_err(|_| row.invalid("failures"))?,
        fault: row.raw("fault")?,
        held: row.raw("held")?,
    }))
}

/// Whether nobody signs on there at the moment.
pub(super) async fn is_paused(db: &mut SqliteConnection, id: &OrganizationId) -> Result<bool> {
    let found = sqlx::query("SELECT 1 FROM organizations WHERE id = $1 AND paused_at IS NOT NULL")
        .bind(id.as_str())
        .fetch_optional(db);
    Ok(found.await?.is_some())
}

/// Whether there is such an organization.
pub(super) async fn exists(db: &mut SqliteConnection, id: &OrganizationId) -> Result<bool> {
    let found = sqlx::query("SELECT 1 FROM organizations WHERE id = $1").bind(id.as_str()).fetch_optional(db);
    Ok(found.await?.is_some())
}

/// Pauses or resumes.
pub(super) async fn set_paused_at(
    db: &mut SqliteConnection,
    id: &OrganizationId,
    at: Option<Timestamp>,
) -> Result<()> {
    sqlx::query("UPDATE organizations SET paused_at = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(at.map(Timestamp::as_millisecond))
        .execute(db)
        .await?;
    Ok(())
}
