//! From an upstream's name to its addresses, again and again.
//!
//! Separate because names move while connections are open: what was found last is used at once, and asked for
//! anew in the background when it is old. A question that fails changes nothing. A connection to an address that
//! the name no longer has is not used again.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use crate::proxy::deadline::to_millis;
use crate::proxy::{Failure, Upstream};

/// How long a name server may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How long a question that failed is not asked again where nothing is known yet.
const SILENCE: Duration = Duration::from_secs(1);

/// Turns names into addresses.
#[async_trait]
pub trait Resolve: fmt::Debug + Send + Sync {
    /// All addresses of a host, the best first.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// Asks the system: `/etc/hosts`, then the name servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// The addresses of one upstream.
#[derive(Debug)]
pub(super) enum Addresses {
    /// The URL has an address in it.
    Fixed([SocketAddr; 1]),
    /// The URL has a name in it.
    Named(Arc<Name>),
}

#[derive(Debug)]
pub(super) struct Name {
    host: String,
    port: u16,
    resolver: Arc<dyn Resolve>,
    refresh: Duration,
    known: ArcSwap<Known>,
    /// Held while nothing is known and somebody asks; what the last such question came to.
    first: tokio::sync::Mutex<Option<(Instant, io::ErrorKind)>>,
    epoch: Instant,
    /// When to ask again, in milliseconds of the epoch.
    due: AtomicU64,
    asking: AtomicBool,
    said: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    /// Grows with every change.
    edition: u64,
}

/// Where a connection leads, and how new that was when it was made.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Seen {
    pub(super) address: SocketAddr,
    pub(super) edition: u64,
}

/// Addresses to try, and how new they are.
pub(super) struct Current {
    pub(super) addresses: Arc<[SocketAddr]>,
    pub(super) edition: u64,
}

impl Addresses {
    pub(super) fn new(upstream: &Upstream, resolver: &Arc<dyn Resolve>, refresh: Duration) -> Self {
        if let Ok(address) = upstream.host().parse::<IpAddr>() {
            return Self::Fixed([SocketAddr::new(address, upstream.port())]);
        }
        Self::Named(Arc::new(Name {
            host: upstream.host().to_owned(),
            port: upstream.port(),
            resolver: Arc::clone(resolver),
            refresh,
            known: ArcSwap::default(),
            first: tokio::sync::Mutex::new(None),
            epoch: Instant::now(),
            due: AtomicU64::new(0),
            asking: AtomicBool::new(false),
            said: Mutex::new(None),
        }))
    }

    /// The addresses as they are known; waits only where nothing is known yet.
    pub(super) async fn get(&self) -> Result<Current, Failure> {
        match self {
            Self::Fixed(address) => Ok(Current { addresses: Arc::new(*address), edition: 0 }),
            Self::Named(name) => {
                name.refresh_if_due();
                let known = name.known.load();
                if known.edition > 0 {
                    return Ok(Current { addresses: Arc::clone(&known.addresses), edition: known.edition });
                }
                drop(known);
                name.ask_first().await
            }
        }
    }

    /// Whether a connection made there still leads to the upstream; asks anew when it is time.
    pub(super) fn is_current(&self, seen: Seen) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Named(name) => {
                name.refresh_if_due();
                let known = name.known.load();
                known.edition == seen.edition || known.addresses.contains(&seen.address)
            }
        }
    }
}

impl Name {
    fn refresh_if_due(self: &Arc<Self>) {
        let now = to_millis(self.epoch.elapsed());
        if self.due.load(Ordering::Relaxed) > now || self.known.load().edition == 0 {
            return;
        }
        if self.asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let name = Arc::clone(self);
        tokio::spawn(async move {
            // A failure leaves what is known, and has been said.
            drop(name.ask().await);
            name.asking.store(false, Ordering::Release);
        });
    }

    /// Asks while nothing is known: one for all who wait.
    async fn ask_first(self: &Arc<Self>) -> Result<Current, Failure> {
        let mut last = self.first.lock().await;
        let known = self.known.load_full();
        if known.edition > 0 {
            return Ok(Current { addresses: Arc::clone(&known.addresses), edition: known.edition });
        }
        if let Some((at, kind)) = *last
            && at.elapsed() < SILENCE
        {
            return Err(Failure::ConnectFailed(kind.into()));
        }
        match self.ask().await {
            Ok(known) => Ok(Current { addresses: Arc::clone(&known.addresses), edition: known.edition }),
            Err(error) => {
                *last = Some((Instant::now(), error.kind()));
                Err(Failure::ConnectFailed(error))
            }
        }
    }

    async fn ask(&self) -> io::Result<Arc<Known>> {
        let answer = timeout(LOOKUP, self.resolver.resolve(&self.host, self.port)).await;
        let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.due.store(to_millis(self.epoch.elapsed() + self.refresh), Ordering::Relaxed);
        let answer = answer.and_then(|addresses| {
            if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
        });
        self.say(answer.as_ref().err());
        let addresses = answer?;
        let known = self.known.load_full();
        if known.edition > 0 && is_same(&known.addresses, &addresses) {
            return Ok(known);
        }
        let known = Arc::new(Known { addresses: addresses.into(), edition: known.edition + 1 });
        tracing::info!(host = %self.host, addresses = ?known.addresses, "upstream found");
        self.known.store(Arc::clone(&known));
        Ok(known)
    }

    /// Says a failure once, and its end.
    fn say(&self, failure: Option<&io::Error>) {
        let failure = failure.map(ToString::to_string);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said == failure {
            return;
        }
        if let Some(error) = &failure {
            tracing::warn!(host = %self.host, error, "the upstream's name is not resolved");
        } else {
            tracing::info!(host = %self.host, "the upstream's name is resolved again");
        }
        *said = failure;
    }
}

/// Whether both have the same addresses, in whatever order: name servers rotate them.
fn is_same(one: &[SocketAddr], other: &[SocketAddr]) -> bool {
    one.len() == other.len() && one.iter().all(|address| other.contains(address))
}
