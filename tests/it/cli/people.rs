//! `user …` and `session …`, one person at a time.

use anteroom::id::{ConnectionId, SessionName, UserId};
use anteroom::session::{Session, SessionHash};
use anteroom::store::{AuditEvent, Change, Store};
use anteroom::target::ReturnPath;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Office;

const DANA: &str = "dana@contoso.com";

fn add<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["user", "add", DANA, "--organization", "contoso"], rest].concat()
}

#[test]
fn a_user_is_added_waiting_or_with_a_first_grant() {
    let office = Office::furnished();
    let waiting = office.json(&add(&["--name", "Dana Ümläut"]));
    let id = waiting["id"].as_str().unwrap();
    assert!(id.starts_with("u_"));
    let created_at: Timestamp = waiting["created_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        waiting,
        json!({
            "id": id, "email": DANA, "name": "Dana Ümläut", "organization": "contoso",
            "state": "waiting", "role": "member", "grants": [],
            "access_version": waiting["access_version"], "created_at": created_at.to_string(),
            "last_sign_on_at": null, "changed": true,
        })
    );

    let grant = ["--level", "manager", "--property", "*", "--support"];
    let active = office
        .json(&[&["user", "add", "Eve@Contoso.co.uk", "--organization", "contoso"], &grant[..]].concat());
    assert_eq!(active["email"], "eve@contoso.co.uk");
    assert_eq!((&active["state"], &active["role"]), (&json!("active"), &json!("support")));
    assert_eq!(active["grants"], json!([{"property": "*", "level": "manager", "until": null}]));
    assert_eq!(active["name"], Value::Null);

    let list = office.json(&["user", "list"]);
    let emails: Vec<_> = list.as_array().unwrap().iter().map(|user| user["email"].clone()).collect();
    assert_eq!(emails, [DANA, "eve@contoso.co.uk"]);
    assert_eq!(office.json(&["user", "list", "--state", "waiting"]).as_array().unwrap().len(), 1);
    assert_eq!(office.json(&["user", "list", "--organization", "fabrikam"]), json!([]));
}

#[test]
fn a_table_shows_people_what_json_shows_programs() {
    let office = Office::furnished();
    office.ok(&add(&["--level", "viewer", "--property", "maple"]));
    assert_eq!(
        office.ok(&["user", "list"]),
        "EMAIL             NAME  ORGANIZATION  STATE   ROLE    GRANTS        LAST SIGN ON\n\
         dana@contoso.com  -     contoso       active  member  maple:viewer  -\n"
    );
    let shown = office.ok(&["user", "show", DANA]);
    assert!(shown.contains("grants          maple:viewer\n"), "{shown}");
    assert_eq!(
        office.ok(&[
            "user",
            "grant",
            DANA,
            "--level",
            "manager",
            "--property",
            "maple",
            "--until",
            "2090-01-31"
        ]),
        "granted: dana@contoso.com of contoso is active, maple:manager until 2090-02-01 00:00:00\n"
    );
    assert_eq!(
        office.ok(&["user", "disable", DANA]).split(',').next(),
        Some("disabled: dana@contoso.com of contoso is disabled")
    );
}

#[test]
fn access_is_given_changed_and_taken_away() {
    let office = Office::furnished();
    let before = office.json(&add(&[]))["access_version"].as_i64().unwrap();
    let grants = |user: &Value| -> Vec<String> {
        let one = |grant: &Value| format!("{}:{}", grant["property"], grant["level"]).replace('"', "");
        user["grants"].as_array().unwrap().iter().map(one).collect()
    };

    let user = office.json(&["user", "grant", DANA, "--level", "viewer", "--property", "maple"]);
    assert_eq!((grants(&user), &user["state"]), (vec!["maple:viewer".to_owned()], &json!("active")));
    let user = office.json(&["user", "grant", DANA, "--level", "manager", "--property", "maple"]);
    assert_eq!(grants(&user), ["maple:manager"]);
    let user = office.json(&["user", "grant", DANA, "--level", "viewer", "--property", "*"]);
    assert_eq!(grants(&user).len(), 2);
    assert!(user["access_version"].as_i64().unwrap() >= before + 3);

    let user = office.json(&["user", "revoke", DANA, "--property", "*"]);
    assert_eq!(grants(&user), ["maple:manager"]);
    let user = office.json(&["user", "revoke", DANA]);
    assert_eq!((grants(&user), &user["state"]), (vec![], &json!("waiting")));
    assert_eq!(office.json(&["user", "show", DANA])["state"], "waiting");
}

