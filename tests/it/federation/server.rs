//! A server of metadata: real TLS on loopback, an authority of its own, and every way to misbehave.
//!
//! Separate because several tests need it, and because it counts: what is not asked for is half of the matter.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is answered.
#[derive(Clone)]
pub(super) enum Reply {
    /// A document, with its `ETag`.
    Document(Vec<u8>, Option<&'static str>),
    /// Nothing but a status.
    Status(u16),
    /// A redirect.
    Redirect(String),
    /// So many octets without a length.
    Endless,
    /// Octet by octet, never to an end.
    Drip,
    /// Says that it is compressed.
    Compressed(Vec<u8>),
    /// The connection is closed.
    Nothing,
}

pub(super) struct MetadataServer {
    address: SocketAddr,
    authority: String,
    state: Arc<Mutex<State>>,
    gate: Arc<Semaphore>,
    task: JoinHandle<()>,
}

struct State {
    reply: Reply,
    requests: Vec<HeaderMap>,
    connections: usize,
}

impl MetadataServer {
    /// One that answers with a document.
    pub(super) async fn with(document: Vec<u8>) -> Self {
        Self::start(Reply::Document(document, None)).await
    }

    pub(super) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("a certificate");
        let state = Arc::new(Mutex::new(State { reply, requests: Vec::new(), connections: 0 }));
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let acceptor = acceptor(made.cert.der().clone(), key);
        let task = tokio::spawn(serve(listener, acceptor, Arc::clone(&state), Arc::clone(&gate)));
        Self { address, authority: made.cert.pem(), state, gate, task }
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/metadata.xml?appid=1", self.address.port())
    }

    /// Who vouches for it, as PEM.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Answers differently from now on.
    pub(super) fn reply(&self, reply: Reply) {
        self.state().reply = reply;
    }

    /// The headers of all requests so far.
    pub(super) fn requests(&self) -> Vec<HeaderMap> {
        self.state().requests.clone()
    }

    pub(super) fn count(&self) -> usize {
        self.state().requests.len()
    }

    /// How many have connected, whether they asked anything or not.
    pub(super) fn connections(&self) -> usize {
        self.state().connections
    }

    /// Lets nobody have an answer until [`open`](Self::open).
    pub(super) fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(super) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics here")
    }
}

impl Drop for MetadataServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a good certificate");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<Mutex<State>>, gate: Arc<Semaphore>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state, gate) = (acceptor.clone(), Arc::clone(&state), Arc::clone(&gate));
        state.lock().expect("nobody panics here").connections += 1;
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let (state, gate) = (Arc::clone(&state), Arc::clone(&gate));
                async move {
                    state.lock().expect("nobody panics here").requests.push(request.headers().clone());
                    drop(gate.acquire().await);
                    let reply = state.lock().expect("nobody panics here").reply.clone();
                    answer(reply, request.headers())
                }
            });
            let served = hyper::server::conn::http1::Builder::new();
            drop(served.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn full(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).boxed_unsync()
}

fn answer(reply: Reply, asked: &HeaderMap) -> Result<Response<Body>, std::io::Error> {
    let response = Response::builder();
    let made = match reply {
        Reply::Document(_, Some(etag)) if asked.get(IF_NONE_MATCH).is_some_and(|sent| sent == etag) => {
            response.status(StatusCode::NOT_MODIFIED).body(full(""))
        }
        Reply::Document(octets, etag) => match etag {
            Some(etag) => response.header(ETAG, etag).body(full(octets)),
            None => response.body(full(octets)),
        },
        Reply::Status(status) => response.status(status).body(full("no")),
        Reply::Redirect(to) => response.status(302).header(LOCATION, to).body(full("")),
        Reply::Endless => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            let frames = futures_util::stream::iter(std::iter::repeat_n(chunk, 160));
            let frames = futures_util::StreamExt::map(frames, |chunk| Ok(Frame::data(chunk)));
            response.body(StreamBody::new(frames).boxed_unsync())
        }
        Reply::Drip => {
            let drops = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Ok(Frame::data(Bytes::from_static(b" "))), ()))
            });
            response.body(StreamBody::new(drops).boxed_unsync())
        }
        Reply::Compressed(octets) => response.header(CONTENT_ENCODING, "gzip").body(full(octets)),
        Reply::Nothing => return Err(std::io::Error::other("gone")),
    };
    Ok(made.expect("a response"))
}
