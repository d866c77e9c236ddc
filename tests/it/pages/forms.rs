//! What the forms of Manage page, console and Waiting Room offer in which state, and what they send.
//!
//! Separate from `pages`, which holds what is so on every page.

use std::collections::BTreeSet;

use super::{Element, Filling, PLAIN, brand, elements, every_page};

fn page(name: &str) -> Vec<Element> {
    page_with(name, &PLAIN)
}

fn page_with(name: &str, with: &Filling) -> Vec<Element> {
    let pages = every_page(&brand("ServusConnect"), with);
    let (_, html) = pages.iter().find(|(found, _)| *found == name).expect("a page of that name");
    elements(html)
}

/// Where the forms of a page that change something lead, by the last part of the path.
fn actions(name: &str) -> BTreeSet<String> {
    let page = page(name);
    let forms = page.iter().filter(|e| e.name == "form" && e.attribute("method") == Some("post"));
    forms
        .map(|form| form.attribute("action").expect("a form has one"))
        .map(|action| action.rsplit('/').next().unwrap_or_default().to_owned())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_request_offers_what_its_state_allows() {
    for (name, offered) in [
        ("request", &["take", "approve", "ask", "deny"][..]),
        ("request-mine", &["approve", "ask", "deny"]),
        ("request-of-another", &["take"]),
        ("request-proposal", &["confirm", "approve", "ask", "deny"]),
        ("request-proposed", &["take", "approve", "ask", "deny"]),
        ("request-approved", &[]),
        ("request-denied", &[]),
    ] {
        assert_eq!(actions(name), set(offered), "{name}");
    }
}

#[test]
fn a_form_that_changes_a_request_carries_the_version_that_was_seen() {
    for name in ["request", "request-mine", "request-of-another", "request-proposal", "manage"] {
        let mut is_carried = true;
        for element in page(name) {
            let action = element.attribute("action").unwrap_or_default();
            if element.name == "form" {
                assert!(is_carried, "{name}: the form before {action}");
                is_carried = !action.contains("/requests/");
            }
            is_carried |= element.attribute("name") == Some("version")
                && element.attribute("type") == Some("hidden")
                && element.attribute("value").is_some_and(|value| value.parse::<i64>().is_ok());
        }
        assert!(is_carried, "{name}: the last form");
    }
}

#[test]
fn what_the_configuration_file_declares_is_not_changed_here() {
    let own = [
        "test",
        "preview",
        "options",
        "rename",
        "domains",
        "pause",
        "properties",
        "import",
        "retire",
        "restore",
    ];
    assert_eq!(actions("organization"), set(&own));
    let declared = ["test", "pause", "properties", "import", "rename", "retire", "restore"];
    assert_eq!(actions("organization-declared"), set(&declared));
    // What is left of `rename` is that of the properties.
    let renames = page("organization-declared")
        .iter()
        .filter_map(|e| e.attribute("action"))
        .any(|action| action.ends_with("/rename") && !action.contains("/properties/"));
    assert!(!renames);
    assert_eq!(
        actions("organization-paused"),
        set(&["preview", "rename", "domains", "resume", "remove", "properties", "import"])
    );
}

#[test]
fn an_upload_is_sent_whole_and_what_cannot_be_saved_has_no_form() {
    for name in ["organization-new", "organization"] {
        let mut enctype = None;
        let mut files = 0;
        for element in page(name) {
            if element.name == "form" {
                enctype = element.attribute("enctype").map(str::to_owned);
            }
            if element.attribute("type") == Some("file") {
                files += 1;
                assert_eq!(enctype.as_deref(), Some("multipart/form-data"), "{name}");
            }
        }
        assert!(files > 0, "{name}");
    }
    assert_eq!(actions("preview-blocked"), BTreeSet::new());
    assert_eq!(actions("preview-rotation-changed"), set(&["metadata"]));
    let names = |name| -> BTreeSet<String> {
        page(name).iter().filter_map(|e| e.attribute("name").map(str::to_owned)).collect()
    };
    let carried = ["name", "id", "domains", "metadata"];
    for name in carried {
        assert!(names("preview").contains(name), "{name}");
    }
    assert!(
        !names("preview").contains("confirm_shared") && names("preview-shared").contains("confirm_shared")
    );
    let asks = |name| names(name).contains("confirm_entity_id");
    assert!(!asks("preview-rotation") && asks("preview-rotation-changed"));
}

#[test]
fn the_new_user_form_has_its_fields_keeps_what_was_typed_and_begins_with_what_is_wrong() {
    let page = page("manage-problems");
    let names: BTreeSet<_> =
        page.iter().filter(|e| e.name != "meta").filter_map(|e| e.attribute("name")).collect();
    assert_eq!(names, ["email", "level", "name", "note", "property"].into());
    let email = page.iter().find(|e| e.attribute("name") == Some("email")).expect("the field");
    assert_eq!(email.attribute("value"), Some(PLAIN.sentence));
    assert_eq!(email.attribute("aria-invalid"), Some("true"));
    assert_eq!(email.attribute("aria-describedby"), Some("email-problem email-hint"));
    let links: Vec<_> = page
        .iter()
        .filter_map(|e| e.attribute("href")?.strip_prefix('#'))
        .filter(|id| *id != "main")
        .collect();
    assert_eq!(links, ["property", "email", "name", "level", "note"]);
    let chosen = page.iter().filter(|e| e.attribute("selected").is_some());
    assert!(chosen.into_iter().all(|e| e.attribute("value") == Some(PLAIN.reference)));
}

#[test]
fn one_click_fills_the_form_with_who_waits() {
    let with = Filling { email: "a+b@contoso.com", person: "Ada & Co", property: "p/1", ..PLAIN };
    let page = page_with("manage", &with);
    let hrefs: Vec<_> =
        page.iter().filter_map(|e| e.attribute("href")).filter(|href| href.ends_with("#form")).collect();
    assert_eq!(
        hrefs,
        [
            "/.anteroom/manage?email=a%2Bb%40contoso.com&name=Ada%20%26%20Co&property=p/1#form",
            "/.anteroom/manage?email=a%2Bb%40contoso.com#form",
        ],
        "who has been asked for has no link"
    );
}

#[test]
fn the_waiting_room_asks_where_somebody_works_until_they_are_asked_for() {
    for (name, is_asked) in [
        ("waiting-room", true),
        ("waiting-room-told-nobody", true),
        ("waiting-room-question", true),
        ("waiting-room-denied", true),
        ("waiting-room-ended", true),
        ("waiting-room-received", false),
        ("waiting-room-in-work", false),
    ] {
        assert_eq!(actions(name).contains("waiting-room"), is_asked, "{name}");
    }
}

#[test]
fn the_navigation_says_where_one_is() {
    for (name, path) in [
        ("queue", "/.anteroom/support"),
        ("request", "/.anteroom/support"),
        ("user", "/.anteroom/support/users"),
        ("preview", "/.anteroom/support/organizations"),
        ("sign-ons", "/.anteroom/support/sign-ons"),
        ("mail-message", "/.anteroom/support/mail"),
    ] {
        let page = page(name);
        let here: Vec<_> = page
            .iter()
            .filter(|e| e.attribute("aria-current") == Some("page"))
            .filter_map(|e| e.attribute("href"))
            .collect();
        assert_eq!(here, [path], "{name}");
    }
}

#[test]
fn a_confirmation_sends_everything_again_and_says_so() {
    let page = page("confirm-revoke");
    let fields: Vec<_> = page
        .iter()
        .filter(|e| e.attribute("type") == Some("hidden"))
        .filter_map(|e| Some((e.attribute("name")?, e.attribute("value")?)))
        .collect();
    assert_eq!(fields, [("scope", PLAIN.reference), ("confirmed", "1")]);
    assert!(page.iter().any(|e| e.attribute("action") == Some(PLAIN.path)));
}
