//! Keys, the change feed, the audit log, housekeeping.

use anteroom::directory::Subject;
use anteroom::session::SessionHash;
use anteroom::store::{
    AuditEvent, AuditFilter, Change, ChangeSeq, Claimant, Consumed, Error, Handoff, Store, StoredKey,
    TRACES_MAX, TRACES_OF_ONE_MAX, Trace, UserChange, UserFilter,
};
use serde_json::json;

use crate::store::conformance::{
    Backend, Watch, add, connection_id, consumption, email, event, furnished, grant, noon, seconds_later,
    session, user_id,
};

fn key(kid: &str) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        sealed: vec![1, 2, 255],
        created_at: noon(),
        signs_from: seconds_later(86_400),
        retires_at: None,
    }
}

fn kids(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) async fn keys_are_replaced_only_by_who_knows_the_present_ones(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut watch = Watch::begin(&*store).await;
    assert!(store.replace_keys(&[], &[key("a"), key("b")], event("keys.rotated")).await.unwrap());
    assert_eq!(store.keys().await.unwrap(), [key("a"), key("b")]);
    assert_eq!(watch.since().await, (vec![Change::Keys], 1));
    for stale in [&[][..], &["a"], &["a", "b", "c"], &["a", "c"]] {
        assert!(
            !store.replace_keys(&kids(stale), &[key("x")], event("keys.rotated")).await.unwrap(),
            "{stale:?}"
        );
    }
    assert_eq!(watch.since().await, (vec![], 0));
    assert_eq!(store.keys().await.unwrap(), [key("a"), key("b")]);

    let retired = StoredKey { retires_at: Some(seconds_later(7 * 86_400)), ..key("b") };
    let news = [retired, key("c")];
    assert!(store.replace_keys(&kids(&["b", "a"]), &news, event("keys.rotated")).await.unwrap());
    assert_eq!(store.keys().await.unwrap(), news);
}

pub(crate) async fn parallel_rotations_have_one_winner(backend: &dyn Backend) {
    let stores = [backend.open().await, backend.open().await];
    let rotations = (0..10).map(|number: usize| {
        let store = stores[number % 2].clone();
        let keys = [key(&format!("key-{number}"))];
        tokio::spawn(async move { store.replace_keys(&[], &keys, event("keys.rotated")).await.unwrap() })
    });
    let outcomes = futures_util::future::join_all(rotations.collect::<Vec<_>>()).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count(), 1);
    assert_eq!(stores[0].keys().await.unwrap().len(), 1);
}

pub(crate) async fn changes_reach_a_second_handle_in_order(backend: &dyn Backend) {
    let server = furnished(backend).await;
    let head = server.change_head().await.unwrap();
    let command = backend.open().await;
    let adele = add(&*command, "adele@contoso.com", &[]).await;
    let ben = add(&*command, "ben@contoso.com", &[]).await;
    command.replace_keys(&[], &[key("a")], event("keys.rotated")).await.unwrap();
    let granted = UserChange::Grant(grant("tower", "viewer"));
    command.change_user(&adele, &granted, event("user.changed"), Vec::new()).await.unwrap();

    let expected =
        [Change::User(adele.clone()), Change::User(ben), Change::Keys, Change::User(adele.clone())];
    let (seq, changes) = server.changes_after(head).await.unwrap();
    assert_eq!(changes, expected);
    assert_eq!(seq, server.change_head().await.unwrap());
    assert!(seq > head);
    assert_eq!(server.changes_after(seq).await.unwrap(), (seq, vec![]));
    assert_eq!(server.account(&adele).await.unwrap().unwrap().grants, [grant("tower", "viewer")]);

    // A long absence is caught up on in steps.
    for round in 0..1_003 {
        let level = if round % 2 == 0 { "manager" } else { "viewer" };
        let granted = UserChange::Grant(grant("tower", level));
        command.change_user(&adele, &granted, event("user.changed"), Vec::new()).await.unwrap();
    }
    let (middle, changes) = server.changes_after(seq).await.unwrap();
    assert_eq!(changes.len(), 1_000);
    let (end, changes) = server.changes_after(middle).await.unwrap();
    assert_eq!((end, changes.len()), (server.change_head().await.unwrap(), 3));
}

