//! How often what may be asked for: forms of the sign-on, answers of identity providers, forms that people work with.
//!
//! Separate because it is counted before anything else is done with such a request. Forwarded requests are
//! not counted: how much is too much of them, the application knows.
//!
//! Rules: whoever waits as long as `Retry-After` says gets through; what nobody has asked for lately takes no memory,
//! and all together have a bound ([`ENTRIES_MAX`]). Addresses count by what one customer has of a kind (IPv6: /64).

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Response};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::email::EmailAddress;
use crate::id::ConnectionId;
use crate::pages::Fault;
use crate::proxy::Body;
use crate::routes::Call;
use crate::routes::table::Route;
use crate::secret::sha256;

/// So often in so long, all at once or spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How often.
    pub count: NonZero<u32>,
    /// In how long.
    pub period: Duration,
}

/// What is limited; `None`: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Forms of the sign-on, from one address.
    pub sign_in_per_address: Option<Rate>,
    /// Forms of the sign-on, with one e-mail address.
    pub sign_in_per_email: Option<Rate>,
    /// Ways on to one organization's identity provider.
    pub sign_in_per_organization: Option<Rate>,
    /// Answers of identity providers, from one address.
    pub answers_per_address: Option<Rate>,
    /// Forms that people work with, from one address.
    pub posts_per_address: Option<Rate>,
}

/// Who is counted, for what: a kind, and an address or a digest.
type Key = (u8, [u8; 16]);

/// The counts of this process.
#[derive(Debug)]
pub struct Counts {
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<Key, i64>>,
}

/// The most that are remembered at one time, of about 40 bytes each.
const ENTRIES_MAX: usize = 100_000;

impl Counts {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: Mutex::default() }
    }

    /// Counts one; an error says how many seconds are to be waited (the generic cell rate algorithm: kept is the time at
    /// which nothing would be owed any more).
    fn take(&self, key: Key, rate: Option<Rate>, now: Timestamp) -> Result<(), u64> {
        let Some(rate) = rate else { return Ok(()) };
        let period = i64::try_from(rate.period.as_micros()).unwrap_or(i64::MAX / 4);
        let each = (period / i64::from(rate.count.get())).max(1);
        let now = now.as_microsecond();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let owed_until = entries.get(&key).copied().unwrap_or(now).max(now);
        let wait = owed_until + each - period - now;
        if wait > 0 {
            return Err(u64::try_from(wait).unwrap_or(0).div_ceil(1_000_000));
        }
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(&key) {
            make_room(&mut entries, now);
        }
        entries.insert(key, owed_until + each);
        Ok(())
    }
}

/// Forgets whoever owes nothing, and if that is not enough, the half that owes least.
fn make_room(entries: &mut HashMap<Key, i64>, now: i64) {
    entries.retain(|_, owed_until| *owed_until > now);
    if entries.len() >= ENTRIES_MAX {
        let mut times: Vec<i64> = entries.values().copied().collect();
        let (_, middle, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
        let middle = *middle;
        entries.retain(|_, owed_until| *owed_until > middle);
    }
}

const SIGN_IN: u8 = 0;
const ANSWERS: u8 = 1;
const POSTS: u8 = 2;
const EMAIL: u8 = 3;
const ORGANIZATION: u8 = 4;

impl Call {
    /// Counts a request by the address that it comes from, or says that it is one too many.
    pub(super) fn limited_by_address(&self, route: &Route) -> Option<Response<Body>> {
        let limits = self.settings.limits;
        let is_post = self.method == Method::POST;
        let (kind, rate) = match route {
            Route::SignIn | Route::SignInStart if is_post => (SIGN_IN, limits.sign_in_per_address),
            Route::AssertionConsumerService | Route::Logout => (ANSWERS, limits.answers_per_address),
            Route::WaitingRoom | Route::Work(_) if is_post => (POSTS, limits.posts_per_address),
            _ => return None,
        };
        self.count((kind, octets_of(self.client)), rate)
    }

    /// Counts a form with that e-mail address, or says that it is one too many.
    pub(super) fn limited_by_email(&self, email: &EmailAddress) -> Option<Response<Body>> {
        let text = email.as_str().to_ascii_lowercase();
        self.count((EMAIL, digest(&text)), self.settings.limits.sign_in_per_email)
    }

    /// Counts a way to an organization's identity provider, or says that it is one too many.
    pub(super) fn limited_by_organization(&self, connection: &ConnectionId) -> Option<Response<Body>> {
        let key = (ORGANIZATION, digest(connection.as_str()));
        self.count(key, self.settings.limits.sign_in_per_organization)
    }

    fn count(&self, key: Key, rate: Option<Rate>) -> Option<Response<Body>> {
        let counts = &self.shared.counts;
        let wait = counts.take(key, rate, counts.clock.now()).err()?;
        Some(self.fault(&Fault::TooMany { retry_after_seconds: wait }))
    }
}

fn digest(text: &str) -> [u8; 16] {
    let [low, ..] = *sha256(text.as_bytes()).as_chunks::<16>().0 else { return [0; 16] };
    low
}

/// An IPv4 address in the last octets, of an IPv6 address its network in the first.
fn octets_of(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            network.to_be_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const THREE_A_MINUTE: Option<Rate> =
        Some(Rate { count: NonZero::new(3).unwrap(), period: Duration::from_mins(1) });

    #[test]
    fn so_many_pass_at_once_and_then_one_by_one() {
        let counts = Counts::new(Arc::new(SystemClock));
        let start: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let take = |after: u64, key: u8| {
            counts.take((key, [1; 16]), THREE_A_MINUTE, start + Duration::from_secs(after))
        };
        assert_eq!([take(0, 1), take(0, 1), take(0, 1), take(0, 1)], [Ok(()), Ok(()), Ok(()), Err(20)]);
        assert_eq!(take(0, 2), Ok(()), "others are not concerned");
        assert_eq!(take(19, 1), Err(1));
        assert_eq!([take(20, 1), take(20, 1)], [Ok(()), Err(20)]);
        assert_eq!([take(90, 1), take(90, 1), take(90, 1), take(90, 1)], [Ok(()), Ok(()), Ok(()), Err(20)]);
        assert_eq!(counts.take((1, [1; 16]), None, start), Ok(()), "without a limit nothing is counted");
    }

    /// Whatever comes, memory stays within its bound, and who owes most is not forgotten.
    #[test]
    fn the_counts_are_bounded() {
        let counts = Counts::new(Arc::new(SystemClock));
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let worst = (9, [9; 16]);
        for _ in 0..3 {
            counts.take(worst, THREE_A_MINUTE, now).unwrap();
        }
        for number in 0..120_000_u128 {
            counts.take((0, number.to_be_bytes()), THREE_A_MINUTE, now).unwrap();
        }
        assert!(counts.entries.lock().unwrap().len() <= ENTRIES_MAX);
        assert!(counts.take(worst, THREE_A_MINUTE, now).is_err());
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let octets = |text: &str| octets_of(text.parse().unwrap());
        assert_eq!(octets("2001:db8:1:2::1"), octets("2001:db8:1:2:ffff::2"));
        assert_ne!(octets("2001:db8:1:2::1"), octets("2001:db8:1:3::1"));
        assert_eq!(octets("192.0.2.1"), octets("::ffff:192.0.2.1"));
        assert_ne!(octets("192.0.2.1"), octets("192.0.2.2"));
    }
}
