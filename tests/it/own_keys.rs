//! What Anteroom does with a key of its own: signed requests, signed metadata, encrypted assertions.
//!
//! Separate because it is seen from the other side: whoever verifies here is no code of the product.

use std::path::Path;
use std::process::Command;

use anteroom::saml::{AuthnRequest, RequestOptions, ServiceProvider};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::app::{ENTITY_ID, MIA, Wanted};
use crate::attacks::World;
use crate::idp::encryption::{Cipher, Encryption};
use crate::idp::{SigningKey, service_provider_with};

/// The names of a query in the order in which they stand there.
fn names(query: &str) -> Vec<&str> {
    query.split('&').filter_map(|pair| pair.split('=').next()).collect()
}

/// Whether the query was signed by this key (SAML Bindings 3.4.4.1).
fn is_signed_by(query: &str, key: &SigningKey) -> bool {
    let (signed, rest) = query.split_once("&Signature=").expect("it is signed");
    let start = signed.find("SAMLRequest=").expect("there is a message");
    let value = rest.split('&').next().expect("a value");
    let value = percent_decode_str(value).decode_utf8().expect("UTF-8");
    let value = STANDARD.decode(value.as_bytes()).expect("base64");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_rsa());
    public.verify(&signed.as_bytes()[start..], &value).is_ok()
}

