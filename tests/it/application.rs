//! The application behind Anteroom: remembers every request it received, streams without end, and speaks
//! WebSocket.
//!
//! Separate because the tests look at Anteroom from both sides, and this is the other one.
//!
//! | path | answer |
//! |---|---|
//! | `/stream` | one octet, and no end until the connection is cut |
//! | `/socket` | a WebSocket that sends every message back |
//! | everything else | `200`, a page that names the path |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A request as the application received it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Path and query.
    pub(crate) target: String,
    pub(crate) method: http::Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    /// A header as text; empty if it did not come.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("plain text"))
    }

    /// The claims of the identity header, unverified; `None` without one.
    pub(crate) fn claims(&self) -> Option<serde_json::Value> {
        use base64::Engine as _;
        let token = self.headers.get("x-anteroom-jwt-assertion")?.to_str().expect("plain text");
        let payload = token.split('.').nth(1).expect("a compact JWS");
        let octets = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        Some(serde_json::from_slice(&octets).expect("JSON"))
    }
}

/// The application, running until it is dropped.
pub(crate) struct Application {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Application {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                let service = service_fn(move |request| answer(request, Arc::clone(&log)));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.with_upgrades());
            }
        });
        Self { address, received, accepting }
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no test panics here").clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Received {
        self.received().pop().expect("the application received something")
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(
    mut request: Request<Incoming>,
    log: Arc<Mutex<Vec<Received>>>,
) -> Result<Response<Body>, Infallible> {
    // Read to its end, so that the connection can be used again; what it says does not matter.
    let body =
        request.body_mut().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let received = Received {
        target: request.uri().to_string(),
        method: request.method().clone(),
        headers: request.headers().clone(),
        body,
    };
    log.lock().expect("no test panics here").push(received);
    Ok(match request.uri().path() {
        "/stream" => endless(),
        "/socket" => echo_socket(request),
        path => {
            let page = format!("<!doctype html><title>Application</title><h1>The application: {path}</h1>");
            let mut response = Response::new(Full::new(page.into()).boxed());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            response
        }
    })
}

fn endless() -> Response<Body> {
    let begin = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b".")))]);
    Response::new(BodyExt::boxed(StreamBody::new(begin.chain(futures_util::stream::pending()))))
}

fn echo_socket(request: Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get("sec-websocket-key") else {
        return with_status(StatusCode::BAD_REQUEST);
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.expect("the upgrade takes place");
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut response = with_status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", accept.parse().expect("base64"));
    response
}

fn with_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed());
    *response.status_mut() = status;
    response
}
