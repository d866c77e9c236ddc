//! Using up responses, admitting people, handing over.

use std::collections::BTreeSet;

use anteroom::directory::{Account, Membership, Subject};
use anteroom::store::{Admission, Arrival, Change, Consumed, Error, Handoff, Store, UserChange, UserFilter};
use serde_json::json;

use crate::store::conformance::{
    Backend, Watch, add, arrival, connection_id, consumption, email, event, furnished, grant, name, noon,
    organization_id, referring_teller, seconds_later, teller,
};

pub(crate) async fn a_response_is_used_up_once(backend: &dyn Backend) {
    let store = backend.open().await;
    for (connection, request, assertion, expected) in [
        ("contoso", "_r1", "_a1", Consumed::First),
        ("contoso", "_r1", "_a1", Consumed::RequestReplayed),
        ("contoso", "_r1", "_a2", Consumed::RequestReplayed),
        ("contoso", "_r2", "_a1", Consumed::AssertionReplayed),
        // Neither of the refused calls used up the other half.
        ("contoso", "_r2", "_a2", Consumed::First),
        // Another provider's assertions have ids of their own.
        ("fabrikam", "_r3", "_a1", Consumed::First),
        ("fabrikam", "_r1", "_a9", Consumed::RequestReplayed),
    ] {
        let consumed = store.consume(&consumption(connection, request, assertion)).await.unwrap();
        assert_eq!(consumed, expected, "{connection} {request} {assertion}");
    }
}

pub(crate) async fn one_assertion_posted_by_fifty_at_once_is_used_up_once(backend: &dyn Backend) {
    let stores = [backend.open().await, backend.open().await];
    let posts = (0..50).map(|number| {
        let store = stores[number % 2].clone();
        let consumption = consumption("contoso", &format!("_r{number}"), "_a");
        tokio::spawn(async move { store.consume(&consumption).await.unwrap() })
    });
    let outcomes = futures_util::future::join_all(posts.collect::<Vec<_>>()).await;
    let firsts = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Consumed::First))).count();
    let replays =
        outcomes.iter().filter(|outcome| matches!(outcome, Ok(Consumed::AssertionReplayed))).count();
    assert_eq!((firsts, replays), (1, 49));
}

pub(crate) async fn what_was_used_up_is_remembered_after_a_restart(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.consume(&consumption("contoso", "_r", "_a")).await.unwrap(), Consumed::First);
    store.close().await;
    let store = backend.open().await;
    let again = consumption("contoso", "_r", "_a");
    assert_eq!(store.consume(&again).await.unwrap(), Consumed::RequestReplayed);
    let other = consumption("contoso", "_other", "_a");
    assert_eq!(store.consume(&other).await.unwrap(), Consumed::AssertionReplayed);
}

async fn admit(store: &dyn Store, arrival: &Arrival) -> Admission {
    store.admit(arrival, teller()).await.unwrap()
}

async fn account(store: &dyn Store, address: &str) -> Account {
    store.account_by_email(&email(address)).await.unwrap().unwrap()
}

pub(crate) async fn a_new_person_is_made_once_and_known_afterwards(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let first =
        Arrival { name: Some(name("Adele Vance")), ..arrival("contoso", "adele", "adele@contoso.com") };
    let Admission::Created(made) = admit(&*store, &first).await else { panic!("not made") };
    assert_eq!(made, account(&*store, "adele@contoso.com").await);
    assert_eq!((made.user.state, made.user.access_version), (Membership::Waiting, 1));
    assert_eq!((Some(&made.user.id), &made.user.name), (first.new_user.as_ref(), &first.name));
    assert_eq!((made.user.created_at, made.user.last_sign_on_at), (noon(), Some(noon())));
    assert_eq!(watch.since().await, (vec![Change::User(made.user.id.clone())], 1));

    let second = Arrival { at: seconds_later(60), name: None, ..first };
    let Admission::Known(known) = admit(&*store, &second).await else { panic!("not known") };
    assert_eq!(known.user.last_sign_on_at, Some(seconds_later(60)));
    assert_eq!((&known.user.id, known.user.access_version), (&made.user.id, 1));
    assert_eq!(known.user.name, made.user.name, "a name that is not asserted is kept");
    assert_eq!(watch.since().await, (vec![], 1), "a sign-on as such changes no access");
}