#[test]
fn the_end_of_a_grant_is_a_day_or_a_moment_in_the_future() {
    let office = Office::furnished();
    office.ok(&add(&[]));
    let grant = |until: &'static str| {
        ["user", "grant", DANA, "--level", "viewer", "--property", "oak", "--until", until]
    };
    for (until, end) in
        [("2090-01-31", "2090-02-01T00:00:00Z"), ("2090-01-31T12:00:00+02:00", "2090-01-31T10:00:00Z")]
    {
        assert_eq!(office.json(&grant(until))["grants"][0]["until"], end);
    }
    assert_eq!(office.refused(&grant("2020-01-31")).0, "until_past");
    office.fails(2, &grant("31.01.2090"));
    assert_eq!(office.json(&["user", "show", DANA])["grants"][0]["until"], "2090-01-31T10:00:00Z");
}

#[test]
fn disabling_shuts_out_and_enabling_lets_back_in() {
    let office = Office::furnished();
    office.ok(&add(&["--level", "viewer", "--property", "maple"]));
    assert_eq!(office.json(&["user", "disable", DANA])["state"], "disabled");
    assert_eq!(office.json(&["user", "enable", DANA])["state"], "active");
    assert_eq!(office.json(&["user", "role", DANA, "support"])["role"], "support");
    assert_eq!(office.refused(&["user", "role", DANA, "member"]).0, "last_support");
    office.ok(&["user", "add", "sue@contoso.com", "--organization", "contoso", "--support"]);
    assert_eq!(office.json(&["user", "role", DANA, "member"])["role"], "member");
}

