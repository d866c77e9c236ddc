//! The sessions that this node knows, kept true by the change feed.
//!
//! Separate because the gate must answer from memory alone, and because everything that is open for a user
//! (requests, streams, Waiting Room pages) has to learn within a second that the user's access changed.
//!
//! Rules:
//! - What is in memory is what the store said, plus the time of the last request, which is written back.
//! - A session loaded while changes came in is loaded again: no change can slip in between.
//! - Losing any access that one had cancels what is streaming; gaining some does not.
//! - What is the same for several sessions is kept once: what is known of a user, and how people authenticate.

mod memory;
mod state;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::directory::Account;
use crate::id::UserId;
use crate::session::{Kept, Lifetimes, SessionHash};
use crate::sign_on::lease::Lease;
use crate::store::{self, Store, Touch};
use crate::target::ReturnPath;

use memory::Memory;

pub use state::{Known, State, Verdict};

/// A session in memory.
#[derive(Debug)]
pub struct LiveSession {
    session: Kept,
    state: ArcSwap<State>,
    last_seen_millis: AtomicI64,
    written_millis: AtomicI64,
    wanted: ArcSwapOption<ReturnPath>,
    /// Made for the first who listens: most sessions never wait for anything.
    changes: OnceLock<watch::Sender<()>>,
    applying: Mutex<()>,
    asked_seconds: AtomicU32,
    ended: Ended,
}

/// Whether a session has ended.
#[derive(Debug, Default)]
pub struct Ended(AtomicBool);

impl Ended {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// All sessions that this node knows.
#[derive(Debug)]
pub struct Live {
    store: Arc<dyn Store>,
    memory: Memory,
    /// The ways to authenticate that are in use.
    methods: Mutex<Vec<Arc<[String]>>>,
    epoch: AtomicU64,
}

impl LiveSession {
    fn new(session: Kept, last_seen_at: Timestamp, known: Arc<Known>, now: Timestamp) -> Self {
        let seen = last_seen_at.as_millisecond();
        Self {
            state: ArcSwap::from_pointee(State::new(known, Lease::default())),
            last_seen_millis: AtomicI64::new(seen),
            written_millis: AtomicI64::new(seen),
            wanted: ArcSwapOption::empty(),
            changes: OnceLock::new(),
            applying: Mutex::default(),
            asked_seconds: AtomicU32::new(seconds(now)),
            ended: Ended::default(),
            session,
        }
    }

    /// The session as it began.
    #[must_use]
    pub const fn session(&self) -> &Kept {
        &self.session
    }

    /// What the user may do now.
    pub fn state(&self, now: Timestamp) -> Arc<State> {
        let state = self.state.load();
        if state.has_lapsed(now) {
            let account = state.account.clone();
            drop(state);
            self.apply(Arc::new(Known::new(account, now)));
            return self.state.load_full();
        }
        Arc::clone(&state)
    }

    /// Whether the session has ended.
    #[must_use]
    pub const fn ended(&self) -> &Ended {
        &self.ended
    }

    /// Wakes whenever the user's standing may have changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        let changes = self.changes.get_or_init(|| watch::Sender::new(())).subscribe();
        // Who listens looks at the state from now on: either that shows the change, or `tell` sees the listener.
        fence(Ordering::SeqCst);
        changes
    }

    fn tell(&self) {
        fence(Ordering::SeqCst);
        if let Some(changes) = self.changes.get() {
            changes.send_replace(());
        }
    }

