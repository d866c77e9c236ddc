//! The outbox: messages on their way.
//!
//! Separate because who delivers must never claim what another has, nor bother anybody too often.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use crate::email::EmailAddress;
use crate::store::sqlite::Database;
use crate::store::sqlite::row::Row;
use crate::store::{Batch, Claim, Message, NewMessage, Outbox, Result};

macro_rules! select_messages {
    ($rest:literal) => {
        concat!(
            "SELECT id, recipient, topic, notice, created_at, attempts, next_attempt_at, error, sent_at FROM outbox ",
            $rest
        )
    };
}

#[async_trait]
impl Outbox for Database {
    async fn claim_mail(&self, claim: &Claim) -> Result<Option<Batch>> {
        // A look first: mostly there is nothing to do, and this is asked every moment.
        if first_due(self.connections.readers(), claim.now).await?.is_none() {
            return Ok(None);
        }
        let mut write = self.connections.begin().await?;
        while let Some(due) = first_due(&mut *write.connection(), claim.now).await? {
            if put_off(write.connection(), &due.recipient, claim).await? {
                continue;
            }
            let batch = take(write.connection(), due, claim).await?;
            write.commit().await?;
            return Ok(Some(batch));
        }
        write.commit().await?;
        Ok(None)
    }

    async fn mail_sent(&self, mail_id: &str, now: Timestamp) -> Result<()> {
        let mut write = self.connections.begin().await?;
        sqlx::query(
            "UPDATE outbox SET sent_at = $2, claimed_until = NULL, error = NULL \
             WHERE mail_id = $1 AND sent_at IS NULL",
        )
        .bind(mail_id)
        .bind(now.as_millisecond())
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    async fn mail_failed(&self, mail_id: &str, error: &str, next_attempt_at: Timestamp) -> Result<()> {
        let error = error.get(..error.floor_char_boundary(ERROR_BYTES_MAX)).unwrap_or(error);
        let mut write = self.connections.begin().await?;
        sqlx::query(
            "UPDATE outbox SET error = $2, next_attempt_at = $3, claimed_until = NULL \
             WHERE mail_id = $1 AND sent_at IS NULL",
        )
        .bind(mail_id)
        .bind(error)
        .bind(next_attempt_at.as_millisecond())
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    async fn post_mail(&self, messages: &[NewMessage], now: Timestamp) -> Result<()> {
        let mut write = self.connections.begin().await?;
        put(write.connection(), messages, now).await?;
        write.commit().await
    }

    async fn release_mail(&self) -> Result<u64> {
        // Of the servers of this file only the one that asks is there.
        let mut write = self.connections.begin().await?;
        let released = sqlx::query(
            "UPDATE outbox SET claimed_until = NULL WHERE claimed_until IS NOT NULL AND sent_at IS NULL",
        )
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(released.rows_affected())
    }

    async fn messages(&self, only_waiting: bool, before: Option<i64>, limit: u32) -> Result<Vec<Message>> {
        let query = if only_waiting {
            sqlx::query(select_messages!(
                "INDEXED BY outbox_waiting WHERE sent_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2"
            ))
        } else {
            sqlx::query(select_messages!("WHERE id < $1 ORDER BY id DESC LIMIT $2"))
        };
        let query = query.bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit));
        query.fetch_all(self.connections.readers()).await?.iter().map(message).collect()
    }

    async fn message(&self, id: i64) -> Result<Option<Message>> {
        let row = sqlx::query(select_messages!("WHERE id = $1"))
            .bind(id)
            .fetch_optional(self.connections.readers())
            .await?;
        row.as_ref().map(message).transpose()
    }

    async fn mail_waiting(&self) -> Result<u64> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS messages FROM outbox INDEXED BY outbox_waiting WHERE sent_at IS NULL",
        );
        Row::of("outbox", &row.fetch_one(self.connections.readers()).await?).count("messages")
    }
}

