//! HTTP/2 towards the application: gRPC from end to end, and everything else that goes over streams
//!

use std::net::SocketAddr;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom::proxy::{Offer, Route, Routes, Tls, Upstream as Address};
use anteroom::server::{Certificates, WhenFull};
use anteroom::target::PathRule;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::secure::{self, Authority, Door};
use super::{Front, HOST, Plan, tls};
use crate::upstream::{PATIENCE, Upstream, eventually};

/// A call that has reached the application.
struct Call {
    head: request::Parts,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    connection: usize,
    goes_away: Arc<Notify>,
}

type Answering = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What has been seen of a call.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    uri: String,
    headers: HeaderMap,
    connection: usize,
}

/// An application that speaks HTTP/2 without TLS, and answers each call by script.
struct Streams {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Seen>>>,
    open: Arc<AtomicUsize>,
}

impl Streams {
    fn start(streams_max: u32, script: impl Fn(Call) -> Answering + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (calls, open) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicUsize>::default());
        let (kept, counted, script) = (Arc::clone(&calls), Arc::clone(&open), Arc::new(script));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                for number in 0.. {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (kept, counted, script) =
                        (Arc::clone(&kept), Arc::clone(&counted), Arc::clone(&script));
                    tokio::spawn(async move {
                        let mut builder = h2::server::Builder::new();
                        builder.max_concurrent_streams(streams_max);
                        let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
                        counted.fetch_add(1, Ordering::SeqCst);
                        let goes_away = Arc::new(Notify::new());
                        loop {
                            let accepted = tokio::select! {
                                accepted = connection.accept() => accepted,
                                () = goes_away.notified() => {
                                    connection.graceful_shutdown();
                                    continue;
                                }
                            };
                            let Some(Ok((request, respond))) = accepted else { break };
                            let (head, body) = request.into_parts();
                            kept.lock().unwrap().push(Seen {
                                method: head.method.to_string(),
                                uri: head.uri.to_string(),
                                headers: head.headers.clone(),
                                connection: number,
                            });
                            let goes_away = Arc::clone(&goes_away);
                            tokio::spawn(script(Call { head, body, respond, connection: number, goes_away }));
                        }
                        counted.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            });
        });
        Self { address, calls, open }
    }

    /// Reads each call to its end and answers `200` with `ok`.
    fn polite() -> Self {
        Self::start(100, |mut call| {
            Box::pin(async move {
                read(&mut call.body).await;
                answer(&mut call.respond, StatusCode::OK, b"ok");
            })
        })
    }

    fn calls(&self) -> Vec<Seen> {
        self.calls.lock().unwrap().clone()
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::before(&[]);
        plan.proxy.upstreams = vec![Address::parse(&format!("h2c://{}", self.address)).unwrap()];
        plan
    }
}

async fn read(body: &mut RecvStream) -> Vec<u8> {
    let mut octets = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        octets.extend_from_slice(&data);
        // The connection may be over; then there is nothing left to allow.
        drop(body.flow_control().release_capacity(data.len()));
    }
    octets
}

fn answer(respond: &mut SendResponse<Bytes>, status: StatusCode, body: &'static [u8]) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    // Whoever has gone needs no answer.
    let Ok(mut stream) = respond.send_response(response, false) else { return };
    drop(stream.send_data(Bytes::from_static(body), true));
}

/// A client that speaks HTTP/2 to the front of a plan.
async fn client<B>(mut plan: Plan) -> (Front, SendRequest<B>)
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (pair, certificate) = tls::pair(&[HOST]);
    plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
    let front = plan.start();
    let stream = tls::handshake(&front, HOST, &[&certificate], &[b"h2"]).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    (front, sender)
}

