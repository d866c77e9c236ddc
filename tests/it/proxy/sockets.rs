//! Sockets (`WebSocket`) over HTTP/2 (RFC 8441): everything that holds for those over HTTP/1.1 holds for them (R-29, R-40, T-G8).

use std::io;
use std::time::{Duration, Instant};

use anteroom::server::{Certificates, Sockets};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::upgrade::{Upgraded, on};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::tls::{self, pair};
use super::tunnels::echo;
use super::{COOKIE, Front, HOST, Plan};
use crate::upstream::{Exchange, PATIENCE, Upstream};

type Client = SendRequest<Empty<Bytes>>;
type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Where sockets may be opened on connections of HTTP/2.
struct Door {
    front: Front,
    certificate: CertificateDer<'static>,
}

impl Door {
    fn before(upstream: &Upstream) -> Self {
        Self::with(upstream, |plan| plan.server.sockets = Sockets::OfBoth)
    }

    fn with(upstream: &Upstream, change: impl FnOnce(&mut Plan)) -> Self {
        let (pair, certificate) = pair(&[HOST]);
        let mut plan = Plan::before(&[upstream]);
        plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
        change(&mut plan);
        Self { front: plan.start(), certificate }
    }

    /// A connection on which a request has been answered, so that the client knows what it may ask for.
    async fn connect(&self) -> Client {
        let stream = tls::handshake(&self.front, HOST, &[&self.certificate], &[b"h2"]).await.unwrap();
        let (mut client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("https://{HOST}/public/plain")).body(Empty::new()).unwrap();
        client.send_request(request).await.unwrap();
        client
    }
}

/// Asks for a WebSocket.
fn asking(path: &str) -> http::request::Builder {
    let request = Request::builder().method(Method::CONNECT).uri(format!("https://{HOST}{path}"));
    request.extension(Protocol::from_static("websocket")).header("sec-websocket-version", "13")
}

async fn ask(client: &mut Client, request: http::request::Builder) -> Response<Incoming> {
    let asked = client.send_request(request.body(Empty::new()).unwrap());
    timeout(PATIENCE, asked).await.expect("it is answered").unwrap()
}

async fn open(client: &mut Client, request: http::request::Builder) -> Socket {
    let answer = ask(client, request).await;
    assert_eq!(answer.status(), 200);
    socket(answer).await
}

async fn socket(answer: Response<Incoming>) -> Socket {
    let stream = on(answer).await.unwrap();
    WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, None).await
}

async fn echoed(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    let message = timeout(PATIENCE, socket.next()).await.expect("something comes");
    assert_eq!(message.unwrap().unwrap(), Message::text(text));
}

async fn close_code(socket: &mut Socket) -> u16 {
    match timeout(PATIENCE, socket.next()).await.expect("something comes") {
        Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
        other => panic!("{other:?} instead of a close"),
    }
}

