//! Who may come in: so many connections altogether, so many from one address, none while memory is short.
//!
//! Separate because all cores share these counts, and because who has come in counts until the
//! connection is gone, whatever has become of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Limits, WhenFull};

/// Connections beyond the limit that are let in at one time to be told so; further ones wait.
const TURNED_AWAY_AT_ONCE: usize = 64;

/// How often the log tells of addresses with too many connections.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is enough.
    None,
    /// No connections are accepted.
    High,
    /// Idle connections are closed, too.
    Critical,
}

/// Tells the listeners how short memory is; clones tell the same.
#[derive(Debug, Clone)]
pub struct Gauge(Arc<watch::Sender<Pressure>>);

impl Default for Gauge {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Pressure::None)))
    }
}

impl Gauge {
    /// Says how short it is now.
    pub fn show(&self, pressure: Pressure) {
        self.0.send_if_modified(|shown| std::mem::replace(shown, pressure) != pressure);
    }

    /// How short it is.
    #[must_use]
    pub fn shown(&self) -> Pressure {
        *self.0.borrow()
    }

    pub(super) fn follow(&self) -> watch::Receiver<Pressure> {
        self.0.subscribe()
    }
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// There are as many as there may be.
    Full,
    /// There are as many as there may be from its address.
    PerAddress,
    /// Memory is short, and it was idle.
    Memory,
}

/// Counts the connections that were turned away. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct TurnedAway(Arc<[AtomicU64; 3]>);

impl TurnedAway {
    /// How many there were, by reason.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let [full, per_address, memory] = &*self.0;
        [("full", full), ("per_address", per_address), ("memory", memory)]
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    fn add(&self, reason: Reason, connections: u64) {
        let [full, per_address, memory] = &*self.0;
        let count = match reason {
            Reason::Full => full,
            Reason::PerAddress => per_address,
            Reason::Memory => memory,
        };
        count.fetch_add(connections, Ordering::Relaxed);
    }
}

/// What all cores count together.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    seats: Arc<Semaphore>,
    standing: Arc<Semaphore>,
    when_full: WhenFull,
    each_max: Option<NonZero<u32>>,
    guests: Arc<Mutex<Guests>>,
    gauge: Gauge,
    turned_away: TurnedAway,
}

#[derive(Debug, Default)]
struct Guests {
    counts: HashMap<IpAddr, u32>,
    told: Option<Instant>,
}

/// A connection's place among all.
#[derive(Debug)]
pub(super) enum Slot {
    /// It is served.
    Seat { _permit: OwnedSemaphorePermit },
    /// It is told that there is no room.
    Standing { _permit: OwnedSemaphorePermit },
}

impl Slot {
    pub(super) const fn is_turned_away(&self) -> bool {
        matches!(self, Self::Standing { .. })
    }
}

/// A connection's place among those of its address; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    address: IpAddr,
    guests: Arc<Mutex<Guests>>,
}

impl Doors {
    pub(super) fn new(limits: &Limits, gauge: Gauge, turned_away: TurnedAway) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(limits.connections_max)),
            standing: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
            when_full: limits.when_full,
            each_max: limits.connections_per_address,
            guests: Arc::default(),
            gauge,
            turned_away,
        }
    }

    /// Waits until a connection may be accepted.
    pub(super) async fn open(&self) -> Slot {
        let mut pressure = self.gauge.follow();
        // The gauge is held by these doors, so there is always one that shows.
        drop(pressure.wait_for(|pressure| *pressure == Pressure::None).await);
        let seat = |permit| Slot::Seat { _permit: permit };
        match self.when_full {
            WhenFull::Wait => seat(acquire(&self.seats).await),
            WhenFull::Refuse => tokio::select! {
                biased;
                permit = acquire(&self.seats) => seat(permit),
                permit = acquire(&self.standing) => Slot::Standing { _permit: permit },
            },
        }
    }

    /// A seat, if one is free right now.
    pub(super) fn open_now(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        Some(Slot::Seat { _permit: permit })
    }

    /// Notes that connections were not served, or are no more.
    pub(super) fn turned_away(&self, reason: Reason, connections: usize) {
        self.turned_away.add(reason, u64::try_from(connections).unwrap_or(u64::MAX));
    }

    /// Takes a connection of that address in, or not if it has too many.
    pub(super) fn greet(&self, address: IpAddr) -> Option<Guest> {
        let address = prefix(address);
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let count = guests.counts.entry(address).or_default();
        if self.each_max.is_some_and(|max| *count >= max.get()) {
            guests.tell(address);
            self.turned_away.add(Reason::PerAddress, 1);
            return None;
        }
        *count += 1;
        Some(Guest { address, guests: Arc::clone(&self.guests) })
    }
}

impl Guests {
    fn tell(&mut self, address: IpAddr) {
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(
                %address,
                "an address has too many connections; further ones are closed (listen.connections_per_address; \
                 a load balancer belongs into listen.trusted_proxies)"
            );
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = guests.counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                guests.counts.remove(&self.address);
            }
        }
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_owned().await.expect("the doors never close their semaphores")
}

/// An IPv4 address, or the network of an IPv6 address that one customer has at least.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_count_together() {
        let limits = Limits { connections_per_address: NonZero::new(2), ..Limits::default() };
        let turned_away = TurnedAway::default();
        let doors = Doors::new(&limits, Gauge::default(), turned_away.clone());
        let greet = |text: &str| doors.greet(text.parse().expect("an address"));
        let first = greet("2001:db8::1").expect("the first");
        let _second = greet("2001:db8::ffff:2").expect("the second");
        assert!(greet("2001:db8:0:0:3::").is_none());
        let _other = greet("2001:db8:0:1::1").expect("of another network");
        drop(first);
        let _third = greet("2001:db8::3").expect("there is room again");
        let _v4 = greet("192.0.2.1").expect("one");
        let _mapped = greet("::ffff:192.0.2.1").expect("two");
        assert!(greet("192.0.2.1").is_none());
        assert!(greet("192.0.2.2").is_some());
        assert_eq!(doors.guests.lock().expect("nobody panicked").counts.len(), 3);
        assert_eq!(turned_away.counts(), [("full", 0), ("per_address", 2), ("memory", 0)]);
    }
}
