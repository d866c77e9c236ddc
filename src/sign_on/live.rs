//! The sessions that this node knows, kept true by the change feed.
//!
//! Separate because the gate must answer from memory alone, and because everything that is open for a user
//! (requests, streams, Waiting Room pages) has to learn within a second that the user's access changed.
//!
//! Rules:
//! - What is in memory is what the store said, plus the time of the last request, which is written back.
//! - A session loaded while changes came in is loaded again: no change can slip in between.
//! - Losing any access that one had cancels what is streaming; gaining some does not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::sync::watch;

use crate::directory::{Account, Standing};
use crate::id::UserId;
use crate::session::{Lifetimes, Session, SessionHash};
use crate::sign_on::gate::IdentityHeaders;
use crate::sign_on::lease::Lease;
use crate::store::{self, SessionView, Store, Touch};
use crate::target::ReturnPath;

/// A session in memory.
#[derive(Debug)]
pub struct LiveSession {
    session: Session,
    state: ArcSwap<State>,
    last_seen_millis: AtomicI64,
    written_millis: AtomicI64,
    wanted: ArcSwapOption<ReturnPath>,
    ended: Lease,
    /// Made for the first who listens: most sessions never wait for anything.
    changes: OnceLock<watch::Sender<()>>,
    applying: Mutex<()>,
}

/// What a session's user may do, as of the last time the store was asked.
#[derive(Debug)]
pub struct State {
    /// The user and all grants.
    pub account: Account,
    /// What follows from them, until `standing_until`.
    pub standing: Standing,
    standing_until: Option<Timestamp>,
    /// Ends when the user loses anything of this standing, or the session is over.
    pub access: Lease,
    /// The identity headers minted for this standing.
    pub minted: ArcSwapOption<Minted>,
}

/// Identity headers, and when to make new ones.
#[derive(Debug)]
pub struct Minted {
    /// The headers.
    pub headers: Arc<IdentityHeaders>,
    /// Half the life of the assertion is over.
    pub refresh_at: Timestamp,
}

/// All sessions that this node knows.
#[derive(Debug)]
pub struct Live {
    store: Arc<dyn Store>,
    cache: Cache<SessionHash, Arc<LiveSession>>,
    by_user: Mutex<HashMap<UserId, Vec<Weak<LiveSession>>>>,
    epoch: AtomicU64,
}

impl LiveSession {
    fn new(view: SessionView, now: Timestamp) -> Self {
        let seen = view.session.last_seen_at.as_millisecond();
        Self {
            state: ArcSwap::from_pointee(State::new(view.account, now)),
            last_seen_millis: AtomicI64::new(seen),
            written_millis: AtomicI64::new(seen),
            wanted: ArcSwapOption::empty(),
            ended: Lease::default(),
            changes: OnceLock::new(),
            applying: Mutex::default(),
            session: view.session,
        }
    }

    /// The session as it began.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// What the user may do now.
    pub fn state(&self, now: Timestamp) -> Arc<State> {
        let state = self.state.load();
        if state.standing_until.is_some_and(|until| until <= now) {
            let account = state.account.clone();
            drop(state);
            self.apply(account, now);
            return self.state.load_full();
        }
        Arc::clone(&state)
    }

    /// Ends when the session does.
    #[must_use]
    pub const fn ended(&self) -> &Lease {
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
        self.last_seen_millis.fetch_max(now.as_millisecond(), Ordering::Relaxed);
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
        !self.ended.is_over() && lifetimes.is_alive(self.session.ends_at, self.last_seen_at(), now)
    }

    fn last_seen_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.last_seen_millis.load(Ordering::Relaxed))
            .unwrap_or(self.session.last_seen_at)
    }

    /// Takes over what the store says about the user, unless something newer is known already.
    fn apply(&self, account: Account, now: Timestamp) {
        let one_at_a_time = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        if account.user.access_version < old.account.user.access_version {
            return;
        }
        let (standing, standing_until) = (account.standing_at(now), account.next_lapse_after(now));
        let is_same = standing == old.standing && standing_until == old.standing_until;
        if is_same && account == old.account {
            // Something about the user that decides nothing here, such as a request for access.
            drop(one_at_a_time);
            self.tell();
            return;
        }
        let kept = keeps_all(&old.standing, &standing);
        // A session that is over gives no access any more.
        let access = if kept || self.ended.is_over() { old.access.clone() } else { Lease::default() };
        self.state.store(Arc::new(State {
            account,
            standing,
            standing_until,
            access,
            minted: ArcSwapOption::empty(),
        }));
        if !kept {
            old.access.end();
        }
        drop(one_at_a_time);
        self.tell();
    }

    fn end(&self) {
        let one_at_a_time = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        self.ended.end();
        self.state.load().access.end();
        drop(one_at_a_time);
        self.tell();
    }

    /// What has to be written down, if anything has happened since the last time.
    fn unwritten(&self) -> Option<Touch> {
        let seen = self.last_seen_millis.load(Ordering::Relaxed);
        let return_path = self.wanted.load().as_deref().cloned();
        let is_written = self.written_millis.swap(seen, Ordering::Relaxed) == seen;
        (!is_written).then(|| Touch {
            hash: self.session.hash,
            last_seen_at: Timestamp::from_millisecond(seen).unwrap_or(self.session.last_seen_at),
            return_path,
        })
    }
}

