//! Our private keys at work for strangers: how often at once, and when a failure is told.
//!
//! Separate because whoever begins a login may answer it with ciphertexts without end: each costs us operations with
//! our private keys, and when an answer comes must not say what became of it (SAML-ATTACKS H1).
//!
//! Rules: some cores are always left to everybody else; whoever would wait too long for a turn, or behind too many, is
//! told to come back; a failed decryption is told at the same moments whatever failed.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};

/// The decryptions of this process. Checking a message that is encrypted is one.
#[derive(Debug)]
pub(super) struct Decryptions {
    turns: Semaphore,
    places: Semaphore,
    wait: Duration,
}

/// The right to decrypt, as long as it is held.
pub(super) struct Turn<'d> {
    _permit: SemaphorePermit<'d>,
}

impl Decryptions {
    /// As many at once as half of the cores can do.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::of((cores / 2).max(1), WAITING_MAX, WAIT_MAX)
    }

    fn of(at_once: usize, waiting_max: usize, wait: Duration) -> Self {
        Self { turns: Semaphore::new(at_once), places: Semaphore::new(waiting_max), wait }
    }

    /// Waits for a turn; `None` if there are too many before, or it takes too long.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        let _place = self.places.try_acquire().ok()?;
        let permit = timeout(self.wait, self.turns.acquire()).await.ok()?.ok()?;
        Some(Turn { _permit: permit })
    }
}

/// Waits for the next of the moments at which a decryption that has failed is told.
pub(super) async fn until_told(began: Instant) {
    sleep_until(began + told_after(began.elapsed())).await;
}

/// The next whole number of moments after so long a time.
fn told_after(elapsed: Duration) -> Duration {
    let moments = elapsed.as_nanos() / MOMENT.as_nanos() + 1;
    MOMENT.saturating_mul(u32::try_from(moments).unwrap_or(u32::MAX))
}

/// Longer than four keys of 4096 bits take with all that follows, and much longer than what differs between one
/// failure and another.
const MOMENT: Duration = Duration::from_millis(25);
/// Nobody looks at an empty page for longer.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// As many as are done within that time, with one key of 4096 bits on one core.
const WAITING_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use super::*;

    /// Whether a future is not ready when it is asked once.
    async fn waits(mut future: Pin<&mut impl Future>) -> bool {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn so_many_decrypt_at_once_so_many_wait_and_the_next_is_sent_away() {
        let decryptions = Decryptions::of(1, 2, Duration::from_mins(1));
        let first = decryptions.turn().await.expect("nobody is before");
        let (mut second, mut third) = (pin!(decryptions.turn()), pin!(decryptions.turn()));
        // Both wait, in the order in which they came.
        assert!(waits(second.as_mut()).await && waits(third.as_mut()).await);
        assert!(decryptions.turn().await.is_none(), "no place is left to wait at");
        drop(first);
        let second = second.await.expect("it is its turn");
        assert!(waits(third.as_mut()).await);
        drop(second);
        assert!(third.await.is_some());
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_bound() {
        let decryptions = Decryptions::of(1, 2, Duration::ZERO);
        let held = decryptions.turn().await;
        assert!(held.is_some());
        assert!(decryptions.turn().await.is_none());
        drop(held);
        assert!(decryptions.turn().await.is_some(), "a place that was given up is free again");
    }

    #[test]
    fn failures_that_take_differently_long_are_told_at_the_same_moment() {
        let told = |micros| told_after(Duration::from_micros(micros));
        for micros in [0, 1, 1_100, 1_250, 24_999] {
            assert_eq!(told(micros), MOMENT, "{micros}");
        }
        for micros in [25_000, 26_000, 49_999] {
            assert_eq!(told(micros), MOMENT * 2, "{micros}");
        }
        assert!(told_after(Duration::MAX) >= told_after(Duration::from_hours(1)), "it never panics");
    }
}