fn grpc(path: &str) -> request::Builder {
    Request::post(format!("https://{HOST}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// a gRPC call passes whole, with the trailers that carry its outcome.
#[tokio::test]
async fn a_grpc_call_passes_with_its_trailers() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            assert_eq!(read(&mut call.body).await, b"\0\0\0\0\x03abc");
            let trailers = call.body.trailers().await.unwrap();
            let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut stream = call.respond.send_response(response, false).unwrap();
            stream.send_data(Bytes::from_static(b"\0\0\0\0\x02ok"), false).unwrap();
            let mut outcome = HeaderMap::new();
            outcome.insert("grpc-status", "0".parse().unwrap());
            let checked = trailers.is_some_and(|trailers| {
                trailers.contains_key("x-check")
                    && !trailers.keys().any(|name| name.as_str().starts_with("x-anteroom"))
            });
            outcome.insert("x-checked", checked.to_string().parse().unwrap());
            stream.send_trailers(outcome).unwrap();
        })
    });
    let (_front, mut sender) = client(streams.plan()).await;
    let trailers = HeaderMap::from_iter([
        ("x-check".parse().unwrap(), "1".parse().unwrap()),
        ("x-anteroom-user".parse().unwrap(), "forged".parse().unwrap()),
        ("x-anteroom-flaw".parse().unwrap(), "fragment".parse().unwrap()),
    ]);
    let body = Full::new(Bytes::from_static(b"\0\0\0\0\x03abc"))
        .with_trailers(std::future::ready(Some(Ok::<_, std::convert::Infallible>(trailers))));
    let request = grpc("/shop.Orders/List").header("x-anteroom-user", "forged").body(Box::pin(body)).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let body = response.into_body().collect().await.unwrap();
    let outcome = body.trailers().cloned().unwrap();
    assert_eq!(
        (outcome["grpc-status"].as_bytes(), outcome["x-checked"].as_bytes()),
        (&b"0"[..], &b"true"[..])
    );
    assert_eq!(body.to_bytes(), "\0\0\0\0\u{2}ok");

    let call = streams.calls().remove(0);
    assert_eq!(
        (call.method.as_str(), call.uri.as_str()),
        ("POST", "http://app.example.com/shop.Orders/List")
    );
    assert_eq!(call.headers["te"], "trailers");
    assert!(!call.headers.contains_key("host"), "the authority says it");
    assert!(!call.headers.contains_key("x-anteroom-user"));
    assert!(call.headers.contains_key("x-anteroom-jwt-assertion"));
}

/// A call that fails at once is headers alone, and they are the end of the stream.
#[tokio::test]
async fn a_response_of_trailers_only_stays_one() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            let response = Response::builder().header("content-type", "application/grpc");
            let response =
                response.header("grpc-status", "5").header("grpc-message", "gone").body(()).unwrap();
            call.respond.send_response(response, true).unwrap();
        })
    });
    let (_front, mut sender) = client(streams.plan()).await;
    let request = grpc("/shop.Orders/Get").body(Full::new(Bytes::from_static(b"\0\0\0\0\0"))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "5");
    assert!(http_body::Body::is_end_stream(response.body()));
}

/// Answers each message with the same one.
fn echo() -> Streams {
    Streams::start(100, |mut call| {
        Box::pin(async move {
            let mut stream = call.respond.send_response(Response::new(()), false).unwrap();
            while let Some(Ok(data)) = call.body.data().await {
                call.body.flow_control().release_capacity(data.len()).unwrap();
                stream.send_data(data, false).unwrap();
            }
            stream
                .send_trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]))
                .unwrap();
        })
    })
}

/// Messages flow in both directions while the call is open.
#[tokio::test]
async fn a_call_streams_in_both_directions() {
    let streams = echo();
    let (_front, mut sender) = client(streams.plan()).await;
    let (messages, body) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = Channel(body);
    let request = grpc("/shop.Orders/Watch").body(body).unwrap();
    let mut response = sender.send_request(request).await.unwrap();
    for number in 0..5_u8 {
        messages.send(Bytes::from(vec![number; 3])).await.unwrap();
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), vec![number; 3]);
    }
    drop(messages);
    let trailers = response.body_mut().frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
}

/// a call that has nothing to say for a while stays open, where an upload is given up that stalls as long.
#[tokio::test]
async fn a_call_may_pause() {
    let streams = echo();
    let mut plan = streams.plan();
    plan.proxy.timeouts.request_body = Duration::from_millis(100);
    let (_front, mut sender) = client(plan).await;
    let (messages, body) = tokio::sync::mpsc::channel::<Bytes>(1);
    let request = grpc("/shop.Orders/Watch").body(Channel(body)).unwrap();
    let mut call = sender.send_request(request).await.unwrap();

    let (_stalled, body) = tokio::sync::mpsc::channel::<Bytes>(1);
    let upload = Request::post(format!("http://{HOST}/upload")).body(Channel(body)).unwrap();
    let mut upload = sender.send_request(upload).await.unwrap();
    assert!(upload.body_mut().frame().await.unwrap().is_err(), "it is given up");

    messages.send(Bytes::from_static(b"still here")).await.unwrap();
    let frame = call.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "still here");
}

