//! What is decided on is what is forwarded: paths that two parsers could read in two ways (T-C1 to T-C8).
//!
//! Separate because these requests are no browser's: they are written to the socket octet by octet, and the
//! application behind says what it got.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::app::{MIA, TestApp};
use crate::browserless::PATIENCE;

/// Sends a request line with a `Host` and a cookie, as written; the status of the answer.
fn ask(address: SocketAddr, line: &str, host: &str, session: Option<&str>) -> u16 {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let cookie = session.map(|id| format!("Cookie: anteroom={id}\r\n")).unwrap_or_default();
    let request = format!("{line}\r\nHost: {host}\r\nAccept: text/html\r\n{cookie}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).expect("it answers");
    reader.read_to_end(&mut Vec::new()).ok();
    let code = status.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}: {status:?}"));
    code.parse().expect("a status")
}

async fn ask_aside(address: SocketAddr, line: &str, host: &str, session: Option<&str>) -> u16 {
    let (line, host, session) = (line.to_owned(), host.to_owned(), session.map(str::to_owned));
    let asked = tokio::task::spawn_blocking(move || ask(address, &line, &host, session.as_deref()));
    asked.await.expect("it is waited for")
}

fn address(app: &TestApp) -> SocketAddr {
    app.net.address(&app.app_url).expect("it is led somewhere")
}

/// T-C1: the query decides nothing, and neither does a longer or a differently written path.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_path_itself_makes_a_request_public() {
    let app = TestApp::new().await;
    let at = address(&app);
    for target in [
        "/private?x=/assets/",
        "/private?/assets/x",
        "/assets",
        "/assets2/x",
        "/Assets/x",
        "/%61ssets/x",
        "/a/assets/x",
        "/favicon.ico/x",
        "/favicon.ico;x",
        "/favicon.icon",
        "/",
    ] {
        let status = ask_aside(at, &format!("GET {target} HTTP/1.1"), "app.localhost", None).await;
        assert_eq!(status, 303, "{target}");
    }
    assert_eq!(app.application.received().len(), 0);
    for target in ["/assets/x?y=/private", "/assets/", "/favicon.ico", "/favicon.ico?v=2"] {
        assert_eq!(
            ask_aside(at, &format!("GET {target} HTTP/1.1"), "app.localhost", None).await,
            200,
            "{target}"
        );
        assert_eq!(app.application.last().target, target);
    }
}

/// T-C3, T-C5: with a session and without, under a public path and elsewhere, what is ambiguous gets nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_paths_reach_nobody() {
    let app = TestApp::new().await;
    let mia = app.member(MIA).await;
    let session = mia.session().expect("a session");
    let (at, before) = (address(&app), app.application.received().len());
    for tail in [
        "../admin",
        "..%2fadmin",
        "..%2Fadmin",
        "%2e%2e/admin",
        "%2E%2e/admin",
        ".%2e/admin",
        "..;/admin",
        "..;a=b/admin",
        ".;/admin",
        "./admin",
        "a/./../../admin",
        "/../admin",
        ".%00./admin",
        "a%00/admin",
        "a%0aadmin",
        "a%0d%0aadmin",
        "a%09/admin",
        "a%7f",
        "..%5cadmin",
        "..\\admin",
        "a\\..\\admin",
        "%c0%ae%c0%ae/admin",
        "%e0%80%ae/admin",
        "%f0%80%80%af/admin",
        "%c0%af/admin",
        "%u002e%u002e/admin",
        "%252e%252e/admin",
        "%252fadmin",
        "%255cadmin",
        "%2500",
        "%",
        "%2",
        "%zz",
        "%ff",
        "a%2fb",
        "a%5cb",
        "x%2e",
        "é",
        "\u{7f}x",
    ] {
        for head in ["/assets/", "/private/"] {
            for id in [None, Some(session.as_str())] {
                let status = ask_aside(at, &format!("GET {head}{tail} HTTP/1.1"), "app.localhost", id).await;
                assert_eq!(status, 400, "{head}{tail} {id:?}");
            }
        }
    }
    assert_eq!(app.application.received().len(), before);
}

