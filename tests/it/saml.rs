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
use crate::canonical_form::sign;
use crate::idp::{self, Idp, Sign, SigningKey};

fn request<'a>(world: &'a World, idp: &'a saml::IdentityProvider) -> AuthnRequest<'a> {
    AuthnRequest {
        idp,
        id: &world.request.id,
        sp_entity_id: &world.request.sp_entity_id,
        acs_url: &world.request.acs_url,
        issue_instant: world.now,
        options: saml::RequestOptions::default(),
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
fn a_request_asks_for_more_where_the_connection_does() {
    let world = World::pure();
    let idp = world.trusted();
    let context = ["urn:oasis:names:tc:SAML:2.0:ac:classes:X509", "https://refeds.org/profile/mfa?a&b'c"];
    let context = context.map(|uri| saml::ContextClass::parse(uri).expect("a URI"));
    let plain = request(&world, &idp).to_xml();
    let options = saml::RequestOptions {
        force_authn: true,
        authn_context: &context,
        name_id_format: Some(saml::NameIdFormat::EmailAddress),
    };
    let asked = AuthnRequest { options, ..request(&world, &idp) }.to_xml();
    // In the order of the schema (SAML Core 3.4.1): issuer, policy, context.
    let wanted = plain
        .replace(" AssertionConsumerServiceURL", " ForceAuthn=\"true\" AssertionConsumerServiceURL")
        .replace(
            "</samlp:AuthnRequest>",
            "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\" \
             AllowCreate=\"true\"/><samlp:RequestedAuthnContext Comparison=\"exact\">\
             <saml:AuthnContextClassRef xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
             urn:oasis:names:tc:SAML:2.0:ac:classes:X509</saml:AuthnContextClassRef>\
             <saml:AuthnContextClassRef xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
             https://refeds.org/profile/mfa?a&amp;b&apos;c</saml:AuthnContextClassRef>\
             </samlp:RequestedAuthnContext></samlp:AuthnRequest>",
        );
    assert_eq!(asked, wanted);
    for (format, uri) in [
        (saml::NameIdFormat::Persistent, "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"),
        (saml::NameIdFormat::Unspecified, "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"),
        (saml::NameIdFormat::Transient, "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"),
    ] {
        let options = saml::RequestOptions { name_id_format: Some(format), ..Default::default() };
        let asked = AuthnRequest { options, ..request(&world, &idp) }.to_xml();
        assert_eq!(asked.matches(&format!("Format=\"{uri}\"")).count(), 1, "{asked}");
    }
}

#[test]
fn the_redirect_carries_the_deflated_request_and_a_hint_for_entra() {
    let world = World::pure();
    let idp = world.trusted();
    let request = request(&world, &idp);
    let url = request.redirect_url(Some("r&=?"), Some("mia.berg+x@contoso.com"), None);
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
    let url = request(&world, &idp).redirect_url(None, Some("mia.berg@contoso.com"), None);
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
    assert!(saml::Document::parse(&[]).is_err());
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

/// A message as other products write it: indented, prefixed, quoted and escaped in their own ways,
/// with namespaces declared far above their use, base64 in lines, and a prefix list.
fn template(world: &World, prefix_list: &str) -> String {
    let inclusive = match prefix_list {
        "" => String::new(),
        _ => format!(
            "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{prefix_list}\"/>"
        ),
    };
    let idp = &world.idp.entity_id;
    let idp::Request { id, sp_entity_id, acs_url } = &world.request;
    format!(
        r##"<?xml version="1.0" encoding="UTF-8"?>
<samlp:Response Version='2.0' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
    xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
    IssueInstant="2026-06-15T10:30:00Z" ID="_response" InResponseTo="{id}" Destination="{acs_url}" >
  <saml:Issuer>{idp}</saml:Issuer>
  <samlp:Status>
    <samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>
  </samlp:Status>
  <saml:Assertion xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Version="2.0" ID="_assertion" IssueInstant="2026-06-15T10:30:00Z">
    <saml:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{idp}</saml:Issuer>
    <ds:Signature Id="Signature1" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
      <ds:SignedInfo>
        <ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
        <ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"/>
        <ds:Reference URI="#_assertion">
          <ds:Transforms>
            <ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
            <ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">{inclusive}</ds:Transform>
          </ds:Transforms>
          <ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/>
          <ds:DigestValue/>
        </ds:Reference>
      </ds:SignedInfo>
      <ds:SignatureValue/>
      <ds:KeyInfo><ds:X509Data/></ds:KeyInfo>
    </ds:Signature>
    <saml:Subject>
      <saml:NameID SPNameQualifier="{sp_entity_id}" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">caf&#xe9;-&#x1F642;</saml:NameID>
      <saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
        <saml:SubjectConfirmationData Recipient="{acs_url}" NotOnOrAfter="2026-06-15T10:35:00Z" InResponseTo="{id}"/>
      </saml:SubjectConfirmation>
    </saml:Subject>
    <saml:Conditions NotOnOrAfter="2026-06-15T10:35:00Z" NotBefore="2026-06-15T10:29:30Z">
      <saml:AudienceRestriction><saml:Audience>{sp_entity_id}</saml:Audience></saml:AudienceRestriction>
    </saml:Conditions>
    <saml:AuthnStatement SessionIndex="_s&quot;&lt;1" AuthnInstant="2026-06-15T10:30:00Z" SessionNotOnOrAfter="2026-06-15T18:30:00Z">
      <saml:AuthnContext>
        <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>
        <saml:AuthenticatingAuthority>https://proxied.example.org/</saml:AuthenticatingAuthority>
      </saml:AuthnContext>
    </saml:AuthnStatement>
    <saml:AttributeStatement>
      <saml:Attribute NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri" Name="urn:oid:0.9.2342.19200300.100.1.3" FriendlyName="mail" xmlns:x500="urn:oasis:names:tc:SAML:2.0:profiles:attribute:X500" x500:Encoding="LDAP">
        <saml:AttributeValue xsi:type="xs:string">mia.berg@contoso.com</saml:AttributeValue>
      </saml:Attribute>
      <saml:Attribute Name="odd"><saml:AttributeValue>a &gt; b &amp;&amp;
&#13;&#9;c &lt; "d" 'e'</saml:AttributeValue><saml:AttributeValue/></saml:Attribute>
    </saml:AttributeStatement>
  </saml:Assertion>
</samlp:Response>
"##
    )
}

#[test]
fn messages_that_xmlsec1_signed_are_accepted_however_they_are_written() {
    if Command::new("xmlsec1").arg("--version").output().is_err() {
        eprintln!("SKIPPED: xmlsec1 is not installed, the interoperability check did not run");
        return;
    }
    let world = World::pure();
    let directory = tempfile::tempdir().expect("a directory");
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(&world.idp.key.pkcs8)
    );
    std::fs::write(directory.path().join("key.pem"), pem).expect("written");
    for prefix_list in ["", "xs", "xs xsi saml", "#default xs"] {
        let unsigned = template(&world, prefix_list);
        for text in [unsigned.clone(), unsigned.replacen('\n', "\r\n", 5)] {
            let message = sign(directory.path(), &text);
            let assertion =
                world.verify(&message).unwrap_or_else(|refusal| panic!("{prefix_list:?}: {refusal}"));
            assert_eq!(assertion.name_id().expect("a name identifier").value, "café-\u{1f642}");
            assert_eq!(assertion.single("urn:oid:0.9.2342.19200300.100.1.3"), Some("mia.berg@contoso.com"));
            assert_eq!(assertion.attribute("odd"), ["a > b &&\n\r\tc < \"d\" 'e'", ""]);
            assert_eq!(assertion.session_index(), Some("_s\"<1"));
        }
    }
}
