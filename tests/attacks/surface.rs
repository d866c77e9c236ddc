//! Every attack of the catalogue against a running Anteroom: refused, noted once, and nothing has happened.
//!
//! Separate from the catalogue because a verifier that refuses is worth nothing if what stands around it lets
//! something through: a session, a user, a request to the application, a spent request.
//!
//! Rules: the hostile message comes first and must leave nothing behind, not even a used-up request: the genuine
//! answer to the same request signs the same person on afterwards.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Attack, World, catalogue};
use crate::app::{ENTITY_ID, TestApp};
use crate::browserless::Page;
use crate::idp::Request;

/// What a row came to; empty if all is well.
async fn attempt(attack: &Attack) -> Vec<String> {
    let app = TestApp::new().await;
    let mut visitor = app.visitor();
    let pending = visitor.begin("/private").await;
    let request = Request { sp_entity_id: ENTITY_ID.to_owned(), ..pending.request };
    let world = World { idp: app.idp.clone(), request, now: app.now() };
    let control = (attack.control)(&world);
    let genuine = control.to_form();
    let hostile = STANDARD.encode((attack.hostile)(&world, control));
    if hostile == genuine {
        return vec!["the hostile message is the control".to_owned()];
    }

    let mut found = Vec::new();
    let answer = visitor.post(hostile).await;
    found.extend(wrong_answer(attack, &answer));
    if let Some(session) = visitor.session() {
        found.push(format!("THERE IS A SESSION: {session}"));
    }
    let store = app.open_store().await;
    let users = store.accounts(&anteroom::store::UserFilter::default()).await.expect("it can be read");
    let sessions = store.sessions(None, 10).await.expect("it can be read");
    if !users.is_empty() || !sessions.is_empty() {
        found.push(format!("something was made: {users:?} {sessions:?}"));
    }
    let entries = store.audit_entries(100).await.expect("it can be read");
    let noted: Vec<_> = entries.iter().filter(|entry| entry.action.starts_with("sign_on.")).collect();
    let reasons: Vec<&str> = noted.iter().filter_map(|entry| entry.reason.as_deref()).collect();
    match reasons.as_slice() {
        [reason] if is_expected(attack, reason) => {}
        [] if answer.status == 413 => {}
        reasons => found.push(format!("noted as {reasons:?} instead of one of {:?}", attack.codes)),
    }
    for entry in noted {
        let shown = entry.reference.as_ref().is_none_or(|reference| answer.body.contains(reference));
        if !shown {
            found.push(format!("the page does not show the reference of {entry:?}"));
        }
    }
    store.close().await;

    let page = visitor.post(genuine).await;
    if visitor.session().is_none() {
        found.push(format!("the control is refused: {} {}", page.status, page.body));
    }
    if app.application.received().iter().any(|received| received.target.contains("private")) {
        found.push("THE APPLICATION WAS REACHED".to_owned());
    }
    found
}

/// Refused with a page, or sent back to a normal login if nobody asked for it.
fn wrong_answer(attack: &Attack, answer: &Page) -> Option<String> {
    if attack.codes.contains(&"unsolicited") && answer.url.path() == "/.anteroom/sign-in" {
        return None;
    }
    let refused = [400, 403, 413].contains(&answer.status.as_u16());
    let stays = answer.url.path() == "/saml2/idpresponse";
    (!refused || !stays).then(|| format!("answered {} at {}", answer.status, answer.url))
}

/// The code of the catalogue; a request that is not ours is noticed before its answer is looked at.
fn is_expected(attack: &Attack, reason: &str) -> bool {
    let is_early = attack.codes.contains(&"wrong_in_response_to") && reason == "unknown_request";
    attack.codes.contains(&reason) || is_early
}

/// Runs one part of the catalogue; parts run side by side.
async fn refuses_part(part: usize) {
    let mut failures = Vec::new();
    for (_, attack) in catalogue().iter().enumerate().filter(|(at, _)| at % PARTS == part) {
        let found = attempt(attack).await;
        failures.extend(found.iter().map(|what| format!("{} {}: {what}", attack.id, attack.name)));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

const PARTS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_anteroom_refuses_the_first_part_of_the_catalogue() {
    refuses_part(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_anteroom_refuses_the_second_part_of_the_catalogue() {
    refuses_part(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_anteroom_refuses_the_third_part_of_the_catalogue() {
    refuses_part(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_anteroom_refuses_the_fourth_part_of_the_catalogue() {
    refuses_part(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_response_at_all_is_refused() {
    let app = TestApp::new().await;
    let mut visitor = app.visitor();
    for field in ["", "x", "%%%%", "PHg+", &STANDARD.encode("<x"), &"A".repeat(600_000)] {
        let answer = visitor.post(field.to_owned()).await;
        assert!([400, 403, 413].contains(&answer.status.as_u16()), "{}", answer.status);
        assert_eq!(visitor.session(), None);
    }
    let evil = "https://evil.example/".parse().expect("a URL");
    let twice = ["SAMLResponse", "SAMLResponse"].map(|name| (name.to_owned(), "PHg+".to_owned()));
    visitor.browser.post_from(&evil, &app.acs_url, &twice).await.expect(400);
    visitor.browser.post_from(&evil, &app.acs_url, &[]).await.expect(400);
    assert!(app.application.received().is_empty());
}
