//! Connections that stall, are too many, or too large.

use std::io::Read;
use std::num::NonZero;
use std::time::{Duration, Instant};

use anteroom::proxy::TrustedProxies;
use anteroom::server::{Pressure, Server, WhenFull};

use super::{Client, Front, HOST, Plan};
use crate::upstream::{Exchange, PATIENCE, Upstream, eventually};

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

/// also if its beginning came together with the request before it.
#[test]
fn a_head_that_has_begun_behind_another_request_has_its_time() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.head = Duration::from_millis(500);
    let front = plan.start();
    for begun in ["\r\n", "GET /y HTTP/1.1\r\nHos"] {
        let mut client = front.connect();
        client.send(get("/x") + begun);
        assert_eq!(client.answer().status, 200);
        let took = time_to_close(&mut client);
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
    let mut client = front.connect();
    client.send(get("/x") + &get("/y"));
    assert_eq!((client.answer().status, client.answer().status), (200, 200), "the control");
    std::thread::sleep(Duration::from_secs(1));
    client.send(get("/z"));
    assert_eq!(client.answer().status, 200, "between requests there is more time");
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
    let two = |bytes: usize| {
        let value = "a".repeat(bytes);
        format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-One: {value}\r\nX-Two: {value}\r\n\r\n")
    };
    assert_eq!(front.ask(&two(15_000)).status, 200);
    assert_eq!(front.ask(&many(90)).status, 200);
    let long = format!("GET /{} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", "a".repeat(40_000));
    for large in [two(16_500), field(33_000), many(101), long] {
        let refused = front.ask(&large);
        assert_eq!((refused.status, refused.head.one("x-anteroom-error")), (431, Some("headers_too_large")));
        assert!(refused.head.one("x-request-id").is_some_and(|id| id.len() == 32), "{refused:?}");
        assert_eq!(refused.head.one("connection"), Some("close"));
    }
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
    third.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
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

/// neither may one field be larger than 16 KiB, nor the target than 8 KiB.
#[test]
fn a_single_field_has_a_size() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let field =
        |bytes: usize| format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Large: {}\r\n\r\n", "a".repeat(bytes));
    assert_eq!(front.ask(&field(16 * 1024)).status, 200);
    let refused = front.ask(&field(16 * 1024 + 1));
    assert_eq!((refused.status, refused.head.one("x-anteroom-error")), (431, Some("headers_too_large")));
    assert!(refused.head.one("x-request-id").is_some_and(|id| id.len() == 32), "{refused:?}");
    assert_eq!(upstream.requests().len(), 1);
}

/// the limit of one address is not the limit of others, and trusted proxies have none.
#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.connections_per_address = NonZero::new(2);
    let turned_away = plan.server.turned_away.clone();
    let front = plan.start();
    let ask = |client: &mut Client| {
        client.send(get("/x"));
        client.try_answer().ok().flatten().map(|answer| answer.status)
    };
    let mut first = front.connect();
    let mut second = front.connect();
    assert_eq!((ask(&mut first), ask(&mut second)), (Some(200), Some(200)));
    assert!(front.connect().is_closed());
    assert_eq!(turned_away.counts()[1], ("per_address", 1));
    assert_eq!(ask(&mut first), Some(200), "those that are there stay");
    drop(second);
    eventually("there is room again", || ask(&mut front.connect()) == Some(200));

    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.connections_per_address = NonZero::new(1);
    plan.server.trusted_proxies = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
    let front = plan.start();
    let mut all: Vec<Client> = (0..5).map(|_| front.connect()).collect();
    assert!(all.iter_mut().all(|client| ask(client) == Some(200)));
}

/// by choice, connections beyond the limit are told so instead of waiting.
#[test]
fn connections_beyond_the_limit_are_told_if_so_wished() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.connections_max = 1;
    plan.server.limits.when_full = WhenFull::Refuse;
    let turned_away = plan.server.turned_away.clone();
    let front = plan.start();
    let mut first = front.connect();
    first.send(get("/x"));
    assert_eq!(first.answer().status, 200);
    let refused = front.ask(&get("/y"));
    assert_eq!((refused.status, refused.head.one("x-anteroom-error")), (503, Some("overloaded")));
    assert_eq!(refused.head.one("retry-after"), Some("5"));
    assert_eq!(refused.head.one("connection"), Some("close"));
    assert_eq!(turned_away.counts()[0], ("full", 1));
    drop(first);
    eventually("there is room again", || front.ask(&get("/z")).status == 200);
    assert!(upstream.requests().iter().all(|request| request.target() != "/y"));
}

