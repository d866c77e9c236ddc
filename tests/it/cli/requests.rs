//! `request …` and `mail …`.

use std::sync::Arc;

use anteroom::admin::{Actor, Admin, Filed, RequestForm, SecondApproval, ServiceProvider, Settings};
use anteroom::clock::SystemClock;
use anteroom::directory::Levels;
use anteroom::email::EmailAddress;
use anteroom::id::SystemRandomness;
use serde_json::{Value, json};

use super::Office;

/// An office with a manager of everything at Contoso.
fn staffed() -> Office {
    let office = Office::furnished();
    office.ok(&[
        "user",
        "add",
        "max@contoso.com",
        "--organization",
        "contoso",
        "--level",
        "manager",
        "--property",
        "*",
    ]);
    office
}

/// Files a request as the Manage page does.
async fn file(office: &Office, property: &str, email: &str) -> String {
    let store = office.store().await;
    let levels = Levels::new(["viewer", "technician", "manager"].map(str::to_owned).to_vec());
    let settings = Settings {
        may_request: vec![levels.parse("manager").unwrap()],
        levels,
        support_self_level: None,
        second_approval: SecondApproval::Never,
        support_email: Some(EmailAddress::parse("support@example.com").unwrap()),
        service_provider: ServiceProvider {
            entity_id: "urn:example:anteroom".to_owned(),
            acs_url: "https://login.example.com/acs".parse().unwrap(),
            app_url: "https://app.example.com/".parse().unwrap(),
            certificate: None,
        },
        declared: Vec::new(),
    };
    let admin = Admin::new(Arc::clone(&store), Arc::new(SystemClock), Arc::new(SystemRandomness), settings);
    let account = admin.user(&EmailAddress::parse("max@contoso.com").unwrap()).await.unwrap();
    let form = RequestForm { property, email, name: "Noa", level: "technician", note: "new here" };
    let filed = admin.file_request(&account, &form, &Actor::person(&account.user, "r-1")).await.unwrap();
    store.close().await;
    let Filed::Filed(request) = filed else { panic!("not filed: {filed:?}") };
    request.id.to_string()
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|request| request["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn requests_are_listed_by_state_and_shown_with_their_history() {
    let office = staffed();
    assert_eq!(office.json(&["request", "list"]), json!([]));
    let first = file(&office, "maple", "one@contoso.com").await;
    let second = file(&office, "*", "two@contoso.com").await;
    office.ok(&["request", "deny", &first]);
    let list = office.json(&["request", "list"]);
    assert_eq!(ids(&list), [second.as_str()]);
    for (key, value) in [
        ("state", "received"),
        ("email", "two@contoso.com"),
        ("property", "*"),
        ("level", "technician"),
        ("requester", "max@contoso.com"),
        ("organization", "contoso"),
        ("name", "Noa"),
    ] {
        assert_eq!(list[0][key], value, "{key}");
    }
    assert_eq!(ids(&office.json(&["request", "list", "--all"])), [first.as_str(), second.as_str()]);
    assert_eq!(ids(&office.json(&["request", "list", "--state", "denied"])), [first.as_str()]);
    let both = ["request", "list", "--state", "denied", "--state", "received"];
    assert_eq!(ids(&office.json(&both)).len(), 2);
    assert_eq!(office.json(&["request", "list", "--organization", "fabrikam"]), json!([]));
    office.fails(2, &["request", "list", "--state", "done"]);
    assert!(office.ok(&["request", "list"]).starts_with("ID            STATE "));

    let shown = office.json(&["request", "show", &first]);
    let history: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(history, ["filed", "denied"]);
    let text = office.ok(&["request", "show", &first]);
    assert!(text.contains("denied by command: Access was not approved."), "{text}");
    assert_eq!(office.refused(&["request", "show", "R-NONE"]).0, "no_such_request");
}

#[tokio::test]
async fn an_approval_grants_what_was_asked_for_or_something_else() {
    let office = staffed();
    let first = file(&office, "maple", "one@contoso.com").await;
    let approved = office.json(&["request", "approve", &first]);
    assert_eq!((&approved["state"], &approved["changed"]), (&json!("approved"), &json!(true)));
    let one = office.json(&["user", "show", "one@contoso.com"]);
    assert_eq!(one["state"], "active");
    assert_eq!(one["grants"], json!([{"property": "maple", "level": "technician", "until": null}]));

    let second = file(&office, "maple", "two@contoso.com").await;
    let approve =
        ["request", "approve", &second, "--level", "viewer", "--property", "oak", "--property", "maple"];
    office.ok(&[&approve[..], &["--until", "2090-12-31", "--note", "welcome"]].concat());
    let two = office.json(&["user", "show", "two@contoso.com"]);
    let until = "2091-01-01T00:00:00Z";
    assert_eq!(
        two["grants"],
        json!([
            {"property": "maple", "level": "viewer", "until": until},
            {"property": "oak", "level": "viewer", "until": until},
        ])
    );
    assert_eq!(office.refused(&["request", "approve", &second]).0, "decided");
}

#[tokio::test]
async fn what_cannot_be_approved_is_told_with_every_mistake() {
    let office = staffed();
    let id = file(&office, "maple", "one@contoso.com").await;
    let error = office.fails(1, &["request", "approve", &id, "--level", "king", "--until", "soon"]);
    assert_eq!(error["code"], "bad_fields");
    let fields: Vec<_> =
        error["fields"].as_array().unwrap().iter().map(|field| field["field"].clone()).collect();
    assert_eq!(fields, ["level", "until"]);
    assert_eq!(office.refused(&["request", "approve", &id, "--property", "tower"]).0, "no_such_property");
    assert_eq!(office.refused(&["request", "approve", "R-NONE"]).0, "no_such_request");
    assert_eq!(office.refused(&["request", "deny", &id, "--reason", " "]).0, "bad_fields");
    assert_eq!(office.json(&["request", "list"])[0]["state"], "received");
}

#[tokio::test]
async fn questions_and_reasons_reach_the_requester_by_mail() {
    let office = staffed();
    assert_eq!(office.json(&["mail", "list"]), json!([]));
    let id = file(&office, "maple", "one@contoso.com").await;
    let asked = office.json(&["request", "ask", &id, "--question", "Who is that?"]);
    assert_eq!((&asked["state"], &asked["reason"]), (&json!("needs_info"), &json!("Who is that?")));
    office.ok(&["request", "deny", &id, "--reason", "unknown"]);
    let mail = office.json(&["mail", "list"]);
    let told: Vec<_> = mail
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["recipient"].as_str().unwrap(), message["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("max@contoso.com", "request_denied"),
            ("max@contoso.com", "information_needed"),
            ("support@example.com", "request_received"),
        ]
    );
    assert_eq!(mail[0]["notice"]["reason"], "unknown");
    assert!(office.ok(&["mail", "list", "--all"]).starts_with("ID  RECIPIENT "));
}
