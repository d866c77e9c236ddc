//! For how long silence is borne on a connection to the application.
//!
//! Separate because it is a matter of time alone, and costs nothing where none passes.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};

use crate::monotonic::{self, Moment};

/// For how long silence is borne. Moved by every octet and looked at only where one would wait; the timer is never moved
/// to a later time before it has run out, so that most exchanges do not touch it.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    has_moved: bool,
    until: Moment,
    armed: Moment,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        let until = monotonic::now() + limit;
        Self { limit, has_moved: false, until, armed: until, timer: Box::pin(sleep_until(until.instant())) }
    }

    pub(super) fn begin(&mut self, limit: Duration) {
        self.limit = limit;
        self.has_moved = true;
    }

    pub(super) const fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Whether it is over by now; nobody is woken when it will be.
    pub(super) fn is_over(&mut self) -> bool {
        self.settle();
        self.until <= monotonic::now()
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.has_moved) {
            self.until = monotonic::now() + self.limit;
        }
    }

    /// Whether it is over; `context` is woken when it may be.
    pub(super) fn poll_over(&mut self, context: &mut Context<'_>) -> bool {
        self.settle();
        loop {
            if self.until < self.armed {
                self.armed = self.until;
                self.timer.as_mut().reset(self.armed.instant());
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return false;
            }
            if self.until <= monotonic::now() {
                return true;
            }
            self.armed = self.until;
            self.timer.as_mut().reset(self.armed.instant());
        }
    }
}
