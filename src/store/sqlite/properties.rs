//! Properties of organizations.
//!
//! Separate as one subject of the store.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::json;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::directory::{DisplayName, Property};
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, audit, feed, grants, organizations, requests, users};
use crate::store::{AuditEvent, Change, Properties, PropertiesAdded, PropertyChange, Result};

#[async_trait]
impl Properties for Database {
    async fn add_property(&self, property: &Property, event: AuditEvent) -> Result<bool> {
        Ok(add_all(&self.connections, std::slice::from_ref(property), &event).await?
            == PropertiesAdded::Added)
    }

    async fn add_properties(&self, properties: &[Property], audit: AuditEvent) -> Result<PropertiesAdded> {
        add_all(&self.connections, properties, &audit).await
    }

    async fn properties(&self, organization: Option<&OrganizationId>) -> Result<Vec<Property>> {
        let rows = sqlx::query(
            "SELECT id, organization_id, name, retired_at FROM properties \
             WHERE organization_id = COALESCE($1, organization_id) ORDER BY id",
        )
        .bind(organization.map(OrganizationId::as_str))
        .fetch_all(self.connections.readers())
        .await?;
        rows.iter().map(property).collect()
    }

    async fn change_property(
        &self,
        id: &PropertyId,
        change: &PropertyChange,
        event: AuditEvent,
    ) -> Result<Option<bool>> {
        let mut write = self.connections.begin().await?;
        let Some(property) = by_id(write.connection(), id).await? else {
            write.roll_back().await?;
            return Ok(None);
        };
        let db = write.connection();
        let event = match change {
            PropertyChange::Rename(name) if *name != property.name => {
                Some(rename(db, &property, name, &event).await?)
            }
            PropertyChange::Retire if property.retired_at.is_none() => Some(retire(db, id, &event).await?),
            PropertyChange::Restore if property.retired_at.is_some() => {
                set_retired_at(db, id, None).await?;
                Some(event.clone())
            }
            _ => None,
        };
        let Some(event) = &event else {
            write.roll_back().await?;
            return Ok(Some(false));
        };
        feed::tell(write.connection(), &Change::Directory, event.at).await?;
        audit::append(write.connection(), event).await?;
        write.commit().await?;
        Ok(Some(true))
    }
}

/// Adds properties, all or none.
pub(super) async fn add_all(
    connections: &Connections,
    properties: &[Property],
    event: &AuditEvent,
) -> Result<PropertiesAdded> {
    if properties.is_empty() {
        return Ok(PropertiesAdded::Added);
    }
    let mut write = connections.begin().await?;
    for property in properties {
        let refusal = insert(write.connection(), property).await?;
        if let Some(refusal) = refusal {
            write.roll_back().await?;
            return Ok(refusal);
        }
    }
    feed::tell(write.connection(), &Change::Directory, event.at).await?;
    audit::append(write.connection(), event).await?;
    write.commit().await?;
    Ok(PropertiesAdded::Added)
}

/// Adds one row, or says why not.
async fn insert(db: &mut SqliteConnection, property: &Property) -> Result<Option<PropertiesAdded>> {
    if !organizations::exists(db, &property.organization).await? {
        return Ok(Some(PropertiesAdded::NoSuchOrganization(property.organization.clone())));
    }
    let added = sqlx::query(
        "INSERT INTO properties (id, organization_id, name, retired_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(property.id.as_str())
    .bind(property.organization.as_str())
    .bind(property.name.as_str())
    .bind(property.retired_at.map(jiff::Timestamp::as_millisecond))
    .execute(db)
    .await?
    .rows_affected();
    Ok((added == 0).then(|| PropertiesAdded::IdTaken(property.id.clone())))
}

async fn by_id(db: &mut SqliteConnection, id: &PropertyId) -> Result<Option<Property>> {
    let row = sqlx::query("SELECT id, organization_id, name, retired_at FROM properties WHERE id = $1");
    row.bind(id.as_str()).fetch_optional(db).await?.as_ref().map(property).transpose()
}

fn property(row: &SqliteRow) -> Result<Property> {
    let row = Row::of("properties", row);
    Ok(Property {
        id: row.parsed("id", PropertyId::parse)?,
        organization: row.parsed("organization_id", OrganizationId::parse)?,
        name: row.parsed("name", DisplayName::parse)?,
        retired_at: row.time_if_any("retired_at")?,
    })
}

/// Whose every property is that can be granted.
pub(super) async fn owners(db: &mut SqliteConnection) -> Result<HashMap<PropertyId, OrganizationId>> {
    let rows = sqlx::query("SELECT id, organization_id FROM properties WHERE retired_at IS NULL");
    rows.fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let row = Row::of("properties", row);
            Ok((row.parsed("id", PropertyId::parse)?, row.parsed("organization_id", OrganizationId::parse)?))
        })
        .collect()
}

async fn rename(
    db: &mut SqliteConnection,
    property: &Property,
    name: &DisplayName,
    event: &AuditEvent,
) -> Result<AuditEvent> {
    sqlx::query("UPDATE properties SET name = $2 WHERE id = $1")
        .bind(property.id.as_str())
        .bind(name.as_str())
        .execute(&mut *db)
        .await?;
    requests::index_open_of(db, &property.organization).await?;
    Ok(audit::noted(
        event,
        [("before", json!({ "name": property.name.as_str() })), ("after", json!({ "name": name.as_str() }))],
    ))
}

async fn retire(db: &mut SqliteConnection, id: &PropertyId, event: &AuditEvent) -> Result<AuditEvent> {
    set_retired_at(db, id, Some(event.at)).await?;
    let ended = sqlx::query("DELETE FROM grants WHERE scope = $1 RETURNING user_id").bind(id.as_str());
    let mut addresses = Vec::new();
    for row in &ended.fetch_all(&mut *db).await? {
        let user = Row::of("grants", row).parsed("user_id", UserId::parse)?;
        grants::settle(db, &user).await?;
        feed::tell(db, &Change::User(user.clone()), event.at).await?;
        addresses.extend(users::by_id(&mut *db, &user).await?.map(|account| account.user.email.to_string()));
    }
    Ok(audit::noted(event, [("grants_ended", json!(addresses.len())), ("users", json!(addresses))]))
}

async fn set_retired_at(
    db: &mut SqliteConnection,
    id: &PropertyId,
    at: Option<jiff::Timestamp>,
) -> Result<()> {
    sqlx::query("UPDATE properties SET retired_at = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(at.map(jiff::Timestamp::as_millisecond))
        .execute(db)
        .await?;
    Ok(())
}
