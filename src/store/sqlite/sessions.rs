//! Sessions.
//!
//! Separate as one subject of the store.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::id::{ConnectionId, SessionName, UserId};
use crate::saml::NameId;
use crate::session::{Session, SessionHash};
use crate::store::sqlite::row::Row;
use crate::store::sqlite::users::{self, account_columns};
use crate::store::sqlite::{Database, audit, feed, logout, organizations};
use crate::store::{
    AuditEvent, Change, Error, ProviderLoggedOut, ProviderLogout, Result, SESSIONS_PER_USER_MAX,
    SessionSelector, SessionView, Sessions, Touch,
};
use crate::target::ReturnPath;

/// The columns that a session is read from, of `sessions s`.
macro_rules! session_columns {
    () => {
        "s.hash, s.name AS session_name, s.connection_id, s.created_at AS session_created_at, s.last_seen_at, \
         s.ends_at, s.authenticated_at, COALESCE(s.asserted_at, s.created_at) AS asserted_at, s.methods, \
         s.return_path, s.name_id, s.name_id_format, s.name_id_qualifier, s.name_id_sp_qualifier, s.session_index"
    };
}

/// The newest `$1` sessions under a condition, with users and grants.
macro_rules! select_newest {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            account_columns!(),
            " FROM (SELECT * FROM sessions ",
            $condition,
            " ORDER BY created_at DESC, hash LIMIT $1) s \
             JOIN users u ON u.id = s.user_id LEFT JOIN grants g ON g.user_id = u.id \
             ORDER BY s.created_at DESC, s.hash, g.scope"
        )
    };
}

#[async_trait]
impl Sessions for Database {
    async fn begin_session(&self, session: &Session, event: AuditEvent) -> Result<bool> {
        let mut write = self.connections.begin().await?;
        let Some(account) = users::by_id(&mut *write.connection(), &session.user).await? else {
            return Err(Error::Inconsistent { table: "sessions", column: "user_id" });
        };
        // A pause ends all sessions; a sign-on that was on its way must not outlive it.
        if organizations::is_paused(write.connection(), &account.user.organization).await? {
            write.roll_back().await?;
            return Ok(false);
        }
        if logout::is_over(write.connection(), session, event.at).await? {
            write.roll_back().await?;
            return Ok(false);
        }
        insert(write.connection(), session).await?;
        let evicted = sqlx::query(
            "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user_id = $1 AND hash <> $2 \
             ORDER BY created_at DESC, hash LIMIT $3 OFFSET $4)",
        )
        .bind(session.user.as_str())
        .bind(session.hash.octets().as_slice())
        .bind(i64::MAX)
        .bind(i64::from(SESSIONS_PER_USER_MAX) - 1)
        .execute(write.connection())
        .await?;
        if evicted.rows_affected() > 0 {
            feed::tell(write.connection(), &Change::User(session.user.clone()), event.at).await?;
        }
        audit::append(write.connection(), &event).await?;
        write.commit().await?;
        Ok(true)
    }

    async fn session(&self, hash: &SessionHash) -> Result<Option<SessionView>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            account_columns!(),
            " FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN grants g ON g.user_id = u.id \
             WHERE s.hash = $1 ORDER BY g.scope"
        ))
        .bind(hash.octets().as_slice())
        .fetch_all(self.connections.readers())
        .await?;
        Ok(views(&rows)?.pop())
    }

    async fn sessions_still(&self, hashes: &[SessionHash]) -> Result<Vec<SessionView>> {
        let mut query = QueryBuilder::<Sqlite>::new(concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            account_columns!(),
            " FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN grants g ON g.user_id = u.id \
             WHERE s.hash IN ("
        ));
        let mut list = query.separated(", ");
        for hash in hashes {
            list.push_bind(hash.octets().as_slice());
        }
        query.push(") ORDER BY s.hash, g.scope");
        // Of every length there would be a text of its own to keep.
        let rows = query.build().persistent(false).fetch_all(self.connections.readers()).await?;
        views(&rows)
    }

    async fn sessions(&self, user: Option<&UserId>, limit: u32) -> Result<Vec<SessionView>> {
        // Two texts instead of one with a condition, so that each has an index to walk along.
        let rows = match user {
            Some(user) => {
                sqlx::query(select_newest!("WHERE user_id = $2")).bind(i64::from(limit)).bind(user.as_str())
            }
            None => sqlx::query(select_newest!("")).bind(i64::from(limit)),
        };
        views(&rows.fetch_all(self.connections.readers()).await?)
    }

    async fn touch(&self, touches: &[Touch]) -> Result<()> {
        if touches.is_empty() {
            return Ok(());
        }
        let mut write = self.connections.begin().await?;
        for touch in touches {
            sqlx::query(
                "UPDATE sessions SET last_seen_at = CASE WHEN last_seen_at < $2 THEN $2 ELSE last_seen_at END, \
                 return_path = COALESCE($3, return_path) WHERE hash = $1",
            )
            .bind(touch.hash.octets().as_slice())
            .bind(touch.last_seen_at.as_millisecond())
            .bind(touch.return_path.as_ref().map(ReturnPath::as_str))
            .execute(write.connection())
            .await?;
        }
        write.commit().await
    }

    async fn end_sessions(&self, selector: &SessionSelector, event: AuditEvent) -> Result<u64> {
        let mut write = self.connections.begin().await?;
        let query = match selector {
            SessionSelector::Hash(hash) => {
                sqlx::query("DELETE FROM sessions WHERE hash = $1 RETURNING user_id")
                    .bind(hash.octets().as_slice())
            }
            SessionSelector::Name(name) => {
                sqlx::query("DELETE FROM sessions WHERE name = $1 RETURNING user_id").bind(name.as_str())
            }
            SessionSelector::User(user) => {
                sqlx::query("DELETE FROM sessions WHERE user_id = $1 RETURNING user_id").bind(user.as_str())
            }
        };
        let rows = query.fetch_all(write.connection()).await?;
        if rows.is_empty() {
            write.roll_back().await?;
            return Ok(0);
        }
        tell_users(write.connection(), &rows, event.at).await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    async fn end_by_provider(&self, logout: &ProviderLogout, audit: AuditEvent) -> Result<ProviderLoggedOut> {
        logout::end(&self.connections, logout, &audit).await
    }
}

