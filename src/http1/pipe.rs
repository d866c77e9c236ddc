//! The body of a request, handed from the connection that reads it to whoever takes it.
//!
//! Separate because the two may be parts of one task or of two: nothing is read before it is wanted, and of what was read
//! no more than one frame waits.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Malformed;

/// Why a body is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// It is none.
    #[error("the body is malformed")]
    Malformed(#[source] Malformed),
    /// Nobody sends the rest.
    #[error("the client closed the connection in the middle of the body")]
    Closed,
}

/// The end that reads.
#[derive(Debug)]
pub(crate) struct Giver(Arc<Mutex<Pipe>>);

/// The end that takes.
#[derive(Debug)]
pub(crate) struct Taker(Arc<Mutex<Pipe>>);

#[derive(Debug)]
struct Pipe {
    frame: Option<Result<Frame<Bytes>, Broken>>,
    /// How much is to be taken, if that was said.
    octets_left: Option<u64>,
    /// Whether nothing comes behind the frame.
    is_ended: bool,
    wish: Wish,
    giver: Option<Waker>,
    taker: Option<Waker>,
}

/// Whether something is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Something is waited for.
    Now,
    /// Nothing at the moment.
    Later,
    /// Never again.
    Never,
}

/// Both ends for a body of this length, if that was said.
pub(crate) fn pipe(octets: Option<u64>) -> (Giver, Taker) {
    let pipe = Pipe {
        frame: None,
        octets_left: octets,
        is_ended: false,
        wish: Wish::Later,
        giver: None,
        taker: None,
    };
    let pipe = Arc::new(Mutex::new(pipe));
    (Giver(Arc::clone(&pipe)), Taker(pipe))
}

impl Giver {
    /// What is wanted; `context` is woken when that changes.
    pub(crate) fn wish(&self, context: &Context<'_>) -> Wish {
        let mut pipe = lock(&self.0);
        if pipe.wish == Wish::Later {
            keep(&mut pipe.giver, context);
        }
        pipe.wish
    }

    /// Whether nobody will ever take anything.
    pub(crate) fn is_unwanted(&self) -> bool {
        lock(&self.0).wish == Wish::Never
    }

    /// Hands on what was wanted.
    pub(crate) fn give(&self, frame: Frame<Bytes>, is_last: bool) {
        self.settle(Some(Ok(frame)), is_last);
    }

    /// The body has ended.
    pub(crate) fn end(&self) {
        self.settle(None, true);
    }

    /// The body will never end.
    pub(crate) fn fail(&self, why: Broken) {
        self.settle(Some(Err(why)), true);
    }

    fn settle(&self, frame: Option<Result<Frame<Bytes>, Broken>>, is_last: bool) {
        let mut pipe = lock(&self.0);
        if pipe.wish == Wish::Now {
            pipe.wish = Wish::Later;
        }
        pipe.frame = frame;
        pipe.is_ended = is_last;
        if let Some(taker) = pipe.taker.take() {
            taker.wake();
        }
    }
}

impl Drop for Giver {
    fn drop(&mut self) {
        let mut pipe = lock(&self.0);
        if !pipe.is_ended {
            pipe.frame = Some(Err(Broken::Closed));
            pipe.is_ended = true;
        }
        if let Some(taker) = pipe.taker.take() {
            taker.wake();
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let mut pipe = lock(&self.0);
        pipe.wish = Wish::Never;
        if let Some(giver) = pipe.giver.take() {
            giver.wake();
        }
    }
}

impl Body for Taker {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut pipe = lock(&self.0);
        if let Some(frame) = pipe.frame.take() {
            let length = frame.as_ref().ok().and_then(|frame| frame.data_ref()).map_or(0, Bytes::len);
            pipe.octets_left = pipe.octets_left.map(|left| left.saturating_sub(length as u64));
            return Poll::Ready(Some(frame));
        }
        if pipe.is_ended {
            return Poll::Ready(None);
        }
        pipe.wish = Wish::Now;
        keep(&mut pipe.taker, context);
        if let Some(giver) = pipe.giver.take() {
            giver.wake();
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let pipe = lock(&self.0);
        pipe.is_ended && pipe.frame.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).octets_left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(waker: &mut Option<Waker>, context: &Context<'_>) {
    if !waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
        *waker = Some(context.waker().clone());
    }
}
