//! Changes of a user's access.

use anteroom::directory::{Grant, Membership, Role, Scope, Subject};
use anteroom::id::UserId;
use anteroom::store::{Admission, AuditEvent, Change, NewUser, Store, UserChange, UserChanged};
use serde_json::json;

use crate::store::conformance::{
    Backend, Watch, add, arrival, connection_id, event, furnished, grant, new_user, property, property_id,
    referring_teller, seconds_later, session, teller, user_id,
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

async fn add_support(store: &dyn Store, address: &str) -> UserId {
    let user = NewUser { role: Role::Support, ..new_user(address, &[]) };
    store.add_user(&user, event("user.added"), Vec::new()).await.unwrap();
    user.id
}

pub(crate) async fn somebody_is_left_to_work_the_console(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let sue = add_support(&*store, "sue@contoso.com").await;
    let tom = add_support(&*store, "tom@contoso.com").await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    assert_eq!(change(&*store, &adele, UserChange::Disable).await, UserChanged::Changed, "no support at all");
    assert_eq!(change(&*store, &tom, UserChange::Disable).await, UserChanged::Changed, "Sue is left");
    let mut watch = Watch::begin(&*store).await;
    for refused in [UserChange::Disable, UserChange::Role(Role::Member)] {
        assert_eq!(change(&*store, &sue, refused.clone()).await, UserChanged::LastSupport, "{refused:?}");
    }
    assert_eq!(watch.since().await, (vec![], 0));
    assert_eq!(change(&*store, &tom, UserChange::Role(Role::Member)).await, UserChanged::Changed);
    assert_eq!(change(&*store, &sue, UserChange::Role(Role::Support)).await, UserChanged::Unchanged);
    change(&*store, &adele, UserChange::Enable).await;
    assert_eq!(change(&*store, &adele, UserChange::Role(Role::Support)).await, UserChanged::Changed);
    assert_eq!(change(&*store, &sue, UserChange::Role(Role::Member)).await, UserChanged::Changed);
}

pub(crate) async fn parallel_resignations_leave_one_to_work_the_console(backend: &dyn Backend) {
    let stores = [furnished(backend).await, backend.open().await];
    let mut users = Vec::new();
    for number in 0..6 {
        users.push(add_support(&*stores[0], &format!("agent-{number}@contoso.com")).await);
    }
    let tasks = users.into_iter().enumerate().map(|(number, user)| {
        let store = stores[number % 2].clone();
        let step = if number < 3 { UserChange::Disable } else { UserChange::Role(Role::Member) };
        tokio::spawn(async move { change(&*store, &user, step).await })
    });
    let outcomes = futures_util::future::join_all(tasks.collect::<Vec<_>>()).await;
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Ok(UserChanged::LastSupport))).count();
    assert_eq!(refused, 1);
}

fn subject(key: &str) -> Subject {
    Subject { connection: connection_id("contoso"), key: key.to_owned() }
}

pub(crate) async fn a_subject_is_bound_once_and_settles_conflicts(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[grant("*", "viewer")]).await;
    let ben = add(&*store, "ben@contoso.com", &[]).await;
    assert_eq!(change(&*store, &adele, UserChange::Bind(subject("old"))).await, UserChanged::Changed);
    let teller = referring_teller("AAAA");
    let conflict = store.admit(&arrival("contoso", "new", "adele@contoso.com"), teller).await.unwrap();
    assert!(matches!(conflict, Admission::Conflict { .. }), "{conflict:?}");
    store.begin_session(&session(1, "u_adele"), event("session.begun")).await.unwrap();
    let mut watch = Watch::begin(&*store).await;
    let taken = change(&*store, &ben, UserChange::Bind(subject("old"))).await;
    assert_eq!(taken, UserChanged::SubjectTaken(adele.clone()));
    assert_eq!(watch.since().await, (vec![], 0));

    assert_eq!(change(&*store, &adele, UserChange::Bind(subject("new"))).await, UserChanged::Changed);
    assert_eq!(watch.since().await, (vec![Change::User(adele.clone())], 1));
    let account = store.account(&adele).await.unwrap().unwrap();
    assert_eq!(
        (account.user.subject.as_deref(), account.user.state),
        (Some(&subject("new")), Membership::Active)
    );
    assert!(store.sessions(Some(&adele), 10).await.unwrap().is_empty());
    assert!(store.subject_conflicts(None).await.unwrap().is_empty());
    assert_eq!(change(&*store, &adele, UserChange::Bind(subject("new"))).await, UserChanged::Unchanged);
}

pub(crate) async fn a_forgotten_subject_is_bound_anew_at_the_next_sign_on(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    assert_eq!(change(&*store, &adele, UserChange::Unbind).await, UserChanged::Unchanged);
    change(&*store, &adele, UserChange::Bind(subject("old"))).await;
    store.begin_session(&session(1, "u_adele"), event("session.begun")).await.unwrap();
    assert_eq!(change(&*store, &adele, UserChange::Unbind).await, UserChanged::Changed);
    let account = store.account(&adele).await.unwrap().unwrap();
    assert_eq!((account.user.subject, account.user.access_version), (None, 3));
    assert!(store.sessions(Some(&adele), 10).await.unwrap().is_empty());
    let admitted = store.admit(&arrival("contoso", "new", "adele@contoso.com"), teller()).await.unwrap();
    assert!(matches!(admitted, Admission::Bound(_)), "{admitted:?}");
}

pub(crate) async fn the_audit_log_tells_what_was_before_and_after(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    let added = store.audit_entries(1).await.unwrap().remove(0).details;
    let waiting = json!({
        "state": "waiting", "role": "member", "subject": null, "grants": [], "grants_in_all": 0,
    });
    assert_eq!(added, json!({ "before": null, "after": waiting }));
    let until = Grant { until: Some(seconds_later(60)), ..grant("tower", "viewer") };
    let event = AuditEvent { details: json!({ "note": "x" }), ..event("user.granted") };
    store.change_user(&adele, &UserChange::Grant(until), event, Vec::new()).await.unwrap();
    let granted = store.audit_entries(1).await.unwrap().remove(0).details;
    let grants = json!([{ "property": "tower", "level": "viewer", "until": "2026-11-23T12:01:00Z" }]);
    let active = json!({
        "state": "active", "role": "member", "subject": null, "grants": grants, "grants_in_all": 1,
    });
    assert_eq!(granted, json!({ "note": "x", "before": waiting, "after": active }));
}

pub(crate) async fn many_grants_still_fit_into_an_audit_event(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    for number in 0..60 {
        let id = format!("{number:0>60}");
        let added = store.add_property(&property(&id, "contoso"), event("property.added")).await;
        assert!(added.unwrap());
        change(&*store, &adele, UserChange::Grant(grant(&id, "viewer"))).await;
    }
    let details = store.audit_entries(1).await.unwrap().remove(0).details;
    assert_eq!(details.get("dropped_bytes"), None, "{details}");
    assert_eq!(details["before"]["grants_in_all"], json!(59));
    assert_eq!(details["after"]["grants"][0]["property"], json!(format!("{:0>60}", 59)), "what is new");
}
