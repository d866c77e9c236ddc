//! Who may open which page, and what the others learn: nothing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ANN, BEN, MAX, NOAH, agent, contoso, file, on, said};
use crate::app::{TestApp, Visitor, Wanted, until};
use crate::browserless::Stream;

const CONSOLE: [&str; 8] = [
    "/.anteroom/support",
    "/.anteroom/support/users",
    "/.anteroom/support/organizations",
    "/.anteroom/support/organizations/contoso",
    "/.anteroom/support/organizations/nobody",
    "/.anteroom/support/requests/R-XXXXXXXXXX",
    "/.anteroom/support/sign-ons",
    "/.anteroom/support/mail",
];

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_agents_sees_the_console() {
    let app = contoso(Wanted::default()).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    let id = file(&mut max, NOAH, "viewer").await;
    let (mut waiting, _) = on(&app, NOAH, "/").await;
    let mut pages = std::collections::HashSet::new();
    for path in CONSOLE {
        pages.insert(max.visit(path).await.expect(403).body);
        let answer = max.fetch(path).await.expect(403);
        assert_eq!(answer.json()["code"], "forbidden");
        waiting.visit(path).await.expect(403);
    }
    assert_eq!(pages.len(), 1, "what exists and what does not look alike");
    let page = pages.into_iter().next().expect("one");
    assert!(!page.contains("/.anteroom/support/users"), "no navigation: {page}");
    let at = app.url("/.anteroom/manage");
    for path in [
        format!("requests/{id}/approve"),
        "users/u_1/role".to_owned(),
        "organizations/contoso/pause".to_owned(),
    ] {
        let to = app.url(&format!("/.anteroom/support/{path}"));
        let fields = [("version".to_owned(), "1".to_owned()), ("confirmed".to_owned(), "1".to_owned())];
        max.browser.post_from(&at, &to, &fields).await.expect(403);
    }
    assert_eq!(app.user(NOAH).await.expect("a user")["state"], "waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_signed_out_comes_back_to_the_page_after_signing_on() {
    let app = contoso(Wanted::default()).await;
    let mut stranger = app.visitor().who_is(MAX);
    let page = stranger.sign_on("/.anteroom/manage?property=harbour").await.expect(200);
    assert_eq!(page.url, app.url("/.anteroom/manage?property=harbour"));
    app.command(&["user", "add", ANN, "--organization", "contoso", "--support"]).await;
    for path in CONSOLE.into_iter().filter(|path| !path.contains("obody") && !path.contains("R-")) {
        let mut ann = app.visitor().who_is(ANN);
        let page = ann.sign_on(path).await.expect(200);
        assert_eq!(page.url, app.url(path));
    }
    let mut program = app.visitor();
    for path in ["/.anteroom/manage", "/.anteroom/support"] {
        let answer = program.fetch(path).await.expect(401);
        assert_eq!(answer.json()["code"], "not_signed_in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_told_whom_to_ask_and_those_who_wait_are_shown_the_way() {
    let app = contoso(Wanted::default()).await;
    app.add_member("olga@contoso.com").await;
    let (_, page) = on(&app, "olga@contoso.com", "/.anteroom/manage").await;
    assert_eq!(page.status.as_u16(), 403);
    assert!(said(&page).contains(MAX), "{}", page.body);
    let (mut noah, page) = on(&app, NOAH, "/.anteroom/manage?property=harbour").await;
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");
    app.command(&["user", "grant", NOAH, "--level", "manager", "--property", "harbour"]).await;
    let mut events = noah.listen(&page).await;
    let released = events.next().await.expect("an event");
    assert_eq!(released, ("released".to_owned(), "/.anteroom/manage?property=harbour".to_owned()));
    noah.visit("/.anteroom/manage?property=harbour").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_waits_works_all_the_same() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let page = ann.visit("/").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/waiting-room");
    let page = ann.follow_link(&page, "/.anteroom/support").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/support");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_from_elsewhere_are_refused() {
    let app = contoso(Wanted::default()).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    let mut ann = agent(&app, ANN).await;
    let elsewhere = "https://evil.example/".parse().expect("a URL");
    let fields = [("property", "harbour"), ("email", NOAH), ("level", "viewer"), ("confirmed", "1")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for path in ["/.anteroom/manage", "/.anteroom/waiting-room"] {
        max.browser.post_from(&elsewhere, &app.url(path), &fields).await.expect(403);
    }
    let to = app.url("/.anteroom/support/organizations/contoso/pause");
    ann.browser.post_from(&elsewhere, &to, &fields).await.expect(403);
    assert_eq!(app.command(&["request", "list", "--json"]).await.trim(), "[]");
    ann.visit("/.anteroom/support").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_used_in_their_own_way_only() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    ann.visit("/.anteroom/support/organizations/contoso/pause").await.expect(405);
    ann.visit("/.anteroom/support/nothing").await.expect(404);
    ann.visit("/.anteroom/support/organizations/nobody").await.expect(404);
    ann.visit("/.anteroom/support/users/u_nobody").await.expect(404);
    ann.visit("/.anteroom/support/requests/R-NOBODY").await.expect(404);
    let at = app.url("/.anteroom/support/organizations/contoso");
    let twice = [("name".to_owned(), "a".to_owned()), ("name".to_owned(), "b".to_owned())];
    let to = app.url("/.anteroom/support/organizations/contoso/rename");
    ann.browser.post_from(&at, &to, &twice).await.expect(400);
    let large = [("name".to_owned(), "a".repeat(70_000))];
    ann.browser.post_from(&at, &to, &large).await.expect(413);
}

/// Begins to send a form, and stops in the middle of its body.
async fn send_half(app: &TestApp, visitor: &Visitor<'_>, path: &str, body: &str) -> Box<dyn Stream> {
    let mut stream = app.net.connect(&app.app_url).await;
    let cookies = visitor.browser.cookie_header(&app.url(path), true, false);
    let (host, origin) =
        (app.app_url.host_str().expect("a host"), app.app_url.origin().ascii_serialization());
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nsec-fetch-site: same-origin\r\n\
         sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\naccept: text/html\r\ncookie: {cookies}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let half = &body[..body.len() / 2];
    stream.write_all(format!("{head}{half}").as_bytes()).await.expect("it is taken");
    stream
}

/// Sends the rest, and returns the first line of the answer.
async fn send_rest(stream: &mut Box<dyn Stream>, body: &str) -> String {
    stream.write_all(&body.as_bytes()[body.len() / 2..]).await.expect("it is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_slowly_needs_the_right_at_its_end_too() {
    let app = contoso(Wanted::default()).await;
    let mut ben = agent(&app, BEN).await;
    let ann = agent(&app, ANN).await;
    let path = "/.anteroom/support/organizations/contoso/rename";
    let body = "name=Something+Else+Altogether";
    // Sent at once it would be done, and so it is what is refused below that counts.
    let mut whole = send_half(&app, &ann, path, "name=Contoso+Residential+LLC").await;
    let answer = send_rest(&mut whole, "name=Contoso+Residential+LLC").await;
    assert!(!answer.contains("403"), "{answer}");
    let mut demoted = send_half(&app, &ann, path, body).await;
    let mut disabled = send_half(&app, &ann, path, body).await;
    app.command(&["user", "role", ANN, "member"]).await;
    until("the role is gone", async || {
        let mut browser = ann.browser.clone();
        browser.open(&app.url("/.anteroom/support")).await.status == 403
    })
    .await;
    let answer = send_rest(&mut demoted, body).await;
    assert!(answer.contains(" 403 "), "{answer}");
    app.command(&["user", "disable", ANN]).await;
    until("the session is over", async || {
        let mut browser = ann.browser.clone();
        browser.open(&app.url("/.anteroom/support")).await.url.path() != "/.anteroom/support"
    })
    .await;
    let answer = send_rest(&mut disabled, body).await;
    assert!(answer.contains(" 303 "), "{answer}");
    let page = ben.visit("/.anteroom/support/organizations/contoso").await.expect(200);
    assert!(!page.body.contains("Something Else"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workplace_sent_slowly_needs_the_session_at_its_end_too() {
    let app = contoso(Wanted::default()).await;
    let (noah, _) = on(&app, NOAH, "/deep").await;
    let body = "return_to=%2Fdeep&property=harbour&text=Tower+Nine";
    let path = "/.anteroom/waiting-room";
    let mut half = send_half(&app, &noah, path, body).await;
    app.command(&["user", "disable", NOAH]).await;
    until("the session is over", async || {
        let mut browser = noah.browser.clone();
        browser.open(&app.url(path)).await.url.path() != path
    })
    .await;
    let answer = send_rest(&mut half, body).await;
    assert!(answer.contains(" 303 "), "{answer}");
    assert!(app.audit().await.iter().all(|entry| entry.action != "user.workplace_said"), "nothing was kept");
}
