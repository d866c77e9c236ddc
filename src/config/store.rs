//! `[store]`: where Anteroom keeps what it must not forget.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::path::PathBuf;

use super::file;
use super::reading::{Fault, Read, Reading, Told};

/// The store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The database file of SQLite.
    pub database: PathBuf,
    /// The file with the cluster secret.
    pub secret_file: PathBuf,
}

pub(super) fn read(typed: &file::Store, reading: &mut Reading<'_>) -> Read<Store> {
    let database = reading.defaulted("store.url", typed.url.as_deref(), database);
    let secret_file = reading.defaulted("store.secret_file", typed.secret_file.as_deref(), |text| {
        if text.is_empty() {
            return Err(Fault::new("is empty", "write the name of a file, e.g. \"anteroom.secret\""));
        }
        Ok(PathBuf::from(text))
    });
    let store =
        Store { database: reading.folder.join(database?), secret_file: reading.folder.join(secret_file?) };
    if store.database == store.secret_file {
        let remedy = "write another name, e.g. \"anteroom.secret\"";
        reading.findings.refuse("store.secret_file", "is the same file as store.url", remedy);
        return Err(Told);
    }
    Ok(store)
}

/// The file in `sqlite:FILE`, `sqlite://FILE` or `sqlite:///FILE`.
fn database(text: &str) -> Result<PathBuf, Fault> {
    let example = "write \"sqlite:\" and the name of a file, e.g. \"sqlite:anteroom.db\"";
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        // The URL may hold a password and is not repeated.
        return Err(Fault::new("PostgreSQL is not supported yet", example));
    }
    let name = text
        .strip_prefix("sqlite:")
        .ok_or_else(|| Fault::new("is not the URL of a store that Anteroom knows", example))?;
    let name = name.strip_prefix("//").unwrap_or(name);
    if name.contains(":memory:") {
        return Err(Fault::new("a store in memory would forget every user at the next start", example));
    }
    if name.is_empty() || name.ends_with('/') || name.contains(['?', '#', '\0']) {
        return Err(Fault::new(format!("{text:?} does not name a file"), example));
    }
    Ok(PathBuf::from(name))
}