/// over HTTP/2 on both sides, with the length said or not, and a call told in its own way.
#[tokio::test]
async fn a_body_has_the_size_that_its_path_allows_over_streams_too() {
    let streams = Streams::polite();
    let mut plan = streams.plan();
    let path = PathRule::parse("/small/").unwrap();
    let body_max = NonZero::new(10);
    plan.proxy.routes =
        Routes::new(vec![Route { path, body_max, body_timeout: None, response_timeout: None }]);
    let (_front, mut sender) = client(plan).await;
    for (length, is_said, status) in [(10, true, 200), (10, false, 200), (11, true, 413), (11, false, 413)] {
        let (messages, body) = tokio::sync::mpsc::channel::<Bytes>(1);
        messages.send(Bytes::from(vec![b'x'; length])).await.unwrap();
        drop(messages);
        let mut request = Request::post(format!("https://{HOST}/small/x"));
        if is_said {
            request = request.header("content-length", length);
        }
        let response = sender.send_request(request.body(Channel(body)).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{length} {is_said}");
        if is_said {
            assert_eq!(streams.calls().len(), if length == 10 { 1 } else { 2 }, "refused before it is sent");
        }
    }
}

/// A body that is written message by message.
struct Channel(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|data| data.map(|data| Ok(http_body::Frame::data(data))))
    }
}

/// A client of HTTP/1.1 is served by an application of HTTP/2: bodies with and without length, HEAD, no body.
#[test]
fn clients_of_http1_are_served_over_streams() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            let body = read(&mut call.body).await;
            let mut response = Response::builder();
            if call.head.method == "HEAD" {
                response = response.header("content-length", "1234");
            }
            if call.head.uri.path() == "/nothing" {
                response = response.status(204);
            }
            let is_empty = call.head.method == "HEAD" || call.head.uri.path() == "/nothing";
            let mut stream = call.respond.send_response(response.body(()).unwrap(), is_empty).unwrap();
            if !is_empty {
                stream.send_data(body.into(), true).unwrap();
            }
        })
    });
    let front = streams.plan().start();
    let mut client = front.connect();
    let post = format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\n");
    client.send(format!("{post}Content-Length: 3\r\n\r\nabc"));
    assert_eq!(client.answer().body, b"abc");
    client.send(format!("{post}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"));
    assert_eq!(client.answer().body, b"abcd");
    client.send(format!("{post}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_eq!(client.answer().status, 100);
    client.send("hi");
    assert_eq!(client.answer().body, b"hi");
    client.send(get("/nothing"));
    assert_eq!((client.answer().status, streams.calls().len()), (204, 4));
    client.send(format!("HEAD /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(client.head().one("content-length"), Some("1234"));
    client.send(format!("{post}Content-Length: 1\r\n\r\nz"));
    assert_eq!(client.answer().body, b"z");
    let calls = streams.calls();
    assert!(calls.iter().all(|call| call.connection == 0), "one connection carries them all");
    assert_eq!(calls[0].headers["content-length"], "3");
    assert!(
        !calls[1].headers.contains_key("content-length")
            && !calls[1].headers.contains_key("transfer-encoding")
    );
    assert!(!calls[2].headers.contains_key("expect"));
}

/// Requests share a connection as far as the application allows it, and then another one is opened.
#[test]
fn another_connection_is_opened_when_one_is_full() {
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let streams = Streams::start(2, move |mut call| {
        let go = Arc::clone(&waits);
        Box::pin(async move {
            if call.head.uri.path() == "/slow" {
                go.notified().await;
            }
            answer(&mut call.respond, StatusCode::OK, b"ok");
        })
    });
    let front = streams.plan().start();
    // By now the limit is known.
    for _ in 0..2 {
        assert_eq!(front.ask(&get("/first")).status, 200);
    }
    let mut clients: Vec<_> = (0..5).map(|_| front.connect()).collect();
    for client in &mut clients {
        let before = streams.calls().len();
        client.send(get("/slow"));
        eventually("the call has come", || streams.calls().len() > before);
    }
    let used: Vec<_> = streams.calls().iter().skip(2).map(|call| call.connection).collect();
    assert_eq!(used.iter().filter(|connection| **connection == 0).count(), 2, "{used:?}");
    assert!(used.iter().max() >= Some(&1) && used.iter().max() <= Some(&2), "{used:?}");
    for mut client in clients {
        go.notify_one();
        assert_eq!(client.answer().status, 200);
    }
}

/// RFC 9113 6.8: an application that goes away finishes what it has, and nobody notices.
#[test]
fn an_application_that_goes_away_costs_no_request() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            call.goes_away.notify_one();
            tokio::task::yield_now().await;
            read(&mut call.body).await;
            answer(&mut call.respond, StatusCode::OK, b"ok");
        })
    });
    let front = streams.plan().start();
    for _ in 0..10 {
        assert_eq!(
            front.ask(&format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\nz")).status,
            200
        );
    }
    let calls = streams.calls();
    assert_eq!(calls.len(), 10, "nothing was sent twice");
    assert!(calls.iter().any(|call| call.connection > 0));
}

