//! One connection from its first byte to its last.
//!
//! Separate because hyper serves requests but does not watch the clock between them: which phase a connection
//! is in, and by when it must leave it, is kept here.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::admit;
use super::tls::Acceptor;
use super::{FINISH_MAX, Handler, Limits, Settings};
use crate::proxy::{Body, BoxError, Deadline, Observe, Observed, Peer, RequestIds, TrustedProxies, drive};

/// The largest head of a request. Of fields, hyper takes 100; to say so would cost it an allocation for
/// every request.
const HEAD_BYTES_MAX: u16 = 32 * 1024;

/// HTTP/2: streams, windows, frames that may wait.
const STREAMS_MAX: u32 = 100;
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
const RESETS_PENDING_MAX: usize = 20;
const RESETS_LOCAL_MAX: usize = 256;
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How long a connection that was told to end may take to say so to its client.
const FAREWELL: Duration = Duration::from_secs(1);

/// Everything that one core's connections share.
pub(super) struct Front<H> {
    desk: Rc<Desk<H>>,
    acceptor: Option<Acceptor>,
    connections: TaskTracker,
}

struct Desk<H> {
    handler: H,
    request_ids: RequestIds,
    proxies: TrustedProxies,
    limits: Limits,
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
    shutdown: CancellationToken,
}

impl<H: Handler> Front<H> {
    pub(super) fn new(handler: H, settings: &Settings, shutdown: CancellationToken) -> Self {
        let desk = Desk {
            handler,
            request_ids: RequestIds::new(&*settings.randomness),
            proxies: settings.trusted_proxies.clone(),
            limits: settings.limits,
            http1: http1_builder(),
            http2: http2_builder(),
            shutdown,
        };
        Self {
            desk: Rc::new(desk),
            acceptor: settings.certificates.as_deref().map(Acceptor::new),
            connections: TaskTracker::new(),
        }
    }

    /// Cancelled when no more connections shall be accepted.
    pub(super) fn shutdown(&self) -> &CancellationToken {
        &self.desk.shutdown
    }

    /// Takes a new connection; `slot` is held as long as it lasts.
    pub(super) fn welcome(&self, stream: TcpStream, address: SocketAddr, slot: OwnedSemaphorePermit) {
        let (desk, acceptor) = (Rc::clone(&self.desk), self.acceptor.clone());
        self.connections.spawn_local(async move {
            desk.serve(stream, address, acceptor).await;
            drop(slot);
        });
    }

    /// Waits until all connections have ended, at most for `grace`.
    pub(super) async fn drain(self, grace: Duration) {
        self.connections.close();
        if timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "connections cut at the end of the grace");
        }
        // What is still upgraded then ends with the runtime.
        drop(timeout(FINISH_MAX, self.desk.handler.finish()).await);
    }
}

impl<H: Handler> Desk<H> {
    async fn serve(self: Rc<Self>, stream: TcpStream, address: SocketAddr, acceptor: Option<Acceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection lost before it was served");
            return;
        }
        let Some(acceptor) = acceptor else {
            let peer = Peer::new(address, false, &self.proxies);
            return self.serve_http1(stream, peer).await;
        };
        match timeout(self.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = Peer::new(address, true, &self.proxies);
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    self.serve_http2(stream, peer).await;
                } else {
                    self.serve_http1(stream, peer).await;
                }
            }
            Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
        }
    }

    async fn serve_http1<IO>(self: Rc<Self>, stream: IO, peer: Peer)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let watch = Arc::new(Watch::new(self.limits, Protocol::Http1));
        let io = TokioIo::new(Observed::new(stream, Arc::clone(&watch)));
        let service =
            service_fn(|request| Rc::clone(&self).answer(request, peer.clone(), Arc::clone(&watch)));
        let connection = pin!(self.http1.serve_connection(io, service).with_upgrades());
        self.attend(connection, &watch).await;
    }

    async fn serve_http2<IO>(self: Rc<Self>, stream: IO, peer: Peer)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let watch = Arc::new(Watch::new(self.limits, Protocol::Http2));
        let io = TokioIo::new(Observed::new(stream, Arc::clone(&watch)));
        let service =
            service_fn(|request| Rc::clone(&self).answer(request, peer.clone(), Arc::clone(&watch)));
        let connection = pin!(self.http2.serve_connection(io, service));
        self.attend(connection, &watch).await;
    }

    /// Serves a connection to its end: its own, its deadline's, or the shutdown's.
    async fn attend<C: Closes>(&self, mut connection: Pin<&mut C>, watch: &Watch) {
        let tick = self.limits.keep_alive;
        tokio::select! {
            biased;
            ended = drive(connection.as_mut(), &watch.deadline, tick) => {
                if ended.is_none() {
                    connection.as_mut().close();
                    drop(timeout(FAREWELL, connection).await);
                }
            }
            () = self.shutdown.cancelled() => {
                connection.as_mut().close();
                drop(drive(connection, &watch.deadline, tick).await);
            }
        }
    }

    /// Answers one request.
    async fn answer(
        self: Rc<Self>,
        mut request: Request<Incoming>,
        peer: Peer,
        watch: Arc<Watch>,
    ) -> Result<Response<Tracked>, std::convert::Infallible> {
        let exchange = Exchange::begin(watch);
        let version = request.version();
        let asks_upgrade = request.headers().contains_key(UPGRADE);
        self.request_ids.stamp(request.headers_mut(), &peer);
        let response = match admit(&mut request) {
            Ok(()) => {
                let response = self.handle(request, peer).await;
                let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                // What follows a refused upgrade was meant for another protocol and is no request (T-G1).
                if asks_upgrade && !switches { closing(response, version) } else { response }
            }
            Err(status) => closing(refuse(status), version),
        };
        Ok(response.map(|body| Tracked { body, _exchange: exchange }))
    }

    /// A panic is answered too, and hurts no other request.
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let handled = AssertUnwindSafe(self.handler.handle(request, peer)).catch_unwind().await;
        handled.unwrap_or_else(|_| {
            tracing::error!("a request failed by a panic");
            refuse(StatusCode::INTERNAL_SERVER_ERROR)
        })
    }
}

