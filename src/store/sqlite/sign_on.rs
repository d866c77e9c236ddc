//! What a sign-on needs from the store: using up a response, finding the person, handing over between hosts.
//!
//! Separate because each of these must happen once among all nodes, whatever an attacker sends twice.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::directory::{Account, DisplayName, Membership, Role};
use crate::id::UserId;
use crate::store::sqlite::connection::Write;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, audit, conflicts, feed, grants, organizations, users};
use crate::store::{
    Admission, Arrival, AuditEvent, Change, Consumed, Consumption, Error, Handoff, NewUser, Result, SignOns,
};

#[async_trait]
impl SignOns for Database {
    async fn consume(&self, consumption: &Consumption) -> Result<Consumed> {
        let mut write = self.connections.begin().await?;
        let expires_at = consumption.expires_at.as_millisecond();
        let request = sqlx::query(
            "INSERT INTO consumed_requests (request_id, expires_at) VALUES ($1, $2) \
             ON CONFLICT (request_id) DO NOTHING",
        )
        .bind(consumption.request_id.as_str())
        .bind(expires_at)
        .execute(write.connection())
        .await?;
        if request.rows_affected() == 0 {
            write.roll_back().await?;
            return Ok(Consumed::RequestReplayed);
        }
        let assertion = sqlx::query(
            "INSERT INTO consumed_assertions (connection_id, assertion_id, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (connection_id, assertion_id) DO NOTHING",
        )
        .bind(consumption.connection.as_str())
        .bind(consumption.assertion_id.as_str())
        .bind(expires_at)
        .execute(write.connection())
        .await?;
        if assertion.rows_affected() == 0 {
            write.roll_back().await?;
            return Ok(Consumed::AssertionReplayed);
        }
        write.commit().await?;
        Ok(Consumed::First)
    }

