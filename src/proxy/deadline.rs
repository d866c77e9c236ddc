//! One deadline per connection that may move at every byte and costs a timer only when it is near.
//!
//! Separate because both sides of the proxy need it: hyper's own limits cover neither a silent connection
//! nor a stalled write, and a timer per request is paid for on every request. Here the connection's task
//! looks at the deadline when it is awake anyway, and its one timer is only ever moved to an earlier time.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep_until;

use crate::monotonic::{self, Moment};

/// A time by which something must have happened; it may be moved from anywhere.
#[derive(Debug)]
pub(crate) struct Deadline(AtomicU64);

impl Deadline {
    /// A deadline that is `after` from now.
    pub(crate) fn new(after: Duration) -> Self {
        Self(AtomicU64::new((monotonic::now() + after).to_bits()))
    }

    /// Moves the deadline to `after` from now.
    pub(crate) fn set(&self, after: Duration) {
        self.0.store((monotonic::now() + after).to_bits(), Ordering::Relaxed);
    }

    /// Takes the deadline away.
    pub(crate) fn clear(&self) {
        self.0.store(Moment::NEVER.to_bits(), Ordering::Relaxed);
    }

    /// Whether the time is over.
    pub(crate) fn has_passed(&self) -> bool {
        self.moment() <= monotonic::now()
    }

    fn moment(&self) -> Moment {
        Moment::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// A duration in whole milliseconds, as long as there is room for it.
pub(super) fn to_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Polls a future until it ends (`Some`) or its deadline passes (`None`).
///
/// The deadline is looked at whenever the future wakes, and at the latest every `tick`, which bounds how late
/// a deadline is noticed that somebody else has moved nearer.
pub(crate) fn drive<F: Future>(
    mut future: Pin<&mut F>,
    deadline: &Deadline,
    tick: Duration,
) -> impl Future<Output = Option<F::Output>> {
    async move {
        let mut armed = monotonic::now() + tick;
        let mut timer = pin!(sleep_until(armed.instant()));
        // Whom the timer wakes.
        let mut told: Option<Waker> = None;
        let mut poll = move |context: &mut Context<'_>| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let at = deadline.moment();
            if at < armed {
                armed = at;
                timer.as_mut().reset(armed.instant());
                told = None;
            }
            if armed > monotonic::now() && told.as_ref().is_some_and(|told| told.will_wake(context.waker())) {
                return Poll::Pending;
            }
            while timer.as_mut().poll(context).is_ready() {
                if deadline.has_passed() {
                    return Poll::Ready(None);
                }
                let tick = monotonic::now() + tick;
                armed = deadline.moment().min(tick);
                timer.as_mut().reset(armed.instant());
            }
            told = Some(context.waker().clone());
            Poll::Pending
        };
        std::future::poll_fn(move |context| monotonic::held(|| poll(context))).await
    }
}

/// Is told what happens on a connection.
pub(crate) trait Observe: Send + Sync + 'static {
    /// Some bytes came in.
    fn read(&self);
    /// Some bytes went out.
    fn wrote(&self);
    /// The other end takes no more bytes for now.
    fn write_blocked(&self) {}
}

/// A connection that tells an observer what happens on it.
#[derive(Debug)]
pub(crate) struct Observed<IO, O> {
    io: IO,
    observer: Arc<O>,
    /// Octets that have come in and are to be read once more.
    put_back: Bytes,
}

impl<IO, O> Observed<IO, O> {
    /// Begins to observe a connection.
    pub(crate) const fn new(io: IO, observer: Arc<O>) -> Self {
        Self { io, observer, put_back: Bytes::new() }
    }

    /// What is observed.
    pub(crate) const fn get_ref(&self) -> &IO {
        &self.io
    }

    /// Has these octets read before any others; they are those that were read last.
    pub(crate) fn put_back(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            self.put_back = [octets, &self.put_back].concat().into();
        }
    }
}

impl<IO, O: Observe> Observed<IO, O> {
    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) if *count > 0 => self.observer.wrote(),
            Poll::Ready(_) => {}
            Poll::Pending => self.observer.write_blocked(),
        }
        written
    }
}

impl<IO: AsyncRead + Unpin, O: Observe> AsyncRead for Observed<IO, O> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.put_back.is_empty() {
            let count = self.put_back.len().min(buffer.remaining());
            buffer.put_slice(&self.put_back.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.io).poll_read(context, buffer);
        if result.is_ready() && buffer.filled().len() > before {
            self.observer.read();
        }
        result
    }
}

impl<IO: AsyncWrite + Unpin, O: Observe> AsyncWrite for Observed<IO, O> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, octets);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
