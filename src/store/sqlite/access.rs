//! Changes of a user's access: grants, state, role.
//!
//! Separate because these decide who gets in, and each must raise the access version and be told.

use sqlx::SqliteConnection;

use crate::directory::{Account, Grant, Membership, Scope};
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::{log, users};
use crate::store::{AuditEvent, Change, Result, UserChange, UserChanged};

/// Changes a user's access.
pub(super) async fn change(
    connections: &Connections,
    user: &UserId,
    change: &UserChange,
    audit: &AuditEvent,
) -> Result<UserChanged> {
    let mut write = connections.begin().await?;
    let outcome = apply(write.connection(), user, change).await?;
    if outcome == UserChanged::Changed {
        settle(write.connection(), user).await?;
        log::tell(write.connection(), &Change::User(user.clone()), audit.at).await?;
        log::append(write.connection(), audit).await?;
        write.commit().await?;
    } else {
        write.roll_back().await?;
    }
    Ok(outcome)
}

async fn apply(db: &mut SqliteConnection, user: &UserId, change: &UserChange) -> Result<UserChanged> {
    let Some(account) = users::by_id(&mut *db, user).await? else { return Ok(UserChanged::NoSuchUser) };
    let changed = match change {
        UserChange::Grant(grant) => {
            if let Some(property) = missing_property(db, &account.user.organization, grant).await? {
                return Ok(UserChanged::NoSuchProperty(property));
            }
            put_grant(db, user, grant).await?
        }
        UserChange::Revoke(scope) => revoke(db, user, scope.as_ref()).await?,
        UserChange::Disable => disable(db, &account).await?,
        UserChange::Enable => account.user.state == Membership::Disabled && enable(db, user).await?,
        UserChange::Bind(_) | UserChange::Unbind => unimplemented!(),
        UserChange::Role(role) => {
            let query = "UPDATE users SET role = $2 WHERE id = $1 AND role <> $2";
            let query = sqlx::query(query).bind(user.as_str()).bind(role.as_str());
            query.execute(db).await?.rows_affected() > 0
        }
    };
    Ok(if changed { UserChanged::Changed } else { UserChanged::Unchanged })
}

async fn revoke(db: &mut SqliteConnection, user: &UserId, scope: Option<&Scope>) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM grants WHERE user_id = $1 AND scope = COALESCE($2, scope)")
        .bind(user.as_str())
        .bind(scope.map(Scope::as_str))
        .execute(db)
        .await?
        .rows_affected();
    Ok(gone > 0)
}

async fn disable(db: &mut SqliteConnection, account: &Account) -> Result<bool> {
    let user = account.user.id.as_str();
    let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user).execute(&mut *db).await?;
    sqlx::query("UPDATE users SET state = 'disabled' WHERE id = $1").bind(user).execute(db).await?;
    Ok(account.user.state != Membership::Disabled || ended.rows_affected() > 0)
}

/// Takes the mark away; [`settle`] finds the state that the grants make.
async fn enable(db: &mut SqliteConnection, user: &UserId) -> Result<bool> {
    let query = sqlx::query("UPDATE users SET state = 'waiting' WHERE id = $1").bind(user.as_str());
    Ok(query.execute(db).await?.rows_affected() > 0)
}

/// Raises the access version and, unless the user is disabled, makes the state fit the grants.
pub(super) async fn settle(db: &mut SqliteConnection, user: &UserId) -> Result<()> {
    sqlx::query(
        "UPDATE users SET access_version = access_version + 1, state = CASE \
         WHEN state = 'disabled' THEN state \
         WHEN EXISTS (SELECT 1 FROM grants WHERE grants.user_id = users.id) THEN 'active' \
         ELSE 'waiting' END WHERE id = $1",
    )
    .bind(user.as_str())
    .execute(db)
    .await?;
    Ok(())
}

/// Adds a grant or replaces the one of its scope; whether that changed anything.
pub(super) async fn put_grant(db: &mut SqliteConnection, user: &UserId, grant: &Grant) -> Result<bool> {
    let changed = sqlx::query(
        "INSERT INTO grants (user_id, scope, level, until) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id, scope) DO UPDATE SET level = excluded.level, until = excluded.until \
         WHERE grants.level <> excluded.level OR grants.until IS DISTINCT FROM excluded.until",
    )
    .bind(user.as_str())
    .bind(grant.scope.as_str())
    .bind(grant.level.as_str())
    .bind(grant.until.map(jiff::Timestamp::as_millisecond))
    .execute(db)
    .await?
    .rows_affected();
    Ok(changed > 0)
}

/// The property that a grant names although the organization has none of that id.
pub(super) async fn missing_property(
    db: &mut SqliteConnection,
    organization: &OrganizationId,
    grant: &Grant,
) -> Result<Option<PropertyId>> {
    let Scope::Property(property) = &grant.scope else { return Ok(None) };
    let found = sqlx::query("SELECT 1 FROM properties WHERE id = $1 AND organization_id = $2")
        .bind(property.as_str())
        .bind(organization.as_str())
        .fetch_optional(db)
        .await?;
    Ok(if found.is_some() { None } else { Some(property.clone()) })
}
