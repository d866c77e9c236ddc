//! The application of the soak: it verifies the identity of every request and says whom it saw.
//!
//! Separate because it is the witness: it shares no state between requests but the one mistake that it is told to make.
//!
//! | path | answer |
//! |---|---|
//! | `/echo/N` | `USER SESSION N SHA256-OF-BODY` |
//! | `/large/N` | the same line 4,000 times |
//! | `/events/N` | the same in six events, 15 ms apart |
//! | `/socket/N` | a WebSocket that sends every message back after `USER SESSION N` |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anteroom::app;
use anteroom::clock::{Clock as _, SystemClock};
use anteroom::config::{Environment, secret_file};
use anteroom::id::hex;
use anteroom::identity;
use anteroom::keys::{Keys, SEAL_PURPOSE};
use anteroom::secret::sha256;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::app::TestApp;

/// The application, running until it is dropped.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    witness: Arc<Witness>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Witness {
    verifier: OnceLock<(Keys, identity::Settings)>,
    mixed_up: bool,
    /// How many were seen, and who was the last.
    last: Mutex<(u64, String)>,
}

impl Echo {
    pub(super) async fn start(mixed_up: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let witness = Arc::new(Witness { verifier: OnceLock::new(), mixed_up, last: Mutex::default() });
        let shared = Arc::clone(&witness);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let witness = Arc::clone(&shared);
                let service = service_fn(move |request| answer(request, Arc::clone(&witness)));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.with_upgrades());
            }
        });
        Self { address, witness, accepting }
    }

    /// Learns the keys that Anteroom signs with.
    pub(super) async fn learn(&self, app: &TestApp) {
        let config =
            app::load(&app.config_path(), &Environment::default()).expect("the configuration is good");
        let secret = secret_file::load(&config.store.secret_file).expect("there is a secret");
        let (seal, clock) = (secret.seal_key(SEAL_PURPOSE), Arc::new(SystemClock));
        let keys = Keys::load(app.open_store().await, seal, clock, config.identity.algorithm);
        let known = (keys.await.expect("there are keys"), config.identity.clone());
        assert!(self.witness.verifier.set(known).is_ok(), "it learns once");
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Witness {
    /// User and session that a request proves.
    fn see(&self, request: &Request<Incoming>) -> Option<String> {
        let (keys, settings) = self.verifier.get()?;
        let mut tokens = request.headers().get_all("x-anteroom-jwt-assertion").iter();
        let (Some(token), None) = (tokens.next(), tokens.next()) else { return None };
        let token = token.to_str().ok()?;
        let ring = keys.ring();
        let key = ring.find(&identity::kid_hint(token)?)?;
        let seen = identity::verify(key, token, settings, SystemClock.now())?;
        let seen = format!("{} {}", seen.user.as_str(), seen.session.as_str());
        let mut last = self.last.lock().expect("nobody panics here");
        last.0 += 1;
        let before = std::mem::replace(&mut last.1, seen.clone());
        Some(if self.mixed_up && last.0.is_multiple_of(50) { before } else { seen })
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(mut request: Request<Incoming>, witness: Arc<Witness>) -> Result<Response<Body>, Infallible> {
    let Some(who) = witness.see(&request) else {
        return Ok(with_status(StatusCode::IM_A_TEAPOT, "nobody that can be verified"));
    };
    let path = request.uri().path().to_owned();
    let (_, nonce) = path.rsplit_once('/').expect("a path begins with a slash");
    let who = format!("{who} {nonce}");
    if path.starts_with("/socket/") {
        return Ok(socket(request, who));
    }
    // Who hangs up in the middle gets no answer anyway.
    let Ok(body) = request.body_mut().collect().await else {
        return Ok(with_status(StatusCode::BAD_REQUEST, "half a body"));
    };
    if path.starts_with("/events/") {
        return Ok(events(who));
    }
    let digest = hex(&sha256(&body.to_bytes()));
    let line = format!("{who} {digest}\n");
    Ok(with_status(StatusCode::OK, &line.repeat(if path.starts_with("/large/") { 4_000 } else { 1 })))
}

fn events(who: String) -> Response<Body> {
    let events = futures_util::stream::unfold(0, move |number| {
        let who = who.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(15)).await;
            let event = Frame::data(Bytes::from(format!("data: {who}\n\n")));
            (number < 6).then_some((Ok(event), number + 1))
        }
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn socket(request: Request<Incoming>, who: String) -> Response<Body> {
    let Some(key) = request.headers().get("sec-websocket-key") else {
        return with_status(StatusCode::BAD_REQUEST, "no key");
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            let Ok(text) = message.to_text() else { break };
            if message.is_close() || socket.send(Message::text(format!("{who} {text}"))).await.is_err() {
                break;
            }
        }
    });
    let mut response = with_status(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", accept.parse().expect("base64"));
    response
}

fn with_status(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())).boxed_unsync());
    *response.status_mut() = status;
    response
}
