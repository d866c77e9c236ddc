//! The audit log, verified.

use anteroom::admin::{AuditVerified, Broken};
use anteroom::store::AuditAnchor;

use super::House;

impl House {
    async fn head(&self, since: Option<AuditAnchor>) -> (u64, AuditAnchor) {
        match self.admin.verify_audit(since).await.unwrap() {
            AuditVerified::Whole { checked, unchained: 0, head } => (checked, head),
            other => panic!("not whole: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_whole_from_its_beginning_and_from_any_head() {
    let house = House::new().await;
    let (checked, head) = house.head(None).await;
    assert_eq!(i64::try_from(checked).unwrap(), head.seq);
    assert_eq!(house.head(Some(head)).await, (0, head));
    house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let (further, next) = house.head(Some(head)).await;
    assert_eq!((further, next.seq), (1, head.seq + 1));
    assert_eq!(house.head(None).await, (checked + 1, next));
}

#[tokio::test]
async fn a_head_that_is_not_in_the_log_shows_that_it_was_replaced() {
    let house = House::new().await;
    let (_, head) = house.head(None).await;
    for (since, broken) in [
        (AuditAnchor { hash: [7; 32], ..head }, Broken::OtherStart { seq: head.seq }),
        (AuditAnchor { seq: head.seq + 9, ..head }, Broken::OtherStart { seq: head.seq + 9 }),
        (AuditAnchor { seq: head.seq - 1, ..head }, Broken::OtherStart { seq: head.seq - 1 }),
        (AuditAnchor { seq: 0, hash: [1; 32] }, Broken::OtherStart { seq: 0 }),
    ] {
        assert_eq!(house.admin.verify_audit(Some(since)).await.unwrap(), AuditVerified::Broken(broken));
    }
}

#[tokio::test]
async fn what_retention_removed_leaves_a_whole_log_that_begins_later() {
    use anteroom::clock::Clock as _;
    let house = House::new().await;
    let (_, before) = house.head(None).await;
    house.later(48);
    house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let now = house.clock.now();
    let purged = anteroom::store::AuditEvent::of_anteroom(now, "audit.purged");
    let removed = house.store.purge_audit(now, purged).await.unwrap();
    assert_eq!(i64::try_from(removed).unwrap(), before.seq);
    assert_eq!(house.head(None).await.0, 2);
    assert_eq!(house.head(Some(before)).await.0, 2);
    let older = AuditAnchor { seq: before.seq - 1, ..before };
    let broken = Broken::Removed { seq: older.seq, anchor: before.seq };
    assert_eq!(house.admin.verify_audit(Some(older)).await.unwrap(), AuditVerified::Broken(broken));
}
