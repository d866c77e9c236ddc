//! Connections on which nobody says anything for a while: they cost little, and wake up as what they were.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Client, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream};

/// What a resting connection may cost, in bytes; in a debug build, and beside its client's side.
const BYTES_EACH: usize = 12 * 1024;

const CONNECTIONS: usize = 800;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n\r\nform")
}

fn exchange(stream: &mut TcpStream, request: &str) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut octets) = (Vec::new(), [0; 512]);
    while !answer.ends_with(b"body") {
        let count = stream.read(&mut octets).unwrap();
        assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&octets[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn connections_that_rest_cost_little_and_are_served_again() {
    let upstream = Upstream::start(|exchange| {
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"body")
    });
    let front = Plan::before(&[&upstream]).start();
    let connect = || {
        let mut stream = TcpStream::connect(front.address).unwrap();
        exchange(&mut stream, &get("/x"));
        exchange(&mut stream, &post("/x"));
        stream
    };
    // Whatever is needed once is there afterwards.
    let mut streams: Vec<_> = (0..50).map(|_| connect()).collect();
    let before = super::resident_bytes();
    streams.extend((0..CONNECTIONS).map(|_| connect()));
    let each = super::resident_bytes().saturating_sub(before) / CONNECTIONS;

    assert!(each < BYTES_EACH, "{each} bytes each");
    for stream in &mut streams {
        exchange(stream, &get("/x"));
    }
}

/// A request may come in any pieces, with a rest between them.
#[test]
fn a_request_in_pieces_wakes_a_connection() {
    let upstream = Upstream::polite();
    let front = Plan::before(&[&upstream]).start();
    let mut client = front.connect();
    for _ in 0..3 {
        for octet in get("/x").into_bytes() {
            client.send([octet]);
        }
        assert_eq!(client.answer().status, 200);
    }
    // What is no request is answered as ever.
    let mut client = Client::connect(front.address);
    client.send("\r\n");
    client.send("GET /x HTTP/1.1\n");
    client.send(format!("Host: {HOST}\r\n\r\n"));
    assert_eq!(client.answer().status, 400);
    assert!(client.is_closed());
}
