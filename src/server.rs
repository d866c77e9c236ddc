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
mod listener;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::id::Randomness;
use crate::proxy::{Body, Peer, TrustedProxies};

pub use self::tls::{Certificates, Error as CertificateError, KeyPair};

use self::listener::Listeners;

/// Answers requests; one value per core, used by that core's connections only.
pub trait Handler: 'static {
    /// Answers a request. Its head is sound and carries exactly one `Host` and one `X-Request-Id`.
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>>;

    /// Waits for what goes on after its response, such as a connection that was upgraded; called when the core has
    /// drained, for no longer than [`FINISH_MAX`].
    fn finish(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// Upgraded connections are told that we go away, and need not take long to hear it.
pub const FINISH_MAX: Duration = Duration::from_secs(1);

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The addresses; port 0 lets the system choose.
    pub addresses: Vec<SocketAddr>,
    /// Certificates; without any the listeners speak clear text.
    pub certificates: Option<Arc<Certificates>>,
    /// Peers whose word about the client is believed.
    pub trusted_proxies: TrustedProxies,
    /// How many cores serve; as many as there are unless given.
    pub workers: Option<NonZero<usize>>,
    /// The limits.
    pub limits: Limits,
    /// Where the names of requests begin.
    pub randomness: Arc<dyn Randomness>,
}

impl Settings {
    /// Clear text on these addresses, with the default limits.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            addresses,
            certificates: None,
            trusted_proxies: TrustedProxies::default(),
            workers: None,
            limits: Limits::default(),
            randomness,
        }
    }
}

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time, over all cores; further ones wait in the system's queue.
    pub connections_max: usize,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Until the first byte of the first request.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests of a connection.
    pub keep_alive: Duration,
    /// How long a client may take no byte of its response.
    pub write_stall: Duration,
    /// How long requests may go on after the shutdown has begun.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(15),
            keep_alive: Duration::from_secs(75),
            write_stall: Duration::from_mins(1),
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
        let (workers, addresses) = listener::bind(&settings.addresses, count)?;
        Ok(Self { workers, addresses, settings })
    }

    /// The addresses that were bound, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` is cancelled and the connections are finished, or the grace is over. `make` is
    /// called on every core's own thread.
    pub async fn serve<H, F>(self, make: F, shutdown: CancellationToken) -> Result<(), Error>
    where
        H: Handler,
        F: Fn() -> H + Clone + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(self.settings.limits.connections_max));
        let mut ends = Vec::new();
        for (number, listeners) in self.workers.into_iter().enumerate() {
            let (ended, end) = oneshot::channel();
            let worker = Worker {
                listeners,
                settings: self.settings.clone(),
                slots: Arc::clone(&slots),
                shutdown: shutdown.child_token(),
            };
            let make = make.clone();
            let run = move || {
                // Nobody waits any more if `serve` itself was dropped.
                drop(ended.send(worker.run(make)));
            };
            let thread = std::thread::Builder::new().name(format!("core-{number}"));
            thread.spawn(run).map_err(Error::Worker)?;
            ends.push(end);
        }
        for end in ends {
            end.await.map_err(|_| Error::WorkerFailed)??;
        }
        Ok(())
    }
}

/// What one core needs.
struct Worker {
    listeners: Listeners,
    settings: Settings,
    slots: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Worker {
    fn run<H: Handler>(self, make: impl Fn() -> H) -> Result<(), Error> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .map_err(Error::Worker)?;
        runtime.block_on(async move {
            let front = connection::Front::new(make(), &self.settings, self.shutdown.clone());
            listener::accept(self.listeners, &front, &self.slots).await.map_err(Error::Worker)?;
            front.drain(self.settings.limits.grace).await;
            Ok(())
        })
    }
}
