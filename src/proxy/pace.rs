//! How fast the body of a request must come.
//!
//! Separate because it is asked whenever a body is waited for, by whatever way that body goes on: a client that sends
//! nothing is given up, and so is one that sends an octet now and then to hold a place for ever.
//!
//! Rules: only the time counts in which the client is waited for, never the time that the application takes. Nothing is
//! measured of a body that is there when it is asked for.

use std::num::NonZero;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Timeouts;

/// How one body has come so far.
pub(super) struct Pace {
    stall_after: Duration,
    grace: Duration,
    /// Whether silence says nothing: whoever answers watches for that.
    may_pause: bool,
    /// Bytes a second.
    rate_min: Option<NonZero<u64>>,
    /// By when all of it must have come.
    until: Option<Instant>,
    /// Runs while the client is waited for, since then.
    stall: Option<(Instant, Pin<Box<Sleep>>)>,
    /// How long the client has been waited for, all in all.
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// For one body. A call of gRPC sends when it has something to say, and may pause: how long it is borne without an
    /// answer, and within one, is limited on the side of the application.
    /// All of it must have come within `whole`, if that is said.
    pub(super) fn new(timeouts: &Timeouts, whole: Option<Duration>, may_pause: bool) -> Self {
        Self {
            stall_after: timeouts.request_body,
            grace: timeouts.request_body_grace,
            may_pause,
            rate_min: timeouts.request_body_rate_min.filter(|_| !may_pause),
            until: whole.map(|whole| Instant::now() + whole),
            stall: None,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// There is nothing at the moment; ready once it has been so for too long.
    pub(super) fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (stall_after, until) = (self.stall_after, self.until);
        if self.may_pause && until.is_none() {
            return Poll::Pending;
        }
        let (_, stall) = self.stall.get_or_insert_with(|| {
            let now = Instant::now();
            let silence = Some(now + stall_after).filter(|_| !self.may_pause);
            let end = silence.into_iter().chain(until).min().unwrap_or(now);
            (now, Box::pin(sleep_until(end)))
        });
        ready!(stall.as_mut().poll(context));
        Poll::Ready(())
    }

    /// Whether the time for all of it is over.
    pub(super) fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// So many bytes have come. Whether the client may go on like this.
    pub(super) fn came(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let Some((since, _)) = self.stall.take() else { return true };
        self.waited += since.elapsed().min(self.stall_after);
        let Some(rate_min) = self.rate_min.filter(|_| self.waited > self.grace) else { return true };
        u128::from(self.bytes) * 1_000 >= u128::from(rate_min.get()) * self.waited.as_millis()
    }
}
