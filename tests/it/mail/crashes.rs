//! `kill -9` between every two steps of a delivery: nothing is lost, and nothing is sent again once it is written
//! down as sent.
//!
//! Separate because it takes the real program on a real file, and a mail server that stands still on demand.
//!
//! One window cannot be closed by anybody: the server has taken the mail over, and that is not written down yet.
//! What is sent again because of it is the same mail, octet by octet, `Message-ID` included.

use anteroom::mail::Notice;
use sqlx::Connection as _;

use crate::smtp::{MailServer, Step};

use super::house::{House, Program};

/// The program and the mail server.
struct Scene {
    house: House,
    server: MailServer,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_the_server_has_not_taken_over_is_sent_once_whenever_the_process_is_killed() {
    let scene = Scene::new().await;

    // Promised, and nobody had the time to claim it.
    scene.post("before-claim@contoso.com").await;
    scene.catch_up("before-claim@contoso.com").await;
    assert_eq!(scene.server.to("before-claim@contoso.com").len(), 1);

    let steps = [Step::Connected, Step::Hello, Step::Mail, Step::Recipient, Step::Data, Step::Sent];
    for (number, step) in steps.into_iter().enumerate() {
        let recipient = format!("step-{number}@contoso.com");
        let running = scene.run_until(step, &recipient).await;
        scene.kill(running).await;
        assert_eq!(scene.server.to(&recipient).len(), 0, "{step:?}: the server does not have it");
        assert!(!scene.house.is_written_down(&recipient).await, "{step:?}");

        scene.catch_up(&recipient).await;
        assert_eq!(scene.server.to(&recipient).len(), 1, "{step:?}: it arrives, once");
    }
    assert_eq!(scene.house.store.mail_waiting().await.expect("a count"), 0);
    scene.house.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_the_server_has_taken_over_is_repeated_only_if_that_was_not_written_down_and_as_the_same()
{
    let scene = Scene::new().await;

    // The server has it, and its answer never comes.
    let running = scene.run_until(Step::TakenOver, "no-answer@contoso.com").await;
    scene.kill(running).await;
    scene.assert_repeated("no-answer@contoso.com").await;

    // The answer has come, and the store keeps it from being written down.
    let running = scene.run_until(Step::Connected, "no-mark@contoso.com").await;
    let lock = scene.house.lock().await;
    scene.server.stand_still_at(Some(Step::Quit));
    scene.server.stands_still().await;
    scene.kill(running).await;
    lock.close_hard().await.expect("the lock is given back");
    scene.assert_repeated("no-mark@contoso.com").await;

    // Written down, while the server still keeps the connection waiting.
    let running = scene.run_until(Step::Quit, "marked@contoso.com").await;
    scene.house.written_down("marked@contoso.com").await;
    scene.kill(running).await;

    // Another mail shows that the next process has gone through everything that was left.
    scene.post("last@contoso.com").await;
    scene.catch_up("last@contoso.com").await;
    for recipient in ["marked@contoso.com", "last@contoso.com"] {
        assert_eq!(scene.server.to(recipient).len(), 1, "{recipient}: never again");
    }
    for recipient in ["no-answer@contoso.com", "no-mark@contoso.com"] {
        assert_eq!(scene.server.to(recipient).len(), 2, "{recipient}: never again once it was written down");
    }
    assert_eq!(scene.house.store.mail_waiting().await.expect("a count"), 0);
    scene.house.store.close().await;
}

impl Scene {
    async fn new() -> Self {
        let server = MailServer::start().await;
        let mail = format!(
            "[mail]\nsmtp = \"smtp://{}\"\nfrom = \"ServusConnect <no-reply@servusconnect.example>\"\n",
            server.address,
        );
        Self { house: House::with_mail(&mail).await, server }
    }

    /// Promises a mail to somebody.
    async fn post(&self, recipient: &str) {
        let notice = Notice::AccessDenied {
            organization: "Contoso".to_owned(),
            property: "Tower".to_owned(),
            reason: format!("for {recipient}"),
        };
        self.house.post(&notice, recipient).await;
    }

    /// Promises a mail and runs the program until the server stands still at that step of its delivery.
    async fn run_until(&self, step: Step, recipient: &str) -> Program {
        self.server.stand_still_at(Some(step));
        let running = self.house.start();
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
        let running = self.house.start();
        self.house.written_down(recipient).await;
        self.kill(running).await;
    }

    /// The one repetition that nobody can rule out: the server has it, and nobody has written that down.
    async fn assert_repeated(&self, recipient: &str) {
        assert_eq!(self.server.to(recipient).len(), 1, "{recipient}");
        assert!(!self.house.is_written_down(recipient).await, "{recipient}");
        self.catch_up(recipient).await;
        let received = self.server.to(recipient);
        assert_eq!(received.len(), 2, "{recipient}");
        assert_eq!(received[0], received[1], "{recipient}: the same octets");
        let message_id = received[0].header("Message-ID").expect("every mail has one");
        assert!(message_id.ends_with("@servusconnect.example>"), "{message_id}");
    }
}