    /// Notes that the session was used.
    pub fn touch(&self, now: Timestamp) {
        let now = now.as_millisecond();
        // Most often it is noted already.
        if self.last_seen_millis.load(Ordering::Relaxed) < now {
            self.last_seen_millis.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Notes that somebody wants to know about the session, which keeps it in memory but is no use of it.
    pub fn ask(&self, now: Timestamp) {
        let seconds = seconds(now);
        // Most often it is noted already, and many cores may read at the same time.
        if self.asked() != seconds {
            self.asked_seconds.store(seconds, Ordering::Relaxed);
        }
    }

    fn asked(&self) -> u32 {
        self.asked_seconds.load(Ordering::Relaxed)
    }

    /// Notes which path was asked for while waiting.
    pub fn want(&self, path: ReturnPath) {
        self.wanted.store(Some(Arc::new(path)));
    }

    /// The path to open once the user is let in.
    #[must_use]
    pub fn wanted(&self) -> ReturnPath {
        self.wanted.load().as_deref().map_or_else(|| self.session.return_path.clone(), ReturnPath::clone)
    }

    /// Whether the session is alive at a moment.
    #[must_use]
    pub fn is_alive(&self, lifetimes: &Lifetimes, now: Timestamp) -> bool {
        !self.ended.is_over() && lifetimes.is_alive(self.session.ends_at(), self.last_seen_at(), now)
    }

    fn last_seen_at(&self) -> Timestamp {
        time_of(self.last_seen_millis.load(Ordering::Relaxed))
    }

    /// Takes over what the store says about the user, unless something newer is known already.
    fn apply(&self, known: Arc<Known>) {
        let one_at_a_time = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        if known.account.user.access_version < old.account.user.access_version {
            return;
        }
        if known.agrees_with(&old) {
            // Something about the user that decides nothing here, such as a request for access.
            drop(one_at_a_time);
            self.tell();
            return;
        }
        let kept = old.is_kept_by(&known);
        // A session that is over gives no access any more.
        let access = if kept || self.ended.is_over() { old.access.clone() } else { Lease::default() };
        self.state.store(Arc::new(State::new(known, access)));
        if !kept {
            old.access.end();
        }
        drop(one_at_a_time);
        self.tell();
    }

    fn end(&self) {
        let one_at_a_time = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        self.ended.0.store(true, Ordering::Release);
        self.state.load().access.end();
        drop(one_at_a_time);
        self.tell();
    }

    fn is_written(&self) -> bool {
        self.written_millis.load(Ordering::Relaxed) == self.last_seen_millis.load(Ordering::Relaxed)
    }

    /// What has to be written down, if anything has happened since the last time.
    fn unwritten(&self) -> Option<Touch> {
        let seen = self.last_seen_millis.load(Ordering::Relaxed);
        let return_path = self.wanted.load().as_deref().cloned();
        let is_written = self.written_millis.swap(seen, Ordering::Relaxed) == seen;
        (!is_written).then(|| Touch { hash: self.session.hash, last_seen_at: time_of(seen), return_path })
    }
}

impl Live {
    /// An empty memory over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, memory: Memory::new(SESSIONS_MAX), methods: Mutex::default(), epoch: AtomicU64::new(0) }
    }

    /// The session, if this node knows it already.
    #[must_use]
    pub fn known(&self, hash: &SessionHash) -> Option<Arc<LiveSession>> {
        self.memory.get(hash)
    }

    /// The session, from the store if this node does not know it; `None` if there is none.
    pub async fn find(&self, hash: &SessionHash, now: Timestamp) -> store::Result<Option<Arc<LiveSession>>> {
        if let Some(known) = self.known(hash) {
            return Ok(Some(known));
        }
        let epoch = self.epoch.load(Ordering::SeqCst);
        let Some(view) = self.store.session(hash).await? else { return Ok(None) };
        let loaded = self.memory.get_or_insert(hash, || {
            let last_seen_at = view.session.last_seen_at;
            let known = self.shared(view.account, now);
            let mut session = Kept::from(view.session);
            session.user = known.account.user.id.clone();
            session.methods = self.shared_methods(session.methods);
            LiveSession::new(session, last_seen_at, known, now)
        });
        if self.epoch.load(Ordering::SeqCst) != epoch {
            // What was just read may be over by now. If the store does not say so, the session is looked for again.
            self.refresh(&loaded, now).await.inspect_err(|_| self.end(&loaded))?;
        }
        Ok((!loaded.ended.is_over()).then_some(loaded))
    }

    /// Asks the store again about all sessions of users. However many there are, they cost few queries: nobody's access
    /// lasts longer because much changes at once.
    pub async fn revalidate(&self, users: &[UserId], now: Timestamp) -> store::Result<()> {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let mut sessions: HashMap<_, _> = users
            .iter()
            .flat_map(|user| self.memory.of_user(user))
            .map(|session| (session.session.hash, session))
            .collect();
        let hashes: Vec<_> = sessions.keys().copied().collect();
        for some in hashes.chunks(SESSIONS_AT_ONCE) {
            for view in self.store.sessions_still(some).await? {
                if let Some(session) = sessions.remove(&view.session.hash) {
                    session.apply(self.shared(view.account, now));
                }
            }
            // What the store does not know any more is over.
            for session in some.iter().filter_map(|hash| sessions.remove(hash)) {
                self.end(&session);
            }
        }
        Ok(())
    }

    /// Ends what is over by the clock, lets standings lapse on time, and lets go of headers that are too old to be
    /// sent. Called about every second.
    pub fn sweep(&self, lifetimes: &Lifetimes, now: Timestamp) {
        let over = self.memory.sweep(|session| {
            let is_alive = session.is_alive(lifetimes, now);
            if is_alive {
                session.state(now).drop_stale_headers(now);
            }
            is_alive
        });
        for session in over {
            self.end(&session);
        }
    }

    /// Ends a session here, for another reason than time or the store's word.
    pub fn end(&self, session: &LiveSession) {
        session.end();
        self.memory.remove(session);
    }

    /// Ends all sessions of which something is so.
    pub fn end_where(&self, is_over: impl Fn(&Kept) -> bool) {
        for session in self.memory.all().iter().filter(|session| is_over(&session.session)) {
            self.end(session);
        }
    }

    /// Forgets the sessions that nobody has asked for in a while and that have nothing to be written down; they are
    /// read from the store again when somebody does.
    pub fn forget_idle(&self, idle: Duration, now: Timestamp) {
        let before = seconds(now.saturating_sub(idle).unwrap_or(now));
        self.memory.forget(|session| session.asked() < before && session.is_written());
    }

    /// Writes down when sessions were last used.
    pub async fn flush(&self) -> store::Result<()> {
        let touches: Vec<_> = self.memory.all().iter().filter_map(|session| session.unwritten()).collect();
        for chunk in touches.chunks(500) {
            self.store.touch(chunk).await?;
        }
        Ok(())
    }

    /// How many sessions this node has in memory.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.memory.len()).unwrap_or(u64::MAX)
    }

