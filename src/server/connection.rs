//! One connection from its first byte to its last.
//!
//! Separate because who speaks HTTP does not watch the clock: by when a connection must leave which phase is kept in
//! `watch`, and what happens then is here.

use std::cell::Cell;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::admit;
use super::conversation::Conversation;
use super::date::Dates;
use super::doors::{Doors, Pressure, Reason, Slot};
use super::exchange::Asked;
use super::inspect::Inspected;
use super::open::{Entry, Open};
use super::refusal::{Refusal, closing};
use super::socket::{Lasting, Socket};
use super::tls::{Acceptor, describe};
use super::watch::{Exchange, Protocol, Tracked, Watch};
use super::when_woken::WhenWoken;
use super::{FINISH_MAX, Greeting, Handler, Limits, Refused, Settings, http2, preamble, websocket};
use crate::http1::fields::Known;
use crate::http1::head::RequestHead;
use crate::id::Randomness;
use crate::proxy::{self, Body, Observed, Peer, RequestId, RequestIds, TrustedProxies, drive};
use crate::routes::grpc;

/// How long a connection that was told to end may take to say so to its client.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a client may say nothing before a connection that has ended is closed, and how long it may go on at most: a socket
/// that is closed with something unread is reset, and what has not arrived is lost with it (RFC 9112 9.6).
pub(super) const PARTING_IDLE: Duration = Duration::from_secs(5);
pub(super) const PARTING_MAX: Duration = Duration::from_secs(30);

/// Everything that one core's connections share.
pub(super) struct Front<H> {
    desk: Rc<Desk<H>>,
    connections: TaskTracker,
    open: Rc<Open>,
}

struct Desk<H> {
    handler: H,
    acceptor: Option<Acceptor>,
    request_ids: Arc<RequestIds>,
    randomness: Arc<dyn Randomness>,
    proxies: TrustedProxies,
    greeting: Greeting,
    limits: Arc<Limits>,
    doors: Doors,
    dates: Dates,
    http2: http2::Server,
    /// Whether HTTP/1 clients are told that their connections end.
    ends: Cell<bool>,
    shutdown: CancellationToken,
}

impl<H: Handler> Front<H> {
    pub(super) fn new(handler: H, settings: &Settings, doors: Doors, shutdown: CancellationToken) -> Self {
        let desk = Desk {
            handler,
            acceptor: settings.certificates.as_deref().map(Acceptor::new),
            request_ids: Arc::new(RequestIds::new(&*settings.randomness)),
            randomness: Arc::clone(&settings.randomness),
            proxies: settings.trusted_proxies.clone(),
            greeting: settings.greeting,
            limits: Arc::new(settings.limits),
            doors,
            dates: Dates::new(Arc::clone(&settings.clock)),
            http2: http2::server(settings),
            ends: Cell::new(false),
            shutdown,
        };
        Self { desk: Rc::new(desk), connections: TaskTracker::new(), open: Rc::default() }
    }

    /// Cancelled when no more connections shall be accepted.
    pub(super) fn shutdown(&self) -> &CancellationToken {
        &self.desk.shutdown
    }

    /// Tells HTTP/1 clients from now on that their connections end with the response.
    pub(super) fn announce_end(&self) {
        self.desk.ends.set(true);
    }

    /// Takes a new connection, which holds its slot as long as it lasts.
    pub(super) fn welcome(&self, stream: TcpStream, address: SocketAddr, slot: Slot) {
        if slot.is_turned_away() {
            self.desk.doors.turned_away(Reason::Full, 1);
        }
        let watch = Arc::new(Watch::new(Arc::clone(&self.desk.limits), slot, self.connections.token()));
        let (desk, known) = (Rc::clone(&self.desk), Arc::downgrade(&watch));
        self.open.spawn(known, |entry| desk.receive(stream, address, watch, entry));
    }

