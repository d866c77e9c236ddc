//! The audit log: appending, asking, and removing what is older than anybody wants it.
//!
//! Separate because every other part writes to it, inside its own transaction, and because of its rules.
//!
//! Rules:
//! - Each entry is chained to the one before it (`store::chain`), under the write lock, so the chain has no forks.
//! - Entries are removed from the oldest on only, after the anchor has been moved onto the last one to go. The
//!   schema's triggers refuse everything else.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::store::sqlite::Database;
use crate::store::sqlite::row::Row;
use crate::store::{AuditAnchor, AuditEntry, AuditEvent, AuditFilter, CLAIMS_MAX, Claimant, Result};
use crate::store::{AuditLog, chain};

macro_rules! select_entries {
    ($rest:literal) => {
        concat!(
            "SELECT seq, at, action, actor, subject, reason, reference, request_id, details, hash FROM audit ",
            $rest
        )
    };
}

#[async_trait]
impl AuditLog for Database {
    async fn audit(&self, event: AuditEvent) -> Result<()> {
        let mut write = self.connections.begin().await?;
        append(write.connection(), &event).await?;
        write.commit().await
    }

    async fn audit_entries(&self, limit: u32) -> Result<Vec<AuditEntry>> {
        let rows = sqlx::query(select_entries!("ORDER BY seq DESC LIMIT $1")).bind(i64::from(limit));
        rows.fetch_all(self.connections.readers())
            .await?
            .iter()
            .map(|row| entry(Row::of("audit", row)))
            .collect()
    }

    async fn audit_search(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
        let mut query = QueryBuilder::<Sqlite>::new(select_entries!("WHERE TRUE"));
        if let Some(before) = filter.before {
            query.push(" AND seq < ").push_bind(before);
        }
        if let Some(subject) = &filter.subject {
            query.push(" AND subject = ").push_bind(subject.clone());
        }
        if let Some(claimant) = &filter.claimant {
            push_claimant(&mut query, claimant);
        }
        if let Some(prefix) = &filter.action_prefix {
            query.push(" AND substr(action, 1, ").push_bind(i64::try_from(prefix.len()).unwrap_or(i64::MAX));
            query.push(") = ").push_bind(prefix.clone());
        }
        if let Some(text) = &filter.text {
            // What is written there (addresses, ids, codes) is ASCII, whose case SQLite knows.
            let anywhere = format!("%{}%", escaped(text));
            query.push(" AND (");
            for (or, column) in [
                ("", "actor"),
                (" OR ", "subject"),
                (" OR ", "reason"),
                (" OR ", "reference"),
                (" OR ", CLAIMED_EMAIL),
            ] {
                query.push(or).push(column).push(" LIKE ").push_bind(anywhere.clone()).push(r" ESCAPE '\'");
            }
            query.push(")");
        }
        query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(filter.limit));
        let rows = query.build().fetch_all(self.connections.readers()).await?;
        rows.iter().map(|row| entry(Row::of("audit", row))).collect()
    }

    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<AuditEntry>> {
        let rows = sqlx::query(select_entries!("WHERE seq > $1 ORDER BY seq LIMIT $2"));
        let rows = rows.bind(seq).bind(i64::from(limit)).fetch_all(self.connections.readers()).await?;
        rows.iter().map(|row| entry(Row::of("audit", row))).collect()
    }

    async fn audit_anchor(&self) -> Result<AuditAnchor> {
        let row =
            sqlx::query("SELECT seq, hash FROM audit_anchor").fetch_one(self.connections.readers()).await?;
        let row = Row::of("audit_anchor", &row);
        Ok(AuditAnchor { seq: row.raw("seq")?, hash: row.hash("hash")? })
    }

    async fn purge_audit(&self, before: Timestamp, audit: AuditEvent) -> Result<u64> {
        // A look first: mostly there is nothing to do.
        if oldest_before(&mut *self.connections.readers().acquire().await?, before).await?.is_none() {
            return Ok(0);
        }
        let mut write = self.connections.begin().await?;
        let Some(last) = oldest_before(write.connection(), before).await? else {
            write.roll_back().await?;
            return Ok(0);
        };
        sqlx::query("UPDATE audit_anchor SET seq = $1, hash = $2")
            .bind(last.seq)
            .bind(last.hash.as_slice())
            .execute(write.connection())
            .await?;
        let removed = sqlx::query("DELETE FROM audit WHERE seq <= $1").bind(last.seq);
        let removed = removed.execute(write.connection()).await?.rows_affected();
        let event = noted(&audit, [("removed", json!(removed)), ("up_to", json!(last.seq))]);
        append(write.connection(), &event).await?;
        write.commit().await?;
        Ok(removed)
    }

    async fn audit_by_reference(&self, reference: &str) -> Result<Option<AuditEntry>> {
        let row = sqlx::query(select_entries!("WHERE reference = $1 ORDER BY seq DESC LIMIT 1"));
        let row = row.bind(reference).fetch_optional(self.connections.readers()).await?;
        row.as_ref().map(|row| entry(Row::of("audit", row))).transpose()
    }
}

