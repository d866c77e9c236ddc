//! Connections to the database file: one that writes, a few that read.
//!
//! Separate so that the rules of locking and durability stand in one place.
//!
//! Rules:
//! - Every write is a transaction that takes the file's write lock at its beginning (`BEGIN IMMEDIATE`), so it
//!   never has to give up half-way because another was quicker.
//! - A write that does not come to its end (an error, a caller who went away) takes its connection with it:
//!   closing it is the one way to roll back that works after every kind of error.
//! - A commit is on the disk before it returns (`synchronous = FULL`).
//! - Every read is a single statement, or a transaction of its own, and so sees one moment.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::store::{Error, Result};

/// Which database to open, and how.
#[derive(Debug, Clone)]
pub struct Options {
    place: Place,
    /// How long a write waits for the lock that another process holds.
    pub busy_timeout: Duration,
    /// How many pages of 4 KiB the file may have; a write beyond fails as on a full disk.
    pub pages_max: Option<u32>,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Memory(String),
}

impl Options {
    /// A database in a file.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { place: Place::File(path.to_owned()), busy_timeout: BUSY_TIMEOUT, pages_max: None }
    }

    /// A new database in memory.
    #[must_use]
    pub fn memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("/anteroom-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { place: Place::Memory(name), busy_timeout: BUSY_TIMEOUT, pages_max: None }
    }

    fn common(&self) -> Result<SqliteConnectOptions> {
        let options = SqliteConnectOptions::new()
            .busy_timeout(self.busy_timeout)
            .statement_cache_capacity(STATEMENTS_CACHED)
            .foreign_keys(true)
            .pragma("trusted_schema", "OFF")
            .disable_statement_logging();
        Ok(match &self.place {
            // An absolute path, because SQLite takes a name that begins with `file:` for a URL.
            Place::File(path) => options.filename(std::path::absolute(path).map_err(unavailable)?),
            Place::Memory(name) => options.filename(name).vfs("memdb").create_if_missing(true),
        })
    }

    fn writing(&self) -> Result<SqliteConnectOptions> {
        let options = self
            .common()?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // On macOS only these reach the disk itself; elsewhere they do nothing.
            .pragma("fullfsync", "ON")
            .pragma("checkpoint_fullfsync", "ON")
            .pragma("journal_size_limit", WAL_BYTES_KEPT);
        Ok(match self.pages_max {
            Some(pages) => options.pragma("max_page_count", pages.to_string()),
            None => options,
        })
    }

    fn reading(&self) -> Result<SqliteConnectOptions> {
        Ok(self.common()?.pragma("query_only", "ON"))
    }

    fn readers(&self, options: SqliteConnectOptions) -> SqlitePool {
        SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(self.busy_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options)
    }
}

/// The connections of one open database.
#[derive(Debug)]
pub(super) struct Connections {
    writing: SqliteConnectOptions,
    patience: Duration,
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// Keeps a database in memory while no other connection is open.
    _anchor: Option<SqliteConnection>,
}

impl Connections {
    /// Makes the file where it is missing and connects to it.
    pub(super) async fn open(options: &Options) -> Result<Self> {
        if let Place::File(path) = &options.place {
            match create_private(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unavailable(error)),
                _ => {}
            }
        }
        let writing = options.writing()?;
        let writer = connect(&writing, options.busy_timeout).await?;
        let anchor = match options.place {
            Place::File(_) => None,
            Place::Memory(_) => Some(options.reading()?.connect().await?),
        };
        let readers = options.readers(options.reading()?);
        let patience = options.busy_timeout;
        Ok(Self { writing, patience, writer: Mutex::new(Some(writer)), readers, _anchor: anchor })
    }

    /// Connects to a file that is there, without a connection that could write.
    pub(super) fn open_to_read(options: &Options) -> Result<Self> {
        let reading = options.reading()?.read_only(true);
        let readers = options.readers(reading.clone());
        let patience = options.busy_timeout;
        Ok(Self { writing: reading, patience, writer: Mutex::new(None), readers, _anchor: None })
    }

    /// Where single statements read.
    pub(super) const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// A new connection beside the others, which holds up neither readers nor the writer.
    pub(super) async fn aside(&self) -> Result<SqliteConnection> {
        connect(&self.writing, self.patience).await
    }

    /// Begins a transaction, alone among all processes.
    pub(super) async fn begin(&self) -> Result<Write<'_>> {
        let queue = tokio::time::timeout(self.patience, self.writer.lock());
        let mut slot = queue.await.map_err(unavailable)?;
        if self.readers.is_closed() {
            return Err(Error::from(sqlx::Error::PoolClosed));
        }
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => connect(&self.writing, self.patience).await?,
        };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(Write { slot, connection })
    }

    /// Lets the running write end and closes the file.
    pub(super) async fn close(&self) {
        let mut slot = self.writer.lock().await;
        self.readers.close().await;
        if let Some(writer) = slot.take()
            && let Err(error) = writer.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly; nothing that was committed is lost");
        }
    }
}

