//! Serving and forwarding over real sockets: a recording application behind, a raw client in front.
//!
//! Separate from the tests of the whole because only `server`, `proxy` and the gate take part: one session,
//! made in the store, through whose eyes everything outside `/public/` is asked for.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the whole of it is test, also what clippy does not know as such"
)]

mod balance;
mod cost;
mod deaths;
mod fields;
mod floods;
mod framing;
mod grpc;
mod life;
mod limits;
mod preamble;
mod rest;
mod routes;
mod secure;
mod sessions;
mod slow;
mod sockets;
mod streams;
mod tls;
mod tunnels;

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZero;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anteroom::clock::SystemClock;
use anteroom::directory::{DisplayName, Grant, Levels, Organization, Role, Scope};
use anteroom::email::EmailAddress;
use anteroom::id::{ConnectionId, OrganizationId, SessionName, SystemRandomness, UserId};
use anteroom::keys::Keys;
use anteroom::proxy::{self, Body, Forwarder, Peer, PublicUrl, Upstream as Address};
use anteroom::secret::ClusterSecret;
use anteroom::server::{self, Handler, Server};
use anteroom::session::{Lifetimes, Session, SessionId};
use anteroom::sign_on::{self, Entry, SignOn, Visitor};
use anteroom::store::{self, AuditEvent, NewUser};
use anteroom::target::{PathRule, RequestTarget, ReturnPath};
use anteroom::{clock::Clock, identity};
use http::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::upstream::{self, Head, PATIENCE, Upstream};

/// The host that visitors ask for.
const HOST: &str = "app.example.com";

/// The cookie that must not reach the application.
const COOKIE: &str = "__Host-anteroom";

/// What a front is made of; change it before [`Plan::start`].
struct Plan {
    server: server::Settings,
    proxy: proxy::Settings,
}

impl Plan {
    /// One core on a free port, in front of these applications.
    fn before(upstreams: &[&Upstream]) -> Self {
        let addresses = upstreams.iter().map(|upstream| Address::parse(&upstream.url()).unwrap());
        let public = PublicUrl::parse(&format!("https://{HOST}")).unwrap();
        let mut proxy = proxy::Settings::new(addresses.collect(), public);
        proxy.own_cookie_names = vec![COOKIE.to_owned()];
        let loopback = vec!["127.0.0.1:0".parse().unwrap()];
        let mut server = server::Settings::new(loopback, Arc::new(SystemRandomness));
        server.workers = Some(NonZero::<usize>::MIN);
        server.limits.last_call = Duration::from_millis(50);
        // Rests are short, so that every test may meet one.
        server.limits.look_every = Duration::from_millis(20);
        Self { server, proxy }
    }

    fn start(self) -> Front {
        let shutdown = CancellationToken::new();
        let (told, address) = mpsc::channel();
        let abandon = CancellationToken::new();
        let (stop, abandoned) = (shutdown.clone(), abandon.clone());
        let ended = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async move {
                let (sign_on, visitor) = one_session().await;
                let server = Server::bind(self.server).unwrap();
                let session = Arc::new((sign_on, visitor));
                let address = server.addresses()[0];
                let known = Arc::clone(&session);
                let (settings, closing) = (Arc::new(self.proxy), stop.clone());
                let make = move || Doorman {
                    forwarder: Forwarder::new(Arc::clone(&settings), closing.clone()),
                    session: Arc::clone(&session),
                };
                let serving = server.start(make, stop).await.unwrap();
                told.send((address, known, tokio::runtime::Handle::current())).unwrap();
                tokio::select! {
                    ended = serving.ended() => ended.unwrap(),
                    () = abandoned.cancelled() => {}
                }
            });
        });
        let (address, session, runtime) = address.recv_timeout(PATIENCE).unwrap();
        Front { address, session, runtime, shutdown, abandon, ended: Some(ended) }
    }
}

/// Anteroom's network side, running.
struct Front {
    address: SocketAddr,
    session: Arc<(SignOn, Visitor)>,
    runtime: tokio::runtime::Handle,
    shutdown: CancellationToken,
    abandon: CancellationToken,
    ended: Option<std::thread::JoinHandle<()>>,
}

