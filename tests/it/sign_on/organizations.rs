//! Organizations that come, change, pause and go while Anteroom runs.

use std::sync::Arc;
use std::time::Duration;

use anteroom::clock::{Clock, ManualClock, SystemClock};
use anteroom::directory::{DisplayName, Organization};
use anteroom::email::EmailDomain;
use anteroom::id::{ConnectionId, OrganizationId};
use anteroom::store::{AuditEvent, OrganizationChange, OrganizationChanged, Store, StoredConnection};
use tokio::time::Instant;

use crate::app::{MIA, Person, TestApp, Visitor, Wanted, until};
use crate::browserless::text_of;
use crate::idp::Idp;

/// What any change of access may take.
const IN_FORCE: Duration = Duration::from_secs(1);

const LEA: &str = "lea.sand@fabrikam.com";

async fn change(app: &TestApp, store: &Arc<dyn Store>, change: OrganizationChange) {
    let event = AuditEvent::of_anteroom(app.now(), "organization.changed");
    let changed = store.change_organization(&change, event).await.expect("the store works");
    assert_eq!(changed, OrganizationChanged::Changed);
}

fn fabrikam(metadata: Vec<u8>, at: jiff::Timestamp) -> OrganizationChange {
    OrganizationChange::Create {
        organization: Organization {
            id: OrganizationId::parse("fabrikam").expect("an id"),
            name: DisplayName::parse("Fabrikam Homes").expect("a name"),
            domains: vec![EmailDomain::parse("fabrikam.com").expect("a domain")],
        },
        connection: StoredConnection::uploaded(
            ConnectionId::parse("fabrikam").expect("an id"),
            String::from_utf8(metadata).expect("text"),
            at,
        ),
    }
}

/// What the sign-on page says to an address.
async fn told(app: &TestApp, email: &str) -> String {
    let mut visitor = app.visitor();
    let page = visitor.visit("/").await;
    text_of(&visitor.type_email(&page, email).await.body)
}