    /// Closes idle connections whenever memory is very short. Never ends by itself.
    pub(super) async fn make_room(&self, gauge: &super::Gauge) {
        let mut shown = gauge.follow();
        while shown.wait_for(|pressure| *pressure == Pressure::Critical).await.is_ok() {
            let connections = self.open.close_idle();
            self.desk.doors.turned_away(Reason::Memory, connections);
            tracing::warn!(connections, "memory is short: idle connections were closed");
            if shown.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until all connections have ended, at most for `grace`.
    pub(super) async fn drain(self, grace: Duration) {
        self.connections.close();
        if timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "connections cut at the end of the grace");
        }
        // An upgraded connection counts for as long as its client is there; the other side ends with the runtime, or here.
        drop(timeout(FINISH_MAX, self.desk.handler.finish()).await);
    }
}

impl<H: Handler> Desk<H> {
    /// Finds out who is there, which protocol is spoken, and serves it.
    ///
    /// What is moved here is small, because a future keeps room for all that it was given and for wherever that goes on to.
    async fn receive(
        self: Rc<Self>,
        mut stream: TcpStream,
        address: SocketAddr,
        watch: Arc<Watch>,
        _entry: Entry,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection lost before it was served");
            return;
        }
        let mut address = address;
        if self.greeting != Greeting::None && self.proxies.contains(address.ip()) {
            let Some(client) = Box::pin(self.introduce(&mut stream, address)).await else { return };
            address = client;
        }
        if !self.proxies.contains(address.ip()) {
            match self.doors.greet(address.ip()) {
                Some(guest) => watch.belongs_to(guest),
                None => return,
            }
        }
        match &self.acceptor {
            None => {
                let peer = Rc::new(Peer::new(address, false, &self.proxies));
                self.serve_http1(stream, peer, watch).await;
            }
            Some(_) => Box::pin(self.receive_tls(stream, address, watch)).await,
        }
    }

    /// The same of a client that speaks TLS.
    async fn receive_tls(self: Rc<Self>, stream: TcpStream, address: SocketAddr, watch: Arc<Watch>) {
        let Some((stream, peer)) = Box::pin(self.shake_hands(stream, address, &watch)).await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            Box::pin(self.serve_http2(stream, peer, watch)).await;
        } else {
            self.serve_http1(stream, peer, watch).await;
        }
    }

    /// Begins TLS. `None`: the connection is closed.
    async fn shake_hands(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        watch: &Arc<Watch>,
    ) -> Option<(Box<TlsStream<Socket>>, Rc<Peer>)> {
        let begun = Instant::now();
        let accepting = self.acceptor.as_ref()?.accept(stream, Arc::clone(watch));
        match timeout(self.limits.handshake, accepting).await {
            Ok(Ok(stream)) => {
                let stream = Box::new(stream);
                let peer = Rc::new(Peer::new(address, true, &self.proxies));
                let tls = stream.get_ref().1;
                peer.handshake.set(describe(tls, begun.elapsed()));
                // A trusted proxy may carry requests for several hosts.
                if let Some(name) = tls.server_name().filter(|_| !peer.trusted) {
                    watch.asked_for(name);
                }
                Some((stream, peer))
            }
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!(%address, "TLS handshake took too long");
                None
            }
        }
    }

    /// The address of the client as the trusted proxy says that connects. `None`: the connection is closed.
    async fn introduce(&self, stream: &mut TcpStream, address: SocketAddr) -> Option<SocketAddr> {
        match timeout(self.limits.handshake, preamble::read(stream)).await {
            Ok(Ok(client)) => Some(client.unwrap_or(address)),
            Ok(Err(error)) => {
                tracing::warn!(%address, %error, "a trusted proxy's connection was closed");
                None
            }
            Err(_) => {
                tracing::debug!(%address, "the PROXY preamble took too long");
                None
            }
        }
    }

    fn serve_http1<IO>(
        self: Rc<Self>,
        stream: IO,
        peer: Rc<Peer>,
        watch: Arc<Watch>,
    ) -> impl Future<Output = ()>
    where
        IO: AsyncRead + AsyncWrite + Lasting + Send + Unpin + 'static,
    {
        async move {
            watch.speaks(Protocol::Http1);
            let conversation = Conversation::new(stream, Arc::clone(&watch), self.dates.clone());
            let service = |asked| Rc::clone(&self).answer(asked, Rc::clone(&peer), Arc::clone(&watch));
            let refuse = |refusal: Refusal| {
                let name = self.request_ids.next();
                self.note(refusal, &name, &peer);
                let response = closing(refusal.answer(&name), Version::HTTP_11);
                response.map(|body| Tracked::new(body, Exchange::begin(Arc::clone(&watch))))
            };
            let serving = pin!(conversation.serve(service, refuse));
            let mut spoken = Spoken { serving, watch: &watch };
            self.attend(Pin::new(&mut spoken), &watch, Protocol::Http1).await;
        }
    }

    async fn serve_http2<IO>(self: Rc<Self>, stream: IO, peer: Rc<Peer>, watch: Arc<Watch>)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        watch.speaks(Protocol::Http2);
        let inspected = Inspected::new(stream);
        let io = TokioIo::new(Observed::new(inspected, Arc::clone(&watch)));
        let service = service_fn(|mut request: Request<Incoming>| {
            let (upgrade, opening) = websocket::translate(&mut request, &*self.randomness).unzip();
            let asked = Asked { upgrade, ..http2::asked(request) };
            let answer = Rc::clone(&self).answer(asked, Rc::clone(&peer), Arc::clone(&watch));
            let watch = Arc::clone(&watch);
            answer.map(move |response| {
                let response = http2::whole(response);
                Ok::<_, std::convert::Infallible>(match opening {
                    Some(opening) => opening.answer(response, &watch),
                    None => response,
                })
            })
        });
        let connection = pin!(self.http2.serve_connection(io, service));
        self.attend(connection, &watch, Protocol::Http2).await;
    }

    /// Serves a connection to its end, which may be its own, its deadline's, or the shutdown's.
    fn attend<C: Closes>(
        &self,
        mut connection: Pin<&mut C>,
        watch: &Watch,
        protocol: Protocol,
    ) -> impl Future<Output = ()> {
        async move {
            let cancelled = pin!(self.shutdown.cancelled());
            let ended = tokio::select! {
                biased;
                ended = self.drive(connection.as_mut(), watch, protocol) => ended,
                () = WhenWoken::new(cancelled) => {
                    // A client may have sent a request that has not come yet, and would not know what became of it.
                    if protocol == Protocol::Http1 && watch.is_between() {
                        watch.deadline.set(self.limits.last_call);
                    } else {
                        connection.as_mut().close();
                    }
                    Box::pin(self.drive(connection.as_mut(), watch, protocol)).await
                }
            };
            if ended == Ended::Overdue {
                connection.as_mut().give_up();
                drop(Box::pin(timeout(FAREWELL, connection)).await);
            }
        }
    }

    fn drive<C: Closes>(
        &self,
        mut connection: Pin<&mut C>,
        watch: &Watch,
        protocol: Protocol,
    ) -> impl Future<Output = Ended> {
        let tick = match protocol {
            Protocol::Http1 => self.limits.keep_alive,
            Protocol::Http2 => self.limits.look_every,
        };
        async move {
            loop {
                match drive(connection.as_mut(), &watch.deadline, tick).await {
                    Some(_) => return Ended::InOrder,
                    None if !watch.takes_retirement() => return Ended::Overdue,
                    None => connection.as_mut().close(),
                }
            }
        }
    }

    /// Answers one request. What can be found out at once takes no room in the future that is left.
    fn answer(
        self: Rc<Self>,
        asked: Asked,
        peer: Rc<Peer>,
        watch: Arc<Watch>,
    ) -> impl Future<Output = Response<Tracked>> {
        let exchange = Exchange::begin(Arc::clone(&watch));
        let (version, asks_upgrade) = (asked.head.version, asked.head.fields.has(Known::Upgrade));
        let admitted = self.admit(asked, &peer, &watch);
        async move {
            let response = match admitted {
                Ok(request) => {
                    let response = self.handle(request, &peer).await;
                    // In HTTP/2 it is one stream of many.
                    let is_all = version < Version::HTTP_2;
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS && is_all {
                        watch.becomes_tunnel();
                        response
                    } else if asks_upgrade || self.ends.get() || watch.is_spent() {
                        // What follows a refused upgrade was meant for another protocol and is no request (T-G1).
                        if version == Version::HTTP_2 && watch.is_spent() {
                            watch.retire();
                        }
                        closing(response, version)
                    } else {
                        response
                    }
                }
                Err(refused) => *refused,
            };
            response.map(|body| Tracked::new(body, exchange))
        }
    }

    /// Gives a request its name and lets it in, or answers why not.
    fn admit(&self, asked: Asked, peer: &Peer, watch: &Watch) -> Result<proxy::Request, Box<Response<Body>>> {
        let Asked { head, body, upgrade, is_cut } = asked;
        let id = self.request_ids.name(&head.fields, peer);
        let checked = if is_cut { Err(Refusal::Ambiguous) } else { check(&head, watch) };
        let Err(refusal) = checked else {
            return Ok(proxy::Request::new(head, id, body, upgrade));
        };
        if refusal == Refusal::Overloaded && head.version == Version::HTTP_2 {
            watch.retire();
        }
        self.note(refusal, &id, peer);
        let response = refusal.answer(&id);
        let is_grpc = grpc::is_call(head.fields.get(Known::ContentType));
        let response = if is_grpc { grpc::answer(response) } else { response };
        // A client with two hosts on one connection goes on with the other.
        let goes_on = refusal == Refusal::Misdirected;
        Err(Box::new(if goes_on { response } else { closing(response, head.version) }))
    }

    /// Has a refusal written down.
    fn note(&self, refusal: Refusal, request_id: &RequestId, peer: &Peer) {
        let (client, status, code) = (peer.address.ip(), refusal.status(), refusal.code());
        self.handler.refused(&Refused { request_id, client, status, code });
    }

    /// A panic is answered too, and hurts no other request.
    fn handle(&self, request: proxy::Request, peer: &Peer) -> impl Future<Output = Response<Body>> {
        let head = Arc::clone(request.head());
        let handled = AssertUnwindSafe(self.handler.handle(request, peer)).catch_unwind();
        handled.map(move |handled| handled.unwrap_or_else(|_| panicked(&head)))
    }
}