impl State {
    fn new(account: Account, now: Timestamp) -> Self {
        Self {
            standing: account.standing_at(now),
            standing_until: account.next_lapse_after(now),
            account,
            access: Lease::default(),
            minted: ArcSwapOption::empty(),
        }
    }
}

impl Live {
    /// An empty memory over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let cache = Cache::builder().max_capacity(SESSIONS_MAX).time_to_idle(Duration::from_mins(15)).build();
        Self { store, cache, by_user: Mutex::default(), epoch: AtomicU64::new(0) }
    }

    /// The session, if this node knows it already.
    #[must_use]
    pub fn known(&self, hash: &SessionHash) -> Option<Arc<LiveSession>> {
        self.cache.get(hash)
    }

    /// The session, from the store if this node does not know it; `None` if there is none.
    pub async fn find(&self, hash: &SessionHash, now: Timestamp) -> store::Result<Option<Arc<LiveSession>>> {
        if let Some(known) = self.known(hash) {
            return Ok(Some(known));
        }
        let epoch = self.epoch.load(Ordering::SeqCst);
        let Some(view) = self.store.session(hash).await? else { return Ok(None) };
        let user = view.session.user.clone();
        let loaded = self.cache.get_with(*hash, || {
            let session = Arc::new(LiveSession::new(view, now));
            self.users().entry(user).or_default().push(Arc::downgrade(&session));
            session
        });
        if self.epoch.load(Ordering::SeqCst) != epoch {
            self.refresh(&loaded, now).await?;
        }
        Ok((!loaded.ended.is_over()).then_some(loaded))
    }

    /// Asks the store again about all sessions of a user.
    pub async fn revalidate(&self, user: &UserId, now: Timestamp) -> store::Result<()> {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let sessions: Vec<_> =
            self.users().get(user).into_iter().flatten().filter_map(Weak::upgrade).collect();
        for session in sessions {
            self.refresh(&session, now).await?;
        }
        Ok(())
    }

    /// Asks the store again about everybody, after changes may have been missed.
    pub async fn revalidate_all(&self, now: Timestamp) -> store::Result<()> {
        let users: Vec<_> = self.users().keys().cloned().collect();
        for user in users {
            self.revalidate(&user, now).await?;
        }
        Ok(())
    }

    /// Ends what is over by the clock, and lets standings lapse on time. Called about every second.
    pub fn sweep(&self, lifetimes: &Lifetimes, now: Timestamp) {
        let mut over = Vec::new();
        self.users().retain(|_, sessions| {
            sessions.retain(|session| {
                let Some(session) = session.upgrade() else { return false };
                if session.is_alive(lifetimes, now) {
                    session.state(now);
                    return true;
                }
                over.push(session);
                false
            });
            !sessions.is_empty()
        });
        for session in over {
            self.end(&session);
        }
    }

    /// Ends a session here, for another reason than time or the store's word.
    pub fn end(&self, session: &LiveSession) {
        session.end();
        self.cache.invalidate(&session.session.hash);
    }

    /// Ends all sessions of which something is so.
    pub fn end_where(&self, is_over: impl Fn(&Session) -> bool) {
        let sessions: Vec<_> = self.users().values().flatten().filter_map(Weak::upgrade).collect();
        for session in sessions.iter().filter(|session| is_over(&session.session)) {
            self.end(session);
        }
    }

    /// Forgets the sessions that nobody has used for a while and that have nothing to be written down; they are read
    /// from the store again when they are.
    pub fn forget_idle(&self, idle: Duration, now: Timestamp) {
        let before = now.as_millisecond() - i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
        for (hash, session) in &self.cache {
            let is_idle = session.last_seen_millis.load(Ordering::Relaxed) < before;
            // The cache holds one, this loop another.
            if is_idle && Arc::strong_count(&session) <= 2 && session.unwritten().is_none() {
                self.cache.invalidate(&*hash);
            }
        }
        self.cache.run_pending_tasks();
    }

    /// Writes down when sessions were last used.
    pub async fn flush(&self) -> store::Result<()> {
        let sessions: Vec<_> = self.users().values().flatten().filter_map(Weak::upgrade).collect();
        let touches: Vec<_> = sessions.iter().filter_map(|session| session.unwritten()).collect();
        for chunk in touches.chunks(500) {
            self.store.touch(chunk).await?;
        }
        Ok(())
    }

    /// How many sessions this node has in memory.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.cache.entry_count()
    }

    async fn refresh(&self, session: &LiveSession, now: Timestamp) -> store::Result<()> {
        if let Some(view) = self.store.session(&session.session.hash).await? {
            session.apply(view.account, now);
        } else {
            self.end(session);
        }
        Ok(())
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Vec<Weak<LiveSession>>>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether everything that the old standing allowed is still allowed.
fn keeps_all(old: &Standing, new: &Standing) -> bool {
    match (old, new) {
        (Standing::Admitted(old), Standing::Admitted(new)) => old
            .iter()
            .all(|grant| new.iter().any(|held| held.scope == grant.scope && held.level == grant.level)),
        (Standing::Admitted(_), _) => false,
        _ => true,
    }
}

/// About 1 kB each; the least recently used are asked for again.
const SESSIONS_MAX: u64 = 200_000;
