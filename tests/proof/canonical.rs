//! The canonical form of random elements, compared octet by octet with that of lxml.
//!
//! Separate because the digest of a message is the one thing on which signer and verifier must agree to the octet.
//!
//! Rules: the messages vary in everything that exclusive canonicalization is about (prefixes bound, bound anew and
//! unused, default namespaces, the order and quoting of attributes, references, white space, prefix lists) and in
//! nothing that the profile refuses. lxml makes the canonical forms, we sign them, and the verifier must come to
//! the same octets and read the same values. An ampersand in a namespace name is left out: libxml2 does not escape
//! it, against Canonical XML 2.3. `#default` in a prefix list is left out as well, since lxml drops it: xmlsec1
//! says what it means (`canonical_form` among the stories, and the messages of `differential`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::chance::Chance;
use crate::checks::World;
use crate::idp::{ASSERTION_NS, Algorithm, DSIG_NS, EXC_C14N, PROTOCOL_NS, SUCCESS};

/// As many messages as are compared in one run.
const MESSAGES: u64 = 400;

const PREFIXES: [&str; 7] = ["", "a", "b", "saml", "samlp", "ds", "zz"];
const STRANGERS: [&str; 5] =
    ["urn:one", "urn:two", "http://example.org/?x=1", "urn:a:very:long:name", "URN:One"];
const CHARACTERS: [char; 22] = [
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
    '\u{a0}',
    '\u{2028}',
    '\u{fffd}',
    '\u{1f642}',
    ']',
    '\u{10ffff}',
];

/// Writes elements with prefixes chosen by chance.
struct Writer {
    chance: Chance,
    text: String,
    /// The bindings of each open element, innermost last, and how its name was written.
    open: Vec<(Vec<(String, String)>, String)>,
}

impl Writer {
    fn bound(&self, prefix: &str) -> Option<&str> {
        let all = self.open.iter().rev().flat_map(|(bindings, _)| bindings.iter().rev());
        let mut found = all.filter(|(bound, _)| bound == prefix);
        found.next().map(|(_, namespace)| namespace.as_str())
    }

    /// Opens an element; its attributes without namespace are given with their values as they are meant.
    fn open(&mut self, namespace: &str, local: &str, attributes: &[(&str, &str)]) {
        let known: Vec<&str> =
            PREFIXES.into_iter().filter(|prefix| self.bound(prefix) == Some(namespace)).collect();
        let mut bindings: Vec<(String, String)> = Vec::new();
        let prefix = if known.is_empty() || self.chance.once_in(5) {
            let prefix = (*self.chance.one(&PREFIXES)).to_owned();
            bindings.push((prefix.clone(), namespace.to_owned()));
            prefix
        } else {
            (*self.chance.one(&known)).to_owned()
        };
        for _ in 0..self.chance.below(3) {
            let stranger = (*self.chance.one(&PREFIXES)).to_owned();
            let is_new = stranger != prefix && bindings.iter().all(|(bound, _)| *bound != stranger);
            if is_new {
                let all = [ASSERTION_NS, PROTOCOL_NS, DSIG_NS];
                let namespace = if self.chance.once_in(3) {
                    *self.chance.one(&all)
                } else {
                    *self.chance.one(&STRANGERS)
                };
                bindings.push((stranger, namespace.to_owned()));
            }
        }
        let name = if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") };
        let mut written: Vec<String> = bindings
            .iter()
            .map(|(prefix, namespace)| {
                let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
                format!("{name}=\"{namespace}\"")
            })
            .collect();
        self.open.push((bindings, name.clone()));
        for (attribute, value) in attributes {
            written.push(format!("{attribute}={}", self.quoted(value)));
        }
        if local == "Attribute" {
            written.extend(self.foreign());
        }
        self.text.extend(["<", &name]);
        while !written.is_empty() {
            let at = self.chance.below(written.len());
            let space = *self.chance.one(&[" ", "  ", "\n", "\t "]);
            let one = written.swap_remove(at);
            write!(self.text, "{space}{one}").expect("memory");
        }
        let end = *self.chance.one(&["", " ", "\n"]);
        write!(self.text, "{end}>").expect("memory");
    }

    fn close(&mut self) {
        let (_, name) = self.open.pop().expect("an element is open");
        let space = *self.chance.one(&["", " "]);
        write!(self.text, "</{name}{space}>").expect("memory");
    }

    /// White space where the profile lets it stand.
    fn pause(&mut self) {
        let space = *self.chance.one(&["", "", "", "\n", "\r\n  ", " ", "&#13;\n"]);
        self.text += space;
    }