async fn insert(db: &mut SqliteConnection, session: &Session) -> Result<()> {
    let methods = serde_json::Value::from(session.methods.clone()).to_string();
    let name_id = session.name_id.as_ref();
    sqlx::query(
        "INSERT INTO sessions (hash, name, user_id, connection_id, created_at, last_seen_at, ends_at, \
         authenticated_at, asserted_at, methods, return_path, session_index, name_id, name_id_format, \
         name_id_qualifier, name_id_sp_qualifier) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(session.hash.octets().as_slice())
    .bind(session.name.as_str())
    .bind(session.user.as_str())
    .bind(session.connection.as_str())
    .bind(session.created_at.as_millisecond())
    .bind(session.last_seen_at.as_millisecond())
    .bind(session.ends_at.as_millisecond())
    .bind(session.authenticated_at.as_millisecond())
    .bind(session.asserted_at.as_millisecond())
    .bind(methods)
    .bind(session.return_path.as_str())
    .bind(session.session_index.as_deref())
    .bind(name_id.map(|name_id| name_id.value.as_str()))
    .bind(name_id.and_then(|name_id| name_id.format.as_deref()))
    .bind(name_id.and_then(|name_id| name_id.name_qualifier.as_deref()))
    .bind(name_id.and_then(|name_id| name_id.sp_name_qualifier.as_deref()))
    .execute(db)
    .await?;
    Ok(())
}

/// Sessions from rows in which those of one session stand together.
fn views(rows: &[SqliteRow]) -> Result<Vec<SessionView>> {
    let mut views: Vec<SessionView> = Vec::new();
    for row in rows {
        let row = Row::of("sessions", row);
        let hash = SessionHash::new(row.hash("hash")?);
        match views.last_mut() {
            Some(last) if last.session.hash == hash => {
                last.account.grants.extend(users::grant(row.table("grants"))?);
            }
            _ => views.push(view(row, hash)?),
        }
    }
    Ok(views)
}

fn view(row: Row<'_>, hash: SessionHash) -> Result<SessionView> {
    let account = users::account(row)?;
    let session = Session {
        hash,
        name: row.parsed("session_name", SessionName::parse)?,
        user: account.user.id.clone(),
        connection: row.parsed("connection_id", ConnectionId::parse)?,
        created_at: row.time("session_created_at")?,
        last_seen_at: row.time("last_seen_at")?,
        ends_at: row.time("ends_at")?,
        authenticated_at: row.time("authenticated_at")?,
        asserted_at: row.time("asserted_at")?,
        methods: row.json("methods")?,
        return_path: row.parsed("return_path", ReturnPath::parse)?,
        name_id: name_id(row)?,
        session_index: row.raw("session_index")?,
    };
    Ok(SessionView { session, account })
}

fn name_id(row: Row<'_>) -> Result<Option<NameId>> {
    let Some(value) = row.raw("name_id")? else { return Ok(None) };
    Ok(Some(NameId {
        value,
        format: row.raw("name_id_format")?,
        name_qualifier: row.raw("name_id_qualifier")?,
        sp_name_qualifier: row.raw("name_id_sp_qualifier")?,
    }))
}

/// Tells of each user of the rows once.
pub(super) async fn tell_users(db: &mut SqliteConnection, rows: &[SqliteRow], at: Timestamp) -> Result<()> {
    let users: Result<BTreeSet<_>> =
        rows.iter().map(|row| Row::of("sessions", row).parsed("user_id", UserId::parse)).collect();
    for user in users? {
        feed::tell(db, &Change::User(user), at).await?;
    }
    Ok(())
}
