//! The commands, run as an operator runs them: the real binary on a configuration of its own.
//!
//! Separate by subject; this file has what they share. Everything is looked at from outside: standard output,
//! standard error and the exit code, and the store as a running server would see it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the whole of it is test, also what clippy does not know as such"
)]

mod gate;
mod logs;
mod people;
mod places;
mod requests;
mod setup;
mod tables;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use anteroom::store::{self, Settings, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::idp::Idp;

/// A folder with a valid configuration: the organizations `contoso` and `fabrikam`, and three levels.
struct Office {
    folder: TempDir,
}

/// What a command has said.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Office {
    fn new() -> Self {
        let office = Self { folder: tempfile::tempdir().expect("a folder") };
        office.write("contoso.xml", &Idp::entra().metadata_xml());
        office.write("fabrikam.xml", &Idp::other_tenant().metadata_xml());
        office.write("anteroom.toml", CONFIGURATION.as_bytes());
        office
    }

    /// With two properties of Contoso and one of Fabrikam.
    fn furnished() -> Self {
        let office = Self::new();
        for (id, organization) in [("maple", "contoso"), ("oak", "contoso"), ("tower", "fabrikam")] {
            office.ok(&["property", "add", id, "--organization", organization, "--name", id]);
        }
        office
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, octets: &[u8]) -> String {
        fs::write(self.path(name), octets).expect("the folder is writable");
        self.path(name).to_str().expect("the path is plain").to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anteroom"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("ANTEROOM_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        Done::from(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs what must succeed, and returns what it prints for people.
    fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{arguments:?}: {done:?}");
        done.out
    }

    /// Runs what must succeed, and returns what it prints for programs.
    fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).expect("JSON")
    }

    /// Runs what must fail, for people and for programs, and returns the error of the latter.
    fn fails(&self, code: i32, arguments: &[&str]) -> Value {
        let done = self.run(arguments);
        assert_eq!((done.code, done.out.as_str()), (code, ""), "{arguments:?}: {done:?}");
        assert!(!done.err.trim().is_empty(), "{arguments:?} says nothing");
        let done = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(done.code, code, "{arguments:?}: {done:?}");
        let mut error: Value = serde_json::from_str(&done.err).expect("JSON on the standard error");
        assert!(error["error"]["message"].is_string(), "{error}");
        error["error"].take()
    }

    /// Runs what must be refused, and returns the code of the refusal and its words.
    fn refused(&self, arguments: &[&str]) -> (String, String) {
        let error = self.fails(1, arguments);
        let text = |name: &str| error[name].as_str().expect("a text").to_owned();
        (text("code"), text("message"))
    }

    /// The store as a running server has it open.
    async fn store(&self) -> Arc<dyn Store> {
        store::open(&Settings::Sqlite { path: self.path("anteroom.db") }).await.expect("the store opens")
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |octets| String::from_utf8(octets).expect("UTF-8");
        Self {
            code: output.status.code().expect("an exit code"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

const CONFIGURATION: &str = r#"
[app]
url = "https://app.example.com"
upstreams = ["http://127.0.0.1:3000"]

[saml]
entity_id = "urn:example:anteroom"
acs_url = "https://login.example.com/saml2/idpresponse"

[listen]
ops = "127.0.0.1:1"

[access]
levels = ["viewer", "technician", "manager"]
may_request = ["manager"]

[[organization]]
id = "contoso"
name = "Contoso Residential"
domains = ["contoso.com", "contoso.co.uk"]
metadata = "contoso.xml"

[[organization]]
id = "fabrikam"
name = "Fabrikam"
domains = ["fabrikam.com"]
metadata = "fabrikam.xml"
"#;
