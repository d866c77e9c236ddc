//! How many refusals are written down.
//!
//! Separate because anybody can post rubbish to the assertion consumer service without end, and each audit event
//! is a durable write: past a generous number a refusal is answered and logged, but no longer written to the
//! store, so that a flood costs neither the disk nor the sign-ons of others.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// A bucket that fills up with time.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    events: i64,
    filled_at: Option<Timestamp>,
}

impl Budget {
    /// A full bucket.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Bucket { events: EVENTS_MAX, filled_at: None }))
    }

    /// Whether one more event may be written.
    pub(super) fn take(&self, now: Timestamp) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = bucket.filled_at.map_or(0, |filled_at| now.as_second() - filled_at.as_second());
        if seconds > 0 || bucket.filled_at.is_none() {
            bucket.events =
                seconds.saturating_mul(EVENTS_PER_SECOND).saturating_add(bucket.events).min(EVENTS_MAX);
            bucket.filled_at = Some(now);
        }
        if bucket.events == 0 {
            return false;
        }
        bucket.events -= 1;
        true
    }
}

/// More refusals than any misconfiguration of a customer makes in a minute.
const EVENTS_MAX: i64 = 2_000;

/// A steady trickle still tells support what is going on.
const EVENTS_PER_SECOND: i64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_off_and_time_makes_room_again() {
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let budget = Budget::new();
        let written = (0..10_000).filter(|_| budget.take(start)).count();
        assert_eq!(written, 2_000);
        let later = start + std::time::Duration::from_secs(3);
        assert_eq!((0..10_000).filter(|_| budget.take(later)).count(), 60);
        let much_later = start + std::time::Duration::from_hours(24);
        assert_eq!((0..10_000).filter(|_| budget.take(much_later)).count(), 2_000);
        // A clock that is set back neither fills nor panics.
        assert!(!budget.take(start));
    }
}