/// Like an application with sockets and pages.
fn application(exchange: &mut Exchange) -> io::Result<()> {
    if exchange.recorded.head.one("upgrade").is_none() {
        return exchange.respond("200 OK", &[], b"ok");
    }
    match exchange.recorded.target() {
        "/none" => exchange.respond("404 Not Found", &[], b"none"),
        "/page" => exchange.respond("200 OK", &[], b"a page"),
        "/another-key" => {
            let accept = derive_accept_key(b"another");
            exchange.write(format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            ))?;
            exchange.wait_for_close()
        }
        "/no-key" => {
            exchange.write(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )?;
            exchange.wait_for_close()
        }
        _ => echo(exchange),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_is_asked_as_by_a_client_of_http1() {
    let upstream = Upstream::start(application);
    let door = Door::before(&upstream);
    let mut client = door.connect().await;
    let request = asking("/socket?room=1")
        .header("origin", format!("https://{HOST}"))
        .header("cookie", format!("a=1; {COOKIE}=s3cret"))
        .header("x-anteroom-jwt-assertion", "forged")
        .header("sec-websocket-key", "Y2hvc2VuIGJ5IG1lIGFsb25l")
        .header("sec-websocket-protocol", "chat");
    let answer = ask(&mut client, request).await;
    assert_eq!(answer.status(), 200);
    for name in ["upgrade", "connection", "sec-websocket-accept"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    let mut socket = socket(answer).await;
    for size in [0, 5, 70_000] {
        let message = Message::binary(vec![7_u8; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap(), message);
    }
    let head = upstream.requests().pop().unwrap().head;
    assert_eq!(head.start, "GET /socket?room=1 HTTP/1.1");
    assert_eq!([head.one("connection"), head.one("upgrade")], [Some("upgrade"), Some("websocket")]);
    assert_eq!([head.one("host"), head.one("cookie")], [Some(HOST), Some("a=1")]);
    assert_eq!(head.one("sec-websocket-protocol"), Some("chat"));
    assert_eq!(head.one("sec-websocket-version"), Some("13"));
    assert!(head.one("x-anteroom-jwt-assertion").is_some_and(|token| token != "forged"));
    let key = head.one("sec-websocket-key").unwrap();
    assert!(key.len() == 24 && key != "Y2hvc2VuIGJ5IG1lIGFsb25l", "{key}");
    socket.close(None).await.unwrap();
    drop(socket);
    block_in_place(|| upstream.wait_for_open(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_gets_no_socket_over_http2() {
    let upstream = Upstream::start(application);
    let door = Door::before(&upstream);
    let mut client = door.connect().await;
    for origin in ["https://evil.example", "http://app.example.com", "null"] {
        let answer = ask(&mut client, asking("/socket").header("origin", origin)).await;
        assert_eq!(answer.status(), 403, "{origin}");
    }
    assert_eq!(upstream.requests().len(), 1, "the plain one alone");
    open(&mut client, asking("/socket")).await;
}

/// Every other answer is passed on, and none of them can be taken for a socket.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_opens_no_socket_over_http2_is_no_success() {
    let upstream = Upstream::start(application);
    let door = Door::before(&upstream);
    let mut client = door.connect().await;
    for (path, status, code, body) in
        [("/none", 404, None, "none"), ("/page", 400, Some("no_websocket"), "a page")]
    {
        let answer = ask(&mut client, asking(path)).await;
        assert_eq!(answer.status(), status, "{path}");
        let told = answer.headers().get("x-anteroom-error").map(|code| code.to_str().unwrap());
        assert_eq!(told, code, "{path}");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body, "{path}");
    }
    echoed(&mut open(&mut client, asking("/socket")).await, "the control").await;
}

/// Only an application that has understood the key has a socket (RFC 6455 4.1).
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_not_understood_opens_no_socket_over_http2() {
    let upstream = Upstream::start(application);
    let door = Door::before(&upstream);
    let mut client = door.connect().await;
    for path in ["/another-key", "/no-key"] {
        let answer = ask(&mut client, asking(path)).await;
        assert_eq!(answer.status(), 502, "{path}");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "upstream_bad_response", "{path}");
    }
    block_in_place(|| upstream.wait_for_open(0));
}

/// within a second, like any other; its neighbours on the connection go on.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_closes_its_sockets_over_http2() {
    let upstream = Upstream::start(application);
    let door = Door::before(&upstream);
    let mut client = door.connect().await;
    let mut private = open(&mut client, asking("/socket")).await;
    let mut public = open(&mut client, asking("/public/socket")).await;
    echoed(&mut private, "in").await;
    let begun = Instant::now();
    block_in_place(|| door.front.end_session());
    assert_eq!(close_code(&mut private).await, 1008);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    block_in_place(|| upstream.wait_for_open(1));
    echoed(&mut public, "still here").await;
    assert_eq!(ask(&mut client, asking("/socket")).await.status(), 401, "and gets no other");
}

/// a connection is not idle as long as there is a socket on it, also when it would have been told to end and cut
/// by now; it is idle afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_http2_is_in_use_while_it_has_a_socket() {
    let upstream = Upstream::start(application);
    let door = Door::with(&upstream, |plan| {
        plan.server.sockets = Sockets::OfBoth;
        plan.server.limits.keep_alive = Duration::from_millis(300);
    });
    let mut client = door.connect().await;
    let mut socket = open(&mut client, asking("/socket")).await;
    sleep(Duration::from_secs(3)).await;
    echoed(&mut socket, "there").await;
    socket.close(None).await.unwrap();
    while timeout(PATIENCE, socket.next()).await.expect("the socket ends").is_some() {}
    drop(socket);
    timeout(PATIENCE, async {
        while client.ready().await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the connection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_closes_sockets_over_http2_at_once() {
    let upstream = Upstream::start(application);
    let mut door = Door::before(&upstream);
    let mut client = door.connect().await;
    let mut socket = open(&mut client, asking("/socket")).await;
    echoed(&mut socket, "there").await;
    let begun = Instant::now();
    door.front.shutdown.cancel();
    assert_eq!(close_code(&mut socket).await, 1001);
    block_in_place(|| door.front.shut_down()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// A tunnel to anywhere is no WebSocket, nor is anything else that can be asked for in this way.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_websocket_is_opened_over_http2() {
    let upstream = Upstream::start(application);
    let door = Door::before(&upstream);
    let mut client = door.connect().await;
    let other = asking("/socket").extension(Protocol::from_static("connect-udp"));
    assert_eq!(ask(&mut client, other).await.status(), 405);
    let tunnel = Request::builder().method(Method::CONNECT).uri("internal.example:22");
    assert_eq!(ask(&mut client, tunnel).await.status(), 405);
    assert_eq!(upstream.requests().len(), 1, "the plain one alone");
}

/// Unless it is wished: what nobody expects of a connection of HTTP/2 is not offered.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_not_offered_over_http2_by_default() {
    let upstream = Upstream::start(application);
    let door = Door::with(&upstream, |_| {});
    let mut client = door.connect().await;
    let asked = client.send_request(asking("/socket").body(Empty::new()).unwrap());
    timeout(PATIENCE, asked).await.expect("it is answered").expect_err("it was not offered");
    assert_eq!(upstream.requests().len(), 1, "the plain one alone");
    door.connect().await;
}
