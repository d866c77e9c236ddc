//! `kill -9` between every two steps of a delivery: nothing is lost, and nothing is sent again once it is written
//! down as sent.
//!
//! Separate because it takes the real program on a real file, and a mail server that stands still on demand.
//!
//! One window cannot be closed by anybody: the server has taken the mail over, and that is not written down yet.
//! What is sent again because of it is the same mail, octet by octet, `Message-ID` included.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anteroom::clock::{Clock as _, SystemClock};
use anteroom::mail::Notice;
use anteroom::store::{self, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::app::until;
use crate::idp::Idp;
use crate::smtp::{MailServer, Step};

use super::address;

/// A folder with a configuration that sends mail to the server, and the store.
struct House {
    folder: TempDir,
    server: MailServer,
    store: Arc<dyn Store>,
}

/// `anteroom serve`, until it is killed.
struct Program(Child);

impl Program {
    /// Ends it without any warning.
    fn kill(mut self) {
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
    async fn new() -> Self {
        let server = MailServer::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("contoso.xml"), Idp::entra().metadata_xml()).expect("a file");
        let configuration = format!(
            "[app]\nurl = \"http://app.localhost\"\nupstreams = [\"http://127.0.0.1:9\"]\nname = \"ServusConnect\"\n\
             [saml]\nentity_id = \"urn:example:app\"\nacs_url = \"http://login.localhost/saml2/idpresponse\"\n\
             [listen]\npublic = \"127.0.0.1:0\"\nops = \"127.0.0.1:0\"\n\
             [mail]\nsmtp = \"smtp://{}\"\nfrom = \"ServusConnect <no-reply@servusconnect.example>\"\n\
             [[organization]]\nid = \"contoso\"\nname = \"Contoso\"\ndomains = [\"contoso.com\"]\n\
             metadata = \"contoso.xml\"\n",
            server.address,
        );
        std::fs::write(folder.path().join("anteroom.toml"), configuration).expect("a file");
        let path = folder.path().join("anteroom.db");
        let store = store::open(&store::Settings::Sqlite { path }).await.expect("a store");
        Self { folder, server, store }
    }

    fn start(&self) -> Program {
        let child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .args(["serve", "--config"])
            .arg(self.folder.path().join("anteroom.toml"))
            .env("ANTEROOM_LOG", "off")
            .stdin(Stdio::null())
            .spawn()
            .expect("the program can be run");
        Program(child)
    }

    /// Promises a mail to somebody.
    async fn post(&self, recipient: &str) {
        let notice = Notice::AccessDenied {
            organization: "Contoso".to_owned(),
            property: "Tower".to_owned(),
            reason: format!("for {recipient}"),
        };
        self.store.post_mail(&[notice.to(&address(recipient))], SystemClock.now()).await.expect("it is kept");
    }

    async fn is_written_down(&self, recipient: &str) -> bool {
        let messages = self.store.messages(false, 1_000).await.expect("the outbox can be read");
        let message = messages.into_iter().find(|message| message.recipient.as_str() == recipient);
        message.expect("it is kept for a while").sent_at.is_some()
    }

    /// Waits until the mail to somebody is written down as sent.
    async fn written_down(&self, recipient: &str) {
        until("the mail is written down as sent", async || self.is_written_down(recipient).await).await;
    }

    /// Keeps everybody else from writing.
    async fn lock(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("anteroom.db"));
        let mut raw = SqliteConnection::connect_with(&options).await.expect("a connection");
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut raw).await.expect("the lock");
        raw
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_the_server_has_not_taken_over_is_sent_once_whenever_the_process_is_killed() {
    let house = House::new().await;

    // Promised, and nobody had the time to claim it.
    house.post("before-claim@contoso.com").await;
    house.catch_up("before-claim@contoso.com").await;
    assert_eq!(house.server.to("before-claim@contoso.com").len(), 1);

    let steps = [Step::Connected, Step::Hello, Step::Mail, Step::Recipient, Step::Data, Step::Sent];
    for (number, step) in steps.into_iter().enumerate() {
        let recipient = format!("step-{number}@contoso.com");
        let running = house.run_until(step, &recipient).await;
        house.kill(running).await;
        assert_eq!(house.server.to(&recipient).len(), 0, "{step:?}: the server does not have it");
        assert!(!house.is_written_down(&recipient).await, "{step:?}");

        house.catch_up(&recipient).await;
        assert_eq!(house.server.to(&recipient).len(), 1, "{step:?}: it arrives, once");
    }
    assert_eq!(house.store.mail_waiting().await.expect("a count"), 0);
    house.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_the_server_has_taken_over_is_repeated_only_if_that_was_not_written_down_and_as_the_same()
{
    let house = House::new().await;

    // The server has it, and its answer never comes.
    let running = house.run_until(Step::TakenOver, "no-answer@contoso.com").await;
    house.kill(running).await;
    house.assert_repeated("no-answer@contoso.com").await;

    // The answer has come, and the store keeps it from being written down.
    let running = house.run_until(Step::Connected, "no-mark@contoso.com").await;
    let lock = house.lock().await;
    house.server.stand_still_at(Some(Step::Quit));
    house.server.stands_still().await;
    house.kill(running).await;
    lock.close_hard().await.expect("the lock is given back");
    house.assert_repeated("no-mark@contoso.com").await;

    // Written down, while the server still keeps the connection waiting.
    let running = house.run_until(Step::Quit, "marked@contoso.com").await;
    house.written_down("marked@contoso.com").await;
    house.kill(running).await;

    // Another mail shows that the next process has gone through everything that was left.
    house.post("last@contoso.com").await;
    house.catch_up("last@contoso.com").await;
    for recipient in ["marked@contoso.com", "last@contoso.com"] {
        assert_eq!(house.server.to(recipient).len(), 1, "{recipient}: never again");
    }
    for recipient in ["no-answer@contoso.com", "no-mark@contoso.com"] {
        assert_eq!(house.server.to(recipient).len(), 2, "{recipient}: never again once it was written down");
    }
    assert_eq!(house.store.mail_waiting().await.expect("a count"), 0);
    house.store.close().await;
}

impl House {
    /// Promises a mail and runs the program until the server stands still at that step of its delivery.
    async fn run_until(&self, step: Step, recipient: &str) -> Program {
        self.server.stand_still_at(Some(step));
        let running = self.start();
        self.post(recipient).await;
        self.server.stands_still().await;
        running
    }

    /// Kills the program, and lets the server notice before it goes on.
    async fn kill(&self, program: Program) {
        program.kill();
        self.server.is_alone().await;
        self.server.stand_still_at(None);
    }

    /// Runs the program until the mail to somebody is written down as sent.
    async fn catch_up(&self, recipient: &str) {
        let running = self.start();
        self.written_down(recipient).await;
        self.kill(running).await;
    }

    /// The one repetition that nobody can rule out: the server has it, and nobody has written that down.
    async fn assert_repeated(&self, recipient: &str) {
        assert_eq!(self.server.to(recipient).len(), 1, "{recipient}");
        assert!(!self.is_written_down(recipient).await, "{recipient}");
        self.catch_up(recipient).await;
        let received = self.server.to(recipient);
        assert_eq!(received.len(), 2, "{recipient}");
        assert_eq!(received[0], received[1], "{recipient}: the same octets");
        let message_id = received[0].header("Message-ID").expect("every mail has one");
        assert!(message_id.ends_with("@servusconnect.example>"), "{message_id}");
    }
}
