//! Whether an upstream is well: what its requests show, and what the check says.
//!
//! Separate because it is a rule over a few numbers, pure but for its atomics. An upstream that is unwell is
//! asked last, never not at all: where all are unwell, the requests still go somewhere.
//!
//! Rules: one that cannot be reached rests at once, one that dies under requests after [`DEATHS_MAX`] in a row;
//! each rest in a row is twice as long as the one before. When a rest is over, one request finds out. Answers that say
//! that the application cannot answer count where so many are allowed in a row.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Requests that may die in a row.
const DEATHS_MAX: u32 = 3;
/// The longest rest is so many times as long as the first.
const REST_GROWTH_MAX: u64 = 60;
/// How long the others wait for the request that finds out whether an upstream is back, in first rests.
const PROBE: u64 = 3;

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Sign {
    /// A response came.
    Answered,
    /// A response came, and said that the application cannot answer: 502, 503 or 504.
    Excused,
    /// A connection ended before a response began.
    Died,
    /// No connection could be made.
    Unreachable,
}

/// What is known of an upstream's health.
#[derive(Debug)]
pub(in crate::proxy) struct Health {
    /// The first rest, in milliseconds.
    rest: u64,
    /// Excuses in a row that make it rest; zero if they do not.
    excuses_max: u32,
    deaths: AtomicU32,
    excuses: AtomicU32,
    /// Whether a request is finding out.
    is_probed: AtomicBool,
    rests: AtomicU32,
    /// Until when it is asked last; zero if it does not rest.
    rests_until: AtomicU64,
    /// What the check says.
    is_down: AtomicBool,
}

impl Health {
    /// Nothing is known; `rest` is the first rest, in milliseconds.
    pub(super) const fn new(rest: u64, excuses_max: u32) -> Self {
        Self {
            rest,
            excuses_max,
            deaths: AtomicU32::new(0),
            excuses: AtomicU32::new(0),
            is_probed: AtomicBool::new(false),
            rests: AtomicU32::new(0),
            rests_until: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
        }
    }

    /// Whether it is asked like the others.
    pub(in crate::proxy) fn is_well(&self, now: u64) -> bool {
        self.rests_until.load(Ordering::Relaxed) <= now && !self.is_down.load(Ordering::Relaxed)
    }

    /// Whether it rests, or has rested and nobody has found out yet.
    pub(in crate::proxy) fn is_in_doubt(&self) -> bool {
        self.rests_until.load(Ordering::Relaxed) != 0
    }

    /// It was chosen for a request. If its rest has just ended, the others wait for what becomes of that.
    pub(in crate::proxy) fn chosen(&self, now: u64) {
        let until = self.rests_until.load(Ordering::Relaxed);
        if until != 0 && until <= now {
            self.rests_until.store(now + PROBE * self.rest, Ordering::Relaxed);
            self.is_probed.store(true, Ordering::Relaxed);
        }
    }

    /// Takes note; returns for how many milliseconds it rests if that has just begun.
    pub(in crate::proxy) fn note(&self, sign: Sign, now: u64) -> Option<u64> {
        match sign {
            Sign::Excused if self.excuses_max > 0 => {
                self.deaths.store(0, Ordering::Relaxed);
                let excuses = self.excuses.fetch_add(1, Ordering::Relaxed) + 1;
                // Once it rests, only the request that finds out has something new to say.
                let is_new = if self.is_in_doubt() {
                    self.is_probed.load(Ordering::Relaxed)
                } else {
                    excuses >= self.excuses_max
                };
                is_new.then(|| self.rest(now))
            }
            Sign::Answered | Sign::Excused => {
                if self.excuses.load(Ordering::Relaxed) != 0 {
                    self.excuses.store(0, Ordering::Relaxed);
                }
                if self.deaths.load(Ordering::Relaxed) != 0 {
                    self.deaths.store(0, Ordering::Relaxed);
                }
                if self.rests_until.load(Ordering::Relaxed) != 0 {
                    self.rests.store(0, Ordering::Relaxed);
                    self.rests_until.store(0, Ordering::Relaxed);
                }
                None
            }
            Sign::Died => {
                let deaths = self.deaths.fetch_add(1, Ordering::Relaxed) + 1;
                // What was not well enough to answer once is not given three tries again.
                let is_known = self.rests_until.load(Ordering::Relaxed) != 0;
                (deaths >= DEATHS_MAX || is_known).then(|| self.rest(now))
            }
            Sign::Unreachable => Some(self.rest(now)),
        }
    }

