//! Who somebody is: bound to the provider's lasting key, within the connection's domains, never linked silently.

use serde_json::json;

use crate::app::{MIA, NOAH, Person, TestApp, Wanted};
use crate::idp::Idp;

/// The newest reason in the audit log.
async fn last_reason(app: &TestApp) -> String {
    app.audit().await.into_iter().find_map(|entry| entry.reason).expect("a reason")
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_unknown_is_made_a_user_who_waits() {
    let app = TestApp::new().await;
    assert_eq!(app.user(MIA).await, None);
    let mut mia = app.visitor();
    let page = mia.sign_on("/deep").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");
    let user = app.user(MIA).await.expect("a user");
    assert_eq!((&user["state"], &user["organization"]), (&json!("waiting"), &json!("contoso")));
    assert_eq!(user["grants"], json!([]));
    assert!(app.application.received().is_empty(), "nothing got through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_user_is_bound_at_the_first_sign_on_and_keeps_a_changed_address() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let subject = app.application.last().claims().expect("an identity")["sub"].clone();

    // Married: another address and name, the same person to the provider.
    mia.sign_out().await.expect(303);
    mia.browser.clear();
    mia.person.email = "mia.falk@contoso.co.uk".to_owned();
    mia.person.name = "Mia Falk".to_owned();
    mia.sign_on("/").await.expect(200);
    let claims = app.application.last().claims().expect("an identity");
    assert_eq!(claims["sub"], subject);
    assert_eq!((&claims["email"], &claims["name"]), (&json!("mia.falk@contoso.co.uk"), &json!("Mia Falk")));
    assert_eq!(app.user(MIA).await, None);
    assert_eq!(app.users().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_with_a_bound_address_is_a_conflict() {
    let app = TestApp::new().await;
    app.member(MIA).await;
    let before = app.user(MIA).await;
    let mut successor = app.visitor();
    successor.person = Person { object_id: "another-object".to_owned(), ..Person::with_email(MIA) };
    let page = successor.sign_on("/").await.expect(403);
    assert_eq!(successor.session(), None, "{}", page.body);
    assert_eq!(app.user(MIA).await, before, "nothing has changed");
    let entry = &app.audit().await[0];
    let reference = entry.reference.clone().expect("a reference");
    assert!(page.body.contains(&reference), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_speaks_for_its_own_domains_only() {
    let idp = Idp::other_tenant();
    let wanted = Wanted::default().organization("fabrikam", "Fabrikam Homes", "\"fabrikam.com\"", &idp);
    let app = wanted.start().await;
    app.member(MIA).await;
    let before = app.application.received().len();
    for (at, email) in [MIA, NOAH, "root@fabrikam.com.evil.example", "x@sub.fabrikam.com"].iter().enumerate()
    {
        let mut evil = app.visitor();
        let page = evil.visit("/").await;
        let page = evil.type_email(&page, "eve@fabrikam.com").await;
        let pending = evil.press_button(&page).await;
        let message = idp.answer(&pending.request, app.now()).for_user(email, "Eve", &format!("object-{at}"));
        let page = evil.answer_with(&message).await.expect(403);
        assert_eq!(evil.session(), None, "{email}: {}", page.body);
        assert_eq!(last_reason(&app).await, "email_domain_not_allowed");
    }
    assert_eq!(app.users().await.len(), 1, "nobody was made");
    assert_eq!(app.application.received().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_customers_provider_cannot_answer() {
    let idp = Idp::other_tenant();
    let wanted = Wanted::default().organization("fabrikam", "Fabrikam Homes", "\"fabrikam.com\"", &idp);
    let app = wanted.start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    // Fabrikam's provider answers the request that was meant for Contoso's.
    let message = idp.answer(&pending.request, app.now()).for_user(MIA, "Mia Berg", "object");
    mia.answer_with(&message).await.expect(403);
    assert_eq!(mia.session(), None);
    // And the genuine answer is still good.
    mia.answer_with(&mia.answer(&pending)).await.expect(200);
    assert!(mia.session().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_gets_a_plain_page_and_no_session() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    app.command(&["user", "disable", MIA]).await;
    crate::app::until("the session ends", async || {
        mia.browser.clone().fetch(&app.url("/api"), &[("accept", "application/json")]).await.status == 401
    })
    .await;
    let page = mia.visit("/").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/sign-in");
    let mut again = app.visitor();
    let page = again.sign_on("/").await.expect(403);
    assert_eq!(again.session(), None, "{}", page.body);
    assert!(page.forms().is_empty() || !page.body.contains("Waiting Room"), "{}", page.body);

    app.command(&["user", "enable", MIA]).await;
    let page = app.visitor().sign_on("/back").await.expect(200);
    assert_eq!(page.url, app.url("/back"));
}
