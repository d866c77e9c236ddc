//! Group B: what parsers and canonicalizers disagree about. The octets are signed, or lie outside
//! of what is signed; another reader would see something else in them.
//!
//! Separate because these rows are about characters and transforms, not about elements moved.

use super::{Attack, World, cut, replaced, replaced_first};
use crate::idp::Message;

pub(crate) fn attacks() -> Vec<Attack> {
    [markup(), doctypes(), namespaces(), digests(), transforms(), encodings()].into_iter().flatten().collect()
}

/// A row that rewrites the finished text of the control once.
macro_rules! textual {
    ($id:literal, $name:literal, $from:expr => $to:expr, $($code:literal)|+) => {
        Attack {
            id: $id,
            name: $name,
            control: World::control,
            hostile: |_, control| replaced_first(&control.to_xml(), $from, $to).into_bytes(),
            codes: &[$($code),+],
        }
    };
}

/// A row that rewrites the `SignedInfo` before it is signed.
macro_rules! signed_info {
    ($id:literal, $name:literal, $rewrite:expr, $($code:literal)|+) => {
        Attack {
            id: $id,
            name: $name,
            control: World::control,
            hostile: |_, control| {
                control.with(|m| m.signer.rewrite_signed_info = Some($rewrite)).to_xml().into_bytes()
            },
            codes: &[$($code),+],
        }
    };
}

fn markup() -> Vec<Attack> {
    vec![
        textual!("B1", "a comment cuts the NameID in two", "mia.berg@contoso.com</NameID>" => "mia.berg@contoso.com<!---->.evil.example</NameID>", "comment_forbidden"),
        Attack {
            id: "B1",
            name: "a comment that the canonical form drops stands in a genuine NameID",
            control: |world| {
                world.control().with(|m| m.name_id = Some("admin@contoso.com.evil.example".to_owned()))
            },
            hostile: |_, control| {
                replaced(&control.to_xml(), "admin@contoso.com.evil", "admin@contoso.com<!-- -->.evil")
                    .into_bytes()
            },
            codes: &["comment_forbidden"],
        },
        textual!("B1", "a comment in an attribute value", "<AttributeValue>Mia</AttributeValue>" => "<AttributeValue>M<!--x-->ia</AttributeValue>", "comment_forbidden"),
        textual!("B1", "a comment outside of the signed element", "<samlp:Status>" => "<!-- hello --><samlp:Status>", "comment_forbidden"),
        textual!("B1", "a processing instruction in the NameID", "mia.berg@contoso.com</NameID>" => "mia<?x y?>.berg@contoso.com</NameID>", "processing_instruction_forbidden"),
        textual!("B1", "a CDATA section in the NameID", "mia.berg@contoso.com</NameID>" => "<![CDATA[mia.berg@contoso.com]]></NameID>", "cdata_forbidden"),
        textual!("B1", "a processing instruction before the root", "<samlp:Response" => "<?xml-stylesheet href=\"x\"?><samlp:Response", "processing_instruction_forbidden"),
        textual!("B7", "an element name with two colons", "<samlp:Status>" => "<samlp:x:y></samlp:x:y><samlp:Status>", "xml_malformed" | "missing_element"),
        textual!("B7", "an attribute name that begins with a colon", "<samlp:Status>" => "<samlp:Status :x=\"y\">", "xml_malformed" | "unexpected_attribute"),
        textual!("B7", "an end tag with an attribute", "</samlp:Status>" => "</samlp:Status x=\"y\">", "xml_malformed"),
        textual!("B7", "an unknown attribute on the response", " Version=\"2.0\"><Issuer" => " Version=\"2.0\" x=\"y\"><Issuer", "unexpected_attribute"),
        textual!("B7", "text between elements of the response", "<samlp:Status>" => "x<samlp:Status>", "unexpected_text"),
    ]
}

