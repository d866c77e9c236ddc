//! Bringing the schema up to date: forwards only, all steps in one transaction.
//!
//! Separate because it runs before anything else may touch the tables. It holds the database's write lock, so
//! of several processes that start together one migrates and the others find it done.

use sqlx::SqliteConnection;

use crate::store::sqlite::connection::Connections;
use crate::store::{Error, Result};

/// Brings the schema up to date, or refuses one that a newer Anteroom has made.
pub(super) async fn run(connections: &Connections) -> Result<()> {
    run_steps(connections, STEPS).await
}

/// The steps in order; the position from 1 is the version of the schema. A released step never changes.
const STEPS: &[&str] = &[include_str!("schema_1.sql")];

async fn run_steps(connections: &Connections, steps: &[&'static str]) -> Result<()> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    // A look first, so that a command can read while another process writes.
    match version(&mut *connections.readers().acquire().await?).await? {
        found if found > known => return Err(Error::NewerSchema { found, known }),
        found if found == known => return Ok(()),
        _ => {}
    }
    let mut write = connections.begin().await?;
    // Another process may have been here, of a newer version too.
    let found = version(write.connection()).await?;
    if found > known {
        write.roll_back().await?;
        return Err(Error::NewerSchema { found, known });
    }
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT NOT NULL PRIMARY KEY)")
        .execute(write.connection())
        .await?;
    for (version, step) in (1..).zip(steps) {
        if version > found {
            sqlx::raw_sql(*step).execute(write.connection()).await?;
            sqlx::query("INSERT INTO schema_versions (version) VALUES ($1)")
                .bind(version)
                .execute(write.connection())
                .await?;
        }
    }
    write.commit().await
}

/// The newest step that the database has seen, 0 for a new one.
async fn version(db: &mut SqliteConnection) -> Result<i64> {
    let table =
        sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = 'schema_versions'").fetch_optional(&mut *db);
    if table.await?.is_none() {
        return Ok(0);
    }
    Ok(sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM schema_versions").fetch_one(db).await?)
}
