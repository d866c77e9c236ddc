//! How many requests an upstream has at a time, over all cores.
//!
//! Separate because it exists only where a limit is set: without one, a request costs no count.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Leave to have one request; given back when dropped.
pub(in crate::proxy) type Slot = OwnedSemaphorePermit;

/// The leaves that are to be had.
#[derive(Debug)]
pub(in crate::proxy) struct Slots {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// As many may wait as may be served: beyond that, nobody's turn comes in time.
    waiting_max: usize,
}

impl Slots {
    pub(super) fn new(requests_max: NonZero<usize>) -> Self {
        let count = requests_max.get().min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(count)), waiting: AtomicUsize::new(0), waiting_max: count }
    }

    /// A leave, if there is one now.
    pub(in crate::proxy) fn take(&self) -> Option<Slot> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// A leave as soon as there is one; `None` if that takes too long or too many wait.
    pub(in crate::proxy) async fn wait(&self, limit: Duration) -> Option<Slot> {
        let place = Place::take(&self.waiting);
        if place.ahead >= self.waiting_max {
            return None;
        }
        timeout(limit, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()
    }
}

/// A place in the queue; given up when dropped.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    ahead: usize,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        Self { ahead: waiting.fetch_add(1, Ordering::Relaxed), waiting }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
