//! The connections to the application: opened, kept between requests, chosen, given up.
//!
//! Separate because the rules of reuse are the rules of not sending anything twice. A connection
//! goes back only after both bodies came to their end; otherwise it is closed, which also tells the
//! application that nobody waits any more.

mod alarm;
mod budget;
mod connection;
mod line;
mod patience;
mod relay;
mod site;
mod streams;

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::upstream::{Dialled, Group, Inside, Member, Sign, Slot};
use super::{Failure, Reuse, Settings, Timeouts};

pub(super) use self::connection::{Connection, Next};
pub(super) use self::line::Switched;

use self::alarm::Alarm;
use self::budget::Budget;
use self::line::Line;
use self::site::Site;
use self::streams::Channel;

/// How often is looked for connections that have been unused for too long.
const SWEPT_EVERY_MIN: Duration = Duration::from_millis(20);
const SWEPT_EVERY_MAX: Duration = Duration::from_secs(2);
/// Unused connections kept per upstream and core.
const PARKED_MAX: usize = 256;

/// The connections of one core.
#[derive(Debug)]
pub(super) struct Pool {
    sites: Vec<Site>,
    group: Arc<Group>,
    timeouts: Timeouts,
    reuse: Reuse,
    is_sticky: bool,
    turn: AtomicUsize,
    budget: Budget,
    alarm: Arc<Alarm>,
    /// The alarm, as unused connections know it.
    waker: Waker,
    is_watched: AtomicBool,
}

/// What a request needs of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// Whether sending it twice does no harm.
    pub(super) replayable: bool,
    /// What it is wanted for.
    pub(super) inside: Inside,
    /// Whose request it is, where that decides on the upstream.
    pub(super) session: Option<u64>,
}

/// A request that got no answer, and from which upstream, if it shall not be asked again.
struct Lost {
    failed: Option<usize>,
}

/// Why there is no connection, and to which upstream, where one was chosen.
pub(super) struct Unconnected {
    pub(super) failure: Failure,
    pub(super) site: Option<usize>,
}

impl From<Failure> for Unconnected {
    fn from(failure: Failure) -> Self {
        Self { failure, site: None }
    }
}

impl Pool {
    /// A pool without connections.
    pub(super) fn new(settings: &Settings, closing: &CancellationToken) -> Self {
        let alarm = Arc::new(Alarm::default());
        Self {
            sites: settings.upstreams.iter().map(|one| Site::new(settings.tallies.join(one))).collect(),
            group: Group::of(settings, closing),
            timeouts: settings.timeouts,
            reuse: settings.reuse,
            is_sticky: settings.balance.sticky,
            turn: AtomicUsize::new(0),
            budget: Budget::default(),
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
            is_watched: AtomicBool::new(false),
        }
    }

    /// Whether there is another upstream than the one at hand.
    pub(super) const fn has_several(&self) -> bool {
        self.sites.len() > 1
    }

    /// What an upstream is called in the log: host and port.
    pub(super) fn name(&self, site: usize) -> Arc<str> {
        self.group.member(site).map_or_else(Arc::default, |member| Arc::clone(&member.name))
    }

    /// Whether one more request may be sent a second time.
    pub(super) fn may_repeat(&self) -> bool {
        self.budget.withdraw()
    }

    /// A connection to the upstream that suits best, preferably one that was used before. A request that cannot
    /// be repeated gets one only if it was in use a moment ago, which the application is unlikely to be
    /// closing right now, or none at all: see [`Reuse`].
    pub(super) async fn take(self: &Arc<Self>, wish: Wish) -> Result<Connection, Unconnected> {
        self.budget.deposit();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if let Some(site) = self.preferred(turn, wish.session)
            && let Some(member) = self.group.member(site)
            && let Ok(slot) = slot_of(member)
            && let Some(connection) = self.reuse(site, member, wish)
        {
            return Ok(connection.with_slot(slot));
        }
        // Rare, and large: what is boxed here takes no room in each request.
        Box::pin(self.connect(turn, wish, None)).await
    }

