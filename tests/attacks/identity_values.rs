//! Group E: genuine assertions whose values would be read differently by different readers.
//!
//! Separate because the fault is in what the identity provider says about the person.

use super::{Attack, World, refuses_all, replaced};
use crate::idp::{CLAIM_EMAIL, Message};

pub(crate) fn attacks() -> Vec<Attack> {
    [attributes(), name_ids()].into_iter().flatten().collect()
}

/// A row that changes fields of the control before it is signed.
macro_rules! changed {
    ($id:literal, $name:literal, $change:expr, $($code:literal)|+) => {
        Attack {
            id: $id,
            name: $name,
            control: World::control,
            hostile: |_, control| {
                let change: fn(&mut Message) = $change;
                control.with(change).to_xml().into_bytes()
            },
            codes: &[$($code),+],
        }
    };
}

/// A row that rewrites the assertion before it is signed.
macro_rules! rewritten {
    ($id:literal, $name:literal, $from:literal => $to:literal, $($code:literal)|+) => {
        changed!($id, $name, |m| {
            m.rewrite_assertion = Some(Box::new(|text| replaced(text, $from, $to)));
        }, $($code)|+)
    };
}

fn attributes() -> Vec<Attack> {
    vec![
        changed!(
            "E1",
            "the e-mail attribute twice",
            |m| m.attributes.push((CLAIM_EMAIL.to_owned(), vec!["ceo@contoso.com".to_owned()])),
            "attribute_duplicate"
        ),
        rewritten!("E1", "an element inside an attribute value", "<AttributeValue>Mia</AttributeValue>" => "<AttributeValue><x:y xmlns:x=\"urn:x\">Mia</x:y></AttributeValue>", "attribute_value_forbidden"),
        rewritten!("E1", "text and an element inside an attribute value", "<AttributeValue>Mia</AttributeValue>" => "<AttributeValue>M<x:y xmlns:x=\"urn:x\">i</x:y>a</AttributeValue>", "attribute_value_forbidden"),
        rewritten!("E1", "a value that says it is nil", "<AttributeValue>Mia</AttributeValue>" => "<AttributeValue xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\">Mia</AttributeValue>", "attribute_value_forbidden"),
        rewritten!("E1", "two attribute statements", "</AttributeStatement>" => "</AttributeStatement><AttributeStatement><Attribute Name=\"x\"><AttributeValue>y</AttributeValue></Attribute></AttributeStatement>", "unexpected_element"),
        rewritten!("E1", "an attribute without name", "<Attribute Name=\"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname\">" => "<Attribute>", "missing_attribute"),
        rewritten!("E1", "an encrypted attribute", "<AttributeStatement>" => "<AttributeStatement><EncryptedAttribute></EncryptedAttribute>", "encryption_not_supported"),
        changed!(
            "E4",
            "a value of ten thousand octets",
            |m| m.set("x", &[&"v".repeat(10_000)]),
            "value_too_long"
        ),
        changed!(
            "E4",
            "more values than anybody has groups",
            |m| m.set("x", &vec!["g"; 2_500]),
            "value_too_long"
        ),
        changed!(
            "E4",
            "more attributes than anybody has",
            |m| {
                for n in 0..300 {
                    m.attributes.push((format!("x{n}"), Vec::new()));
                }
            },
            "value_too_long"
        ),
    ]
}

fn name_ids() -> Vec<Attack> {
    vec![
        changed!(
            "E3",
            "a space before the NameID",
            |m| m.name_id = Some(" mia.berg@contoso.com".to_owned()),
            "name_id_malformed"
        ),
        changed!(
            "E3",
            "a line break after the NameID",
            |m| m.name_id = Some("mia.berg@contoso.com\n".to_owned()),
            "name_id_malformed"
        ),
        changed!(
            "E3",
            "a no-break space after the NameID",
            |m| m.name_id = Some("mia.berg@contoso.com\u{a0}".to_owned()),
            "name_id_malformed"
        ),
        changed!(
            "E3",
            "a line break inside the NameID",
            |m| m.name_id = Some("mia\r\nX-Injected: yes".to_owned()),
            "name_id_malformed"
        ),
        changed!("E3", "an empty NameID", |m| m.name_id = Some(String::new()), "name_id_malformed"),
        changed!(
            "E4",
            "a NameID of two thousand octets",
            |m| m.name_id = Some("m".repeat(2_000)),
            "value_too_long"
        ),
        changed!(
            "E5",
            "a NameID qualified for another service provider",
            |m| m.name_id_attributes = " SPNameQualifier=\"urn:other\"".to_owned(),
            "name_id_qualifier_foreign"
        ),
        changed!(
            "E5",
            "a NameID qualified by another identity provider",
            |m| m.name_id_attributes = " NameQualifier=\"urn:other\"".to_owned(),
            "name_id_qualifier_foreign"
        ),
        rewritten!("E5", "an encrypted NameID", "</NameID>" => "</NameID><EncryptedID></EncryptedID>", "encryption_not_supported"),
        rewritten!("E5", "two NameIDs", "</NameID>" => "</NameID><NameID>ceo@contoso.com</NameID>", "unexpected_element"),
        rewritten!("E5", "an element inside the NameID", "mia.berg@contoso.com</NameID>" => "mia<x:y xmlns:x=\"urn:x\">x</x:y></NameID>", "unexpected_text"),
    ]
}

#[test]
fn ambiguous_identity_values_are_refused() {
    refuses_all(&attacks());
}

#[test]
fn values_are_read_as_they_were_signed() {
    let world = World::pure();
    let odd = "Märta O'Hara <admin> & \"co\" \u{1f642}";
    let message = world.control().with(|m| {
        m.set("short", &[odd, "", "second"]);
        m.name_id_attributes = format!(" SPNameQualifier=\"{}\"", world.request.sp_entity_id);
    });
    let assertion = world.verify(message.to_xml().as_bytes()).expect("valid");
    assert_eq!(assertion.attribute("short"), [odd, "", "second"]);
    assert_eq!(assertion.single("short"), None, "one of three would be a guess");
    assert_eq!(assertion.single(CLAIM_EMAIL), Some("mia.berg@contoso.com"));
    assert_eq!(assertion.attribute("emailaddress"), [""; 0], "matched by the whole name only");
    let name_id = assertion.name_id().expect("a name identifier");
    assert_eq!(name_id.value, "mia.berg@contoso.com");
    assert_eq!(assertion.session_index(), Some(message.assertion_id.as_str()));
    assert!(format!("{assertion:?}").find("mia.berg").is_none(), "no personal data in logs");
}
