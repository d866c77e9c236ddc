//! Cookies that were recognized a moment ago.
//!
//! Separate because it is nothing but a shorter way to what `live` knows: a browser sends the same cookie with each of
//! its requests, and to hash it as the store does takes longer than all that is decided with it.
//!
//! Rules: a cookie is kept as two hashes under keys of this process, so that nothing in memory could be sent as one; it
//! leads to a session only as long as `live` holds that session, and goes the long way again every minute at the latest.
//! Where nobody else's cookies come along, the first of the hashes is enough.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use moka::sync::Cache;

use super::live::LiveSession;
use crate::monotonic::{self, Moment};

/// Which session a cookie is of.
#[derive(Debug)]
pub(super) struct Recent {
    keys: [RandomState; 2],
    sessions: Cache<Fingerprint, Weak<LiveSession>>,
}

/// A cookie, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u64; 2]);

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            sessions: Cache::builder().max_capacity(COOKIES_MAX).time_to_live(BELIEVED).build(),
        }
    }

    /// The session that a cookie was found to be of, or under what to note it.
    pub(super) fn find(
        &self,
        cookie: &[u8],
        familiar: Option<&Familiar>,
    ) -> Result<Arc<LiveSession>, Fingerprint> {
        let [first, second] = &self.keys;
        let first = first.hash_one(cookie);
        if let Some(live) = familiar.and_then(|familiar| familiar.find(first)) {
            return Ok(live);
        }
        let fingerprint = Fingerprint([first, second.hash_one(cookie)]);
        let live = self.sessions.get(&fingerprint).and_then(|live| in_force(&live)).ok_or(fingerprint)?;
        if let Some(familiar) = familiar {
            familiar.note(first, &live);
        }
        Ok(live)
    }

    /// Forgets all of them.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.sessions.invalidate_all();
    }

    /// Notes of which session a cookie is.
    pub(super) fn note(&self, cookie: Fingerprint, live: &Arc<LiveSession>) {
        self.sessions.insert(cookie, Arc::downgrade(live));
    }
}

fn in_force(live: &Weak<LiveSession>) -> Option<Arc<LiveSession>> {
    live.upgrade().filter(|live| !live.ended().is_over())
}

/// Whose cookie came last over a connection, for connections over which only one client speaks: it has shown the cookie, so
/// that nothing is to be had by another one with the same hash.
#[derive(Debug, Clone, Default)]
pub struct Familiar(RefCell<Option<Met>>);

#[derive(Debug, Clone)]
struct Met {
    cookie: u64,
    live: Weak<LiveSession>,
    until: Moment,
}

impl Familiar {
    fn find(&self, cookie: u64) -> Option<Arc<LiveSession>> {
        let met = self.0.borrow();
        let met = met.as_ref().filter(|met| met.cookie == cookie && monotonic::now() < met.until)?;
        in_force(&met.live)
    }

    /// Has what is noted be older by so much.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        if let Some(met) = self.0.borrow_mut().as_mut() {
            let now = monotonic::now();
            met.until = now + (met.until - now).saturating_sub(by);
        }
    }

    fn note(&self, cookie: u64, live: &Arc<LiveSession>) {
        let until = monotonic::now() + BELIEVED;
        self.0.replace(Some(Met { cookie, live: Arc::downgrade(live), until }));
    }
}

/// More than browsers are busy at a time.
const COOKIES_MAX: u64 = 10_000;

/// How long one is believed: `live` has to see now and then that its session is in use.
pub(super) const BELIEVED: Duration = Duration::from_secs(30);