pub(crate) async fn an_expected_person_is_bound_at_the_first_sign_on(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let id = add(&*store, "adele@contoso.com", &[grant("*", "viewer")]).await;
    let mut watch = Watch::begin(&*store).await;
    let first =
        Arrival { name: Some(name("Adele Vance")), ..arrival("contoso", "adele", "adele@contoso.com") };
    let Admission::Bound(bound) = admit(&*store, &first).await else { panic!("not bound") };
    assert_eq!(bound, account(&*store, "adele@contoso.com").await);
    assert_eq!((&bound.user.id, bound.user.subject.as_deref()), (&id, Some(&first.subject)));
    assert_eq!((bound.user.state, bound.grants.len()), (Membership::Active, 1));
    assert_eq!(bound.user.name, first.name);
    assert_eq!(watch.since().await, (vec![Change::User(id)], 1));
    assert!(matches!(admit(&*store, &first).await, Admission::Known(_)));
}

pub(crate) async fn a_known_address_with_another_subject_is_a_conflict(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let first = arrival("contoso", "adele", "adele@contoso.com");
    admit(&*store, &first).await;
    let foreign = add(&*store, "cleo@fabrikam.com", &[]).await;
    let before = store.accounts(&UserFilter::default()).await.unwrap();
    let mut watch = Watch::begin(&*store).await;

    let other = arrival("contoso", "impostor", "adele@contoso.com");
    let holder = first.new_user.unwrap();
    assert_eq!(admit(&*store, &other).await, Admission::Conflict { user: holder });
    let trespasser = arrival("contoso", "cleo", "cleo@fabrikam.com");
    assert_eq!(admit(&*store, &trespasser).await, Admission::Conflict { user: foreign });
    assert_eq!(watch.since().await, (vec![], 2), "told in the audit log only");
    assert_eq!(store.accounts(&UserFilter::default()).await.unwrap(), before);
}

pub(crate) async fn a_connection_of_another_organization_admits_nobody_known(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let first = arrival("contoso", "adele", "adele@contoso.com");
    admit(&*store, &first).await;
    let before = store.accounts(&UserFilter::default()).await.unwrap();
    let moved = Arrival { organization: organization_id("fabrikam"), ..first.clone() };
    assert_eq!(admit(&*store, &moved).await, Admission::Conflict { user: first.new_user.unwrap() });
    assert_eq!(store.accounts(&UserFilter::default()).await.unwrap(), before);

    let homeless =
        Arrival { organization: organization_id("nobody"), ..arrival("contoso", "ben", "ben@contoso.com") };
    let refused = store.admit(&homeless, teller()).await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "organizations", .. })), "{refused:?}");
    assert_eq!(store.accounts(&UserFilter::default()).await.unwrap(), before);
}

pub(crate) async fn nobody_is_made_without_an_id_to_make_them_with(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let stranger = Arrival { new_user: None, ..arrival("contoso", "adele", "adele@contoso.com") };
    assert_eq!(admit(&*store, &stranger).await, Admission::Unknown);
    assert_eq!(watch.since().await, (vec![], 1));
    assert!(store.accounts(&UserFilter::default()).await.unwrap().is_empty());

    add(&*store, "adele@contoso.com", &[]).await;
    assert!(matches!(admit(&*store, &stranger).await, Admission::Bound(_)), "but who was expected is bound");
}

pub(crate) async fn a_new_address_and_name_are_taken_over(backend: &dyn Backend) {
    let store = furnished(backend).await;
    admit(&*store, &arrival("contoso", "adele", "adele@contoso.com")).await;
    let mut watch = Watch::begin(&*store).await;
    let married =
        Arrival { name: Some(name("Adele Smith")), ..arrival("contoso", "adele", "smith@contoso.com") };
    let Admission::Known(known) = admit(&*store, &married).await else { panic!("not known") };
    assert_eq!((&known.user.email, &known.user.name), (&married.email, &married.name));
    assert_eq!(known.user.access_version, 2);
    assert_eq!(watch.since().await, (vec![Change::User(known.user.id)], 1));
    assert_eq!(store.account_by_email(&email("adele@contoso.com")).await.unwrap(), None);
}