pub(crate) async fn a_listener_who_missed_purged_changes_hears_of_everything(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    let ben = add(&*store, "ben@contoso.com", &[]).await;
    let head = store.change_head().await.unwrap();
    let days_later = seconds_later(3 * 86_400);
    let tomorrow = AuditEvent { at: days_later, ..event("user.changed") };
    store.change_user(&adele, &UserChange::Disable, event("user.changed"), Vec::new()).await.unwrap();
    store.change_user(&adele, &UserChange::Enable, tomorrow, Vec::new()).await.unwrap();
    store.purge(days_later, noon()).await.unwrap();

    let (seq, changes) = store.changes_after(head).await.unwrap();
    assert_eq!(changes, [Change::Directory, Change::Keys, Change::User(adele.clone()), Change::User(ben)]);
    assert_eq!(seq, store.change_head().await.unwrap());
    // Who missed nothing that is gone hears what is new, and no more.
    let (_, changes) = store.changes_after(ChangeSeq(seq.0 - 1)).await.unwrap();
    assert_eq!(changes, [Change::User(adele)]);
}

pub(crate) async fn positions_never_go_back_when_changes_are_purged(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    let head = store.change_head().await.unwrap();
    let days_later = seconds_later(3 * 86_400);
    store.purge(days_later, noon()).await.unwrap();
    assert_eq!(store.change_head().await.unwrap(), head);
    assert_eq!(store.changes_after(head).await.unwrap(), (head, vec![]));
    store.close().await;
    let store = backend.open().await;
    assert_eq!(store.change_head().await.unwrap(), head);
    store.change_user(&adele, &UserChange::Disable, event("user.changed"), Vec::new()).await.unwrap();
    assert_eq!(store.changes_after(head).await.unwrap(), (ChangeSeq(head.0 + 1), vec![Change::User(adele)]));
}

pub(crate) async fn the_audit_log_is_read_newest_first_and_by_reference(backend: &dyn Backend) {
    let store = backend.open().await;
    let refused = AuditEvent {
        subject: Some("adele@contoso.com".to_owned()),
        reason: Some("wrong_audience".to_owned()),
        reference: Some("ABCD234567".to_owned()),
        details: json!({ "expected": "urn:a", "got": ["urn:b", null, 3] }),
        ..event("sign_on.refused")
    };
    for event in [event("first"), refused.clone(), event("last")] {
        store.audit(event).await.unwrap();
    }
    let entries = store.audit_entries(2).await.unwrap();
    let seen: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.action.as_str())).collect();
    assert_eq!(seen, [(3, "last"), (2, "sign_on.refused")]);

    let found = store.audit_by_reference("ABCD234567").await.unwrap().unwrap();
    assert_eq!(found, entries[1]);
    assert_eq!((found.at, found.actor, found.details), (noon(), refused.actor, refused.details));
    assert_eq!(
        (found.subject, found.reason, found.reference),
        (refused.subject, refused.reason, refused.reference)
    );
    assert_eq!(store.audit_by_reference("ABCD234568").await.unwrap(), None);
}

pub(crate) async fn the_configuration_that_was_last_in_force_is_kept(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.configuration().await.unwrap(), None);
    for values in [json!({ "app.url": ["https://a.example", "00"] }), json!({})] {
        let before = store.audit_entries(10).await.unwrap().len();
        store.keep_configuration(&values, event("configuration.started")).await.unwrap();
        assert_eq!(store.configuration().await.unwrap(), Some(values));
        assert_eq!(store.audit_entries(10).await.unwrap().len(), before + 1);
    }
    store.close().await;
    assert_eq!(backend.open().await.configuration().await.unwrap(), Some(json!({})));
}

