//! A WebSocket over HTTP/2: an extended `CONNECT` (RFC 8441) becomes what it would be in HTTP/1.1, and its answer what it has
//! to be in HTTP/2.
//!
//! Separate because nobody else need know that there are two ways to ask for a WebSocket: who is let in, from which pages,
//! with which fields and for how long is decided once, for both.
//!
//! Rules: no client of HTTP/2 can say `Connection` or `Upgrade` itself (RFC 9113 8.2.2). A success is said for an application
//! that has switched protocols, and for no other answer.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::refusal::ERROR_CODE;
use super::watch::{Exchange, Tracked, Watch};
use crate::id::Randomness;
use crate::proxy::{Upgrade, Upgraded};

/// What is said of an answer that opens none.
const NO_WEBSOCKET: &str = "no_websocket";

/// A stream that becomes a WebSocket if the application agrees.
pub(super) struct Opening {
    stream: OnUpgrade,
    switch: oneshot::Sender<Upgraded>,
}

/// Makes a request for an upgrade of what asks for a WebSocket in the way of HTTP/2; leaves all other requests as they are.
pub(super) fn translate(
    request: &mut Request<Incoming>,
    randomness: &dyn Randomness,
) -> Option<(Upgrade, Opening)> {
    if *request.method() != Method::CONNECT {
        return None;
    }
    request.extensions().get::<Protocol>().filter(|protocol| protocol.as_str() == "websocket")?;
    let stream = request.extensions_mut().remove::<OnUpgrade>()?;
    let mut nonce = [0; 16];
    randomness.fill(&mut nonce);
    let key = STANDARD.encode(nonce);
    let (upgrade, switch) = Upgrade::accepted_by(accept_of(&key));
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.remove(SEC_WEBSOCKET_ACCEPT);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).ok()?);
    Some((upgrade, Opening { stream, switch }))
}

impl Opening {
    /// Says in the way of HTTP/2 what the answer is, and has the octets flow if it is good.
    pub(super) fn answer(self, mut response: Response<Tracked>, watch: &Arc<Watch>) -> Response<Tracked> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            *response.status_mut() = StatusCode::OK;
            let headers = response.headers_mut();
            for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
                headers.remove(name);
            }
            // The connection is in use as long as the socket is there.
            tokio::task::spawn_local(self.open(Arc::new(Exchange::go_on(Arc::clone(watch)))));
        } else if refuse_success(&mut response).is_none()
            && response.headers().get(ERROR_CODE).is_some_and(|code| code == NO_WEBSOCKET)
        {
            // Refused before what the application said came along.
            response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(NO_WEBSOCKET));
        }
        response
    }

    async fn open(self, exchange: Arc<Exchange>) {
        match self.stream.await {
            // Whoever wanted it may be gone; then it is closed.
            Ok(stream) => drop(self.switch.send(Upgraded::new(TokioIo::new(stream), Bytes::new(), exchange))),
            Err(error) => tracing::debug!(%error, "a WebSocket was lost before it was open"),
        }
    }
}

/// Makes a refusal of an answer as to any other request: with a success it would be a socket (RFC 8441 5). Returns the code
/// of the refusal. Whoever writes answers down does so before; all others are seen to at the border.
pub fn refuse_success<B>(response: &mut Response<B>) -> Option<&'static str> {
    if !response.status().is_success() {
        return None;
    }
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(NO_WEBSOCKET));
    Some(NO_WEBSOCKET)
}

/// What a server says that understands the key (RFC 6455 4.2.2).
fn accept_of(key: &str) -> Box<str> {
    const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, [key, SALT].concat().as_bytes());
    STANDARD.encode(hash).into()
}

#[cfg(test)]
mod tests {
    use super::accept_of;

    /// The example of RFC 6455 1.3.
    #[test]
    fn a_key_is_accepted_as_the_standard_has_it() {
        assert_eq!(&*accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
