//! Tells when the configuration file, or a file that it names, has changed.
//!
//! Separate because it looks at files without reading them. It polls, since what it must notice includes the
//! swap of a symbolic link, by which Kubernetes replaces mounted files, and network file systems.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files that a configuration was read from, and how they looked just before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Stamp>);

impl Files {
    /// Remembers how a file looks; to be called before reading it, so that no change is missed.
    pub(super) fn note(&mut self, path: &Path) {
        self.0.entry(path.to_owned()).or_insert_with(|| Stamp::of(path));
    }

    /// The same files as they look now.
    fn looked_at_again(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), Stamp::of(path))).collect())
    }

    /// The files' names.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

/// What is different after every way of changing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    Absent,
    Present { device: u64, inode: u64, octets: u64, modified: (i64, i64), changed: (i64, i64) },
}

impl Stamp {
    fn of(path: &Path) -> Self {
        fs::metadata(path).map_or(Self::Absent, |file| Self::Present {
            device: file.dev(),
            inode: file.ino(),
            octets: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// Waits for files to change.
#[derive(Debug)]
pub struct Watch {
    files: Files,
    period: Duration,
}

impl Watch {
    /// How often files are looked at: a reload may wait this long, and a look costs a few microseconds.
    pub const PERIOD: Duration = Duration::from_secs(1);

    /// Waits for changes since the files were read (`Config::files`).
    #[must_use]
    pub const fn new(files: Files) -> Self {
        Self { files, period: Self::PERIOD }
    }

    /// Looks at the files more or less often.
    #[must_use]
    pub fn with_period(self, period: Duration) -> Self {
        Self { period, ..self }
    }

    /// Watches these files from now on, those of the last configuration that was read (also of a refused one:
    /// the file that it lacks may still come).
    pub fn follow(&mut self, files: Files) {
        self.files = files;
    }

    /// Returns once any file has appeared, gone or changed. A call that is dropped forgets nothing.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(self.period).await;
            let files = self.files.clone();
            let Ok(files) = tokio::task::spawn_blocking(move || files.looked_at_again()).await else {
                continue;
            };
            if files != self.files {
                self.files = files;
                return;
            }
        }
    }
}