    /// Another connection for a request that got no answer: not to the upstream that it was sent to, if there is
    /// any other.
    pub(super) async fn take_other(
        self: &Arc<Self>,
        wish: Wish,
        failed: Option<usize>,
    ) -> Result<Connection, Unconnected> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Box::pin(self.connect(turn, wish, Some(Lost { failed }))).await
    }

    /// A connection to the first upstream that can be reached, the one that suits best first; a new one for a
    /// request that was lost on another.
    async fn connect(
        self: &Arc<Self>,
        turn: usize,
        wish: Wish,
        lost: Option<Lost>,
    ) -> Result<Connection, Unconnected> {
        let mut order: Vec<usize> = self.in_turn(turn).collect();
        let failed = lost.as_ref().and_then(|lost| lost.failed);
        order.sort_by_cached_key(|site| (Some(*site) == failed, self.reluctance(*site, wish.session)));
        let mut failure = None;
        let mut full = None;
        for site in order {
            let Some(member) = self.group.member(site) else { continue };
            let Ok(slot) = slot_of(member) else {
                full = full.or(Some((site, member)));
                continue;
            };
            if lost.is_none()
                && let Some(connection) = self.reuse(site, member, wish)
            {
                return Ok(connection.with_slot(slot));
            }
            match self.open(site, member, turn, wish).await {
                Ok(connection) => return Ok(connection.with_slot(slot)),
                Err(error) => failure = Some(Unconnected { failure: error, site: Some(site) }),
            }
        }
        // Only where all others have failed, or there is none: wait for one that is there, but busy.
        let Some((site, member)) = full else {
            return Err(failure.unwrap_or_else(|| Failure::NoUpstream.into()));
        };
        let unconnected = |failure| Unconnected { failure, site: Some(site) };
        let Some(slots) = &member.slots else { return Err(Failure::NoUpstream.into()) };
        let waited = slots.wait(self.timeouts.queue).await;
        let slot = waited.ok_or_else(|| {
            self.failed(site, &Failure::Overloaded);
            unconnected(Failure::Overloaded)
        })?;
        let connection = match self.reuse(site, member, wish) {
            Some(connection) => connection,
            None => self.open(site, member, turn, wish).await.map_err(unconnected)?,
        };
        Ok(connection.with_slot(Some(slot)))
    }

    /// A connection that is there already.
    fn reuse(self: &Arc<Self>, site: usize, member: &Member, wish: Wish) -> Option<Connection> {
        let connection = self.find(site, member, wish)?;
        if member.health.is_in_doubt() {
            member.health.chosen(self.group.now());
        }
        Some(connection)
    }

    fn find(self: &Arc<Self>, site: usize, member: &Member, wish: Wish) -> Option<Connection> {
        let own = self.sites.get(site)?;
        if member.may_have_streams()
            && wish.inside == Inside::Any
            && let Some(channel) = own.channel(member)
        {
            return Some(Connection::stream(self, site, channel, true));
        }
        let fresh = self.reuse.fresh(wish.replayable, self.timeouts.pool_idle)?;
        let parked = own.unpark(member, fresh, self.timeouts.pool_idle)?;
        Some(Connection::alone(self, site, parked, true))
    }

    /// A new connection, or a stream of one that was opened meanwhile.
    async fn open(
        self: &Arc<Self>,
        site: usize,
        member: &Member,
        turn: usize,
        wish: Wish,
    ) -> Result<Connection, Failure> {
        let own = self.sites.get(site).ok_or(Failure::NoUpstream)?;
        let is_shared =
            member.may_have_streams() && wish.inside == Inside::Any && !own.declined.load(Ordering::Relaxed);
        let asked = Instant::now();
        let mut opening = if is_shared { Some(own.opening.lock().await) } else { None };
        if let Some(last) = opening.as_deref_mut() {
            if let Some(channel) = own.channel(member) {
                return Ok(Connection::stream(self, site, channel, true));
            }
            if let Some((at, failure)) = last
                && *at > asked
            {
                return Err(failure.once_more());
            }
        }
        member.health.chosen(self.group.now());
        let made = self.begin(site, member, turn, wish.inside).await;
        if let (Some(last), Err(failure)) = (opening.as_deref_mut(), &made) {
            *last = Some((Instant::now(), failure.once_more()));
        }
        if let Err(failure) = &made {
            own.tally.failed(failure);
        }
        // A wish that the upstream cannot meet says nothing about its health.
        if made.as_ref().is_err_and(|failure| !matches!(failure, Failure::NoWebSocket)) {
            member.note(Sign::Unreachable, self.group.now());
        }
        made
    }

    async fn begin(
        self: &Arc<Self>,
        site: usize,
        member: &Member,
        turn: usize,
        inside: Inside,
    ) -> Result<Connection, Failure> {
        let Dialled { wire, has_streams, seen } = member.dial(&self.timeouts, turn, inside).await?;
        let Some(own) = self.sites.get(site) else { return Err(Failure::NoUpstream) };
        let open = own.tally.opened();
        if has_streams {
            let channel = Channel::begin(wire, (seen, open), &self.timeouts).await?;
            channel.take();
            own.channels().push(Arc::clone(&channel));
            return Ok(Connection::stream(self, site, channel, false));
        }
        if inside == Inside::Any {
            own.declined.store(true, Ordering::Relaxed);
        }
        let line = Box::new(Line::new(wire, (seen, open), &self.timeouts));
        Ok(Connection::alone(self, site, line, false))
    }

    /// Keeps a connection whose exchange is over.
    fn keep(self: &Arc<Self>, site: usize, mut line: Box<Line>) {
        if self.reuse == Reuse::Never || !line.is_reusable() {
            return;
        }
        // It is looked for every so often, and shall have gone by then.
        line.rest(self.timeouts.pool_idle.saturating_sub(self.swept_every()));
        // From now on it calls for the watcher.
        if line.poll_disturbed(&mut Context::from_waker(&self.waker)).is_ready() {
            return;
        }
        if let Some(site) = self.sites.get(site) {
            let mut kept = site.parked();
            if kept.len() < PARKED_MAX {
                kept.push(line);
            }
        }
        if !self.is_watched.swap(true, Ordering::Relaxed) {
            tokio::spawn(watch(Arc::downgrade(self), Arc::clone(&self.alarm), self.swept_every()));
        }
    }

    /// Lets go of unused connections that are over; says whether there are others.
    fn sweep(&self) -> bool {
        let mut context = Context::from_waker(&self.waker);
        let mut are_left = false;
        for site in &self.sites {
            let mut parked = site.parked();
            parked.retain_mut(|line| line.poll_disturbed(&mut context).is_pending());
            are_left |= !parked.is_empty();
        }
        are_left
    }

    fn swept_every(&self) -> Duration {
        (self.timeouts.pool_idle / 8).clamp(SWEPT_EVERY_MIN, SWEPT_EVERY_MAX)
    }

    fn note(&self, site: usize, sign: Sign) {
        if let Some(member) = self.group.member(site) {
            // The time matters only to what is not well.
            let now = if sign == Sign::Answered { 0 } else { self.group.now() };
            member.note(sign, now);
        }
    }

    fn began(&self, site: usize) {
        if let Some(site) = self.sites.get(site) {
            site.in_flight.fetch_add(1, Ordering::Relaxed);
            site.tally.sent();
        }
    }

    fn failed(&self, site: usize, failure: &Failure) {
        if let Some(site) = self.sites.get(site) {
            site.tally.failed(failure);
        }
    }

    fn ended(&self, site: usize) {
        if let Some(site) = self.sites.get(site) {
            site.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Where the next request goes.
    fn preferred(&self, turn: usize, session: Option<u64>) -> Option<usize> {
        if self.sites.len() < 2 {
            return Some(0);
        }
        self.in_turn(turn).min_by_key(|site| self.reluctance(*site, session))
    }

    /// All upstreams, another one first every time.
    fn in_turn(&self, turn: usize) -> impl Iterator<Item = usize> {
        let count = self.sites.len();
        (0..count).map(move |place| place.wrapping_add(turn) % count)
    }

    /// What speaks against an upstream: that it is unwell, then that another has the session, then how busy it is.
    fn reluctance(&self, site: usize, session: Option<u64>) -> Option<(bool, Reverse<u64>, usize)> {
        let (own, member) = (self.sites.get(site)?, self.group.member(site)?);
        let suits = session.filter(|_| self.is_sticky).map_or(0, |session| member.suits(session));
        let is_unwell = !member.health.is_well(self.group.now());
        Some((is_unwell, Reverse(suits), own.in_flight.load(Ordering::Relaxed)))
    }
}

/// Looks after the unused connections of a pool, as long as there are any: at once where something happens to one, and every
/// so often for those that have been unused for too long, which need no timer of their own for it.
async fn watch(pool: Weak<Pool>, alarm: Arc<Alarm>, every: Duration) {
    loop {
        drop(timeout(every, alarm.rung()).await);
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep() {
            // Whoever keeps the next one begins anew; nobody can do so in between, because a pool belongs to one core.
            pool.is_watched.store(false, Ordering::Relaxed);
            return;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.alarm.ring();
    }
}

/// Leave to have another request there; an error if there is none at the moment.
fn slot_of(member: &Member) -> Result<Option<Slot>, Full> {
    match &member.slots {
        None => Ok(None),
        Some(slots) => slots.take().map(Some).ok_or(Full),
    }
}

/// The upstream has as many requests as it may have.
struct Full;
