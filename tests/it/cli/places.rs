//! `property …`, `organization …` and `keys …`.

use serde_json::{Value, json};

use super::Office;
use crate::idp::{Idp, SigningKey};

#[test]
fn properties_are_added_once_and_listed() {
    let office = Office::new();
    let add = ["property", "add", "maple", "--organization", "contoso", "--name", "Maple Court"];
    let maple = json!({"id": "maple", "organization": "contoso", "name": "Maple Court", "retired_at": null});
    assert_eq!(office.ok(&add), "added: maple of contoso, \"Maple Court\"\n");
    assert_eq!(office.ok(&add), "unchanged: maple of contoso, \"Maple Court\"\n");
    assert_eq!(office.json(&["property", "list"]), json!([maple]));
    assert_eq!(office.json(&["property", "list", "--organization", "fabrikam"]), json!([]));
    assert_eq!(
        office.ok(&["property", "list"]),
        "ID     ORGANIZATION  NAME         RETIRED AT\nmaple  contoso       Maple Court  -\n"
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
    let contoso = &list[0];
    assert_eq!(contoso["id"], "contoso");
    assert_eq!(contoso["name"], "Contoso Residential");
    assert_eq!(contoso["domains"], json!(["contoso.com", "contoso.co.uk"]));
    assert_eq!((&contoso["origin"], &contoso["paused_at"]), (&json!("declared"), &Value::Null));
    assert_eq!(contoso["provider"]["entity_id"], Idp::entra().entity_id);
    assert_eq!(contoso["provider"]["certificates"][0]["not_after"], "2049-12-31T00:00:00Z");
    assert_eq!(list.as_array().unwrap().len(), 2);
    let shown = office.json(&["organization", "show", "fabrikam"]);
    assert_eq!(shown["properties"][0]["id"], "tower");
    assert!(office.ok(&["organization", "show", "fabrikam"]).contains("property      tower (tower)\n"));
    assert!(office.ok(&["organization", "list"]).starts_with("ID        NAME "));
    assert_eq!(office.refused(&["organization", "show", "nobody"]).0, "no_such_organization");
}

#[test]
fn properties_are_renamed_retired_and_restored() {
    let office = Office::furnished();
    office.ok(&[
        "user",
        "add",
        "d@contoso.com",
        "--organization",
        "contoso",
        "--level",
        "viewer",
        "--property",
        "oak",
    ]);
    let renamed = office.ok(&["property", "rename", "oak", "--name", "Oak House"]);
    assert_eq!(renamed, "renamed: oak of contoso, \"Oak House\"\n");
    let retired = office.json(&["property", "retire", "oak"]);
    assert!(retired["retired_at"].is_string() && retired["changed"] == true, "{retired}");
    assert_eq!(office.json(&["property", "retire", "oak"])["changed"], false);
    assert_eq!(office.json(&["user", "show", "d@contoso.com"])["grants"], json!([]));
    let grant = ["user", "grant", "d@contoso.com", "--level", "viewer", "--property", "oak"];
    let (code, message) = office.refused(&grant);
    assert_eq!(code, "property_retired");
    assert!(message.ends_with("restore it first; `anteroom property restore` does that"), "{message}");
    office.ok(&["property", "restore", "oak"]);
    office.ok(&grant);
    assert_eq!(office.refused(&["property", "retire", "none"]).0, "no_such_property");
}

#[test]
fn an_organization_is_added_from_its_metadata_paused_resumed_and_removed() {
    let office = Office::furnished();
    let idp = provider_of_north(&office);
    let add = |id: &str, domain: &str, metadata: &str, more: &[&str]| {
        let given =
            ["organization", "add", id, "--name", "North", "--domain", domain, "--metadata", metadata];
        [&given, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let refused =
        |arguments: Vec<String>| office.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, message) = refused(add("north", "contoso.com", "north.xml", &[]));
    assert_eq!(code, "domains_shared");
    assert!(message.contains("contoso.com is a domain of contoso too"), "{message}");
    assert_eq!(refused(add("north", "north.com", "contoso.xml", &[])).0, "entity_id_taken");
    assert_eq!(refused(add("contoso", "north.com", "north.xml", &[])).0, "bad_fields");
    assert_eq!(refused(add("north", "north.com", "missing.xml", &[])).0, "unreadable_file");
    assert_eq!(refused(add("north", "north.com", "anteroom.toml", &[])).0, "bad_fields");

    let good = add("north", "contoso.com", "north.xml", &["--domain", "north.com", "--share-domains"]);
    let added = office.json(&good.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((&added["origin"], &added["changed"]), (&json!("created"), &json!(true)));
    assert_eq!(added["domains"], json!(["contoso.com", "north.com"]));
    assert_eq!(added["provider"]["entity_id"], idp.entity_id);

    assert!(office.json(&["organization", "pause", "north"])["paused_at"].is_string());
    assert_eq!(office.ok(&["organization", "pause", "north"]), "unchanged: north, \"North\"\n");
    assert_eq!(office.json(&["organization", "resume", "north"])["paused_at"], Value::Null);
    assert!(
        office
            .ok(&["organization", "show", "north"])
            .contains("entity ID     https://sts.windows.net/north/\n")
    );

    office.ok(&["user", "add", "n@north.com", "--organization", "north"]);
    assert_eq!(office.refused(&["organization", "remove", "north"]).0, "organization_has_users");
    assert_eq!(office.refused(&["organization", "remove", "contoso"]).0, "declared");
    assert_eq!(office.refused(&["organization", "remove", "nobody"]).0, "no_such_organization");
}

#[test]
fn sign_on_options_are_given_changed_and_shown() {
    let office = Office::new();
    provider_of_north(&office);
    let usual = json!({
        "force_authn": false, "authn_context": [], "name_id_format": null, "email_attributes": [],
        "name_attributes": [], "accept_expired_certificate": false,
    });
    assert_eq!(office.json(&["organization", "show", "contoso"])["options"], usual);
    let context = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509";
    let options = [
        "--force-authn",
        "on",
        "--authn-context",
        context,
        "--name-id-format",
        "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
        "--email-attribute",
        "mail",
        "--email-attribute",
        "e-mail, work",
        "--name-attribute",
        "full",
        "--accept-expired-certificate",
        "on",
    ];
    let (code, message) = office.refused(&[&ADD_NORTH[..], &["--name-id-format", "email"]].concat());
    assert_eq!(code, "bad_fields");
    assert!(message.contains("name_id_format: \"email\" is none of persistent"), "{message}");
    let added = office.json(&[&ADD_NORTH[..], &options].concat());
    let all = json!({
        "force_authn": true, "authn_context": [context], "name_id_format": "persistent",
        "email_attributes": ["mail", "e-mail, work"], "name_attributes": ["full"],
        "accept_expired_certificate": true,
    });
    assert_eq!(added["options"], all);
    assert_eq!(office.json(&["organization", "options", "north"]), all);
    let shown = office.ok(&["organization", "options", "north"]);
    assert!(shown.contains("e-mail from           e-mail, work\n"), "{shown}");
    assert!(office.ok(&["organization", "show", "north"]).contains("Name ID               persistent\n"));

    // What is not given stays; what is given empty is as usual again.
    let change = ["organization", "options", "north", "--force-authn", "off", "--email-attribute", ""];
    let changed = office.json(&change);
    assert_eq!(
        (&changed["changed"], &changed["options"]["force_authn"], &changed["options"]["email_attributes"]),
        (&json!(true), &json!(false), &json!([]))
    );
    assert_eq!(changed["options"]["name_attributes"], json!(["full"]));
    assert_eq!(office.ok(&change), "unchanged: north, \"North\"\n");
    office.ok(&[
        "organization",
        "options",
        "north",
        "--authn-context",
        "",
        "--name-id-format",
        "",
        "--name-attribute",
        "",
        "--accept-expired-certificate",
        "off",
    ]);
    assert_eq!(office.ok(&["organization", "options", "north"]), "north: all options are as usual\n");

    let refused = office.refused(&["organization", "options", "contoso", "--force-authn", "on"]);
    assert_eq!(refused.0, "declared");
    assert_eq!(office.refused(&["organization", "options", "nobody"]).0, "no_such_organization");
    let bad = office.refused(&["organization", "options", "north", "--authn-context", "Password"]);
    assert!(bad.1.contains("\"Password\" is not a URI"), "{}", bad.1);
    office.fails(2, &["organization", "options", "north", "--force-authn", "maybe"]);
}

#[test]
fn an_organization_is_renamed_and_gets_other_domains_and_certificates() {
    let office = Office::furnished();
    let mut idp = provider_of_north(&office);
    // First what was read.
    let preview = office.json(&[&ADD_NORTH[..], &["--dry-run"]].concat());
    assert_eq!((&preview["id"], &preview["provider"]["entity_id"]), (&json!("north"), &json!(idp.entity_id)));
    assert!(
        office
            .ok(&[&ADD_NORTH[..], &["--dry-run"]].concat())
            .contains("entity ID       https://sts.windows.net/north/")
    );
    assert_eq!(office.refused(&["organization", "show", "north"]).0, "no_such_organization");
    let taken = [
        "organization",
        "add",
        "x",
        "--name",
        "X",
        "--domain",
        "x.com",
        "--metadata",
        "contoso.xml",
        "--dry-run",
    ];
    assert_eq!(office.refused(&taken).0, "entity_id_taken");
    office.ok(&ADD_NORTH);

    assert_eq!(
        office.ok(&["organization", "rename", "north", "--name", "Northwind"]),
        "renamed: north, \"Northwind\"\n"
    );
    assert_eq!(office.refused(&["organization", "rename", "contoso", "--name", "X"]).0, "declared");

    // Who is left outside the new domains is told of, at once and later.
    office.ok(&["user", "add", "nia@north.com", "--organization", "north"]);
    let done = office.run(&["organization", "domains", "north", "northwind.com", "north.org"]);
    assert_eq!((done.code, done.out.as_str()), (0, "changed: north: northwind.com, north.org\n"));
    assert!(
        done.err.contains("one user cannot sign on") && done.err.contains("nia@north.com"),
        "{}",
        done.err
    );
    let shown = office.json(&["organization", "show", "north"]);
    assert_eq!(shown["outsiders"], json!({"count": 1, "first": ["nia@north.com"]}));
    assert!(office.ok(&["organization", "show", "north"]).contains("nia@north.com"));
    let shared = ["organization", "domains", "north", "north.com", "contoso.com"];
    assert_eq!(office.refused(&shared).0, "domains_shared");
    assert_eq!(office.json(&[&shared[..], &["--share-domains"]].concat())["outsiders"]["count"], 0);

    // A new certificate, then another identity provider.
    let before =
        office.json(&["organization", "show", "north"])["provider"]["certificates"][0]["sha256"].clone();
    idp.key = SigningKey::rsa_next();
    office.write("next.xml", &idp.metadata_xml());
    let metadata = ["organization", "metadata", "north", "next.xml"];
    let preview = office.json(&[&metadata[..], &["--dry-run"]].concat());
    assert_eq!(preview["certificates"]["removed"], json!([before]));
    // The metadata so far announced it already.
    assert_eq!(
        (&preview["certificates"]["added"], &preview["certificates"]["kept"][1]),
        (&json!([]), &Value::Null)
    );
    let unchanged = office.json(&["organization", "show", "north"]);
    assert_eq!(unchanged["provider"]["certificates"][0]["sha256"], before, "a look changes nothing");
    assert!(office.ok(&[&metadata[..], &["--dry-run"]].concat()).contains("goes"));
    let replaced = office.json(&metadata);
    assert_eq!(replaced["provider"]["certificates"][0]["sha256"], preview["certificates"]["kept"][0]);
    assert_eq!(office.json(&metadata)["changed"], false);
    idp.entity_id = "https://sts.windows.net/moved/".to_owned();
    office.write("moved.xml", &idp.metadata_xml());
    let moved = ["organization", "metadata", "north", "moved.xml"];
    let (code, message) = office.refused(&moved);
    assert_eq!(code, "entity_id_changed");
    assert!(message.ends_with("--accept-entity-id does that"), "{message}");
    let accepted = office.json(&[&moved[..], &["--accept-entity-id"]].concat());
    assert_eq!(accepted["provider"]["entity_id"], idp.entity_id);
    // What is about a file or an address does nothing without one, least of all accept something.
    for about in [&["--dry-run"][..], &["--entity-id", "urn:x"], &["--dry-run", "--accept-entity-id"]] {
        let (code, _) = office.refused(&[&["organization", "metadata", "north"], about].concat());
        assert_eq!(code, "nothing_to_read", "{about:?}");
    }
}

#[test]
fn a_customers_administrator_gets_the_values_to_enter() {
    let office = Office::new();
    let values = office.json(&["organization", "values"]);
    assert_eq!(
        values,
        json!({
            "identifier": "urn:example:anteroom",
            "reply_url": "https://login.example.com/saml2/idpresponse",
            "sign_on_url": "https://app.example.com/",
            "certificate": null,
            "metadata_url": "https://login.example.com/saml2/metadata",
        })
    );
    assert!(
        office.ok(&["organization", "values"]).contains("Identifier (Entity ID)  urn:example:anteroom\n")
    );
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

/// An identity provider that no organization has yet; its metadata is in `north.xml`.
fn provider_of_north(office: &Office) -> Idp {
    let idp = Idp { entity_id: "https://sts.windows.net/north/".to_owned(), ..Idp::entra() };
    office.write("north.xml", &idp.metadata_xml());
    idp
}

/// Adds the organization that this provider is of.
const ADD_NORTH: [&str; 9] =
    ["organization", "add", "north", "--name", "North", "--domain", "north.com", "--metadata", "north.xml"];
