//! The keys of the identity header, sealed.
//!
//! Separate as one subject of the store.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, audit, feed};
use crate::store::{AuditEvent, Change, Keys, Result, StoredKey};

#[async_trait]
impl Keys for Database {
    async fn keys(&self) -> Result<Vec<StoredKey>> {
        let rows = sqlx::query(
            "SELECT kid, algorithm, sealed, created_at, signs_from, retires_at FROM identity_keys \
             ORDER BY created_at, kid",
        )
        .fetch_all(self.connections.readers())
        .await?;
        rows.iter()
            .map(|row| {
                let row = Row::of("identity_keys", row);
                Ok(StoredKey {
                    kid: row.raw("kid")?,
                    algorithm: row.raw("algorithm")?,
                    sealed: row.raw("sealed")?,
                    created_at: row.time("created_at")?,
                    signs_from: row.time("signs_from")?,
                    retires_at: row.time_if_any("retires_at")?,
                })
            })
            .collect()
    }

    async fn replace_keys(&self, expected: &[String], keys: &[StoredKey], event: AuditEvent) -> Result<bool> {
        let mut write = self.connections.begin().await?;
        let found: Vec<String> =
            sqlx::query_scalar("SELECT kid FROM identity_keys").fetch_all(write.connection()).await?;
        if found.iter().collect::<BTreeSet<_>>() != expected.iter().collect() {
            write.roll_back().await?;
            return Ok(false);
        }
        sqlx::query("DELETE FROM identity_keys").execute(write.connection()).await?;
        for key in keys {
            insert(write.connection(), key).await?;
        }
        feed::tell(write.connection(), &Change::Keys, event.at).await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await?;
        Ok(true)
    }
}

async fn insert(db: &mut SqliteConnection, key: &StoredKey) -> Result<()> {
    sqlx::query(
        "INSERT INTO identity_keys (kid, algorithm, sealed, created_at, signs_from, retires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(key.kid.as_str())
    .bind(key.algorithm.as_str())
    .bind(key.sealed.as_slice())
    .bind(key.created_at.as_millisecond())
    .bind(key.signs_from.as_millisecond())
    .bind(key.retires_at.map(jiff::Timestamp::as_millisecond))
    .execute(db)
    .await?;
    Ok(())
}