/// a WebSocket is a connection, too.
#[test]
fn tunnels_count_as_connections() {
    let upstream = Upstream::start(|exchange| {
        if exchange.recorded.target() != "/socket" {
            return exchange.respond("200 OK", &[], b"ok");
        }
        exchange
            .write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")?;
        exchange.wait_for_close()
    });
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.connections_per_address = NonZero::new(1);
    let front = plan.start();
    let mut socket = front.connect();
    socket.send(format!(
        "GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    ));
    assert_eq!(socket.head().word(1), "101");
    assert!(front.connect().is_closed());
    drop(socket);
    eventually("there is room again", || {
        let mut client = front.connect();
        client.send(get("/x"));
        client.try_answer().is_ok_and(|answer| answer.is_some())
    });
}

/// a connection ends after so many requests, and the client is told with the last answer.
#[test]
fn a_connection_has_so_many_requests() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.requests_max = 3;
    let front = plan.start();
    let mut client = front.connect();
    let mut says_end = Vec::new();
    for _ in 0..3 {
        client.send(get("/x"));
        says_end.push(client.answer().head.one("connection") == Some("close"));
    }
    assert_eq!(says_end, [false, false, true]);
    assert!(client.is_closed());
}

/// a connection that has lasted long enough answers once more.
/// Also if the client has sent the next request already, which nobody will answer: a connection that is closed with it unread
/// would be reset, and the end of the last answer lost.
#[test]
fn the_last_answer_of_a_connection_arrives() {
    const LENGTH: usize = 40_000;
    let upstream = Upstream::start(|exchange| exchange.respond("200 OK", &[], &vec![b'x'; LENGTH]));
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.requests_max = 1;
    let front = plan.start();
    let stream = super::narrow(front.address);
    let address = stream.local_addr().unwrap();
    let mut client = Client::over(stream).unwrap();
    client.send(get("/last"));
    eventually("everything has been said", || super::has_said_everything(address, front.address));
    for octet in get("/next").into_bytes() {
        client.send([octet]);
    }
    assert_eq!(client.answer().body.len(), LENGTH);
    assert!(client.is_closed());
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_connection_has_an_age() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.age_max = Duration::ZERO;
    let front = plan.start();
    let mut client = front.connect();
    client.send(get("/x"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.head.one("connection")), (200, Some("close")));
    assert!(client.is_closed());
}

/// while memory is short nobody comes in, and when it is very short those go who do nothing.
#[test]
fn short_memory_keeps_people_out_and_sends_idle_ones_away() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        if exchange.recorded.target() == "/slow" {
            gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        }
        exchange.respond("200 OK", &[], b"ok")
    });
    let plan = Plan::before(&[&upstream]);
    let (gauge, turned_away) = (plan.server.gauge.clone(), plan.server.turned_away.clone());
    let front = plan.start();
    let mut idle = front.connect();
    idle.send(get("/x"));
    assert_eq!(idle.answer().status, 200);
    let mut busy = front.connect();
    busy.send(get("/slow"));
    upstream.wait_for_requests(2);

    gauge.show(Pressure::High);
    // One that waits to be accepted already may still come in.
    let mut last = front.connect();
    let mut outside = front.connect();
    outside.send(get("/outside"));
    outside.0.get_ref().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(outside.0.read(&mut [0]).is_err(), "nobody is let in");
    idle.send(get("/x"));
    assert_eq!(idle.answer().status, 200, "who is in is served");

    gauge.show(Pressure::Critical);
    assert!(idle.is_closed() && last.is_closed());
    assert_eq!(turned_away.counts(), [("full", 0), ("per_address", 0), ("memory", 2)]);
    go.send(()).unwrap();
    assert_eq!(busy.answer().status, 200, "nothing that is going on is cut");

    gauge.show(Pressure::None);
    outside.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(outside.answer().status, 200);
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
