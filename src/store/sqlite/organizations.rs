//! Organizations and their properties.
//!
//! Separate as one subject of the store.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};

use crate::directory::{DisplayName, Organization, Property};
use crate::email::EmailDomain;
use crate::id::{OrganizationId, PropertyId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::log;
use crate::store::sqlite::row::Row;
use crate::store::{AuditEvent, Change, Result};

/// Adds organizations, or brings name and domains up to date.
pub(super) async fn declare(connections: &Connections, organizations: &[Organization]) -> Result<()> {
    let mut write = connections.begin().await?;
    let known = read(&sqlx::query(ALL).fetch_all(write.connection()).await?)?;
    let news: Vec<_> = organizations.iter().filter(|organization| !known.contains(organization)).collect();
    if news.is_empty() {
        return write.roll_back().await;
    }
    for organization in news {
        put(write.connection(), organization).await?;
    }
    // No caller says when. A line dated like its predecessor is kept as long as that one, which is enough:
    // nobody misses a line by its age.
    let at: i64 =
        sqlx::query_scalar("SELECT COALESCE(MAX(at), 0) FROM changes").fetch_one(write.connection()).await?;
    let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    log::tell(write.connection(), &Change::Directory, at).await?;
    write.commit().await
}

async fn put(db: &mut SqliteConnection, organization: &Organization) -> Result<()> {
    let id = organization.id.as_str();
    sqlx::query(
        "INSERT INTO organizations (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    )
    .bind(id)
    .bind(organization.name.as_str())
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM organization_domains WHERE organization_id = $1")
        .bind(id)
        .execute(&mut *db)
        .await?;
    for (position, domain) in (0_i64..).zip(&organization.domains) {
        sqlx::query(
            "INSERT INTO organization_domains (organization_id, position, domain) VALUES ($1, $2, $3)",
        )
        .bind(id)
        .bind(position)
        .bind(domain.as_str())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// All organizations, by id.
pub(super) async fn all(db: &SqlitePool) -> Result<Vec<Organization>> {
    read(&sqlx::query(ALL).fetch_all(db).await?)
}

const ALL: &str = "SELECT o.id, o.name, d.domain FROM organizations o \
     LEFT JOIN organization_domains d ON d.organization_id = o.id ORDER BY o.id, d.position";

fn read(rows: &[SqliteRow]) -> Result<Vec<Organization>> {
    let mut organizations: Vec<Organization> = Vec::new();
    for row in rows {
        let row = Row::of("organizations", row);
        let id = row.parsed("id", OrganizationId::parse)?;
        let domain = row.table("organization_domains").parsed_if_any("domain", EmailDomain::parse)?;
        match organizations.last_mut() {
            Some(last) if last.id == id => last.domains.extend(domain),
            _ => organizations.push(Organization {
                id,
                name: row.parsed("name", DisplayName::parse)?,
                domains: domain.into_iter().collect(),
            }),
        }
    }
    Ok(organizations)
}

/// Whether there is such an organization.
pub(super) async fn exists(db: &mut SqliteConnection, id: &OrganizationId) -> Result<bool> {
    let found = sqlx::query("SELECT 1 FROM organizations WHERE id = $1").bind(id.as_str()).fetch_optional(db);
    Ok(found.await?.is_some())
}

/// Adds a property, unless its id is taken or the organization is missing.
pub(super) async fn add_property(
    connections: &Connections,
    property: &Property,
    audit: &AuditEvent,
) -> Result<bool> {
    let mut write = connections.begin().await?;
    if !exists(write.connection(), &property.organization).await? {
        write.roll_back().await?;
        return Ok(false);
    }
    let added = sqlx::query(
        "INSERT INTO properties (id, organization_id, name) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
    )
    .bind(property.id.as_str())
    .bind(property.organization.as_str())
    .bind(property.name.as_str())
    .execute(write.connection())
    .await?
    .rows_affected();
    if added == 0 {
        write.roll_back().await?;
        return Ok(false);
    }
    log::tell(write.connection(), &Change::Directory, audit.at).await?;
    log::append(write.connection(), audit).await?;
    write.commit().await?;
    Ok(true)
}

/// Properties of one organization or all, by id.
pub(super) async fn properties(
    db: &SqlitePool,
    organization: Option<&OrganizationId>,
) -> Result<Vec<Property>> {
    let rows = sqlx::query(
        "SELECT id, organization_id, name FROM properties WHERE organization_id = COALESCE($1, organization_id) \
         ORDER BY id",
    )
    .bind(organization.map(OrganizationId::as_str))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = Row::of("properties", row);
            Ok(Property {
                id: row.parsed("id", PropertyId::parse)?,
                organization: row.parsed("organization_id", OrganizationId::parse)?,
                name: row.parsed("name", DisplayName::parse)?,
                retired_at: None,
            })
        })
        .collect()
}

/// Whose every property is.
pub(super) async fn owners(db: &mut SqliteConnection) -> Result<HashMap<PropertyId, OrganizationId>> {
    let rows = sqlx::query("SELECT id, organization_id FROM properties").fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            let row = Row::of("properties", row);
            Ok((row.parsed("id", PropertyId::parse)?, row.parsed("organization_id", OrganizationId::parse)?))
        })
        .collect()
}
