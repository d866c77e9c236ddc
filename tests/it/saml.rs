//! What Anteroom says in SAML: its request, and its own metadata; and what others say about the
//! messages of our test identity provider.
//!
//! Separate from the attacks because here everybody is honest.

use std::collections::HashMap;
use std::io::Read as _;
use std::process::Command;

use anteroom::saml::{self, AuthnRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::attacks::World;
use crate::idp::{Idp, Sign, SigningKey};

fn request<'a>(world: &'a World, idp: &'a saml::IdentityProvider) -> AuthnRequest<'a> {
    AuthnRequest {
        idp,
        id: &world.request.id,
        sp_entity_id: &world.request.sp_entity_id,
        acs_url: &world.request.acs_url,
        issue_instant: world.now,
    }
}

fn query(url: &url::Url) -> HashMap<String, String> {
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let map: HashMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "every parameter once");
    map
}

#[test]
fn the_request_is_the_smallest_that_entra_accepts() {
    let world = World::pure();
    let idp = world.trusted();
    assert_eq!(
        request(&world, &idp).to_xml(),
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             ID=\"id7f3a9c52e1d84b06\" Version=\"2.0\" IssueInstant=\"2026-06-15T10:30:00Z\" \
             Destination=\"{}\" \
             AssertionConsumerServiceURL=\"https://login.example.com/saml2/idpresponse\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\">\
             <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
             urn:amazon:cognito:sp:us-east-1_Example00</saml:Issuer></samlp:AuthnRequest>",
            world.idp.sso_url
        )
    );
}

#[test]
fn the_redirect_carries_the_deflated_request_and_a_hint_for_entra() {
    let world = World::pure();
    let idp = world.trusted();
    let request = request(&world, &idp);
    let url = request.redirect_url(Some("r&=?"), Some("mia.berg+x@contoso.com"));
    assert!(url.as_str().starts_with(&(world.idp.sso_url.clone() + "?")));
    let query = query(&url);
    assert_eq!(query["RelayState"], "r&=?");
    assert_eq!(query["login_hint"], "mia.berg+x@contoso.com");
    let mut xml = String::new();
    let deflated = STANDARD.decode(&query["SAMLRequest"]).expect("base64");
    flate2::read::DeflateDecoder::new(deflated.as_slice()).read_to_string(&mut xml).expect("deflate");
    assert_eq!(xml, request.to_xml());
}

#[test]
fn a_query_of_the_identity_provider_is_kept_and_others_get_no_hint() {
    let mut world = World::pure();
    world.idp = Idp {
        entity_id: "https://idp.example.org/".to_owned(),
        sso_url: "https://idp.example.org/sso?tenant=7&amp;x=a%20b".to_owned(),
        ..Idp::entra()
    };
    let idp = world.trusted();
    let url = request(&world, &idp).redirect_url(None, Some("mia.berg@contoso.com"));
    assert!(url.as_str().starts_with("https://idp.example.org/sso?tenant=7&x=a%20b&SAMLRequest="));
    let query = query(&url);
    assert_eq!(query.len(), 3, "{query:?}");
}

#[test]
fn values_in_the_request_are_escaped() {
    let world = World::pure();
    let idp = world.trusted();
    let request = AuthnRequest { sp_entity_id: "<&\"'>", ..request(&world, &idp) };
    assert!(request.to_xml().contains(">&lt;&amp;&quot;&apos;&gt;</saml:Issuer>"));
}

#[test]
fn our_metadata_names_entity_and_assertion_consumer_service() {
    let xml = saml::sp_metadata("urn:a&b", "https://login.example.com/saml2/idpresponse");
    for part in [
        "entityID=\"urn:a&amp;b\"",
        "AuthnRequestsSigned=\"false\"",
        "WantAssertionsSigned=\"true\"",
        "protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"",
        "Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"",
        "Location=\"https://login.example.com/saml2/idpresponse\"",
    ] {
        assert_eq!(xml.matches(part).count(), 1, "{part}");
    }
}

#[test]
fn a_form_field_is_strict_base64_that_may_be_wrapped() {
    let world = World::pure();
    let form = world.control().to_form();
    let octets = saml::Response::decode(&form).expect("base64");
    assert_eq!(octets, STANDARD.decode(&form).expect("base64"));
    let lines: Vec<_> = form.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
    let wrapped = lines.join("\r\n");
    assert_eq!(saml::Response::decode(&wrapped).expect("wrapped base64"), octets);
    for bad in ["*", "AAA", "A===", "AA=A", "AB==", "PHg_Pg==", "PHg+Pg", "PHg+Pg==PHg+Pg=="] {
        assert!(saml::Response::decode(bad).is_err(), "{bad}");
    }
    assert!(saml::Response::decode(&"A".repeat(600_000)).is_err());
    assert!(saml::Response::parse(&[]).is_err());
}

/// Our signatures and xmlsec1's opinion of them must not differ, or both are wrong together.
#[test]
fn xmlsec1_agrees_about_genuine_and_changed_messages() {
    if Command::new("xmlsec1").arg("--version").output().is_err() {
        eprintln!("SKIPPED: xmlsec1 is not installed, the differential check did not run");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = directory.path().join("idp.der");
    for key in [SigningKey::rsa(), SigningKey::p256(), SigningKey::p384()] {
        std::fs::write(&certificate, &key.certificate).expect("written");
        for sign in [Sign::Assertion, Sign::Response] {
            for prefixed in [false, true] {
                let mut world = World::pure();
                world.idp.key = key;
                let message = world.control().signed(sign);
                let genuine = if prefixed { message.prefixed() } else { message }.to_xml();
                for text in [genuine.clone(), genuine.replacen(">Mia<", ">Eve<", 1)] {
                    let file = directory.path().join("message.xml");
                    std::fs::write(&file, &text).expect("written");
                    let theirs = Command::new("xmlsec1")
                        .args(["--verify", "--id-attr:ID", "Response", "--id-attr:ID", "Assertion"])
                        .arg("--pubkey-cert-der")
                        .args([&certificate, &file])
                        .output()
                        .expect("xmlsec1 runs");
                    assert_eq!(
                        world.verify(text.as_bytes()).is_ok(),
                        theirs.status.success(),
                        "{sign:?} prefixed={prefixed} genuine={}: {}",
                        text == genuine,
                        String::from_utf8_lossy(&theirs.stderr)
                    );
                }
            }
        }
    }
}
