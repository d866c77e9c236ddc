//! A connection of HTTP/1.1: one request at a time, kept in between.
//!
//! Separate because what the clock does to it is its own: one deadline that every byte moves, and a shorter one
//! while it is unused.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::proxy::deadline::to_millis;
use crate::proxy::message::RequestBody;
use crate::proxy::tally::Open;
use crate::proxy::upstream::{Seen, Wire};
use crate::proxy::{Deadline, Failure, Observe, Observed, Timeouts, drive};

use super::driver::{Alarm, Driver};

/// The largest head of a response. Of fields, hyper takes 100; to say so would cost it an allocation
/// for every response.
const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;

/// A connection with its state.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) line: Arc<Line>,
    pub(super) driver: Driver,
    pub(super) since: Instant,
    pub(super) seen: Seen,
}

impl Parked {
    /// Begins HTTP/1.1 on a new connection.
    pub(super) async fn begin(
        wire: Wire,
        (seen, open): (Seen, Open),
        timeouts: &Timeouts,
    ) -> Result<Self, Failure> {
        match wire {
            Wire::Clear(stream) => handshake(stream, (seen, open), timeouts).await,
            Wire::Tls(stream) => handshake(*stream, (seen, open), timeouts).await,
        }
    }

    /// Sends a request and waits for the head of the response, moving the octets meanwhile.
    pub(super) async fn send(
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

async fn handshake<IO>(stream: IO, (seen, open): (Seen, Open), timeouts: &Timeouts) -> Result<Parked, Failure>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let line = Arc::new(Line::new(timeouts.pool_idle, open));
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
    Ok(Parked { sender, line, driver, since: Instant::now(), seen })
}

/// The state of a connection as far as time is concerned.
#[derive(Debug)]
pub(super) struct Line {
    deadline: Deadline,
    /// How far each byte moves the deadline, in milliseconds; zero while the connection is unused.
    allowance: AtomicU64,
    expired: AtomicBool,
    /// It goes with the socket, also when that has become a tunnel.
    _open: Open,
}

impl Line {
    fn new(idle: Duration, open: Open) -> Self {
        let deadline = Deadline::new(idle);
        Self { deadline, allowance: AtomicU64::new(0), expired: AtomicBool::new(false), _open: open }
    }

    pub(super) fn expect_bytes_every(&self, limit: Duration) {
        self.allowance.store(to_millis(limit), Ordering::Relaxed);
        self.deadline.set(limit);
    }

    pub(super) fn park(&self, idle: Duration) {
        self.allowance.store(0, Ordering::Relaxed);
        self.deadline.set(idle);
    }

    pub(super) fn is_expired(&self) -> bool {
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
