//! The upstreams as all cores know them: where they are, whether they are well, how they are reached.
//!
//! Separate from the pool, which belongs to one core: what one core finds out about an upstream holds for the
//! others, and a limit on an upstream is a limit for all of them. A reload with other settings makes all of it
//! anew, so that no connection made under one way of verifying is ever used under another.

mod addresses;
mod check;
mod dial;
mod health;
mod slots;
mod tls;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::monotonic::{self, Moment};
use crate::secret::sha256;

use super::deadline::to_millis;
use super::{Failure, Protocol, Settings, Timeouts, Upstream};

pub use self::addresses::{Resolve, SystemResolver};
pub use self::check::ask_directly;
pub use self::tls::{Error as TlsError, Identity, Offer, Roots, Tls};

pub(super) use self::addresses::Seen;
pub(super) use self::dial::{Dialled, Inside, Wire};
pub(super) use self::health::Sign;
pub(super) use self::slots::Slot;

use self::addresses::Addresses;
use self::dial::Link;
use self::health::Health;
use self::slots::Slots;

/// What is known of the upstreams of some settings; made when the first core needs it.
#[derive(Clone, Default)]
pub struct State(OnceLock<Arc<Group>>);

impl State {
    /// The upstreams that are asked last at the moment, because they fail or their check does.
    #[must_use]
    pub fn unwell(&self) -> Vec<String> {
        let members = self.0.get().map_or(&[][..], |group| &group.members);
        let now = self.0.get().map_or(0, |group| group.now());
        members
            .iter()
            .filter(|member| !member.health.is_well(now))
            .map(|member| member.upstream.to_string())
            .collect()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.unwell()).finish()
    }
}

/// All upstreams, in the order of the settings.
pub(super) struct Group {
    members: Vec<Member>,
    epoch: Moment,
}

/// One upstream.
pub(super) struct Member {
    pub(super) upstream: Upstream,
    /// Host and port, for the log.
    pub(super) name: Arc<str>,
    pub(super) health: Health,
    pub(super) slots: Option<Slots>,
    addresses: Addresses,
    link: Link,
    /// Tells it apart from the others when sessions are distributed; the same on every node.
    mark: u64,
}

impl Group {
    /// The group of these settings; the first to ask also begins the checks of the upstreams' health.
    pub(super) fn of(settings: &Settings, closing: &CancellationToken) -> Arc<Self> {
        let make = || {
            let group = Arc::new(Self {
                members: settings.upstreams.iter().map(|upstream| Member::new(upstream, settings)).collect(),
                epoch: monotonic::now(),
            });
            if let Some(check) = &settings.balance.check {
                check::begin(&group, check, settings, closing);
            }
            group
        };
        Arc::clone(settings.state.0.get_or_init(make))
    }

    pub(super) fn member(&self, place: usize) -> Option<&Member> {
        self.members.get(place)
    }

    /// Milliseconds since the group was made.
    pub(super) fn now(&self) -> u64 {
        to_millis(monotonic::now() - self.epoch)
    }
}

impl Member {
    fn new(upstream: &Upstream, settings: &Settings) -> Self {
        let link = match upstream.protocol() {
            Protocol::Http => Link::Clear,
            Protocol::H2c => Link::Streams,
            Protocol::Https => settings.tls.clone().map_or(Link::Unset, Link::Tls),
        };
        let hash = sha256(upstream.to_string().as_bytes());
        Self {
            upstream: upstream.clone(),
            name: format!("{}:{}", upstream.host(), upstream.port()).into(),
            health: Health::new(to_millis(settings.timeouts.rest), settings.balance.excuses_max),
            slots: settings.balance.requests_max.map(Slots::new),
            addresses: Addresses::new(upstream, &settings.resolver, settings.balance.dns_refresh),
            link,
            mark: hash.iter().take(8).fold(0, |mark, octet| mark << 8 | u64::from(*octet)),
        }
    }

    /// A new connection; `turn` says with which of its addresses to begin.
    pub(super) async fn dial(
        &self,
        timeouts: &Timeouts,
        turn: usize,
        inside: Inside,
    ) -> Result<Dialled, Failure> {
        self.link.can_carry(inside)?;
        let known = self.addresses.get().await?;
        let reached = dial::reach(&known, turn, timeouts.connect).await?;
        self.link.begin(reached, self.upstream.host(), timeouts.handshake, inside).await
    }

    /// Whether a connection that was made there still leads to the upstream.
    pub(super) fn is_current(&self, seen: Seen) -> bool {
        self.addresses.is_current(seen)
    }

    /// Whether its connections carry many requests at a time, at least some of them.
    pub(super) const fn may_have_streams(&self) -> bool {
        self.link.may_have_streams()
    }

    /// How well it suits a session: the highest number takes it (rendezvous hashing), so that a session moves only
    /// when its own upstream goes or comes.
    pub(super) const fn suits(&self, session: u64) -> u64 {
        // The finalizer of splitmix64; both numbers come from a hash already.
        let mut mixed = session ^ self.mark;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Takes note of how a request or a connection went.
    pub(super) fn note(&self, sign: Sign, now: u64) {
        if let Some(rest) = self.health.note(sign, now) {
            let seconds = Duration::from_millis(rest).as_secs_f32();
            tracing::warn!(upstream = %self.upstream, seconds, "upstream is asked last for a while");
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.iter().map(|member| &member.upstream)).finish()
    }
}
