//! The Waiting Room: polite, live, and on to the page that was asked for.

use std::time::Duration;

use tokio::time::Instant;

use crate::app::{MIA, NOAH, TestApp};
use crate::browserless::text_of;

/// What any change of access may take.
const IN_FORCE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_the_door_within_a_second() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    let page = mia.sign_on("/work-orders/4711?tab=history").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");
    let mut events = mia.listen(&page).await;
    let mut noah = app.visitor().who_is(NOAH);
    let page = noah.sign_on("/his").await;
    let mut others = noah.listen(&page).await;

    app.grant(MIA).await;
    let granted_at = Instant::now();
    let event = tokio::time::timeout_at(granted_at + IN_FORCE, events.next()).await.expect("within a second");
    assert_eq!(event, Some(("released".to_owned(), "/work-orders/4711?tab=history".to_owned())));
    mia.visit("/work-orders/4711?tab=history").await.expect(200);
    let claims = app.application.last().claims().expect("an identity");
    assert_eq!(
        (claims["email"].as_str(), claims["access"][0]["level"].as_str()),
        (Some(MIA), Some("technician"))
    );

    let silence = tokio::time::timeout(Duration::from_millis(300), others.next()).await;
    assert!(silence.is_err(), "nobody else is let in: {silence:?}");
    let page = noah.visit("/his").await;
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_pages_are_counted() {
    let app = TestApp::new().await;
    let ops: url::Url = "http://ops.localhost/metrics".parse().expect("a URL");
    app.net.lead(&ops, app.ops_address());
    let mut mia = app.visitor();
    let page = mia.sign_on("/").await.expect(200);
    let probe = app.visitor();
    let counted = async || {
        let metrics = probe.browser.clone().fetch(&ops, &[]).await.expect(200).body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("anteroom_waiting_rooms_open "));
        line.map(str::to_owned)
    };
    assert_eq!(counted().await.as_deref(), Some("0"));
    let first = mia.listen(&page).await;
    let second = mia.listen(&page).await;
    assert_eq!(counted().await.as_deref(), Some("2"));
    drop((first, second));
    crate::app::until("closed pages are forgotten", async || counted().await.as_deref() == Some("0")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tab_is_released_to_its_own_page() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    mia.sign_on("/first").await;
    let mut rooms = Vec::new();
    for path in ["/first", "/second?x=1"] {
        let page = mia.visit(path).await.expect(200);
        rooms.push((path, mia.listen(&page).await));
    }
    app.grant(MIA).await;
    for (path, mut events) in rooms {
        assert_eq!(events.next().await, Some(("released".to_owned(), path.to_owned())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_the_page_moves_on_when_it_is_loaded_again() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    let page = mia.sign_on("/deep").await.expect(200);
    let refresh = page.body.split("<noscript>").nth(1).expect("a refresh for browsers without scripts");
    assert!(refresh.starts_with("<meta http-equiv=\"refresh\" content=\""), "{refresh}");
    let again = page.url.clone();
    assert_eq!(mia.browser.open(&again).await.expect(200).url, again, "still waiting");
    app.grant(MIA).await;
    crate::app::until("the page moves on", async || {
        mia.browser.clone().open(&again).await.url == app.url("/deep")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_who_one_is_and_whom_to_ask() {
    let app = TestApp::new().await;
    app.command(&["user", "add", NOAH, "--organization", "contoso", "--name", "Noah Lind"]).await;
    app.command(&["user", "grant", NOAH, "--level", "manager", "--property", "*"]).await;
    let mut mia = app.visitor();
    mia.person.name = "Mia <b>Berg</b>".to_owned();
    let page = mia.sign_on("/").await.expect(200);
    let text = text_of(&page.body);
    for wanted in
        [MIA, "Mia <b>Berg</b>", "Contoso Residential", "Noah Lind", "support@servusconnect.example"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!page.body.contains("<b>"), "{}", page.body);
    assert_eq!(page.header("cache-control"), "no-store");
    let form = page.form("/.anteroom/sign-out");
    mia.browser.submit(&page, &form).await.expect(303);
    assert_eq!(mia.session(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_somebody_who_waits_are_told_so() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    mia.sign_on("/").await;
    let answer = mia.fetch("/api/orders").await.expect(403);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.body.contains("\"waiting_room\""), "{}", answer.body);
    assert!(app.application.received().is_empty(), "nothing got through");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_without_a_session() {
    let app = TestApp::new().await;
    let mut stranger = app.visitor();
    stranger.fetch("/.anteroom/waiting-room/events").await.expect(401);
    let page = stranger.visit("/.anteroom/waiting-room").await;
    assert_eq!(page.url.path(), "/.anteroom/sign-in");
}
