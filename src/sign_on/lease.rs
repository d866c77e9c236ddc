//! Access that can be lost at any moment.
//!
//! Separate because it is looked at several times in each request, where a `CancellationToken` would take locks: to
//! look is to read one flag, and only who waits pays for waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture, WaitForCancellationFutureOwned};

/// Something that lasts until it is ended; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Lease(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_over: AtomicBool,
    token: CancellationToken,
}

impl Lease {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }

    /// Waits until it is over.
    pub fn over(&self) -> WaitForCancellationFuture<'_> {
        self.0.token.cancelled()
    }

    /// The same, for a future that outlives this handle.
    pub fn over_owned(&self) -> WaitForCancellationFutureOwned {
        self.0.token.clone().cancelled_owned()
    }

    /// Ends it. Who was waiting sees that it is over.
    pub fn end(&self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.token.cancel();
    }
}
