//! Sockets of pages: echoed, refused across origins, cut with the session (R-29, R-40, T-G8).

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::client::{ClientRequestBuilder, client};
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::{Front, HOST, Plan};
use crate::upstream::{Exchange, PATIENCE, Upstream};

/// Says 101 and sends every message back.
pub(super) fn echo(exchange: &mut Exchange) -> io::Result<()> {
    let key = exchange.recorded.head.one("sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    exchange.write(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))?;
    let mut socket = WebSocket::from_raw_socket(exchange.stream.get_ref(), Role::Server, None);
    while let Ok(message) = socket.read() {
        if message.is_close() || socket.send(message).is_err() {
            break;
        }
    }
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Opens a WebSocket; the status where it is refused.
fn open(front: &Front, path: &str, origin: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
    let stream = TcpStream::connect(front.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = ClientRequestBuilder::new(format!("ws://{HOST}{path}").parse().unwrap());
    if let Some(origin) = origin {
        request = request.with_header("Origin", origin);
    }
    match client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn messages_pass_both_ways_with_the_identity_at_the_upgrade() {
    let upstream = Upstream::start(echo);
    let front = Front::before(&upstream);
    let mut socket = open(&front, "/socket?room=1", Some("https://app.example.com")).unwrap();
    for size in [0, 5, 70_000] {
        let message = Message::binary(vec![7_u8; size]);
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    let head = upstream.only_request().head;
    assert_eq!(head.word(1), "/socket?room=1");
    assert!(head.one("x-anteroom-jwt-assertion").is_some());
    assert_eq!(head.one("host"), Some(HOST));
    socket.close(None).unwrap();
    drop(socket);
    upstream.wait_for_open(0);
}

#[test]
fn a_page_of_another_site_gets_no_socket() {
    let upstream = Upstream::start(echo);
    let front = Front::before(&upstream);
    for origin in
        ["https://evil.example", "http://app.example.com", "https://app.example.com.evil.example", "null"]
    {
        assert_eq!(open(&front, "/socket", Some(origin)).err(), Some(403), "{origin}");
    }
    assert_eq!(upstream.requests().len(), 0);
    assert!(open(&front, "/socket", None).is_ok(), "a program that is no browser says no origin");
    assert!(open(&front, "/socket", Some("https://App.Example.com")).is_ok());
}

#[test]
fn an_application_without_sockets_answers_as_it_likes() {
    let upstream = Upstream::start(|exchange| exchange.respond("404 Not Found", &[], b"none"));
    let front = Front::before(&upstream);
    assert_eq!(open(&front, "/socket", None).err(), Some(404));
}

#[test]
fn an_unasked_switch_of_protocols_is_a_bad_response() {
    let upstream = Upstream::start(echo);
    let front = Front::before(&upstream);
    let answer = front.ask(&format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_bad_response".as_slice()));
}

#[test]
fn the_end_of_a_session_closes_its_sockets() {
    let upstream = Upstream::start(echo);
    let front = Front::before(&upstream);
    let mut private = open(&front, "/socket", None).unwrap();
    let mut public = open(&front, "/public/socket", None).unwrap();
    private.send(Message::text("in")).unwrap();
    private.read().unwrap();
    let begun = Instant::now();
    front.end_session();
    assert_eq!(close_code(&mut private), 1008);
    assert!(begun.elapsed() < Duration::from_secs(1));
    upstream.wait_for_open(1);
    public.send(Message::text("still here")).unwrap();
    assert_eq!(public.read().unwrap(), Message::text("still here"));
}

#[test]
fn a_silent_socket_is_closed_at_its_own_limit() {
    let upstream = Upstream::start(echo);
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.timeouts.tunnel_idle = Duration::from_millis(400);
    plan.proxy.timeouts.idle = Duration::from_millis(100);
    let front = plan.start();
    let mut socket = open(&front, "/socket", None).unwrap();
    let begun = Instant::now();
    assert_eq!(close_code(&mut socket), 1001);
    assert!(begun.elapsed() >= Duration::from_millis(350), "{:?}", begun.elapsed());
    upstream.wait_for_open(0);
}

#[test]
fn a_shutdown_closes_sockets_at_once() {
    let upstream = Upstream::start(echo);
    let mut front = Front::before(&upstream);
    let mut socket = open(&front, "/socket", None).unwrap();
    // Once something has come back, both sides are through with the upgrade.
    socket.send(Message::text("there")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("there"));
    let begun = Instant::now();
    front.shutdown.cancel();
    assert_eq!(close_code(&mut socket), 1001);
    front.shut_down().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
    upstream.wait_for_open(0);
}

/// a close is no part of a message that is under way: the frame is finished first, and if that takes too long the
/// connection ends without any.
#[test]
fn a_close_tears_no_frame() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        let key = exchange.recorded.head.one("sec-websocket-key").unwrap_or_default();
        let accept = derive_accept_key(key.as_bytes());
        exchange.write(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))?;
        let gone = gone.lock().unwrap();
        let wait = || gone.recv_timeout(PATIENCE).map_err(io::Error::other);
        wait()?;
        // A frame of ten octets, of which five come now.
        exchange.write(b"\x81\x0ahello")?;
        wait()?;
        exchange.write(b"world")?;
        exchange.wait_for_close()
    });
    let mut front = Front::before(&upstream);
    let mut socket = open(&front, "/socket", None).unwrap();
    go.send(()).unwrap();
    let mut begun = [0; 7];
    socket.get_ref().peek(&mut begun).unwrap();
    front.shutdown.cancel();
    go.send(()).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("helloworld"));
    assert_eq!(close_code(&mut socket), 1001);
    front.shut_down().unwrap();
}

/// The code of the frame that closes the socket, which comes next.
fn close_code(socket: &mut WebSocket<TcpStream>) -> u16 {
    match socket.read().unwrap() {
        Message::Close(Some(frame)) => frame.code.into(),
        other => panic!("{other:?} instead of a close"),
    }
}
