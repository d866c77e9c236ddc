//! Sign-ons that met a user with another subject.
//!
//! Separate as one subject of the store: a sign-on leaves them here, and support settles them.

use sqlx::{SqliteConnection, SqlitePool};

use crate::directory::{DisplayName, Subject, SubjectConflict};
use crate::id::{ConnectionId, UserId};
use crate::store::sqlite::audit;
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::{Arrival, AuditEvent, Result};

/// Keeps a conflict; one with the same subject takes the place of the older.
pub(super) async fn put(
    db: &mut SqliteConnection,
    user: &UserId,
    arrival: &Arrival,
    reference: &str,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO subject_conflicts (user_id, connection_id, subject_key, reference, name, at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, connection_id, subject_key) \
         DO UPDATE SET reference = excluded.reference, name = excluded.name, at = excluded.at",
    )
    .bind(user.as_str())
    .bind(arrival.subject.connection.as_str())
    .bind(arrival.subject.key.as_str())
    .bind(reference)
    .bind(arrival.name.as_ref().map(DisplayName::as_str))
    .bind(arrival.at.as_millisecond())
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "DELETE FROM subject_conflicts WHERE user_id = $1 AND (connection_id, subject_key) IN \
         (SELECT connection_id, subject_key FROM subject_conflicts WHERE user_id = $1 \
         ORDER BY at DESC, reference LIMIT $2 OFFSET $3)",
    )
    .bind(user.as_str())
    .bind(i64::MAX)
    .bind(CONFLICTS_PER_USER_MAX)
    .execute(db)
    .await?;
    Ok(())
}

/// A provider could make up subjects for ever; nobody reads more than the newest few.
const CONFLICTS_PER_USER_MAX: i64 = 20;

/// Conflicts of one user or all, newest first.
pub(super) async fn list(db: &SqlitePool, user: Option<&UserId>) -> Result<Vec<SubjectConflict>> {
    let rows = sqlx::query(
        "SELECT user_id, connection_id, subject_key, reference, name, at FROM subject_conflicts \
         WHERE user_id = COALESCE($1, user_id) ORDER BY at DESC, reference",
    )
    .bind(user.map(UserId::as_str))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = Row::of("subject_conflicts", row);
            let connection = row.parsed("connection_id", ConnectionId::parse)?;
            Ok(SubjectConflict {
                reference: row.raw("reference")?,
                user: row.parsed("user_id", UserId::parse)?,
                subject: Subject { connection, key: row.raw("subject_key")? },
                name: row.parsed_if_any("name", DisplayName::parse)?,
                at: row.time("at")?,
            })
        })
        .collect()
}

/// Settles one conflict without binding.
pub(super) async fn dismiss(connections: &Connections, reference: &str, event: &AuditEvent) -> Result<bool> {
    let mut write = connections.begin().await?;
    let gone = sqlx::query("DELETE FROM subject_conflicts WHERE reference = $1").bind(reference);
    if gone.execute(write.connection()).await?.rows_affected() == 0 {
        write.roll_back().await?;
        return Ok(false);
    }
    audit::append(write.connection(), event).await?;
    write.commit().await?;
    Ok(true)
}

/// Settles all conflicts of a user; how many there were.
pub(super) async fn settle(db: &mut SqliteConnection, user: &UserId) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM subject_conflicts WHERE user_id = $1").bind(user.as_str());
    Ok(gone.execute(db).await?.rows_affected())
}