pub(crate) async fn refused_sign_ons_are_found_by_whom_they_spoke_of(backend: &dyn Backend) {
    let store = backend.open().await;
    let refused = |connection: &str, claimed: serde_json::Value| AuditEvent {
        subject: Some(connection.to_owned()),
        details: json!({ "text": "x", "claimed": claimed }),
        ..event("sign_on.refused")
    };
    let key = |key: &str| json!({ "email": null, "subject": key });
    for event in [
        refused("contoso", json!({ "email": "adele@contoso.com", "subject": null })),
        refused("contoso", key("entra:a")),
        refused("fabrikam", key("entra:a")),
        refused("contoso", key("entra:b")),
        refused("contoso", json!({ "email": "ben@contoso.com", "subject": "entra:a" })),
        event("sign_on.refused"),
    ] {
        store.audit(event).await.unwrap();
    }
    let found = async |claimant: Claimant| -> Vec<i64> {
        let filter = AuditFilter { claimant: Some(claimant), limit: 10, ..AuditFilter::default() };
        store.audit_search(&filter).await.unwrap().into_iter().map(|entry| entry.seq).collect()
    };
    let subject = Subject { connection: connection_id("contoso"), key: "entra:a".to_owned() };
    let adele = Claimant { email: email("adele@contoso.com"), subject: None };
    assert_eq!(found(adele.clone()).await, [1]);
    assert_eq!(found(Claimant { subject: Some(subject), ..adele }).await, [5, 2, 1], "of the own provider");
    assert_eq!(found(Claimant { email: email("eve@contoso.com"), subject: None }).await, [0; 0]);
    let text = AuditFilter { text: Some("ADELE@".to_owned()), limit: 10, ..AuditFilter::default() };
    assert_eq!(store.audit_search(&text).await.unwrap().len(), 1, "and by a part of the address");
}

pub(crate) async fn an_event_that_is_too_long_is_cut(backend: &dyn Backend) {
    let store = backend.open().await;
    let long = AuditEvent {
        actor: "ä".repeat(10_000),
        details: json!({ "got": "x".repeat(5_000) }),
        ..event("sign_on.refused")
    };
    store.audit(long).await.unwrap();
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    assert_eq!(entry.actor, "ä".repeat(256));
    assert_eq!(entry.details, json!({ "dropped_bytes": 5_010 }));
}

pub(crate) async fn purging_removes_what_has_expired_and_nothing_else(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[grant("*", "viewer")]).await;
    let handoff = |number: u8, seconds| Handoff {
        code_hash: [number; 32],
        request_id: "_r".to_owned(),
        payload: vec![],
        expires_at: seconds_later(seconds),
    };
    store.put_handoff(&handoff(1, 60)).await.unwrap();
    store.put_handoff(&handoff(2, 61)).await.unwrap();
    let mut early = consumption("contoso", "_early", "_early");
    early.expires_at = seconds_later(60);
    let mut late = consumption("contoso", "_late", "_late");
    late.expires_at = seconds_later(61);
    store.consume(&early).await.unwrap();
    store.consume(&late).await.unwrap();
    let [mut ended, mut idle, mut live] = [1, 2, 3].map(|number| session(number, "u_adele"));
    ended.ends_at = seconds_later(60);
    idle.last_seen_at = seconds_later(29);
    live.last_seen_at = seconds_later(30);
    live.ends_at = seconds_later(61);
    for session in [&ended, &idle, &live] {
        store.begin_session(session, event("session.begun")).await.unwrap();
    }
    let before = store.accounts(&UserFilter::default()).await.unwrap();
    let audited = store.audit_entries(100).await.unwrap();

    store.purge(seconds_later(60), seconds_later(30)).await.unwrap();
    assert_eq!(store.take_handoff(&[1; 32], noon()).await.unwrap(), None);
    assert!(store.take_handoff(&[2; 32], noon()).await.unwrap().is_some());
    assert_eq!(store.consume(&early).await.unwrap(), Consumed::First, "nobody can use it any more");
    assert_eq!(store.consume(&late).await.unwrap(), Consumed::RequestReplayed);
    let left: Vec<SessionHash> =
        store.sessions(None, 10).await.unwrap().into_iter().map(|view| view.session.hash).collect();
    assert_eq!(left, [live.hash]);
    assert_eq!(store.accounts(&UserFilter::default()).await.unwrap(), before);
    assert_eq!(store.audit_entries(100).await.unwrap(), audited);
}