impl Front {
    fn before(upstream: &Upstream) -> Self {
        Plan::before(&[upstream]).start()
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends one request on a connection of its own and reads the answer.
    fn ask(&self, head: &str) -> Answer {
        let mut client = self.connect();
        client.send(head);
        client.answer()
    }

    fn end_session(&self) {
        let (sign_on, visitor) = &*self.session;
        self.runtime.block_on(sign_on.sign_out(visitor, "")).unwrap();
    }

    /// Begins the shutdown and returns how the serving thread ended.
    fn shut_down(&mut self) -> std::thread::Result<()> {
        self.shutdown.cancel();
        self.ended.take().unwrap().join()
    }
}

impl Drop for Front {
    /// Nothing of it is left when the test ends, and the process with it.
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.abandon.cancel();
        if let Some(thread) = self.ended.take() {
            drop(thread.join());
        }
    }
}

/// A connection to the front that sends octets as they are.
struct Client(BufReader<TcpStream>);

/// A response as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: Head,
    body: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap()
    }

    fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(octets.as_ref()).unwrap();
    }

    fn head(&mut self) -> Head {
        upstream::read_head(&mut self.0).unwrap().expect("the front answers")
    }

    fn answer(&mut self) -> Answer {
        self.try_answer().unwrap().expect("the front answers")
    }

    /// A whole response, `None` if the connection ends before it, an error if it ends within it; a front that says
    /// nothing at all has failed, whatever is expected of it.
    fn try_answer(&mut self) -> io::Result<Option<Answer>> {
        let answer = self.read_answer();
        if let Err(error) = &answer {
            let is_silence = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            assert!(!is_silence, "the front neither answers nor closes the connection");
        }
        answer
    }

    fn read_answer(&mut self) -> io::Result<Option<Answer>> {
        let Some(head) = upstream::read_head(&mut self.0)? else { return Ok(None) };
        let status = head.word(1).parse().expect("a status is a number");
        let bodiless = matches!(status, 100..=199 | 204 | 304);
        let body = if bodiless { Vec::new() } else { upstream::read_body(&mut self.0, &head)?.0 };
        Ok(Some(Answer { status, head, body }))
    }

    /// Whether the front closes the connection without another byte.
    fn is_closed(&mut self) -> bool {
        match io::copy(&mut self.0, &mut io::sink()) {
            Ok(octets) => octets == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}

/// A connection to a front that can take little at a time: most of an answer waits with the front until it is read.
fn narrow(address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

/// Whether the other side of a connection, which is of this machine, has nothing more to say, though it may not have arrived
/// yet (`FIN-WAIT-1`, RFC 9293 3.3.2).
fn has_said_everything(client: SocketAddr, server: SocketAddr) -> bool {
    let written = |address: SocketAddr| match address.ip() {
        std::net::IpAddr::V4(ip) => format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()),
        std::net::IpAddr::V6(_) => panic!("{address} is not of IPv4"),
    };
    let connection = format!(" {} {} 04 ", written(server), written(client));
    std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&connection)
}

/// Resident memory of this process, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Turns requests into proofs, as `routes` will: `/public/` for everybody, the rest for the one session.
struct Doorman {
    forwarder: Forwarder,
    session: Arc<(SignOn, Visitor)>,
}

impl Handler for Doorman {
    async fn handle(&self, request: proxy::Request, peer: &Peer) -> Response<Body> {
        let Ok(target) = RequestTarget::parse(request.uri()) else {
            return refusal(StatusCode::BAD_REQUEST, "target");
        };
        assert_ne!(target.path(), "/panic", "asked to panic");
        let (sign_on, visitor) = &*self.session;
        let forwarded = if let Some(public) = sign_on.enter_public(&target) {
            self.forwarder.forward_public(&public, request, peer).await
        } else {
            let Entry::Admitted(authenticated) = sign_on.enter(visitor, &target) else {
                return refusal(StatusCode::FORBIDDEN, "not_admitted");
            };
            self.forwarder.forward(&authenticated, request, peer).await
        };
        forwarded.unwrap_or_else(|lost| refusal(lost.failure.status(), lost.failure.code()))
    }