/// Ends the connection after the response; in HTTP/2, streams are apart and nothing can follow.
fn closing(mut response: Response<Body>, version: Version) -> Response<Body> {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An answer of this layer itself.
fn refuse(status: StatusCode) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or("refused");
    let mut response = Response::new(Body::from(format!("{} {reason}\n", status.as_u16())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The deadlines are kept by `Watch`; hyper's own would cost a timer for every request.
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    builder.max_header_size(HEAD_BYTES_MAX.into());
    builder
}

fn http2_builder() -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PONG_WITHIN);
    builder.max_concurrent_streams(STREAMS_MAX).max_header_list_size(HEAD_BYTES_MAX.into());
    builder.initial_stream_window_size(STREAM_WINDOW_BYTES);
    builder.initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder.max_pending_accept_reset_streams(RESETS_PENDING_MAX);
    builder.max_local_error_reset_streams(RESETS_LOCAL_MAX);
    builder
}

/// Runs the parts of an HTTP/2 connection on the core that it belongs to.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A connection that can be told to end after the requests at hand.
trait Closes: Future {
    fn close(self: Pin<&mut Self>);
}

impl<IO, S> Closes for http1::UpgradeableConnection<IO, S>
where
    IO: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = Tracked>,
    S::Error: Into<BoxError>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<IO, S> Closes for http2::Connection<IO, S, LocalExecutor>
where
    IO: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = Tracked>,
    S::Future: 'static,
    S::Error: Into<BoxError>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// The body of a response, which is over when it is dropped.
struct Tracked {
    body: Body,
    _exchange: Exchange,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request that is being answered.
struct Exchange(Arc<Watch>);

impl Exchange {
    fn begin(watch: Arc<Watch>) -> Self {
        watch.exchange_began();
        Self(watch)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.exchange_ended();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Which phase a connection is in, and by when it must leave it.
#[derive(Debug)]
struct Watch {
    deadline: Deadline,
    limits: Limits,
    protocol: Protocol,
    /// Whether the next byte begins something: a first request, or the head of another one.
    awaits_byte: AtomicBool,
    /// Whether the client takes no bytes at the moment.
    write_stalled: AtomicBool,
    /// Requests being answered.
    exchanges: AtomicU32,
}

impl Watch {
    fn new(limits: Limits, protocol: Protocol) -> Self {
        Self {
            deadline: Deadline::new(limits.first_byte),
            limits,
            protocol,
            awaits_byte: AtomicBool::new(true),
            write_stalled: AtomicBool::new(false),
            exchanges: AtomicU32::new(0),
        }
    }

    fn exchange_began(&self) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.awaits_byte.store(false, Ordering::Relaxed);
        self.deadline.clear();
    }

    fn exchange_ended(&self) {
        if self.exchanges.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Between the requests of an HTTP/2 connection bytes may come that begin nothing.
            self.awaits_byte.store(self.protocol == Protocol::Http1, Ordering::Relaxed);
            self.deadline.set(self.limits.keep_alive);
        }
    }
}

impl Observe for Watch {
    fn read(&self) {
        if self.awaits_byte.swap(false, Ordering::Relaxed) {
            self.deadline.set(match self.protocol {
                Protocol::Http1 => self.limits.head,
                Protocol::Http2 => self.limits.keep_alive,
            });
        }
    }

    fn wrote(&self) {
        if self.write_stalled.load(Ordering::Relaxed) {
            self.write_stalled.store(false, Ordering::Relaxed);
            if self.exchanges.load(Ordering::Relaxed) > 0 {
                self.deadline.clear();
            } else {
                self.deadline.set(self.limits.keep_alive);
            }
        }
    }

    fn write_blocked(&self) {
        if !self.write_stalled.swap(true, Ordering::Relaxed) {
            self.deadline.set(self.limits.write_stall);
        }
    }
}
