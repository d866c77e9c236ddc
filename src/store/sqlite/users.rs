//! Users with their grants: finding and making them.
//!
//! Separate as one subject of the store; what changes a user's access later stands in `access`.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::directory::{Account, DisplayName, Grant, Level, Membership, Role, Scope, Subject, User};
use crate::email::EmailAddress;
use crate::id::{ConnectionId, OrganizationId, PropertyId, UserId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, grants, organizations, outbox, search};
use crate::store::{AuditEvent, NewMessage, NewUser, Outsiders, Result, UserAdded, UserFilter, Users};

/// The columns that an account is read from, of `users u` and `grants g`.
macro_rules! account_columns {
    () => {
        "u.id AS user_id, u.email, u.name AS user_name, u.organization_id, u.role, u.state, \
         u.subject_connection, u.subject_key, u.access_version, u.created_at AS user_created_at, \
         u.last_sign_on_at, g.scope, g.level, g.until"
    };
}
pub(super) use account_columns;

macro_rules! select_account {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            account_columns!(),
            " FROM users u LEFT JOIN grants g ON g.user_id = u.id WHERE ",
            $condition,
            " ORDER BY g.scope"
        )
    };
}

/// The user with that id.
pub(super) async fn by_id<'c>(db: impl sqlx::SqliteExecutor<'c>, id: &UserId) -> Result<Option<Account>> {
    let rows = sqlx::query(select_account!("u.id = $1")).bind(id.as_str()).fetch_all(db).await?;
    Ok(accounts(&rows)?.pop())
}

/// The user with that address.
pub(super) async fn by_email<'c>(
    db: impl sqlx::SqliteExecutor<'c>,
    email: &EmailAddress,
) -> Result<Option<Account>> {
    let rows = sqlx::query(select_account!("u.email = $1")).bind(email.as_str()).fetch_all(db).await?;
    Ok(accounts(&rows)?.pop())
}

/// The user whom that subject is bound to.
pub(super) async fn by_subject(db: &mut SqliteConnection, subject: &Subject) -> Result<Option<Account>> {
    let rows = sqlx::query(select_account!("u.subject_connection = $1 AND u.subject_key = $2"))
        .bind(subject.connection.as_str())
        .bind(subject.key.as_str())
        .fetch_all(db)
        .await?;
    Ok(accounts(&rows)?.pop())
}

/// Accounts from rows in which those of one user stand together.
pub(super) fn accounts(rows: &[SqliteRow]) -> Result<Vec<Account>> {
    let mut accounts: Vec<Account> = Vec::new();
    for row in rows {
        let row = Row::of("users", row);
        let id = row.raw::<&str>("user_id")?;
        match accounts.last_mut() {
            Some(last) if last.user.id.as_str() == id => last.grants.extend(grant(row.table("grants"))?),
            _ => accounts.push(account(row)?),
        }
    }
    Ok(accounts)
}

/// The user of a row, with the one grant that the row may have.
pub(super) fn account(row: Row<'_>) -> Result<Account> {
    let row = row.table("users");
    let connection = row.parsed_if_any("subject_connection", ConnectionId::parse)?;
    let subject = match (connection, row.raw("subject_key")?) {
        (Some(connection), Some(key)) => Some(Box::new(Subject { connection, key })),
        (None, None) => None,
        _ => return Err(row.invalid("subject_key")),
    };
    let user = User {
        id: row.parsed("user_id", UserId::parse)?,
        email: row.parsed("email", EmailAddress::parse)?,
        name: row.parsed_if_any("user_name", DisplayName::parse)?,
        organization: row.parsed("organization_id", OrganizationId::parse)?,
        role: row.named("role", Role::parse)?,
        state: row.named("state", Membership::parse)?,
        subject,
        access_version: row.raw("access_version")?,
        created_at: row.time("user_created_at")?,
        last_sign_on_at: row.time_if_any("last_sign_on_at")?,
    };
    Ok(Account { user, grants: grant(row.table("grants"))?.into_iter().collect() })
}

/// The grant of a row of an outer join.
pub(super) fn grant(row: Row<'_>) -> Result<Option<Grant>> {
    let Some(scope) = row.parsed_if_any("scope", Scope::parse)? else { return Ok(None) };
    Ok(Some(Grant { scope, level: Level::from_store(row.raw("level")?), until: row.time_if_any("until")? }))
}

async fn refusal(db: &mut SqliteConnection, user: &NewUser) -> Result<Option<UserAdded>> {
    if !organizations::exists(db, &user.organization).await? {
        return Ok(Some(UserAdded::NoSuchOrganization));
    }
    if by_email(&mut *db, &user.email).await?.is_some() {
        return Ok(Some(UserAdded::EmailTaken));
    }
    let missing = grants::missing_property(db, &user.organization, &user.grants).await?;
    Ok(missing.map(UserAdded::NoSuchProperty))
}

/// Adds the row of a new user, waiting, at access version 0: whoever calls raises it to 1.
pub(super) async fn insert(
    db: &mut SqliteConnection,
    user: &NewUser,
    subject: Option<&Subject>,
    at: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO users (id, email, name, organization_id, role, state, subject_connection, subject_key, \
         access_version, created_at, search) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)",
    )
    .bind(user.id.as_str())
    .bind(user.email.as_str())
    .bind(user.name.as_ref().map(DisplayName::as_str))
    .bind(user.organization.as_str())
    .bind(user.role.as_str())
    .bind(Membership::Waiting.as_str())
    .bind(subject.map(|subject| subject.connection.as_str()))
    .bind(subject.map(|subject| subject.key.as_str()))
    .bind(at.as_millisecond())
    .bind(search_text(&user.email, user.name.as_ref()))
    .execute(db)
    .await?;
    Ok(())
}