/// RFC 9113 8.7: what the application has refused unread goes again, POST too; what it has read does not.
#[test]
fn a_refused_stream_is_sent_again_and_a_reset_one_is_not() {
    let script = |reason: h2::Reason| {
        let count = AtomicUsize::new(0);
        move |mut call: Call| -> Answering {
            let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
            Box::pin(async move {
                if is_first {
                    return call.respond.send_reset(reason);
                }
                read(&mut call.body).await;
                answer(&mut call.respond, StatusCode::OK, b"ok");
            })
        }
    };
    let post = format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
    for request in [post.as_str(), get("/x").as_str()] {
        let streams = Streams::start(100, script(h2::Reason::REFUSED_STREAM));
        assert_eq!(streams.plan().start().ask(request).status, 200);
        assert_eq!(streams.calls().len(), 2);
    }
    let streams = Streams::start(100, script(h2::Reason::INTERNAL_ERROR));
    let answer = streams.plan().start().ask(&post);
    assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_reset".as_slice()));
    assert_eq!(streams.calls().len(), 1);
}

/// a client that leaves resets its stream, and no other.
#[test]
fn a_client_that_leaves_resets_its_stream_alone() {
    let reset = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reset);
    let streams = Streams::start(100, move |mut call| {
        let counted = Arc::clone(&counted);
        Box::pin(async move {
            if call.head.uri.path() == "/slow" {
                let reason = std::future::poll_fn(|context| call.respond.poll_reset(context)).await;
                assert_eq!(reason.unwrap(), h2::Reason::CANCEL);
                counted.fetch_add(1, Ordering::SeqCst);
                return;
            }
            answer(&mut call.respond, StatusCode::OK, b"ok");
        })
    });
    let front = streams.plan().start();
    let mut client = front.connect();
    client.send(get("/slow"));
    eventually("the call has come", || streams.calls().len() == 1);
    drop(client);
    eventually("the stream is reset", || reset.load(Ordering::SeqCst) == 1);
    assert_eq!(front.ask(&get("/x")).status, 200);
    assert_eq!(streams.calls()[1].connection, 0, "the connection lives on");
}

/// silence is ended stream by stream: before the response, and within it.
#[test]
fn a_silent_stream_is_given_up_and_the_others_go_on() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            match call.head.uri.path() {
                "/silent" => std::future::pending().await,
                "/stops" => {
                    let mut stream = call.respond.send_response(Response::new(()), false).unwrap();
                    stream.send_data(Bytes::from_static(b"abc"), false).unwrap();
                    std::future::pending::<()>().await;
                }
                _ => answer(&mut call.respond, StatusCode::OK, b"ok"),
            }
        })
    });
    let mut plan = streams.plan();
    plan.proxy.timeouts.first_byte = Duration::from_millis(200);
    plan.proxy.timeouts.idle = Duration::from_millis(200);
    let front = plan.start();
    let answer = front.ask(&get("/silent"));
    assert_eq!((answer.status, answer.body.as_slice()), (504, b"upstream_timeout".as_slice()));
    let mut client = front.connect();
    client.send(get("/stops"));
    assert!(client.try_answer().is_err(), "the response does not come to an end");
    assert_eq!(front.ask(&get("/x")).status, 200);
    assert!(streams.calls().iter().all(|call| call.connection == 0));
}

/// the head of a response has a size.
#[test]
fn a_head_that_is_too_large_is_a_bad_response() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            let mut response = Response::builder();
            let size = if call.head.uri.path() == "/large" { 12_000 } else { 1_000 };
            for number in 0..10 {
                response = response.header(format!("x-{number}"), "a".repeat(size));
            }
            // The answer is refused on its way.
            drop(call.respond.send_response(response.body(()).unwrap(), true));
        })
    });
    let front = streams.plan().start();
    assert_eq!(front.ask(&get("/small")).status, 200);
    let answer = front.ask(&get("/large"));
    let code = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!((answer.status, code.as_str()), (502, "upstream_bad_response"));
}

