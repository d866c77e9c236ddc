//! What a session costs that a node knows.

use std::sync::Arc;

use anteroom::clock::{Clock, SystemClock};
use anteroom::id::OrganizationId;
use anteroom::store;

/// What a session may cost in memory, in bytes, with what the allocator adds and with room for what else moves meanwhile;
/// `scripts/bench-sessions` measures more closely.
const BYTES_EACH: usize = 1_536;

const SESSIONS: usize = 1_500;

#[tokio::test]
async fn a_session_in_memory_costs_little() {
    let store = store::open(&store::Settings::Memory).await.unwrap();
    let (sign_on, visitor) = super::sessions_in(Arc::clone(&store)).await;
    let organization = OrganizationId::parse("contoso").unwrap();
    drop(visitor);
    let now = SystemClock.now();
    let mut hashes = Vec::new();
    for number in 0..SESSIONS {
        let user = super::new_user(&format!("ada{number}@contoso.com"), organization.clone());
        store.add_user(&user, super::audit("user.added", now), Vec::new()).await.unwrap();
        let session = super::session_of(&user.id, now);
        store.begin_session(&session, super::audit("session.begun", now)).await.unwrap();
        hashes.push(session.hash);
    }
    // Whatever is needed once is there afterwards, and what the store keeps to answer sooner.
    for hash in &hashes {
        assert!(store.session(hash).await.unwrap().is_some());
    }
    let (warm, rest) = hashes.split_at(SESSIONS / 10);
    for hash in warm {
        assert!(sign_on.look_up(hash).await.unwrap().is_some());
    }
    // Somebody else in this process may take memory meanwhile, but not each time.
    let mut costs = Vec::new();
    for part in rest.chunks(rest.len().div_ceil(3)) {
        let before = super::resident_bytes();
        for hash in part {
            assert!(sign_on.look_up(hash).await.unwrap().is_some());
        }
        costs.push(super::resident_bytes().saturating_sub(before) / part.len());
    }
    costs.sort_unstable();
    assert!(costs[1] < BYTES_EACH, "{costs:?} bytes each");
}
