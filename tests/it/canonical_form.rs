//! The canonical form, compared with that of libxml2 on random messages.
//!
//! Separate because the digest of a message is the only thing both sides must agree on to the octet: xmlsec1
//! signs, our verifier accepts exactly if it comes to the same octets.
//!
//! Rules: the messages vary in everything that canonicalization is about (namespaces declared anywhere, used or
//! not, attribute order and quoting, character references, prefix lists) and in nothing that the profile refuses. An
//! ampersand in a namespace name is left out: libxml2 does not escape it, against Canonical XML 2.3, so nobody can
//! sign such a message with it for others.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use crate::attacks::World;
use crate::idp::Request;

/// What varies.
#[derive(Debug, Clone)]
struct Shape {
    /// Declarations on Response, Assertion, `AttributeStatement`, Attribute and `AttributeValue`.
    declarations: [Vec<(usize, usize)>; 5],
    /// Prefixes of the `PrefixList` of the reference and of the `SignedInfo`.
    prefix_lists: [Vec<usize>; 2],
    /// Values, each character with the way it is written.
    values: Vec<Vec<(char, u8)>>,
    /// Values of attributes in foreign namespaces.
    foreign: Vec<(usize, Vec<(char, u8)>)>,
    single_quotes: bool,
    indent: bool,
}

const PREFIXES: [&str; 5] = ["a", "b", "zz", "xs", ""];
const NAMESPACES: [&str; 4] = ["urn:one", "urn:two", "http://example.org/?x=1", "urn:a:very:long:name"];
const CHARACTERS: [char; 20] = [
    'a',
    'Z',
    '0',
    ' ',
    '\t',
    '\n',
    '\r',
    '<',
    '>',
    '&',
    '"',
    '\'',
    'é',
    'e',
    '\u{301}',
    '\u{85}',
    '\u{2028}',
    '\u{fffd}',
    '\u{1f642}',
    ']',
];

fn shapes() -> impl Strategy<Value = Shape> {
    let declarations = || proptest::collection::vec((0..PREFIXES.len(), 0..NAMESPACES.len()), 0..4);
    let text = || proptest::collection::vec((proptest::sample::select(&CHARACTERS[..]), any::<u8>()), 0..24);
    let list = || proptest::collection::vec(0..PREFIXES.len(), 0..4);
    (
        [declarations(), declarations(), declarations(), declarations(), declarations()],
        [list(), list()],
        proptest::collection::vec(text(), 1..5),
        proptest::collection::vec((0..3_usize, text()), 0..4),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(declarations, prefix_lists, values, foreign, single_quotes, indent)| Shape {
            declarations,
            prefix_lists,
            values,
            foreign,
            single_quotes,
            indent,
        })
}

impl Shape {
    /// The declarations of one element, each prefix once.
    fn declared(&self, level: usize) -> String {
        let mut seen = Vec::new();
        let mut text = String::new();
        for (prefix, namespace) in self.declarations.get(level).into_iter().flatten() {
            if seen.contains(prefix) {
                continue;
            }
            seen.push(*prefix);
            let name = match PREFIXES.get(*prefix) {
                Some(&"") | None => "xmlns".to_owned(),
                Some(prefix) => format!("xmlns:{prefix}"),
            };
            let namespace = NAMESPACES.get(*namespace).expect("within the list");
            write!(text, " {name}={}", self.quoted(namespace)).expect("memory");
        }
        text
    }

    fn quoted(&self, escaped: &str) -> String {
        if self.single_quotes { format!("'{escaped}'") } else { format!("\"{escaped}\"") }
    }

    fn inclusive(&self, list: usize) -> String {
        let prefixes: Vec<_> = self
            .prefix_lists
            .get(list)
            .into_iter()
            .flatten()
            .filter_map(|prefix| PREFIXES.get(*prefix))
            .map(|prefix| if prefix.is_empty() { "#default" } else { prefix })
            .collect();
        if prefixes.is_empty() {
            return String::new();
        }
        format!(
            "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{}\"/>",
            prefixes.join(" ")
        )
    }

    /// Attributes in namespaces that are declared right there, so that their order depends on the names.
    fn foreign(&self) -> String {
        let mut text = String::new();
        for (index, (namespace, value)) in self.foreign.iter().enumerate() {
            let namespace = NAMESPACES.get(*namespace).expect("within the list");
            let local = ["x", "Y", "_", "x2"].get(index).expect("within the list");
            let value = self.quoted(&written(value, true));
            write!(text, " p{index}:{local}={value} xmlns:p{index}=\"{namespace}\"").expect("memory");
        }
        text
    }

