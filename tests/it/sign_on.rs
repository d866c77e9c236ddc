//! Signing on, seen from outside: every step of the flow through real sockets, as a browser walks it.
//!
//! Separate from the tests of the verifier because here it is about what a visitor gets, and what the application
//! behind gets to see.

mod documents;
mod hand_off;
mod impostors;
mod limits;
pub(crate) mod logout;
mod negotiation;
mod options;
mod organizations;
mod outage;
mod people;
mod repeat;
mod return_paths;
mod sessions;
mod trials;
mod waiting_room;

use crate::app::{MIA, NOAH, TestApp, Wanted};
use crate::browserless::text_of;
use crate::idp::{Idp, Sign};

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_signs_on_and_gets_the_page_that_was_asked_for() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();

    let page = mia.visit("/work-orders/4711?tab=history&q=a%20b").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/sign-in");
    assert_eq!(page.form("/.anteroom/sign-in").value("return_to"), "/work-orders/4711?tab=history&q=a%20b");
    let page = mia.type_email(&page, MIA).await.expect(200);
    assert_eq!(page.form("/.anteroom/sign-in/start").buttons, ["Log In with Microsoft"]);
    let pending = mia.press_button(&page).await;
    assert!(pending.url.as_str().starts_with(&app.idp.sso_url), "{}", pending.url);
    assert_eq!(pending.parameter("login_hint").as_deref(), Some(MIA));
    assert_eq!(pending.parameter("RelayState"), None);
    let page = mia.answer_with(&mia.answer(&pending)).await.expect(200);

    assert_eq!(page.url, app.url("/work-orders/4711?tab=history&q=a%20b"));
    assert!(page.body.contains("The application: /work-orders/4711"));
    let received = app.application.last();
    assert_eq!(received.target, "/work-orders/4711?tab=history&q=a%20b");
    let claims = received.claims().expect("an identity");
    assert_eq!(claims["email"], MIA);
    assert_eq!(claims["org"], "contoso");
    assert_eq!(claims["access"][0]["property"], "*");
    assert_eq!(claims["access"][0]["level"], "technician");
    assert_eq!(claims["iss"], "http://app.localhost");
    assert_eq!(claims["amr"], serde_json::json!(["pwd", "mfa"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_story_works_over_tls_with_cookies_that_no_other_host_can_set() {
    let app = Wanted::default().tls().start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let page = mia.sign_on("/deep/link").await.expect(200);
    assert_eq!(page.url.as_str(), "https://app.anteroom.example/deep/link");
    let cookie = mia.browser.cookie(&app.app_url, "anteroom").expect("a session");
    assert_eq!(cookie.name, "__Host-anteroom");
    assert!(cookie.secure && cookie.http_only);
    assert!(cookie.value.len() >= 43, "at least 128 bits");
    // The application sees none of our cookies.
    assert_eq!(app.application.last().header("cookie"), "");
    assert_eq!(app.application.last().claims().expect("an identity")["iss"], "https://app.anteroom.example");
    // And the login host has none at all.
    assert_eq!(mia.browser.cookie_header(&app.acs_url, true, true), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_signing_a_response_signs_people_on() {
    let app = TestApp::new().await;
    for (at, sign) in [Sign::Assertion, Sign::Response, Sign::Both].into_iter().enumerate() {
        let email = format!("person{at}@contoso.com");
        app.add_member(&email).await;
        let mut visitor = app.visitor().who_is(&email);
        let pending = visitor.begin("/").await;
        let page = visitor.answer_with(&visitor.answer(&pending).signed(sign)).await;
        assert_eq!(page.url, app.url("/"), "{sign:?}: {}", page.body);
        let mut stranger = app.visitor().who_is(&email);
        let pending = stranger.begin("/").await;
        let page = stranger.answer_with(&stranger.answer(&pending).signed(Sign::Nothing)).await.expect(403);
        assert_eq!(stranger.session(), None, "{}", page.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_domain_gets_help_and_learns_of_no_customer() {
    let app = Wanted::default().more("[sign_on]\nother_url = \"/login\"\n").start().await;
    let mut visitor = app.visitor();
    let page = visitor.visit("/work-orders").await;
    let page = visitor.type_email(&page, "somebody@unknown.example").await.expect(200);
    let text = text_of(&page.body).to_lowercase();
    assert!(text.contains("somebody@unknown.example"), "{text}");
    assert!(!text.contains("contoso"), "{text}");
    assert!(page.body.contains("href=\"/login\""), "a way on without single sign-on: {}", page.body);
    // Typing again is possible at once, and leads to the same place.
    let page = visitor.type_email(&page, MIA).await.expect(200);
    assert_eq!(page.form("/.anteroom/sign-in/start").value("return_to"), "/work-orders");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_address_is_asked_for_again() {
    let app = TestApp::new().await;
    let mut visitor = app.visitor();
    let page = visitor.visit("/").await;
    for typed in ["", "mia", "mia@", "@contoso.com", "mia@contoso", "mia@@contoso.com", "<b>@contoso.com"] {
        let page = visitor.type_email(&page, typed).await.expect(422);
        assert_eq!(page.form("/.anteroom/sign-in").value("email"), typed);
        assert!(!page.body.contains("<b>"));
    }
    visitor.type_email(&page, "  Mia.Berg@CONTOSO.com ").await.expect(200).form("/.anteroom/sign-in/start");
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_that_share_a_domain_are_chosen_from() {
    let idp = Idp::other_tenant();
    let wanted = Wanted::default().organization("agency", "Harbour Agency", "\"contoso.com\"", &idp);
    let app = wanted.start().await;
    let mut mia = app.visitor();
    let page = mia.visit("/deep").await;
    let page = mia.type_email(&page, MIA).await.expect(200);
    let forms: Vec<_> =
        page.forms().into_iter().filter(|form| form.action.path().ends_with("/start")).collect();
    let buttons: Vec<_> = forms.iter().flat_map(|form| form.buttons.clone()).collect();
    assert_eq!(
        buttons,
        ["Contoso Residential Log In with Microsoft", "Harbour Agency Log In with Microsoft"]
    );
    let pending = mia.press(&page, &forms[1]).await;
    assert!(pending.url.as_str().starts_with(&idp.sso_url), "{}", pending.url);
    let message = idp.answer(&pending.request, app.now()).for_user(MIA, "Mia Berg", "object-1");
    let page = mia.answer_with(&message).await;
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");
    assert_eq!(app.user(MIA).await.expect("a user")["organization"], "agency");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_remembered_on_that_browser() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    mia.sign_out().await.expect(303);
    assert_eq!(mia.session(), None);
    let page = mia.visit("/again").await.expect(200);
    assert_eq!(page.form("/.anteroom/sign-in/start").value("email"), MIA);
    let page = mia.follow_link(&page, "another=1").await.expect(200);
    let page = mia.type_email(&page, NOAH).await.expect(200);
    let form = page.form("/.anteroom/sign-in/start");
    assert_eq!((form.value("email"), form.value("return_to")), (NOAH, "/again"));
}
