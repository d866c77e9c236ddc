//! The two bodies of an exchange, streamed frame by frame.
//!
//! Separate because what has to happen at the end of a body, or in its middle, happens here: the connection
//! goes back to the pool, a session's end cuts the stream, a stalled upload gives up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::http1::fields::Fields;
use crate::http1::pipe::Taker;
use crate::sign_on::Lease;

use super::fields::{Fate, Reserved};
use super::interim::Interim;
use super::pace::Pace;
use super::pool::Connection;
use super::{BoxError, End, Trace};

/// How long an application may be undecided about `Expect: 100-continue` before the body is sent anyway
/// (RFC 9110 10.1.1 asks not to wait indefinitely).
const CONTINUE_AFTER: Duration = Duration::from_secs(1);

/// The body of a request on its way to the application.
pub(super) struct RequestBody(Option<Box<Upload>>);

struct Upload {
    incoming: Source,
    reserved: Arc<Reserved>,
    progress: Arc<Progress>,
    /// Runs while the application is asked whether it wants the body.
    permission: Option<Pin<Box<Sleep>>>,
    pace: Pace,
}

/// The body of a request, by where it comes from.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    interim: Option<Interim>,
}

#[derive(Debug)]
enum Kind {
    /// There is none.
    Nothing,
    /// A client of HTTP/1, as it sends.
    Taken(Taker),
    /// A client of HTTP/2.
    Incoming(Box<Incoming>),
    /// It was kept, and is all there.
    Kept(Box<Full<Bytes>>),
}

impl Source {
    const fn of(kind: Kind) -> Self {
        Self { kind, interim: None }
    }

    /// The same, of a client that takes interim responses.
    pub(crate) fn with_interim(self, interim: Interim) -> Self {
        Self { interim: Some(interim), ..self }
    }

    /// Whether all of it is here already.
    pub(super) const fn is_kept(&self) -> bool {
        matches!(self.kind, Kind::Kept(_))
    }

    /// Where interim responses go, if the client takes any.
    pub(super) const fn take_interim(&mut self) -> Option<Interim> {
        self.interim.take()
    }
}

impl From<Incoming> for Source {
    fn from(body: Incoming) -> Self {
        if body.is_end_stream() {
            return Self::of(Kind::Nothing);
        }
        Self::of(Kind::Incoming(Box::new(body)))
    }
}

impl From<Taker> for Source {
    fn from(body: Taker) -> Self {
        Self::of(Kind::Taken(body))
    }
}

impl From<Bytes> for Source {
    fn from(octets: Bytes) -> Self {
        if octets.is_empty() {
            return Self::of(Kind::Nothing);
        }
        Self::of(Kind::Kept(Box::new(Full::new(octets))))
    }
}

impl http_body::Body for Source {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Nothing => Poll::Ready(None),
            Kind::Taken(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Kind::Incoming(body) => Pin::new(&mut **body).poll_frame(context).map_err(Into::into),
            Kind::Kept(body) => Pin::new(&mut **body).poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Nothing => true,
            Kind::Taken(body) => body.is_end_stream(),
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Nothing => SizeHint::with_exact(0),
            Kind::Taken(body) => body.size_hint(),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Kept(body) => body.size_hint(),
        }
    }
}

/// How far an upload has come; shared with the connection that carries it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: AtomicU8,
    frames: AtomicU64,
    is_answered: AtomicBool,
}

impl Progress {
    const FINISHED: u8 = 1;
    const STALLED: u8 = 2;
    const BROKEN: u8 = 3;

    /// Whether the body was sent to its end.
    pub(super) fn is_finished(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Self::FINISHED
    }

    /// Whether the client stopped sending.
    pub(super) fn is_stalled(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Self::STALLED
    }

    /// Whether the client broke off.
    pub(super) fn is_broken(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Self::BROKEN
    }

    /// How many frames have been passed on: it has moved where this number has.
    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Notes that the application has begun to answer: from then on it is a conversation, which may be slow.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the client stopped sending its request body, or sends it too slowly")]
struct Stalled;

#[derive(Debug, thiserror::Error)]
#[error("the session ended in the middle of the response")]
struct SessionEnded;

#[derive(Debug, thiserror::Error)]
#[error("the application fell silent in the middle of the response")]
struct Silent;

impl RequestBody {
    /// Takes over what comes in.
    pub(super) fn new(incoming: Source, pace: Pace, reserved: Arc<Reserved>) -> Self {
        let progress = Arc::default();
        Self(Some(Box::new(Upload { incoming, reserved, progress, permission: None, pace })))
    }

    /// No body.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Whether there is no body.
    pub(super) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// How far the body has come, if there is one.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.0.as_ref().map(|upload| Arc::clone(&upload.progress))
    }

    /// Whether the body waits to be asked for.
    pub(super) fn is_withheld(&self) -> bool {
        self.0.as_ref().is_some_and(|upload| upload.permission.is_some())
    }

    /// Sends the body without waiting to be asked for it.
    pub(super) fn send_at_once(&mut self) {
        if let Some(upload) = self.0.as_mut() {
            upload.permission = None;
        }
    }

    /// Makes a body that was announced with `Expect: 100-continue` wait until the application asks for it
    /// our own client is told to continue when the first frame is pulled.
    pub(super) fn await_continue(&mut self, expectation: &[u8]) {
        let expects = expectation.eq_ignore_ascii_case(b"100-continue");
        if let Some(upload) = self.0.as_mut().filter(|_| expects) {
            upload.permission = Some(Box::pin(sleep(CONTINUE_AFTER)));
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.0.as_mut() {
            Some(upload) => upload.poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| upload.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |upload| upload.incoming.size_hint())
    }
}

impl Upload {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(permission) = &mut self.permission {
            ready!(permission.as_mut().poll(context));
            self.permission = None;
        }
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) else {
            ready!(self.pace.poll_stalled(context));
            return self.give_up();
        };
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        let is_in_time = self.pace.came(data.map_or(0, Bytes::len));
        if frame.is_none() || self.incoming.is_end_stream() {
            self.progress.set(Progress::FINISHED);
        } else if !is_in_time && !self.progress.is_answered.load(Ordering::Relaxed) {
            return self.give_up();
        }
        match &frame {
            Some(Ok(_)) => self.progress.frames.fetch_add(1, Ordering::Relaxed),
            Some(Err(_)) => {
                self.progress.set(Progress::BROKEN);
                0
            }
            None => 0,
        };
        let reserved = &self.reserved;
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(without_reserved_trailers(frame, reserved)),
            Err(error) => Err(error),
        }))
    }

    /// The client has stopped sending, or as good as stopped.
    fn give_up(&self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.progress.set(Progress::STALLED);
        Poll::Ready(Some(Err(Stalled.into())))
    }
}

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

/// Removes trailers that a backend could merge into the headers as ours.
fn without_reserved_trailers(frame: Frame<Bytes>, reserved: &Reserved) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(allowed(trailers, reserved)),
        Err(frame) => frame,
    }
}

fn allowed(mut trailers: HeaderMap, reserved: &Reserved) -> HeaderMap {
    let refused: Vec<HeaderName> =
        trailers.keys().filter(|name| reserved.fate(name.as_str()) != Fate::Pass).cloned().collect();
    for name in refused {
        trailers.remove(name);
    }
    trailers
}