/// What the words of a search are looked for in.
pub(super) fn search_text(email: &EmailAddress, name: Option<&DisplayName>) -> String {
    search::text([Some(email.as_str()), name.map(DisplayName::as_str)].into_iter().flatten())
}

/// Fills in what the words of a search are looked for in, for users from before it was kept.
pub(super) async fn index_all(connections: &Connections) -> Result<()> {
    const NOT_INDEXED: &str = "SELECT id, email, name FROM users WHERE search IS NULL";
    if sqlx::query(NOT_INDEXED).fetch_optional(connections.readers()).await?.is_none() {
        return Ok(());
    }
    let mut write = connections.begin().await?;
    for row in &sqlx::query(NOT_INDEXED).fetch_all(write.connection()).await? {
        let row = Row::of("users", row);
        let parts = [Some(row.raw::<&str>("email")?), row.raw("name")?];
        sqlx::query("UPDATE users SET search = $2 WHERE id = $1")
            .bind(row.raw::<&str>("id")?)
            .bind(search::text(parts.into_iter().flatten()))
            .execute(write.connection())
            .await?;
    }
    write.commit().await
}

#[async_trait]
impl Users for Database {
    async fn account(&self, user: &UserId) -> Result<Option<Account>> {
        by_id(self.connections.readers(), user).await
    }

    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>> {
        by_email(self.connections.readers(), email).await
    }

    async fn accounts(&self, filter: &UserFilter) -> Result<Vec<Account>> {
        let mut query = QueryBuilder::<Sqlite>::new(concat!(
            "SELECT ",
            account_columns!(),
            " FROM (SELECT * FROM users a WHERE a.email > "
        ));
        query.push_bind(filter.after.as_ref().map_or("", EmailAddress::as_str).to_owned());
        for (condition, value) in [
            (" AND a.organization_id = ", filter.organization.as_ref().map(OrganizationId::as_str)),
            (" AND a.state = ", filter.state.map(Membership::as_str)),
            (" AND a.role = ", filter.role.map(Role::as_str)),
        ] {
            if let Some(value) = value {
                query.push(condition).push_bind(value.to_owned());
            }
        }
        if let Some(text) = &filter.text {
            query.push(" AND NOT EXISTS (SELECT 1 FROM json_each(").push_bind(search::words(text));
            query.push(") word WHERE instr(a.search, word.value) = 0)");
        }
        let limit = if filter.limit == 0 { i64::MAX } else { i64::from(filter.limit) };
        query.push(" ORDER BY a.email LIMIT ").push_bind(limit);
        query.push(") u LEFT JOIN grants g ON g.user_id = u.id ORDER BY u.email, g.scope");
        accounts(&query.build().fetch_all(self.connections.readers()).await?)
    }

    async fn user_counts(&self) -> Result<HashMap<OrganizationId, u64>> {
        let rows =
            sqlx::query("SELECT organization_id, COUNT(*) AS users FROM users GROUP BY organization_id");
        rows.fetch_all(self.connections.readers())
            .await?
            .iter()
            .map(|row| {
                let row = Row::of("users", row);
                Ok((row.parsed("organization_id", OrganizationId::parse)?, row.count("users")?))
            })
            .collect()
    }

    async fn outsiders(&self, organization: &OrganizationId, limit: u32) -> Result<Outsiders> {
        let rows = sqlx::query(
            "SELECT email, COUNT(*) OVER () AS users FROM users WHERE organization_id = $1 AND state <> 'disabled' \
             AND substr(email, instr(email, '@') + 1) NOT IN \
             (SELECT domain FROM organization_domains WHERE organization_id = $1) ORDER BY email LIMIT $2",
        )
        .bind(organization.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.connections.readers())
        .await?;
        let mut outsiders = Outsiders::default();
        for row in &rows {
            let row = Row::of("users", row);
            outsiders.count = row.count("users")?;
            outsiders.first.push(row.parsed("email", EmailAddress::parse)?);
        }
        Ok(outsiders)
    }

    async fn grant_counts(
        &self,
        organization: &OrganizationId,
        now: Timestamp,
    ) -> Result<HashMap<PropertyId, u64>> {
        let rows = sqlx::query(
            "SELECT g.scope, COUNT(*) AS users FROM grants g JOIN users u ON u.id = g.user_id \
             WHERE u.organization_id = $1 AND g.scope <> '*' AND COALESCE(g.until, $2 + 1) > $2 GROUP BY g.scope",
        )
        .bind(organization.as_str())
        .bind(now.as_millisecond())
        .fetch_all(self.connections.readers())
        .await?;
        rows.iter()
            .map(|row| {
                let row = Row::of("grants", row);
                Ok((row.parsed("scope", PropertyId::parse)?, row.count("users")?))
            })
            .collect()
    }

    async fn add_user(&self, user: &NewUser, event: AuditEvent, mail: Vec<NewMessage>) -> Result<UserAdded> {
        let mut write = self.connections.begin().await?;
        let refusal = refusal(write.connection(), user).await?;
        if let Some(refusal) = refusal {
            write.roll_back().await?;
            return Ok(refusal);
        }
        insert(write.connection(), user, None, event.at).await?;
        for grant in &user.grants {
            grants::put(write.connection(), &user.id, grant).await?;
        }
        grants::settle(write.connection(), &user.id).await?;
        grants::tell(write.connection(), &user.id, None, &event).await?;
        outbox::put(write.connection(), &mail, event.at).await?;
        write.commit().await?;
        Ok(UserAdded::Added)
    }
}
