//! Trials of connections.
//!
//! Separate as one subject of the store.

use async_trait::async_trait;
use serde_json::Value;

use crate::id::{ConnectionId, UserId};
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, audit};
use crate::store::{AuditEvent, ConnectionTest, Result, Trials};

#[async_trait]
impl Trials for Database {
    async fn begin_connection_test(&self, test: &ConnectionTest, event: AuditEvent) -> Result<()> {
        let mut write = self.connections.begin().await?;
        sqlx::query(
            "INSERT INTO connection_tests (request_id, connection_id, agent_id, begun_at, report) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(test.request_id.as_str())
        .bind(test.connection.as_str())
        .bind(test.agent.as_ref().map(UserId::as_str))
        .bind(test.begun_at.as_millisecond())
        .bind(test.report.as_ref().map(Value::to_string))
        .execute(write.connection())
        .await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await
    }

    async fn connection_test(&self, request_id: &str) -> Result<Option<ConnectionTest>> {
        let row = sqlx::query(
            "SELECT request_id, connection_id, agent_id, begun_at, report FROM connection_tests \
             WHERE request_id = $1",
        )
        .bind(request_id)
        .fetch_optional(self.connections.readers())
        .await?;
        let Some(row) = &row else { return Ok(None) };
        let row = Row::of("connection_tests", row);
        Ok(Some(ConnectionTest {
            request_id: row.raw("request_id")?,
            connection: row.parsed("connection_id", ConnectionId::parse)?,
            agent: row.parsed_if_any("agent_id", UserId::parse)?,
            begun_at: row.time("begun_at")?,
            report: row.json_if_any("report")?,
        }))
    }

    async fn finish_connection_test(
        &self,
        request_id: &str,
        report: Value,
        event: AuditEvent,
    ) -> Result<bool> {
        let mut write = self.connections.begin().await?;
        let kept =
            sqlx::query("UPDATE connection_tests SET report = $2 WHERE request_id = $1 AND report IS NULL")
                .bind(request_id)
                .bind(report.to_string())
                .execute(write.connection())
                .await?;
        if kept.rows_affected() == 0 {
            write.roll_back().await?;
            return Ok(false);
        }
        audit::append(write.connection(), &event).await?;
        write.commit().await?;
        Ok(true)
    }
}
