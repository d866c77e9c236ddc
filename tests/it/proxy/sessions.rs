//! What a session costs that a node knows, and what it hears of it.

use std::sync::Arc;
use std::time::Duration;

use anteroom::clock::{Clock, SystemClock};
use anteroom::id::{OrganizationId, SystemRandomness};
use anteroom::session::{Session, SessionHash, SessionId};
use anteroom::sign_on::Recognized;
use anteroom::store::{self, SessionSelector, Store};
use tokio_util::sync::CancellationToken;

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

#[tokio::test]
async fn a_session_that_was_ended_before_the_first_look_for_changes_ends() {
    let store = store::open(&store::Settings::Memory).await.unwrap();
    let since = store.change_head().await.unwrap();
    let (sign_on, visitor) = super::sessions_in(Arc::clone(&store)).await;
    let hash = visitor.live().session().hash;
    end(&*store, hash).await;
    let stop = CancellationToken::new();
    let heard = async {
        while sign_on.look_up(&hash).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        followed = sign_on.follow(since, &stop) => followed.expect("it goes on"),
        heard = tokio::time::timeout(Duration::from_secs(5), heard) => heard.expect("the session ends"),
    }
}

/// Lets the clock go on by so much. Not with the clock stopped: the store has threads of its own.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn who_asks_while_changes_are_heard_late_waits_for_them() {
    let store = store::open(&store::Settings::Memory).await.unwrap();
    let since = store.change_head().await.unwrap();
    let (sign_on, visitor) = super::sessions_in(Arc::clone(&store)).await;
    let user = visitor.live().session().user.clone();
    let mut cookies = Vec::new();
    for _ in 0..2 {
        let id = SessionId::random(&SystemRandomness);
        let session = Session { hash: id.hash(), ..super::session_of(&user, SystemClock.now()) };
        store.begin_session(&session, super::audit("session.begun", SystemClock.now())).await.unwrap();
        assert!(sign_on.look_up(&id.hash()).await.unwrap().is_some());
        cookies.push((id.to_cookie_value(), id.hash()));
    }
    let [(stays, _), (goes, hash)] = &cookies[..] else { panic!("two") };
    let recognize = |cookie: &String| sign_on.recognize(Some(cookie.as_bytes()), None);
    assert!(matches!(recognize(goes), Recognized::Known(_)), "the control");

    end(&*store, *hash).await;
    assert!(matches!(recognize(goes), Recognized::Known(_)), "nobody has heard of it, for a moment");
    pass(Duration::from_millis(800)).await;
    assert!(matches!(recognize(goes), Recognized::Late));
    assert!(matches!(sign_on.recognize(Some(b"no cookie of ours"), None), Recognized::Nobody));
    let stop = CancellationToken::new();
    let both = async {
        tokio::join!(sign_on.recognize_late(goes.as_bytes()), sign_on.recognize_late(stays.as_bytes()))
    };
    let (gone, stayed) = tokio::select! {
        _ = sign_on.follow(since, &stop) => panic!("it goes on"),
        both = both => both,
    };
    assert!(!matches!(gone, Recognized::Known(_)), "{gone:?}");
    assert!(matches!(stayed, Recognized::Known(_)), "{stayed:?}");
    assert!(matches!(recognize(stays), Recognized::Known(_)), "and nobody waits any more");

    // Nobody waits for a store that does not answer, and nobody is believed for ever.
    store.close().await;
    pass(Duration::from_millis(800)).await;
    tokio::select! {
        _ = sign_on.follow(since, &stop) => panic!("it goes on"),
        stayed = sign_on.recognize_late(stays.as_bytes()) => assert!(matches!(stayed, Recognized::Known(_))),
    }
    assert!(matches!(recognize(stays), Recognized::Known(_)));
    pass(Duration::from_mins(1)).await;
    assert!(matches!(recognize(stays), Recognized::Deaf));
}

async fn end(store: &dyn Store, hash: SessionHash) {
    let session = SessionSelector::Hash(hash);
    let ended = store.end_sessions(&session, super::audit("session.revoked", SystemClock.now()));
    assert_eq!(ended.await.unwrap(), 1);
}
