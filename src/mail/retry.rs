//! When a mail that could not be delivered is tried again.
//!
//! Separate because it is a rule over plain values: sooner at first, then ever more slowly, and never not at all.

use std::time::Duration;

use super::FailureKind;

/// How long to wait after a failed try. `attempts` counts it; `age` is that of the mail's oldest message.
pub(super) fn after(failure: FailureKind, attempts: u32, age: Duration) -> Duration {
    match failure {
        // Whoever was told "no" for good may still be wrong (a mailbox that is made tomorrow, a blocklist).
        FailureKind::Rejected if age > PATIENCE => Duration::from_hours(24),
        FailureKind::Rejected => Duration::from_hours(6),
        FailureKind::Interrupted => Duration::ZERO,
        FailureKind::Unavailable | FailureKind::Deferred => {
            let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
            SECONDS.get(at).copied().map_or(Duration::from_hours(1), Duration::from_secs)
        }
    }
}

/// The first pauses; after them it is an hour.
const SECONDS: [u64; 5] = [10, 30, 2 * 60, 10 * 60, 30 * 60];

/// Mail programs of people give up after this (RFC 5321 4.5.4.1: 4–5 days); we only slow down.
const PATIENCE: Duration = Duration::from_hours(5 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rare_and_never_end() {
        let seconds =
            |kind, attempts, days: u64| after(kind, attempts, Duration::from_hours(24 * days)).as_secs();
        let expected =
            [(1, 10), (2, 30), (3, 120), (4, 600), (5, 1_800), (6, 3_600), (7, 3_600), (u32::MAX, 3_600)];
        for (attempts, pause) in expected {
            assert_eq!(seconds(FailureKind::Deferred, attempts, 0), pause);
            assert_eq!(seconds(FailureKind::Unavailable, attempts, 400), pause);
        }
        assert_eq!(seconds(FailureKind::Deferred, 0, 0), 10);
        assert_eq!(seconds(FailureKind::Rejected, 1, 0), 6 * 3_600);
        assert_eq!(seconds(FailureKind::Rejected, 30, 6), 24 * 3_600);
        assert_eq!(seconds(FailureKind::Interrupted, 9, 6), 0);
    }
}