fn doctypes() -> Vec<Attack> {
    vec![
        textual!("B2", "an empty DOCTYPE", "<samlp:Response" => "<!DOCTYPE x><samlp:Response", "doctype_forbidden"),
        textual!("B2", "a DOCTYPE in lower case", "<samlp:Response" => "<!doctype x><samlp:Response", "doctype_forbidden"),
        textual!("B2", "an external entity", "<samlp:Response" => "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><samlp:Response", "doctype_forbidden"),
        textual!("B2", "a billion laughs", "<samlp:Response" => "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><samlp:Response", "doctype_forbidden"),
        textual!("B2", "a parameter entity", "<samlp:Response" => "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/x\"> %p;]><samlp:Response", "doctype_forbidden"),
        textual!("B2", "a DOCTYPE that declares an attribute as ID", "<samlp:Response" => "<!DOCTYPE x [<!ATTLIST Subject y ID #IMPLIED>]><samlp:Response", "doctype_forbidden"),
        textual!("B2", "a declaration inside the document", "<samlp:Status>" => "<!ENTITY x \"y\"><samlp:Status>", "doctype_forbidden"),
        textual!("B2", "an entity that is not predefined", "mia.berg@contoso.com</NameID>" => "mia.berg&nbsp;@contoso.com</NameID>", "xml_malformed"),
    ]
}

fn namespaces() -> Vec<Attack> {
    vec![
        textual!("B3", "a prefix that is not declared", "<samlp:Status>" => "<evil:Status>", "xml_malformed"),
        textual!("B3", "the prefix xml is bound to something else", "<samlp:Response " => "<samlp:Response xmlns:xml=\"urn:evil\" ", "xml_malformed"),
        textual!("B3", "the prefix xml is declared at all", "<samlp:Response " => "<samlp:Response xmlns:xml=\"http://www.w3.org/XML/1998/namespace\" ", "namespace_forbidden"),
        textual!("B3", "the prefix xmlns is declared", "<samlp:Response " => "<samlp:Response xmlns:xmlns=\"urn:evil\" ", "xml_malformed"),
        textual!("B3", "the namespace of xmlns is the default", "<samlp:Response " => "<samlp:Response xmlns=\"http://www.w3.org/2000/xmlns/\" ", "xml_malformed"),
        textual!("B3", "the same attribute twice", " Version=\"2.0\"><Issuer" => " Version=\"2.0\" Version=\"2.0\"><Issuer", "xml_malformed"),
        textual!("B3", "the same attribute under two prefixes", " Version=\"2.0\"><Issuer" => " xmlns:p=\"urn:x\" xmlns:q=\"urn:x\" p:a=\"1\" q:a=\"2\" Version=\"2.0\"><Issuer", "xml_malformed"),
        textual!("B3", "a prefixed look-alike of a SAML attribute", " Version=\"2.0\"><Issuer" => " xmlns:p=\"urn:x\" p:Destination=\"https://evil.example/\" Version=\"2.0\"><Issuer", "unexpected_attribute"),
        textual!("B3", "the signature in another namespace", "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\">" => "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig\">", "missing_element"),
        textual!("B3", "an assertion in another namespace", "<Assertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"" => "<Assertion xmlns=\"urn:oasis:names:tc:SAML:1.0:assertion\"", "unexpected_element"),
        textual!("B3", "an assertion without namespace in the status detail", "</samlp:Status>" => "<samlp:StatusDetail><Assertion></Assertion></samlp:StatusDetail></samlp:Status>", "unexpected_element"),
        textual!("B4", "a relative namespace name around the signed element", "<samlp:Response " => "<samlp:Response xmlns:example=\"1\" ", "namespace_forbidden"),
        textual!("B4", "a relative namespace name as a path", "<samlp:Response " => "<samlp:Response xmlns:example=\"../x\" ", "namespace_forbidden"),
        Attack {
            id: "B4",
            name: "a relative namespace name inside the signed element",
            control: World::control,
            hostile: |_, control| {
                rewritten(control, |text| replaced(text, "<Subject>", "<x:y xmlns:x=\"1\"></x:y><Subject>"))
            },
            codes: &["namespace_forbidden"],
        },
        Attack {
            id: "B13",
            name: "too many namespaces on one element",
            control: World::control,
            hostile: |_, control| {
                let many: String = (0..5_000).map(|n| format!(" xmlns:a{n}=\"urn:{n}\"")).collect();
                replaced(&control.to_xml(), "<samlp:Status>", &format!("<samlp:Status{many}>")).into_bytes()
            },
            codes: &["too_complex"],
        },
        Attack {
            id: "B13",
            name: "too many namespaces in scope, a few on each of several elements",
            control: World::control,
            hostile: |_, control| {
                declaring(&control, 14, &["samlp:Response", "samlp:Status", "samlp:StatusCode"])
            },
            codes: &["too_complex"],
        },
        textual!("B2", "attributes where an element ends", "</samlp:Status>" => "</samlp:Status x=\"\">", "xml_malformed"),
        textual!("B4", "an empty namespace name for a prefix", "<samlp:Response " => "<samlp:Response xmlns:example=\"\" ", "namespace_forbidden" | "xml_malformed"),
    ]
}