    async fn admit(
        &self,
        arrival: &Arrival,
        event: Arc<dyn for<'a> Fn(&'a Admission) -> AuditEvent + Send + Sync>,
    ) -> Result<Admission> {
        let mut write = self.connections.begin().await?;
        let known = users::by_subject(write.connection(), &arrival.subject).await?;
        let holder = users::by_email(write.connection(), &arrival.email).await?;
        let (admission, note) = match (known, holder) {
            (Some(known), holder) if known.user.organization == arrival.organization => {
                welcome(&mut write, &known, holder.as_ref(), arrival).await?
            }
            // The connection has changed hands: whoever was known through it is not this organization's.
            (Some(other), _) => (Admission::Conflict { user: other.user.id }, None),
            (None, Some(holder)) => {
                let is_ours = holder.user.organization == arrival.organization;
                if is_ours && holder.user.subject.is_none() {
                    (bind(&mut write, &holder, arrival).await?, None)
                } else {
                    (Admission::Conflict { user: holder.user.id }, None)
                }
            }
            (None, None) => match &arrival.new_user {
                Some(id) => (create(&mut write, arrival, id).await?, None),
                None => (Admission::Unknown, None),
            },
        };
        let mut event = event(&admission);
        if let Some(note) = note {
            event = audit::noted(&event, [note]);
        }
        keep_conflict(&mut write, arrival, &admission, &event).await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await?;
        Ok(admission)
    }

    async fn put_handoff(&self, handoff: &Handoff) -> Result<()> {
        let mut write = self.connections.begin().await?;
        sqlx::query(
            "INSERT INTO handoffs (code_hash, request_id, payload, expires_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(handoff.code_hash.as_slice())
        .bind(handoff.request_id.as_str())
        .bind(handoff.payload.as_slice())
        .bind(handoff.expires_at.as_millisecond())
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    async fn take_handoff(&self, code_hash: &[u8; 32], now: Timestamp) -> Result<Option<Handoff>> {
        let mut write = self.connections.begin().await?;
        let row = sqlx::query(
            "DELETE FROM handoffs WHERE code_hash = $1 RETURNING code_hash, request_id, payload, expires_at",
        )
        .bind(code_hash.as_slice())
        .fetch_optional(write.connection())
        .await?;
        let Some(row) = row else {
            write.roll_back().await?;
            return Ok(None);
        };
        write.commit().await?;
        let row = Row::of("handoffs", &row);
        let handoff = Handoff {
            code_hash: row.hash("code_hash")?,
            request_id: row.raw("request_id")?,
            payload: row.raw("payload")?,
            expires_at: row.time("expires_at")?,
        };
        Ok(Some(handoff).filter(|handoff| now < handoff.expires_at))
    }
}

/// Keeps a conflict for support to settle, if it is about a user of the organization itself.
async fn keep_conflict(
    write: &mut Write<'_>,
    arrival: &Arrival,
    admission: &Admission,
    event: &AuditEvent,
) -> Result<()> {
    let (Admission::Conflict { user }, Some(reference)) = (admission, &event.reference) else {
        return Ok(());
    };
    let account = users::by_id(&mut *write.connection(), user).await?.ok_or_else(lost)?;
    if account.user.organization == arrival.organization {
        conflicts::put(write.connection(), user, arrival, reference).await?;
    }
    Ok(())
}

/// Brings a known user up to date. Says so if somebody else has the new address: a sign-on proves who the
/// person is, but must not take an address away from another.
async fn welcome(
    write: &mut Write<'_>,
    known: &Account,
    holder: Option<&Account>,
    arrival: &Arrival,
) -> Result<(Admission, Option<(&'static str, Value)>)> {
    let other = holder.filter(|holder| holder.user.id != known.user.id);
    let email = if other.is_some() { &known.user.email } else { &arrival.email };
    let name = arrival.name.as_ref().or(known.user.name.as_ref());
    let is_new = *email != known.user.email || name != known.user.name.as_ref();
    if is_new {
        sqlx::query(
            "UPDATE users SET email = $2, name = $3, search = $4, access_version = access_version + 1 \
             WHERE id = $1",
        )
        .bind(known.user.id.as_str())
        .bind(email.as_str())
        .bind(name.map(DisplayName::as_str))
        .bind(users::search_text(email, name))
        .execute(write.connection())
        .await?;
        feed::tell(write.connection(), &Change::User(known.user.id.clone()), arrival.at).await?;
    }
    let note = other.map(|other| {
        (
            "address_of_another_user",
            json!({ "email": arrival.email.as_str(), "user": other.user.id.as_str() }),
        )
    });
    Ok((Admission::Known(signed_on(write.connection(), known, arrival.at).await?), note))
}

/// Binds the subject to a user who was expected.
async fn bind(write: &mut Write<'_>, expected: &Account, arrival: &Arrival) -> Result<Admission> {
    let name = arrival.name.as_ref().or(expected.user.name.as_ref());
    sqlx::query(
        "UPDATE users SET subject_connection = $2, subject_key = $3, name = $4, search = $5, \
         access_version = access_version + 1 WHERE id = $1",
    )
    .bind(expected.user.id.as_str())
    .bind(arrival.subject.connection.as_str())
    .bind(arrival.subject.key.as_str())
    .bind(name.map(DisplayName::as_str))
    .bind(users::search_text(&expected.user.email, name))
    .execute(write.connection())
    .await?;
    conflicts::settle(write.connection(), &expected.user.id).await?;
    feed::tell(write.connection(), &Change::User(expected.user.id.clone()), arrival.at).await?;
    Ok(Admission::Bound(signed_on(write.connection(), expected, arrival.at).await?))
}

/// Makes a user who waits.
async fn create(write: &mut Write<'_>, arrival: &Arrival, id: &UserId) -> Result<Admission> {
    if !organizations::exists(write.connection(), &arrival.organization).await? {
        // Connections come from declared organizations; a store that lost one must not let anybody in.
        return Err(Error::Inconsistent { table: "organizations", column: "id" });
    }
    let user = NewUser {
        id: id.clone(),
        email: arrival.email.clone(),
        name: arrival.name.clone(),
        organization: arrival.organization.clone(),
        role: Role::Member,
        grants: Vec::new(),
    };
    users::insert(write.connection(), &user, Some(&arrival.subject), arrival.at).await?;
    grants::settle(write.connection(), &user.id).await?;
    feed::tell(write.connection(), &Change::User(user.id.clone()), arrival.at).await?;
    let made = users::by_id(&mut *write.connection(), &user.id).await?.ok_or_else(lost)?;
    Ok(Admission::Created(signed_on(write.connection(), &made, arrival.at).await?))
}

/// Notes the sign-on, except of a disabled user, whose sign-on does not come to its end; the account as it is now.
async fn signed_on(db: &mut SqliteConnection, account: &Account, at: Timestamp) -> Result<Account> {
    if account.user.state != Membership::Disabled {
        sqlx::query("UPDATE users SET last_sign_on_at = $2 WHERE id = $1")
            .bind(account.user.id.as_str())
            .bind(at.as_millisecond())
            .execute(&mut *db)
            .await?;
    }
    users::by_id(db, &account.user.id).await?.ok_or_else(lost)
}

/// A row that this transaction has just written or read is gone.
const fn lost() -> Error {
    Error::Inconsistent { table: "users", column: "id" }
}
