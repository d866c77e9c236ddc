//! The audit log: its chain, asking for entries, and removing the oldest.

use anteroom::store::{AuditAnchor, AuditEvent, AuditFilter, Store};
use serde_json::json;

use crate::store::conformance::{Backend, event, first_break, furnished, noon, seconds_later};

async fn write(store: &dyn Store, action: &'static str, seconds: i64) {
    store.audit(AuditEvent { at: seconds_later(seconds), ..event(action) }).await.unwrap();
}

async fn found(store: &dyn Store, filter: &AuditFilter) -> Vec<i64> {
    store.audit_search(filter).await.unwrap().into_iter().map(|entry| entry.seq).collect()
}

pub(crate) async fn every_entry_is_chained_to_the_one_before(backend: &dyn Backend) {
    let store = furnished(backend).await;
    for details in [
        json!(null),
        json!({ "b": 1, "a": [1.5, 1e300, 0.1, -0.0, 123_456_789_012_345_678_i64], "ü": "\u{0}\"\n" }),
        json!({ "got": "x".repeat(5_000), "expected": "urn:a" }),
        json!("text"),
    ] {
        let event = AuditEvent {
            subject: Some("ä".repeat(500)),
            request_id: Some("0123-4567".to_owned()),
            details,
            ..event("sign_on.refused")
        };
        store.audit(event).await.unwrap();
    }
    let entries = store.audit_after(0, 100).await.unwrap();
    assert!(entries.iter().all(|entry| entry.hash.is_some()));
    assert_eq!(entries.last().unwrap().request_id.as_deref(), Some("0123-4567"));
    assert_eq!(entries[entries.len() - 2].details, json!({ "expected": "urn:a", "dropped_bytes": 5_029 }));
    assert_eq!(first_break(&*store).await, None);

    store.close().await;
    let store = backend.open().await;
    write(&*store, "after", 1).await;
    assert_eq!(first_break(&*store).await, None, "goes on after a restart");
    assert_eq!(store.audit_anchor().await.unwrap(), AuditAnchor { seq: 0, hash: [0; 32] });
}

pub(crate) async fn parallel_writers_make_one_chain(backend: &dyn Backend) {
    let stores = [backend.open().await, backend.open().await];
    let tasks = (0..40).map(|number: usize| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { write(&*store, "x", 0).await })
    });
    futures_util::future::join_all(tasks.collect::<Vec<_>>()).await;
    assert_eq!(stores[0].audit_after(0, 100).await.unwrap().len(), 40);
    assert_eq!(first_break(&*stores[0]).await, None);
}

pub(crate) async fn entries_are_searched_and_paged(backend: &dyn Backend) {
    let store = backend.open().await;
    let text = |text: &str| Some(text.to_owned());
    for event in [
        event("user.added"),
        AuditEvent { subject: text("adele@contoso.com"), ..event("sign_on.refused") },
        AuditEvent {
            reason: text("wrong_audience"),
            reference: text("ABCD234567"),
            ..event("sign_on.refused")
        },
        AuditEvent { actor: "Adele@contoso.com".to_owned(), ..event("request.filed") },
        event("sign_onwards"),
    ] {
        store.audit(event).await.unwrap();
    }
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    for (filter, expected) in [
        (all.clone(), &[5, 4, 3, 2, 1][..]),
        (AuditFilter { limit: 2, ..all.clone() }, &[5, 4]),
        (AuditFilter { before: Some(4), limit: 2, ..all.clone() }, &[3, 2]),
        (AuditFilter { action_prefix: text("sign_on."), ..all.clone() }, &[3, 2]),
        (AuditFilter { text: text("ADELE@"), ..all.clone() }, &[4, 2]),
        (AuditFilter { subject: text("adele@contoso.com"), ..all.clone() }, &[2]),
        (AuditFilter { subject: text("adele@"), ..all.clone() }, &[]),
        (AuditFilter { text: text("abcd234567"), ..all.clone() }, &[3]),
        (AuditFilter { text: text("g_a"), ..all.clone() }, &[3]),
        (AuditFilter { text: text("wrong%"), ..all.clone() }, &[]),
        (AuditFilter { text: text("adele"), action_prefix: text("sign_on."), ..all.clone() }, &[2]),
    ] {
        assert_eq!(found(&*store, &filter).await, expected, "{filter:?}");
    }
    let after: Vec<_> = store.audit_after(2, 2).await.unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(after, [3, 4]);
}

pub(crate) async fn removing_old_entries_keeps_the_chain_verifiable(backend: &dyn Backend) {
    let store = backend.open().await;
    for second in 0..5 {
        write(&*store, "old", second).await;
    }
    // The clock was set back: what stands after a newer entry is not the oldest.
    for second in [100, 3, 101] {
        write(&*store, "new", second).await;
    }
    let last_old = store.audit_after(4, 1).await.unwrap().remove(0);
    let purged = AuditEvent { at: seconds_later(200), ..event("audit.purged") };
    assert_eq!(store.purge_audit(noon(), purged.clone()).await.unwrap(), 0, "nothing from before noon");
    assert_eq!(store.audit_entries(100).await.unwrap().len(), 8);
    assert_eq!(store.purge_audit(seconds_later(50), purged.clone()).await.unwrap(), 5);
    let anchor = AuditAnchor { seq: 5, hash: last_old.hash.unwrap() };
    assert_eq!(store.audit_anchor().await.unwrap(), anchor);
    let left: Vec<_> = store.audit_after(0, 100).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [6, 7, 8, 9]);
    assert_eq!((left[3].action.as_str(), &left[3].details["removed"]), ("audit.purged", &json!(5)));
    assert_eq!(first_break(&*store).await, None);

    assert_eq!(store.purge_audit(seconds_later(1_000), purged).await.unwrap(), 4, "even all of them");
    store.close().await;
    let store = backend.open().await;
    write(&*store, "later", 300).await;
    let left: Vec<_> = store.audit_after(0, 100).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(left[0].details, json!({ "removed": 4, "up_to": 9 }));
    assert_eq!(first_break(&*store).await, None);
}
