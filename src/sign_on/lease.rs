//! Access that can be lost at any moment.
//!
//! Separate because it is looked at several times in each request, where a `CancellationToken` would take locks: to
//! look is to read one flag, and only who waits pays for waiting.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture, WaitForCancellationFutureOwned};

/// Something that lasts until it is ended; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Lease(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_over: AtomicBool,
    /// Made for the first who waits: most never do.
    token: OnceLock<CancellationToken>,
}

impl Lease {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }

    /// Waits until it is over.
    pub fn over(&self) -> WaitForCancellationFuture<'_> {
        self.token().cancelled()
    }

    /// The same, for a future that outlives this handle.
    pub fn over_owned(&self) -> WaitForCancellationFutureOwned {
        self.token().clone().cancelled_owned()
    }

    /// Ends it. Who was waiting sees that it is over.
    pub fn end(&self) {
        self.0.is_over.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if let Some(token) = self.0.token.get() {
            token.cancel();
        }
    }

    fn token(&self) -> &CancellationToken {
        let token = self.0.token.get_or_init(CancellationToken::new);
        // Either the end sees the token, or who has made it sees the end.
        fence(Ordering::SeqCst);
        if self.is_over() {
            token.cancel();
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn who_waits_sees_the_end_whenever_it_comes() {
        let before = Lease::default();
        let mut waiting = Box::pin(before.over_owned());
        assert!(waiting.as_mut().now_or_never().is_none());
        before.clone().end();
        assert!(waiting.now_or_never().is_some() && before.is_over());
        let after = Lease::default();
        after.end();
        assert!(after.over().now_or_never().is_some());
    }

    #[test]
    fn an_end_beside_the_first_who_waits_is_not_missed() {
        for _ in 0..2_000 {
            let lease = Lease::default();
            let other = lease.clone();
            let ending = std::thread::spawn(move || other.end());
            let waiting = lease.over_owned();
            ending.join().unwrap();
            assert!(waiting.now_or_never().is_some());
        }
    }
}
