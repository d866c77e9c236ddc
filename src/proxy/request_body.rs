//! The body of a request on its way to the application, frame by frame.
//!
//! Separate because what has to happen in its middle happens here: a stalled upload gives up, trailers lose what is not a
//! client's to say, the application is asked whether it wants the body at all.

use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::BoxError;
use super::fields::{Fate, Reserved};
use super::pace::Pace;
use super::source::Source;

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
    /// How many more bytes there may be of it.
    room: Option<u64>,
}

/// How far an upload has come; shared with the connection that carries it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: AtomicU8,
    frames: AtomicU64,
    is_answered: AtomicBool,
}

/// What has become of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// There may be more.
    Goes,
    /// It was sent to its end.
    Finished,
    /// The client stopped sending, or as good as stopped.
    Stalled,
    /// The client broke off.
    Broken,
    /// There is more than there may be.
    TooLarge,
}

impl State {
    const ALL: [Self; 5] = [Self::Goes, Self::Finished, Self::Stalled, Self::Broken, Self::TooLarge];

    /// Whether its end will never be sent.
    pub(super) const fn is_failure(self) -> bool {
        matches!(self, Self::Stalled | Self::Broken | Self::TooLarge)
    }
}

impl Progress {
    /// What has become of the body.
    pub(super) fn state(&self) -> State {
        let state = usize::from(self.state.load(Ordering::Relaxed));
        State::ALL.get(state).copied().unwrap_or(State::Broken)
    }

    /// How many frames have been passed on: it has moved where this number has.
    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Notes that the application has begun to answer: from then on it is a conversation, which may be slow.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    fn set(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the client stopped sending its request body, or sends it too slowly")]
struct Stalled;

#[derive(Debug, thiserror::Error)]
#[error("the request body is larger than its path allows")]
struct TooLarge;

impl RequestBody {
    /// Takes over what comes in.
    pub(super) fn new(
        incoming: Source,
        pace: Pace,
        bytes_max: Option<NonZero<u64>>,
        reserved: Arc<Reserved>,
    ) -> Self {
        let (progress, room) = (Arc::default(), bytes_max.map(NonZero::get));
        Self(Some(Box::new(Upload { incoming, reserved, progress, permission: None, pace, room })))
    }

    /// No body.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Whether there is no body.
    pub(super) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the body is said to be larger than it may be.
    pub(super) fn is_too_large(&self) -> bool {
        let room = self.0.as_ref().and_then(|upload| upload.room);
        room.is_some_and(|room| self.size_hint().lower() > room)
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
            return self.give_up(State::Stalled, Stalled);
        };
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        let bytes = data.map_or(0, Bytes::len);
        if let Some(room) = &mut self.room {
            let Some(left) = room.checked_sub(bytes as u64) else {
                return self.give_up(State::TooLarge, TooLarge);
            };
            *room = left;
        }
        let is_in_time = self.pace.came(bytes);
        if frame.is_none() || self.incoming.is_end_stream() {
            self.progress.set(State::Finished);
        } else if self.pace.is_late() || !(is_in_time || self.progress.is_answered.load(Ordering::Relaxed)) {
            return self.give_up(State::Stalled, Stalled);
        }
        match &frame {
            Some(Ok(_)) => self.progress.frames.fetch_add(1, Ordering::Relaxed),
            Some(Err(_)) => {
                self.progress.set(State::Broken);
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

    /// Nothing more of it is passed on.
    fn give_up(
        &self,
        state: State,
        why: impl Into<BoxError>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.progress.set(state);
        Poll::Ready(Some(Err(why.into())))
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
