//! Grants: putting them, ending them on time, and what follows for the user.
//!
//! Separate because users, imports, requests and properties all change them, by the same rules.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::directory::{Account, Grant, Scope, Subject};
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{audit, feed, users};
use crate::store::{AuditEvent, Change, Result};

/// Adds a grant or replaces the one of its scope; whether that changed anything.
pub(super) async fn put(db: &mut SqliteConnection, user: &UserId, grant: &Grant) -> Result<bool> {
    let changed = sqlx::query(
        "INSERT INTO grants (user_id, scope, level, until) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id, scope) DO UPDATE SET level = excluded.level, until = excluded.until \
         WHERE grants.level <> excluded.level OR grants.until IS DISTINCT FROM excluded.until",
    )
    .bind(user.as_str())
    .bind(grant.scope.as_str())
    .bind(grant.level.as_str())
    .bind(grant.until.map(Timestamp::as_millisecond))
    .execute(db)
    .await?
    .rows_affected();
    Ok(changed > 0)
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

/// The first property that a grant names although the organization has none of that id, or has retired it.
pub(super) async fn missing_property(
    db: &mut SqliteConnection,
    organization: &OrganizationId,
    grants: &[Grant],
) -> Result<Option<PropertyId>> {
    for grant in grants {
        let Scope::Property(property) = &grant.scope else { continue };
        let found = sqlx::query(
            "SELECT 1 FROM properties WHERE id = $1 AND organization_id = $2 AND retired_at IS NULL",
        )
        .bind(property.as_str())
        .bind(organization.as_str())
        .fetch_optional(&mut *db)
        .await?;
        if found.is_none() {
            return Ok(Some(property.clone()));
        }
    }
    Ok(None)
}

/// Removes grants whose time is over.
pub(super) async fn lapse(connections: &Connections, now: Timestamp) -> Result<u64> {
    // A look first: mostly there is nothing to do, and this is asked every moment.
    if lapsing(&mut *connections.readers().acquire().await?, now).await?.is_empty() {
        return Ok(0);
    }
    let mut write = connections.begin().await?;
    let users = lapsing(write.connection(), now).await?;
    for user in &users {
        lapse_of(write.connection(), user, now).await?;
    }
    write.commit().await?;
    Ok(u64::try_from(users.len()).unwrap_or(u64::MAX))
}

/// Users with a grant that holds no longer, as many as one call looks after.
async fn lapsing(db: &mut SqliteConnection, now: Timestamp) -> Result<Vec<UserId>> {
    let rows = sqlx::query(
        "SELECT DISTINCT user_id FROM (SELECT user_id FROM grants WHERE until <= $1 ORDER BY until LIMIT $2)",
    )
    .bind(now.as_millisecond())
    .bind(LAPSING_MAX)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Row::of("grants", row).parsed("user_id", UserId::parse)).collect()
}

async fn lapse_of(db: &mut SqliteConnection, user: &UserId, now: Timestamp) -> Result<()> {
    let Some(before) = users::by_id(&mut *db, user).await? else { return Ok(()) };
    sqlx::query("DELETE FROM grants WHERE user_id = $1 AND until <= $2")
        .bind(user.as_str())
        .bind(now.as_millisecond())
        .execute(&mut *db)
        .await?;
    settle(db, user).await?;
    let event = AuditEvent {
        subject: Some(before.user.email.as_str().to_owned()),
        ..AuditEvent::of_anteroom(now, "grant.lapsed")
    };
    tell(db, user, Some(&before), &event).await
}

/// Tells of a change of a user's access, in the feed and in the audit log with the access before and after it.
pub(super) async fn tell(
    db: &mut SqliteConnection,
    user: &UserId,
    before: Option<&Account>,
    event: &AuditEvent,
) -> Result<()> {
    feed::tell(db, &Change::User(user.clone()), event.at).await?;
    let after = users::by_id(&mut *db, user).await?;
    let event = audit::noted(
        event,
        [("before", described(before, after.as_ref())), ("after", described(after.as_ref(), before))],
    );
    audit::append(db, &event).await
}

/// What an account may do, for the audit log. Of many grants only those that the other account has not.
fn described(account: Option<&Account>, other: Option<&Account>) -> Value {
    let Some(account) = account else { return Value::Null };
    let theirs = other.map_or(&[][..], |other| &other.grants);
    let is_told = |grant: &&Grant| account.grants.len() <= GRANTS_TOLD_MAX || !theirs.contains(grant);
    let grants: Vec<_> = account.grants.iter().filter(is_told).map(described_grant).collect();
    json!({
        "state": account.user.state.as_str(),
        "role": account.user.role.as_str(),
        "subject": account.user.subject.as_deref().map(described_subject),
        "grants": grants,
        "grants_in_all": account.grants.len(),
    })
}

fn described_grant(grant: &Grant) -> Value {
    json!({
        "property": grant.scope.as_str(),
        "level": grant.level.as_str(),
        "until": grant.until.map(|until| until.to_string()),
    })
}

fn described_subject(subject: &Subject) -> Value {
    json!({ "connection": subject.connection.as_str(), "key": subject.key })
}

/// Users whom one call looks after: a fraction of a second.
const LAPSING_MAX: i64 = 500;
/// With more, the details would not fit into one event.
const GRANTS_TOLD_MAX: usize = 10;
