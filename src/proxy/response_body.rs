//! The body of a response on its way to the client, frame by frame.
//!
//! Separate because what has to happen at its end, or in its middle, happens here: the connection goes back to the pool, a
//! session's end cuts the stream.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::http1::fields::Fields;
use crate::sign_on::Lease;

use super::pool::Connection;
use super::{BoxError, End, Trace};

#[derive(Debug, thiserror::Error)]
#[error("the session ended in the middle of the response")]
struct SessionEnded;

#[derive(Debug, thiserror::Error)]
#[error("the application fell silent in the middle of the response")]
struct Silent;

/// The body of a response on its way to the client.
pub(super) struct ResponseBody {
    /// The fields that pass, of the head that it came with, until somebody takes them.
    fields: Fields,
    /// Where it comes from; gone when nothing more does.
    connection: Option<Connection>,
    session: Option<Session>,
    trace: Trace,
    silence: Option<Silence>,
    broken: Option<Broken>,
}

/// A response that will not be completed.
struct Broken {
    by: End,
    /// Kept back by one turn: whatever is told of a failure throws away what it has not sent yet, perhaps even the
    /// head, and the client could not tell a response that broke off from a request that never arrived.
    why: Option<BoxError>,
}

/// Watches for a stream that falls silent, where the connection goes on with others.
struct Silence {
    limit: Duration,
    /// Runs while the stream is waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn poll_over(&mut self, context: &mut Context<'_>) -> bool {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(context).is_ready()
    }
}

/// Watches for the end of the session whose response this is.
struct Session {
    access: Lease,
    /// Registered only when the stream first has to wait; most responses never do.
    waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl ResponseBody {
    /// Takes over what comes in on a connection, which goes back to the pool at the end of it.
    pub(super) fn new(fields: Fields, connection: Connection, access: Option<Lease>, trace: Trace) -> Self {
        let session = access.map(|access| Session { access, waiting: None });
        let silence = connection.silence().map(|limit| Silence { limit, timer: None });
        let mut body = Self { fields, connection: Some(connection), session, trace, silence, broken: None };
        body.release_at_end();
        body
    }

    /// A response after whose head there is no HTTP any more.
    pub(super) fn switched(trace: Trace) -> Self {
        let fields = Fields::default();
        Self { fields, connection: None, session: None, trace, silence: None, broken: None }
    }

    pub(super) fn take_fields(&mut self) -> Fields {
        std::mem::take(&mut self.fields)
    }

    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(broken) = &mut self.broken {
            return Poll::Ready(broken.why.take().map(Err));
        }
        if self.session.as_mut().is_some_and(|session| session.poll_ended(context, Waits::No)) {
            return self.cut(context, End::Session, SessionEnded);
        }
        let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
        match connection.poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(silence) = &mut self.silence {
                    silence.timer = None;
                }
                self.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => self.cut(context, End::Upstream, error),
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if self.session.as_mut().is_some_and(|session| session.poll_ended(context, Waits::Yes)) {
                    return self.cut(context, End::Session, SessionEnded);
                }
                if self.silence.as_mut().is_some_and(|silence| silence.poll_over(context)) {
                    return self.cut(context, End::Upstream, Silent);
                }
                Poll::Pending
            }
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match &self.broken {
            Some(broken) => broken.why.is_none(),
            None => self.connection.is_none(),
        }
    }

    pub(super) const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Who broke it off, if anybody has.
    pub(super) const fn broken_by(&self) -> End {
        match &self.broken {
            Some(broken) => broken.by,
            None => End::Upstream,
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.connection.as_ref().map_or_else(|| SizeHint::with_exact(0), Connection::size_hint)
    }

    fn cut(
        &mut self,
        context: &Context<'_>,
        by: End,
        why: impl Into<BoxError>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.broken = Some(Broken { by, why: Some(why.into()) });
        self.connection = None;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn release_at_end(&mut self) {
        if self.connection.as_ref().is_some_and(Connection::is_received) {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.park();
        }
    }
}

/// Whether the stream has nothing to send and must be woken by the session's end.
#[derive(Clone, Copy)]
enum Waits {
    Yes,
    No,
}

impl Session {
    fn poll_ended(&mut self, context: &mut Context<'_>, waits: Waits) -> bool {
        match waits {
            Waits::No => self.access.is_over(),
            Waits::Yes => {
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(self.access.over_owned()));
                waiting.as_mut().poll(context).is_ready()
            }
        }
    }
}
