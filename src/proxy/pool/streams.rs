//! A connection of HTTP/2: many requests at a time, each on a stream of its own.
//!
//! Separate because its rules are other ones. It is never taken and given back, only shared; a request that is given
//! up resets its stream and leaves the connection to the others; a server that goes away says so, and what it has
//! not begun can be asked elsewhere (RFC 9113 6.8, 8.7).

use std::error::Error as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use crate::proxy::request::Prepared;
use crate::proxy::request_body::{Progress, RequestBody};
use crate::proxy::tally::Open;
use crate::proxy::upstream::{Seen, Wire};
use crate::proxy::{BoxError, Deadline, Failure, Timeouts, drive};

/// Streams that we open on one connection, even if the server would take more: then another one is opened, so that
/// not everybody waits for the same lost packet.
const STREAMS_MAX: usize = 100;
/// The largest head of a response, and its largest trailers, as HPACK counts them.
const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;
/// How much of them the library hands on: it cuts trailers that are larger short without a word, and so gets to see far more
/// than is taken.
const RESPONSE_HEAD_BYTES_READ: u32 = 1024 * 1024;
/// What may be on its way to us, of one stream and of all.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// What waits on our side for a server that takes nothing.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// A connection, as its users share it.
#[derive(Debug)]
pub(super) struct Channel {
    sender: SendRequest<RequestBody>,
    pub(super) seen: Seen,
    scheme: Scheme,
    used: AtomicUsize,
    vital: Arc<Vital>,
    idle: Duration,
}

/// What the connection's own task knows.
#[derive(Debug)]
struct Vital {
    /// Passes only while no stream is open.
    deadline: Deadline,
    /// Streams that the server allows.
    allowed: AtomicUsize,
}

impl Channel {
    /// Begins HTTP/2 on a new connection.
    pub(super) async fn begin(
        wire: Wire,
        (seen, open): (Seen, Open),
        timeouts: &Timeouts,
    ) -> Result<Arc<Self>, Failure> {
        let (sender, vital, scheme) = match wire {
            Wire::Clear(stream) => {
                let (sender, vital) = handshake(stream, open, timeouts).await?;
                (sender, vital, Scheme::HTTP)
            }
            Wire::Tls(stream) => {
                let (sender, vital) = handshake(*stream, open, timeouts).await?;
                (sender, vital, Scheme::HTTPS)
            }
        };
        let (used, idle) = (AtomicUsize::new(0), timeouts.streams_idle);
        Ok(Arc::new(Self { sender, seen, scheme, used, vital, idle }))
    }

    /// Whether it is of no more use.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Takes a stream, if there is one.
    pub(super) fn take(&self) -> bool {
        let allowed = self.vital.allowed.load(Ordering::Relaxed).min(STREAMS_MAX);
        if self.is_closed() || self.used.load(Ordering::Relaxed) >= allowed {
            return false;
        }
        self.used.fetch_add(1, Ordering::Relaxed);
        self.vital.deadline.clear();
        true
    }

    /// Gives a stream back.
    pub(super) fn give_back(&self) {
        if self.used.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.vital.deadline.set(self.idle);
        }
    }

    /// Sends a request, which gives its body away, and waits for the head of the response; the wait begins anew whenever a part of the request's
    /// body has been sent. `None` if it took too long.
    pub(super) async fn send(
        &self,
        request: &mut Prepared<'_>,
        limit: Duration,
    ) -> Option<Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
        let progress = request.body.progress();
        let request = request.begin_http2(&self.scheme);
        let sent = |progress: &Option<Arc<Progress>>| progress.as_ref().map_or(0, |upload| upload.frames());
        let mut sender = self.sender.clone();
        let mut response = pin!(sender.try_send_request(request));
        let mut before = sent(&progress);
        loop {
            tokio::select! {
                biased;
                response = response.as_mut() => return Some(response),
                () = sleep(limit) => {
                    let now = sent(&progress);
                    if now == before {
                        return None;
                    }
                    before = now;
                }
            }
        }
    }
}

/// Whether fields of a response are more than is taken.
pub(super) fn is_too_large(fields: &HeaderMap) -> bool {
    const FIELD_BYTES: usize = 32;
    let bytes = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_BYTES);
    bytes.sum::<usize>() >= RESPONSE_HEAD_BYTES_MAX
}

/// Why a response is not passed on to its end.
#[derive(Debug, thiserror::Error)]
#[error("the trailers of the application's response are too large")]
struct TrailersTooLarge;

/// Lets a frame of a response pass, if it is one that is taken.
pub(super) fn taken(frame: Frame<Bytes>) -> Result<Frame<Bytes>, BoxError> {
    if frame.trailers_ref().is_some_and(is_too_large) { Err(TrailersTooLarge.into()) } else { Ok(frame) }
}

/// Whether an error says that the server has done nothing with the request (RFC 9113 8.7).
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_remote() && cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM)
    })
}

/// Whether an error is about what the server has sent, and not about the connection.
pub(super) fn is_nonsense(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_library() && cause.reason() != Some(h2::Reason::NO_ERROR))
}

async fn handshake<IO>(
    stream: IO,
    open: Open,
    timeouts: &Timeouts,
) -> Result<(SendRequest<RequestBody>, Arc<Vital>), Failure>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(timeouts.ping).keep_alive_timeout(timeouts.pong);
    builder.initial_stream_window_size(STREAM_WINDOW_BYTES);
    builder.initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder.max_header_list_size(RESPONSE_HEAD_BYTES_READ).max_send_buf_size(SEND_BUFFER_BYTES);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Failure::reset)?;
    let vital = Arc::new(Vital {
        deadline: Deadline::new(timeouts.streams_idle),
        allowed: AtomicUsize::new(connection.current_max_send_streams()),
    });
    let (watched, tick) = (Arc::clone(&vital), timeouts.streams_idle);
    tokio::spawn(async move {
        let connection = pin!(Counted { connection, vital: &watched });
        // Errors reach whoever waits for a response. Without streams, it ends when its time is over.
        drop(drive(connection, &watched.deadline, tick).await);
        drop(open);
    });
    Ok((sender, vital))
}

/// A connection that keeps an eye on how many streams the server allows.
struct Counted<'a, IO: AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    connection: http2::Connection<TokioIo<IO>, RequestBody, TokioExecutor>,
    vital: &'a Vital,
}

impl<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static> Future for Counted<'_, IO> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.connection).poll(context);
        if polled.is_pending() {
            self.vital.allowed.store(self.connection.current_max_send_streams(), Ordering::Relaxed);
        }
        polled
    }
}
