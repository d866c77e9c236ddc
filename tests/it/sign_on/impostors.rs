//! What opens nothing: whatever a client says it is, cookies that are none of ours, and tokens of another kind
//! (T-D1, T-D4, T-E2 to T-E5, T-E7).
//!
//! Each is asked beside the control: the session that it stands in for.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::app::{MIA, TestApp, Wanted};
use crate::browserless::PATIENCE;
use crate::idp::Idp;

/// Sends a `GET` with these lines, octet by octet as they are; the whole answer.
async fn ask(at: SocketAddr, path: &str, lines: &[u8]) -> String {
    let begin = format!("GET {path} HTTP/1.1\r\nAccept: text/html\r\nConnection: close\r\n");
    let request = [begin.as_bytes(), lines, b"\r\n"].concat();
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(at).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.write_all(&request).expect("it listens");
        let mut answer = Vec::new();
        // What is refused may be reset behind its answer.
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    });
    asked.await.expect("it is waited for")
}

fn status(answer: &str) -> u16 {
    let code = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {answer:?}"));
    code.parse().expect("a status")
}

fn cookie(value: &[u8]) -> Vec<u8> {
    [b"Host: app.localhost\r\nCookie: ".as_slice(), value, b"\r\n"].concat()
}

/// T-D1: who asks about health, or says that it comes from here, is a visitor like any other.
#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_a_client_and_no_address_is_let_in() {
    let app = TestApp::new().await;
    let at = app.public_address();
    for agent in [
        "kube-probe/1.31",
        "ELB-HealthChecker/2.0",
        "GoogleHC/1.0",
        "Prometheus/2.53",
        "Googlebot/2.1",
        "Anteroom/0.1.0 (health check)",
        "HAProxy",
        "",
    ] {
        for path in
            ["/", "/healthz", "/health", "/ping", "/ready", "/livez", "/readyz", "/metrics", "/robots.txt"]
        {
            let lines = format!(
                "Host: app.localhost\r\nUser-Agent: {agent}\r\nX-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n\
                 X-Forwarded-User: {MIA}\r\nAuthorization: Basic bWlhOm1pYQ==\r\n"
            );
            let answer = ask(at, path, lines.as_bytes()).await;
            assert_eq!(status(&answer), 303, "{agent} {path}: {answer}");
        }
    }
    for host in ["127.0.0.1", "localhost", "[::1]", "upstream", ""] {
        let answer = ask(at, "/", format!("Host: {host}\r\n").as_bytes()).await;
        assert!(matches!(status(&answer), 400 | 421), "{host}: {answer}");
    }
    assert!(app.application.received().is_empty(), "nothing got through");
}

/// T-D4, T-E3: what is not exactly the value that was given opens nothing, however it is written and however many there are.
#[tokio::test(flavor = "multi_thread")]
async fn no_cookie_but_the_one_that_was_given_opens_anything() {
    let app = TestApp::new().await;
    let session = app.member(MIA).await.session().expect("a session");
    let at = app.public_address();
    let good = format!("anteroom={session}");
    assert_eq!(status(&ask(at, "/x", &cookie(good.as_bytes())).await), 200, "the control");
    let before = app.application.received().len();

    let mut values: Vec<Vec<u8>> = [
        "",
        "anteroom",
        "anteroom=",
        "anteroom=;",
        "anteroom=\"\"",
        "=",
        ";;;",
        "anteroom==",
        "anteroom=null",
        "anteroom=undefined",
        "anteroom=0",
        "anteroom_chunks=99999999",
        "anteroom-0=a; anteroom-1=b",
        "\"",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let named = |name: &str, value: &str| format!("{name}={value}").into_bytes();
    values.extend([
        named("Anteroom", &session),
        named("ANTEROOM", &session),
        named("__Host-anteroom", &session),
        named("anteroom.", &session),
        named("xanteroom", &session),
        named("anteroom[]", &session),
        named("anteroom", &session.to_uppercase()),
        named("anteroom", &session.to_lowercase()),
        named("anteroom", &session.chars().rev().collect::<String>()),
        named("anteroom", &format!("{session}{session}")),
        named("anteroom", &format!("{session}=")),
        named("anteroom", &format!("{session}.x")),
        named("anteroom", &format!("%{:02x}{}", session.as_bytes()[0], &session[1..])),
        named("anteroom", &"A".repeat(session.len())),
        named("anteroom", &"A".repeat(12_000)),
        named("anteroom", &format!("{}\u{e9}", &session[..session.len() - 1])),
        [b"anteroom=".as_slice(), &session.as_bytes()[1..], b"\xff"].concat(),
    ]);
    // Each place changed, cut off, and put in once more.
    for place in 0..session.len() {
        let (begin, rest) = session.split_at(place);
        let other = if rest.starts_with('A') { 'B' } else { 'A' };
        values.push(named("anteroom", &format!("{begin}{other}{}", &rest[1..])));
        values.push(named("anteroom", begin));
        values.push(named("anteroom", &format!("{begin}{other}{rest}")));
    }
    // One of nobody's among a thousand others.
    let many: Vec<_> = (0..1_000).map(|number| format!("c{number}=1")).collect();
    values.push(format!("{}; anteroom={}", many.join("; "), "A".repeat(session.len())).into_bytes());
    for value in &values {
        let answer = ask(at, "/x", &cookie(value)).await;
        let told = String::from_utf8_lossy(value);
        assert!(matches!(status(&answer), 303 | 400 | 431), "{told:.80}: {answer:.200}");
    }
    assert_eq!(app.application.received().len(), before, "nothing got through");
    let among = format!("{}; {good}", many.join("; "));
    assert_eq!(
        status(&ask(at, "/x", &cookie(among.as_bytes())).await),
        200,
        "and the right one is found among them"
    );
}

/// T-E2: a session is of one host of one Anteroom.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_worth_nothing_on_another_host_or_elsewhere() {
    let (app, other) = (TestApp::new().await, TestApp::new().await);
    let session = app.member(MIA).await.session().expect("a session");
    other.add_member(MIA).await;
    let lines = |host: &str| format!("Host: {host}\r\nCookie: anteroom={session}\r\n").into_bytes();
    assert_eq!(status(&ask(app.public_address(), "/x", &lines("app.localhost")).await), 200, "the control");
    let before = app.application.received().len();
    for path in ["/", "/x", "/.anteroom/session", "/.anteroom/manage"] {
        assert_eq!(status(&ask(app.public_address(), path, &lines("login.localhost")).await), 404, "{path}");
    }
    assert_eq!(status(&ask(other.public_address(), "/x", &lines("app.localhost")).await), 303);
    assert_eq!(app.application.received().len(), before);
    assert!(other.application.received().is_empty());
}

