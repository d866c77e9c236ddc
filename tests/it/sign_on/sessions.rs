//! The session: never chosen by a client, new at every sign-on, over when it is over, and cut when access is lost.

use std::pin::pin;
use std::time::Duration;

use anteroom::clock::{Clock, ManualClock, SystemClock};
use futures_util::{SinkExt as _, StreamExt as _, poll};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::app::{MIA, NOAH, TestApp, Visitor, Wanted, until};
use crate::browserless::{PATIENCE, Stream};

/// What any change of access may take.
pub(super) const IN_FORCE: Duration = Duration::from_secs(1);

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
pub(super) async fn open_socket(visitor: &Visitor<'_>) -> WebSocketStream<Box<dyn Stream>> {
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

/// What has begun is finished in a drain, by those who still have access.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_heard_until_nobody_is_served_any_more() {
    let mut app = TestApp::new().await;
    let mut downloads = Vec::new();
    for person in [MIA, NOAH] {
        let mut visitor = app.member(person).await;
        downloads.push(visitor.browser.stream(&app.url("/stream"), &[]).await.into_body());
    }
    for download in &mut downloads {
        download.frame().await.expect("it flows").expect("whole");
    }
    let [revoked, bystander] = &mut downloads[..] else { panic!("two") };
    let draining = tokio::spawn(app.take().stop());
    until("nobody new comes in", || async { app.net.try_connect(&app.app_url).await.is_err() }).await;
    assert!(poll!(pin!(revoked.frame())).is_pending(), "the control: nobody has cut it yet");

    app.command(&["user", "revoke", MIA]).await;
    let cut = async { while let Some(Ok(_)) = revoked.frame().await {} };
    tokio::time::timeout(IN_FORCE, cut).await.expect("cut within a second");
    assert!(poll!(pin!(bystander.frame())).is_pending() && !draining.is_finished(), "others go on");
    drop(downloads);
    draining.await.expect("it does not panic").expect("it ends well");
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

/// The code that a socket is closed with; `None` if it was just cut.
async fn close_code(socket: &mut WebSocketStream<Box<dyn Stream>>) -> Option<u16> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(frame) = message {
            return frame.map(|frame| frame.code.into());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_times_out_closes_what_is_open_and_says_why() {
    for (advance, lifetime) in [(Duration::from_mins(61), "10h"), (Duration::from_mins(59), "59m")] {
        let clock = ManualClock::at(SystemClock.now());
        let idle = if lifetime == "59m" { "59m" } else { "1h" };
        let more = format!("[session]\nidle = \"{idle}\"\nlifetime = \"{lifetime}\"\n");
        let app = Wanted::default().clock(&clock).more(&more).start().await;
        let mut mia = app.member(MIA).await;
        let mut socket = open_socket(&mia).await;
        let mut download = mia.browser.stream(&app.url("/stream"), &[]).await.into_body();
        download.frame().await.expect("it flows").expect("whole");
        clock.advance(advance);
        let over = Instant::now();
        let closed = async {
            let mut whole = true;
            while let Some(frame) = download.frame().await {
                whole = frame.is_ok();
            }
            assert!(!whole, "the stream must not look complete");
            close_code(&mut socket).await
        };
        let code = tokio::time::timeout_at(over + IN_FORCE, closed).await.expect("cut within a second");
        assert_eq!(code, Some(1008), "{lifetime}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_socket_is_closed_as_against_the_rules_and_a_drained_one_as_going_away() {
    let mut app = TestApp::new().await;
    let mut socket = {
        let mia = app.member(MIA).await;
        open_socket(&mia).await
    };
    app.command(&["user", "revoke", MIA]).await;
    let code = tokio::time::timeout(IN_FORCE, close_code(&mut socket)).await.expect("within a second");
    assert_eq!(code, Some(1008));
    let mut socket = {
        let noah = app.member(NOAH).await;
        open_socket(&noah).await
    };
    let (code, ()) = tokio::join!(tokio::time::timeout(PATIENCE, close_code(&mut socket)), app.stop());
    assert_eq!(code.expect("in time"), Some(1001));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_ask_by_themselves_keeps_nobody_signed_on() {
    let clock = ManualClock::at(SystemClock.now());
    let more = "[session]\nidle = \"1h\"\npolling_paths = [\"/api/news\", \"/live/\"]\n";
    let app = Wanted::default().clock(&clock).more(more).start().await;
    app.add_member(MIA).await;
    let prefetch = [("sec-purpose", "prefetch;prerender")];
    for (path, headers, keeps) in [
        ("/api/news", &[][..], false),
        ("/api/news?since=7", &[], false),
        ("/live/a/b", &[], false),
        ("/page", &prefetch[..], false),
        ("/api/newsletter", &[], true),
        ("/live", &[], true),
        ("/api/news/1", &[], true),
    ] {
        let mut mia = app.visitor();
        mia.sign_on("/").await.expect(200);
        for _ in 0..2 {
            clock.advance(Duration::from_mins(29));
            mia.browser.fetch(&app.url(path), headers).await.expect(200);
        }
        clock.advance(Duration::from_mins(29));
        let status = mia.browser.fetch(&app.url("/page"), &[]).await.status;
        assert_eq!(status == 200, keeps, "{path}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_ends_all_sessions_of_the_person_and_of_nobody_else() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let mut other = app.visitor();
    other.sign_on("/").await.expect(200);
    let noah = app.member(NOAH).await;
    let sessions = [&mia, &other, &noah].map(|visitor| visitor.session().expect("a session"));
    let page = mia.visit("/.anteroom/sign-out").await.expect(200);
    let form = page.forms().into_iter().find(|form| form.fields.iter().any(|(name, _)| name == "everywhere"));
    let form = form.expect("a second button");
    // Another site's page can ask for neither.
    let evil = "https://evil.example/".parse().expect("a URL");
    mia.browser.post_from(&evil, &form.action, &form.fields).await.expect(403);
    assert!(opens(&app, &sessions[1]).await);
    mia.browser.submit(&page, &form).await;
    assert_eq!(mia.session(), None);
    let open =
        [opens(&app, &sessions[0]).await, opens(&app, &sessions[1]).await, opens(&app, &sessions[2]).await];
    assert_eq!(open, [false, false, true]);
    assert_eq!(
        app.audit().await.first().map(|entry| entry.action.clone()).as_deref(),
        Some("session.signed_out_everywhere")
    );
}
