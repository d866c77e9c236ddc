//! Connections that stall, flood, or outlive the process.

use std::io::Read;
use std::time::{Duration, Instant};

use anteroom::server::Server;

use super::{Client, Front, HOST, Plan};
use crate::upstream::{Exchange, Upstream, eventually};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// Waits for the end of a connection and returns how long it took.
fn time_to_close(client: &mut Client) -> Duration {
    let begun = Instant::now();
    assert!(client.is_closed());
    begun.elapsed()
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.first_byte = Duration::from_millis(300);
    let front = plan.start();
    let mut silent: Vec<Client> = (0..50).map(|_| front.connect()).collect();
    let begun = Instant::now();
    for client in &mut silent {
        assert!(client.is_closed());
    }
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(200) && took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_head_that_dribbles_in_is_cut_off() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.head = Duration::from_millis(500);
    let front = plan.start();
    let mut client = front.connect();
    let begun = Instant::now();
    let mut octets = get("/x").into_bytes().into_iter().cycle();
    client.send("GET /x HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    while begun.elapsed() < Duration::from_secs(5) {
        let octet = octets.find(u8::is_ascii_alphanumeric).unwrap();
        if std::io::Write::write_all(client.0.get_mut(), &[octet]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_kept_connection_is_closed_at_its_own_limit_and_not_before() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.head = Duration::from_millis(100);
    plan.server.limits.first_byte = Duration::from_millis(100);
    plan.server.limits.keep_alive = Duration::from_millis(600);
    let front = plan.start();
    let mut client = front.connect();
    client.send(get("/x"));
    assert_eq!(client.answer().status, 200);
    std::thread::sleep(Duration::from_millis(300));
    client.send(get("/x"));
    assert_eq!(client.answer().status, 200);
    let took = time_to_close(&mut client);
    assert!(took > Duration::from_millis(500) && took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_request_may_take_longer_than_the_limits_between_requests() {
    let upstream = Upstream::start(|exchange: &mut Exchange| {
        std::thread::sleep(Duration::from_millis(700));
        exchange.respond("200 OK", &[], b"late")
    });
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.head = Duration::from_millis(100);
    plan.server.limits.first_byte = Duration::from_millis(100);
    plan.server.limits.keep_alive = Duration::from_millis(200);
    assert_eq!(plan.start().ask(&get("/x")).body, b"late");
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let upstream = Upstream::start(|exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        loop {
            exchange.write(&chunk)?;
        }
    });
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.write_stall = Duration::from_millis(400);
    let front = plan.start();
    let mut client = front.connect();
    client.send(get("/endless"));
    client.head();
    upstream.wait_for_open(0);
}

#[test]
fn heads_have_a_size() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let field =
        |bytes: usize| format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Large: {}\r\n\r\n", "a".repeat(bytes));
    let many =
        |count: usize| format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n", "X-A: 1\r\n".repeat(count));
    assert_eq!(front.ask(&field(30_000)).status, 200);
    assert_eq!(front.ask(&field(33_000)).status, 431);
    assert_eq!(front.ask(&many(90)).status, 200);
    assert_eq!(front.ask(&many(101)).status, 431);
}

#[test]
fn connections_beyond_the_limit_wait_their_turn() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.connections_max = 2;
    let front = plan.start();
    let mut first = front.connect();
    let second = front.connect();
    first.send(get("/x"));
    assert_eq!(first.answer().status, 200);
    let mut third = front.connect();
    third.send(get("/third"));
    third.0.get_ref().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(third.0.read(&mut [0]).is_err(), "the third connection is not served yet");
    drop(second);
    third.0.get_ref().set_read_timeout(Some(crate::upstream::PATIENCE)).unwrap();
    assert_eq!(third.answer().status, 200);
}

#[test]
fn a_panic_costs_one_request() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(get("/x"));
    assert_eq!(client.answer().status, 200);
    client.send(get("/panic"));
    assert_eq!(client.answer().status, 500);
    assert_eq!(front.ask(&get("/x")).status, 200);
}

#[test]
fn a_shutdown_finishes_what_has_begun() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        gone.lock().unwrap().recv_timeout(crate::upstream::PATIENCE).map_err(std::io::Error::other)?;
        exchange.respond("200 OK", &[], b"finished")
    });
    let mut front = Front::before(&upstream);
    let mut idle = front.connect();
    let mut busy = front.connect();
    busy.send(get("/x"));
    upstream.wait_for_requests(1);
    front.shutdown.cancel();
    assert!(idle.is_closed());
    eventually("nobody new is let in", || std::net::TcpStream::connect(front.address).is_err());
    go.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"finished".as_slice()));
    assert_eq!(answer.head.one("connection"), Some("close"));
    assert!(busy.is_closed());
    front.shut_down().unwrap();
}

#[test]
fn a_shutdown_waits_no_longer_than_its_grace() {
    let upstream = Upstream::start(Exchange::wait_for_close);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.grace = Duration::from_millis(300);
    let mut front = plan.start();
    let mut client = front.connect();
    client.send(get("/x"));
    upstream.wait_for_requests(1);
    let begun = Instant::now();
    front.shut_down().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert!(client.is_closed());
    upstream.wait_for_open(0);
}

#[test]
fn an_address_in_use_is_an_error() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.addresses = vec![front.address];
    let error = Server::bind(plan.server).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", front.address));
}
