//! Cookies that were recognized a moment ago.
//!
//! Separate because it is nothing but a shorter way to what `live` knows: a browser sends the same cookie with each of
//! its requests, and to hash it as the store does takes longer than all that is decided with it.
//!
//! Rules: a cookie is kept as two hashes under keys of this process, so that nothing in memory could be sent as one; it
//! leads to a session only as long as `live` holds that session, and goes the long way again every few seconds.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::live::LiveSession;

/// The last cookie of each place.
#[derive(Debug)]
pub(super) struct Recent {
    keys: [RandomState; 2],
    places: Box<[Mutex<Place>]>,
}

#[derive(Debug, Default)]
struct Place {
    hashes: [u64; 2],
    live: Weak<LiveSession>,
    until: Timestamp,
}

/// A cookie, as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fingerprint([u64; 2]);

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            places: std::iter::repeat_with(Mutex::default).take(PLACES).collect(),
        }
    }

    pub(super) fn fingerprint(&self, cookie: &str) -> Fingerprint {
        Fingerprint(self.keys.each_ref().map(|key| key.hash_one(cookie)))
    }

    /// The session that a cookie was found to be of.
    pub(super) fn find(&self, cookie: Fingerprint, now: Timestamp) -> Option<Arc<LiveSession>> {
        let place = self.place(cookie)?;
        if place.hashes == cookie.0 && now < place.until { place.live.upgrade() } else { None }
    }

    /// Notes of which session a cookie is.
    pub(super) fn note(&self, cookie: Fingerprint, live: &Arc<LiveSession>, now: Timestamp) {
        let Some(mut place) = self.place(cookie) else { return };
        let until = now.saturating_add(BELIEVED).unwrap_or(now);
        *place = Place { hashes: cookie.0, live: Arc::downgrade(live), until };
    }

    fn place(&self, cookie: Fingerprint) -> Option<MutexGuard<'_, Place>> {
        let [hash, _] = cookie.0;
        let place = self.places.get(usize::try_from(hash % PLACES as u64).ok()?)?;
        Some(place.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// More than browsers are busy at a time; whoever finds another one in his place goes the long way.
const PLACES: usize = 4096;

/// How long one is believed: `live` has to see now and then that its session is in use.
const BELIEVED: Duration = Duration::from_secs(30);
