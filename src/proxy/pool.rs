//! The connections to the application: opened, kept between requests, chosen, given up.
//!
//! Separate because the rules of reuse are the rules of not sending anything twice. A connection
//! goes back only after both bodies came to their end; otherwise it is closed, which also tells the
//! application that nobody waits any more.

mod driver;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::deadline::to_millis;
use super::message::{Progress, RequestBody};
use super::{Deadline, Failure, Observe, Observed, Settings, Timeouts, Upstream, drive};

use self::driver::{Alarm, Driver};

/// Unused connections kept per upstream and core.
const PARKED_MAX: usize = 256;

/// The largest head of a response. Of fields, hyper takes 100; to say so would cost it an allocation
/// for every response.
const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long an upstream that could not be reached is asked last.
const REST: Duration = Duration::from_secs(2);

/// The connections of one core.
#[derive(Debug)]
pub(super) struct Pool {
    sites: Vec<Site>,
    timeouts: Timeouts,
    turn: AtomicUsize,
    epoch: Instant,
    alarm: Arc<Alarm>,
    /// The alarm, as unused connections know it.
    waker: Waker,
    is_watched: AtomicBool,
}

/// One upstream and its unused connections, the latest used last.
#[derive(Debug)]
struct Site {
    upstream: Upstream,
    /// Host and port, for the log.
    name: Arc<str>,
    parked: Mutex<Vec<Parked>>,
    in_flight: AtomicUsize,
    /// Until when it is asked last, in milliseconds of the pool's epoch.
    rests_until: AtomicU64,
}

#[derive(Debug)]
struct Parked {
    sender: SendRequest<RequestBody>,
    line: Arc<Line>,
    driver: Driver,
    since: Instant,
}

/// A connection in use. Dropping it closes it; [`Connection::park`] keeps it.
pub(super) struct Connection {
    parked: Option<Parked>,
    pool: Arc<Pool>,
    site: usize,
    reused: bool,
    upload: Option<Arc<Progress>>,
}

/// What became of a request that got no response.
pub(super) struct Lost {
    pub(super) failure: Failure,
    /// The request, if not a byte of it was sent.
    unsent: Option<Request<RequestBody>>,
}

impl Lost {
    /// The request to send once more: the same if it was never sent, or the spare copy of one that may be
    /// repeated; otherwise the failure.
    pub(super) fn retry_with(
        self: Box<Self>,
        spare: Option<Request<RequestBody>>,
    ) -> Result<Request<RequestBody>, Failure> {
        let repeatable = matches!(self.failure, Failure::Reset(_));
        match self.unsent.or_else(|| spare.filter(|_| repeatable)) {
            Some(request) => Ok(request),
            None => Err(self.failure),
        }
    }
}

impl Pool {
    /// A pool without connections.
    pub(super) fn new(settings: &Settings) -> Self {
        let site = |upstream: &Upstream| Site {
            upstream: upstream.clone(),
            name: format!("{}:{}", upstream.host(), upstream.port()).into(),
            parked: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            rests_until: AtomicU64::new(0),
        };
        let alarm = Arc::new(Alarm::default());
        Self {
            sites: settings.upstreams.iter().map(site).collect(),
            timeouts: settings.timeouts,
            turn: AtomicUsize::new(0),
            epoch: Instant::now(),
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
            is_watched: AtomicBool::new(false),
        }
    }

    /// A connection to the least busy upstream, preferably one that was used before. A request that cannot
    /// be repeated gets one only if it was in use a moment ago, which the application is unlikely to be
    /// closing right now.
    pub(super) async fn take(self: &Arc<Self>, replayable: bool) -> Result<Connection, Failure> {
        let fresh = if replayable { self.timeouts.pool_idle } else { self.timeouts.pool_idle / 4 };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if let Some(site) = self.preferred(turn)
            && let Some(parked) = self.unpark(site, fresh)
        {
            return Ok(self.connection(site, parked, true));
        }
        self.connect_in(turn).await
    }