/// trailers pass whole, or the response is seen to have broken off.
#[tokio::test]
async fn trailers_that_are_too_large_are_not_cut_short() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            let size = if call.head.uri.path() == "/large" { 70_000 } else { 15_000 };
            let mut stream = call.respond.send_response(Response::new(()), false).unwrap();
            stream.send_data("body".into(), false).unwrap();
            let value = "a".repeat(size).parse().unwrap();
            stream.send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), value)])).unwrap();
        })
    });
    let front = streams.plan().start();
    for (path, is_whole) in [("/small", true), ("/large", false)] {
        let mut client = front.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nTE: trailers\r\n\r\n"));
        let head = client.head();
        assert_eq!(head.word(1), "200");
        let body = crate::upstream::read_body(&mut client.0, &head);
        assert_eq!(body.is_ok(), is_whole, "{path}");
    }
}

/// trailers of a client pass whole, too, or its connection ends.
#[tokio::test]
async fn large_trailers_of_a_client_arrive_whole() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            read(&mut call.body).await;
            let trailers = call.body.trailers().await.unwrap().unwrap_or_default();
            let bytes = trailers.get("x-sum").map_or(0, http::HeaderValue::len);
            let response = Response::builder().header("x-bytes", bytes).body(()).unwrap();
            call.respond.send_response(response, true).unwrap();
        })
    });
    let (_front, mut sender) = client(streams.plan()).await;
    for (bytes, arrives) in [(15_000, true), (200_000, true), (270_000, false)] {
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "a".repeat(bytes).parse().unwrap())]);
        let body = Full::new(Bytes::from_static(b"body")).with_trailers(std::future::ready(Some(Ok::<
            _,
            std::convert::Infallible,
        >(
            trailers
        ))));
        let answer = sender.send_request(grpc("/shop.Orders/List").body(Box::pin(body)).unwrap()).await;
        let arrived = answer.ok().map(|answer| answer.headers()["x-bytes"].clone());
        assert_eq!(arrived, arrives.then(|| http::HeaderValue::from(bytes)), "{bytes}");
    }
}

