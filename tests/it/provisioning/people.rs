//! Users in the console: granting, shutting out, roles, sign-ons, and conflicts of identity.

use serde_json::json;

use super::{ANN, BEN, NOAH, agent, contoso, on, press, said};
use crate::app::{Person, TestApp, Visitor, Wanted, until};
use crate::browserless::Page;

async fn user_page(agent: &mut Visitor<'_>, email: &str) -> Page {
    let page = agent.visit(&format!("/.anteroom/support/users?q={email}")).await.expect(200);
    agent.follow_link(&page, "/.anteroom/support/users/u_").await.expect(200)
}

async fn opens(app: &TestApp, visitor: &Visitor<'_>) -> bool {
    visitor.browser.clone().fetch(&app.url("/probe"), &[("accept", "application/json")]).await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_given_and_taken_at_once() {
    let app = contoso(Wanted::default()).await;
    let (noah, _) = on(&app, NOAH, "/").await;
    let mut ann = agent(&app, ANN).await;
    let page = user_page(&mut ann, NOAH).await;
    let path = format!("{}/grant", page.url.path());
    let wrong = page.form(&path).fill("property", "mill").fill("level", "viewer").fill("until", "tomorrow");
    let page = ann.browser.submit(&page, &wrong).await.expect(422);
    assert_eq!(page.form(&path).value("until"), "tomorrow");
    let form = page.form(&path).fill("until", "");
    let page = ann.browser.submit(&page, &form).await.expect(200);
    until("the door opens", async || opens(&app, &noah).await).await;
    let page = press(&mut ann, &page, "revoke").await.expect(200);
    assert_eq!(page.url.query(), Some("done=revoked"));
    until("the door closes", async || !opens(&app, &noah).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_shut_out_and_let_back_in() {
    let app = contoso(Wanted::default()).await;
    let noah = app.member(NOAH).await;
    let mut ann = agent(&app, ANN).await;
    let page = user_page(&mut ann, NOAH).await;
    let asked =
        ann.browser.submit(&page, &page.form(&format!("{}/disable", page.url.path()))).await.expect(200);
    assert!(opens(&app, &noah).await, "asking is not doing: {}", asked.body);
    let page = press(&mut ann, &page, "disable").await.expect(200);
    until("the session ends", async || !opens(&app, &noah).await).await;
    press(&mut ann, &page, "enable").await.expect(200);
    let (noah, page) = on(&app, NOAH, "/").await;
    assert_eq!(page.url.path(), "/");
    let page = user_page(&mut ann, NOAH).await;
    press(&mut ann, &page, "sign-out").await.expect(200);
    until("signed out everywhere", async || !opens(&app, &noah).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_do_not_let_themselves_in_nor_leave_the_console_empty() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let page = user_page(&mut ann, ANN).await;
    let form =
        page.form(&format!("{}/grant", page.url.path())).fill("property", "harbour").fill("level", "viewer");
    let refused = ann.browser.submit(&page, &form).await.expect(422);
    assert!(said(&refused).contains("another agent"), "{}", refused.body);
    press(&mut ann, &page, "disable").await.expect(422);
    press(&mut ann, &page, "role").await.expect(422);
    assert_eq!(app.user(ANN).await.expect("a user")["grants"], json!([]));
    let mut ben = agent(&app, BEN).await;
    let page = user_page(&mut ben, ANN).await;
    press(&mut ben, &page, "role").await.expect(200);
    until("no agent any more", async || {
        ann.browser.clone().open(&app.url("/.anteroom/support")).await.status == 403
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_of_identity_is_settled_by_binding() {
    let app = contoso(Wanted::default()).await;
    app.member(NOAH).await;
    let mut successor = app.visitor();
    successor.person = Person { object_id: "another-object".to_owned(), ..Person::with_email(NOAH) };
    let page = successor.sign_on("/").await.expect(403);
    let mut ann = agent(&app, ANN).await;
    let user = user_page(&mut ann, NOAH).await;
    let log = app.audit().await;
    let reference = log.iter().find_map(|entry| entry.reference.clone()).expect("a reference");
    assert!(page.body.contains(&reference) && user.body.contains(&reference));
    // The reference leads to the explanation.
    let found = ann.visit(&format!("/.anteroom/support/sign-ons?q={reference}")).await.expect(200);
    assert!(said(&found).contains("another identity"), "{}", found.body);

    let path = format!("{}/conflict", user.url.path());
    let form = user.form(&path);
    assert_eq!(form.value("decision"), "bind");
    let asked = ann.browser.submit(&user, &form).await.expect(200);
    let done = ann.browser.submit(&asked, &asked.form(&path)).await.expect(200);
    assert_eq!(done.url.query(), Some("done=bound"));
    let page = successor.sign_on("/in").await.expect(200);
    assert_eq!(page.url.path(), "/in");
    // It is settled: a second click finds nothing to do.
    let again = ann.browser.submit(&asked, &asked.form(&path)).await;
    again.expect(409);
}

/// What the log says of the newest refusal for that reason.
async fn refusal(app: &TestApp, reason: &str) -> serde_json::Value {
    let log = app.audit().await;
    let found = log.into_iter().find(|entry| entry.reason.as_deref() == Some(reason)).expect("a refusal");
    assert_eq!(found.action, "sign_on.refused");
    found.details
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_from_before_somebody_was_known_are_on_their_page() {
    let app = contoso(Wanted::default()).await;
    // Nobody knows Noah yet. One answer is for somebody else, one has an address of elsewhere.
    let mut noah = app.visitor().who_is(NOAH);
    let pending = noah.begin("/").await;
    let message =
        noah.answer(&pending).with(|message| message.audiences = vec![vec!["urn:other".to_owned()]]);
    noah.answer_with(&message).await.expect(403);
    let subject = format!("entra:{}:{}", app.idp.tenant_id, noah.person.object_id).to_lowercase();
    let claimed = json!({"email": NOAH, "subject": subject, "verified": false});
    assert_eq!(refusal(&app, "wrong_audience").await["claimed"], claimed);

    let elsewhere = "noah@elsewhere.example";
    let pending = noah.begin("/").await;
    noah.person.email = elsewhere.to_owned();
    noah.answer_with(&noah.answer(&pending)).await.expect(403);
    let claimed = json!({"email": elsewhere, "subject": subject, "verified": true});
    assert_eq!(refusal(&app, "email_domain_not_allowed").await["claimed"], claimed);

    noah.person.email = NOAH.to_owned();
    noah.sign_on("/").await.expect(200);
    let mut ann = agent(&app, ANN).await;
    let page = said(&user_page(&mut ann, NOAH).await);
    assert!(
        page.contains(&format!("Claimed, not verified: {NOAH} Anybody may have written that.")),
        "{page}"
    );
    assert!(page.contains("urn:other"), "with both sides: {page}");
    assert!(
        page.contains(&format!("The identity provider spoke of {elsewhere}")),
        "by the lasting key: {page}"
    );
    // Nobody else's page has them, and the list of all finds them by the address.
    let other = said(&user_page(&mut ann, ANN).await);
    assert!(!other.contains("urn:other") && !other.contains(elsewhere), "{other}");
    let found = ann.visit(&format!("/.anteroom/support/sign-ons?q={elsewhere}")).await.expect(200);
    assert!(said(&found).contains("may not come from this identity provider"), "{}", found.body);
    assert!(!said(&found).contains("urn:other"), "only those: {}", found.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_message_about_somebody_is_marked_and_changes_nothing() {
    let app = contoso(Wanted::default()).await;
    app.member(NOAH).await;
    let before = app.user(NOAH).await;
    let mut forger = app.visitor().who_is(NOAH);
    let pending = forger.begin("/").await;
    let long = "x".repeat(900);
    let message = forger
        .answer(&pending)
        .with(|message| message.name_id = Some(long.clone()))
        .with(|message| message.attributes.retain(|(name, _)| name == crate::idp::CLAIM_EMAIL));
    forger.answer_with(&message.signed(crate::idp::Sign::Nothing)).await.expect(403);
    let details = refusal(&app, "signature_missing").await;
    assert_eq!(details["claimed"], json!({"email": NOAH, "subject": null, "verified": false}));
    assert!(!details.to_string().contains(&long[..300]), "what is too long is not kept: {details}");
    assert_eq!(app.user(NOAH).await, before, "nothing has changed");
    let mut ann = agent(&app, ANN).await;
    let page = said(&user_page(&mut ann, NOAH).await);
    assert!(page.contains("Claimed, not verified"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_sign_ons_are_shown_with_their_explanation() {
    let app = contoso(Wanted::default()).await;
    let (_, _) = on(&app, NOAH, "/").await;
    let mut refused = app.visitor().who_is(NOAH);
    let pending = refused.begin("/").await;
    let message =
        refused.answer(&pending).with(|message| message.audiences = vec![vec!["urn:other".to_owned()]]);
    refused.answer_with(&message).await.expect(403);
    let mut ann = agent(&app, ANN).await;
    let page = ann.visit("/.anteroom/support/sign-ons").await.expect(200);
    for wanted in [NOAH, "urn:other", crate::app::ENTITY_ID, "Contoso Residential"] {
        assert!(said(&page).contains(wanted), "{wanted}: {}", page.body);
    }
    assert!(said(&user_page(&mut ann, NOAH).await).contains("igned on"), "the first sign-on is one too");
}
