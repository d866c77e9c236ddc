//! Sessions.

use std::sync::Arc;

use anteroom::session::SessionHash;
use anteroom::store::{Change, Error, SESSIONS_PER_USER_MAX, SessionSelector, Store, Touch};
use anteroom::target::ReturnPath;

use crate::store::conformance::{
    Backend, Watch, add, event, furnished, grant, seconds_later, session, user_id,
};

async fn with_users(backend: &dyn Backend) -> Arc<dyn Store> {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[grant("*", "viewer"), grant("tower", "manager")]).await;
    add(&*store, "ben@contoso.com", &[]).await;
    store
}

async fn begin(store: &dyn Store, number: u8, user: &str) {
    store.begin_session(&session(number, user), event("session.begun")).await.unwrap();
}

async fn numbers(store: &dyn Store, user: Option<&str>, limit: u32) -> Vec<u8> {
    let views = store.sessions(user.map(user_id).as_ref(), limit).await.unwrap();
    views.iter().map(|view| view.session.hash.octets()[0]).collect()
}

pub(crate) async fn a_session_comes_back_as_it_was_begun(backend: &dyn Backend) {
    let store = with_users(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let mut bare = session(2, "u_ben");
    bare.methods = vec![];
    bare.session_index = None;
    for begun in [session(1, "u_adele"), bare] {
        store.begin_session(&begun, event("session.begun")).await.unwrap();
        let view = store.session(&begun.hash).await.unwrap().unwrap();
        assert_eq!(view.session, begun);
        assert_eq!(Some(view.account), store.account(&begun.user).await.unwrap());
    }
    assert_eq!(watch.since().await, (vec![], 2));
    assert_eq!(store.session(&SessionHash::new([9; 32])).await.unwrap(), None);
}

pub(crate) async fn a_session_of_nobody_is_not_begun(backend: &dyn Backend) {
    let store = with_users(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let refused = store.begin_session(&session(1, "u_nobody"), event("session.begun")).await;
    assert!(
        matches!(refused, Err(Error::Inconsistent { table: "sessions", column: "user_id" })),
        "{refused:?}"
    );
    assert_eq!(watch.since().await, (vec![], 0));
}

pub(crate) async fn more_sessions_than_allowed_end_the_oldest(backend: &dyn Backend) {
    let store = with_users(backend).await;
    begin(&*store, 200, "u_ben").await;
    let max = u8::try_from(SESSIONS_PER_USER_MAX).unwrap();
    for number in 1..=max {
        begin(&*store, number, "u_adele").await;
    }
    let mut watch = Watch::begin(&*store).await;
    begin(&*store, max + 1, "u_adele").await;
    assert_eq!(watch.since().await, (vec![Change::User(user_id("u_adele"))], 1));
    let expected: Vec<u8> = (2..=max + 1).rev().collect();
    assert_eq!(numbers(&*store, Some("u_adele"), 1_000).await, expected);

    // Another node's clock may be behind: who has just signed on is not the one to go.
    let mut late = session(0, "u_adele");
    late.created_at = seconds_later(-60);
    store.begin_session(&late, event("session.begun")).await.unwrap();
    assert!(store.session(&late.hash).await.unwrap().is_some());
    assert_eq!(numbers(&*store, Some("u_adele"), 1_000).await.len(), expected.len());
    assert_eq!(numbers(&*store, Some("u_ben"), 1_000).await, [200]);
}

pub(crate) async fn a_touch_moves_time_forward_only(backend: &dyn Backend) {
    let store = with_users(backend).await;
    begin(&*store, 1, "u_adele").await;
    begin(&*store, 2, "u_adele").await;
    let mut watch = Watch::begin(&*store).await;
    let path = ReturnPath::parse("/elsewhere").unwrap();
    let touch = |number: u8, seconds, return_path: Option<&ReturnPath>| Touch {
        hash: SessionHash::new([number; 32]),
        last_seen_at: seconds_later(seconds),
        return_path: return_path.cloned(),
    };
    store.touch(&[]).await.unwrap();
    store.touch(&[touch(1, 50, None), touch(2, 60, Some(&path)), touch(9, 70, None)]).await.unwrap();
    store.touch(&[touch(2, 40, None)]).await.unwrap();
    let views = store.sessions(None, 10).await.unwrap();
    let seen: Vec<_> =
        views.iter().map(|view| (view.session.last_seen_at, view.session.return_path.clone())).collect();
    let unmoved = session(1, "u_adele").return_path;
    assert_eq!(seen, [(seconds_later(60), path), (seconds_later(50), unmoved)]);
    assert_eq!(watch.since().await, (vec![], 0));
}

pub(crate) async fn sessions_end_by_hash_name_and_user(backend: &dyn Backend) {
    let store = with_users(backend).await;
    for (number, user) in [(1, "u_adele"), (2, "u_adele"), (3, "u_adele"), (4, "u_adele"), (5, "u_ben")] {
        begin(&*store, number, user).await;
    }
    let before = store.account(&user_id("u_adele")).await.unwrap();
    let mut watch = Watch::begin(&*store).await;
    let hash = SessionSelector::Hash(SessionHash::new([1; 32]));
    let name = SessionSelector::Name(session(2, "u_adele").name);
    let user = SessionSelector::User(user_id("u_adele"));
    for (selector, ended) in [(hash, 1), (name, 1), (user, 2)] {
        assert_eq!(store.end_sessions(&selector, event("session.ended")).await.unwrap(), ended);
        assert_eq!(watch.since().await, (vec![Change::User(user_id("u_adele"))], 1), "{selector:?}");
        assert_eq!(store.end_sessions(&selector, event("session.ended")).await.unwrap(), 0);
        assert_eq!(watch.since().await, (vec![], 0), "{selector:?}");
    }
    assert_eq!(numbers(&*store, None, 10).await, [5]);
    assert_eq!(store.account(&user_id("u_adele")).await.unwrap(), before);
}

pub(crate) async fn sessions_are_listed_newest_first(backend: &dyn Backend) {
    let store = with_users(backend).await;
    for (number, user) in [(2, "u_adele"), (4, "u_ben"), (1, "u_adele"), (3, "u_adele")] {
        begin(&*store, number, user).await;
    }
    assert_eq!(numbers(&*store, None, 10).await, [4, 3, 2, 1]);
    assert_eq!(numbers(&*store, None, 2).await, [4, 3]);
    assert_eq!(numbers(&*store, Some("u_adele"), 10).await, [3, 2, 1]);
    assert_eq!(numbers(&*store, Some("u_adele"), 1).await, [3]);
    for view in store.sessions(None, 10).await.unwrap() {
        assert_eq!(store.session(&view.session.hash).await.unwrap(), Some(view));
    }
}
