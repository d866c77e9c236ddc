//! Users with their grants: finding and making them.
//!
//! Separate as one subject of the store; what changes a user's access later stands in `access`.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};

use crate::directory::{Account, DisplayName, Grant, Level, Membership, Role, Scope, Subject, User};
use crate::email::EmailAddress;
use crate::id::{ConnectionId, OrganizationId, UserId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{access, log, organizations};
use crate::store::{AuditEvent, Change, NewUser, Result, UserAdded, UserFilter};

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

/// Users by address.
pub(super) async fn list(db: &SqlitePool, filter: &UserFilter) -> Result<Vec<Account>> {
    let limit = if filter.limit == 0 { i64::MAX } else { i64::from(filter.limit) };
    let rows = sqlx::query(concat!(
        "SELECT ",
        account_columns!(),
        " FROM (SELECT * FROM users WHERE organization_id = COALESCE($1, organization_id) \
         AND state = COALESCE($2, state) AND email > $3 ORDER BY email LIMIT $4) u \
         LEFT JOIN grants g ON g.user_id = u.id ORDER BY u.email, g.scope"
    ))
    .bind(filter.organization.as_ref().map(OrganizationId::as_str))
    .bind(filter.state.map(Membership::as_str))
    .bind(filter.after.as_ref().map_or("", EmailAddress::as_str))
    .bind(limit)
    .fetch_all(db)
    .await?;
    accounts(&rows)
}

/// Accounts from rows in which those of one user stand together.
fn accounts(rows: &[SqliteRow]) -> Result<Vec<Account>> {
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
        (Some(connection), Some(key)) => Some(Subject { connection, key }),
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

/// Makes a user with the first grants.
pub(super) async fn add(connections: &Connections, user: &NewUser, audit: &AuditEvent) -> Result<UserAdded> {
    let mut write = connections.begin().await?;
    let refusal = refusal(write.connection(), user).await?;
    if let Some(refusal) = refusal {
        write.roll_back().await?;
        return Ok(refusal);
    }
    insert(write.connection(), user, None, audit.at).await?;
    for grant in &user.grants {
        access::put_grant(write.connection(), &user.id, grant).await?;
    }
    access::settle(write.connection(), &user.id).await?;
    log::tell(write.connection(), &Change::User(user.id.clone()), audit.at).await?;
    log::append(write.connection(), audit).await?;
    write.commit().await?;
    Ok(UserAdded::Added)
}

async fn refusal(db: &mut SqliteConnection, user: &NewUser) -> Result<Option<UserAdded>> {
    if !organizations::exists(db, &user.organization).await? {
        return Ok(Some(UserAdded::NoSuchOrganization));
    }
    if by_email(&mut *db, &user.email).await?.is_some() {
        return Ok(Some(UserAdded::EmailTaken));
    }
    for grant in &user.grants {
        if let Some(property) = access::missing_property(db, &user.organization, grant).await? {
            return Ok(Some(UserAdded::NoSuchProperty(property)));
        }
    }
    Ok(None)
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
         access_version, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)",
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
    .execute(db)
    .await?;
    Ok(())
}
