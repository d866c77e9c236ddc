//! Limits that hold for some paths and not for others.

use std::num::NonZero;
use std::time::{Duration, Instant};

use anteroom::proxy::{Route, Routes};
use anteroom::target::PathRule;

use super::{Answer, Client, Front, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream};

/// How much a body may have below `/small/`.
const BYTES_MAX: usize = 1_000;

fn route(path: &str) -> Route {
    let path = PathRule::parse(path).unwrap();
    Route { path, body_max: None, body_timeout: None, response_timeout: None }
}

fn small() -> Routes {
    let body_max = NonZero::new(BYTES_MAX as u64);
    Routes::new(vec![Route { body_max, ..route("/small/") }, route("/small/and/large/")])
}

fn before(upstream: &Upstream, routes: Routes) -> Front {
    let mut plan = Plan::before(&[upstream]);
    plan.proxy.routes = routes;
    plan.start()
}

fn post(path: &str, field: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{field}\r\n\r\n")
}

fn sized(path: &str, bytes: usize) -> String {
    post(path, &format!("Content-Length: {bytes}")) + &"x".repeat(bytes)
}

/// In chunks of a few hundred bytes, the length said nowhere.
fn chunked(path: &str, bytes: usize) -> String {
    let body = "x".repeat(bytes);
    let chunks = body.as_bytes().chunks(300).map(<[u8]>::len);
    let chunks: Vec<_> = chunks.map(|length| format!("{length:x}\r\n{}\r\n", "x".repeat(length))).collect();
    post(path, "Transfer-Encoding: chunked") + &chunks.concat() + "0\r\n\r\n"
}

fn is_too_large(answer: &Answer) -> bool {
    (answer.status, answer.body.as_slice()) == (413, b"body_too_large")
}

fn reading() -> Upstream {
    Upstream::start(|exchange| {
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"read")
    })
}

#[test]
fn a_body_has_the_size_that_its_path_allows() {
    let upstream = reading();
    let front = before(&upstream, small());
    let mut client = front.connect();
    for octets in [
        sized("/small/x", BYTES_MAX),
        chunked("/small/x", BYTES_MAX),
        sized("/small", BYTES_MAX + 1),
        sized("/small/and/large/x", BYTES_MAX + 1),
        chunked("/small/and/large/x", 10 * BYTES_MAX),
    ] {
        client.send(octets);
        assert_eq!(client.answer().body, b"read");
    }
    assert_eq!(upstream.requests().len(), 5, "the controls");

    // What is said to be larger reaches nobody, and nothing of it is waited for.
    for expectation in ["", "\r\nExpect: 100-continue"] {
        let mut client = front.connect();
        client.send(post("/small/x", &format!("Content-Length: {}{expectation}", BYTES_MAX + 1)));
        let answer = client.answer();
        assert!(is_too_large(&answer), "{answer:?}");
        assert!(client.is_closed(), "what may still come is no request");
    }
    assert_eq!(upstream.requests().len(), 5);
}

#[test]
fn a_body_of_unknown_length_is_broken_off_where_it_becomes_too_large() {
    let upstream = reading();
    let front = before(&upstream, small());
    let mut client = front.connect();
    client.send(chunked("/small/x", BYTES_MAX + 1));
    let answer = client.answer();
    assert!(is_too_large(&answer), "{answer:?}");
    upstream.wait_for_open(0);
    assert!(upstream.requests().iter().all(|request| request.body.is_empty()), "and never as a whole");
    // Nobody else is worse off.
    assert_eq!(front.ask(&sized("/small/x", 1)).body, b"read");
}

#[test]
fn a_body_has_the_time_that_its_path_allows() {
    let upstream = reading();
    let limit = Some(Duration::from_millis(400));
    let front = before(&upstream, Routes::new(vec![Route { body_timeout: limit, ..route("/soon/") }]));
    assert_eq!(front.ask(&sized("/soon/x", 100)).body, b"read", "the control");
    // Octet by octet, never silent for long.
    let dribble = |client: &mut Client| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            if std::io::Write::write_all(client.0.get_mut(), b"x").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut soon = front.connect();
    soon.send(post("/soon/x", "Content-Length: 1000"));
    dribble(&mut soon);
    let answer = soon.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (408, b"request_timeout".as_slice()));
    let mut later = front.connect();
    later.send(post("/later/x", "Content-Length: 1000"));
    dribble(&mut later);
    later.send("x".repeat(1_000));
    assert_eq!(later.answer().body, b"read");
}

#[test]
fn an_answer_has_the_time_that_its_path_allows() {
    let upstream = Upstream::start(|exchange| {
        if exchange.recorded.target().ends_with("/late") {
            std::thread::sleep(Duration::from_millis(800));
        }
        exchange.respond("200 OK", &[], b"read")
    });
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.timeouts.first_byte = Duration::from_millis(300);
    plan.proxy.routes = Routes::new(vec![Route { response_timeout: Some(PATIENCE), ..route("/reports/") }]);
    let front = plan.start();
    let get = |path: &str| front.ask(&format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(get("/other/now").body, b"read", "the control");
    assert_eq!(get("/other/late").body, b"upstream_timeout");
    assert_eq!(get("/reports/late").body, b"read");
}