/// T-C2, T-C5, T-C7: what is not refused arrives octet by octet as it was decided on.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unambiguous_arrives_as_it_was_sent() {
    let app = TestApp::new().await;
    let mia = app.member(MIA).await;
    let session = mia.session().expect("a session");
    let at = address(&app);
    for target in [
        "/a%23b",
        "/secret%23/bar",
        "/a%3fb?c",
        "/a%20b",
        "/a//b",
        "/a/b//",
        "/a;v=1/b",
        "/...",
        "/a/..b",
        "/c%C3%A9",
        "/100%25",
        "/a?x=../..&y=%2f%2e%2e&z=//e",
        "/@x:y",
        "/a?",
    ] {
        let line = format!("GET {target} HTTP/1.1");
        assert_eq!(ask_aside(at, &line, "app.localhost", Some(&session)).await, 200, "{target}");
        assert_eq!(app.application.last().target, target);
        assert_eq!(ask_aside(at, &line, "app.localhost", None).await, 303, "{target}");
    }
    // A fragment is no part of a request: it is refused, or cut off before anything is decided.
    let before = app.application.received().len();
    for target in ["/assets/x#/../admin", "/private#/assets/", "/x#"] {
        let status = ask_aside(at, &format!("GET {target} HTTP/1.1"), "app.localhost", None).await;
        let wanted = if target.starts_with("/assets/") { [200, 400] } else { [303, 400] };
        assert!(wanted.contains(&status), "{target}: {status}");
    }
    let arrived: Vec<_> = app.application.received().into_iter().skip(before).map(|one| one.target).collect();
    assert!(arrived.iter().all(|target| target == "/assets/x"), "{arrived:?}");
}

/// T-C6, T-C8: no way of writing a target or a host leads to another upstream, or past the rules of this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_never_changes_where_it_is_forwarded() {
    let app = TestApp::new().await;
    let mia = app.member(MIA).await;
    let session = mia.session().expect("a session");
    let (at, before) = (address(&app), app.application.received().len());
    for (line, wanted) in [
        ("GET //evil.example/x HTTP/1.1", 400),
        ("GET ///evil.example/x HTTP/1.1", 400),
        ("GET /\\evil.example/x HTTP/1.1", 400),
        ("GET \\\\evil.example/x HTTP/1.1", 400),
        ("GET http://evil.example/x HTTP/1.1", 400),
        ("GET http://evil.example@app.localhost/x HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("GET evil.example:80 HTTP/1.1", 400),
        ("CONNECT evil.example:80 HTTP/1.1", 405),
        ("TRACE /x HTTP/1.1", 405),
    ] {
        let status = ask_aside(at, line, "app.localhost", Some(&session)).await;
        assert!(status == wanted || status == 421 || status == 400, "{line}: {status}");
    }
    assert_eq!(app.application.received().len(), before);
    for host in ["evil.example", "app.localhost.evil.example", "xapp.localhost", "127.0.0.1"] {
        assert_eq!(ask_aside(at, "GET /x HTTP/1.1", host, Some(&session)).await, 421, "{host}");
    }
    assert_eq!(app.application.received().len(), before);
    for host in ["APP.localhost", "app.localhost.", "App.LocalHost.:80", "app.localhost:8443"] {
        assert_eq!(ask_aside(at, "GET /x HTTP/1.1", host, Some(&session)).await, 200, "{host}");
        assert_eq!(app.application.last().header("host"), "app.localhost", "{host}");
        assert_eq!(ask_aside(at, "GET /x HTTP/1.1", host, None).await, 303, "{host}");
    }
    let line = "GET http://app.localhost/whole HTTP/1.1";
    assert_eq!(ask_aside(at, line, "app.localhost", Some(&session)).await, 200);
    assert_eq!(app.application.last().target, "/whole");
}

/// `check --public` says the truth about a running Anteroom: all that it lists is there, and asks nobody to sign on
/// who need not; and a path that it does not list needs a session.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_as_public_is_what_is_reachable() {
    let app = TestApp::new().await;
    let printed = app.command(&["check", "--public", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let rows = listed.as_array().expect("a list");
    for row in rows.iter().filter(|row| row["host"] != "ops") {
        let host = if row["host"] == "login" { "login.localhost" } else { "app.localhost" };
        let path = row["path"].as_str().expect("a path");
        let methods = row["methods"].as_array();
        let method = methods.and_then(|methods| methods.last()?.as_str()).unwrap_or("GET");
        let path = if path == "/.anteroom/assets/" { "/.anteroom/assets/none" } else { path };
        let status = ask_aside(address(&app), &format!("{method} {path} HTTP/1.1"), host, None).await;
        let wanted: &[u16] = match row["answer"].as_str().expect("an answer") {
            "the application's answer, without anybody's identity" => &[200],
            text if text.starts_with("sends") => &[303, 415],
            text if text.starts_with("401") => &[401],
            _ if path == "/.anteroom/assets/none" => &[404],
            _ => &[200, 303, 400, 403, 415],
        };
        assert!(wanted.contains(&status), "{method} {host}{path}: {status}");
    }
    let is_listed = |path: &str| rows.iter().any(|row| row["path"] == path);
    for path in ["/assets/", "/favicon.ico", "/saml2/idpresponse", "/.anteroom/sign-in", "/.anteroom/repeat"]
    {
        assert!(is_listed(path), "{path}: {printed}");
    }
    assert!(!is_listed("/.anteroom/auth"));
}