/// Adds an event to the audit log.
pub(super) async fn append(db: &mut SqliteConnection, event: &AuditEvent) -> Result<()> {
    let tail = sqlx::query(TAIL).fetch_one(&mut *db).await?;
    let tail = Row::of("audit", &tail);
    let details = bounded(&event.details);
    let mut entry = AuditEntry {
        seq: tail.raw::<i64>("seq")? + 1,
        at: event.at,
        action: event.action.to_owned(),
        actor: clipped(&event.actor).to_owned(),
        subject: event.subject.as_deref().map(clipped).map(str::to_owned),
        reason: event.reason.as_deref().map(clipped).map(str::to_owned),
        reference: event.reference.as_deref().map(clipped).map(str::to_owned),
        request_id: event.request_id.as_deref().map(clipped).map(str::to_owned),
        // As whoever verifies will read it.
        details: serde_json::from_str(&details).map_err(|_| tail.invalid("details"))?,
        hash: None,
    };
    entry.hash = Some(chain::link(&tail.hash("hash")?, &entry));
    insert(db, &entry, &details).await
}

/// The last place that was given, even if its entry is gone, and the hash to go on from.
const TAIL: &str = "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0) AS seq, \
     COALESCE((SELECT hash FROM audit WHERE hash IS NOT NULL ORDER BY seq DESC LIMIT 1), \
     (SELECT hash FROM audit_anchor)) AS hash";

async fn insert(db: &mut SqliteConnection, entry: &AuditEntry, details: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit (seq, at, action, actor, subject, reason, reference, request_id, details, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(entry.seq)
    .bind(entry.at.as_millisecond())
    .bind(entry.action.as_str())
    .bind(entry.actor.as_str())
    .bind(entry.subject.as_deref())
    .bind(entry.reason.as_deref())
    .bind(entry.reference.as_deref())
    .bind(entry.request_id.as_deref())
    .bind(details)
    .bind(entry.hash.as_ref().map(<[u8; 32]>::as_slice))
    .execute(db)
    .await?;
    Ok(())
}

/// The event with more details, which only the transaction knows.
pub(super) fn noted<const N: usize>(event: &AuditEvent, notes: [(&str, Value); N]) -> AuditEvent {
    let mut event = event.clone();
    let mut details = match std::mem::take(&mut event.details) {
        Value::Object(details) => details,
        Value::Null => Map::new(),
        other => Map::from_iter([("details".to_owned(), other)]),
    };
    details.extend(notes.map(|(key, note)| (key.to_owned(), note)));
    event.details = Value::Object(details);
    event
}

/// Only what spoke of somebody: looked up by the two indexes, each from the newest on.
fn push_claimant(query: &mut QueryBuilder<Sqlite>, claimant: &Claimant) {
    query.push(" AND seq IN (SELECT seq FROM (SELECT seq FROM audit WHERE ").push(CLAIMED_EMAIL);
    query.push(" = ").push_bind(claimant.email.as_str().to_owned());
    query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(CLAIMS_MAX)).push(")");
    if let Some(subject) = &claimant.subject {
        query.push(" UNION SELECT seq FROM (SELECT seq FROM audit WHERE ").push(CLAIMED_SUBJECT);
        query.push(" = ").push_bind(subject.key.clone());
        query.push(" AND subject = ").push_bind(subject.connection.as_str().to_owned());
        query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(CLAIMS_MAX)).push(")");
    }
    query.push(")");
}

/// As the schema's indexes have it.
const CLAIMED_EMAIL: &str = "json_extract(details, '$.claimed.email')";
const CLAIMED_SUBJECT: &str = "json_extract(details, '$.claimed.subject')";

/// The text as LIKE finds it literally.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

/// The last of the oldest entries that are all from before a moment, as far as one call goes.
async fn oldest_before(db: &mut SqliteConnection, before: Timestamp) -> Result<Option<AuditAnchor>> {
    let rows = sqlx::query("SELECT seq, at, hash FROM audit ORDER BY seq LIMIT $1").bind(REMOVED_MAX);
    let mut last = None;
    for row in &rows.fetch_all(db).await? {
        let row = Row::of("audit", row);
        if row.time("at")? >= before {
            break;
        }
        let hash = if row.raw::<Option<&[u8]>>("hash")?.is_some() { row.hash("hash")? } else { chain::START };
        last = Some(AuditAnchor { seq: row.raw("seq")?, hash });
    }
    Ok(last)
}

fn entry(row: Row<'_>) -> Result<AuditEntry> {
    let hash: Option<&[u8]> = row.raw("hash")?;
    Ok(AuditEntry {
        seq: row.raw("seq")?,
        at: row.time("at")?,
        action: row.raw("action")?,
        actor: row.raw("actor")?,
        subject: row.raw("subject")?,
        reason: row.raw("reason")?,
        reference: row.raw("reference")?,
        request_id: row.raw("request_id")?,
        details: row.json("details")?,
        hash: hash.map(|_| row.hash("hash")).transpose()?,
    })
}

/// A text of an event, cut where it is longer than anything we write ourselves.
fn clipped(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

/// The details without their longest parts, if they are too long, and how long they were.
fn bounded(details: &Value) -> String {
    let text = details.to_string();
    if text.len() <= DETAILS_BYTES_MAX {
        return text;
    }
    let mut parts: Vec<_> = details.as_object().into_iter().flatten().collect();
    parts.sort_by_key(|(_, part)| part.to_string().len());
    let mut kept = Map::from_iter([("dropped_bytes".to_owned(), json!(text.len()))]);
    for (key, part) in parts {
        let before = kept.clone();
        kept.insert(key.clone(), part.clone());
        if Value::Object(kept.clone()).to_string().len() > DETAILS_BYTES_MAX {
            kept = before;
            break;
        }
    }
    Value::Object(kept).to_string()
}

const TEXT_BYTES_MAX: usize = 512;
const DETAILS_BYTES_MAX: usize = 4 * 1024;
/// Entries that one call removes: a fraction of a second, so that nobody waits for it.
const REMOVED_MAX: i64 = 5_000;
