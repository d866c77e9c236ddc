//! How much may be repeated.
//!
//! Separate because it is counted over all upstreams, so that a failing application is not asked twice as much.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many requests may be sent a second time: a tenth of those that come, and a few at once.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    /// In tenths of a repetition.
    const ONE: u32 = 10;
    const MAX: u32 = 20 * Self::ONE;

    pub(super) fn deposit(&self) {
        // One core has it to itself: nothing is lost between the two.
        let saved = self.0.load(Ordering::Relaxed);
        if saved < Self::MAX {
            self.0.store(saved + 1, Ordering::Relaxed);
        }
    }

    pub(super) fn withdraw(&self) -> bool {
        let saved = self.0.load(Ordering::Relaxed);
        let is_enough = saved >= Self::ONE;
        if is_enough {
            self.0.store(saved - Self::ONE, Ordering::Relaxed);
        }
        is_enough
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(Self::MAX))
    }
}
