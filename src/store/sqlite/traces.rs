//! What is kept of refused answers.
//!
//! Separate as one subject of the store.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::id::ConnectionId;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, audit};
use crate::store::{AuditEvent, Result, TRACES_MAX, TRACES_OF_ONE_MAX, Trace, Traces};

#[async_trait]
impl Traces for Database {
    async fn audit_with_trace(&self, event: AuditEvent, trace: &Trace) -> Result<()> {
        let connection = trace.connection.as_ref().map(ConnectionId::as_str);
        let mut write = self.connections.begin().await?;
        audit::append(write.connection(), &event).await?;
        sqlx::query(
            "INSERT OR REPLACE INTO traces (reference, at, connection_id, report) VALUES ($1, $2, $3, $4)",
        )
        .bind(trace.reference.as_str())
        .bind(trace.at.as_millisecond())
        .bind(connection)
        .bind(trace.report.to_string())
        .execute(write.connection())
        .await?;
        sqlx::query(
            "DELETE FROM traces WHERE connection_id IS $1 AND seq <= \
             (SELECT seq FROM traces WHERE connection_id IS $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)",
        )
        .bind(connection)
        .bind(TRACES_OF_ONE_MAX)
        .execute(write.connection())
        .await?;
        sqlx::query(
            "DELETE FROM traces WHERE seq <= (SELECT seq FROM traces ORDER BY seq DESC LIMIT 1 OFFSET $1)",
        )
        .bind(TRACES_MAX)
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    async fn trace(&self, reference: &str) -> Result<Option<Trace>> {
        let row = sqlx::query("SELECT reference, at, connection_id, report FROM traces WHERE reference = $1")
            .bind(reference)
            .fetch_optional(self.connections.readers())
            .await?;
        let Some(row) = &row else { return Ok(None) };
        let row = Row::of("traces", row);
        Ok(Some(Trace {
            reference: row.raw("reference")?,
            at: row.time("at")?,
            connection: row.parsed_if_any("connection_id", ConnectionId::parse)?,
            report: row.json_if_any("report")?.ok_or_else(|| row.invalid("report"))?,
        }))
    }

    async fn purge_traces(&self, before: Timestamp) -> Result<u64> {
        let mut write = self.connections.begin().await?;
        let removed = sqlx::query("DELETE FROM traces WHERE at < $1")
            .bind(before.as_millisecond())
            .execute(write.connection())
            .await?;
        write.commit().await?;
        Ok(removed.rows_affected())
    }
}
