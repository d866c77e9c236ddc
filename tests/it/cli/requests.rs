//! `request …` and `mail …`.

use std::sync::Arc;

use anteroom::admin::{
    Actor, Admin, ApproveForm, Approved, Filed, RequestForm, SecondApproval, ServiceProvider, Settings,
};
use anteroom::clock::SystemClock;
use anteroom::directory::Levels;
use anteroom::email::EmailAddress;
use anteroom::id::{AccessRequestId, SystemRandomness};
use anteroom::store::Store;
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

/// The use cases as a server has them, with a second pair of eyes for all properties.
async fn admin(office: &Office) -> (Admin, Arc<dyn Store>) {
    let store = office.store().await;
    let levels = Levels::new(["viewer", "technician", "manager"].map(str::to_owned).to_vec());
    let settings = Settings {
        may_request: vec![levels.parse("manager").unwrap()],
        levels,
        support_self_level: None,
        second_approval: SecondApproval::ForAllProperties,
        support_email: Some(EmailAddress::parse("support@example.com").unwrap()),
        service_provider: ServiceProvider {
            entity_id: "urn:example:anteroom".to_owned(),
            acs_url: "https://login.example.com/acs".parse().unwrap(),
            app_url: "https://app.example.com/".parse().unwrap(),
            certificate: None,
        },
        declared: Vec::new(),
        fetcher: Arc::new(anteroom::federation::Fetcher::new(anteroom::federation::Access::default())),
        metadata_refresh: std::time::Duration::from_hours(1),
    };
    let parts = (Arc::new(SystemClock), Arc::new(SystemRandomness));
    (Admin::new(Arc::clone(&store), parts.0, parts.1, settings), store)
}

/// Files a request as the Manage page does.
async fn file(office: &Office, property: &str, email: &str) -> String {
    let (admin, store) = admin(office).await;
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
            // Max has been added with a grant.
            ("max@contoso.com", "access_granted"),
        ]
    );
    assert_eq!(mail[0]["notice"]["reason"], "unknown");
    assert!(office.ok(&["mail", "list", "--all"]).starts_with("ID  RECIPIENT "));

    let asked = mail[1]["id"].to_string();
    let shown = office.json(&["mail", "show", &asked]);
    assert!(shown["text"].as_str().unwrap().contains("Who is that?"), "{shown}");
    let text = office.ok(&["mail", "show", &asked]);
    assert!(text.starts_with("To: max@contoso.com\nSubject: "), "{text}");
    assert_eq!(office.refused(&["mail", "show", "999"]).0, "no_such_message");
}

#[tokio::test]
async fn a_request_is_filed_handed_out_and_answered_by_command() {
    let office = staffed();
    office.ok(&["user", "add", "sue@contoso.com", "--organization", "contoso", "--support"]);
    let filing =
        ["request", "file", "noa@contoso.com", "--requester", "max@contoso.com", "--property", "maple"];
    let filed =
        office.json(&[&filing[..], &["--level", "viewer", "--name", "Noa", "--note", "new"]].concat());
    assert_eq!((&filed["state"], &filed["requester"]), (&json!("received"), &json!("max@contoso.com")));
    let id = filed["id"].as_str().unwrap();
    // The rights of the requester count, and what stands against the form is told.
    let error = office.fails(1, &[&filing[..], &["--level", "king"]].concat());
    assert_eq!(error["fields"][0]["field"], "level");
    let by_sue =
        ["request", "file", "x@contoso.com", "--requester", "sue@contoso.com", "--property", "maple"];
    assert_eq!(office.refused(&[&by_sue[..], &["--level", "viewer"]].concat()).0, "may_not_request");
    let own = ["request", "file", "max@contoso.com", "--requester", "max@contoso.com", "--property", "maple"];
    assert_eq!(office.json(&[&own[..], &["--level", "viewer"]].concat())["changed"], false);

    let taken = office.json(&["request", "take", id, "--agent", "sue@contoso.com"]);
    assert_eq!((&taken["state"], &taken["agent"]), (&json!("in_work"), &json!("sue@contoso.com")));
    assert_eq!(office.refused(&["request", "take", id, "--agent", "max@contoso.com"]).0, "not_an_agent");
    assert_eq!(ids(&office.json(&["request", "list", "--agent", "sue@contoso.com"])), [id]);
    assert_eq!(office.json(&["request", "list", "--agent", "max@contoso.com"]), json!([]));
    assert_eq!(ids(&office.json(&["request", "list", "--search", "noa maple"])), [id]);
    assert_eq!(office.json(&["request", "list", "--search", "oak"]), json!([]));
    let counts = office.json(&["request", "counts"]);
    assert_eq!((&counts[0]["state"], &counts[0]["count"]), (&json!("in_work"), &json!(1)));

    assert_eq!(office.refused(&["request", "answer", id, "--text", "hm"]).0, "nothing_asked");
    office.ok(&["request", "ask", id, "--question", "Who is that?"]);
    let answered = office.json(&["request", "answer", id, "--text", "The new one"]);
    assert_eq!((&answered["state"], &answered["changed"]), (&json!("in_work"), &json!(true)));
    let history = office.ok(&["request", "show", id]);
    assert!(history.contains("answered by command: The new one"), "{history}");
    let other = ["request", "answer", id, "--text", "x", "--requester", "sue@contoso.com"];
    assert_eq!(office.refused(&other).0, "no_such_request");
}

#[tokio::test]
async fn an_approval_that_needs_a_second_pair_of_eyes_is_confirmed_by_command() {
    let office = staffed();
    office.ok(&["user", "add", "sue@contoso.com", "--organization", "contoso", "--support"]);
    let id = file(&office, "*", "noa@contoso.com").await;
    assert_eq!(office.refused(&["request", "confirm", &id]).0, "nothing_proposed");
    let (admin, store) = admin(&office).await;
    let sue = admin.user(&EmailAddress::parse("sue@contoso.com").unwrap()).await.unwrap();
    let request = AccessRequestId::parse(&id).unwrap();
    let seen = admin.request(&request).await.unwrap().request.version;
    let actor = Actor::person(&sue.user, "r-2");
    let approved = admin.approve(&request, seen, &ApproveForm::default(), &actor).await.unwrap();
    assert!(matches!(approved, Approved::Proposed(_)));
    store.close().await;

    let shown = office.json(&["request", "show", &id]);
    assert_eq!(
        shown["proposal"],
        json!({
            "agent": "sue@contoso.com",
            "grants": [{"property": "*", "level": "technician", "until": null}],
            "note": null,
        })
    );
    let text = office.ok(&["request", "show", &id]);
    assert!(text.contains("*:technician by sue@contoso.com, to be confirmed"), "{text}");
    assert_eq!(office.json(&["request", "confirm", &id])["state"], "approved");
    assert_eq!(office.json(&["user", "show", "noa@contoso.com"])["grants"][0]["property"], "*");
}