/// What is answered to a request whose handler has panicked.
fn panicked(head: &proxy::Head) -> Response<Body> {
    tracing::error!(request_id = head.id().as_str(), "a request failed by a panic");
    let response = Refusal::Panicked.answer(head.id());
    if grpc::is_call(head.fields().get(Known::ContentType)) { grpc::answer(response) } else { response }
}

/// Whether a request may be handled at all.
fn check(head: &RequestHead, watch: &Watch) -> Result<(), Refusal> {
    if watch.is_turned_away() {
        return Err(Refusal::Overloaded);
    }
    admit(head)?;
    if head.fields.get(Known::Host).is_some_and(|host| watch.is_misdirected(host)) {
        return Err(Refusal::Misdirected);
    }
    Ok(())
}

/// How a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// By itself.
    InOrder,
    /// Its deadline has passed, and it is still there.
    Overdue,
}

/// A connection that can be told to end.
pub(super) trait Closes: Future {
    /// After the requests at hand.
    fn close(self: Pin<&mut Self>);

    /// As soon as it can: nobody waits for a request to be complete.
    fn give_up(self: Pin<&mut Self>) {
        self.close();
    }
}

/// A connection of HTTP/1.
struct Spoken<'a, F> {
    serving: Pin<&'a mut F>,
    watch: &'a Watch,
}

impl<F: Future> Future for Spoken<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.serving.as_mut().poll(context)
    }
}

impl<F: Future> Closes for Spoken<'_, F> {
    fn close(self: Pin<&mut Self>) {
        self.watch.close();
    }

    fn give_up(self: Pin<&mut Self>) {
        self.watch.give_up();
    }
}