/// The message with so many more namespaces declared on the first of each of these elements.
fn declaring(message: &Message, count: usize, elements: &[&str]) -> Vec<u8> {
    let mut text = message.to_xml();
    for (nth, element) in elements.iter().enumerate() {
        let names: String = (0..count).map(|n| format!(" xmlns:x{nth}n{n}=\"urn:{nth}:{n}\"")).collect();
        let after = if text.contains(&format!("<{element} ")) { ' ' } else { '>' };
        text = replaced_first(&text, &format!("<{element}{after}"), &format!("<{element}{names}{after}"));
    }
    text.into_bytes()
}

/// As many side by side are none too many: they end with their elements.
#[test]
fn namespaces_that_are_declared_side_by_side_are_not_in_scope_together() {
    let world = World::pure();
    let control = world.control();
    for (count, elements, is_good) in [
        (14, &["samlp:Response", "Issuer", "samlp:Status"][..], true),
        (14, &["samlp:Response", "samlp:Status", "samlp:StatusCode"], false),
    ] {
        let verified = world.verify(&declaring(&control, count, elements));
        assert_eq!(verified.is_ok(), is_good, "{elements:?}: {:?}", verified.err());
    }
}

fn digests() -> Vec<Attack> {
    vec![
        signed_info!(
            "B4",
            "the digest is that of nothing",
            |text| {
                let value = cut(text, "<DigestValue>", "</DigestValue>");
                let empty = "<DigestValue>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</DigestValue>";
                replaced(text, value, empty)
            },
            "digest_mismatch"
        ),
        textual!("B5", "a comment in the digest value", "<DigestValue>" => "<DigestValue><!---->", "comment_forbidden"),
        signed_info!(
            "B5",
            "two digest values",
            |text| {
                let value = cut(text, "<DigestValue>", "</DigestValue>");
                replaced(text, value, &value.repeat(2))
            },
            "signature_malformed"
        ),
        signed_info!(
            "B5",
            "an element in the digest value",
            |text| { replaced(text, "<DigestValue>", "<DigestValue><X></X>") },
            "signature_malformed"
        ),
        signed_info!(
            "B5",
            "a digest value with octets appended",
            |text| { replaced(text, "</DigestValue>", "AAAA</DigestValue>") },
            "signature_malformed" | "digest_mismatch"
        ),
        signed_info!(
            "B5",
            "a digest value without its padding",
            |text| { replaced(text, "=</DigestValue>", "</DigestValue>") },
            "signature_malformed"
        ),
        signed_info!(
            "B5",
            "a truncated digest value",
            |text| {
                let value = cut(text, "<DigestValue>", "</DigestValue>");
                replaced(text, value, &format!("{}</DigestValue>", &value[.."<DigestValue>".len() + 20]))
            },
            "digest_mismatch"
        ),
        signed_info!(
            "B5",
            "an empty digest value",
            |text| {
                let value = cut(text, "<DigestValue>", "</DigestValue>");
                replaced(text, value, "<DigestValue></DigestValue>")
            },
            "signature_malformed"
        ),
        signed_info!(
            "B5",
            "a digest value with characters outside of base64",
            |text| { replaced(text, "<DigestValue>", "<DigestValue>*") },
            "signature_malformed"
        ),
        signed_info!(
            "B12",
            "two references, the second to something else",
            |text| {
                let reference = cut(text, "<Reference", "</Reference>");
                replaced(text, reference, &reference.repeat(2))
            },
            "signature_malformed"
        ),
        signed_info!(
            "B12",
            "no reference at all",
            |text| {
                let reference = cut(text, "<Reference", "</Reference>").to_owned();
                replaced(text, &reference, "")
            },
            "signature_malformed"
        ),
    ]
}

