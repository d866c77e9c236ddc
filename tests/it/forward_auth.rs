//! The word of a proxy about requests that it forwards itself: who is believed, what is refused, and each recipe of
//! `docs/forward-auth.md` with the real program.
//!
//! Separate because Anteroom is not in the way here: what counts is what the application behind the other proxy gets.
//!
//! The tests with real programs are ignored by a plain `cargo test`; `scripts/test` installs them.

mod proxies;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::app::{MIA, NOAH, TestApp, Wanted};
use crate::browserless::PATIENCE;

/// An answer: its status, and its fields in lower case.
#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a head as written.
async fn ask(address: SocketAddr, head: &str) -> Answer {
    let head = format!("{}\r\nConnection: close\r\n\r\n", head.trim_end().replace('\n', "\r\n"));
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.write_all(head.as_bytes()).expect("it listens");
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("it answers");
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        reader.read_to_end(&mut Vec::new()).ok();
        let status = lines.first().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let fields = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Answer { status: status.parse().expect("a status"), fields }
    });
    asked.await.expect("it is waited for")
}

async fn start(proxy: &str, peers: &str) -> TestApp {
    let more = format!("[forward_auth]\nproxy = \"{proxy}\"\ntrusted_peers = [\"{peers}\"]\n");
    Wanted::default().more(&more).start().await
}

fn address(app: &TestApp) -> SocketAddr {
    app.net.address(&app.acs_url).expect("it is led somewhere")
}

/// The question of a proxy about a request, in its own way.
fn question(proxy: &str, method: &str, target: &str, more: &str) -> String {
    let host = "Host: app.localhost";
    match proxy {
        "nginx" | "haproxy" => format!(
            "GET /.anteroom/auth HTTP/1.1\n{host}\nX-Original-Method: {method}\nX-Original-URI: {target}\n{more}"
        ),
        "caddy" | "traefik" => format!(
            "GET /.anteroom/auth HTTP/1.1\nHost: 127.0.0.1\nX-Forwarded-Host: app.localhost\n\
             X-Forwarded-Method: {method}\nX-Forwarded-Uri: {target}\n{more}"
        ),
        _ => format!("{method} /.anteroom/auth{target} HTTP/1.1\n{host}\n{more}"),
    }
}

const PROXIES: [&str; 5] = ["nginx", "haproxy", "caddy", "traefik", "envoy"];

#[tokio::test(flavor = "multi_thread")]
async fn each_proxy_is_told_in_its_own_way_what_to_do() {
    for proxy in PROXIES {
        let app = start(proxy, "127.0.0.0/8").await;
        let mia = app.member(MIA).await;
        let received = app.application.received().len();
        let cookie = format!("Cookie: theme=dark; anteroom={}; x=1\n", mia.session().expect("a session"));
        let at = address(&app);
        let passed = ask(at, &question(proxy, "GET", "/units?a=%2F", &cookie)).await;
        assert_eq!(passed.status, 200, "{proxy}: {passed:?}");
        assert!(passed.field("x-anteroom-jwt-assertion").is_some(), "{proxy}: {passed:?}");
        assert_eq!(passed.field("x-anteroom-target"), Some("/units?a=%2F"));
        assert_eq!(passed.field("cookie"), Some("theme=dark; x=1"), "{proxy}");

        let public = ask(at, &question(proxy, "GET", "/assets/x", &cookie)).await;
        let identity = public.field("x-anteroom-jwt-assertion").unwrap_or_default();
        assert_eq!((public.status, identity), (200, ""), "{proxy}");

        let (person, program) = ("Accept: text/html\n", "Accept: application/json\n");
        let (sign_in, waiting) = if proxy == "nginx" { (401, 403) } else { (303, 303) };
        let location = if proxy == "nginx" { "x-anteroom-location" } else { "location" };
        let nobody = ask(at, &question(proxy, "GET", "/units?a=1", person)).await;
        assert_eq!(nobody.status, sign_in, "{proxy}: {nobody:?}");
        let to = nobody.field(location).expect("a place to go");
        assert!(to.ends_with("/.anteroom/sign-in?return_to=%2Funits%3Fa%3D1"), "{proxy}: {to}");
        let nobody = ask(at, &question(proxy, "GET", "/units", program)).await;
        assert_eq!((nobody.status, nobody.field(location)), (401, None), "{proxy}: {nobody:?}");

        let mut noah = app.visitor().who_is(NOAH);
        noah.sign_on("/").await.expect(200);
        let cookie = format!("Cookie: anteroom={}\n", noah.session().expect("a session"));
        let waits = ask(at, &question(proxy, "GET", "/units", &format!("{person}{cookie}"))).await;
        assert_eq!(waits.status, waiting, "{proxy}: {waits:?}");
        assert!(waits.field(location).expect("a place to go").contains("/.anteroom/waiting-room?"));
        let waits = ask(at, &question(proxy, "GET", "/units", &format!("{program}{cookie}"))).await;
        assert_eq!((waits.status, waits.field(location)), (403, None), "{proxy}: {waits:?}");
        assert_eq!(app.application.received().len(), received, "nothing was forwarded");
    }
}

