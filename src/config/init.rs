//! `anteroom init`: a first configuration file, to be filled in.
//!
//! Separate because it only writes. The file is the example of the documentation with its required keys
//! commented out, so that `anteroom check` tells what remains to be said.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::schema::{self, Absent};

/// The commented example, as it stands in the repository.
pub const EXAMPLE: &str = include_str!("../../config/anteroom.example.toml");

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is one already.
    #[error("{} exists already and was left as it is", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("{} cannot be written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes the file, never over another.
pub fn write(path: &Path) -> Result<(), Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_owned() },
        _ => Error::Io { path: path.to_owned(), source },
    };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(content().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// The example with its required keys commented out: their values are the operator's own.
fn content() -> String {
    let mut table = "";
    let mut content = String::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.split(']').next().unwrap_or_default();
        }
        let key = line.split_once(" =").map(|(key, _)| format!("{table}.{key}"));
        let required = key.and_then(|key| schema::key(&key)).is_some_and(|key| key.absent == Absent::Missing);
        content.push_str(if required { "# " } else { "" });
        content.push_str(line);
        content.push('\n');
    }
    content
}
