//! Group D: genuine signatures over a message that was not meant for us, now, as this answer.
//!
//! Separate because these rows change values only, before everything is signed.

use jiff::SignedDuration;

use super::{Attack, World, cut, replaced, replaced_first};
use crate::idp::{Idp, Message, Sign, time};

pub(crate) fn attacks() -> Vec<Attack> {
    [
        audiences(),
        addressees(),
        issuers(),
        times(),
        answers(),
        subjects(),
        statuses(),
        versions(),
        statements(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A row that changes fields of the control before it is signed.
macro_rules! changed {
    ($id:literal, $name:literal, $change:expr, $($code:literal)|+) => {
        Attack {
            id: $id,
            name: $name,
            control: World::control,
            hostile: |world, control| {
                let change: fn(&World, &mut Message) = $change;
                control.with(|message| change(world, message)).to_xml().into_bytes()
            },
            codes: &[$($code),+],
        }
    };
}

/// The same under a signed response.
macro_rules! changed_in_signed_response {
    ($id:literal, $name:literal, $change:expr, $($code:literal)|+) => {
        Attack { control: |world| world.control().signed(Sign::Response), ..changed!($id, $name, $change, $($code)|+) }
    };
}

fn audiences() -> Vec<Attack> {
    vec![
        changed!(
            "D1",
            "another audience",
            |_, m| m.audiences = vec![vec!["urn:other".to_owned()]],
            "wrong_audience"
        ),
        changed!(
            "D1",
            "an audience with the prefix Entra adds to names that are no URI",
            |w, m| m.audiences = vec![vec![format!("spn:{}", w.request.sp_entity_id)]],
            "wrong_audience"
        ),
        changed!("D1", "no audience restriction", |_, m| m.audiences.clear(), "audience_missing"),
        changed!("D1", "a restriction without audience", |_, m| m.audiences = vec![vec![]], "wrong_audience"),
        changed!("D1", "an empty audience", |_, m| m.audiences = vec![vec![String::new()]], "wrong_audience"),
        changed!(
            "D1",
            "our entity ID is only a prefix of the audience",
            |w, m| m.audiences = vec![vec![format!("{}0", w.request.sp_entity_id)]],
            "wrong_audience"
        ),
        changed!(
            "D1",
            "the audience in another case",
            |w, m| m.audiences = vec![vec![w.request.sp_entity_id.to_uppercase()]],
            "wrong_audience"
        ),
        changed!(
            "D1",
            "white space around the audience",
            |w, m| m.audiences = vec![vec![format!(" {} ", w.request.sp_entity_id)]],
            "wrong_audience"
        ),
        changed!(
            "D1",
            "two restrictions, one of them for another",
            |w, m| m.audiences = vec![vec![w.request.sp_entity_id.clone()], vec!["urn:other".to_owned()]],
            "wrong_audience"
        ),
    ]
}

fn addressees() -> Vec<Attack> {
    vec![
        changed!(
            "D2",
            "another recipient",
            |_, m| m.recipient = Some("https://login.evil.example/saml2/idpresponse".to_owned()),
            "wrong_recipient"
        ),
        changed!(
            "D2",
            "a recipient that begins like ours",
            |w, m| m.recipient = Some(format!("{}/x", w.request.acs_url)),
            "wrong_recipient"
        ),
        changed!("D2", "an empty recipient", |_, m| m.recipient = Some(String::new()), "wrong_recipient"),
        changed!("D2", "no recipient", |_, m| m.recipient = None, "confirmation_malformed"),
        changed!(
            "D3",
            "another destination",
            |_, m| m.destination = Some("https://login.evil.example/saml2/idpresponse".to_owned()),
            "wrong_destination"
        ),
        changed!(
            "D3",
            "a destination that begins like ours",
            |w, m| m.destination = Some(format!("{}.evil.example", w.request.acs_url)),
            "wrong_destination"
        ),
        changed!(
            "D3",
            "an empty destination",
            |_, m| m.destination = Some(String::new()),
            "wrong_destination"
        ),
        changed_in_signed_response!(
            "D3",
            "a signed response without destination",
            |_, m| m.destination = None,
            "destination_missing"
        ),
        changed_in_signed_response!(
            "D3",
            "a signed response for another destination",
            |_, m| m.destination = Some("https://login.evil.example/".to_owned()),
            "wrong_destination"
        ),
    ]
}

fn issuers() -> Vec<Attack> {
    vec![
        changed!(
            "D4",
            "the assertion of another issuer",
            |_, m| m.assertion_issuer = Some("https://evil.example/".to_owned()),
            "wrong_issuer"
        ),
        changed!(
            "D4",
            "the response of another issuer",
            |_, m| m.response_issuer = Some("https://evil.example/".to_owned()),
            "wrong_issuer"
        ),
        changed!(
            "D4",
            "no issuer in the assertion",
            |_, m| {
                m.assertion_issuer = None;
                m.sign = Sign::Response;
            },
            "missing_element"
        ),
        changed_in_signed_response!(
            "D4",
            "no issuer in a signed response",
            |_, m| m.response_issuer = None,
            "missing_element"
        ),
        changed!(
            "D4",
            "white space around the issuer",
            |w, m| m.assertion_issuer = Some(format!(" {}\n", w.idp.entity_id)),
            "wrong_issuer"
        ),
        changed!(
            "D4",
            "an issuer that lacks the last slash",
            |w, m| m.assertion_issuer = Some(w.idp.entity_id.trim_end_matches('/').to_owned()),
            "wrong_issuer"
        ),
        changed!(
            "D4",
            "an issuer with the format of a person",
            |_, m| {
                m.rewrite_assertion = Some(Box::new(|text| {
                    replaced(
                        text,
                        "<Issuer>",
                        "<Issuer Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">",
                    )
                }));
            },
            "wrong_issuer"
        ),
        Attack {
            id: "D15",
            name: "the valid assertion of another tenant answers a request to this one",
            control: World::control,
            hostile: |world, _| Idp::other_tenant().answer(&world.request, world.now).to_xml().into_bytes(),
            codes: &["signature_invalid"],
        },
        Attack {
            id: "D15",
            name: "another tenant that shares the signing key",
            control: World::control,
            hostile: |world, control| {
                let mut other = Idp::other_tenant();
                other.key = control.signer.key;
                other.answer(&world.request, world.now).to_xml().into_bytes()
            },
            codes: &["wrong_issuer"],
        },
    ]
}

fn times() -> Vec<Attack> {
    vec![
        changed!(
            "D5",
            "the conditions have expired",
            |w, m| m.not_on_or_after = Some(time(w.now - SignedDuration::from_mins(4))),
            "expired"
        ),
        changed!(
            "D5",
            "the confirmation has expired",
            |w, m| m.confirmation_not_on_or_after = Some(time(w.now - SignedDuration::from_mins(4))),
            "expired"
        ),
        changed!(
            "D5",
            "the conditions end exactly when tolerance does",
            |w, m| m.not_on_or_after = Some(time(w.now - SignedDuration::from_mins(3))),
            "expired"
        ),
        changed!(
            "D5",
            "not valid yet",
            |w, m| m.not_before = Some(time(w.now + SignedDuration::from_mins(4))),
            "not_yet_valid"
        ),
        changed!(
            "D5",
            "no conditions",
            |_, m| {
                m.rewrite_assertion =
                    Some(Box::new(|text| replaced(text, cut(text, "<Conditions", "</Conditions>"), "")));
            },
            "conditions_missing"
        ),
        changed!("D5", "conditions without an end", |_, m| m.not_on_or_after = None, "missing_attribute"),
        changed!(
            "D5",
            "a confirmation without an end",
            |_, m| m.confirmation_not_on_or_after = None,
            "confirmation_malformed"
        ),
        changed!(
            "D5",
            "a bearer confirmation with NotBefore",
            |w, m| {
                let now = time(w.now);
                m.rewrite_assertion = Some(Box::new(move |text| {
                    replaced(text, "\" NotOnOrAfter=\"", &format!("\" NotBefore=\"{now}\" NotOnOrAfter=\""))
                }));
                m.not_before = None;
            },
            "confirmation_malformed"
        ),
        changed!(
            "D5",
            "the end lies before the beginning",
            |w, m| {
                m.not_before = Some(time(w.now + SignedDuration::from_secs(90)));
                m.not_on_or_after = Some(time(w.now + SignedDuration::from_secs(60)));
            },
            "validity_inverted"
        ),
        changed!(
            "D5",
            "the end is the beginning",
            |w, m| m.not_before = Some(time(w.now + SignedDuration::from_mins(60))),
            "validity_inverted"
        ),
        changed!(
            "D5",
            "conditions until the year 9999",
            |_, m| m.not_on_or_after = Some("9999-12-30T00:00:00Z".to_owned()),
            "lifetime_too_long"
        ),
        changed!(
            "D5",
            "a confirmation for ten years",
            |_, m| m.confirmation_not_on_or_after = Some("2036-06-15T10:30:00Z".to_owned()),
            "lifetime_too_long"
        ),
        changed!(
            "D5",
            "issued tomorrow",
            |w, m| m.issued = time(w.now + SignedDuration::from_hours(24)),
            "issued_in_future"
        ),
        changed!(
            "D5",
            "signed on tomorrow",
            |w, m| m.authn_instant = time(w.now + SignedDuration::from_hours(24)),
            "issued_in_future"
        ),
        changed!(
            "D5",
            "a time without zone",
            |_, m| m.not_on_or_after = Some("2026-06-15T11:30:00".to_owned()),
            "time_malformed"
        ),
        changed!(
            "D5",
            "a time in another zone",
            |_, m| m.not_on_or_after = Some("2026-06-15T11:30:00+02:00".to_owned()),
            "time_malformed"
        ),
        changed!(
            "D5",
            "a leap second",
            |_, m| m.not_on_or_after = Some("2026-06-15T11:30:60Z".to_owned()),
            "time_malformed"
        ),
        changed!(
            "D5",
            "a time that is no time",
            |_, m| m.confirmation_not_on_or_after = Some("tomorrow".to_owned()),
            "time_malformed"
        ),
        changed!("D5", "an empty time", |_, m| m.not_before = Some(String::new()), "time_malformed"),
        changed!(
            "D5",
            "an issue instant that is no time",
            |_, m| m.issued = "now".to_owned(),
            "time_malformed"
        ),
    ]
}

fn answers() -> Vec<Attack> {
    vec![
        changed!(
            "D7",
            "an unsolicited response",
            |_, m| {
                m.in_response_to = None;
                m.response_in_response_to = None;
            },
            "unsolicited"
        ),
        changed_in_signed_response!(
            "D7",
            "an unsolicited signed response",
            |_, m| {
                m.in_response_to = None;
                m.response_in_response_to = None;
            },
            "unsolicited"
        ),
        changed!(
            "D8",
            "the answer to another request",
            |_, m| {
                m.in_response_to = Some("id0".to_owned());
                m.response_in_response_to = Some("id0".to_owned());
            },
            "wrong_in_response_to"
        ),
        changed!(
            "D8",
            "only the response names the request",
            |_, m| m.in_response_to = None,
            "in_response_to_mismatch"
        ),
        changed!(
            "D8",
            "only the assertion names the request",
            |_, m| m.response_in_response_to = None,
            "in_response_to_mismatch"
        ),
        changed!(
            "D8",
            "response and assertion name different requests",
            |_, m| m.in_response_to = Some("id0".to_owned()),
            "in_response_to_mismatch"
        ),
        changed!(
            "D8",
            "the unsigned response names our request, the assertion another",
            |w, m| {
                m.in_response_to = Some("id0".to_owned());
                m.response_in_response_to = Some(w.request.id.clone());
            },
            "in_response_to_mismatch"
        ),
        changed!(
            "D8",
            "an empty InResponseTo",
            |_, m| {
                m.in_response_to = Some(String::new());
                m.response_in_response_to = Some(String::new());
            },
            "wrong_in_response_to"
        ),
    ]
}

fn subjects() -> Vec<Attack> {
    vec![
        changed!(
            "D9",
            "holder of key instead of bearer",
            |_, m| m.confirmation_method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key".to_owned(),
            "confirmation_missing" | "in_response_to_mismatch"
        ),
        changed!(
            "D9",
            "no confirmation",
            |_, m| {
                m.rewrite_assertion = Some(Box::new(|text| {
                    replaced(text, cut(text, "<SubjectConfirmation ", "</SubjectConfirmation>"), "")
                }));
            },
            "confirmation_missing"
        ),
        changed!(
            "D9",
            "a bearer confirmation without data",
            |_, m| {
                m.rewrite_assertion = Some(Box::new(|text| {
                    replaced(text, cut(text, "<SubjectConfirmationData", "</SubjectConfirmationData>"), "")
                }));
            },
            "in_response_to_mismatch"
        ),
        changed!(
            "D9",
            "no subject",
            |_, m| {
                m.rewrite_assertion =
                    Some(Box::new(|text| replaced(text, cut(text, "<Subject>", "</Subject>"), "")));
            },
            "missing_element"
        ),
        changed!(
            "D9",
            "a key in the confirmation data",
            |_, m| {
                m.rewrite_assertion = Some(Box::new(|text| {
                    replaced(
                        text,
                        "</SubjectConfirmationData>",
                        "<x:y xmlns:x=\"urn:x\"></x:y></SubjectConfirmationData>",
                    )
                }));
            },
            "unexpected_element"
        ),
    ]
}

fn statuses() -> Vec<Attack> {
    const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
    vec![
        changed!(
            "D10",
            "a status that is not success",
            |_, m| m.status = vec![RESPONDER.to_owned()],
            "status_not_success"
        ),
        changed!(
            "D10",
            "success nested under another status",
            |_, m| m.status.insert(0, RESPONDER.to_owned()),
            "status_not_success"
        ),
        changed_in_signed_response!(
            "D10",
            "a signed response that is not success",
            |_, m| m.status = vec![RESPONDER.to_owned()],
            "status_not_success"
        ),
        changed!(
            "D10",
            "two status codes",
            |_, m| {
                m.rewrite_response = Some(Box::new(|text| {
                    let code = cut(text, "<samlp:StatusCode", "</samlp:StatusCode>");
                    replaced(text, code, &code.repeat(2))
                }));
            },
            "unexpected_element"
        ),
        changed!(
            "D10",
            "no status",
            |_, m| {
                m.rewrite_response =
                    Some(Box::new(|text| replaced(text, cut(text, "<samlp:Status>", "</samlp:Status>"), "")));
            },
            "missing_element"
        ),
        changed!("D10", "no status code", |_, m| m.status.clear(), "missing_element"),
        changed!(
            "D10",
            "success in another case",
            |_, m| m.status = vec![crate::idp::SUCCESS.to_lowercase()],
            "status_not_success"
        ),
        Attack {
            id: "D10",
            name: "the refusal Entra sends, unsigned and without assertion",
            control: World::control,
            hostile: |_, control| entra_refusal(control).into_bytes(),
            codes: &["status_not_success"],
        },
        changed!(
            "D10",
            "success without an assertion",
            |_, m| {
                m.rewrite_response =
                    Some(Box::new(|text| replaced(text, cut(text, "<Assertion ", "</Assertion>"), "")));
            },
            "assertion_missing"
        ),
        changed!(
            "D10",
            "an encrypted assertion without anything in it",
            |_, m| {
                m.rewrite_response = Some(Box::new(|text| {
                    let encrypted = "<EncryptedAssertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
                    <xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Id=\"_e\"/></EncryptedAssertion>";
                    replaced(text, cut(text, "<Assertion ", "</Assertion>"), encrypted)
                }));
            },
            "encryption_malformed"
        ),
    ]
}

fn entra_refusal(control: Message) -> String {
    control
        .with(|m| {
            m.status = vec![
                "urn:oasis:names:tc:SAML:2.0:status:Requester".to_owned(),
                "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported".to_owned(),
            ];
            m.status_text = Some("AADSTS75006: <b>An error</b> occurred. Trace ID: 0".to_owned());
            m.rewrite_response =
                Some(Box::new(|text| replaced(text, cut(text, "<Assertion ", "</Assertion>"), "")));
        })
        .to_xml()
}

fn versions() -> Vec<Attack> {
    vec![
        changed!("D11", "SAML 2.1", |_, m| m.version = "2.1".to_owned(), "version_unsupported"),
        changed!("D11", "SAML 1.1", |_, m| m.version = "1.1".to_owned(), "version_unsupported"),
        changed!(
            "D11",
            "no version",
            |_, m| {
                m.rewrite_response = Some(Box::new(|text| replaced_first(text, " Version=\"2.0\"", "")));
            },
            "version_unsupported"
        ),
        changed!(
            "D11",
            "an assertion without ID",
            |_, m| {
                m.sign = Sign::Response;
                m.rewrite_assertion = Some(Box::new(|text| {
                    let id = cut(text, " ID=\"", "\" ").trim_end().to_owned();
                    replaced(text, &id, "")
                }));
            },
            "id_malformed"
        ),
        changed!(
            "D11",
            "an ID that begins with a digit",
            |_, m| m.assertion_id = "1a".to_owned(),
            "id_malformed"
        ),
        changed!("D11", "an empty ID", |_, m| m.response_id = String::new(), "id_malformed"),
        changed!(
            "D11",
            "an ID of a thousand characters",
            |_, m| m.assertion_id = "a".repeat(1000),
            "id_malformed"
        ),
    ]
}

fn statements() -> Vec<Attack> {
    vec![
        changed!(
            "D12",
            "no authentication statement",
            |_, m| {
                m.rewrite_assertion = Some(Box::new(|text| {
                    replaced(text, cut(text, "<AuthnStatement", "</AuthnStatement>"), "")
                }));
            },
            "authn_statement_missing"
        ),
        changed!(
            "D12",
            "the session has ended already",
            |w, m| m.session_not_on_or_after = Some(time(w.now - SignedDuration::from_hours(1))),
            "session_expired"
        ),
        changed!(
            "D14",
            "a condition nobody knows",
            |_, m| {
                m.rewrite_assertion = Some(Box::new(|text| {
                    replaced(
                        text,
                        "</Conditions>",
                        "<Condition xmlns:x=\"urn:x\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x:Y\"></Condition></Conditions>",
                    )
                }));
            },
            "unknown_condition"
        ),
        changed!(
            "D14",
            "a statement nobody knows",
            |_, m| m.further_statements =
                "<AuthzDecisionStatement Decision=\"Permit\" Resource=\"x\"></AuthzDecisionStatement>"
                    .to_owned(),
            "unexpected_element"
        ),
    ]
}

rows! {
    d01_another_audience "D1"
    d02_another_recipient "D2"
    d03_another_destination "D3"
    d04_another_issuer "D4"
    d05_another_time "D5"
    d07_nobody_asked "D7"
    d08_the_answer_to_another_request "D8"
    d09_no_bearer_confirmation "D9"
    d10_no_success "D10"
    d11_another_version_or_no_id "D11"
    d12_nobody_signed_on "D12"
    d14_a_condition_that_nobody_knows "D14"
    d15_another_tenant_answers "D15"
}

type Change = fn(&World, &mut Message);

#[test]
fn what_the_protocol_allows_is_accepted() {
    let world = World::pure();
    let cases: [(&str, Change); 10] = [
        ("no response issuer under a signed assertion", |_, m| m.response_issuer = None),
        ("no destination under a signed assertion", |_, m| m.destination = None),
        ("expired, but within tolerance", |w, m| {
            m.not_on_or_after = Some(time(w.now - SignedDuration::from_secs(170)));
        }),
        ("not valid yet, but within tolerance", |w, m| {
            m.not_before = Some(time(w.now + SignedDuration::from_secs(170)));
        }),
        ("no beginning", |_, m| m.not_before = None),
        ("several audiences in one restriction", |_, m| {
            m.audiences[0].insert(0, "urn:other".to_owned());
        }),
        ("one-time use", |_, m| {
            m.rewrite_assertion = Some(Box::new(|text| {
                replaced(text, "</Conditions>", "<OneTimeUse></OneTimeUse></Conditions>")
            }));
        }),
        ("no name identifier", |_, m| m.name_id = None),
        ("no attributes", |_, m| m.attributes.clear()),
        ("a second confirmation by another method", |_, m| {
            m.rewrite_assertion = Some(Box::new(|text| {
                let other = "<SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:sender-vouches\">\
                             </SubjectConfirmation></Subject>";
                replaced(text, "</Subject>", other)
            }));
        }),
    ];
    for (name, change) in cases {
        let message = world.control().with(|m| change(&world, m)).to_xml();
        if let Err(refusal) = world.verify(message.as_bytes()) {
            panic!("{name}: {refusal}");
        }
    }
}

#[test]
fn the_status_of_a_refusal_can_be_shown() {
    let world = World::pure();
    let refusal = world.verify(entra_refusal(world.control()).as_bytes()).expect_err("not a success");
    let status = refusal.status().expect("a status");
    assert_eq!(status.codes.len(), 2);
    assert!(status.message.as_deref().is_some_and(|m| m.starts_with("AADSTS75006: <b>")));
}

#[test]
fn the_earliest_session_end_bounds_the_session() {
    let world = World::pure();
    let end = world.now + SignedDuration::from_hours(2);
    let message = world.control().with(|m| m.session_not_on_or_after = Some(time(end))).to_xml();
    let assertion = world.verify(message.as_bytes()).expect("valid");
    assert_eq!(assertion.session_not_on_or_after(), Some(end));
    assert_eq!(
        assertion.expires_at(),
        world.now + SignedDuration::from_mins(63),
        "the ID is remembered until nothing would accept it"
    );
}

#[test]
fn the_request_is_found_before_anything_is_verified() {
    let world = World::pure();
    let text = world.control().signed(Sign::Nothing).to_xml();
    let document = anteroom::saml::Document::parse(text.as_bytes()).expect("XML");
    let response = anteroom::saml::Response::read(&document).expect("well-shaped");
    assert_eq!(response.in_response_to(), Some(world.request.id.as_str()));
    assert_eq!(response.issuer_hint(), Some(world.idp.entity_id.as_str()));
}