/// T-E4, T-E5: two people of two organizations whose names would be the same if they were run together sign on at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_run_together_are_told_apart() {
    const ROUNDS: usize = 3;
    let idp = Idp::other_tenant();
    let app = Wanted::default().organization("contosox", "Contoso X", "\"contosox.com\"", &idp).start().await;
    let people = [("1a@contosox.com", "1", &idp), ("1a@contoso.com", "x1", &app.idp)];
    for (organization, (email, ..)) in ["contosox", "contoso"].into_iter().zip(people) {
        let names = ["user", "add", email, "--organization", organization];
        app.command(&[&names[..], &["--level", "technician", "--property", "*"]].concat()).await;
    }
    let sign_on = async |(email, object, idp): (&'static str, &str, &Idp)| {
        let mut visitor = app.visitor().who_is(email);
        let pending = visitor.begin("/").await;
        let message = idp.answer(&pending.request, app.now()).for_user(email, "Robin Vale", object);
        visitor.answer_with(&message).await.expect(200);
        visitor
    };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..ROUNDS {
        let (one, other) = tokio::join!(sign_on(people[0]), sign_on(people[1]));
        for mut visitor in [one, other] {
            visitor.visit("/who").await.expect(200);
            let claims = app.application.last().claims().expect("an identity");
            assert_eq!(claims["email"], visitor.person.email);
            assert_eq!(
                claims["org"],
                visitor.person.email.rsplit_once('@').unwrap().1.trim_end_matches(".com")
            );
            seen.insert((claims["sub"].to_string(), visitor.person.email.clone()));
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

/// T-E7: each kind of token is presented wherever another kind is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_what_it_was_made_for_alone() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/x").await;
    let message = mia.answer(&pending);
    mia.answer_with(&message).await.expect(200);
    let assertion = app.application.last().header("x-anteroom-jwt-assertion").to_owned();
    let led = mia.browser.history.iter().rev().find(|url| url.path() == "/.anteroom/sign-in/complete");
    let code = led.and_then(|url| url.query_pairs().next()).expect("a code").1.into_owned();
    let session = mia.session().expect("a session");
    let at = app.public_address();
    let before = app.application.received().len();

    let tokens =
        [("session", session), ("assertion", assertion), ("code", code), ("request", pending.request.id)];
    for (kind, token) in &tokens {
        let as_session = ask(at, "/.anteroom/session", &cookie(format!("anteroom={token}").as_bytes())).await;
        assert_eq!(status(&as_session), if *kind == "session" { 200 } else { 401 }, "{kind}: {as_session}");
        let bearer = format!("Host: app.localhost\r\nAuthorization: Bearer {token}\r\n");
        let as_assertion = ask(at, "/.anteroom/identity", bearer.as_bytes()).await;
        assert_eq!(
            status(&as_assertion),
            if *kind == "assertion" { 200 } else { 401 },
            "{kind}: {as_assertion}"
        );
        // A code is spent by now; nothing else is one.
        let complete = format!("/.anteroom/sign-in/complete?code={token}");
        let as_code = ask(at, &complete, b"Host: app.localhost\r\n").await;
        assert!(!as_code.to_lowercase().contains("set-cookie: anteroom="), "{kind}: {as_code}");
        assert_ne!(status(&as_code), 200, "{kind}");
        let repeat = format!("/.anteroom/repeat?post={token}");
        assert_eq!(status(&ask(at, &repeat, b"Host: app.localhost\r\n").await), 303, "{kind}");
    }
    assert_eq!(app.application.received().len(), before, "the application has seen none of it");
}