    fn template(&self, world: &World) -> String {
        let Request { id, sp_entity_id, acs_url } = &world.request;
        let idp = &world.idp.entity_id;
        let [on_response, on_assertion, on_statement, on_attribute, on_value] =
            [0, 1, 2, 3, 4].map(|level| self.declared(level));
        let values: String = self.values.iter().fold(String::new(), |text, value| {
            text + &format!("<saml:AttributeValue{on_value}>{}</saml:AttributeValue>", written(value, false))
        });
        let (reference, signed_info) = (self.inclusive(0), self.inclusive(1));
        let foreign = self.foreign();
        let text = format!(
            r##"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"{on_response} ID="_r" Version="2.0" IssueInstant="2026-06-15T10:30:00Z" Destination="{acs_url}" InResponseTo="{id}"><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion Version="2.0" ID="_a"{on_assertion} IssueInstant="2026-06-15T10:30:00Z"><saml:Issuer>{idp}</saml:Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">{signed_info}</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#_a"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">{reference}</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature><saml:Subject><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="{acs_url}" NotOnOrAfter="2026-06-15T10:35:00Z" InResponseTo="{id}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotOnOrAfter="2026-06-15T10:35:00Z"><saml:AudienceRestriction><saml:Audience>{sp_entity_id}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-06-15T10:30:00Z"><saml:AuthnContext/></saml:AuthnStatement><saml:AttributeStatement{on_statement}><saml:Attribute{on_attribute} Name="random"{foreign}>{values}</saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"##
        );
        if self.indent { text.replace("><saml:Con", ">\r\n\t<saml:Con") } else { text }
    }

    fn expected(&self) -> Vec<String> {
        self.values.iter().map(|value| value.iter().map(|(c, _)| *c).collect()).collect()
    }
}

/// Characters as somebody might write them: as they are, or as one of the references.
fn written(text: &[(char, u8)], in_attribute: bool) -> String {
    text.iter().fold(String::new(), |mut written, (c, way)| {
        let number = u32::from(*c);
        let must = matches!(c, '<' | '&' | '\r')
            || (*c == '>' && written.ends_with(']'))
            || (in_attribute && matches!(c, '"' | '\'' | '\t' | '\n'));
        match (must, way % 4) {
            (false, 0 | 1) => written.push(*c),
            (_, 2) => write!(written, "&#{number};").expect("memory"),
            _ => write!(written, "&#x{number:x};").expect("memory"),
        }
        written
    })
}

/// The document with the signature that xmlsec1 makes of its template, with `key.pem` in that directory.
pub(crate) fn sign(directory: &Path, template: &str) -> Vec<u8> {
    let [key, file, signed] = ["key.pem", "template.xml", "signed.xml"].map(|name| directory.join(name));
    std::fs::write(&file, template).expect("written");
    let run = Command::new("xmlsec1")
        .args(["--sign", "--id-attr:ID", "Assertion", "--privkey-pem"])
        .arg(&key)
        .arg("--output")
        .args([&signed, &file])
        .output()
        .expect("xmlsec1 runs");
    assert!(run.status.success(), "{template}\n{}", String::from_utf8_lossy(&run.stderr));
    std::fs::read(&signed).expect("signed")
}

#[test]
fn random_messages_have_the_canonical_form_that_libxml2_gives_them() {
    if Command::new("xmlsec1").arg("--version").output().is_err() {
        eprintln!("SKIPPED: xmlsec1 is not installed, canonical forms were not compared");
        return;
    }
    let world = World::pure();
    let trusted = world.trusted();
    let directory = tempfile::tempdir().expect("a directory");
    let key = STANDARD.encode(&world.idp.key.pkcs8);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
    std::fs::write(directory.path().join("key.pem"), pem).expect("written");
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(shape in shapes())| {
        let template = shape.template(&world);
        let message = sign(directory.path(), &template);
        match world.verify_trusting(&trusted, &message) {
            Ok(assertion) => prop_assert_eq!(assertion.attribute("random"), shape.expected()),
            Err(refusal) => prop_assert!(false, "{} in {}", refusal, template),
        }
    });
}