#[test]
fn a_request_is_signed_over_its_very_octets() {
    let world = World::pure();
    let idp = world.trusted();
    let ours = SigningKey::ours().own();
    let request = AuthnRequest {
        idp: &idp,
        id: "id1",
        sp_entity_id: ENTITY_ID,
        acs_url: "https://login.example.com/saml2/idpresponse",
        issue_instant: world.now,
        options: RequestOptions::default(),
    };
    let url = request.redirect_url(Some("r &=?+ü"), Some("mia.berg+x@contoso.com"), Some(&ours));
    let query = url.query().expect("there is one");
    assert_eq!(names(query), ["SAMLRequest", "RelayState", "SigAlg", "Signature", "login_hint"]);
    assert!(query.contains("&RelayState=r%20%26%3D%3F%2B%C3%BC&"), "{query}");
    assert!(
        query.contains("&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256&"),
        "{query}"
    );
    assert!(is_signed_by(query, SigningKey::ours()));
    assert!(!is_signed_by(query, SigningKey::ours_next()));
    assert!(!is_signed_by(&query.replacen("r%20", "R%20", 1), SigningKey::ours()), "RelayState is covered");
    assert!(!is_signed_by(&query.replacen("SAMLRequest=", "SAMLRequest=A", 1), SigningKey::ours()));

    let without = request.redirect_url(None, None, Some(&ours));
    assert_eq!(names(without.query().expect("one")), ["SAMLRequest", "SigAlg", "Signature"]);
    assert!(is_signed_by(without.query().expect("one"), SigningKey::ours()));
    let unsigned = request.redirect_url(Some("r"), None, None);
    assert_eq!(names(unsigned.query().expect("one")), ["SAMLRequest", "RelayState"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_requests_are_signed_and_encrypted_assertions_read() {
    let app = Wanted::default().own_keys(&[SigningKey::ours_next(), SigningKey::ours()]).start().await;
    app.add_member(MIA).await;
    // To the second of our keys, as long as the provider has not heard of the first.
    for recipient in [SigningKey::ours(), SigningKey::ours_next()] {
        let mut visitor = app.visitor();
        let pending = visitor.begin("/deep?x=1").await;
        assert!(is_signed_by(pending.url.query().expect("one"), SigningKey::ours_next()), "by the first");
        let message = visitor
            .answer(&pending)
            .encrypted(Encryption { cipher: Cipher::Aes128Gcm, ..Encryption::to(recipient) });
        let page = visitor.answer_with(&message).await.expect(200);
        assert_eq!(page.url, app.url("/deep?x=1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_an_encrypted_assertion_is_refused_with_the_remedy() {
    let app = Wanted::default().start().await;
    let mut visitor = app.visitor();
    let pending = visitor.begin("/").await;
    assert_eq!(names(pending.url.query().expect("one")), ["SAMLRequest", "login_hint"]);
    let message = visitor.answer(&pending).encrypted(Encryption::to(SigningKey::ours()));
    visitor.answer_with(&message).await.expect(403);
    assert_eq!(visitor.session(), None);
    let reasons: Vec<_> = app.audit().await.into_iter().filter_map(|entry| entry.reason).collect();
    assert_eq!(reasons, ["encryption_key_missing"]);
    assert!(anteroom::pages::support::english_remedy("encryption_key_missing").contains("saml.signing_key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_by_a_reload() {
    let app = Wanted::default().own_keys(&[SigningKey::ours()]).start().await;
    std::fs::write(app.path("sp0.crt"), SigningKey::ours_next().certificate_pem())
        .expect("it can be written");
    app.reload().await.expect_err("the key is not that of the certificate");
    let mut visitor = app.visitor();
    let pending = visitor.begin("/").await;
    assert!(is_signed_by(pending.url.query().expect("one"), SigningKey::ours()), "nothing has changed");

    std::fs::write(app.path("sp0.key"), SigningKey::ours_next().key_pem()).expect("it can be written");
    app.reload().await.expect("they belong together");
    let mut visitor = app.visitor();
    let pending = visitor.begin("/").await;
    assert!(is_signed_by(pending.url.query().expect("one"), SigningKey::ours_next()));
    let url = app.acs_url.join("/saml2/metadata").expect("a path");
    let metadata = visitor.browser.fetch(&url, &[]).await.expect(200).body;
    assert!(metadata.contains(&STANDARD.encode(&SigningKey::ours_next().certificate)));
    assert!(!metadata.contains(&STANDARD.encode(&SigningKey::ours().certificate)));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_metadata_is_asked_for_again_only_when_it_has_changed() {
    let app = Wanted::default().start().await;
    let url = app.acs_url.join("/saml2/metadata").expect("a path");
    let mut anybody = app.visitor();
    let first = anybody.browser.fetch(&url, &[]).await.expect(200);
    let etag = first.headers["etag"].to_str().expect("text").to_owned();
    assert_eq!(first.headers["cache-control"], "public, max-age=300");
    assert_eq!(first.headers["content-type"], "application/samlmetadata+xml");
    let again = anybody.browser.fetch(&url, &[("if-none-match", &etag)]).await.expect(304);
    assert_eq!(again.body, "");
    anybody.browser.fetch(&url, &[("if-none-match", "\"other\"")]).await.expect(200);
}

#[test]
fn our_metadata_says_what_is_so() {
    let plain = service_provider_with("urn:a&b", &[]);
    let xml = plain.metadata();
    for part in [
        "entityID=\"urn:a&amp;b\"",
        "AuthnRequestsSigned=\"false\"",
        "WantAssertionsSigned=\"true\"",
        "protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"",
        "Location=\"https://login.example.com/saml2/idpresponse\"",
    ] {
        assert_eq!(xml.matches(part).count(), 1, "{part} in {xml}");
    }
    assert_eq!(xml.matches("Location=\"https://login.example.com/saml2/logout\"").count(), 2, "{xml}");
    assert!(!xml.contains("KeyDescriptor") && !xml.contains("Signature"), "{xml}");

    let both = service_provider_with("urn:a", &[SigningKey::ours(), SigningKey::ours_next()]);
    let xml = both.metadata();
    assert!(xml.contains("AuthnRequestsSigned=\"true\""), "{xml}");
    let at = |key: &SigningKey, occurrence: usize| {
        let text = STANDARD.encode(&key.certificate);
        xml.match_indices(&text).nth(occurrence).map(|(at, _)| at)
    };
    // In the signature and twice in the role, the current one first.
    assert!(at(SigningKey::ours(), 2).is_some() && at(SigningKey::ours(), 3).is_none(), "{xml}");
    assert!(at(SigningKey::ours(), 1) < at(SigningKey::ours_next(), 0), "{xml}");
    assert!(at(SigningKey::ours_next(), 1).is_some(), "{xml}");
    assert_eq!(
        xml,
        service_provider_with("urn:a", &[SigningKey::ours(), SigningKey::ours_next()]).metadata()
    );
}

/// Our metadata without keys, with one and with two, and with letters that XML escapes.
fn documents() -> Vec<ServiceProvider> {
    let (one, two) = (SigningKey::ours(), SigningKey::ours_next());
    vec![
        service_provider_with("urn:plain", &[]),
        service_provider_with("https://sp.example/a?b=1&c='2'", &[one]),
        service_provider_with("urn:two", &[two, one]),
    ]
}

#[test]
fn xmlsec1_verifies_our_metadata() {
    if Command::new("xmlsec1").arg("--version").output().is_err() {
        eprintln!("SKIPPED: xmlsec1 is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let verifies = |text: &str, key: &SigningKey| {
        std::fs::write(folder.path().join("sp.xml"), text).expect("it can be written");
        std::fs::write(folder.path().join("sp.crt"), key.certificate_pem()).expect("it can be written");
        let checked = Command::new("xmlsec1")
            .args(["--verify", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor"])
            .args(["--enabled-key-data", "rsa", "--pubkey-cert-pem"])
            .args([folder.path().join("sp.crt"), folder.path().join("sp.xml")])
            .output();
        checked.expect("xmlsec1 runs").status.success()
    };
    let [_, one, two] = &documents()[..] else { panic!("three documents") };
    assert!(verifies(one.metadata(), SigningKey::ours()));
    assert!(verifies(two.metadata(), SigningKey::ours_next()));
    assert!(!verifies(two.metadata(), SigningKey::foreign()));
    let changed = one.metadata().replace("/saml2/idpresponse", "/saml2/evil");
    assert!(!verifies(&changed, SigningKey::ours()));
}

#[test]
#[ignore = "needs PHP and the schemas of SimpleSAMLphp, which scripts/test installs"]
fn our_metadata_fits_the_schema_of_oasis() {
    let schema = Path::new("/usr/share/simplesamlphp/schemas/saml-schema-metadata-2.0.xsd");
    assert!(schema.exists(), "install simplesamlphp");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sp.xml");
    let fits = |text: &str| {
        std::fs::write(&path, text).expect("it can be written");
        // Every schema is one of the folder; nothing is fetched.
        let program = "libxml_set_external_entity_loader(fn($public, $system) => \
             is_file($system) ? $system : dirname($GLOBALS['argv'][2]) . '/' . basename($system)); \
             $document = new DOMDocument; $document->load($argv[1]); \
             exit($document->schemaValidate($argv[2]) ? 0 : 1);";
        let ran =
            Command::new("php").args(["-r", program]).arg(&path).arg(schema).output().expect("PHP runs");
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    for document in documents() {
        let (ok, said) = fits(document.metadata());
        assert!(ok, "{said}\n{}", document.metadata());
        let (ok, _) = fits(&document.metadata().replace("entityID=", "entityId="));
        assert!(!ok, "the schema is looked at");
    }
}
