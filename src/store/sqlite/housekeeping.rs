//! Removing what has expired, and copying everything.
//!
//! Separate because it is about the file, not about any one subject.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::store::sqlite::connection::{Connections, create_private, unavailable};
use crate::store::{Error, Result};

/// Removes what has expired, a bounded number of rows of each kind.
pub(super) async fn purge(connections: &Connections, now: Timestamp, idle_since: Timestamp) -> Result<()> {
    let [expired_before, told_before, tried_before, delivered_before, warned_before] =
        [EXPIRED_SESSIONS_KEPT, CHANGES_KEPT, TRIALS_KEPT, MESSAGES_KEPT, WARNINGS_KEPT]
            .map(|kept| now.saturating_sub(kept).unwrap_or(Timestamp::MIN));
    let mut write = connections.begin().await?;
    for (statement, before) in [
        (CONSUMED_REQUESTS, now),
        (CONSUMED_ASSERTIONS, now),
        (HANDOFFS, now),
        (HELD_POSTS, now),
        (REMEMBER_ENDED_SESSIONS, now),
        (REMEMBER_IDLE_SESSIONS, idle_since),
        (OLD_EXPIRED_SESSIONS, expired_before),
        (PROVIDER_LOGOUTS, now),
        (ENDED_SESSIONS, now),
        (IDLE_SESSIONS, idle_since),
        (OLD_CHANGES, told_before),
        (OLD_TRIALS, tried_before),
        (DELIVERED, delivered_before),
        (OLD_WARNINGS, warned_before),
    ] {
        sqlx::query(statement)
            .bind(before.as_millisecond())
            .bind(ROWS_MAX)
            .execute(write.connection())
            .await?;
    }
    write.commit().await
}

const CONSUMED_REQUESTS: &str = "DELETE FROM consumed_requests WHERE request_id IN \
     (SELECT request_id FROM consumed_requests WHERE expires_at <= $1 LIMIT $2)";
const CONSUMED_ASSERTIONS: &str = "DELETE FROM consumed_assertions WHERE (connection_id, assertion_id) IN \
     (SELECT connection_id, assertion_id FROM consumed_assertions WHERE expires_at <= $1 LIMIT $2)";
const HANDOFFS: &str = "DELETE FROM handoffs WHERE code_hash IN \
     (SELECT code_hash FROM handoffs WHERE expires_at <= $1 LIMIT $2)";
const HELD_POSTS: &str =
    "DELETE FROM held_posts WHERE seq IN (SELECT seq FROM held_posts WHERE expires_at <= $1 LIMIT $2)";
/// For whoever comes back with the cookie; in the same order as they are removed.
const REMEMBER_ENDED_SESSIONS: &str = "INSERT OR IGNORE INTO expired_sessions (hash, user_id, expired_at) \
     SELECT hash, user_id, $1 FROM sessions WHERE ends_at <= $1 LIMIT $2";
const REMEMBER_IDLE_SESSIONS: &str = "INSERT OR IGNORE INTO expired_sessions (hash, user_id, expired_at) \
     SELECT hash, user_id, $1 FROM sessions WHERE last_seen_at < $1 LIMIT $2";
const OLD_EXPIRED_SESSIONS: &str = "DELETE FROM expired_sessions WHERE hash IN \
     (SELECT hash FROM expired_sessions WHERE expired_at < $1 LIMIT $2)";
const PROVIDER_LOGOUTS: &str = "DELETE FROM provider_logouts WHERE (connection_id, name_id, session_index) IN \
     (SELECT connection_id, name_id, session_index FROM provider_logouts WHERE expires_at <= $1 LIMIT $2)";
const ENDED_SESSIONS: &str =
    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE ends_at <= $1 LIMIT $2)";
const IDLE_SESSIONS: &str =
    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE last_seen_at < $1 LIMIT $2)";
/// The oldest first, so that a gap is only ever before what is left; the newest stays, as the head of the feed.
const OLD_CHANGES: &str = "DELETE FROM changes WHERE seq IN \
     (SELECT seq FROM changes WHERE at < $1 AND seq < (SELECT MAX(seq) FROM changes) ORDER BY seq LIMIT $2)";
const OLD_TRIALS: &str = "DELETE FROM connection_tests WHERE request_id IN \
     (SELECT request_id FROM connection_tests WHERE begun_at < $1 LIMIT $2)";
const DELIVERED: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE sent_at < $1 LIMIT $2)";
const OLD_WARNINGS: &str = "DELETE FROM expiry_warnings WHERE (subject, fingerprint, days) IN \
     (SELECT subject, fingerprint, days FROM expiry_warnings WHERE at < $1 LIMIT $2)";

/// Rows of each kind that one call removes: a fraction of a second, so that nobody waits for it.
const ROWS_MAX: i64 = 5_000;
/// Somebody comes back in the morning.
const EXPIRED_SESSIONS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Far longer than any node does not listen.
const CHANGES_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Long enough to look at a report and to come back to it.
const TRIALS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Long enough to answer whether somebody was told.
const MESSAGES_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What it warned of has long come to pass.
const WARNINGS_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Writes a copy of one moment into a new file, on the disk when this returns.
pub(super) async fn backup_to(connections: &Connections, path: &Path) -> Result<()> {
    let name = path.to_str().ok_or(Error::UnsupportedUrl)?;
    // SQLite would make the file readable for others; it does not mind an empty one.
    create_private(path).map_err(unavailable)?;
    let written = copy(connections, name).await;
    if written.is_err() {
        // Half a copy is worse than none. That it could not be removed matters less than why it was half.
        drop(tokio::fs::remove_file(path).await);
    }
    written
}

async fn copy(connections: &Connections, name: &str) -> Result<()> {
    let mut db = connections.aside().await?;
    sqlx::query("VACUUM INTO $1").bind(name).execute(&mut db).await?;
    // SQLite leaves this to the caller.
    let file = tokio::fs::File::open(name).await.map_err(unavailable)?;
    file.sync_all().await.map_err(unavailable)
}