    /// Attributes of foreign namespaces, under prefixes that are bound to them here.
    fn foreign(&mut self) -> Vec<String> {
        let bound: Vec<(String, String)> = PREFIXES
            .into_iter()
            .filter(|prefix| !prefix.is_empty())
            .filter_map(|prefix| Some((prefix.to_owned(), self.bound(prefix)?.to_owned())))
            .filter(|(_, namespace)| STRANGERS.contains(&namespace.as_str()))
            .collect();
        let mut seen = Vec::new();
        let mut written = Vec::new();
        for (prefix, namespace) in bound {
            for local in ["x", "Y", "_", "x2"] {
                let expanded = (namespace.clone(), local);
                if self.chance.once_in(3) && !seen.contains(&expanded) {
                    seen.push(expanded);
                    let value = self.value();
                    written.push(format!("{prefix}:{local}={}", self.quoted(&value)));
                }
            }
        }
        written
    }

    fn value(&mut self) -> String {
        (0..self.chance.below(20)).map(|_| *self.chance.one(&CHARACTERS)).collect()
    }

    fn quoted(&mut self, value: &str) -> String {
        let quote = *self.chance.one(&['"', '\'']);
        let mut text = String::from(quote);
        for c in value.chars() {
            self.character(c, c == quote || matches!(c, '\t' | '\n'), &mut text);
        }
        text.push(quote);
        text
    }

    fn content(&mut self, value: &str) {
        let mut text = String::new();
        for c in value.chars() {
            self.character(c, c == '>' && text.ends_with(']'), &mut text);
        }
        self.text += &text;
    }

    /// One character as somebody might write it.
    fn character(&mut self, c: char, must: bool, into: &mut String) {
        let number = u32::from(c);
        match (must || matches!(c, '<' | '&' | '\r'), self.chance.below(5)) {
            (false, 0..3) => into.push(c),
            (_, 3) => write!(into, "&#{number};").expect("memory"),
            _ => write!(into, "&#x{number:x};").expect("memory"),
        }
    }

    /// An `InclusiveNamespaces`, or nothing.
    fn prefix_list(&mut self) -> String {
        let mut list: Vec<&str> = Vec::new();
        for _ in 0..self.chance.below(4) {
            let prefix = *self.chance.one(&PREFIXES);
            if !prefix.is_empty() && !list.contains(&prefix) {
                list.push(prefix);
            }
        }
        if list.is_empty() {
            return String::new();
        }
        format!(
            "<ec:InclusiveNamespaces xmlns:ec=\"{EXC_C14N}\" PrefixList=\"{}\"></ec:InclusiveNamespaces>",
            list.join(" ")
        )
    }

    fn leaf(&mut self, namespace: &str, local: &str, attributes: &[(&str, &str)], content: &str) {
        self.open(namespace, local, attributes);
        self.content(content);
        self.close();
    }

    fn signature(&mut self) {
        let (of_reference, of_signed_info) = (self.prefix_list(), self.prefix_list());
        self.open(DSIG_NS, "Signature", &[]);
        self.open(DSIG_NS, "SignedInfo", &[]);
        self.open(DSIG_NS, "CanonicalizationMethod", &[("Algorithm", EXC_C14N)]);
        self.text += &of_signed_info;
        self.close();
        self.leaf(DSIG_NS, "SignatureMethod", &[("Algorithm", Algorithm::RsaSha256.uri())], "");
        self.open(DSIG_NS, "Reference", &[("URI", "#_a")]);
        self.open(DSIG_NS, "Transforms", &[]);
        let enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
        self.leaf(DSIG_NS, "Transform", &[("Algorithm", enveloped)], "");
        self.open(DSIG_NS, "Transform", &[("Algorithm", EXC_C14N)]);
        self.text += &of_reference;
        self.close();
        self.close();
        let sha256 = "http://www.w3.org/2001/04/xmlenc#sha256";
        self.leaf(DSIG_NS, "DigestMethod", &[("Algorithm", sha256)], "");
        self.leaf(DSIG_NS, "DigestValue", &[], "");
        let at = self.text.rfind("</").expect("an end tag");
        self.text.insert_str(at, "@DIGEST@");
        self.close();
        self.close();
        self.leaf(DSIG_NS, "SignatureValue", &[], "");
        let at = self.text.rfind("</").expect("an end tag");
        self.text.insert_str(at, "@VALUE@");
        self.close();
    }
}

