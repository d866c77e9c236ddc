//! Forms that wait for a person to sign on again.

use std::sync::Arc;

use anteroom::session::SessionHash;
use anteroom::store::{HeldPost, POSTS_OF_ONE_MAX, SessionSelector, Store};
use jiff::SignedDuration;

use crate::store::conformance::{
    Backend, Watch, add, event, furnished, grant, noon, seconds_later, session, user_id,
};

async fn with_users(backend: &dyn Backend) -> Arc<dyn Store> {
    let store = furnished(backend).await;
    for name in ["adele", "ben"] {
        add(&*store, &format!("{name}@contoso.com"), &[grant("*", "viewer")]).await;
    }
    store
}

fn post(number: u32, user: &str) -> HeldPost {
    let mut token_hash = [0; 32];
    token_hash[..4].copy_from_slice(&number.to_be_bytes());
    HeldPost {
        token_hash,
        user: user_id(user),
        sealed: number.to_be_bytes().to_vec(),
        held_at: noon(),
        expires_at: seconds_later(60),
    }
}

pub(crate) async fn an_owner_is_remembered_after_time_has_ended_a_session_and_not_otherwise(
    backend: &dyn Backend,
) {
    let store = with_users(backend).await;
    let [mut over, mut idle, ended, live] = [1, 2, 3, 4].map(|number| session(number, "u_adele"));
    over.ends_at = seconds_later(60);
    idle.last_seen_at = seconds_later(-10);
    for session in [&over, &idle, &ended, &live] {
        store.begin_session(session, event("session.begun")).await.unwrap();
    }
    store.end_sessions(&SessionSelector::Hash(ended.hash), event("session.revoked")).await.unwrap();
    store.purge(seconds_later(60), noon()).await.unwrap();
    let owner = async |hash: &SessionHash| store.session_owner(hash).await.unwrap();
    let adele = Some(user_id("u_adele"));
    let owners = [owner(&over.hash).await, owner(&idle.hash).await, owner(&live.hash).await];
    assert_eq!(owners, [adele.clone(), adele.clone(), adele]);
    assert_eq!([owner(&ended.hash).await, owner(&SessionHash::new([9; 32])).await], [None, None]);
    assert_eq!(store.session(&over.hash).await.unwrap(), None);
    // A day later nobody comes back any more.
    let tomorrow = seconds_later(61) + SignedDuration::from_hours(24);
    store.purge(tomorrow, seconds_later(-20)).await.unwrap();
    assert_eq!(owner(&over.hash).await, None);
}

pub(crate) async fn a_form_is_taken_once_and_by_its_owner_alone(backend: &dyn Backend) {
    let store = with_users(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let held = post(1, "u_adele");
    store.hold_post(&held).await.unwrap();
    assert_eq!(store.held_post(&held.token_hash, noon()).await.unwrap(), Some(held.clone()));
    assert_eq!(store.take_post(&held.token_hash, &user_id("u_ben"), noon()).await.unwrap(), None);
    let adele = user_id("u_adele");
    assert_eq!(store.take_post(&held.token_hash, &adele, noon()).await.unwrap(), Some(held.clone()));
    assert_eq!(store.take_post(&held.token_hash, &adele, noon()).await.unwrap(), None);
    assert_eq!(store.held_post(&held.token_hash, noon()).await.unwrap(), None);

    // Late, and late after a cleaning.
    for number in [2, 3] {
        store.hold_post(&post(number, "u_adele")).await.unwrap();
    }
    let late = seconds_later(60);
    assert_eq!(store.held_post(&post(2, "u_adele").token_hash, late).await.unwrap(), None);
    assert_eq!(store.take_post(&post(2, "u_adele").token_hash, &adele, late).await.unwrap(), None);
    store.purge(late, noon()).await.unwrap();
    assert_eq!(store.held_post(&post(3, "u_adele").token_hash, noon()).await.unwrap(), None);
    assert_eq!(watch.since().await, (vec![], 0), "none of it is anybody's access");
}

pub(crate) async fn parallel_takers_of_a_form_have_one_winner(backend: &dyn Backend) {
    let store = with_users(backend).await;
    let held = post(1, "u_adele");
    store.hold_post(&held).await.unwrap();
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, hash) = (Arc::clone(&store), held.token_hash);
        takers.spawn(async move { store.take_post(&hash, &user_id("u_adele"), noon()).await.unwrap() });
    }
    let taken = takers.join_all().await;
    assert_eq!(taken.iter().filter(|taken| taken.is_some()).count(), 1);
}

pub(crate) async fn the_oldest_of_too_many_forms_go(backend: &dyn Backend) {
    let store = with_users(backend).await;
    store.hold_post(&post(0, "u_ben")).await.unwrap();
    for number in 1..=POSTS_OF_ONE_MAX + 2 {
        store.hold_post(&post(number, "u_adele")).await.unwrap();
    }
    let mut left = Vec::new();
    for number in 0..=POSTS_OF_ONE_MAX + 2 {
        if store.held_post(&post(number, "u_adele").token_hash, noon()).await.unwrap().is_some() {
            left.push(number);
        }
    }
    let expected: Vec<u32> = [0].into_iter().chain(3..=POSTS_OF_ONE_MAX + 2).collect();
    assert_eq!(left, expected);
}
