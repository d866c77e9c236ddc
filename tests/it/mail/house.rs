//! The real program in a folder of its own, and its outbox from outside.
//!
//! Separate because crashes and peers both need a process that can be killed and given an environment.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anteroom::clock::{Clock as _, SystemClock};
use anteroom::mail::Notice;
use anteroom::store::{self, Message, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::app::until;
use crate::idp::Idp;

use super::address;

/// A folder with a configuration and a store, opened by the test as well.
pub(super) struct House {
    folder: TempDir,
    pub(super) store: Arc<dyn Store>,
}

/// `anteroom serve`, until it is killed.
pub(super) struct Program(Child);

impl Program {
    /// Ends it without any warning.
    pub(super) fn kill(mut self) {
        self.0.kill().expect("it runs");
        let status = self.0.wait().expect("it ends");
        assert_eq!(status.signal(), Some(9), "it ran until it was killed: {status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that has failed leaves nobody behind.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

impl House {
    /// With that table `[mail]` in its configuration.
    pub(super) async fn with_mail(mail: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("contoso.xml"), Idp::entra().metadata_xml()).expect("a file");
        let configuration = format!(
            "[app]\nurl = \"http://app.localhost\"\nupstreams = [\"http://127.0.0.1:9\"]\nname = \"ServusConnect\"\n\
             support_email = \"support@servusconnect.example\"\n\
             [saml]\nentity_id = \"urn:example:app\"\nacs_url = \"http://login.localhost/saml2/idpresponse\"\n\
             [listen]\npublic = \"127.0.0.1:0\"\nops = \"127.0.0.1:0\"\n{mail}\n\
             [[organization]]\nid = \"contoso\"\nname = \"Contoso\"\ndomains = [\"contoso.com\"]\n\
             metadata = \"contoso.xml\"\n",
        );
        std::fs::write(folder.path().join("anteroom.toml"), configuration).expect("a file");
        let path = folder.path().join("anteroom.db");
        let store = store::open(&store::Settings::Sqlite { path }).await.expect("a store");
        Self { folder, store }
    }

    pub(super) fn start(&self) -> Program {
        self.start_with(&[])
    }

    /// Starts the program with these variables.
    pub(super) fn start_with(&self, variables: &[(&str, &str)]) -> Program {
        let child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .args(["serve", "--config"])
            .arg(self.folder.path().join("anteroom.toml"))
            .env("ANTEROOM_LOG", "off")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .expect("the program can be run");
        Program(child)
    }

    /// Promises a mail to somebody.
    pub(super) async fn post(&self, notice: &Notice, recipient: &str) {
        self.store.post_mail(&[notice.to(&address(recipient))], SystemClock.now()).await.expect("it is kept");
    }

    async fn message(&self, recipient: &str) -> Message {
        let messages = self.store.messages(false, None, 1_000).await.expect("the outbox can be read");
        let message = messages.into_iter().find(|message| message.recipient.as_str() == recipient);
        message.expect("it is kept for a while")
    }

    pub(super) async fn is_written_down(&self, recipient: &str) -> bool {
        self.message(recipient).await.sent_at.is_some()
    }

    /// Waits until the mail to somebody is written down as sent.
    pub(super) async fn written_down(&self, recipient: &str) {
        until("the mail is written down as sent", async || self.is_written_down(recipient).await).await;
    }

    /// Waits until a try has failed, and returns why.
    pub(super) async fn failure(&self, recipient: &str) -> String {
        until("a try fails", async || self.message(recipient).await.error.is_some()).await;
        self.message(recipient).await.error.expect("it has failed")
    }

    /// Keeps everybody else from writing.
    pub(super) async fn lock(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("anteroom.db"));
        let mut raw = SqliteConnection::connect_with(&options).await.expect("a connection");
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut raw).await.expect("the lock");
        raw
    }
}