/// A sign-on at another identity provider than that of most tests.
async fn sign_on_at(idp: &Idp, visitor: &mut Visitor<'_>, path: &str) -> crate::browserless::Page {
    let pending = visitor.begin(path).await;
    assert!(pending.url.as_str().starts_with(&idp.sso_url), "{}", pending.url);
    let Person { email, name, object_id } = visitor.person.clone();
    let message = idp.answer(&pending.request, visitor.app.now()).for_user(&email, &name, &object_id);
    visitor.answer_with(&message).await
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_expires_is_used_no_longer_without_a_restart() {
    let clock = ManualClock::at(SystemClock.now());
    let app = Wanted::default().clock(&clock).start().await;
    let store = app.open_store().await;
    let idp = Idp::other_tenant();
    let end = app.now() + Duration::from_hours(1);
    let metadata = String::from_utf8(idp.metadata_xml()).expect("text");
    let valid = format!("<EntityDescriptor validUntil=\"{}\"", end.strftime("%Y-%m-%dT%H:%M:%SZ"));
    let metadata = metadata.replacen("<EntityDescriptor", &valid, 1);
    change(&app, &store, fabrikam(metadata.into_bytes(), app.now())).await;
    until("the button is there", async || told(&app, LEA).await.contains("Log In with Microsoft")).await;
    clock.advance(Duration::from_hours(1));
    until("the button is gone", async || !told(&app, LEA).await.contains("Log In with Microsoft")).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_of_the_store_signs_on_at_once_and_under_its_new_name() {
    let app = TestApp::new().await;
    let store = app.open_store().await;
    assert!(told(&app, LEA).await.contains("fabrikam"), "the address is repeated");
    let idp = Idp::other_tenant();
    change(&app, &store, fabrikam(idp.metadata_xml(), app.now())).await;
    until("the button is there", async || told(&app, LEA).await.contains("Log In with Microsoft")).await;

    let mut lea = app.visitor().who_is(LEA);
    let page = sign_on_at(&idp, &mut lea, "/deep").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");
    assert!(text_of(&page.body).contains("Fabrikam Homes"), "{}", page.body);
    assert_eq!(app.user(LEA).await.expect("a user")["organization"], "fabrikam");

    let id = OrganizationId::parse("fabrikam").expect("an id");
    let name = DisplayName::parse("Fabrikam Living").expect("a name");
    change(&app, &store, OrganizationChange::Rename(id.clone(), name)).await;
    until("the new name is shown", async || {
        let mut browser = lea.browser.clone();
        text_of(&browser.open(&app.url("/.anteroom/waiting-room")).await.body).contains("Fabrikam Living")
    })
    .await;
    let domains = vec![EmailDomain::parse("fabrikam.org").expect("a domain")];
    change(&app, &store, OrganizationChange::Domains(id, domains)).await;
    until("the new domain leads there", async || {
        told(&app, "lea.sand@fabrikam.org").await.contains("Log In with Microsoft")
    })
    .await;
    assert!(!told(&app, LEA).await.contains("Log In with Microsoft"), "and the old one no longer does");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_of_the_store_are_there_after_a_restart_and_a_reload() {
    let mut app = TestApp::new().await;
    let store = app.open_store().await;
    change(&app, &store, fabrikam(Idp::other_tenant().metadata_xml(), app.now())).await;
    store.close().await;
    app.restart().await;
    assert!(told(&app, LEA).await.contains("Log In with Microsoft"));
    app.reload().await.expect("the configuration is good");
    assert!(told(&app, LEA).await.contains("Log In with Microsoft"));
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_went_bad_keeps_nobody_else_out() {
    let mut app = TestApp::new().await;
    let store = app.open_store().await;
    change(&app, &store, fabrikam(b"<not-metadata/>".to_vec(), app.now())).await;
    store.close().await;
    app.restart().await;
    assert!(!told(&app, LEA).await.contains("Log In with Microsoft"));
    app.member(MIA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_on_while_an_organization_is_paused() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let mut late = app.visitor();
    let pending = late.begin("/").await;
    let store = app.open_store().await;
    let id = OrganizationId::parse("contoso").expect("an id");
    change(&app, &store, OrganizationChange::Pause(id.clone())).await;
    let paused_at = Instant::now();
    until("the session ends", async || mia.browser.clone().fetch(&app.url("/"), &[]).await.status == 401)
        .await;
    assert!(paused_at.elapsed() < IN_FORCE, "{:?}", paused_at.elapsed());

    let said = told(&app, MIA).await;
    assert!(said.contains("paused") && !said.contains("Log In with Microsoft"), "{said}");
    let page = late.answer_with(&late.answer(&pending)).await.expect(403);
    assert!(text_of(&page.body).contains("paused"), "{}", page.body);
    assert_eq!(late.session(), None);
    let reason = app.audit().await.into_iter().find_map(|entry| entry.reason);
    assert_eq!(reason.as_deref(), Some("connection_paused"));
    // A form that was opened before.
    let fields = [("connection", "contoso"), ("email", MIA), ("return_to", "/")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let at = app.url("/.anteroom/sign-in");
    let page = mia.browser.post_from(&at, &app.url("/.anteroom/sign-in/start"), &fields).await;
    page.expect(422);

    change(&app, &store, OrganizationChange::Resume(id)).await;
    until("the button is back", async || told(&app, MIA).await.contains("Log In with Microsoft")).await;
    mia.sign_on("/again").await.expect(200);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_lapses_in_the_store_when_its_time_is_over() {
    let clock = ManualClock::at(SystemClock.now());
    let app = Wanted::default().clock(&clock).start().await;
    let mut mia = app.member(MIA).await;
    // The commands go by the clock on the wall, from which this one has not moved yet.
    let until_then = (app.now() + Duration::from_hours(48)).to_string();
    app.command(&["user", "grant", MIA, "--level", "technician", "--property", "*", "--until", &until_then])
        .await;
    let before = app.user(MIA).await.expect("a user")["access_version"].as_i64();
    clock.advance(Duration::from_hours(1));
    mia.visit("/").await.expect(200);
    clock.advance(Duration::from_hours(47));
    until("it is written down", async || {
        app.audit().await.iter().any(|entry| entry.action == "grant.lapsed")
    })
    .await;
    let user = app.user(MIA).await.expect("a user");
    assert_eq!((&user["state"], &user["grants"]), (&"waiting".into(), &serde_json::json!([])));
    assert!(user["access_version"].as_i64() > before, "{user}");
}