/// Puts messages in, except those whose key was there within the last day.
pub(super) async fn put(db: &mut SqliteConnection, messages: &[NewMessage], at: Timestamp) -> Result<()> {
    for message in messages {
        sqlx::query(
            "INSERT INTO outbox (recipient, topic, notice, key, created_at, next_attempt_at) \
             SELECT $1, $2, $3, $4, $5, $5 \
             WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE key = $4 AND created_at > $6)",
        )
        .bind(message.recipient.as_str())
        .bind(message.topic.as_str())
        .bind(message.notice.to_string())
        .bind(message.key.as_deref())
        .bind(at.as_millisecond())
        .bind(at.as_millisecond().saturating_sub(DAY_MILLIS))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// What has waited the longest of all that is due.
struct Due {
    recipient: EmailAddress,
    topic: String,
    mail_id: Option<String>,
}

async fn first_due(db: impl SqliteExecutor<'_>, now: Timestamp) -> Result<Option<Due>> {
    let row = sqlx::query(
        "SELECT recipient, topic, mail_id FROM outbox WHERE sent_at IS NULL AND next_attempt_at <= $1 \
         AND COALESCE(claimed_until, $1) <= $1 ORDER BY next_attempt_at, id LIMIT 1",
    )
    .bind(now.as_millisecond())
    .fetch_optional(db)
    .await?;
    let Some(row) = &row else { return Ok(None) };
    let row = Row::of("outbox", row);
    Ok(Some(Due {
        recipient: row.parsed("recipient", EmailAddress::parse)?,
        topic: row.raw("topic")?,
        mail_id: row.raw("mail_id")?,
    }))
}

/// Puts off all that is due for a recipient who has had enough within the hour, until the oldest of these mails
/// is no longer within it; whether that was so.
async fn put_off(db: &mut SqliteConnection, recipient: &EmailAddress, claim: &Claim) -> Result<bool> {
    let now = claim.now.as_millisecond();
    let had = sqlx::query(
        "SELECT COUNT(DISTINCT mail_id) AS mails, MIN(sent_at) AS oldest FROM outbox \
         WHERE recipient = $1 AND sent_at > $2",
    )
    .bind(recipient.as_str())
    .bind(now.saturating_sub(HOUR_MILLIS))
    .fetch_one(&mut *db)
    .await?;
    let had = Row::of("outbox", &had);
    if had.raw::<i64>("mails")? < i64::from(claim.hourly_max) {
        return Ok(false);
    }
    // Always later than now, so that the search for something due comes to an end.
    let oldest = had.raw::<Option<i64>>("oldest")?.unwrap_or(now);
    sqlx::query(
        "UPDATE outbox SET next_attempt_at = $3 WHERE recipient = $1 AND sent_at IS NULL \
         AND next_attempt_at <= $2 AND COALESCE(claimed_until, $2) <= $2",
    )
    .bind(recipient.as_str())
    .bind(now)
    .bind(oldest.saturating_add(HOUR_MILLIS))
    .execute(db)
    .await?;
    Ok(true)
}

async fn take(db: &mut SqliteConnection, due: Due, claim: &Claim) -> Result<Batch> {
    let mail_id = if let Some(mail_id) = due.mail_id {
        mail_id
    } else {
        bundle(db, &due.recipient, &due.topic, claim).await?;
        claim.mail_id.clone()
    };
    sqlx::query(
        "UPDATE outbox SET claimed_until = $2, attempts = attempts + 1 WHERE mail_id = $1 AND sent_at IS NULL",
    )
    .bind(mail_id.as_str())
    .bind(claim.until.as_millisecond())
    .execute(&mut *db)
    .await?;
    let rows = sqlx::query(select_messages!("WHERE mail_id = $1 AND sent_at IS NULL ORDER BY id"));
    let rows = rows.bind(mail_id.as_str()).fetch_all(db).await?;
    let messages: Result<_> = rows.iter().map(message).collect();
    Ok(Batch { mail_id, recipient: due.recipient, messages: messages? })
}

/// Makes one mail of what waits together.
async fn bundle(
    db: &mut SqliteConnection,
    recipient: &EmailAddress,
    topic: &str,
    claim: &Claim,
) -> Result<()> {
    sqlx::query(
        "UPDATE outbox SET mail_id = $3 WHERE id IN (SELECT id FROM outbox WHERE recipient = $1 AND topic = $2 \
         AND mail_id IS NULL AND sent_at IS NULL AND next_attempt_at <= $4 ORDER BY id LIMIT $5)",
    )
    .bind(recipient.as_str())
    .bind(topic)
    .bind(claim.mail_id.as_str())
    .bind(claim.now.as_millisecond())
    .bind(MESSAGES_PER_MAIL_MAX)
    .execute(db)
    .await?;
    Ok(())
}

fn message(row: &SqliteRow) -> Result<Message> {
    let row = Row::of("outbox", row);
    Ok(Message {
        id: row.raw("id")?,
        recipient: row.parsed("recipient", EmailAddress::parse)?,
        topic: row.raw("topic")?,
        notice: row.json::<Value>("notice")?,
        created_at: row.time("created_at")?,
        attempts: row.raw("attempts")?,
        next_attempt_at: row.time("next_attempt_at")?,
        error: row.raw("error")?,
        sent_at: row.time_if_any("sent_at")?,
    })
}

const HOUR_MILLIS: i64 = 60 * 60 * 1_000;
const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;
/// Nobody reads more in one mail; what is left becomes another.
const MESSAGES_PER_MAIL_MAX: i64 = 100;
const ERROR_BYTES_MAX: usize = 512;