pub(crate) async fn everything_is_there_after_a_restart(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[grant("tower", "viewer")]).await;
    store.begin_session(&session(1, "u_adele"), event("session.begun")).await.unwrap();
    store.replace_keys(&[], &[key("a")], event("keys.rotated")).await.unwrap();
    let all = async |store: &dyn Store| {
        (
            store.organizations().await.unwrap(),
            store.properties(None).await.unwrap(),
            store.sessions(None, 10).await.unwrap(),
            store.keys().await.unwrap(),
            store.audit_entries(100).await.unwrap(),
            store.changes_after(ChangeSeq(0)).await.unwrap(),
        )
    };
    let before = all(&*store).await;
    assert_eq!((before.0.len(), before.1.len(), before.2.len(), before.3.len()), (2, 3, 1, 1));
    store.close().await;
    let store = backend.open().await;
    assert_eq!(before, all(&*store).await);
    let mut watch = Watch::begin(&*store).await;
    add(&*store, "ben@contoso.com", &[]).await;
    assert_eq!(watch.since().await, (vec![Change::User(user_id("u_ben"))], 1));
}

pub(crate) async fn a_closed_store_says_that_it_is_unavailable(backend: &dyn Backend) {
    let store = furnished(backend).await;
    store.close().await;
    store.close().await;
    assert!(matches!(store.change_head().await, Err(Error::Unavailable(_))));
    assert!(matches!(store.audit(event("late")).await, Err(Error::Unavailable(_))));
}

fn trace(reference: &str, connection: Option<&str>, at: i64) -> Trace {
    Trace {
        reference: reference.to_owned(),
        at: seconds_later(at),
        connection: connection.map(connection_id),
        report: json!({ "checks": [] }),
    }
}

pub(crate) async fn traces_are_kept_under_their_references_with_their_events(backend: &dyn Backend) {
    let store = backend.open().await;
    for trace in [trace("A", Some("contoso"), 0), trace("B", None, 60)] {
        let refused = AuditEvent { reference: Some(trace.reference.clone()), ..event("sign_on.refused") };
        store.audit_with_trace(refused, &trace).await.unwrap();
        assert_eq!(store.trace(&trace.reference).await.unwrap(), Some(trace.clone()));
        assert!(store.audit_by_reference(&trace.reference).await.unwrap().is_some());
    }
    assert_eq!(store.trace("C").await.unwrap(), None);
    assert_eq!(store.purge_traces(seconds_later(60)).await.unwrap(), 1);
    assert_eq!(store.trace("A").await.unwrap(), None);
    assert!(store.trace("B").await.unwrap().is_some());
    // The log stays.
    assert!(store.audit_by_reference("A").await.unwrap().is_some());
}

/// On a store in memory, since it is many.
#[tokio::test]
async fn traces_are_bounded_for_each_connection_and_in_all() {
    let store = anteroom::store::open(&anteroom::store::Settings::Memory).await.unwrap();
    let of_one = i64::from(TRACES_OF_ONE_MAX);
    let connections = i64::from(TRACES_MAX) / of_one + 1;
    for connection in 0..connections {
        let id = format!("c{connection}");
        for number in 0..=of_one {
            let trace = trace(&format!("{id}-{number}"), Some(&id), number);
            store.audit_with_trace(event("sign_on.refused"), &trace).await.unwrap();
        }
        let kept = async |number| store.trace(&format!("{id}-{number}")).await.unwrap().is_some();
        assert_eq!((kept(0).await, kept(1).await, kept(of_one).await), (false, true, true));
    }
    let removed = store.purge_traces(seconds_later(of_one + 1)).await.unwrap();
    assert_eq!(removed, u64::from(TRACES_MAX));
}