/// A message of that number, and the values of its attribute `random`.
fn message(number: u64) -> (String, Vec<String>) {
    let world = World::get();
    let request = &world.request;
    let issued = "2026-06-15T10:30:00Z";
    let end = "2026-06-15T10:35:00Z";
    let mut w = Writer { chance: Chance::of(number), text: String::new(), open: Vec::new() };
    let values: Vec<String> = (0..=w.chance.below(4)).map(|_| w.value()).collect();
    w.open(
        PROTOCOL_NS,
        "Response",
        &[
            ("ID", "_r"),
            ("Version", "2.0"),
            ("IssueInstant", issued),
            ("Destination", &request.acs_url),
            ("InResponseTo", &request.id),
        ],
    );
    w.pause();
    w.open(PROTOCOL_NS, "Status", &[]);
    w.leaf(PROTOCOL_NS, "StatusCode", &[("Value", SUCCESS)], "");
    w.close();
    w.pause();
    w.open(ASSERTION_NS, "Assertion", &[("ID", "_a"), ("Version", "2.0"), ("IssueInstant", issued)]);
    w.pause();
    w.leaf(ASSERTION_NS, "Issuer", &[], &world.idp.entity_id);
    w.pause();
    w.signature();
    w.pause();
    w.open(ASSERTION_NS, "Subject", &[]);
    w.leaf(ASSERTION_NS, "NameID", &[], "mia.berg@contoso.com");
    w.pause();
    let bearer = crate::idp::BEARER;
    w.open(ASSERTION_NS, "SubjectConfirmation", &[("Method", bearer)]);
    let data =
        [("Recipient", request.acs_url.as_str()), ("NotOnOrAfter", end), ("InResponseTo", &request.id)];
    w.leaf(ASSERTION_NS, "SubjectConfirmationData", &data, "");
    w.close();
    w.close();
    w.open(ASSERTION_NS, "Conditions", &[("NotOnOrAfter", end)]);
    w.open(ASSERTION_NS, "AudienceRestriction", &[]);
    w.leaf(ASSERTION_NS, "Audience", &[], &request.sp_entity_id);
    w.close();
    w.close();
    w.open(ASSERTION_NS, "AttributeStatement", &[]);
    w.open(ASSERTION_NS, "Attribute", &[("Name", "random")]);
    for value in &values {
        w.pause();
        w.leaf(ASSERTION_NS, "AttributeValue", &[], value);
    }
    w.close();
    w.pause();
    w.close();
    w.open(ASSERTION_NS, "AuthnStatement", &[("AuthnInstant", issued)]);
    w.leaf(ASSERTION_NS, "AuthnContext", &[], "");
    w.close();
    w.close();
    w.pause();
    w.close();
    (w.text, values)
}

/// What lxml makes of the messages.
fn canonicalize(messages: &[String]) -> Vec<serde_json::Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let python = target.join("pyjwt/bin/python");
    assert!(python.exists(), "{} is missing: scripts/test makes it", python.display());
    let mut child = Command::new(python)
        .arg(root.join("tests/peers/canonicalize.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let lines: Vec<String> = messages.iter().map(|text| serde_json::json!(text).to_string()).collect();
    let writing = std::thread::spawn(move || {
        for line in lines {
            writeln!(stdin, "{line}").expect("it listens");
        }
    });
    let output = child.wait_with_output().expect("it ends");
    writing.join().expect("it was fed");
    assert!(output.status.success(), "lxml could not read a message");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    printed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn octets(answer: &serde_json::Value, name: &str) -> Vec<u8> {
    let text = answer.get(name).and_then(serde_json::Value::as_str).expect("it is there");
    STANDARD.decode(text).expect("base64")
}

#[test]
#[ignore = "needs lxml, which scripts/test installs"]
fn random_elements_have_the_canonical_form_that_lxml_gives_them() {
    let world = World::get();
    let (messages, values): (Vec<_>, Vec<_>) = (0..MESSAGES).map(message).unzip();
    let answers = canonicalize(&messages);
    assert_eq!(answers.len(), messages.len());
    let mut faults = Vec::new();
    for (number, (answer, values)) in answers.iter().zip(&values).enumerate() {
        let signed_info = String::from_utf8(octets(answer, "signed_info")).expect("UTF-8");
        let value = STANDARD.encode(world.idp.key.sign(Algorithm::RsaSha256, &signed_info));
        let message = String::from_utf8(octets(answer, "message")).expect("UTF-8").replace("@VALUE@", &value);
        match world.verify(message.as_bytes()) {
            Err(refusal) => faults.push(format!("{number}: {refusal}\n{message}")),
            Ok(assertion) if assertion.signed_octets() != octets(answer, "canonical") => {
                faults.push(format!("{number}: other octets\n{message}"));
            }
            Ok(assertion) if assertion.attribute("random") != *values => {
                faults.push(format!("{number}: {:?} is read", assertion.attribute("random")));
            }
            Ok(_) => {}
        }
    }
    assert!(faults.is_empty(), "{} of {MESSAGES}:\n{}", faults.len(), faults.join("\n"));
}
