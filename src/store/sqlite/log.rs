//! The change feed and the audit log.
//!
//! Separate because every other part writes to both, inside its own transaction.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{SqliteConnection, SqlitePool};

use crate::id::UserId;
use crate::store::sqlite::row::Row;
use crate::store::{AuditEntry, AuditEvent, Change, ChangeSeq, Result};

macro_rules! audit_columns {
    () => {
        "seq, at, action, actor, subject, reason, reference, details"
    };
}

/// Adds a line to the change feed.
pub(super) async fn tell(db: &mut SqliteConnection, change: &Change, at: Timestamp) -> Result<()> {
    let (kind, user) = match change {
        Change::User(user) => ("user", Some(user.as_str())),
        Change::Directory => ("directory", None),
        Change::Keys => ("keys", None),
    };
    sqlx::query("INSERT INTO changes (kind, user_id, at) VALUES ($1, $2, $3)")
        .bind(kind)
        .bind(user)
        .bind(at.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// The newest position.
pub(super) async fn head(db: &SqlitePool) -> Result<ChangeSeq> {
    let seq = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM changes").fetch_one(db).await?;
    Ok(ChangeSeq(seq))
}

/// What happened after a position.
pub(super) async fn after(db: &SqlitePool, seq: ChangeSeq) -> Result<(ChangeSeq, Vec<Change>)> {
    let rows = sqlx::query("SELECT seq, kind, user_id FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(seq.0)
        .bind(CHANGES_MAX)
        .fetch_all(db)
        .await?;
    let mut last = seq;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Row::of("changes", row);
        let at = ChangeSeq(row.raw("seq")?);
        // SQLite rolls its counter back with the transaction, so only `purge` leaves a gap.
        if changes.is_empty() && at.0 > seq.0.saturating_add(1) {
            return everything(db).await;
        }
        changes.push(match row.raw("kind")? {
            "user" => Change::User(row.parsed("user_id", UserId::parse)?),
            "directory" => Change::Directory,
            "keys" => Change::Keys,
            _ => return Err(row.invalid("kind")),
        });
        last = at;
    }
    Ok((last, changes))
}

/// What a listener has to look at who missed lines that are gone.
async fn everything(db: &SqlitePool) -> Result<(ChangeSeq, Vec<Change>)> {
    // The position first: what happens in between is then told twice rather than never.
    let head = head(db).await?;
    let users = sqlx::query("SELECT id FROM users").fetch_all(db).await?;
    let mut changes = vec![Change::Directory, Change::Keys];
    for row in &users {
        changes.push(Change::User(Row::of("users", row).parsed("id", UserId::parse)?));
    }
    Ok((head, changes))
}

/// Adds an event to the audit log.
pub(super) async fn append(db: &mut SqliteConnection, event: &AuditEvent) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit (at, action, actor, subject, reason, reference, details) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.at.as_millisecond())
    .bind(event.action)
    .bind(clipped(&event.actor))
    .bind(event.subject.as_deref().map(clipped))
    .bind(event.reason.as_deref().map(clipped))
    .bind(event.reference.as_deref().map(clipped))
    .bind(bounded(&event.details))
    .execute(db)
    .await?;
    Ok(())
}

/// The newest events, newest first.
pub(super) async fn entries(db: &SqlitePool, limit: u32) -> Result<Vec<AuditEntry>> {
    let rows = sqlx::query(concat!("SELECT ", audit_columns!(), " FROM audit ORDER BY seq DESC LIMIT $1"))
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| entry(Row::of("audit", row))).collect()
}

/// The newest event under a reference.
pub(super) async fn by_reference(db: &SqlitePool, reference: &str) -> Result<Option<AuditEntry>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        audit_columns!(),
        " FROM audit WHERE reference = $1 ORDER BY seq DESC LIMIT 1"
    ))
    .bind(reference)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(|row| entry(Row::of("audit", row))).transpose()
}

fn entry(row: Row<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        seq: row.raw("seq")?,
        at: row.time("at")?,
        action: row.raw("action")?,
        actor: row.raw("actor")?,
        subject: row.raw("subject")?,
        reason: row.raw("reason")?,
        reference: row.raw("reference")?,
        request_id: None,
        details: row.json("details")?,
        hash: None,
    })
}

/// A text of an event, cut where it is longer than anything we write ourselves.
fn clipped(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

/// The details, or the fact that they were too long.
fn bounded(details: &Value) -> String {
    let text = details.to_string();
    if text.len() <= DETAILS_BYTES_MAX { text } else { json!({ "dropped_bytes": text.len() }).to_string() }
}

const CHANGES_MAX: i64 = 1_000;
const TEXT_BYTES_MAX: usize = 512;
const DETAILS_BYTES_MAX: usize = 4 * 1024;
