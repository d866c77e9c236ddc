//! Time that only goes forward, read once for all that happens at a time.
//!
//! Separate because nearly everything about a request asks for it, and a look at the clock costs as much as what is done
//! with it: whoever polls a connection looks at it once, and whoever is polled within that sees the same moment.
//!
//! Rules: nothing that is measured in it may matter by less than a poll takes; what does asks with [`look`].

use std::cell::Cell;

use tokio::time::Instant;

thread_local! {
    /// The moment that is held on to, if this thread polls a connection.
    static HELD: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The present, or the moment that is held on to.
pub(crate) fn now() -> Instant {
    HELD.get().unwrap_or_else(Instant::now)
}

/// The present, to which a moment that is held on to moves.
pub(crate) fn look() -> Instant {
    let now = Instant::now();
    if HELD.get().is_some() {
        HELD.set(Some(now));
    }
    now
}

/// Holds on to the present for as long as something is done.
pub(crate) fn held<R>(work: impl FnOnce() -> R) -> R {
    let _held = Held(HELD.replace(Some(Instant::now())));
    work()
}

/// Puts back what was held before.
struct Held(Option<Instant>);

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
        let begun = Instant::now();
        while Instant::now() == begun {}
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
