//! Forms that wait for a person to sign on again, and whose session it was.
//!
//! Separate as one subject of the store.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use crate::id::UserId;
use crate::session::SessionHash;
use crate::store::sqlite::Database;
use crate::store::sqlite::row::Row;
use crate::store::{HeldPost, POSTS_MAX, POSTS_OF_ONE_MAX, Posts, Result};

#[async_trait]
impl Posts for Database {
    async fn session_owner(&self, hash: &SessionHash) -> Result<Option<UserId>> {
        let row = sqlx::query(
            "SELECT user_id FROM sessions WHERE hash = $1 UNION ALL \
             SELECT user_id FROM expired_sessions WHERE hash = $1 LIMIT 1",
        )
        .bind(hash.octets().as_slice())
        .fetch_optional(self.connections.readers())
        .await?;
        row.map(|row| Row::of("sessions", &row).parsed("user_id", UserId::parse)).transpose()
    }

    async fn hold_post(&self, post: &HeldPost) -> Result<()> {
        let mut write = self.connections.begin().await?;
        sqlx::query(
            "INSERT INTO held_posts (token_hash, user_id, sealed, held_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(post.token_hash.as_slice())
        .bind(post.user.as_str())
        .bind(post.sealed.as_slice())
        .bind(post.held_at.as_millisecond())
        .bind(post.expires_at.as_millisecond())
        .execute(write.connection())
        .await?;
        sqlx::query(
            "DELETE FROM held_posts WHERE seq IN \
             (SELECT seq FROM held_posts WHERE user_id = $1 ORDER BY seq DESC LIMIT $2 OFFSET $3)",
        )
        .bind(post.user.as_str())
        .bind(i64::MAX)
        .bind(i64::from(POSTS_OF_ONE_MAX))
        .execute(write.connection())
        .await?;
        sqlx::query(
            "DELETE FROM held_posts WHERE seq IN \
             (SELECT seq FROM held_posts ORDER BY seq DESC LIMIT $1 OFFSET $2)",
        )
        .bind(i64::MAX)
        .bind(i64::from(POSTS_MAX))
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    async fn held_post(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<HeldPost>> {
        let row = sqlx::query(
            "SELECT token_hash, user_id, sealed, held_at, expires_at FROM held_posts WHERE token_hash = $1",
        )
        .bind(token_hash.as_slice())
        .fetch_optional(self.connections.readers())
        .await?;
        let post = row.map(|row| post(&row)).transpose()?;
        Ok(post.filter(|post| now < post.expires_at))
    }

    async fn take_post(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<HeldPost>> {
        let mut write = self.connections.begin().await?;
        let row = sqlx::query(
            "DELETE FROM held_posts WHERE token_hash = $1 AND user_id = $2 \
             RETURNING token_hash, user_id, sealed, held_at, expires_at",
        )
        .bind(token_hash.as_slice())
        .bind(user.as_str())
        .fetch_optional(write.connection())
        .await?;
        let Some(row) = row else {
            write.roll_back().await?;
            return Ok(None);
        };
        write.commit().await?;
        Ok(Some(post(&row)?).filter(|post| now < post.expires_at))
    }
}

fn post(row: &SqliteRow) -> Result<HeldPost> {
    let row = Row::of("held_posts", row);
    Ok(HeldPost {
        token_hash: row.hash("token_hash")?,
        user: row.parsed("user_id", UserId::parse)?,
        sealed: row.raw("sealed")?,
        held_at: row.time("held_at")?,
        expires_at: row.time("expires_at")?,
    })
}
