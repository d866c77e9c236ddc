//! Sessions.

use std::sync::Arc;

use anteroom::session::{Session, SessionHash};
use anteroom::store::{
    AuditEvent, Change, Error, ProviderLoggedOut, ProviderLogout, SESSIONS_PER_USER_MAX, SessionSelector,
    Store, Touch,
};
use anteroom::target::ReturnPath;

use crate::store::conformance::{
    Backend, Watch, add, connection_id, event, furnished, grant, name_id, seconds_later, session, user_id,
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
    bare.name_id = None;
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

pub(crate) async fn many_sessions_are_read_at_once(backend: &dyn Backend) {
    let store = with_users(backend).await;
    for (number, user) in [(1, "u_adele"), (2, "u_ben"), (3, "u_adele"), (4, "u_adele"), (5, "u_ben")] {
        begin(&*store, number, user).await;
    }
    let selector = SessionSelector::Hash(SessionHash::new([3; 32]));
    store.end_sessions(&selector, event("session.ended")).await.unwrap();
    let hashes = [4, 9, 1, 3, 2].map(|number| SessionHash::new([number; 32]));
    let mut views = store.sessions_still(&hashes).await.unwrap();
    views.sort_unstable_by_key(|view| *view.session.hash.octets());
    let found: Vec<_> = views.iter().map(|view| view.session.hash.octets()[0]).collect();
    assert_eq!(found, [1, 2, 4], "neither the one that has ended nor one that was not asked for");
    for view in views {
        assert_eq!(store.session(&view.session.hash).await.unwrap(), Some(view));
    }
    assert_eq!(store.sessions_still(&[]).await.unwrap(), []);
}

/// A demand of Contoso's provider, which it made so many seconds after noon.
fn demand(id: &str, user: &str, indexes: &[&str], seconds: i64) -> ProviderLogout {
    ProviderLogout {
        connection: connection_id("contoso"),
        request_id: id.to_owned(),
        name_id: name_id(user),
        session_indexes: indexes.iter().map(|index| (*index).to_owned()).collect(),
        issued_at: seconds_later(seconds),
        expires_at: seconds_later(seconds + 480),
        remembered_until: seconds_later(seconds + 3_600),
    }
}

async fn begin_indexed(store: &dyn Store, number: u8, user: &str, index: &str) {
    let begun = Session { session_index: Some(index.to_owned()), ..session(number, user) };
    assert!(store.begin_session(&begun, event("session.begun")).await.unwrap());
}

pub(crate) async fn a_provider_ends_the_sessions_it_names_and_no_others(backend: &dyn Backend) {
    let store = with_users(backend).await;
    begin_indexed(&*store, 1, "u_adele", "one").await;
    begin_indexed(&*store, 2, "u_adele", "two").await;
    begin_indexed(&*store, 3, "u_adele", "three").await;
    begin(&*store, 4, "u_ben").await;
    let mut nameless = session(5, "u_ben");
    nameless.name_id = None;
    store.begin_session(&nameless, event("session.begun")).await.unwrap();

    // Nobody of that name, index, format or connection.
    let mut watch = Watch::begin(&*store).await;
    let mut format = demand("_f", "u_adele", &[], 20);
    format.name_id.format = Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned());
    let mut connection = demand("_1", "u_adele", &[], 20);
    connection.connection = connection_id("fabrikam");
    for other in
        [demand("_n", "u_nobody", &[], 20), demand("_i", "u_adele", &["four"], 20), format, connection]
    {
        let ended = store.end_by_provider(&other, event("session.ended_by_provider")).await.unwrap();
        assert_eq!(ended, ProviderLoggedOut::Ended(vec![]), "{}", other.request_id);
    }
    assert_eq!(watch.since().await, (vec![], 0));

    let demanded = demand("_1", "u_adele", &["one", "two", "gone"], 20);
    let ended = store.end_by_provider(&demanded, event("session.ended_by_provider")).await.unwrap();
    assert_eq!(ended, ProviderLoggedOut::Ended(vec![user_id("u_adele")]));
    assert_eq!(watch.since().await, (vec![Change::User(user_id("u_adele"))], 1));
    assert_eq!(numbers(&*store, None, 100).await, [5, 4, 3]);
    let told = store.audit_entries(1).await.unwrap().remove(0);
    assert_eq!(told.subject.as_deref(), Some("adele@contoso.com"));
    assert_eq!(told.details["sessions"], serde_json::json!(["s_1", "s_2"]));

    // The same demand again does nothing; without an index it is all of that name.
    let again = store.end_by_provider(&demanded, event("session.ended_by_provider")).await.unwrap();
    assert_eq!(again, ProviderLoggedOut::Replayed);
    let mut all = demand("_2", "u_adele", &[], 20);
    all.name_id.format = None;
    store.end_by_provider(&all, event("session.ended_by_provider")).await.unwrap();
    assert_eq!(numbers(&*store, None, 100).await, [5, 4]);
    assert_eq!(watch.since().await, (vec![Change::User(user_id("u_adele"))], 1));
}

pub(crate) async fn a_providers_logout_reaches_sign_ons_from_before(backend: &dyn Backend) {
    let store = with_users(backend).await;
    let one = demand("_1", "u_adele", &["one"], 60);
    store.end_by_provider(&one, event("session.ended_by_provider")).await.unwrap();
    let begins = async |number: u8, index: &str, asserted: i64, at: i64| {
        let mut late = session(number, "u_adele");
        late.session_index = Some(index.to_owned());
        late.asserted_at = seconds_later(asserted);
        let begun = AuditEvent { at: seconds_later(at), ..event("session.begun") };
        store.begin_session(&late, begun).await.unwrap()
    };
    assert!(!begins(1, "one", 59, 70).await, "its session is over");
    assert!(begins(2, "two", 59, 70).await, "another one");
    assert!(begins(3, "one", 61, 70).await, "asserted since");
    assert!(begins(4, "one", 59, 60 + 3_600).await, "nothing from before comes so late");

    let all = demand("_2", "u_adele", &[], 60);
    store.end_by_provider(&all, event("session.ended_by_provider")).await.unwrap();
    assert!(!begins(5, "two", 59, 70).await);
    assert!(begins(6, "two", 61, 70).await);
    assert_eq!(numbers(&*store, None, 100).await, [6]);
    begin(&*store, 7, "u_ben").await;
    // Once nothing from before can come any more, it is forgotten.
    store.purge(seconds_later(60 + 3_600), seconds_later(-100_000)).await.unwrap();
    assert!(begins(8, "two", 59, 70).await);
}