    /// A new connection to the least busy upstream that can be reached.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Connection, Failure> {
        self.connect_in(self.turn.fetch_add(1, Ordering::Relaxed)).await
    }

    async fn connect_in(self: &Arc<Self>, turn: usize) -> Result<Connection, Failure> {
        let mut order: Vec<usize> = self.in_turn(turn).collect();
        order.sort_by_key(|site| self.reluctance(*site));
        let mut failure = Failure::NoUpstream;
        for site in order {
            let Some(Site { upstream, rests_until, .. }) = self.sites.get(site) else { continue };
            match open(upstream, &self.timeouts).await {
                Ok(parked) => {
                    rests_until.store(0, Ordering::Relaxed);
                    return Ok(self.connection(site, parked, false));
                }
                Err(error) => {
                    rests_until.store(self.millis() + to_millis(REST), Ordering::Relaxed);
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    fn connection(self: &Arc<Self>, site: usize, parked: Parked, reused: bool) -> Connection {
        if let Some(site) = self.sites.get(site) {
            site.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Connection { parked: Some(parked), pool: Arc::clone(self), site, reused, upload: None }
    }

    fn unpark(&self, site: usize, fresh: Duration) -> Option<Parked> {
        let mut parked = self.sites.get(site)?.parked();
        while let Some(last) = parked.last() {
            let age = last.since.elapsed();
            if last.sender.is_ready() && age < fresh {
                return parked.pop();
            }
            if last.sender.is_ready() && age < self.timeouts.pool_idle {
                // Good for another request; those below it are older still.
                return None;
            }
            parked.pop();
        }
        None
    }

    /// Where the next request goes.
    fn preferred(&self, turn: usize) -> Option<usize> {
        if self.sites.len() < 2 {
            return Some(0);
        }
        self.in_turn(turn).min_by_key(|site| self.reluctance(*site))
    }

    /// All upstreams, another one first every time.
    fn in_turn(&self, turn: usize) -> impl Iterator<Item = usize> {
        let count = self.sites.len();
        (0..count).map(move |place| place.wrapping_add(turn) % count)
    }

    /// What speaks against an upstream: that it could not be reached a moment ago, then how busy it is.
    fn reluctance(&self, site: usize) -> Option<(bool, usize)> {
        let site = self.sites.get(site)?;
        let rests = site.rests_until.load(Ordering::Relaxed) > self.millis();
        Some((rests, site.in_flight.load(Ordering::Relaxed)))
    }

    fn millis(&self) -> u64 {
        to_millis(self.epoch.elapsed())
    }
}

impl Site {
    fn parked(&self) -> MutexGuard<'_, Vec<Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Whether it has carried a request before: then it may just be closing.
    pub(super) const fn is_reused(&self) -> bool {
        self.reused
    }

    /// Where it leads: host and port.
    pub(super) fn upstream(&self) -> Arc<str> {
        self.pool.sites.get(self.site).map_or_else(Arc::default, |site| Arc::clone(&site.name))
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Box<Lost>> {
        self.upload = request.body().progress();
        let first_byte = self.pool.timeouts.first_byte;
        let Some(parked) = self.parked.as_mut() else {
            return Err(Box::new(Lost { failure: Failure::NoUpstream, unsent: Some(request) }));
        };
        parked.line.expect_bytes_every(first_byte);
        let sent = parked.send(request, &self.pool.alarm).await;
        let response = sent.map_err(|mut error| {
            let unsent = error.take_message();
            Box::new(Lost { failure: self.failure(error.into_error()), unsent })
        })?;
        // The rest of an upload must not wait for whoever takes the response, and a tunnel begins once the connection
        // has come to the end of HTTP.
        let is_uploading = self.upload.as_ref().is_some_and(|upload| !upload.is_finished());
        if let Some(parked) = self.parked.as_mut()
            && (is_uploading || response.status() == StatusCode::SWITCHING_PROTOCOLS)
        {
            parked.driver.detach();
        }
        Ok(response)
    }

    /// Whether the connection moves only when [`Connection::drive`] is called.
    pub(super) fn is_carried(&self) -> bool {
        self.parked.as_ref().is_some_and(|parked| parked.driver.is_carried())
    }

    /// Moves what can be moved now; `context` is woken when there is more to do.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(parked) = &mut self.parked {
            parked.driver.poll(context);
        }
    }

    /// The head of the response is there; from now on silence may last this long.
    pub(super) fn head_arrived(&self, limit: Duration) {
        if let Some(parked) = &self.parked {
            parked.line.expect_bytes_every(limit);
        }
    }

    /// Keeps the connection for another request, if its state is certain; otherwise closes it.
    pub(super) fn park(mut self) {
        if !self.upload.as_ref().is_none_or(|upload| upload.is_finished()) {
            return;
        }
        let Some(mut parked) = self.parked.take() else { return };
        parked.line.park(self.pool.timeouts.pool_idle);
        // Brings it to its rest, from where it calls for the watcher.
        parked.driver.poll(&mut Context::from_waker(&self.pool.waker));
        if parked.driver.is_over() {
            return;
        }
        if parked.sender.is_ready() {
            self.pool.keep(self.site, parked);
        } else if !parked.sender.is_closed() {
            // The end of the message was seen before hyper's own side of the connection was through with it.
            let (pool, site) = (Arc::clone(&self.pool), self.site);
            parked.driver.detach();
            tokio::spawn(async move {
                if parked.sender.ready().await.is_ok() {
                    pool.keep(site, parked);
                }
            });
        }
    }

    fn failure(&self, error: hyper::Error) -> Failure {
        let upload = self.upload.as_ref();
        let expired = self.parked.as_ref().is_some_and(|parked| parked.line.is_expired());
        if expired {
            Failure::Timeout
        } else if error.is_parse() || error.is_parse_too_large() {
            Failure::BadResponse(Some(error))
        } else if error.is_user() && upload.is_some_and(|upload| upload.is_stalled()) {
            Failure::RequestStalled
        } else if error.is_user() {
            Failure::RequestBroken(error)
        } else {
            Failure::Reset(error)
        }
    }
}

impl Pool {
    fn keep(self: &Arc<Self>, site: usize, mut parked: Parked) {
        parked.line.park(self.timeouts.pool_idle);
        parked.since = Instant::now();
        if let Some(site) = self.sites.get(site) {
            let mut kept = site.parked();
            if kept.len() < PARKED_MAX {
                kept.push(parked);
            }
        }
        if !self.is_watched.swap(true, Ordering::Relaxed) {
            tokio::spawn(watch(Arc::downgrade(self), Arc::clone(&self.alarm)));
        }
    }

    /// Lets go of unused connections that are over.
    fn sweep(&self) {
        let mut context = Context::from_waker(&self.waker);
        for site in &self.sites {
            site.parked().retain_mut(|parked| {
                parked.driver.poll(&mut context);
                !parked.driver.is_over()
            });
        }
    }
}

/// Looks after the unused connections of a pool, as long as it is there.
async fn watch(pool: Weak<Pool>, alarm: Arc<Alarm>) {
    loop {
        alarm.rung().await;
        let Some(pool) = pool.upgrade() else { return };
        pool.sweep();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.alarm.ring();
    }
}

impl Parked {
    /// Sends a request and waits for the head of the response, moving the octets meanwhile.
    async fn send(
        &mut self,
        request: Request<RequestBody>,
        alarm: &Alarm,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let mut sent = pin!(alarm.muted(|| self.sender.try_send_request(request)));
        let driver = &mut self.driver;
        poll_fn(|context| {
            driver.poll(context);
            sent.as_mut().poll(context)
        })
        .await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(site) = self.pool.sites.get(self.site) {
            site.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Opens a connection, trying every address of the upstream.
async fn open(upstream: &Upstream, timeouts: &Timeouts) -> Result<Parked, Failure> {
    let target = (upstream.host(), upstream.port());
    let addresses = timeout(timeouts.connect, tokio::net::lookup_host(target)).await;
    let addresses = addresses.map_err(|_| Failure::ConnectTimeout)?.map_err(Failure::ConnectFailed)?;
    let mut failure = Failure::ConnectFailed(io::ErrorKind::NotFound.into());
    for address in addresses {
        match connect(address, timeouts.connect).await {
            Ok(stream) => return handshake(stream, timeouts).await,
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, Failure> {
    let attempt = timeout(limit, TcpStream::connect(address)).await;
    let stream = attempt.map_err(|_| Failure::ConnectTimeout)?.map_err(Failure::ConnectFailed)?;
    stream.set_nodelay(true).map_err(Failure::ConnectFailed)?;
    Ok(stream)
}

async fn handshake(stream: TcpStream, timeouts: &Timeouts) -> Result<Parked, Failure> {
    let line = Arc::new(Line::new(timeouts.pool_idle));
    let io = TokioIo::new(Observed::new(stream, Arc::clone(&line)));
    let mut builder = http1::Builder::new();
    builder.max_header_size(RESPONSE_HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(io).await.map_err(Failure::Reset)?;
    let (watched, tick) = (Arc::clone(&line), timeouts.pool_idle);
    let driver = Driver::new(async move {
        let connection = pin!(connection.with_upgrades());
        // Errors reach whoever waits for the response; here they only mean that the connection is over.
        if drive(connection, &watched.deadline, tick).await.is_none() {
            watched.expired.store(true, Ordering::Relaxed);
        }
    });
    Ok(Parked { sender, line, driver, since: Instant::now() })
}

/// The state of a connection as far as time is concerned.
#[derive(Debug)]
struct Line {
    deadline: Deadline,
    /// How far each byte moves the deadline, in milliseconds; zero while the connection is unused.
    allowance: AtomicU64,
    expired: AtomicBool,
}

impl Line {
    fn new(idle: Duration) -> Self {
        Self { deadline: Deadline::new(idle), allowance: AtomicU64::new(0), expired: AtomicBool::new(false) }
    }

    fn expect_bytes_every(&self, limit: Duration) {
        self.allowance.store(to_millis(limit), Ordering::Relaxed);
        self.deadline.set(limit);
    }

    fn park(&self, idle: Duration) {
        self.allowance.store(0, Ordering::Relaxed);
        self.deadline.set(idle);
    }

    fn is_expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed)
    }

    fn moved(&self) {
        let allowance = self.allowance.load(Ordering::Relaxed);
        if allowance > 0 {
            self.deadline.set(Duration::from_millis(allowance));
        }
    }
}

impl Observe for Line {
    fn read(&self) {
        self.moved();
    }

    fn wrote(&self) {
        self.moved();
    }
}
