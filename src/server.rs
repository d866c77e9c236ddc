//! Listeners, TLS, connections, their limits, and the drain.
//!
//! Separate because it is the border to the network: whatever reaches a [`Handler`] has a sound head, a name
//! and a peer; whoever stalls, floods or speaks nonsense is dealt with here. Which host or path is meant is
//! not decided here.
//!
//! Rules: one single-threaded runtime per core, each with listeners of its own (`SO_REUSEPORT`), so that a
//! connection never changes cores. HTTP/1.1 on clear text; by ALPN under TLS also HTTP/2. Every phase of a
//! connection has a deadline.

mod admission;
mod connection;
mod conversation;
mod cores;
mod date;
mod doors;
mod exchange;
mod http2;
mod inspect;
mod listener;
mod open;
mod preamble;
mod refusal;
mod socket;
mod tls;
mod watch;
mod websocket;
mod when_woken;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::id::Randomness;
use crate::proxy::{Body, Peer, Request, RequestId, TrustedProxies};

pub use self::cores::Serving;
pub use self::doors::{Gauge, Pressure, TurnedAway};
pub use self::listener::inherited;
pub use self::tls::{Certificates, Error as CertificateError, KeyPair};
pub use self::websocket::refuse_success;

use self::listener::Listeners;

/// Answers requests; one value per core, used by that core's connections only.
pub trait Handler: 'static {
    /// Answers a request. Its head is sound and carries exactly one `Host`, and it has a name. Nothing is done before what is
    /// returned is polled: a panic is answered from then on.
    fn handle(&self, request: Request, peer: &Peer) -> impl Future<Output = Response<Body>>;

    /// Takes note of a request that was answered without it, because it is unsound or there is no room.
    fn refused(&self, refused: &Refused<'_>) {
        let _ = refused;
    }

    /// Waits for what goes on after its response, such as a connection that was upgraded; called when the core has
    /// drained, for no longer than [`FINISH_MAX`].
    fn finish(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// A request that no handler gets to see.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The name that it goes by.
    pub request_id: &'a RequestId,
    /// Who sent it, as far as the connection tells.
    pub client: IpAddr,
    /// What it was answered with.
    pub status: StatusCode,
    /// Why, for machines.
    pub code: &'static str,
}

/// Upgraded connections are told that we go away, and need not take long to hear it.
pub const FINISH_MAX: Duration = Duration::from_secs(1);

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The addresses; port 0 lets the system choose.
    pub addresses: Vec<SocketAddr>,
    /// Sockets that listen already; where there are any, they take the place of the addresses.
    pub inherited: Vec<Arc<std::net::TcpListener>>,
    /// Whether another process may listen on the same addresses.
    pub sharing: Sharing,
    /// Certificates; without any the listeners speak clear text.
    pub certificates: Option<Arc<Certificates>>,
    /// Peers whose word about the client is believed.
    pub trusted_proxies: TrustedProxies,
    /// How trusted peers begin a connection.
    pub greeting: Greeting,
    /// In which protocols a WebSocket can be asked for.
    pub sockets: Sockets,
    /// How many cores serve; as many as there are unless given.
    pub workers: Option<NonZero<usize>>,
    /// The limits.
    pub limits: Limits,
    /// How short memory is.
    pub gauge: Gauge,
    /// Where connections are counted that are not served.
    pub turned_away: TurnedAway,
    /// Cancelled when the shutdown is near: HTTP/1 clients are told that their connections end.
    pub draining: CancellationToken,
    /// Where the names of requests begin.
    pub randomness: Arc<dyn Randomness>,
    /// What responses are dated by.
    pub clock: Arc<dyn Clock>,
}

/// Whether an address is ours alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// It is: one that is taken is an error.
    Alone,
    /// Another process may listen beside us, to take over.
    WithOthers,
}

/// How a trusted proxy begins a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// Like everybody else.
    None,
    /// With a preamble of the PROXY protocol.
    ProxyProtocol,
}

