//! The store in a SQLite file: the embedded default, for one node and the commands beside it.
//!
//! Separate from the contract so that PostgreSQL can stand next to it. Each part does the operations of its
//! subject; what other parts need of it are functions that take part in their transaction.

mod access;
mod audit;
mod configuration;
mod conflicts;
mod connection;
mod feed;
mod grants;
mod housekeeping;
mod import;
mod keys;
mod logout;
mod metadata;
mod migration;
mod organization_changes;
mod organizations;
mod outbox;
mod posts;
mod properties;
mod request_changes;
mod requests;
mod row;
mod search;
mod sessions;
mod sign_on;
mod traces;
mod trials;
mod users;
mod waiting;

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use self::connection::Connections;
pub use self::connection::Options;
use crate::store::{Result, Store};

/// An open SQLite database.
#[derive(Debug)]
pub struct Database {
    connections: Connections,
}

impl Database {
    /// Opens the database, made where it is missing, and brings its schema up to date.
    pub async fn open(options: &Options) -> Result<Self> {
        let connections = Connections::open(options).await?;
        migration::run(&connections).await?;
        Ok(Self { connections })
    }

    /// Opens a database that is there to look at it; every write fails. One of another schema is refused.
    pub async fn open_to_read(options: &Options) -> Result<Self> {
        let connections = Connections::open_to_read(options)?;
        migration::check(&connections).await?;
        Ok(Self { connections })
    }

    /// Writes a consistent copy into a new file, while everything goes on.
    pub async fn backup_to(&self, path: &Path) -> Result<()> {
        housekeeping::backup_to(&self.connections, path).await
    }
}

#[async_trait]
impl Store for Database {
    async fn purge(&self, now: Timestamp, idle_since: Timestamp) -> Result<()> {
        housekeeping::purge(&self.connections, now, idle_since).await
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}
