//! Our own metadata, for identity providers to import.
//!
//! Separate because it is a document we publish, not one we read.
//!
//! Rules: valid SAML 2.0 metadata with only what is true of this service provider; written in its canonical form,
//! so that what is signed is what is sent; the same settings give the same octets. It carries no `validUntil`,
//! since a copy that somebody has imported by hand must not stop working one day.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::names::{
    BINDING_POST, BINDING_REDIRECT, DSIG, ENVELOPED, EXC_C14N, METADATA, PROTOCOL, RSA_SHA256, XENC, XENC11,
};
use super::own_key::{KeyPair, ServiceProvider};

/// The metadata of this service provider as XML, signed if there is a key (SAML Metadata 3).
pub(super) fn write(us: &ServiceProvider) -> String {
    let mut role = String::new();
    for key in &us.keys {
        role += &key_descriptors(key);
    }
    for binding in [BINDING_REDIRECT, BINDING_POST] {
        role += &element(
            "md:SingleLogoutService",
            &[("Binding", binding), ("Location", us.slo_url.as_str())],
            "",
        );
    }
    role += &element(
        "md:AssertionConsumerService",
        &[
            ("Binding", BINDING_POST),
            ("Location", us.acs_url.as_str()),
            ("index", "0"),
            ("isDefault", "true"),
        ],
        "",
    );
    let signs = if us.keys.is_empty() { "false" } else { "true" };
    let role = element(
        "md:SPSSODescriptor",
        &[
            ("AuthnRequestsSigned", signs),
            ("WantAssertionsSigned", "true"),
            ("protocolSupportEnumeration", PROTOCOL),
        ],
        &role,
    );
    // A name for the signature to refer to, which changes with the content.
    let id = format!(
        "_{}",
        hex(digest::digest(&digest::SHA256, format!("{}{role}", us.entity_id).as_bytes()).as_ref())
    );
    let entity = |content: &str| {
        element(
            "md:EntityDescriptor",
            &[
                ("xmlns:md", METADATA),
                ("ID", &id),
                ("cacheDuration", CACHE_DURATION),
                ("entityID", &us.entity_id),
            ],
            content,
        )
    };
    let unsigned = entity(&role);
    let text = match us.signing_key() {
        Some(key) => entity(&format!("{}{role}", signature(&unsigned, &id, key))),
        None => unsigned,
    };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}\n")
}

/// Shorter than any rollover of a key, long enough not to be asked for at every sign-on.
const CACHE_DURATION: &str = "PT6H";

/// A certificate in both of its uses. That of the first key verifies now; the others are published so that whoever
/// reads them in time is ready for the change, and all of them can be encrypted to.
fn key_descriptors(key: &KeyPair) -> String {
    let certificate = STANDARD.encode(key.certificate().der());
    let certificate = element("ds:X509Certificate", &[], &certificate);
    let key_info = element("ds:KeyInfo", &[("xmlns:ds", DSIG)], &element("ds:X509Data", &[], &certificate));
    let method = |algorithm: String| element("md:EncryptionMethod", &[("Algorithm", &algorithm)], "");
    // The first is the best (SAML Metadata 2.4.1.1); the library of an identity provider takes the first it knows.
    let methods = [
        method(format!("{XENC11}aes256-gcm")),
        method(format!("{XENC11}aes128-gcm")),
        method(format!("{XENC}aes256-cbc")),
        method(format!("{XENC}aes128-cbc")),
        method(format!("{XENC}rsa-oaep-mgf1p")),
    ];
    let signing = element("md:KeyDescriptor", &[("use", "signing")], &key_info);
    let encryption =
        element("md:KeyDescriptor", &[("use", "encryption")], &format!("{key_info}{}", methods.concat()));
    format!("{signing}{encryption}")
}

/// The enveloped signature of a document in canonical form that has this ID (SAML Core 5.4).
pub(super) fn signature(document: &str, id: &str, key: &KeyPair) -> String {
    let method = |name: &str, algorithm: &str| element(name, &[("Algorithm", algorithm)], "");
    let transforms = [method("ds:Transform", ENVELOPED), method("ds:Transform", EXC_C14N)].concat();
    let value = STANDARD.encode(digest::digest(&digest::SHA256, document.as_bytes()));
    let reference = [
        element("ds:Transforms", &[], &transforms),
        method("ds:DigestMethod", &format!("{XENC}sha256")),
        element("ds:DigestValue", &[], &value),
    ];
    let content = [
        method("ds:CanonicalizationMethod", EXC_C14N),
        method("ds:SignatureMethod", RSA_SHA256),
        element("ds:Reference", &[("URI", &format!("#{id}"))], &reference.concat()),
    ];
    // Exclusive canonicalization declares the prefix where it is first used: on what is signed.
    let signed_info = |declared: &[(&str, &str)]| element("ds:SignedInfo", declared, &content.concat());
    let value = STANDARD.encode(key.sign(signed_info(&[("xmlns:ds", DSIG)]).as_bytes()));
    let certificate = element("ds:X509Certificate", &[], &STANDARD.encode(key.certificate().der()));
    let key_info = element("ds:KeyInfo", &[], &element("ds:X509Data", &[], &certificate));
    let parts = [signed_info(&[]), element("ds:SignatureValue", &[], &value), key_info];
    element("ds:Signature", &[("xmlns:ds", DSIG)], &parts.concat())
}

/// An element in canonical form (Canonical XML 2.3), if its attributes are given in canonical order.
pub(super) fn element(name: &str, attributes: &[(&str, &str)], content: &str) -> String {
    let mut text = format!("<{name}");
    for (attribute, value) in attributes {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        write!(text, " {attribute}=\"{value}\"").expect("writing to a string succeeds");
    }
    write!(text, ">{content}</{name}>").expect("writing to a string succeeds");
    text
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("writing to a string succeeds");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::engine::{Engine as _, Exclusive};
    use crate::saml::xml::{Profile, Tree};

    #[test]
    fn what_is_written_is_its_own_canonical_form() {
        let acs_url = "https://login.example.com/a%20b/idpresponse?x=1&y='2'".parse().expect("a URL");
        let us = ServiceProvider::new("urn:a&<b>\"'".to_owned(), acs_url, Vec::new());
        let text = write(&us);
        let (_, text) = text.split_once('\n').expect("the declaration has a line of its own");
        let tree = Tree::parse(text.trim_end().as_bytes(), Profile::Message).expect("it is strict XML");
        let canonical = Exclusive.canonicalize(&tree, tree.root(), None, &[]).expect("it has one");
        assert_eq!(str::from_utf8(&canonical), Ok(text.trim_end()));
    }
}
