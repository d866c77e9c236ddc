//! Ending sessions because their identity provider says so.
//!
//! Separate because it must happen once for each request, and because it reaches into the near future: a sign-on
//! that is on its way when the provider ends its session must not begin one of ours (SAML Core 3.7.3.2).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;

use crate::id::{SessionName, UserId};
use crate::session::Session;
use crate::store::sqlite::connection::{Connections, Write};
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{audit, feed, users};
use crate::store::{AuditEvent, Change, ProviderLoggedOut, ProviderLogout, Result};

/// Uses the request up, ends the sessions, and remembers whom it was about.
pub(super) async fn end(
    connections: &Connections,
    logout: &ProviderLogout,
    event: &AuditEvent,
) -> Result<ProviderLoggedOut> {
    let mut write = connections.begin().await?;
    // IDs are unique among all that one issuer makes (SAML Core 1.3.4).
    let used = sqlx::query(
        "INSERT INTO consumed_assertions (connection_id, assertion_id, expires_at) VALUES ($1, $2, $3) \
         ON CONFLICT (connection_id, assertion_id) DO NOTHING",
    )
    .bind(logout.connection.as_str())
    .bind(logout.request_id.as_str())
    .bind(logout.expires_at.as_millisecond())
    .execute(write.connection())
    .await?;
    if used.rows_affected() == 0 {
        write.roll_back().await?;
        return Ok(ProviderLoggedOut::Replayed);
    }
    let mut ended = BTreeMap::new();
    if logout.session_indexes.is_empty() {
        end_and_remember(&mut write, logout, None, &mut ended).await?;
    }
    for index in &logout.session_indexes {
        end_and_remember(&mut write, logout, Some(index), &mut ended).await?;
    }
    for (user, names) in &ended {
        tell(&mut write, user, names, event).await?;
    }
    write.commit().await?;
    Ok(ProviderLoggedOut::Ended(ended.into_keys().collect()))
}

/// Those of one index, or all. Formats differ only where both sides name one.
async fn end_and_remember(
    write: &mut Write<'_>,
    logout: &ProviderLogout,
    index: Option<&str>,
    ended: &mut BTreeMap<UserId, Vec<String>>,
) -> Result<()> {
    let format = logout.name_id.format.as_deref().unwrap_or(UNSPECIFIED);
    let rows = sqlx::query(
        "DELETE FROM sessions WHERE connection_id = $1 AND name_id = $2 \
         AND ($3 = $4 OR COALESCE(name_id_format, $4) IN ($3, $4)) \
         AND ($5 IS NULL OR session_index = $5) RETURNING user_id, name",
    )
    .bind(logout.connection.as_str())
    .bind(logout.name_id.value.as_str())
    .bind(format)
    .bind(UNSPECIFIED)
    .bind(index)
    .fetch_all(write.connection())
    .await?;
    for row in &rows {
        let row = Row::of("sessions", row);
        let name = row.parsed("name", SessionName::parse)?;
        ended.entry(row.parsed("user_id", UserId::parse)?).or_default().push(name.as_str().to_owned());
    }
    sqlx::query(
        "INSERT INTO provider_logouts (connection_id, name_id, session_index, issued_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (connection_id, name_id, session_index) \
         DO UPDATE SET issued_at = MAX(issued_at, excluded.issued_at), \
         expires_at = MAX(expires_at, excluded.expires_at)",
    )
    .bind(logout.connection.as_str())
    .bind(logout.name_id.value.as_str())
    .bind(index.unwrap_or(ALL))
    .bind(logout.issued_at.as_millisecond())
    .bind(logout.remembered_until.as_millisecond())
    .execute(write.connection())
    .await?;
    Ok(())
}

async fn tell(write: &mut Write<'_>, user: &UserId, names: &[String], event: &AuditEvent) -> Result<()> {
    feed::tell(write.connection(), &Change::User(user.clone()), event.at).await?;
    let account = users::by_id(&mut *write.connection(), user).await?;
    let mut event = audit::noted(event, [("sessions", json!(names))]);
    event.subject = account.map(|account| account.user.email.as_str().to_owned());
    audit::append(write.connection(), &event).await
}

/// Whether the provider has ended its session since it made the assertion that this one would begin from.
pub(super) async fn is_over(db: &mut SqliteConnection, session: &Session, now: Timestamp) -> Result<bool> {
    let Some(name_id) = &session.name_id else { return Ok(false) };
    let found = sqlx::query(
        "SELECT 1 FROM provider_logouts WHERE connection_id = $1 AND name_id = $2 \
         AND session_index IN ($3, $4) AND issued_at >= $5 AND expires_at > $6",
    )
    .bind(session.connection.as_str())
    .bind(name_id.value.as_str())
    .bind(ALL)
    .bind(session.session_index.as_deref())
    .bind(session.asserted_at.as_millisecond())
    .bind(now.as_millisecond())
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// Stands for every index; the index itself is never empty.
const ALL: &str = "";
/// What a name without a format has (SAML Core 8.3.1).
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
