//! Cookies that were recognized a moment ago.
//!
//! Separate because it is nothing but a shorter way to what `live` knows: a browser sends the same cookie with each of
//! its requests, and to hash it as the store does takes longer than all that is decided with it.
//!
//! Rules: a cookie is kept as two hashes under keys of this process, so that nothing in memory could be sent as one; it
//! leads to a session only as long as `live` holds that session, and goes the long way again every few seconds.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use moka::sync::Cache;

use super::live::LiveSession;

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

    pub(super) fn fingerprint(&self, cookie: &[u8]) -> Fingerprint {
        Fingerprint(self.keys.each_ref().map(|key| key.hash_one(cookie)))
    }

    /// The session that a cookie was found to be of.
    pub(super) fn find(&self, cookie: Fingerprint) -> Option<Arc<LiveSession>> {
        self.sessions.get(&cookie)?.upgrade().filter(|live| !live.ended().is_over())
    }

    /// Notes of which session a cookie is.
    pub(super) fn note(&self, cookie: Fingerprint, live: &Arc<LiveSession>) {
        self.sessions.insert(cookie, Arc::downgrade(live));
    }
}

/// More than browsers are busy at a time.
const COOKIES_MAX: u64 = 10_000;

/// How long one is believed: `live` has to see now and then that its session is in use.
const BELIEVED: Duration = Duration::from_secs(30);