#[test]
fn what_is_so_already_says_so_and_succeeds() {
    let office = Office::furnished();
    office.ok(&add(&["--level", "viewer", "--property", "maple"]));
    let before = office.json(&["user", "show", DANA]);
    for arguments in [
        &["user", "grant", DANA, "--level", "viewer", "--property", "maple"][..],
        &["user", "revoke", DANA, "--property", "oak"],
        &["user", "enable", DANA],
        &["user", "role", DANA, "member"],
        &["session", "revoke", "--user", DANA],
    ] {
        assert!(office.ok(arguments).starts_with("unchanged: "), "{arguments:?}");
        assert_eq!(office.json(arguments)["changed"], false, "{arguments:?}");
    }
    assert_eq!(office.json(&["user", "show", DANA]), before);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason_and_changes_nothing() {
    let office = Office::furnished();
    office.ok(&add(&[]));
    let before = office.json(&["user", "list"]);
    let new = |email: &'static str, rest: &[&'static str]| {
        [&["user", "add", email, "--organization"], rest].concat()
    };
    for (arguments, code, words) in [
        (new("x@contoso.com", &["nobody"]), "no_such_organization", "there are contoso, fabrikam"),
        (new("x@gmail.com", &["contoso"]), "foreign_domain", "(contoso.com, contoso.co.uk)"),
        (new("x@fabrikam.com", &["contoso"]), "foreign_domain", "outside the domains of contoso"),
        (new(DANA, &["contoso"]), "email_taken", "is a user already, of contoso"),
        (
            new("x@contoso.com", &["contoso", "--level", "king", "--property", "*"]),
            "unknown_level",
            "viewer, technician, manager",
        ),
        (
            new("x@contoso.com", &["contoso", "--level", "viewer", "--property", "nowhere"]),
            "no_such_property",
            "no property nowhere;",
        ),
        (
            new("x@contoso.com", &["contoso", "--level", "viewer", "--property", "tower"]),
            "no_such_property",
            "it belongs to fabrikam",
        ),
        (
            vec!["user", "grant", DANA, "--level", "viewer", "--property", "tower"],
            "no_such_property",
            "it belongs to fabrikam",
        ),
        (vec!["user", "grant", DANA, "--level", "king", "--property", "maple"], "unknown_level", "manager"),
        (vec!["user", "show", "nobody@contoso.com"], "no_such_user", "nobody@contoso.com"),
        (vec!["user", "disable", "nobody@contoso.com"], "no_such_user", "user list"),
        (vec!["session", "list", "--user", "nobody@contoso.com"], "no_such_user", "user list"),
        (vec!["session", "revoke", "s_0"], "no_such_session", "session list"),
    ] {
        let (refused, message) = office.refused(&arguments);
        assert_eq!(refused, code, "{arguments:?}");
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(office.json(&["user", "list"]), before);
}

#[test]
fn a_command_line_that_is_wrong_exits_with_2() {
    let office = Office::furnished();
    for arguments in [
        &["user", "add", "no-address", "--organization", "contoso"][..],
        &["user", "add", "x@contoso.com"],
        &["user", "add", "x@contoso.com", "--organization", "-bad-"],
        &["user", "add", "x@contoso.com", "--organization", "contoso", "--level", "viewer"],
        &["user", "add", "x@contoso.com", "--organization", "contoso", "--property", "*"],
        &["user", "add", "x@contoso.com", "--organization", "contoso", "--name", "a\nb"],
        &["user", "grant", DANA, "--level", "viewer"],
        &["user", "role", DANA, "king"],
        &["user", "list", "--state", "sleeping"],
        &["session", "revoke"],
        &["session", "revoke", "s_1", "--user", DANA],
        &["audit", "list", "--limit", "0"],
        &["no-such-command"],
        &["user"],
    ] {
        assert_eq!(office.fails(2, arguments)["code"], "bad_usage", "{arguments:?}");
    }
    assert_eq!(office.json(&["user", "list"]), json!([]));
}

#[tokio::test]
async fn a_running_server_hears_of_every_change_of_access() {
    let office = Office::furnished();
    let user = office.json(&add(&[]));
    let user = UserId::parse(user["id"].as_str().unwrap()).unwrap();
    let store = office.store().await;
    let mut seen = store.change_head().await.unwrap();
    for arguments in [
        &["user", "grant", DANA, "--level", "viewer", "--property", "maple"][..],
        &["user", "revoke", DANA],
        &["user", "disable", DANA],
        &["user", "enable", DANA],
        &["user", "role", DANA, "support"],
    ] {
        office.ok(arguments);
        let (head, changes) = store.changes_after(seen).await.unwrap();
        assert_eq!(changes, [Change::User(user.clone())], "{arguments:?}");
        seen = head;
    }
    office.ok(&["keys", "rotate"]);
    let (_, changes) = store.changes_after(seen).await.unwrap();
    assert!(changes.contains(&Change::Keys), "{changes:?}");
}

/// Begins a session as a running server does.
async fn begin(store: &dyn Store, user: &str, name: &str, began: SignedDuration) {
    let now = "2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap();
    let clock = anteroom::clock::SystemClock;
    let began = anteroom::clock::Clock::now(&clock) - began;
    let session = Session {
        hash: SessionHash::new(anteroom::secret::sha256(name.as_bytes())),
        name: SessionName::parse(name).unwrap(),
        user: UserId::parse(user).unwrap(),
        connection: ConnectionId::parse("contoso").unwrap(),
        created_at: began,
        last_seen_at: began,
        ends_at: began + SignedDuration::from_hours(12),
        authenticated_at: began,
        asserted_at: began,
        methods: vec!["pwd".to_owned()],
        return_path: ReturnPath::root(),
        name_id: None,
        session_index: None,
    };
    let event = AuditEvent { actor: DANA.to_owned(), ..AuditEvent::of_anteroom(now, "session.begun") };
    store.begin_session(&session, event).await.unwrap();
}

#[tokio::test]
async fn sessions_are_listed_while_they_live_and_ended_one_by_one_or_all() {
    let office = Office::furnished();
    let user = office.json(&add(&[]))["id"].as_str().unwrap().to_owned();
    let store = office.store().await;
    let minute = SignedDuration::from_mins(1);
    begin(&*store, &user, "s_idle", SignedDuration::from_hours(3)).await;
    for (name, began) in [("s_1", minute * 3), ("s_2", minute * 2), ("s_3", minute)] {
        begin(&*store, &user, name, began).await;
    }

    let list = office.json(&["session", "list"]);
    let sids = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["sid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(sids(&list), ["s_3", "s_2", "s_1"]);
    let fields: Vec<_> = list[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["created_at", "email", "ends_at", "last_seen_at", "organization", "sid", "user"]);
    assert_eq!((&list[0]["email"], &list[0]["user"]), (&json!(DANA), &json!(user)));
    assert!(office.ok(&["session", "list", "--user", DANA]).starts_with("SID  EMAIL"));

    let seen = store.change_head().await.unwrap();
    assert_eq!(office.ok(&["session", "revoke", "s_2"]), "revoked: s_2\n");
    let (_, changes) = store.changes_after(seen).await.unwrap();
    assert_eq!(changes, [Change::User(UserId::parse(&user).unwrap())]);
    assert_eq!(sids(&office.json(&["session", "list"])), ["s_3", "s_1"]);
    assert_eq!(office.refused(&["session", "revoke", "s_2"]).0, "no_such_session");

    assert_eq!(office.json(&["session", "revoke", "--user", DANA])["changed"], true);
    assert_eq!(office.json(&["session", "list"]), json!([]));

    begin(&*store, &user, "s_4", minute).await;
    office.ok(&["user", "disable", DANA]);
    assert_eq!(office.json(&["session", "list"]), json!([]));
}

#[test]
fn the_audit_log_tells_what_commands_have_done() {
    let office = Office::furnished();
    office.ok(&add(&["--level", "viewer", "--property", "maple"]));
    office.refused(&["user", "show", "nobody@contoso.com"]);
    office.ok(&["user", "revoke", DANA]);
    let list = office.json(&["audit", "list"]);
    let told: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["subject"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(
        told,
        [
            ("user.revoked", DANA),
            ("user.added", DANA),
            ("property.added", "tower"),
            ("property.added", "oak"),
            ("property.added", "maple"),
            ("organizations.declared", ""),
        ]
    );
    let fields: Vec<_> = list[1].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        fields,
        ["action", "actor", "at", "details", "hash", "reason", "reference", "request_id", "seq", "subject"]
    );
    assert_eq!(list[1]["actor"], "command");
    assert_eq!(list[1]["details"]["grant"]["level"], "viewer");
    assert_eq!(office.json(&["audit", "list", "--limit", "1"]).as_array().unwrap().len(), 1);
    assert!(office.ok(&["audit", "list"]).starts_with("SEQ  AT "));
}

#[test]
fn users_are_found_by_words_and_unbound() {
    let office = Office::furnished();
    for (address, name) in [("dana@contoso.com", "Dana Ott"), ("eve@contoso.com", "Eve Danner")] {
        office.ok(&["user", "add", address, "--organization", "contoso", "--name", name]);
    }
    let found = |text: &str| office.json(&["user", "list", "--search", text]).as_array().unwrap().len();
    assert_eq!((found("dan"), found("DANA ott"), found("dana eve"), found("")), (2, 1, 0, 2));
    let unbound = office.json(&["user", "unbind", "dana@contoso.com"]);
    assert_eq!(unbound["changed"], false);
    assert_eq!(office.refused(&["user", "unbind", "nobody@contoso.com"]).0, "no_such_user");
}

#[test]
fn refusals_name_the_command_that_helps() {
    let office = Office::furnished();
    let (_, message) = office.refused(&["user", "show", "dana@contoso.com"]);
    assert_eq!(
        message,
        "there is no user dana@contoso.com; `anteroom user list` shows all, `anteroom user add` makes one"
    );
    office.ok(&["user", "add", "dana@contoso.com", "--organization", "contoso", "--support"]);
    let (code, message) = office.refused(&["user", "disable", "dana@contoso.com"]);
    assert_eq!(code, "last_support");
    assert!(message.ends_with("`anteroom user role EMAIL support` does that"), "{message}");
}
