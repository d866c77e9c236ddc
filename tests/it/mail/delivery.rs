//! From the outbox of a running Anteroom to a mail server, over a real socket.
//!
//! Separate from the courier's rules: what is seen here is SMTP, the configuration and what operators see.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anteroom::mail::smtp::{Server, Smtp};
use anteroom::mail::{FailureKind, Mail, Notice, Sender, Transport, render};

use crate::app::{TestApp, Wanted, free_port, until};
use crate::browserless::PATIENCE;
use crate::smtp::{MailServer, Step};

use super::{address, every_kind, words};

fn smtp_to(url: &str) -> Smtp {
    let application = words().application_url;
    Smtp::new(Server::parse(url).expect("a server"), &application).expect("the machine has certificates")
}

fn mail(recipient: &str) -> Mail {
    Mail {
        id: "0123456789abcdef".to_owned(),
        from: Sender::parse("no-reply@servusconnect.example").expect("a sender"),
        to: address(recipient),
        reply_to: None,
        at: "2026-11-25T12:00:00Z".parse().expect("a time"),
        letter: render(&every_kind(".\r\n.hidden\r\n..")[6..7], &words()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_answers_decides_on_the_next_try() {
    let server = MailServer::start().await;
    let smtp = smtp_to(&format!("smtp://{}", server.address));
    server.refuse("full@contoso.com", "452 4.2.2 mailbox full");
    server.refuse("gone@contoso.com", "550 5.1.1 no <gone@contoso.com> here");
    let failure = smtp.send(&mail("full@contoso.com")).await.expect_err("it is refused");
    assert_eq!((failure.kind, failure.code), (FailureKind::Deferred, Some(452)));
    let failure = smtp.send(&mail("gone@contoso.com")).await.expect_err("it is refused");
    assert_eq!((failure.kind, failure.code), (FailureKind::Rejected, Some(550)));
    assert!(failure.text.contains("5.1.1 no <gone@contoso.com> here"), "{failure}");

    smtp.send(&mail("noah.lind@contoso.com")).await.expect("it is taken over");
    let received = server.receives(1, "noah.lind@contoso.com").await;
    let expected = mail("noah.lind@contoso.com").to_message().expect("a message").formatted();
    let expected = String::from_utf8(expected).expect("ASCII");
    assert_eq!(
        received[0].message.trim_end(),
        expected.trim_end(),
        "no octet is lost or added, dots neither"
    );

    let nobody = smtp_to(&format!("smtp://127.0.0.1:{}", free_port()));
    let failure = nobody.send(&mail("noah.lind@contoso.com")).await.expect_err("nobody is there");
    assert_eq!(failure.kind, FailureKind::Unavailable);
    let strict = smtp_to(&format!("smtp://{}?tls=required", server.address));
    let failure = strict.send(&mail("noah.lind@contoso.com")).await.expect_err("it offers no STARTTLS");
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.text.contains("STARTTLS"), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_say_good_bye_keeps_nobody_waiting() {
    let server = MailServer::start().await;
    server.stand_still_at(Some(Step::Quit));
    let smtp = smtp_to(&format!("smtp://{}", server.address));
    let mail = mail("noah.lind@contoso.com");
    let sent = tokio::time::timeout(PATIENCE, smtp.send(&mail)).await;
    sent.expect("it ends without a good-bye").expect("it is taken over");
    server.stands_still().await;
}

/// The `[mail]` of a configuration.
fn table(server: &MailServer) -> String {
    format!("[mail]\nsmtp = \"smtp://{}\"\nfrom = \"no-reply@servusconnect.example\"\n", server.address)
}

async fn post(app: &TestApp, recipient: &str) {
    let notice: Notice = every_kind("Noah Lind").swap_remove(0);
    let store = app.open_store().await;
    store.post_mail(&[notice.to(&address(recipient))], app.now()).await.expect("it is kept");
    store.close().await;
}

/// A line of `/metrics` by its name.
fn metric(app: &TestApp, name: &str) -> String {
    let mut stream = TcpStream::connect(app.ops_address()).expect("it listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_comes_into_force_by_a_reload_and_finds_what_has_waited() {
    let (one, two) = (MailServer::start().await, MailServer::start().await);
    let app = Wanted::default().start().await;
    post(&app, "noah.lind@contoso.com").await;
    until("the message is seen to wait", async || metric(&app, "anteroom_mail_waiting") == "1").await;

    let bare = std::fs::read_to_string(app.config_path()).expect("the configuration is there");
    std::fs::write(app.config_path(), format!("{bare}\n{}", table(&one))).expect("it can be written");
    app.reload().await.expect("the configuration is good");
    let received = one.receives(1, "noah.lind@contoso.com").await;
    assert_eq!(received[0].header("Subject"), Some("You have access to ServusConnect"));
    until("it is counted", async || metric(&app, "anteroom_mail_sent_total") == "1").await;

    std::fs::write(app.config_path(), format!("{bare}\n{}", table(&two))).expect("it can be written");
    app.reload().await.expect("the configuration is good");
    post(&app, "mia.berg@contoso.com").await;
    two.receives(1, "mia.berg@contoso.com").await;
    assert_eq!(one.to("mia.berg@contoso.com"), []);
    until("nothing waits", async || metric(&app, "anteroom_mail_waiting") == "0").await;
    assert_eq!(metric(&app, "anteroom_mail_failed_total"), "0");
}