    async fn finish(&self) {
        self.forwarder.finish().await;
    }
}

fn refusal(status: StatusCode, code: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(code));
    *response.status_mut() = status;
    response
}

/// A sign-on over a store of its own, and a visitor with a session in it.
async fn one_session() -> (SignOn, Visitor) {
    let store = store::open(&store::Settings::Memory).await.unwrap();
    sessions_in(store).await
}

/// A sign-on over a store, and a visitor with a session in it.
async fn sessions_in(store: Arc<dyn store::Store>) -> (SignOn, Visitor) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secret = ClusterSecret::new([7; 32]);
    let identity = identity_settings();
    let seal = secret.seal_key("identity keys");
    let keys = Keys::load(Arc::clone(&store), seal, Arc::clone(&clock), identity.algorithm).await.unwrap();
    let (user, hash) = populate(&*store, &*clock).await;
    assert!(user.as_str().starts_with("u_"));
    let settings = sign_on::Settings {
        service_provider: Arc::new(crate::idp::service_provider("urn:example:app")),
        lifetimes: Lifetimes { idle: Duration::from_hours(1), lifetime: Duration::from_hours(2) },
        single_logout: sign_on::SingleLogout::Offered,
        polling_paths: Vec::new(),
        repeat_posts: Vec::new(),
        public_paths: vec![PathRule::parse("/public/").unwrap()],
        identity,
        declared: Vec::new(),
    };
    let parts = (clock, Arc::new(SystemRandomness) as _);
    let sign_on = SignOn::new(settings, store, Arc::new(keys), &secret, parts);
    let visitor = sign_on.look_up(&hash).await.unwrap().expect("the session is there");
    (sign_on, visitor)
}

fn identity_settings() -> identity::Settings {
    let url = format!("https://{HOST}");
    identity::Settings {
        issuer: url.clone(),
        audience: url.clone(),
        algorithm: identity::Algorithm::ES256,
        lifetime: identity::LIFETIME_DEFAULT,
        presets: Vec::new(),
        app_url: url.parse().unwrap(),
    }
}

async fn populate(store: &dyn store::Store, clock: &dyn Clock) -> (UserId, anteroom::session::SessionHash) {
    let now = clock.now();
    let audit = |action| audit(action, now);
    let organization = OrganizationId::parse("contoso").unwrap();
    let name = DisplayName::parse("Contoso").unwrap();
    let declared = Organization { id: organization.clone(), name, domains: Vec::new() };
    store.declare_organizations(&[declared], audit("organizations.declared")).await.unwrap();
    let user = new_user("ada@contoso.com", organization);
    store.add_user(&user, audit("user.added"), Vec::new()).await.unwrap();
    let session = session_of(&user.id, now);
    let hash = session.hash;
    store.begin_session(&session, audit("session.begun")).await.unwrap();
    (user.id, hash)
}

fn new_user(email: &str, organization: OrganizationId) -> NewUser {
    let level = Levels::new(vec!["viewer".to_owned()]).parse("viewer").unwrap();
    NewUser {
        id: UserId::random(&SystemRandomness),
        email: EmailAddress::parse(email).unwrap(),
        name: None,
        organization,
        role: Role::Member,
        grants: vec![Grant { scope: Scope::parse("*").unwrap(), level, until: None }],
    }
}

fn audit(action: &'static str, at: jiff::Timestamp) -> AuditEvent {
    AuditEvent { actor: "test".to_owned(), ..AuditEvent::of_anteroom(at, action) }
}

fn session_of(user: &UserId, now: jiff::Timestamp) -> Session {
    Session {
        hash: SessionId::random(&SystemRandomness).hash(),
        name: SessionName::random(&SystemRandomness),
        user: user.clone(),
        connection: ConnectionId::parse("contoso").unwrap(),
        created_at: now,
        last_seen_at: now,
        ends_at: now + Duration::from_hours(1),
        authenticated_at: now,
        asserted_at: now,
        methods: Vec::new(),
        return_path: ReturnPath::root(),
        name_id: None,
        session_index: None,
    }
}