fn transforms() -> Vec<Attack> {
    const ENVELOPED: &str =
        "<Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></Transform>";
    const EXCLUSIVE: &str = "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></Transform>";
    vec![
        signed_info!(
            "B8",
            "an XSLT transform",
            |text| {
                replaced(
                    text,
                    EXCLUSIVE,
                    "<Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"></Transform>",
                )
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "an XPath transform",
            |text| {
                replaced(
                    text,
                    ENVELOPED,
                    "<Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><XPath>not(ancestor::x)</XPath></Transform>",
                )
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "a base64 transform after the others",
            |text| {
                replaced(
                    text,
                    "</Transforms>",
                    "<Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\"></Transform></Transforms>",
                )
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "no transforms",
            |text| {
                let transforms = cut(text, "<Transforms>", "</Transforms>").to_owned();
                replaced(text, &transforms, "")
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "an empty list of transforms",
            |text| {
                let transforms = cut(text, "<Transforms>", "</Transforms>").to_owned();
                replaced(text, &transforms, "<Transforms></Transforms>")
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "only the enveloped transform",
            |text| replaced(text, EXCLUSIVE, ""),
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "only the canonicalization",
            |text| replaced(text, ENVELOPED, ""),
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "the transforms in the other order",
            |text| { replaced(text, &format!("{ENVELOPED}{EXCLUSIVE}"), &format!("{EXCLUSIVE}{ENVELOPED}")) },
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "the canonicalization twice",
            |text| replaced(text, EXCLUSIVE, &EXCLUSIVE.repeat(2)),
            "transform_forbidden"
        ),
        signed_info!(
            "B8",
            "a parameter in the enveloped transform",
            |text| {
                replaced(
                    text,
                    "#enveloped-signature\"></Transform>",
                    "#enveloped-signature\"><X></X></Transform>",
                )
            },
            "signature_malformed"
        ),
        signed_info!(
            "B8",
            "the empty URI, which means the whole document",
            |text| {
                let uri = cut(text, "URI=\"", "\">").to_owned();
                replaced(text, &uri, "URI=\"\">")
            },
            "reference_mismatch"
        ),
        signed_info!(
            "B8",
            "no URI",
            |text| {
                let uri = cut(text, " URI=\"", "\">").to_owned();
                replaced(text, &uri, ">")
            },
            "reference_mismatch"
        ),
        signed_info!(
            "B8",
            "an XPointer",
            |text| {
                let uri = cut(text, "URI=\"#", "\">").to_owned();
                let id = uri.trim_start_matches("URI=\"#").trim_end_matches("\">");
                replaced(text, &uri, &format!("URI=\"#xpointer(id('{id}'))\">"))
            },
            "reference_mismatch"
        ),
        signed_info!(
            "B8",
            "a URI on the network",
            |text| replaced(text, "URI=\"#", "URI=\"http://127.0.0.1:1/#"),
            "reference_mismatch"
        ),
        signed_info!(
            "B8",
            "a URI of a file",
            |text| replaced(text, "URI=\"#", "URI=\"file:///etc/passwd#"),
            "reference_mismatch"
        ),
        signed_info!(
            "B8",
            "a reference with a Type",
            |text| {
                replaced(
                    text,
                    "<Reference ",
                    "<Reference Type=\"http://www.w3.org/2000/09/xmldsig#Manifest\" ",
                )
            },
            "signature_malformed"
        ),
        Attack {
            id: "B9",
            name: "an ID with quotes for an XPath",
            control: World::control,
            hostile: |_, control| {
                control.with(|m| m.assertion_id = "a']|//*['".to_owned()).to_xml().into_bytes()
            },
            codes: &["id_malformed"],
        },
        Attack {
            id: "B9",
            name: "an ID that is no XML name",
            control: World::control,
            hostile: |_, control| control.with(|m| m.assertion_id = "a b".to_owned()).to_xml().into_bytes(),
            codes: &["id_malformed"],
        },
        signed_info!(
            "B10",
            "canonicalization with comments as transform",
            |text| { replaced(text, EXCLUSIVE, &EXCLUSIVE.replace("c14n#", "c14n#WithComments")) },
            "transform_forbidden"
        ),
        signed_info!(
            "B10",
            "canonicalization with comments of the SignedInfo",
            |text| {
                replaced(
                    text,
                    "<CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">",
                    "<CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments\">",
                )
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B10",
            "inclusive canonicalization",
            |text| {
                replaced(
                    text,
                    EXCLUSIVE,
                    "<Transform Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"></Transform>",
                )
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B10",
            "canonical XML 1.1",
            |text| {
                replaced(
                    text,
                    EXCLUSIVE,
                    "<Transform Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"></Transform>",
                )
            },
            "transform_forbidden"
        ),
        signed_info!(
            "B10",
            "an unknown canonicalization",
            |text| { replaced(text, EXCLUSIVE, "<Transform Algorithm=\"urn:x\"></Transform>") },
            "transform_forbidden"
        ),
    ]
}

fn encodings() -> Vec<Attack> {
    vec![
        Attack {
            id: "B11",
            name: "UTF-16",
            control: World::control,
            hostile: |_, control| {
                let units =
                    std::iter::once(0xfeff).chain(control.to_xml().encode_utf16().collect::<Vec<_>>());
                units.flat_map(u16::to_le_bytes).collect()
            },
            codes: &["encoding_forbidden"],
        },
        Attack {
            id: "B11",
            name: "invalid UTF-8",
            control: World::control,
            hostile: |_, control| {
                let mut octets = control.to_xml().into_bytes();
                let at = octets.len() / 2;
                octets[at] = 0xff;
                octets
            },
            codes: &["encoding_forbidden"],
        },
        textual!("B11", "a byte order mark", "<samlp:Response" => "\u{feff}<samlp:Response", "encoding_forbidden"),
        textual!("B11", "another encoding declared", "<samlp:Response" => "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><samlp:Response", "encoding_forbidden"),
        textual!("B11", "UTF-7 declared", "<samlp:Response" => "<?xml version=\"1.0\" encoding=\"UTF-7\"?><samlp:Response", "encoding_forbidden"),
        textual!("B11", "XML 1.1", "<samlp:Response" => "<?xml version=\"1.1\"?><samlp:Response", "encoding_forbidden" | "xml_malformed"),
        textual!("B11", "a NUL", "<samlp:Status>" => "\0<samlp:Status>", "encoding_forbidden"),
        textual!("B11", "a noncharacter", "mia.berg@contoso.com</NameID>" => "mia\u{fffe}@contoso.com</NameID>", "encoding_forbidden"),
        textual!("B11", "a reference to NUL", "mia.berg@contoso.com</NameID>" => "mia&#0;@contoso.com</NameID>", "xml_malformed"),
        textual!("B11", "a reference to a noncharacter", "mia.berg@contoso.com</NameID>" => "mia&#xFFFE;@contoso.com</NameID>", "xml_malformed"),
        textual!("B11", "a reference to a surrogate", "mia.berg@contoso.com</NameID>" => "mia&#xD800;@contoso.com</NameID>", "xml_malformed"),
        textual!("B11", "a line break in an attribute value", " Version=\"2.0\"><Issuer" => " Version=\"2.0\n\"><Issuer", "encoding_forbidden"),
        textual!("B11", "a declaration that is not at the start", "<samlp:Response" => " <?xml version=\"1.0\"?><samlp:Response", "processing_instruction_forbidden"),
    ]
}

fn rewritten(control: Message, rewrite: fn(&str) -> String) -> Vec<u8> {
    control.with(|message| message.rewrite_assertion = Some(Box::new(rewrite))).to_xml().into_bytes()
}

rows! {
    b01_comments_cut_values "B1"
    b02_a_document_type_or_entity_is_declared "B2"
    b03_namespaces_are_confused "B3"
    b04_the_canonical_form_is_void "B4"
    b05_a_digest_value_is_read_leniently "B5"
    b07_names_and_tags_are_read_leniently "B7"
    b08_transforms_and_references_choose_what_is_signed "B8"
    b09_an_id_is_an_expression "B9"
    b10_another_canonicalization "B10"
    b11_another_encoding "B11"
    b12_several_references "B12"
    b13_namespaces_without_end "B13"
}
