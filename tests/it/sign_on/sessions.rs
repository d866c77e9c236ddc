//! The session: never chosen by a client, new at every sign-on, over when it is over, and cut when access is lost.

use std::time::Duration;

use anteroom::clock::{Clock, ManualClock, SystemClock};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::app::{MIA, NOAH, TestApp, Visitor, Wanted};
use crate::browserless::{PATIENCE, Stream};

/// What any change of access may take.
const IN_FORCE: Duration = Duration::from_secs(1);

/// Whether a session id opens the application.
async fn opens(app: &TestApp, id: &str) -> bool {
    let mut browser = crate::browserless::Browser::new(&app.net);
    browser.plant(&app.app_url, "anteroom", id);
    let answer = browser.fetch(&app.url("/probe"), &[("accept", "application/json")]).await;
    assert!([200, 401].contains(&answer.status.as_u16()), "{}", answer.status);
    answer.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_new_at_every_sign_on_and_the_old_one_ends() {
    let app = TestApp::new().await;
    let mia = app.member(MIA).await;
    let first = mia.session().expect("a session");
    assert!(opens(&app, &first).await);
    // The login page is left while a session is live, so the second login begins in another tab beforehand.
    let mut other = app.visitor();
    let pending = other.begin("/").await;
    other.browser.plant(&app.app_url, "anteroom", &first);
    other.answer_with(&other.answer(&pending)).await.expect(200);
    let second = other.session().expect("a session");
    assert_ne!(first, second);
    assert!(opens(&app, &second).await);
    assert!(!opens(&app, &first).await, "the session that this browser had before has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_choose_anothers_session() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let attacker = app.member(NOAH).await;
    let theirs = attacker.session().expect("a session");
    for planted in [theirs.as_str(), &"A".repeat(43), "x", ""] {
        let mut mia = app.visitor();
        let pending = mia.begin("/").await;
        mia.browser.plant(&app.app_url, "anteroom", planted);
        mia.answer_with(&mia.answer(&pending)).await.expect(200);
        let session = mia.session().expect("a session");
        assert_ne!(session, planted);
        assert!(opens(&app, &session).await);
        assert!(!opens(&app, planted).await, "{planted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_for_everybody_who_has_its_cookie() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let session = mia.session().expect("a session");
    let page = mia.visit("/.anteroom/sign-out").await.expect(200);
    assert!(page.body.contains(MIA), "it says who is signed on");
    assert!(opens(&app, &session).await, "asking is not doing");
    mia.sign_out().await.expect(303);
    assert_eq!(mia.session(), None);
    assert!(!opens(&app, &session).await);
    let page = mia.visit("/").await;
    assert_eq!(page.url.path(), "/.anteroom/sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_after_a_pause_and_after_their_lifetime() {
    let clock = ManualClock::at(SystemClock.now());
    let wanted = Wanted::default().clock(&clock).more("[session]\nidle = \"1h\"\nlifetime = \"3h\"\n");
    let app = wanted.start().await;
    let session = app.member(MIA).await.session().expect("a session");
    clock.advance(Duration::from_mins(61));
    assert!(!opens(&app, &session).await, "idle for too long");

    let mut mia = app.visitor();
    mia.sign_on("/").await.expect(200);
    let session = mia.session().expect("a session");
    for _ in 0..3 {
        clock.advance(Duration::from_mins(55));
        assert!(opens(&app, &session).await, "in use");
    }
    clock.advance(Duration::from_mins(16));
    assert!(!opens(&app, &session).await, "used to the end of its lifetime");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_restart() {
    let mut app = TestApp::new().await;
    let session = app.member(MIA).await.session().expect("a session");
    app.restart().await;
    assert!(opens(&app, &session).await);
    assert_eq!(app.application.last().claims().expect("an identity")["email"], MIA);
}

/// A WebSocket to the application.
async fn open_socket(visitor: &Visitor<'_>) -> WebSocketStream<Box<dyn Stream>> {
    let url = visitor.app.url("/socket");
    let mut request = "ws://app.localhost/socket".into_client_request().expect("a request");
    let cookies = visitor.browser.cookie_header(&url, true, false);
    request.headers_mut().insert("cookie", cookies.parse().expect("plain text"));
    request.headers_mut().insert("origin", "http://app.localhost".parse().expect("plain text"));
    let stream = visitor.app.net.connect(&url).await;
    let (mut socket, _) = client_async(request, stream).await.expect("the upgrade takes place");
    socket.send(Message::text("hello")).await.expect("it is open");
    let echo = tokio::time::timeout(PATIENCE, socket.next()).await.expect("it comes back");
    assert_eq!(echo.expect("open").expect("whole"), Message::text("hello"));
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_cuts_what_is_open_within_a_second() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let noah = app.member(NOAH).await;
    let mut socket = open_socket(&mia).await;
    let mut bystander = open_socket(&noah).await;
    let mut download = mia.browser.stream(&app.url("/stream"), &[]).await.into_body();
    download.frame().await.expect("it flows").expect("whole");

    app.command(&["user", "revoke", MIA]).await;
    let revoked_at = Instant::now();
    let cut = async {
        while let Some(Ok(_)) = download.frame().await {}
        while let Some(Ok(_)) = socket.next().await {}
    };
    tokio::time::timeout_at(revoked_at + IN_FORCE, cut).await.expect("cut within a second");
    let page = mia.visit("/").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");

    bystander.send(Message::text("still here")).await.expect("it is open");
    let echo = tokio::time::timeout(PATIENCE, bystander.next()).await.expect("it comes back");
    assert_eq!(echo.expect("open").expect("whole"), Message::text("still here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_over_within_a_second() {
    let app = TestApp::new().await;
    let mia = app.member(MIA).await;
    let session = mia.session().expect("a session");
    let socket = open_socket(&mia).await;
    app.command(&["session", "revoke", "--user", MIA]).await;
    let (_, mut incoming) = socket.split();
    let cut = async { while let Some(Ok(_)) = incoming.next().await {} };
    tokio::time::timeout(IN_FORCE, cut).await.expect("cut within a second");
    assert!(!opens(&app, &session).await);
}
