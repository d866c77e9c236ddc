//! The file with the cluster secret: made at the first start, read at every other.
//!
//! Separate because it is the one file that Anteroom writes into its configuration, and because whoever can
//! read it can forge sessions: it is refused where others may.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::id::Randomness;
use crate::secret::ClusterSecret;

/// Why there is no cluster secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or made.
    #[error("store.secret_file: {} cannot be read or made — check the folder and its permissions", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has not exactly 32 octets.
    #[error(
        "store.secret_file: {} has {octets} octets instead of 32 — restore it from your backup; a new one \
         makes everything sealed in the store unreadable", .path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// How many it has.
        octets: u64,
    },
    /// Others than the owner may read or change it.
    #[error(
        "store.secret_file: {0} is open to others (mode {mode:03o}) — run `chmod 600 {0}`; if somebody may have \
         read it, replace it", .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no regular file.
    #[error("store.secret_file: {} is not a regular file — name another", .path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the secret.
pub fn load(path: &Path) -> Result<ClusterSecret, Error> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let facts = fs::metadata(path).map_err(failed)?;
    if !facts.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    // A group may read, since Kubernetes mounts secrets for the group of the container's user; nobody else.
    let mode = facts.mode() & 0o777;
    if mode & 0o037 != 0 {
        return Err(Error::Open { path: path.to_owned(), mode });
    }
    let wrong_length = |octets| Error::Length { path: path.to_owned(), octets };
    if facts.size() != 32 {
        return Err(wrong_length(facts.size()));
    }
    let octets = fs::read(path).map_err(failed)?;
    let found = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    Ok(ClusterSecret::new(octets.try_into().map_err(|_| wrong_length(found))?))
}

/// Reads the secret, or makes one where there is no file. Two processes that start together get the same.
pub fn load_or_create(path: &Path, randomness: &dyn Randomness) -> Result<ClusterSecret, Error> {
    match load(path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let failed = |source| Error::Io { path: path.to_owned(), source };
            create(path, randomness).map_err(failed)?;
            load(path)
        }
        outcome => outcome,
    }
}

/// Writes a whole new file beside and links it into place, so that nobody ever reads half a secret and an
/// existing one is never replaced.
fn create(path: &Path, randomness: &dyn Randomness) -> io::Result<()> {
    let mut octets = [0_u8; 32];
    randomness.fill(&mut octets);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(name);
    let outcome = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(&octets)?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    })();
    fs::remove_file(&draft).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    outcome?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::id::SystemRandomness;

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anteroom.secret");
        let made = load_or_create(&path, &SystemRandomness).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap().len(), 32);
        let again = load_or_create(&path, &SystemRandomness).unwrap();
        let sealed = made.seal_key("test").seal(b"message");
        assert_eq!(again.seal_key("test").open(&sealed).as_deref(), Some(b"message".as_slice()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn processes_that_start_together_get_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anteroom.secret");
        let mut octets = [0_u8; 32];
        SystemRandomness.fill(&mut octets);
        fs::write(&path, octets).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        create(&path, &SystemRandomness).unwrap();
        assert_eq!(fs::read(&path).unwrap(), octets);
    }

    #[test]
    fn a_secret_of_another_length_or_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anteroom.secret");
        for (octets, mode, expected) in [
            (31, 0o600, "31 octets"),
            (33, 0o600, "33 octets"),
            (0, 0o600, "0 octets"),
            (32, 0o644, "mode 644"),
            (32, 0o620, "mode 620"),
            (32, 0o601, "mode 601"),
        ] {
            fs::write(&path, vec![7; octets]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_create(&path, &SystemRandomness).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        for mode in [0o600, 0o400, 0o440, 0o640] {
            fs::write(&path, [7; 32]).unwrap_or_default();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            load(&path).unwrap();
        }
        assert!(matches!(load(folder.path()), Err(Error::NotAFile { .. })));
    }

    #[test]
    fn a_folder_that_does_not_exist_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_or_create(&folder.path().join("no/such/folder"), &SystemRandomness).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}
