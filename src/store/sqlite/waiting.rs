//! The Waiting Room: who waits, where they say they work, and who can help them.
//!
//! Separate as one subject of the store.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::directory::{Account, DisplayName, Level, Workplace};
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::sqlite::row::Row;
use crate::store::sqlite::users::{self, account_columns};
use crate::store::sqlite::{Database, audit, feed, outbox};
use crate::store::{AuditEvent, Change, Error, NewMessage, Result, WaitingRoom};

#[async_trait]
impl WaitingRoom for Database {
    async fn say_workplace(
        &self,
        user: &UserId,
        workplace: &Workplace,
        event: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<()> {
        let mut write = self.connections.begin().await?;
        if users::by_id(&mut *write.connection(), user).await?.is_none() {
            return Err(Error::Inconsistent { table: "workplaces", column: "user_id" });
        }
        sqlx::query(
            "INSERT INTO workplaces (user_id, property_id, description, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (user_id) DO UPDATE \
             SET property_id = excluded.property_id, description = excluded.description, at = excluded.at",
        )
        .bind(user.as_str())
        .bind(workplace.property.as_ref().map(PropertyId::as_str))
        .bind(workplace.text.as_ref().map(DisplayName::as_str))
        .bind(workplace.at.as_millisecond())
        .execute(write.connection())
        .await?;
        outbox::put(write.connection(), &mail, event.at).await?;
        feed::tell(write.connection(), &Change::User(user.clone()), event.at).await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await
    }

    async fn workplace(&self, user: &UserId) -> Result<Option<Workplace>> {
        let row =
            sqlx::query("SELECT property_id, description, at AS said_at FROM workplaces WHERE user_id = $1")
                .bind(user.as_str())
                .fetch_optional(self.connections.readers())
                .await?;
        row.as_ref().map(|row| workplace(Row::of("workplaces", row))).transpose().map(Option::flatten)
    }

    async fn waiting(
        &self,
        organization: &OrganizationId,
        limit: u32,
    ) -> Result<Vec<(Account, Option<Workplace>)>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            account_columns!(),
            ", w.property_id, w.description, w.at AS said_at \
             FROM (SELECT * FROM users WHERE organization_id = $1 AND state = 'waiting' \
             AND last_sign_on_at IS NOT NULL ORDER BY last_sign_on_at DESC, id LIMIT $2) u \
             LEFT JOIN grants g ON g.user_id = u.id LEFT JOIN workplaces w ON w.user_id = u.id \
             ORDER BY u.last_sign_on_at DESC, u.id, g.scope"
        ))
        .bind(organization.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.connections.readers())
        .await?;
        // Who waits has no grant, so there is one row for each.
        rows.iter()
            .map(|row| Ok((users::account(Row::of("users", row))?, workplace(Row::of("workplaces", row))?)))
            .collect()
    }

    async fn holders(
        &self,
        organization: &OrganizationId,
        levels: &[Level],
        property: Option<&PropertyId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Account>> {
        let levels = levels.iter().map(Level::as_str).collect::<Value>().to_string();
        let rows = sqlx::query(concat!(
            "SELECT ",
            account_columns!(),
            // From the few grants of those levels to their holders, never through all users: CROSS JOIN keeps that order.
            " FROM (SELECT DISTINCT a.* FROM grants h CROSS JOIN users a ON a.id = h.user_id \
             WHERE h.level IN (SELECT value FROM json_each($2)) AND h.scope IN ('*', COALESCE($3, h.scope)) \
             AND (h.until IS NULL OR h.until > $4) AND a.organization_id = $1 AND a.state = 'active' \
             ORDER BY a.email LIMIT $5) u \
             LEFT JOIN grants g ON g.user_id = u.id ORDER BY u.email, g.scope"
        ))
        .bind(organization.as_str())
        .bind(levels)
        .bind(property.map(PropertyId::as_str))
        .bind(now.as_millisecond())
        .bind(i64::from(limit))
        .fetch_all(self.connections.readers())
        .await?;
        users::accounts(&rows)
    }
}

/// The workplace of a row of an outer join.
fn workplace(row: Row<'_>) -> Result<Option<Workplace>> {
    let Some(at) = row.time_if_any("said_at")? else { return Ok(None) };
    Ok(Some(Workplace {
        property: row.parsed_if_any("property_id", PropertyId::parse)?,
        text: row.parsed_if_any("description", DisplayName::parse)?,
        at,
    }))
}