/// T-D2: only a configured peer is answered, and only what its proxy says is read.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_answered_and_nothing_else_is_read() {
    for proxy in PROXIES {
        let app = start(proxy, "192.0.2.0/24").await;
        let cookie = format!("Cookie: anteroom={}\n", app.member(MIA).await.session().expect("a session"));
        let stranger = ask(address(&app), &question(proxy, "GET", "/assets/x", &cookie)).await;
        let wanted = if matches!(proxy, "caddy" | "traefik") { 421 } else { 404 };
        assert_eq!((stranger.status, stranger.field("x-anteroom-jwt-assertion")), (wanted, None), "{proxy}");
    }
    let app = TestApp::new().await;
    let off = ask(address(&app), &question("nginx", "GET", "/assets/x", "")).await;
    assert_eq!(off.status, 404);

    // What another proxy would say is only what a client wrote.
    let app = start("nginx", "127.0.0.1").await;
    let forged = "X-Forwarded-Uri: /assets/x\nX-Forwarded-Method: GET\nX-Forwarded-Host: app.localhost\n\
                  Accept: application/json\n";
    let answer = ask(address(&app), &question("nginx", "GET", "/private", forged)).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let twice =
        ask(address(&app), &question("nginx", "GET", "/private", "X-Original-URI: /assets/x\n")).await;
    assert_eq!(twice.status, 403, "{twice:?}");
    let alone = format!("GET /.anteroom/auth HTTP/1.1\nHost: app.localhost\n{forged}");
    assert_eq!(ask(address(&app), &alone).await.status, 403, "nothing that nginx says");
    let app = start("traefik", "127.0.0.1").await;
    let forged = "X-Original-URI: /assets/x\nX-Original-Method: GET\nAccept: application/json\n";
    let answer = ask(address(&app), &question("traefik", "GET", "/private", forged)).await;
    assert_eq!(answer.status, 401, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ambiguous_forged_or_not_the_applications_is_refused() {
    for proxy in PROXIES {
        let app = start(proxy, "127.0.0.1").await;
        let cookie = format!("Cookie: anteroom={}\n", app.member(MIA).await.session().expect("a session"));
        let at = address(&app);
        let of_nginx = |status: u16| if proxy == "nginx" { 403 } else { status };
        for target in [
            "//evil.example/x",
            "/assets/../private",
            "/assets/..%2fprivate",
            "/assets/%2e%2e/private",
            "/assets/..;/private",
            "/assets/%5c..",
            "/a%00",
            "/%c0%ae",
        ] {
            let answer = ask(at, &question(proxy, "GET", target, &cookie)).await;
            assert_eq!(answer.status, of_nginx(400), "{proxy} {target}: {answer:?}");
            assert_eq!(answer.field("x-anteroom-jwt-assertion"), None);
        }
        if proxy != "envoy" {
            for target in ["/assets/x#/../private", "*", "http://evil.example/x", "", "assets/x", "/a b"] {
                let answer = ask(at, &question(proxy, "GET", target, &cookie)).await;
                assert_eq!(answer.status, of_nginx(400), "{proxy} {target:?}: {answer:?}");
            }
        }
        for target in ["/.anteroom/sign-in", "/.anteroom/auth", "/.well-known/anteroom/jwks.json"] {
            let answer = ask(at, &question(proxy, "GET", target, &cookie)).await;
            assert_eq!(answer.status, 403, "{proxy} {target}: {answer:?}");
        }
        for name in ["X_Anteroom_Jwt_Assertion", "X-Anteroom.Jwt-Assertion", "Remote-User", "remote_email"] {
            let head = question(proxy, "GET", "/units", &format!("{cookie}{name}: forged\n"));
            assert_eq!(ask(at, &head).await.status, 403, "{proxy} {name}");
        }
        let named = question(proxy, "GET", "/units", &format!("{cookie}X-Anteroom-Jwt-Assertion: forged\n"));
        let answer = ask(at, &named).await;
        assert_eq!(answer.status, 200, "the recipes overwrite it");
        assert_ne!(answer.field("x-anteroom-jwt-assertion"), Some("forged"));
        let other = question(proxy, "GET", "/units", &cookie).replace("app.localhost", "evil.example");
        assert_eq!(ask(at, &other).await.status, of_nginx(421), "{proxy}");
        if proxy == "envoy" {
            let public = ask(at, &question(proxy, "GET", "/assets/x", "")).await;
            assert_eq!(
                public.field("x-envoy-auth-headers-to-remove"),
                Some("x-anteroom-jwt-assertion,cookie")
            );
        }
    }
}
