//! What the console does, by commands beside a running server: trying a connection out, settling conflicts, and what
//! is known of a person.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{NOAH, contoso};
use crate::app::{Pending, Person, TestApp, Wanted};

/// Runs a command and reads its JSON.
async fn ask(app: &TestApp, arguments: &[&str]) -> Value {
    let out = app.command(&[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&out).expect("JSON")
}

/// Runs a command that must be refused: the code, and the report for programs if there is one.
async fn refused(app: &TestApp, arguments: &[&str]) -> (String, Value) {
    let done = app.try_command(&[arguments, &["--json"]].concat()).await;
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let error: Value = serde_json::from_slice(&done.stderr).expect("JSON");
    let report = serde_json::from_slice(&done.stdout).unwrap_or_default();
    (error["error"]["code"].as_str().expect("a code").to_owned(), report)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_tried_out_from_the_command_line() {
    let app = contoso(Wanted::default()).await;
    let begun = ask(&app, &["organization", "trial", "contoso"]).await;
    let (url, reference) =
        (begun["url"].as_str().expect("a URL"), begun["reference"].as_str().expect("a text"));
    let show = ["organization", "trial", "contoso", "--show", reference];
    assert_eq!(refused(&app, &show).await.0, "unanswered");

    let mut visitor = app.visitor().who_is(NOAH);
    let pending = Pending::read(url.parse().expect("a URL"));
    assert_eq!(pending.request.id, reference);
    visitor.answer_with(&visitor.answer(&pending)).await;
    assert_eq!(visitor.session(), None, "a trial signs nobody on");
    assert_eq!(app.user(NOAH).await, None);
    let report = ask(&app, &show).await;
    assert_eq!(report["ok"], true, "{report}");
    let text = app.command(&show).await;
    assert!(text.contains("passed       The address is in the domains of the organization"), "{text}");
    assert!(text.contains(&format!("got: {NOAH}")), "{text}");

    // What fails is a failure, with what to do about it.
    let begun = ask(&app, &["organization", "trial", "contoso"]).await;
    let pending = Pending::read(begun["url"].as_str().expect("a URL").parse().expect("a URL"));
    let wrong = |message: &mut crate::idp::Message| message.audiences = vec![vec!["urn:other".to_owned()]];
    visitor.answer_with(&visitor.answer(&pending).with(wrong)).await;
    let show = ["organization", "trial", "contoso", "--show", begun["reference"].as_str().expect("a text")];
    let (code, report) = refused(&app, &show).await;
    assert_eq!((code.as_str(), &report["ok"]), ("trial_failed", &json!(false)));
    let told = String::from_utf8(app.try_command(&show).await.stderr).expect("text");
    assert!(told.contains("failed       It is meant for us. "), "{told}");
    assert!(told.contains("Set the Identifier (Entity ID) of the application"), "{told}");
    assert!(told.contains("got: urn:other"), "both sides: {told}");

    assert_eq!(
        refused(&app, &["organization", "trial", "contoso", "--show", "t123"]).await.0,
        "no_such_trial"
    );
    assert_eq!(refused(&app, &["organization", "trial", "nobody"]).await.0, "no_such_organization");
    let log = app.audit().await;
    let begun = log.iter().find(|entry| entry.action == "connection.test_begun").expect("it is written down");
    assert_eq!((begun.actor.as_str(), begun.subject.as_deref()), ("command", Some("contoso")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_can_be_waited_for() {
    let app = contoso(Wanted::default()).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_anteroom"));
    command.args(["organization", "trial", "contoso", "--wait", "--json", "--config"]).arg(app.config_path());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let begin = move || {
        let mut child = command.spawn().expect("the program can be run");
        let mut errors = BufReader::new(child.stderr.take().expect("it has one"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("it is text");
        (child, errors, line)
    };
    let (child, errors, line) = tokio::task::spawn_blocking(begin).await.expect("it is waited for");
    let (_, url) = line.trim().split_once(": ").expect("a link");
    let mut visitor = app.visitor().who_is(NOAH);
    let pending = Pending::read(url.parse().expect("a URL"));
    visitor.answer_with(&visitor.answer(&pending)).await;
    let output =
        tokio::task::spawn_blocking(move || child.wait_with_output()).await.expect("it is waited for");
    let output = output.expect("it ends");
    drop(errors);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["ok"], report["checks"].as_array().map(Vec::len)), (&json!(true), Some(28)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_a_person_is_shown_and_a_conflict_settled() {
    let app = contoso(Wanted::default()).await;
    let noah = app.member(NOAH).await;
    assert_eq!(ask(&app, &["user", "conflicts"]).await, json!([]));
    let mut successor = app.visitor();
    successor.person = Person { object_id: "another-object".to_owned(), ..Person::with_email(NOAH) };
    successor.sign_on("/").await.expect(403);
    let pending = successor.begin("/").await;
    let message =
        successor.answer(&pending).with(|message| message.audiences = vec![vec!["urn:other".to_owned()]]);
    successor.answer_with(&message).await.expect(403);

    let conflicts = ask(&app, &["user", "conflicts"]).await;
    let reference = conflicts[0]["reference"].as_str().expect("a reference").to_owned();
    assert_eq!((&conflicts[0]["email"], &conflicts[0]["connection"]), (&json!(NOAH), &json!("contoso")));
    assert!(conflicts[0]["subject"].as_str().expect("a key").ends_with(":another-object"), "{conflicts}");
    let shown = ask(&app, &["user", "show", NOAH]).await;
    assert_eq!(shown["conflicts"], conflicts);
    assert_eq!(shown["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["requests"], json!([]));
    let reasons: Vec<_> =
        shown["sign_ons"].as_array().expect("a list").iter().map(|one| &one["reason"]).collect();
    assert_eq!(reasons, [&json!("wrong_audience"), &json!("subject_conflict"), &Value::Null]);
    assert_eq!(shown["sign_ons"][0]["details"]["claimed"]["verified"], false);
    let text = app.command(&["user", "show", NOAH]).await;
    assert!(text.contains(&format!("claimed, not verified: {NOAH}")), "{text}");
    assert!(text.contains(&format!("reference {reference}")), "{text}");

    // It was somebody else; then it was the same person after all.
    app.command(&["user", "dismiss", &reference]).await;
    assert_eq!(refused(&app, &["user", "bind", &reference]).await.0, "no_such_conflict");
    successor.sign_on("/").await.expect(403);
    let conflicts = ask(&app, &["user", "conflicts"]).await;
    let bound = ask(&app, &["user", "bind", conflicts[0]["reference"].as_str().expect("a reference")]).await;
    assert_eq!((&bound["email"], &bound["changed"]), (&json!(NOAH), &json!(true)));
    successor.sign_on("/in").await.expect(200);
    crate::app::until("the sessions from before have ended", async || {
        noah.browser.clone().open(&app.url("/")).await.url.path() == "/.anteroom/sign-in"
    })
    .await;
}
