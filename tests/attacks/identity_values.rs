//! Group E: genuine assertions whose values would be read differently by different readers.
//!
//! Separate because the fault is in what the identity provider says about the person.

use super::{Attack, World, replaced};
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
        rewritten!("E6", "a second statement with another address", "</AttributeStatement>" => "</AttributeStatement><AttributeStatement><Attribute Name=\"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress\"><AttributeValue>ceo@contoso.com</AttributeValue></Attribute></AttributeStatement>", "unexpected_element"),
        rewritten!("E6", "a second attribute that ends the first one early", "<AttributeValue>Mia</AttributeValue>" => "<AttributeValue>Mia</AttributeValue></Attribute><Attribute Name=\"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress\"><AttributeValue>ceo@contoso.com</AttributeValue>", "attribute_duplicate"),
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
            |m| m.set("x", &vec!["g"; 1_300]),
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

/// What is genuine and still says nothing that we could believe about a person: refused after the verifier.
pub(crate) fn people() -> Vec<Attack> {
    let several = [one_value(), names(), addresses()];
    several.into_iter().flatten().collect()
}

fn one_value() -> Vec<Attack> {
    vec![
        changed!(
            "E1",
            "two addresses in one claim",
            |m| m.set(CLAIM_EMAIL, &["mia.berg@contoso.com", "ceo@contoso.com"]),
            "attribute_value_count"
        ),
        changed!(
            "E1",
            "an empty address beside a good NameID",
            |m| m.set(CLAIM_EMAIL, &[""]),
            "attribute_value_count"
        ),
        changed!(
            "E1",
            "a claim without any value",
            |m| {
                m.set(CLAIM_EMAIL, &[]);
                m.attributes.push((CLAIM_EMAIL.to_owned(), Vec::new()));
            },
            "attribute_value_count"
        ),
        changed!(
            "E1",
            "two object identifiers",
            |m| m.set(crate::idp::CLAIM_OBJECT_ID, &["a", "b"]),
            "attribute_value_count"
        ),
    ]
}

fn names() -> Vec<Attack> {
    vec![
        changed!(
            "E2",
            "the claim of the address is only a friendly name",
            |m| {
                m.name_id_format = Some("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified".to_owned());
                m.set("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", &[]);
                m.rewrite_assertion = Some(Box::new(|text| {
                    let from = format!("<Attribute Name=\"{CLAIM_EMAIL}\">");
                    let to = format!("<Attribute FriendlyName=\"{CLAIM_EMAIL}\" Name=\"urn:x\">");
                    replaced(text, &from, &to)
                }));
            },
            "email_missing"
        ),
        changed!(
            "E2",
            "a claim that only ends like that of the address",
            |m| {
                m.name_id_format = Some("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified".to_owned());
                m.set("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", &[]);
                m.set(CLAIM_EMAIL, &[]);
                m.set(&format!("urn:x:{CLAIM_EMAIL}"), &["mia.berg@contoso.com"]);
            },
            "email_missing"
        ),
    ]
}

/// A row of an address that another reader would take for somebody else's.
macro_rules! address {
    ($name:literal, $text:literal) => {
        changed!("E3", $name, |m| m.set(CLAIM_EMAIL, &[$text]), "email_invalid" | "email_domain_not_allowed")
    };
}

fn addresses() -> Vec<Attack> {
    vec![
        address!("a dot after the domain", "mia.berg@contoso.com."),
        address!("two at signs", "mia.berg@evil.example@contoso.com"),
        address!("two at signs the other way", "mia.berg@contoso.com@evil.example"),
        address!("a space before the address", " mia.berg@contoso.com"),
        address!("a no-break space after the address", "mia.berg@contoso.com\u{a0}"),
        address!("a zero width space in the address", "mia.berg\u{200b}@contoso.com"),
        address!("a right-to-left mark in the address", "mia\u{202e}.berg@contoso.com"),
        address!("a fullwidth at sign", "mia.berg\u{ff20}contoso.com"),
        address!("a fullwidth letter", "\u{ff4d}ia.berg@contoso.com"),
        address!("a Cyrillic letter in the domain", "mia.berg@c\u{43e}ntoso.com"),
        address!("the domain in punycode of another", "mia.berg@xn--cntoso-c0a.com"),
        address!("a combining mark", "mi\u{301}a.berg@contoso.com"),
        address!("a dotless i", "m\u{131}a.berg@contoso.com"),
        address!("a sharp s", "ma\u{df}@contoso.com"),
        address!("a quoted local part", "\"mia.berg@evil.example\"@contoso.com"),
        address!("a comment", "mia.berg(ceo)@contoso.com"),
        address!("a display name", "Mia <mia.berg@contoso.com>"),
        address!("two addresses in one value", "mia.berg@contoso.com,ceo@contoso.com"),
        address!("a header after a line break", "mia\r\nX-Role:admin@contoso.com"),
        address!("a tab", "mia\t@contoso.com"),
        address!("a domain literal", "mia.berg@[127.0.0.1]"),
        address!("a subdomain of ours", "mia.berg@x.contoso.com"),
        address!("our domain as the beginning of another", "mia.berg@contoso.com.evil.example"),
        address!("our domain as the end of another", "mia.berg@evilcontoso.com"),
        address!("no local part", "@contoso.com"),
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

rows! {
    e01_a_value_that_is_not_one_value "E1"
    e02_a_friendly_name_is_no_name "E2"
    e03_values_that_readers_see_differently "E3"
    e04_values_without_end "E4"
    e05_a_name_id_for_somebody_else "E5"
    e06_an_attribute_smuggled_in_beside_another "E6"
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
