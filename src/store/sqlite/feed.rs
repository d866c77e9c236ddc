//! The change feed.
//!
//! Separate because every other part writes to it, inside its own transaction.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{SqliteConnection, SqlitePool};

use crate::id::UserId;
use crate::store::sqlite::Database;
use crate::store::sqlite::row::Row;
use crate::store::{CHANGES_AT_ONCE, Change, ChangeFeed, ChangeSeq, Result};

#[async_trait]
impl ChangeFeed for Database {
    async fn change_head(&self) -> Result<ChangeSeq> {
        head(self.connections.readers()).await
    }

    async fn changes_after(&self, seq: ChangeSeq) -> Result<(ChangeSeq, Vec<Change>)> {
        let rows = sqlx::query("SELECT seq, kind, user_id FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq.0)
            .bind(i64::try_from(CHANGES_AT_ONCE).unwrap_or(i64::MAX))
            .fetch_all(self.connections.readers())
            .await?;
        let mut last = seq;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = Row::of("changes", row);
            let at = ChangeSeq(row.raw("seq")?);
            // SQLite rolls its counter back with the transaction, so only `purge` leaves a gap.
            if changes.is_empty() && at.0 > seq.0.saturating_add(1) {
                return everything(self.connections.readers()).await;
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
