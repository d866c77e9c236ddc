//! Why the store did not do its work.
//!
//! Separate so that the database behind the contract can say so, whichever it is.

/// Why the store did not do its work. What it says is for the log, never for a visitor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, is locked for too long, or its disk is full.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row that Anteroom cannot have written.
    #[error("the database has an invalid {column} in {table}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The schema was made by a newer Anteroom.
    #[error("the database has schema version {found}, newer than {known}: run the newer Anteroom")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The schema was made by an older Anteroom, and is not to be changed now.
    #[error(
        "the database has schema version {found}, older than {known}: `anteroom serve` of this version brings it up \
         to date"
    )]
    OlderSchema {
        /// The version found.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The URL names no store that we have.
    #[error("the store URL is not supported")]
    UnsupportedUrl,
}

/// What every operation returns.
pub type Result<T> = std::result::Result<T, Error>;
