//! `property …`, `organization …` and `keys …`.

use serde_json::{Value, json};

use super::Office;

#[test]
fn properties_are_added_once_and_listed() {
    let office = Office::new();
    let add = ["property", "add", "maple", "--organization", "contoso", "--name", "Maple Court"];
    let maple = json!({"id": "maple", "organization": "contoso", "name": "Maple Court"});
    assert_eq!(office.ok(&add), "added: maple of contoso, \"Maple Court\"\n");
    assert_eq!(office.ok(&add), "unchanged: maple of contoso, \"Maple Court\"\n");
    assert_eq!(office.json(&["property", "list"]), json!([maple]));
    assert_eq!(office.json(&["property", "list", "--organization", "fabrikam"]), json!([]));
    assert_eq!(
        office.ok(&["property", "list"]),
        "ID     ORGANIZATION  NAME\nmaple  contoso       Maple Court\n"
    );

    for (arguments, code) in [
        (
            ["property", "add", "maple", "--organization", "fabrikam", "--name", "Maple Court"],
            "property_taken",
        ),
        (["property", "add", "maple", "--organization", "contoso", "--name", "Other"], "property_taken"),
        (["property", "add", "oak", "--organization", "nobody", "--name", "Oak"], "no_such_organization"),
    ] {
        assert_eq!(office.refused(&arguments).0, code);
    }
    assert_eq!(office.refused(&["property", "list", "--organization", "nobody"]).0, "no_such_organization");
    office.fails(2, &["property", "add", "*", "--organization", "contoso", "--name", "All"]);
    assert_eq!(office.json(&["property", "list"]), json!([maple]));
}

#[test]
fn declared_organizations_are_shown() {
    let office = Office::furnished();
    let list = office.json(&["organization", "list"]);
    assert_eq!(
        list[0],
        json!({"id": "contoso", "name": "Contoso Residential", "domains": ["contoso.com", "contoso.co.uk"]})
    );
    assert_eq!(list.as_array().unwrap().len(), 2);
    let shown = office.json(&["organization", "show", "fabrikam"]);
    assert_eq!(shown["properties"], json!([{"id": "tower", "organization": "fabrikam", "name": "tower"}]));
    assert!(office.ok(&["organization", "show", "fabrikam"]).contains("property      tower (tower)\n"));
    assert!(office.ok(&["organization", "list"]).starts_with("ID        NAME "));
    assert_eq!(office.refused(&["organization", "show", "nobody"]).0, "no_such_organization");
}

#[test]
fn the_next_key_is_published_a_day_before_it_signs_and_once() {
    let office = Office::new();
    assert_eq!(office.json(&["keys", "list"]), json!([]));
    let next = office.json(&["keys", "rotate"]);
    assert_eq!((&next["state"], &next["changed"]), (&json!("next"), &json!(true)));
    let again = office.json(&["keys", "rotate"]);
    assert_eq!((&again["kid"], &again["changed"]), (&next["kid"], &json!(false)));

    let list = office.json(&["keys", "list"]);
    let states: Vec<_> = list.as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["signing", "next"]);
    assert_eq!(list[0]["algorithm"], "ES256");
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let day = jiff::SignedDuration::from_hours(24);
    assert_eq!(time(&list[1]["signs_from"]), time(&list[1]["created_at"]) + day);
    assert_eq!(time(&list[0]["retires_at"]), time(&list[1]["signs_from"]) + day * 7);
    assert_eq!(list[1]["retires_at"], Value::Null);
    assert!(office.ok(&["keys", "list"]).starts_with("KID "));
}

#[test]
fn keys_that_another_secret_sealed_are_left_alone() {
    let office = Office::new();
    office.ok(&["keys", "rotate"]);
    let before = office.json(&["keys", "list"]);
    office.write("anteroom.secret", &[7; 32]);
    let (code, message) = office.refused(&["keys", "rotate"]);
    assert_eq!(code, "keys_failed");
    assert!(message.contains("store.secret_file is not the one that this store was made with"), "{message}");
    assert_eq!(office.json(&["keys", "list"]), before);
}
