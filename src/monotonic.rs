//! Time that only goes forward, read once for all that happens at a time.
//!
//! Separate because nearly everything about a request asks for it, and a look at the clock costs as much as what is done
//! with it: whoever polls a connection looks at it once, and whoever is polled within that sees the same moment.
//!
//! Rules: nothing that is measured in it may matter by less than a poll takes; what does asks with [`look`].

use std::cell::Cell;
use std::ops::{Add, Sub};
use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// What moments are counted from: the first look at the clock. A test that moves the clock of its runtime has looked before.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment, in nanoseconds after the epoch: what is added to it, taken from it and compared is one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Later than everything that happens.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// As the runtime's timers have it.
    pub(crate) fn instant(self) -> Instant {
        *EPOCH + Duration::from_nanos(self.0)
    }

    /// The number, for where one has to be shared.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// The moment that has this number.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanos(after)))
    }
}

/// How long it is between two moments; nothing if they come the other way round.
impl Sub for Moment {
    type Output = Duration;

    fn sub(self, before: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(before.0))
    }
}

/// As long as there is room for them: 584 years.
const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

thread_local! {
    /// The moment that is held on to, if this thread polls a connection.
    static HELD: Cell<Option<Moment>> = const { Cell::new(None) };
}

/// Looks at the clock.
fn read() -> Moment {
    Moment(nanos(Instant::now().saturating_duration_since(*EPOCH)))
}

/// The present, or the moment that is held on to.
pub(crate) fn now() -> Moment {
    HELD.get().unwrap_or_else(read)
}

/// The present, to which a moment that is held on to moves.
pub(crate) fn look() -> Moment {
    let now = read();
    if HELD.get().is_some() {
        HELD.set(Some(now));
    }
    now
}

/// Holds on to the present for as long as something is done.
pub(crate) fn held<R>(work: impl FnOnce() -> R) -> R {
    let _held = Held(HELD.replace(Some(read())));
    work()
}

/// Puts back what was held before.
struct Held(Option<Moment>);

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// Waits for the clock to move.
    fn pass() {
        let begun = read();
        while read() == begun {}
    }

    #[test]
    fn moments_are_as_far_apart_as_they_are_for_timers() {
        let (now, after) = (now(), Duration::new(3, 5));
        assert_eq!((now + after) - now, after);
        assert_eq!((now + after).instant() - now.instant(), after);
        assert_eq!(now - (now + after), Duration::ZERO, "never less than nothing");
        assert_eq!(now + Duration::MAX, Moment::NEVER, "never too much");
        assert_eq!(Moment::from_bits(now.to_bits()), now);
        let told = Instant::now();
        assert!(told.saturating_duration_since(read().instant()) < Duration::from_secs(1));
        assert!(now < now + after && now + after < Moment::NEVER);
    }

    #[test]
    fn a_moment_is_held_only_while_something_is_done() {
        held(|| {
            let begun = now();
            pass();
            assert_eq!(now(), begun, "it is held");
            let looked = look();
            assert!(looked > begun, "who looks sees the present");
            pass();
            assert_eq!(now(), looked, "and so does everybody from then on");
            assert!(held(now) > looked, "what is done within has a moment of its own");
            assert_eq!(now(), looked, "which is over with it");
        });
        assert!(catch_unwind(|| held(|| panic!("in the middle"))).is_err());
        let before = now();
        pass();
        assert!(now() > before, "nobody holds on to it any more");
    }
}
