//! How many refusals are written down, and how many traces of them.
//!
//! Separate because anybody can post rubbish to the assertion consumer service without end, and each audit event
//! is a durable write: past a generous number a refusal is answered and logged, but no longer written to the
//! store, so that a flood costs neither the disk nor the sign-ons of others.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// A bucket that fills up with time.
#[derive(Debug)]
pub(super) struct Budget {
    rate: Rate,
    bucket: Mutex<Bucket>,
}

/// How much a bucket holds, and how fast it fills up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    events_max: i64,
    events_per_second: i64,
}

/// More refusals than any misconfiguration of a customer makes in a minute; after that, a steady trickle still
/// tells support what is going on.
pub(super) const REFUSALS: Rate = Rate { events_max: 2_000, events_per_second: 20 };

/// A trace costs a second look at the message, so there are fewer.
pub(super) const TRACES: Rate = Rate { events_max: 200, events_per_second: 2 };

#[derive(Debug)]
struct Bucket {
    events: i64,
    filled_at: Option<Timestamp>,
}

impl Budget {
    /// A full bucket.
    pub(super) const fn new(rate: Rate) -> Self {
        Self { rate, bucket: Mutex::new(Bucket { events: rate.events_max, filled_at: None }) }
    }

    /// Whether one more event may be written.
    pub(super) fn take(&self, now: Timestamp) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = bucket.filled_at.map_or(0, |filled_at| now.as_second() - filled_at.as_second());
        if seconds > 0 || bucket.filled_at.is_none() {
            let filled = seconds.saturating_mul(self.rate.events_per_second).saturating_add(bucket.events);
            bucket.events = filled.min(self.rate.events_max);
            bucket.filled_at = Some(now);
        }
        if bucket.events == 0 {
            return false;
        }
        bucket.events -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_off_and_time_makes_room_again() {
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let budget = Budget::new(REFUSALS);
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