    fn rest(&self, now: u64) -> u64 {
        let rests = self.rests.load(Ordering::Relaxed);
        let rest = self.rest * (1 << rests.min(16)).min(REST_GROWTH_MAX);
        self.rests.store(rests.saturating_add(1), Ordering::Relaxed);
        self.rests_until.store(now + rest, Ordering::Relaxed);
        self.deaths.store(0, Ordering::Relaxed);
        self.excuses.store(0, Ordering::Relaxed);
        self.is_probed.store(false, Ordering::Relaxed);
        rest
    }

    /// Takes over what the check says; returns whether that is new.
    pub(super) fn checked(&self, is_down: bool) -> bool {
        self.is_down.swap(is_down, Ordering::Relaxed) != is_down
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: u64 = 1_000;

    #[test]
    fn one_death_is_no_illness_and_three_in_a_row_are() {
        let health = Health::new(REST, 2);
        assert_eq!(health.note(Sign::Died, 5), None);
        assert_eq!(health.note(Sign::Died, 5), None);
        assert_eq!(health.note(Sign::Answered, 5), None);
        assert_eq!(health.note(Sign::Died, 5), None);
        assert_eq!(health.note(Sign::Died, 5), None);
        assert!(health.is_well(5));
        assert_eq!(health.note(Sign::Died, 5), Some(REST));
        assert!(!health.is_well(5 + REST - 1) && health.is_well(5 + REST));
    }

    #[test]
    fn rests_double_up_to_a_bound_and_an_answer_ends_them() {
        let health = Health::new(REST, 2);
        let rests: Vec<_> = (0..9).filter_map(|_| health.note(Sign::Unreachable, 0)).collect();
        assert_eq!(rests, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
        health.note(Sign::Answered, 1);
        assert!(health.is_well(1));
        assert_eq!(health.note(Sign::Unreachable, 1), Some(REST));
    }

    #[test]
    fn after_a_rest_one_request_finds_out() {
        let health = Health::new(REST, 2);
        health.note(Sign::Unreachable, 10);
        let over = 10 + REST;
        assert!(health.is_well(over));
        health.chosen(over);
        assert!(!health.is_well(over), "the others wait");
        assert!(health.is_well(over + PROBE * REST), "but not for ever");
        assert_eq!(health.note(Sign::Died, over), Some(2 * REST), "one death is enough now");
    }

    #[test]
    fn the_check_has_a_say_of_its_own() {
        let health = Health::new(REST, 2);
        assert!(health.checked(true) && !health.checked(true) && !health.is_well(0));
        health.note(Sign::Answered, 0);
        assert!(!health.is_well(0), "an answer does not outvote the check");
        assert!(health.checked(false) && health.is_well(0));
    }

    #[test]
    fn excuses_count_in_a_row_where_they_count() {
        let health = Health::new(REST, 2);
        assert_eq!(health.note(Sign::Excused, 5), None);
        health.note(Sign::Answered, 5);
        assert_eq!(health.note(Sign::Excused, 5), None);
        assert_eq!(health.note(Sign::Excused, 5), Some(REST));
        assert_eq!(health.note(Sign::Excused, 5), None, "what was on its way says nothing new");
        let over = 5 + REST;
        health.chosen(over);
        assert_eq!(health.note(Sign::Excused, over), Some(2 * REST), "one is enough to find out");
        let never = Health::new(REST, 0);
        assert!((0..9).all(|_| never.note(Sign::Excused, 5).is_none()) && never.is_well(5));
    }
}