/// a WebSocket is an upgrade of HTTP/1.1, and an application without that is no place for one.
#[test]
fn a_socket_to_an_application_of_streams_alone_is_refused_clearly() {
    let streams = Streams::polite();
    let front = streams.plan().start();
    let answer = front.ask(&format!(
        "GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!((answer.status, answer.body.as_slice()), (501, b"upstream_no_websocket".as_slice()));
    assert_eq!(streams.calls().len(), 0);
    assert_eq!(front.ask(&get("/x")).status, 200);
}

/// a connection without streams is closed in its time.
#[test]
fn an_unused_connection_of_streams_is_closed() {
    let streams = Streams::polite();
    let mut plan = streams.plan();
    plan.proxy.timeouts.streams_idle = Duration::from_millis(100);
    let front = plan.start();
    assert_eq!(front.ask(&get("/x")).status, 200);
    eventually("the connection is closed", || streams.open.load(Ordering::SeqCst) == 0);
    assert_eq!(front.ask(&get("/x")).status, 200);
}

/// who does not read holds up the stream, and not the connection.
#[test]
fn a_slow_reader_holds_up_its_own_stream() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let streams = Streams::start(100, move |mut call| {
        let counter = Arc::clone(&counter);
        Box::pin(async move {
            if call.head.uri.path() != "/endless" {
                return answer(&mut call.respond, StatusCode::OK, b"ok");
            }
            let mut stream = call.respond.send_response(Response::new(()), false).unwrap();
            loop {
                stream.reserve_capacity(0x4000);
                let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
                let Some(Ok(capacity)) = capacity else { return };
                if stream.send_data(Bytes::from(vec![b'x'; capacity]), false).is_err() {
                    return;
                }
                counter.fetch_add(capacity, Ordering::SeqCst);
            }
        })
    });
    let front = streams.plan().start();
    let mut client = front.connect();
    client.send(get("/endless"));
    client.head();
    let mut last = 0;
    // Whole requests pass beside it, and not an octet of it moves.
    eventually("the application is held up", || {
        last = sent.load(Ordering::SeqCst);
        (0..5).for_each(|_| assert_eq!(front.ask(&get("/x")).status, 200));
        last > 0 && sent.load(Ordering::SeqCst) == last
    });
    assert!(last < 32 * 1024 * 1024, "{last} bytes went nowhere");
    assert!(streams.calls().iter().all(|call| call.connection == 0), "on the same connection");
}

/// By ALPN: HTTP/2 only where it is offered and chosen.
#[test]
fn http2_within_tls_is_spoken_where_both_want_it() {
    let authority = Authority::new();
    let (streams, upstream) = (Streams::polite(), Upstream::polite());
    let both: [&[u8]; 2] = [b"h2", b"http/1.1"];
    let door = Door::new(streams.address, authority.issue("app.internal"), &both, None);
    let tls = |offer| Tls::new(&authority.roots(), None, None, offer).unwrap();
    let front = secure::plan(door.address, tls(Offer::Http2)).start();
    for _ in 0..3 {
        assert_eq!(front.ask(&get("/x")).status, 200);
    }
    let calls = streams.calls();
    assert_eq!((calls.len(), calls[2].connection), (3, 0));
    assert_eq!(calls[0].uri, "https://app.example.com/x");
    let door = Door::new(upstream.address, authority.issue("app.internal"), &both, None);
    assert_eq!(secure::plan(door.address, tls(Offer::Http1)).start().ask(&get("/x")).status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

/// an application that is gone without a word is found out by a ping, long before anybody would wait for it.
#[test]
fn a_connection_of_streams_that_is_dead_is_found_out() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Empty SETTINGS (RFC 9113 6.5), and nothing ever again.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            std::thread::spawn(move || while stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {});
        }
    });
    let mut plan = Plan::before(&[]);
    plan.proxy.upstreams = vec![Address::parse(&format!("h2c://{address}")).unwrap()];
    (plan.proxy.timeouts.ping, plan.proxy.timeouts.pong) =
        (Duration::from_millis(50), Duration::from_millis(50));
    let begun = std::time::Instant::now();
    let answer = plan.start().ask(&get("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (504, b"upstream_timeout".as_slice()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Fifty requests at once are fifty streams, each with its own answer.
#[tokio::test]
async fn many_requests_at_once_get_each_its_own_answer() {
    let streams = Streams::start(100, |mut call| {
        Box::pin(async move {
            let path = call.head.uri.path().to_owned();
            read(&mut call.body).await;
            for _ in 0..call.connection + path.len() {
                tokio::task::yield_now().await;
            }
            let mut stream = call.respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(path.into(), true).unwrap();
        })
    });
    let (_front, sender) = client::<Empty<Bytes>>(streams.plan()).await;
    let requests = (0..50).map(|number| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get(format!("https://{HOST}/{number}")).body(Empty::new()).unwrap();
            let response =
                tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), format!("/{number}"));
        }
    });
    futures_util::future::join_all(requests).await;
    assert_eq!(streams.calls().len(), 50);
}

/// what the server refuses by itself is said to a gRPC client in its own way, and to others as before.
#[test]
fn calls_that_the_server_refuses_are_told_so_in_their_own_way() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.connections_max = 1;
    plan.server.limits.when_full = WhenFull::Refuse;
    let front = plan.start();
    let call = |path: &str, more: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{more}Content-Length: 0\r\n\r\n")
    };
    let grpc = "Content-Type: application/grpc+proto\r\n";
    let check = |answer: &super::Answer, status: &str, code: &str| {
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{code}");
        let fields = ["content-type", "grpc-status", "grpc-message", "x-anteroom-error"];
        let expected = ["application/grpc", status, code, code];
        assert_eq!(fields.map(|name| answer.head.one(name)), expected.map(Some), "{code}");
    };
    let mut first = front.connect();
    first.send(call("/panic", grpc));
    check(&first.answer(), "2", "internal_error");
    // There is no room for another connection.
    check(&front.ask(&call("/x", grpc)), "14", "overloaded");
    let other = front.ask(&call("/x", ""));
    assert_eq!((other.status, other.head.one("grpc-status")), (503, None));
    let two_hosts = format!("{grpc}Host: other.example\r\n");
    first.send(call("/x", &two_hosts));
    let refused = first.answer();
    check(&refused, "13", "bad_request");
    assert_eq!(refused.head.one("connection"), Some("close"), "what follows cannot be told apart");
    drop(first);
    let mut usual = None;
    eventually("there is room again", || {
        let mut client = front.connect();
        client.send(call("/x", "Host: other.example\r\n"));
        usual = client.try_answer().ok().flatten().filter(|answer| answer.status != 503);
        usual.is_some()
    });
    let usual = usual.expect("an answer");
    assert_eq!((usual.status, usual.head.one("grpc-status")), (400, None));
    assert!(upstream.requests().is_empty());
}
