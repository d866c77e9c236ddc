//! What is counted of each upstream: requests, failures by their codes, connections.
//!
//! Separate because each core counts for itself, in atomics that no other core writes, and whoever asks adds them up. The
//! counts belong to the upstream's URL and outlive a reload, as those who draw curves of them expect.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Failure, Upstream};

/// What fails on the way to an upstream or there; a client that breaks off is none of its faults.
const CODES: [&str; 8] = [
    "upstream_connect_failed",
    "upstream_connect_timeout",
    "upstream_tls_failed",
    "upstream_no_websocket",
    "upstream_overloaded",
    "upstream_timeout",
    "upstream_reset",
    "upstream_bad_response",
];

/// What is counted of all upstreams. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Tallies(Arc<Mutex<HashMap<Upstream, Record>>>);

/// How an upstream has fared since the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were sent there, those that were sent again among them.
    pub requests: u64,
    /// Requests, and tries to connect, that came to nothing, by the code of why.
    pub failures: Vec<(&'static str, u64)>,
    /// Connections that are open now.
    pub connections: u64,
}

#[derive(Debug, Default)]
struct Record {
    cores: Vec<Arc<Tally>>,
    /// What those have counted that are gone.
    past: Tally,
}

/// What one core counts of one upstream.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: AtomicU64,
    failures: [AtomicU64; CODES.len()],
    connections: AtomicU64,
}

/// A connection that counts as open until this is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Tally>);

impl Tallies {
    /// What an upstream has come to, over all cores.
    #[must_use]
    pub fn of(&self, upstream: &Upstream) -> Counts {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = Tally::default();
        if let Some(record) = records.get_mut(upstream) {
            record.settle();
            record.cores.iter().map(AsRef::as_ref).chain([&record.past]).for_each(|tally| sum.add(tally));
        }
        let counts = sum.failures.iter().map(|count| count.load(Ordering::Relaxed));
        Counts {
            requests: sum.requests.load(Ordering::Relaxed),
            failures: CODES.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect(),
            connections: sum.connections.load(Ordering::Relaxed),
        }
    }

    /// The part of one more core.
    pub(super) fn join(&self, upstream: &Upstream) -> Arc<Tally> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.entry(upstream.clone()).or_default();
        record.settle();
        let tally = Arc::<Tally>::default();
        record.cores.push(Arc::clone(&tally));
        tally
    }
}

impl Record {
    /// Adds up what nobody counts on any more.
    fn settle(&mut self) {
        let past = &self.past;
        self.cores.retain(|tally| {
            let is_used = Arc::strong_count(tally) > 1;
            if !is_used {
                past.add(tally);
            }
            is_used
        });
    }
}

impl Tally {
    /// A request is sent.
    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A request, or a try to connect, has come to nothing.
    pub(super) fn failed(&self, failure: &Failure) {
        let place = CODES.iter().position(|code| *code == failure.code());
        if let Some(count) = place.and_then(|place| self.failures.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection is open.
    pub(super) fn opened(self: &Arc<Self>) -> Open {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    fn add(&self, other: &Self) {
        let add = |own: &AtomicU64, other: &AtomicU64| {
            own.fetch_add(other.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        add(&self.requests, &other.requests);
        add(&self.connections, &other.connections);
        self.failures.iter().zip(&other.failures).for_each(|(own, other)| add(own, other));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_added_up_and_outlived() {
        let tallies = Tallies::default();
        let upstream = Upstream::parse("http://a.b").unwrap();
        let (one, other) = (tallies.join(&upstream), tallies.join(&upstream));
        one.sent();
        other.sent();
        other.failed(&Failure::Timeout);
        other.failed(&Failure::SessionEnded);
        let open = other.opened();
        let wanted =
            |connections| Counts { requests: 2, failures: vec![("upstream_timeout", 1)], connections };
        assert_eq!(tallies.of(&upstream), wanted(1));
        drop((one, other));
        assert_eq!(tallies.of(&upstream), wanted(1), "a connection outlives the pool");
        drop(open);
        assert_eq!(tallies.of(&upstream), wanted(0));
        assert_eq!(tallies.of(&Upstream::parse("http://a.c").unwrap()), Counts::default());
    }
}
