//! `check`, `init`, `health`, and what every command has in common.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::{Done, Office};

#[test]
fn a_new_configuration_is_written_once_and_says_what_is_missing() {
    let office = Office::new();
    let done = office.ok(&["init", "--config", "new.toml"]);
    assert!(done.starts_with("new.toml is written"), "{done}");
    let written = fs::read(office.path("new.toml")).unwrap();
    assert_eq!(office.refused(&["init", "--config", "new.toml"]).0, "not_written");
    assert_eq!(fs::read(office.path("new.toml")).unwrap(), written);

    let error = office.run(&["check", "--config", "new.toml"]);
    assert_eq!((error.code, error.out.as_str()), (2, ""));
    assert!(error.err.contains("app.url: is missing"), "{error:?}");
    let report = office.run(&["check", "--config", "new.toml", "--json"]);
    let on_out: Value = serde_json::from_str(&report.out).unwrap();
    let on_err: Value = serde_json::from_str(&report.err).unwrap();
    assert_eq!((report.code, &on_out["ok"]), (2, &Value::Bool(false)));
    assert_eq!(on_err["error"]["problems"], on_out["problems"]);
}

#[test]
fn a_good_configuration_is_described() {
    let office = Office::new();
    assert!(office.ok(&["check"]).starts_with("anteroom.toml: ok\n"));
    assert_eq!(office.json(&["check"])["ok"], true);
    assert!(!office.path("anteroom.db").exists(), "a check leaves nothing behind");
}

#[test]
fn the_configuration_is_found_by_option_variable_or_place() {
    let office = Office::new();
    fs::rename(office.path("anteroom.toml"), office.path("other.toml")).unwrap();
    assert_eq!(office.fails(2, &["user", "list"])["code"], "bad_configuration");
    office.ok(&["user", "list", "--config", "other.toml"]);
    office.ok(&["--config", "other.toml", "user", "list"]);
    let by_variable =
        office.command(&["user", "list"]).env("ANTEROOM_CONFIG", "other.toml").output().unwrap();
    assert_eq!(Done::from(by_variable).code, 0);
}

#[test]
fn no_command_works_on_a_wrong_configuration() {
    let office = Office::new();
    office.write("anteroom.toml", b"[app]\nurl = 7\n");
    for arguments in [&["user", "list"][..], &["keys", "rotate"], &["health"], &["check"]] {
        let done = office.run(arguments);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.err.contains("anteroom.toml:2: app.url"), "{done:?}");
    }
    assert!(!office.path("anteroom.db").exists());
}

#[test]
fn a_store_that_does_not_open_is_a_failure() {
    let office = Office::new();
    office.write("anteroom.db", b"this is no database, and long enough to be looked at as one");
    let (code, message) = office.refused(&["user", "list"]);
    assert_eq!(code, "store_failed");
    assert!(message.starts_with("the database is unavailable: "), "{message}");
}

#[test]
fn the_secret_file_is_made_private_and_a_damaged_one_refused() {
    let office = Office::new();
    office.ok(&["keys", "rotate"]);
    let mode = fs::metadata(office.path("anteroom.secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(office.path("anteroom.secret"), b"short").unwrap();
    assert_eq!(office.fails(2, &["keys", "rotate"])["code"], "bad_secret_file");
}

#[test]
fn nothing_is_healthy_that_does_not_run() {
    let office = Office::new();
    let (code, message) = office.refused(&["health"]);
    assert_eq!(code, "not_ready");
    assert!(message.starts_with("http://127.0.0.1:1/readyz: "), "{message}");
}

#[test]
fn help_and_version_are_answers_and_not_errors() {
    let office = Office::new();
    assert!(office.ok(&["--version"]).starts_with("anteroom "));
    assert!(office.ok(&["--help"]).contains("--config <FILE>"));
    assert!(office.ok(&["user", "grant", "--help"]).contains("--until <DATE>"));
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    let office = Office::furnished();
    let mut child = office.command(&["property", "list"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!((done.code, done.err.as_str()), (0, ""));
}
