//! What operators do with a running Anteroom, as the audit log tells it.
//!
//! Separate because no visitor sees any of it.

use std::time::Duration;

use anteroom::clock::ManualClock;
use anteroom::store::AuditEntry;
use serde_json::{Value, json};

use crate::app::{TestApp, Wanted, until};

fn find<'e>(entries: &'e [AuditEntry], action: &str) -> Vec<&'e AuditEntry> {
    entries.iter().filter(|entry| entry.action == action).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_and_reloads_are_written_down_with_the_values_that_changed_and_no_secret() {
    let mut app = TestApp::new().await;
    let write = |more: &str| {
        let text = std::fs::read_to_string(app.config_path()).expect("the file is there");
        std::fs::write(app.config_path(), format!("{more}\n{text}")).expect("the file is writable");
    };
    let before = app.audit().await;
    let [started] = find(&before, "configuration.started")[..] else { panic!("{before:?}") };
    assert_eq!(started.actor, "anteroom");
    assert_eq!(started.details["changes"], json!([]), "there is nothing to compare the first one with");

    write(
        "[session]\nidle = \"1234s\"\n[mail]\nsmtp = \"smtp://me:marlin@127.0.0.1:1\"\nfrom = \"a@b.example\"",
    );
    app.reload().await.expect("the new configuration is good");
    write("[sessions]\nsecretive = \"swordfish\"");
    app.reload().await.expect_err("the new configuration is bad");

    let entries = app.audit().await;
    let reloaded = find(&entries, "configuration.reloaded");
    let first = reloaded.iter().find(|entry| entry.details["sections_changed"] == json!(["mail", "session"]));
    let first = first.expect("what changed is named");
    let changed =
        |key: &str, before: Value, after: Value| json!({"key": key, "before": before, "after": after});
    assert_eq!(
        first.details["changes"],
        json!([
            changed("mail.from", Value::Null, "a@b.example".into()),
            changed("mail.smtp", "(changed)".into(), "(changed)".into()),
            changed("session.idle", Value::Null, "1234s".into()),
        ])
    );
    assert_ne!(first.details["sha256"], started.details["sha256"]);
    let refused = find(&entries, "configuration.refused");
    assert!(refused.iter().all(|entry| entry.reason.as_deref() == Some("invalid")) && !refused.is_empty());
    let all = format!("{entries:?}");
    assert!(!all.contains("marlin") && !all.contains("swordfish"), "{all}");

    // What changes by a restart is told, too.
    let text = std::fs::read_to_string(app.config_path()).expect("the file is there");
    let text = text.replace("[sessions]\nsecretive = \"swordfish\"", "").replace("1234s", "2345s");
    std::fs::write(app.config_path(), text).expect("the file is writable");
    app.restart().await;
    let entries = app.audit().await;
    let started = find(&entries, "configuration.started");
    // The file may have been seen before the process ended.
    let told = entries.iter().find(|entry| !entry.details["changes"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(started.len(), 2);
    assert_eq!(
        told.expect("the newest change").details["changes"],
        json!([changed("session.idle", "1234s".into(), "2345s".into())])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_is_shortened_to_what_is_to_be_kept() {
    let clock = ManualClock::at("2026-11-23T12:00:00Z".parse().expect("a time"));
    let mut app = Wanted::default().clock(&clock).more("[audit]\nkeep = \"2d\"\n").start().await;
    let old = app.audit().await;
    clock.advance(Duration::from_hours(72));
    app.restart().await;
    until("the log is shortened", || async { !find(&app.audit().await, "audit.purged").is_empty() }).await;
    let entries = app.audit().await;
    let oldest = entries.last().expect("there are some");
    assert!(oldest.seq > old.first().expect("there were some").seq, "{entries:?}");
    assert_eq!(find(&entries, "configuration.started").len(), 1);
    assert!(app.command(&["audit", "verify"]).await.starts_with("whole: "));
}