/// A transaction that writes; dropped without [`Write::commit`] it has changed nothing.
#[derive(Debug)]
pub(super) struct Write<'a> {
    slot: MutexGuard<'a, Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl Write<'_> {
    /// The connection to run statements on.
    pub(super) const fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Makes it happen; on the disk when this returns `Ok`.
    pub(super) async fn commit(self) -> Result<()> {
        self.end("COMMIT").await
    }

    /// Makes it not have happened, and keeps the connection.
    pub(super) async fn roll_back(self) -> Result<()> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, statement: &'static str) -> Result<()> {
        sqlx::query(statement).execute(&mut self.connection).await?;
        *self.slot = Some(self.connection);
        Ok(())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        unavailable(error)
    }
}

/// The store did not do its work, because of this.
pub(super) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Unavailable(Box::new(error))
}

/// Connects, again and again for a while: SQLite does not wait for the lock that the change to WAL takes, which
/// a second process may hold when both begin with a new file.
async fn connect(options: &SqliteConnectOptions, patience: Duration) -> Result<SqliteConnection> {
    let deadline = Instant::now() + patience;
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(CONNECT_PAUSE).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: i32 = 5;
    error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<i32>().ok())
        // The low octet is the primary code, the rest says more.
        .is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

/// Makes an empty file that only its owner can read; SQLite gives its companions (`-wal`, `-shm`) the same mode.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

/// Long enough for an import or a backup by another process, short enough for a visitor to wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_PAUSE: Duration = Duration::from_millis(10);
/// Each is a thread; the hot path reads from memory.
const READERS: u32 = 4;
/// More than the statements in this module.
const STATEMENTS_CACHED: usize = 192;
/// The WAL is cut back to this after a burst of writes.
const WAL_BYTES_KEPT: &str = "67108864";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_writer_waits_for_the_disk_and_readers_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("anteroom.db");
        let connections = Connections::open(&Options::file(&path)).await.unwrap();
        let mut write = connections.begin().await.unwrap();
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(write.connection()).await.unwrap();
        assert_eq!(mode, "wal");
        for (pragma, expected) in [
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA busy_timeout", 5_000),
            ("PRAGMA fullfsync", 1),
        ] {
            let value: i64 = sqlx::query_scalar(pragma).fetch_one(write.connection()).await.unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        write.roll_back().await.unwrap();
        let refused = sqlx::query("CREATE TABLE things (id INTEGER)").execute(connections.readers()).await;
        assert!(refused.unwrap_err().to_string().contains("readonly"));
    }

    #[tokio::test]
    async fn a_write_holds_the_lock_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::file(&directory.path().join("anteroom.db"));
        options.busy_timeout = Duration::from_millis(20);
        let (one, other) =
            (Connections::open(&options).await.unwrap(), Connections::open(&options).await.unwrap());
        let write = one.begin().await.unwrap();
        assert!(matches!(other.begin().await, Err(Error::Unavailable(_))));
        assert!(matches!(one.begin().await, Err(Error::Unavailable(_))), "nor twice in one process");
        write.roll_back().await.unwrap();
        other.begin().await.unwrap().commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_write_that_is_dropped_is_undone_and_the_next_one_goes_on() {
        let connections = Connections::open(&Options::memory()).await.unwrap();
        let mut write = connections.begin().await.unwrap();
        sqlx::query("CREATE TABLE things (id INTEGER)").execute(write.connection()).await.unwrap();
        write.commit().await.unwrap();
        for expected in 0..3_i64 {
            let mut lost = connections.begin().await.unwrap();
            sqlx::query("INSERT INTO things VALUES (1)").execute(lost.connection()).await.unwrap();
            drop(lost);
            let mut kept = connections.begin().await.unwrap();
            let count: i64 =
                sqlx::query_scalar("SELECT COUNT(*) FROM things").fetch_one(kept.connection()).await.unwrap();
            assert_eq!(count, expected);
            sqlx::query("INSERT INTO things VALUES (2)").execute(kept.connection()).await.unwrap();
            kept.commit().await.unwrap();
        }
    }
}
