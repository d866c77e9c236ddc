//! `audit …`.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::Office;

/// What somebody does who has the database file and knows SQL.
async fn tamper(path: &Path, statement: &str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut db = SqliteConnection::connect_with(&options).await.expect("a connection");
    let triggers: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .fetch_all(&mut db)
        .await
        .expect("the triggers");
    for (trigger,) in triggers {
        let drop = AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
        sqlx::raw_sql(drop).execute(&mut db).await.expect("the trigger is dropped");
    }
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut db).await.expect("the log is changed");
    db.close().await.expect("the database closes");
}

#[test]
fn events_are_listed_by_action_and_text() {
    let office = Office::furnished();
    let list = |arguments: &[&str]| office.json(&[&["audit", "list"], arguments].concat());
    let count = |list: Value| list.as_array().unwrap().len();
    assert_eq!(count(list(&["--action", "property."])), 3);
    assert_eq!(count(list(&["--action", "property.", "--limit", "2"])), 2);
    assert_eq!(count(list(&["--search", "OAK"])), 1);
    assert_eq!(count(list(&["--action", "user.", "--search", "oak"])), 0);
    assert_eq!(list(&["--search", "oak"])[0]["actor"], "command");
}

#[test]
fn an_export_has_one_event_a_line_whatever_the_format() {
    let office = Office::furnished();
    let all = office.ok(&["audit", "export"]);
    let lines: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(office.ok(&["audit", "export", "--json"]), all);
    let seqs: Vec<_> = lines.iter().map(|line| line["seq"].as_i64().unwrap()).collect();
    assert!(seqs.is_sorted());
    assert!(lines.iter().all(|line| line["hash"].as_str().is_some_and(|hash| hash.len() == 64)), "{all}");
    let rest = office.ok(&["audit", "export", "--after", &seqs[1].to_string()]);
    assert_eq!(rest.lines().collect::<Vec<_>>(), all.lines().skip(2).collect::<Vec<_>>());
}

#[test]
fn a_whole_log_is_verified_from_its_beginning_or_from_a_head() {
    let office = Office::furnished();
    let report = office.json(&["audit", "verify"]);
    assert_eq!((&report["ok"], &report["checked"]), (&json!(true), &json!(4)));
    let head = report["head"].as_str().unwrap();
    assert_eq!(office.ok(&["audit", "verify"]), format!("whole: 4 entries\nhead:  {head}\n"));
    office.ok(&["property", "retire", "oak"]);
    assert_eq!(office.json(&["audit", "verify", "--since", head])["checked"], 1);
    for since in ["4", "x:y", "4:abc"] {
        office.fails(2, &["audit", "verify", "--since", since]);
    }
}

#[tokio::test]
async fn every_change_of_the_log_breaks_it() {
    for (statement, problem) in [
        ("UPDATE audit SET actor = 'nobody' WHERE seq = 2", "entry 2 does not fit"),
        ("UPDATE audit SET details = '{}' WHERE seq = 3", "entry 3 does not fit"),
        ("DELETE FROM audit WHERE seq = 2", "entry 2 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "entry 2 does not fit"),
        ("UPDATE audit SET hash = NULL WHERE seq = 3", "entry 3 has no hash"),
    ] {
        let office = Office::furnished();
        tamper(&office.path("anteroom.db"), statement).await;
        let done = office.run(&["audit", "verify", "--json"]);
        let report: Value = serde_json::from_str(&done.out).expect("a report");
        assert_eq!((done.code, &report["ok"]), (1, &json!(false)), "{statement}: {done:?}");
        assert!(report["problem"].as_str().unwrap().starts_with(problem), "{statement}: {report}");
        let done = office.run(&["audit", "verify"]);
        assert!(done.code == 1 && done.err.starts_with(&format!("broken: {problem}")), "{done:?}");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_at_its_end_is_found_out_by_a_head_that_was_noted_down() {
    let office = Office::furnished();
    let head = office.json(&["audit", "verify"])["head"].as_str().unwrap().to_owned();
    tamper(&office.path("anteroom.db"), "DELETE FROM audit WHERE seq = 4").await;
    assert_eq!(office.json(&["audit", "verify"])["ok"], true);
    let done = office.run(&["audit", "verify", "--since", &head]);
    assert!(done.code == 1 && done.err.contains("entry 4 is not the one that was noted down"), "{done:?}");
}
