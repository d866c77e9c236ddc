//! The folder that the demo's Anteroom lives in: its configuration, its database, its secret.
//!
//! Separate because it is the part of the demo that touches the disk.
//!
//! Rules: a folder that we made goes away with us; in a folder that somebody named, nothing is overwritten but
//! what the demo itself wrote there before.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::demo::Addresses;
use crate::demo::application::ASSETS;
use crate::id::{SystemRandomness, random_hex};

/// The organization of the demo.
pub(crate) const ORGANIZATION: &str = "contoso";

/// The entity ID under which the provider knows Anteroom.
pub(crate) const ENTITY_ID: &str = "urn:anteroom:demo";

/// A folder, removed at the end if it is temporary.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    is_temporary: bool,
    is_new: bool,
}

impl Folder {
    /// Takes the folder that was named, or makes a temporary one that nobody else can read.
    pub(crate) fn open(data: Option<PathBuf>) -> anyhow::Result<Self> {
        let is_temporary = data.is_none();
        let path = data.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("anteroom-demo-{}", random_hex(&SystemRandomness)))
        });
        DirBuilder::new()
            .recursive(!is_temporary)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("the folder {} cannot be made", path.display()))?;
        let path = fs::canonicalize(path)?;
        let is_new = !path.join("anteroom.db").exists();
        let folder = Self { path, is_temporary, is_new };
        if let Ok(text) = fs::read_to_string(folder.config_path()) {
            ensure!(
                text.starts_with(FIRST_LINE),
                "{} was not written by the demo; name another folder with --data",
                folder.config_path().display()
            );
        }
        Ok(folder)
    }

    /// The configuration file.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.path.join("anteroom.toml")
    }

    /// Whether no demo was here before.
    pub(crate) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the configuration and the customer's metadata.
    pub(crate) fn write(&self, addresses: &Addresses, metadata: &str) -> anyhow::Result<()> {
        fs::write(self.path.join("contoso.xml"), metadata)?;
        fs::write(self.config_path(), configuration(addresses))?;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            // What is left of it then is in the system's folder for such things.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

fn configuration(addresses: &Addresses) -> String {
    let Addresses { anteroom, login, public, application, smtp, .. } = addresses;
    let app = anteroom.as_str().trim_end_matches('/');
    format!(
        r#"{FIRST_LINE} It is written anew at each start.

[app]
url = "{app}"
upstreams = ["http://{application}"]
public_paths = ["{ASSETS}"]
name = "Maintenance"
support_email = "support@contoso.example"

[saml]
entity_id = "{ENTITY_ID}"
acs_url = "{login}"

[listen]
public = "{public}"
ops = "127.0.0.1:0"

[store]
url = "sqlite:anteroom.db"
secret_file = "anteroom.secret"

[mail]
smtp = "smtp://{smtp}"
from = "Maintenance <no-reply@contoso.example>"

[[organization]]
id = "{ORGANIZATION}"
name = "Contoso Residential"
domains = ["contoso.example"]
metadata = "contoso.xml"
"#
    )
}

const FIRST_LINE: &str = "# Made by `anteroom demo`.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = Folder::open(None).unwrap();
        let path = folder.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_named_folder_stays_and_a_configuration_of_somebody_is_not_overwritten() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("deep/demo");
        let folder = Folder::open(Some(path.clone())).unwrap();
        fs::write(folder.config_path(), FIRST_LINE).unwrap();
        drop(folder);
        drop(Folder::open(Some(path.clone())).unwrap());
        fs::write(path.join("anteroom.toml"), "[app]\n").unwrap();
        let error = Folder::open(Some(path)).unwrap_err();
        assert!(error.to_string().contains("not written by the demo"), "{error:#}");
    }
}