pub(crate) async fn an_address_of_somebody_else_is_not_taken_over(backend: &dyn Backend) {
    let store = furnished(backend).await;
    admit(&*store, &arrival("contoso", "adele", "adele@contoso.com")).await;
    let ben = add(&*store, "ben@contoso.com", &[]).await;
    let mut watch = Watch::begin(&*store).await;
    let greedy = Arrival { name: Some(name("Adele")), ..arrival("contoso", "adele", "ben@contoso.com") };
    let Admission::Known(known) = admit(&*store, &greedy).await else { panic!("not known") };
    assert_eq!((&known.user.email, &known.user.name), (&email("adele@contoso.com"), &greedy.name));
    assert_eq!(watch.since().await, (vec![Change::User(known.user.id)], 1));
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    let note = json!({ "address_of_another_user": { "email": "ben@contoso.com", "user": ben.as_str() } });
    assert_eq!((entry.action.as_str(), entry.details), ("known", note));
    assert_eq!(account(&*store, "ben@contoso.com").await.user.subject, None);
}

pub(crate) async fn a_disabled_user_is_known_but_has_not_signed_on(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let first = arrival("contoso", "adele", "adele@contoso.com");
    admit(&*store, &first).await;
    let id = first.new_user.clone().unwrap();
    store.change_user(&id, &UserChange::Disable, event("user.changed"), Vec::new()).await.unwrap();
    let Admission::Known(known) = admit(&*store, &Arrival { at: seconds_later(60), ..first }).await else {
        panic!("not known")
    };
    assert_eq!((known.user.state, known.user.last_sign_on_at), (Membership::Disabled, Some(noon())));
}

pub(crate) async fn parallel_arrivals_of_one_new_person_make_one_user(backend: &dyn Backend) {
    let stores = [furnished(backend).await, backend.open().await];
    let arrivals = (0..20).map(|number: usize| {
        let store = stores[number % 2].clone();
        // Each would make the user under an id of its own.
        let id = anteroom::id::UserId::parse(&format!("u_{number}")).unwrap();
        let arrival = Arrival { new_user: Some(id), ..arrival("contoso", "adele", "adele@contoso.com") };
        tokio::spawn(async move { store.admit(&arrival, teller()).await.unwrap() })
    });
    let outcomes = futures_util::future::join_all(arrivals.collect::<Vec<_>>()).await;
    let mut ids = BTreeSet::new();
    let mut made = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            Admission::Created(account) => {
                made += 1;
                ids.insert(account.user.id);
            }
            Admission::Known(account) => {
                ids.insert(account.user.id);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((made, ids.len()), (1, 1));
    assert_eq!(stores[0].accounts(&UserFilter::default()).await.unwrap().len(), 1);
    let subject = Subject { connection: connection_id("contoso"), key: "adele".to_owned() };
    assert_eq!(account(&*stores[0], "adele@contoso.com").await.user.subject.as_deref(), Some(&subject));
}

fn handoff(number: u8) -> Handoff {
    Handoff {
        code_hash: [number; 32],
        request_id: "_r".to_owned(),
        payload: vec![0, 159, 146, 150],
        expires_at: seconds_later(60),
    }
}

pub(crate) async fn a_handoff_is_taken_once(backend: &dyn Backend) {
    let store = backend.open().await;
    store.put_handoff(&handoff(1)).await.unwrap();
    store.put_handoff(&handoff(2)).await.unwrap();
    assert!(store.put_handoff(&handoff(2)).await.is_err(), "a code is never given twice");
    assert_eq!(store.take_handoff(&[3; 32], noon()).await.unwrap(), None);
    assert_eq!(store.take_handoff(&[1; 32], noon()).await.unwrap(), Some(handoff(1)));
    assert_eq!(store.take_handoff(&[1; 32], noon()).await.unwrap(), None);
    assert_eq!(store.take_handoff(&[2; 32], noon()).await.unwrap(), Some(handoff(2)));
}

pub(crate) async fn a_handoff_is_gone_when_it_has_expired(backend: &dyn Backend) {
    let store = backend.open().await;
    store.put_handoff(&handoff(1)).await.unwrap();
    store.put_handoff(&handoff(2)).await.unwrap();
    assert_eq!(store.take_handoff(&[1; 32], seconds_later(59)).await.unwrap(), Some(handoff(1)));
    assert_eq!(store.take_handoff(&[2; 32], seconds_later(60)).await.unwrap(), None);
    assert_eq!(store.take_handoff(&[2; 32], noon()).await.unwrap(), None, "nor when the clock goes back");
}

pub(crate) async fn parallel_takers_of_a_handoff_have_one_winner(backend: &dyn Backend) {
    let stores = [backend.open().await, backend.open().await];
    stores[0].put_handoff(&handoff(1)).await.unwrap();
    let takers = (0..20).map(|number: usize| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { store.take_handoff(&[1; 32], noon()).await.unwrap() })
    });
    let outcomes = futures_util::future::join_all(takers.collect::<Vec<_>>()).await;
    assert_eq!(outcomes.into_iter().filter(|outcome| matches!(outcome, Ok(Some(_)))).count(), 1);
}

