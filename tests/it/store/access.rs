//! Changes of a user's access.

use anteroom::directory::{Grant, Membership, Role, Scope};
use anteroom::id::UserId;
use anteroom::store::{Change, Store, UserChange, UserChanged};

use crate::store::conformance::{
    Backend, Watch, add, event, furnished, grant, property_id, seconds_later, session, user_id,
};

async fn change(store: &dyn Store, user: &UserId, change: UserChange) -> UserChanged {
    store.change_user(user, &change, event("user.changed"), Vec::new()).await.unwrap()
}

async fn state(store: &dyn Store, user: &UserId) -> Membership {
    store.account(user).await.unwrap().unwrap().user.state
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) async fn a_grant_lets_in_and_the_last_revocation_puts_back_to_waiting(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let user = add(&*store, "adele@contoso.com", &[]).await;
    for (step, expected_state, expected_grants) in [
        (UserChange::Grant(grant("tower", "viewer")), Membership::Active, vec![grant("tower", "viewer")]),
        (UserChange::Grant(grant("tower", "manager")), Membership::Active, vec![grant("tower", "manager")]),
        (
            UserChange::Grant(grant("*", "viewer")),
            Membership::Active,
            vec![grant("*", "viewer"), grant("tower", "manager")],
        ),
        (UserChange::Revoke(Some(scope("tower"))), Membership::Active, vec![grant("*", "viewer")]),
        (UserChange::Revoke(Some(scope("*"))), Membership::Waiting, vec![]),
    ] {
        assert_eq!(change(&*store, &user, step.clone()).await, UserChanged::Changed, "{step:?}");
        let account = store.account(&user).await.unwrap().unwrap();
        assert_eq!((account.user.state, account.grants), (expected_state, expected_grants), "{step:?}");
    }
    change(&*store, &user, UserChange::Grant(grant("tower", "viewer"))).await;
    change(&*store, &user, UserChange::Grant(grant("lodge", "viewer"))).await;
    change(&*store, &user, UserChange::Revoke(None)).await;
    let account = store.account(&user).await.unwrap().unwrap();
    assert_eq!((account.user.state, account.grants), (Membership::Waiting, vec![]));
}

pub(crate) async fn a_disabled_user_stays_out_whatever_is_granted(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let user = add(&*store, "adele@contoso.com", &[]).await;
    change(&*store, &user, UserChange::Disable).await;
    assert_eq!(state(&*store, &user).await, Membership::Disabled);
    change(&*store, &user, UserChange::Grant(grant("tower", "viewer"))).await;
    assert_eq!(state(&*store, &user).await, Membership::Disabled);
    change(&*store, &user, UserChange::Enable).await;
    assert_eq!(state(&*store, &user).await, Membership::Active, "with the grant that came meanwhile");

    change(&*store, &user, UserChange::Disable).await;
    change(&*store, &user, UserChange::Revoke(None)).await;
    assert_eq!(state(&*store, &user).await, Membership::Disabled);
    change(&*store, &user, UserChange::Enable).await;
    assert_eq!(state(&*store, &user).await, Membership::Waiting);
}

pub(crate) async fn disabling_ends_all_sessions(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let user = add(&*store, "adele@contoso.com", &[grant("*", "viewer")]).await;
    let other = add(&*store, "ben@contoso.com", &[grant("*", "viewer")]).await;
    for (number, user) in [(1, "u_adele"), (2, "u_adele"), (3, "u_ben")] {
        store.begin_session(&session(number, user), event("session.begun")).await.unwrap();
    }
    change(&*store, &user, UserChange::Disable).await;
    assert!(store.sessions(Some(&user), 10).await.unwrap().is_empty());
    assert_eq!(store.sessions(Some(&other), 10).await.unwrap().len(), 1);

    // A session that a sign-on began just before it heard of the disabling.
    store.begin_session(&session(4, "u_adele"), event("session.begun")).await.unwrap();
    assert_eq!(change(&*store, &user, UserChange::Disable).await, UserChanged::Changed);
    assert!(store.sessions(Some(&user), 10).await.unwrap().is_empty());
}

pub(crate) async fn every_change_of_access_raises_the_version_and_is_told_once(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let user = add(&*store, "adele@contoso.com", &[]).await;
    let until = Grant { until: Some(seconds_later(60)), ..grant("tower", "viewer") };
    let later = Grant { until: Some(seconds_later(61)), ..until.clone() };
    let mut watch = Watch::begin(&*store).await;
    for (step, version) in [
        UserChange::Grant(until),
        UserChange::Grant(later),
        UserChange::Grant(grant("tower", "viewer")),
        UserChange::Revoke(Some(scope("tower"))),
        UserChange::Disable,
        UserChange::Enable,
        UserChange::Role(Role::Support),
    ]
    .into_iter()
    .zip(2..)
    {
        assert_eq!(change(&*store, &user, step.clone()).await, UserChanged::Changed, "{step:?}");
        assert_eq!(store.account(&user).await.unwrap().unwrap().user.access_version, version, "{step:?}");
        assert_eq!(watch.since().await, (vec![Change::User(user.clone())], 1), "{step:?}");
    }
    assert_eq!(store.account(&user).await.unwrap().unwrap().user.role, Role::Support);
}

pub(crate) async fn what_changes_nothing_is_not_told(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let until = Grant { until: Some(seconds_later(60)), ..grant("tower", "viewer") };
    let user = add(&*store, "adele@contoso.com", &[until.clone(), grant("*", "viewer")]).await;
    let before = store.account(&user).await.unwrap();
    let mut watch = Watch::begin(&*store).await;
    for step in [
        UserChange::Grant(until),
        UserChange::Grant(grant("*", "viewer")),
        UserChange::Revoke(Some(scope("lodge"))),
        UserChange::Enable,
        UserChange::Role(Role::Member),
    ] {
        assert_eq!(change(&*store, &user, step.clone()).await, UserChanged::Unchanged, "{step:?}");
    }
    assert_eq!(change(&*store, &user_id("u_nobody"), UserChange::Disable).await, UserChanged::NoSuchUser);
    assert_eq!(watch.since().await, (vec![], 0));
    assert_eq!(store.account(&user).await.unwrap(), before);
}

pub(crate) async fn a_grant_for_a_property_of_another_organization_is_refused(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let user = add(&*store, "adele@contoso.com", &[]).await;
    let mut watch = Watch::begin(&*store).await;
    for id in ["mill", "nowhere"] {
        let outcome = change(&*store, &user, UserChange::Grant(grant(id, "viewer"))).await;
        assert_eq!(outcome, UserChanged::NoSuchProperty(property_id(id)));
    }
    assert_eq!(watch.since().await, (vec![], 0));
    assert!(store.account(&user).await.unwrap().unwrap().grants.is_empty());
}
