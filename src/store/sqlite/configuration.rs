//! What is kept of the configuration that was last in force.
//!
//! Separate as one subject of the store.

use async_trait::async_trait;
use serde_json::Value;

use crate::store::sqlite::Database;
use crate::store::sqlite::audit;
use crate::store::sqlite::row::Row;
use crate::store::{AuditEvent, KeptConfiguration, Result};

#[async_trait]
impl KeptConfiguration for Database {
    async fn configuration(&self) -> Result<Option<Value>> {
        let row =
            sqlx::query("SELECT kept FROM configuration").fetch_optional(self.connections.readers()).await?;
        row.as_ref().map(|row| Row::of("configuration", row).json("kept")).transpose()
    }

    async fn keep_configuration(&self, values: &Value, event: AuditEvent) -> Result<()> {
        let mut write = self.connections.begin().await?;
        sqlx::query(
            "INSERT INTO configuration (one, kept) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET kept = excluded.kept",
        )
        .bind(values.to_string())
        .execute(write.connection())
        .await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await
    }
}