pub(crate) async fn conflicts_are_kept_for_support_to_settle(backend: &dyn Backend) {
    let store = furnished(backend).await;
    admit(&*store, &arrival("contoso", "adele", "adele@contoso.com")).await;
    admit(&*store, &arrival("fabrikam", "cleo", "cleo@fabrikam.com")).await;
    let adele = account(&*store, "adele@contoso.com").await.user.id;
    let other = Arrival { name: Some(name("Adele V")), ..arrival("contoso", "other", "adele@contoso.com") };
    for (arrival, reference) in [
        (&other, "AAAA"),
        (&Arrival { at: seconds_later(60), name: None, ..other.clone() }, "BBBB"),
        (&Arrival { at: seconds_later(30), ..arrival("contoso", "third", "adele@contoso.com") }, "CCCC"),
        // Of another organization: there is nothing that support could bind.
        (&arrival("contoso", "mine", "cleo@fabrikam.com"), "DDDD"),
    ] {
        let outcome = store.admit(arrival, referring_teller(reference)).await.unwrap();
        assert!(matches!(outcome, Admission::Conflict { .. }), "{outcome:?}");
    }
    // Without a reference nobody could ask for it.
    admit(&*store, &arrival("contoso", "fourth", "adele@contoso.com")).await;

    let conflicts = store.subject_conflicts(None).await.unwrap();
    let seen: Vec<_> =
        conflicts.iter().map(|one| (one.reference.as_str(), one.subject.key.as_str())).collect();
    assert_eq!(seen, [("BBBB", "other"), ("CCCC", "third")], "each subject once, as it came last");
    assert_eq!((&conflicts[0].user, conflicts[0].at, &conflicts[0].name), (&adele, seconds_later(60), &None));
    assert_eq!(store.subject_conflicts(Some(&adele)).await.unwrap(), conflicts);
    let cleo = account(&*store, "cleo@fabrikam.com").await.user.id;
    assert!(store.subject_conflicts(Some(&cleo)).await.unwrap().is_empty());

    let mut watch = Watch::begin(&*store).await;
    assert!(store.dismiss_conflict("BBBB", event("conflict.dismissed")).await.unwrap());
    assert!(!store.dismiss_conflict("BBBB", event("conflict.dismissed")).await.unwrap());
    assert_eq!(watch.since().await, (vec![], 1));
    assert_eq!(store.subject_conflicts(None).await.unwrap().len(), 1);
}

pub(crate) async fn no_more_conflicts_are_kept_than_anybody_reads(backend: &dyn Backend) {
    let store = furnished(backend).await;
    admit(&*store, &arrival("contoso", "adele", "adele@contoso.com")).await;
    for number in 0..30 {
        let other = arrival("contoso", &format!("{number}"), "adele@contoso.com");
        let other = Arrival { at: seconds_later(number), ..other };
        store.admit(&other, referring_teller("AAAA")).await.unwrap();
    }
    let conflicts = store.subject_conflicts(None).await.unwrap();
    assert_eq!((conflicts.len(), conflicts[0].subject.key.as_str()), (20, "29"));
}