/// In which protocols a WebSocket can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// In HTTP/1.1, each with a connection of its own.
    OfHttp1,
    /// In HTTP/2, too (RFC 8441): each is a stream of a connection, which counts once.
    OfBoth,
}

/// What becomes of connections beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// They wait in the system's queue.
    Wait,
    /// They are answered `503`.
    Refuse,
}

impl Settings {
    /// Clear text on these addresses, with the default limits.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            addresses,
            inherited: Vec::new(),
            sharing: Sharing::Alone,
            certificates: None,
            trusted_proxies: TrustedProxies::default(),
            greeting: Greeting::None,
            sockets: Sockets::OfHttp1,
            workers: None,
            limits: Limits::default(),
            gauge: Gauge::default(),
            turned_away: TurnedAway::default(),
            draining: CancellationToken::new(),
            randomness,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time, over all cores.
    pub connections_max: usize,
    /// What becomes of further ones.
    pub when_full: WhenFull,
    /// Connections at one time from one IPv4 address or one IPv6 network of 64 bits; trusted proxies may have more.
    pub connections_per_address: Option<NonZero<u32>>,
    /// Requests of one connection; it ends after them.
    pub requests_max: u32,
    /// How long one connection goes on taking requests.
    pub age_max: Duration,
    /// The TLS handshake, and before it the preamble of a trusted proxy.
    pub handshake: Duration,
    /// Until the first byte of the first request.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests of a connection.
    pub keep_alive: Duration,
    /// How often a connection of HTTP/2 looks at its deadline at the latest.
    pub look_every: Duration,
    /// How long a client may take no byte of its response.
    pub write_stall: Duration,
    /// How often a client of HTTP/2 is asked whether it is there.
    pub ping: Duration,
    /// How long its answer may take.
    pub pong: Duration,
    /// How long requests that are on their way are still taken after the shutdown has begun.
    pub last_call: Duration,
    /// How long requests may go on after the shutdown has begun.
    pub grace: Duration,
}

/// Connections at one time from one address.
const CONNECTIONS_PER_ADDRESS: NonZero<u32> = NonZero::new(1_000).expect("a thousand is not zero");

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            when_full: WhenFull::Wait,
            connections_per_address: Some(CONNECTIONS_PER_ADDRESS),
            requests_max: 1_000,
            age_max: Duration::from_hours(1),
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(15),
            keep_alive: Duration::from_secs(75),
            look_every: Duration::from_millis(250),
            write_stall: Duration::from_mins(1),
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(20),
            last_call: Duration::from_millis(500),
            grace: Duration::from_secs(30),
        }
    }
}

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A socket that was handed over is no use.
    #[error("cannot listen on a socket that was handed over")]
    Inherited(#[source] io::Error),
    /// A core's thread or runtime cannot be started.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
    /// A core ended before its time.
    #[error("a worker failed")]
    WorkerFailed,
}

/// Listeners that are bound but not served yet.
#[derive(Debug)]
pub struct Server {
    workers: Vec<Listeners>,
    addresses: Vec<SocketAddr>,
    settings: Settings,
}

impl Server {
    /// Binds all addresses, once for every core.
    pub fn bind(settings: Settings) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let count = settings.workers.unwrap_or(cores).get();
        let (workers, addresses) = listener::bind(&settings, count)?;
        Ok(Self { workers, addresses, settings })
    }

    /// The addresses that were bound, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Starts to serve, and returns when every core listens. It goes on until `shutdown` is cancelled and the connections
    /// are finished, or the grace is over. `make` is called on every core's own thread.
    pub async fn start<H, F>(self, make: F, shutdown: CancellationToken) -> Result<Serving, Error>
    where
        H: Handler,
        F: Fn() -> H + Clone + Send + 'static,
    {
        Serving::start(self.workers, self.settings, make, shutdown).await
    }
}