    async fn refresh(&self, session: &LiveSession, now: Timestamp) -> store::Result<()> {
        if let Some(view) = self.store.session(&session.session.hash).await? {
            session.apply(self.shared(view.account, now));
        } else {
            self.end(session);
        }
        Ok(())
    }

    /// What is known of a user by this account: what another session of theirs has, if that says the same.
    fn shared(&self, account: Account, now: Timestamp) -> Arc<Known> {
        let known = Known::new(account, now);
        let others = self.memory.of_user(&known.account.user.id);
        let same = others.iter().find_map(|other| {
            let state = other.state.load();
            state.agrees_with(&known).then(|| Arc::clone(state.known()))
        });
        same.unwrap_or_else(|| Arc::new(known))
    }

    fn shared_methods(&self, methods: Arc<[String]>) -> Arc<[String]> {
        let mut known = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|known| **known == methods) {
            return Arc::clone(same);
        }
        if known.len() < METHODS_SHARED_MAX {
            known.push(Arc::clone(&methods));
        }
        methods
    }
}

fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_second()).unwrap_or(u32::MAX)
}

fn time_of(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// About 1 kB each, and as much again for half a minute after a request.
const SESSIONS_MAX: usize = 200_000;

/// How many sessions the store is asked about at once. What it says of them takes effect before it is asked about others.
const SESSIONS_AT_ONCE: usize = 250;

/// More than there are in practice; what comes after them is kept with each session.
const METHODS_SHARED_MAX: usize = 64;

#[cfg(test)]
mod tests;
