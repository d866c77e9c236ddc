//! Where the sessions that a node knows are found: by their hash, and by their user.
//!
//! Separate because it decides what a session costs besides itself: 17 bytes for the one and 34 for the other, where a
//! cache of the usual kind takes several hundred.
//!
//! Rules:
//! - There is one [`LiveSession`] of a session: one that somebody holds is never forgotten, only ended.
//! - Beyond the room that there is those give way that were asked for the longest time ago.
//! - Whoever holds a shard may lock the index, never the other way round.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crate::id::UserId;
use crate::session::SessionHash;
use crate::sign_on::live::LiveSession;

/// All sessions that a node knows.
#[derive(Debug)]
pub(super) struct Memory {
    shards: [RwLock<HashSet<ByHash>>; SHARDS],
    shard_max: usize,
    /// By a number for the user and one for the session; users whose number is the same stand together.
    by_user: Mutex<BTreeMap<(u64, u64), Weak<LiveSession>>>,
    numbering: RandomState,
}

/// A session that is found by its hash.
#[derive(Debug)]
struct ByHash(Arc<LiveSession>);

impl Memory {
    /// An empty one with room for about so many.
    pub(super) fn new(sessions_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            shard_max: sessions_max.div_ceil(SHARDS),
            by_user: Mutex::default(),
            numbering: RandomState::new(),
        }
    }

    /// The session of that hash.
    pub(super) fn get(&self, hash: &SessionHash) -> Option<Arc<LiveSession>> {
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(hash).map(|known| Arc::clone(&known.0))
    }

    /// The session of that hash; if there is none yet, the one that is made, before anybody else sees it.
    pub(super) fn get_or_insert(
        &self,
        hash: &SessionHash,
        make: impl FnOnce() -> LiveSession,
    ) -> Arc<LiveSession> {
        let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.get(hash) {
            return Arc::clone(&known.0);
        }
        let fresh = Arc::new(make());
        if shard.len() >= self.shard_max {
            make_room(&mut shard);
        }
        // Somebody may have got hold of one in the moment in which it was forgotten.
        let mut index = self.index();
        let numbers = self.numbers(&fresh);
        let held = index.get(&numbers).and_then(Weak::upgrade);
        let held = held.filter(|held| held.session.hash == *hash && !held.ended().is_over());
        let session = held.unwrap_or(fresh);
        index.insert(numbers, Arc::downgrade(&session));
        shard.insert(ByHash(Arc::clone(&session)));
        session
    }

    /// Forgets a session that has ended, whoever holds it.
    pub(super) fn remove(&self, session: &LiveSession) {
        let mut shard = self.shard(&session.session.hash).write().unwrap_or_else(PoisonError::into_inner);
        if shard.get(&session.session.hash).is_some_and(|known| std::ptr::eq(Arc::as_ptr(&known.0), session))
        {
            shard.remove(&session.session.hash);
        }
    }

    /// Forgets those of which something is so, and which nobody holds.
    pub(super) fn forget(&self, is_so: impl Fn(&LiveSession) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|known| known.is_held() || !is_so(&known.0));
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit();
            }
        }
    }

    /// All sessions of a user.
    pub(super) fn of_user(&self, user: &UserId) -> Vec<Arc<LiveSession>> {
        let number = self.numbering.hash_one(user);
        let index = self.index();
        let sessions = index.range((number, u64::MIN)..=(number, u64::MAX));
        sessions
            .filter_map(|(_, session)| session.upgrade())
            .filter(|session| session.session.user == *user)
            .collect()
    }

    /// All sessions, those of a user one after the other.
    pub(super) fn all(&self) -> Vec<Arc<LiveSession>> {
        self.index().values().filter_map(Weak::upgrade).collect()
    }

    /// Looks at all sessions; those that shall not stay in the index are given back.
    pub(super) fn sweep(&self, stays: impl Fn(&LiveSession) -> bool) -> Vec<Arc<LiveSession>> {
        // Those who look one up wait for the index, so nothing else is done while it is locked.
        let gone: Vec<_> = self.all().into_iter().filter(|session| !stays(session)).collect();
        let mut index = self.index();
        for session in &gone {
            let numbers = self.numbers(session);
            if index.get(&numbers).is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(session))) {
                index.remove(&numbers);
            }
        }
        index.retain(|_, session| session.strong_count() > 0);
        drop(index);
        gone
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn numbers(&self, session: &LiveSession) -> (u64, u64) {
        (self.numbering.hash_one(&session.session.user), session.session.hash.affinity())
    }

    fn shard(&self, hash: &SessionHash) -> &RwLock<HashSet<ByHash>> {
        let [first, ..] = &self.shards;
        let [octet, ..] = hash.octets();
        self.shards.get(usize::from(*octet) % SHARDS).unwrap_or(first)
    }

    fn index(&self) -> MutexGuard<'_, BTreeMap<(u64, u64), Weak<LiveSession>>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ByHash {
    /// Whether anybody but the memory has it.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Borrow<SessionHash> for ByHash {
    fn borrow(&self) -> &SessionHash {
        &self.0.session.hash
    }
}

impl Hash for ByHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.session.hash.hash(state);
    }
}

impl PartialEq for ByHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.session.hash == other.0.session.hash
    }
}

impl Eq for ByHash {}

/// Forgets the sixteenth part that was asked for the longest time ago, so that the next ones find room at once.
#[expect(clippy::mutable_key_type, reason = "the hash of a session never changes")]
fn make_room(shard: &mut HashSet<ByHash>) {
    let mut asked: Vec<_> =
        shard.iter().filter(|known| !known.is_held()).map(|known| known.0.asked()).collect();
    if asked.is_empty() {
        return;
    }
    let nth = asked.len() / 16;
    let oldest = *asked.select_nth_unstable(nth).1;
    let mut left = nth + 1;
    shard.retain(|known| {
        let goes = left > 0 && !known.is_held() && known.0.asked() <= oldest;
        left -= usize::from(goes);
        !goes
    });
}

/// Enough that two requests rarely meet at one.
const SHARDS: usize = 64;
