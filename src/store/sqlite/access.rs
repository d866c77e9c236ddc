//! Changes of one user: grants, state, role, subject.
//!
//! Separate because these decide who gets in, and each must raise the access version and be told.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::directory::{Account, Membership, Role, Scope, Subject, SubjectConflict};
use crate::id::{OrganizationId, UserId};
use crate::store::sqlite::{Database, conflicts, grants, import, outbox, users};
use crate::store::{
    Access, AuditEvent, Imported, ImportedGrant, NewMessage, Result, UserChange, UserChanged,
};

#[async_trait]
impl Access for Database {
    async fn change_user(
        &self,
        user: &UserId,
        change: &UserChange,
        event: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<UserChanged> {
        let mut write = self.connections.begin().await?;
        let before = users::by_id(&mut *write.connection(), user).await?;
        let outcome = match &before {
            Some(account) => apply(write.connection(), account, change).await?,
            None => UserChanged::NoSuchUser,
        };
        if outcome == UserChanged::Changed {
            grants::settle(write.connection(), user).await?;
            grants::tell(write.connection(), user, before.as_ref(), &event).await?;
            outbox::put(write.connection(), &mail, event.at).await?;
            write.commit().await?;
        } else {
            write.roll_back().await?;
        }
        Ok(outcome)
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
}

async fn apply(db: &mut SqliteConnection, account: &Account, change: &UserChange) -> Result<UserChanged> {
    if let Some(refusal) = refusal(db, account, change).await? {
        return Ok(refusal);
    }
    let user = &account.user.id;
    let changed = match change {
        UserChange::Grant(grant) => grants::put(db, user, grant).await?,
        UserChange::Revoke(scope) => revoke(db, user, scope.as_ref()).await?,
        UserChange::Disable => disable(db, account).await?,
        UserChange::Enable => account.user.state == Membership::Disabled && enable(db, user).await?,
        UserChange::Role(role) => account.user.role != *role && give_role(db, user, *role).await?,
        UserChange::Bind(subject) => bind(db, account, subject).await?,
        UserChange::Unbind => account.user.subject.is_some() && unbind(db, user).await?,
    };
    Ok(if changed { UserChanged::Changed } else { UserChanged::Unchanged })
}

/// Why a change must not be made.
async fn refusal(
    db: &mut SqliteConnection,
    account: &Account,
    change: &UserChange,
) -> Result<Option<UserChanged>> {
    match change {
        UserChange::Grant(grant) => {
            let organization = &account.user.organization;
            let missing = grants::missing_property(db, organization, std::slice::from_ref(grant)).await?;
            Ok(missing.map(UserChanged::NoSuchProperty))
        }
        UserChange::Disable | UserChange::Role(Role::Member) => {
            Ok(is_last_support(db, account).await?.then_some(UserChanged::LastSupport))
        }
        UserChange::Bind(subject) => {
            let holder = users::by_subject(db, subject).await?.map(|holder| holder.user.id);
            Ok(holder.filter(|holder| *holder != account.user.id).map(UserChanged::SubjectTaken))
        }
        _ => Ok(None),
    }
}

/// Whether somebody of another organization, which is not paused, can work the console.
pub(super) async fn has_support_outside(
    db: &mut SqliteConnection,
    organization: &OrganizationId,
) -> Result<bool> {
    let other = sqlx::query(
        "SELECT 1 FROM users u JOIN organizations o ON o.id = u.organization_id WHERE u.role = 'support' \
         AND u.state <> 'disabled' AND o.id <> $1 AND o.paused_at IS NULL LIMIT 1",
    )
    .bind(organization.as_str())
    .fetch_optional(db)
    .await?;
    Ok(other.is_some())
}

/// Whether this is the only one who can work the console. Those of paused organizations cannot; of such an
/// organization itself, somebody has to be left for when the pause is over.
async fn is_last_support(db: &mut SqliteConnection, account: &Account) -> Result<bool> {
    if account.user.role != Role::Support || account.user.state == Membership::Disabled {
        return Ok(false);
    }
    let other = sqlx::query(
        "SELECT 1 FROM users u JOIN organizations o ON o.id = u.organization_id WHERE u.role = 'support' \
         AND u.state <> 'disabled' AND u.id <> $1 AND (o.paused_at IS NULL \
         OR EXISTS (SELECT 1 FROM organizations WHERE id = $2 AND paused_at IS NOT NULL)) LIMIT 1",
    )
    .bind(account.user.id.as_str())
    .bind(account.user.organization.as_str())
    .fetch_optional(db)
    .await?;
    Ok(other.is_none())
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
    let user = &account.user.id;
    let ended = end_sessions(db, user).await?;
    sqlx::query("UPDATE users SET state = 'disabled' WHERE id = $1").bind(user.as_str()).execute(db).await?;
    Ok(account.user.state != Membership::Disabled || ended > 0)
}

/// Takes the mark away; [`grants::settle`] finds the state that the grants make.
async fn enable(db: &mut SqliteConnection, user: &UserId) -> Result<bool> {
    let query = sqlx::query("UPDATE users SET state = 'waiting' WHERE id = $1").bind(user.as_str());
    Ok(query.execute(db).await?.rows_affected() > 0)
}

async fn give_role(db: &mut SqliteConnection, user: &UserId, role: Role) -> Result<bool> {
    let query = sqlx::query("UPDATE users SET role = $2 WHERE id = $1").bind(user.as_str());
    Ok(query.bind(role.as_str()).execute(db).await?.rows_affected() > 0)
}

async fn bind(db: &mut SqliteConnection, account: &Account, subject: &Subject) -> Result<bool> {
    let user = &account.user.id;
    let settled = conflicts::settle(db, user).await?;
    if account.user.subject.as_deref() == Some(subject) {
        return Ok(settled > 0);
    }
    sqlx::query("UPDATE users SET subject_connection = $2, subject_key = $3 WHERE id = $1")
        .bind(user.as_str())
        .bind(subject.connection.as_str())
        .bind(subject.key.as_str())
        .execute(&mut *db)
        .await?;
    end_sessions(db, user).await?;
    Ok(true)
}

async fn unbind(db: &mut SqliteConnection, user: &UserId) -> Result<bool> {
    sqlx::query("UPDATE users SET subject_connection = NULL, subject_key = NULL WHERE id = $1")
        .bind(user.as_str())
        .execute(&mut *db)
        .await?;
    end_sessions(db, user).await?;
    Ok(true)
}

async fn end_sessions(db: &mut SqliteConnection, user: &UserId) -> Result<u64> {
    let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user.as_str());
    Ok(ended.execute(db).await?.rows_affected())
}
