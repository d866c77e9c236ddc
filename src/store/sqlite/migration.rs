//! Bringing the schema up to date: forwards only, all steps in one transaction.
//!
//! Separate because it runs before anything else may touch the tables. It holds the database's write lock, so
//! of several processes that start together one migrates and the others find it done.

use sqlx::SqliteConnection;

use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::users;
use crate::store::{Error, Result};

/// Brings the schema up to date, or refuses one that a newer Anteroom has made.
pub(super) async fn run(connections: &Connections) -> Result<()> {
    run_steps(connections, STEPS).await?;
    // What SQL cannot do; whoever finds it not done, does it.
    users::index_all(connections).await
}

/// Refuses a schema of another version, and changes nothing.
pub(super) async fn check(connections: &Connections) -> Result<()> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    match version(&mut *connections.readers().acquire().await?).await? {
        found if found > known => Err(Error::NewerSchema { found, known }),
        found if found < known => Err(Error::OlderSchema { found, known }),
        _ => Ok(()),
    }
}

/// The steps in order; the position from 1 is the version of the schema. A released step never changes.
const STEPS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql")];

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Options;

    const FIRST: &str = "CREATE TABLE things (id INTEGER PRIMARY KEY); INSERT INTO things VALUES (1), (2);";
    const SECOND: &str = "ALTER TABLE things ADD COLUMN name TEXT; UPDATE things SET name = 'thing ' || id;";
    const BROKEN: &str =
        "DELETE FROM things; CREATE TABLE others (id INTEGER); INSERT INTO nowhere VALUES (1);";

    async fn names(connections: &Connections) -> Vec<String> {
        sqlx::query_scalar("SELECT name FROM things ORDER BY id")
            .fetch_all(connections.readers())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn each_step_runs_once_and_keeps_what_is_there() {
        let connections = Connections::open(&Options::memory()).await.unwrap();
        run_steps(&connections, &[FIRST]).await.unwrap();
        for _ in 0..2 {
            run_steps(&connections, &[FIRST, SECOND]).await.unwrap();
            assert_eq!(names(&connections).await, ["thing 1", "thing 2"]);
        }
        let refused = run_steps(&connections, &[FIRST]).await;
        assert!(matches!(refused, Err(Error::NewerSchema { found: 2, known: 1 })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_step_that_fails_undoes_all_steps_of_the_run() {
        let connections = Connections::open(&Options::memory()).await.unwrap();
        run_steps(&connections, &[FIRST]).await.unwrap();
        assert!(run_steps(&connections, &[FIRST, SECOND, BROKEN]).await.is_err());
        let things: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM things").fetch_one(connections.readers()).await.unwrap();
        assert_eq!(things, 2);
        run_steps(&connections, &[FIRST, SECOND]).await.unwrap();
        assert_eq!(names(&connections).await, ["thing 1", "thing 2"]);
    }
}
