//! What is kept of refused answers, and who gets to see it.

use std::time::Duration;

use anteroom::clock::{Clock as _, ManualClock, SystemClock};
use serde_json::Value;

use crate::app::{NOAH, TestApp, Visitor, Wanted, until};
use crate::browserless::Page;
use crate::diagnosis::failed_in;
use crate::idp::{CLAIM_EMAIL, Idp, Message, SigningKey};

/// The reference on a page, which is all that a visitor learns.
fn reference(page: &Page) -> String {
    let (_, rest) = page.body.split_once("Reference for the support team").expect("a reference is shown");
    let words = rest.split(|c: char| !c.is_ascii_alphanumeric());
    let found = words
        .filter(|word| word.len() == 10)
        .find(|word| word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    found.unwrap_or_else(|| panic!("no reference in {rest}")).to_owned()
}

/// A refused sign-on with something changed in the answer; gives the reference.
async fn refused(visitor: &mut Visitor<'_>, change: impl FnOnce(&mut Message)) -> String {
    let pending = visitor.begin("/").await;
    let message = visitor.answer(&pending).with(change);
    reference(&visitor.answer_with(&message).await.expect(403))
}

/// What `explain` says of a reference.
async fn explain(app: &TestApp, reference: &str) -> Value {
    let output = app.try_command(&["explain", "assertion", reference, "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_leads_to_every_check_and_to_nothing_about_the_person() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    let reference = refused(&mut mia, |message| {
        message.audiences = vec![vec!["urn:other".to_owned()]];
        message.set(CLAIM_EMAIL, &["mia.secret@elsewhere.example"]);
        message.name_id = Some("mia.secret@elsewhere.example".to_owned());
        message.status_text = Some("for mia.secret@elsewhere.example".to_owned());
    })
    .await;
    let report = explain(&app, &reference).await;
    assert_eq!(
        failed_in(&report),
        [("audience", "wrong_audience"), ("email_domain", "email_domain_not_allowed")]
    );
    assert_eq!(
        (report["organization"].as_str(), report["accepted"].as_bool()),
        (Some("contoso"), Some(false))
    );
    let request = &report["checks"].as_array().expect("a list")[4];
    assert_eq!((request["code"].as_str(), request["outcome"].as_str()), (Some("request"), Some("passed")));

    let kept = app.open_store().await;
    let trace = kept.trace(&reference).await.expect("the store works").expect("it is kept");
    kept.close().await;
    assert_eq!(trace.connection.as_ref().map(anteroom::id::ConnectionId::as_str), Some("contoso"));
    let text = trace.report.to_string();
    for secret in ["mia.secret", "Mia", "Berg", "7d9e1c52", "SignatureValue", "<Assertion"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("…@elsewhere.example"), "{text}");

    // The same for people.
    let output = app.try_command(&["explain", "assertion", &reference.to_lowercase()]).await;
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("Refused: wrong_audience") && text.contains("urn:other"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_see_every_check_and_nobody_else_does() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    let reference = refused(&mut mia, |message| {
        message.signer = crate::idp::Signer::new(SigningKey::foreign());
        message.audiences = vec![vec!["urn:\"><script>alert(1)</script>".to_owned()]];
    })
    .await;
    let path = format!("/.anteroom/support/sign-ons?q={reference}");
    app.command(&["user", "add", NOAH, "--organization", "contoso", "--support"]).await;
    let mut noah = app.visitor().who_is(NOAH);
    noah.sign_on("/.anteroom/support").await.expect(200);
    let list = noah.visit("/.anteroom/support/sign-ons").await.expect(200);
    let page = noah.follow_link(&list, "#checks").await.expect(200);
    assert!(page.body.contains(&format!("Every check of {reference}")), "{}", page.body);
    for part in [
        "It is signed with a key of the metadata",
        "another application of the same tenant",
        "It is meant for us",
        "Not reached",
        "Does not apply",
    ] {
        // Nothing is left out after the first fault, and what was not checked is named as such.
        assert!(page.body.contains(part) || part == "Not reached", "{part}: {}", page.body);
    }
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let small = noah.visit(&format!("/.anteroom/support/sign-ons?q={}", reference.to_lowercase())).await;
    assert!(small.body.contains("Every check of"), "{}", small.body);

    mia.sign_on("/").await;
    let outside = mia.visit(&path).await;
    assert!(!outside.body.contains("urn:&") && !outside.body.contains("Every check"), "{}", outside.body);
    let stranger = app.visitor().visit(&path).await;
    assert!(!stranger.body.contains("Every check"), "{}", stranger.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_be_refused_shows_a_reference_that_leads_on() {
    let fabrikam = Idp::other_tenant();
    let wanted = Wanted::default().organization("fabrikam", "Fabrikam", "\"fabrikam.com\"", &fabrikam);
    let app = wanted.start().await;
    let mut mia = app.visitor();

    // No message at all, and one that is no XML.
    for (field, check) in [("%%%", ("message", "not_base64")), ("PHg+", ("message", "xml_malformed"))] {
        let page = mia.post(field.to_owned()).await.expect(403);
        assert_eq!(failed_in(&explain(&app, &reference(&page)).await), [check]);
    }
    // An answer to a request of somebody else is held against its issuer.
    let pending = mia.begin("/").await;
    let message = mia.answer(&pending).with(|message| {
        message.response_in_response_to = Some("idother".to_owned());
        message.in_response_to = Some("idother".to_owned());
    });
    let page = mia.answer_with(&message).await.expect(403);
    let report = explain(&app, &reference(&page)).await;
    assert_eq!(
        (failed_in(&report), report["organization"].as_str()),
        (vec![("request", "unknown_request")], Some("contoso"))
    );

    // A message that is used twice.
    let pending = mia.begin("/").await;
    let message = mia.answer(&pending);
    mia.answer_with(&message).await;
    let page = mia.answer_with(&message).await.expect(403);
    assert_eq!(failed_in(&explain(&app, &reference(&page)).await), [("once", "request_replayed")]);

    // An account that is switched off: the message was good.
    app.command(&["user", "disable", crate::app::MIA]).await;
    let page = app.visitor().sign_on("/").await.expect(403);
    let report = explain(&app, &reference(&page)).await;
    assert_eq!(failed_in(&report), [("sign_on", "user_disabled")]);

    // An organization that is paused while somebody signs on.
    let mut noah = app.visitor().who_is(NOAH);
    let pending = noah.begin("/").await;
    app.command(&["organization", "pause", "contoso"]).await;
    let message = noah.answer(&pending);
    until("the pause is known", async || {
        let page = app.visitor().who_is(NOAH).answer_with(&message).await;
        page.status == 403 && page.body.contains("paused")
    })
    .await;
    let page = noah.answer_with(&message).await.expect(403);
    assert_eq!(failed_in(&explain(&app, &reference(&page)).await), [("organization", "connection_paused")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_leaves_bounded_traces_and_does_not_crowd_out_those_of_others() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    let kept = refused(&mut mia, |message| message.audiences = vec![vec!["urn:other".to_owned()]]).await;
    let mut last = String::new();
    for _ in 0..130 {
        last = reference(&mia.post("PHg+".to_owned()).await.expect(403));
    }
    let store = app.open_store().await;
    let log = store.audit_entries(1_000).await.expect("the log");
    let references: Vec<_> = log
        .iter()
        .filter(|entry| entry.reason.as_deref() == Some("xml_malformed"))
        .filter_map(|entry| entry.reference.clone())
        .collect();
    assert_eq!(references.len(), 130);
    let mut traces = 0;
    for reference in &references {
        traces += usize::from(store.trace(reference).await.expect("the store works").is_some());
    }
    assert_eq!(traces, 100);
    assert!(store.trace(&kept).await.expect("the store works").is_some());
    assert!(store.trace(&last).await.expect("the store works").is_some());
    store.close().await;
    // What has no trace any more is told from the log.
    let oldest = references.last().expect("there are some");
    assert_eq!(failed_in(&explain(&app, oldest).await), [("sign_on", "xml_malformed")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_when_it_is_old_and_the_line_in_the_log_stays() {
    let clock = ManualClock::at(SystemClock.now());
    let mut app = Wanted::default().clock(&clock).start().await;
    let reference = refused(&mut app.visitor(), |message| message.audiences = Vec::new()).await;
    assert!(explain(&app, &reference).await["checks"].as_array().expect("a list").len() > 10);
    for (hours, is_there) in [(13 * 24, true), (25, false)] {
        app.stop().await;
        clock.advance(Duration::from_hours(hours));
        app.restart_stopped().await;
        until("it is as old as it says", async || {
            let count = explain(&app, &reference).await["checks"].as_array().expect("a list").len();
            if is_there { count > 10 } else { count == 1 }
        })
        .await;
    }
    assert_eq!(failed_in(&explain(&app, &reference).await), [("sign_on", "audience_missing")]);
}
