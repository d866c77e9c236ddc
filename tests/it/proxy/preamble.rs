//! What a load balancer says about the client before the client speaks: the PROXY protocol (T-B4, T-G5).

use std::time::Duration;

use anteroom::proxy::TrustedProxies;
use anteroom::server::Greeting;

use super::{Front, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream};

fn get() -> String {
    format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
}

/// A front behind a balancer on this machine.
fn front(upstream: &Upstream, change: impl FnOnce(&mut Plan)) -> Front {
    let mut plan = Plan::before(&[upstream]);
    plan.server.greeting = Greeting::ProxyProtocol;
    plan.server.trusted_proxies = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
    change(&mut plan);
    plan.start()
}

/// Version 2, for an IPv4 client, with something behind the addresses.
fn version_2() -> Vec<u8> {
    let mut octets = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f".to_vec();
    octets.extend([203, 0, 113, 9, 198, 51, 100, 1, 0xc0, 0, 1, 187, 4, 0, 0]);
    octets
}

#[test]
fn the_client_is_the_one_that_the_balancer_names() {
    let upstream = Upstream::polite();
    let front = front(&upstream, |_| {});
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00".to_vec();
    for (preamble, client) in [
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 5000 443\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n".to_vec(), "2001:db8::7"),
        (version_2(), "203.0.113.9"),
        // The balancer itself: then its headers are believed as ever.
        (local, "6.6.6.6, 127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "6.6.6.6, 127.0.0.1"),
    ] {
        let before = upstream.requests().len();
        let mut connection = front.connect();
        connection.send([&preamble, get().as_bytes()].concat());
        assert_eq!(connection.answer().status, 200, "{client}");
        // And only once: the next request of the connection begins with itself.
        connection.send(get());
        assert_eq!(connection.answer().status, 200, "{client}");
        for request in &upstream.requests()[before..] {
            assert_eq!(request.head.all("x-forwarded-for").join(", "), client);
        }
    }
}

#[test]
fn a_balancer_without_preamble_is_not_listened_to() {
    let upstream = Upstream::polite();
    let front = front(&upstream, |plan| plan.server.limits.handshake = Duration::from_millis(200));
    for begin in [
        get().as_bytes(),
        b"",
        b"PROXY",
        b"PROXY TCP4 203.0.113.7 198.51.100.1 5000\r\nGET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 203.0.113.7 198.51.100.1 5000 443\nGET / HTTP/1.1\r\n\r\n",
        &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200], b"\r\n"].concat(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c",
    ] {
        let mut connection = front.connect();
        connection.send(begin);
        assert!(connection.is_closed(), "{:?}", String::from_utf8_lossy(begin));
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_preamble_that_does_not_end_has_a_size() {
    let upstream = Upstream::polite();
    let front = front(&upstream, |plan| plan.server.limits.handshake = PATIENCE * 9);
    let mut connection = front.connect();
    connection.send([b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat());
    assert!(connection.is_closed());
}

/// Whoever is no trusted proxy has nothing to say about anybody.
#[test]
fn a_stranger_s_preamble_is_no_request() {
    let upstream = Upstream::polite();
    let networks = TrustedProxies::new(["192.0.2.0/24".parse().unwrap()]);
    let front = front(&upstream, |plan| plan.server.trusted_proxies = networks);
    let mut connection = front.connect();
    connection.send(format!("PROXY TCP4 203.0.113.7 198.51.100.1 5000 443\r\n{}", get()));
    let refused = connection.answer();
    assert_eq!((refused.status, refused.head.one("x-anteroom-error")), (400, Some("bad_request")));
    assert_eq!(front.ask(&get()).status, 200);
    assert_eq!(upstream.only_request().head.one("x-forwarded-for"), Some("127.0.0.1"));
}
