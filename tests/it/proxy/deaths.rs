//! Applications that die at every stage of a request, and how often a request is sent then.

use std::collections::HashSet;
use std::io::Read;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anteroom::proxy::{Reuse, Upstream as Address};

use super::{Front, HOST, Plan};
use crate::upstream::Upstream;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\nabc")
}

/// An address where nobody listens.
fn nobody() -> Address {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Address::parse(&format!("http://{gone}")).unwrap()
}

#[test]
fn nobody_listening_is_said_so() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.upstreams = vec![nobody()];
    let answer = plan.start().ask(&post("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_connect_failed".as_slice()));

    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.upstreams = Vec::new();
    let answer = plan.start().ask(&post("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (503, b"no_upstream".as_slice()));
}

#[test]
fn another_upstream_is_asked_where_one_cannot_be_reached() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.upstreams.insert(0, nobody());
    plan.proxy.upstreams.push(nobody());
    let front = plan.start();
    for _ in 0..4 {
        assert_eq!(front.ask(&post("/x")).status, 200);
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn several_upstreams_share_the_work() {
    let (first, second) = (Upstream::polite(), Upstream::polite());
    let front = Plan::before(&[&first, &second]).start();
    for _ in 0..10 {
        assert_eq!(front.ask(&get("/x")).status, 200);
    }
    let counts = (first.requests().len(), second.requests().len());
    assert_eq!(counts.0 + counts.1, 10);
    assert!(counts.0 >= 3 && counts.1 >= 3, "{counts:?}");
}

/// A fresh connection that dies is not tried again: the application may have acted.
#[test]
fn a_request_on_a_fresh_connection_is_sent_once() {
    type Stage = (&'static str, fn(&mut crate::upstream::Exchange) -> std::io::Result<()>);
    let stages: [Stage; 3] = [
        ("after the head", |exchange| exchange.close()),
        ("after the request", |exchange| exchange.read_body().and_then(|()| exchange.close())),
        ("within the response's head", |exchange| {
            exchange.read_body()?;
            exchange.write("HTTP/1.1 200 OK\r\nContent-")?;
            exchange.close()
        }),
    ];
    for (stage, script) in stages {
        for request in [get("/x"), post("/x")] {
            let upstream = Upstream::start(script);
            let answer = Front::before(&upstream).ask(&request);
            assert_eq!(
                (answer.status, answer.body.as_slice()),
                (502, b"upstream_reset".as_slice()),
                "{stage}"
            );
            assert_eq!(upstream.requests().len(), 1, "{stage}");
        }
    }
}

#[test]
fn a_connection_closed_right_after_it_was_accepted_is_a_reset() {
    let upstream = Upstream::start_after(usize::MAX, |exchange| exchange.respond("200 OK", &[], b""));
    let answer = Front::before(&upstream).ask(&post("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_reset".as_slice()));
    assert_eq!(upstream.connections(), 1);
}

/// on a reused connection that dies unanswered, GET goes again on a fresh one, POST never does.
#[test]
fn a_reused_connection_that_dies_costs_a_get_nothing_and_a_post_one_try() {
    let empty_post = format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
    for (request, status, sent) in [(get("/x"), 200, 3), (post("/x"), 502, 2), (empty_post, 502, 2)] {
        let count = AtomicUsize::new(0);
        let upstream = Upstream::start(move |exchange| {
            exchange.read_body()?;
            if count.fetch_add(1, Ordering::SeqCst) == 1 {
                return exchange.close();
            }
            exchange.respond("200 OK", &[], b"ok")
        });
        let front = Front::before(&upstream);
        assert_eq!(front.ask(&get("/first")).status, 200);
        assert_eq!(front.ask(&request).status, status);
        let requests = upstream.requests();
        assert_eq!(requests.len(), sent);
        assert_eq!(requests[1].connection, 0, "the second request reused the connection");
    }
}

/// A request that was never sent is sent, whatever its method.
#[test]
fn a_parked_connection_that_was_closed_meanwhile_is_not_used() {
    let upstream = Upstream::start(|exchange| {
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"ok")?;
        exchange.close()
    });
    let front = Front::before(&upstream);
    for round in 1..5 {
        assert_eq!(front.ask(&post("/x")).status, 200, "{round}");
        upstream.wait_for_open(0);
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn a_silent_application_is_given_up() {
    let upstream = Upstream::start(crate::upstream::Exchange::wait_for_close);
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.timeouts.first_byte = Duration::from_millis(300);
    let front = plan.start();
    let begun = Instant::now();
    let answer = front.ask(&get("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (504, b"upstream_timeout".as_slice()));
    assert!(begun.elapsed() < Duration::from_secs(3));
    upstream.wait_for_open(0);
    assert_eq!(upstream.requests().len(), 1, "a request that was not answered in time is not repeated");
}

#[test]
fn nonsense_instead_of_a_response_is_said_so() {
    let huge = format!("HTTP/1.1 200 OK\r\nX-Huge: {}\r\n\r\n", "a".repeat(80_000));
    let nonsense =
        ["SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n".to_owned(), huge];
    // What was encoded for the way and is not decoded, and lengths that say nothing.
    let framed = [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding:",
        "Content-Length:",
        "Content-Length: ,",
        "Content-Length: 4,",
        "Content-Length: 4\r\nContent-Length:",
        "Content-Length: abc",
    ];
    let framed = framed.map(|field| format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n4\r\nbody\r\n0\r\n\r\n"));
    for response in nonsense.into_iter().chain(framed) {
        let written = response.clone();
        let upstream = Upstream::start(move |exchange| {
            exchange.write(&written)?;
            exchange.wait_for_close()
        });
        let answer = Front::before(&upstream).ask(&get("/x"));
        let code = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, code.as_str()), (502, "upstream_bad_response"), "{response:.70}");
    }
}

/// The client learns that a response broke off: it gets the head and what came of the body, and their framing does not
/// come to an end.
#[test]
fn a_response_that_breaks_off_is_not_completed() {
    for (begin, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "abc"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "3\r\nabc\r\n"),
    ] {
        let upstream = Upstream::start(move |exchange| {
            exchange.write(begin)?;
            exchange.close()
        });
        let front = Front::before(&upstream);
        let mut client = front.connect();
        client.send(get("/x"));
        let mut answer = String::new();
        client.0.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body);
    }
}

/// an early answer leaves a body behind; the connection must not carry another request.
#[test]
fn an_early_answer_leaves_no_used_connection() {
    let upstream = Upstream::start(|exchange| exchange.respond("413 Content Too Large", &[], b"no"));
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000\r\n\r\nabc"));
    assert_eq!(client.answer().status, 413);
    assert_eq!(front.ask(&get("/y")).status, 413);
    assert_eq!(upstream.connections(), 2);
}

/// what is not used is closed before the application closes it.
#[test]
fn an_unused_connection_is_closed_in_time() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.timeouts.pool_idle = Duration::from_millis(300);
    let front = plan.start();
    assert_eq!(front.ask(&get("/x")).status, 200);
    upstream.wait_for_open(0);
    assert_eq!(front.ask(&get("/x")).status, 200);
    assert_eq!(upstream.connections(), 2);
    // Whoever looked after the first has nothing to do any more, and begins anew.
    upstream.wait_for_open(0);
}

/// an application that closes every connection just when another request is sent on it.
#[test]
fn what_cannot_be_repeated_goes_over_a_new_connection_where_that_is_wished() {
    let empty_post = format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
    let get_with_body = post("/x").replacen("POST", "GET", 1);
    let delete = get("/x").replacen("GET", "DELETE", 1);
    for (reuse, status, sent) in [(Reuse::Always, 502, 2), (Reuse::Safe, 200, 2), (Reuse::Never, 200, 2)] {
        for request in [&post("/x"), &empty_post, &get_with_body, &delete] {
            let (front, upstream) = before_one_that_closes_used_connections(reuse);
            assert_eq!(front.ask(&get("/first")).status, 200);
            assert_eq!(front.ask(request).status, status, "{reuse:?} {request}");
            assert_eq!(upstream.requests().len(), sent, "{reuse:?} {request}");
        }
    }
}

/// `safe` takes nothing from those that can be repeated, `never` everything from everybody.
#[test]
fn connections_are_used_again_as_is_wished() {
    for (reuse, used) in
        [(Reuse::Always, [0, 0, 0, 0]), (Reuse::Safe, [0, 0, 1, 1]), (Reuse::Never, [0, 1, 2, 3])]
    {
        let upstream = Upstream::polite();
        let mut plan = Plan::before(&[&upstream]);
        plan.proxy.reuse = reuse;
        plan.proxy.timeouts.pool_idle = Duration::from_hours(1);
        let front = plan.start();
        for request in [get("/1"), get("/2"), post("/3"), get("/4")] {
            assert_eq!(front.ask(&request).status, 200);
        }
        let connections: Vec<_> = upstream.requests().iter().map(|request| request.connection).collect();
        assert_eq!(connections, used, "{reuse:?}");
        if reuse == Reuse::Never {
            upstream.wait_for_open(0);
        }
    }
}

fn before_one_that_closes_used_connections(reuse: Reuse) -> (Front, Upstream) {
    let used = Mutex::new(HashSet::new());
    let upstream = Upstream::start(move |exchange| {
        exchange.read_body()?;
        if !used.lock().unwrap().insert(exchange.recorded.connection) {
            return exchange.close();
        }
        exchange.respond("200 OK", &[], b"ok")
    });
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.reuse = reuse;
    (plan.start(), upstream)
}
