//! The provider against Anteroom's own verifier: what it says is believed, and nothing changed of it is.

use bergshamra::c14n::exclusive;
use bergshamra::xml::NodeSet;

use super::*;
use crate::clock::SystemClock;
use crate::saml;

const ENTITY_ID: &str = "urn:example:anteroom:demo?a=1&b=<2>";
const REPLY_URL: &str = "http://login.localhost:8080/saml2/idpresponse?x=\"1\"&y=>";

fn registration() -> Registration {
    Registration { entity_id: ENTITY_ID.to_owned(), reply_url: REPLY_URL.to_owned() }
}

fn provider() -> Provider {
    let address = "127.0.0.1:4711".parse().unwrap();
    Provider::new(address, registration(), Arc::new(SystemClock)).unwrap()
}

fn request_field(id: &str, issuer: &str, acs_url: &str) -> String {
    let provider = provider();
    let idp = saml::metadata::parse(provider.metadata().as_bytes(), SystemClock.now()).unwrap();
    let request = saml::AuthnRequest {
        idp: &idp,
        id,
        sp_entity_id: issuer,
        acs_url,
        issue_instant: SystemClock.now(),
        options: saml::RequestOptions::default(),
    };
    let url = request.redirect_url(None, None, None);
    url.query_pairs().find(|(name, _)| name == "SAMLRequest").unwrap().1.into_owned()
}

fn answer(person: &'static Person) -> Answer<'static> {
    let registration: &'static Registration = Box::leak(Box::new(registration()));
    Answer {
        person,
        tenant: TENANT,
        in_response_to: "id-of-the-request",
        registration,
        response_id: fresh_id(),
        assertion_id: fresh_id(),
        now: SystemClock.now(),
    }
}

fn verify(provider: &Provider, field: &str) -> Result<saml::VerifiedAssertion, saml::Refusal> {
    let now = SystemClock.now();
    let idp = saml::metadata::parse(provider.metadata().as_bytes(), now).unwrap();
    let expected = saml::Expected {
        idp: &idp,
        sp_entity_id: ENTITY_ID,
        acs_url: REPLY_URL,
        own_keys: &[],
        in_response_to: "id-of-the-request",
        skew: std::time::Duration::ZERO,
        policy: saml::Policy::default(),
    };
    let octets = saml::Response::decode(field).unwrap();
    saml::Response::read(&saml::Document::parse(&octets)?)?.verify(&expected, now)
}

#[test]
fn metadata_has_the_shape_of_entras() {
    let provider = provider();
    let metadata = provider.metadata();
    assert!(metadata.as_bytes().starts_with(b"\xef\xbb\xbf<?xml "));
    let places =
        ["<Signature ", "fed:SecurityTokenServiceType", "fed:ApplicationServiceType", "<IDPSSODescriptor "]
            .map(|part| metadata.find(part).expect(part));
    assert!(places.is_sorted(), "{places:?}");

    let idp = saml::metadata::parse(metadata.as_bytes(), SystemClock.now()).unwrap();
    assert!(idp.is_entra(), "so that the button says Microsoft and a login hint is sent");
    assert_eq!(idp.entity_id(), format!("https://sts.windows.net/{TENANT}/"));
    assert_eq!(idp.sso_url().as_str(), format!("http://127.0.0.1:4711/{TENANT}/saml2"));
    assert_eq!(idp.certificates().len(), 1);
    assert!(idp.certificates()[0].not_before() < SystemClock.now());
    assert!(idp.certificates()[0].not_after() > SystemClock.now());
}

#[test]
fn the_metadata_is_signed_over_its_canonical_form() {
    let provider = provider();
    let text = provider.metadata().trim_start_matches('\u{feff}');
    let document = uppsala::parse(text).unwrap();
    let root = document.document_element().unwrap();
    let signature = document.first_child(root).unwrap();
    let mut visible = NodeSet::new();
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        if id != signature {
            visible.insert_id(id);
            pending.extend(document.children_iter(id));
        }
    }
    let canonical = exclusive::canonicalize(&document, false, Some(&visible), &[""; 0]).unwrap();
    let id = document.get_attribute(root, "ID").unwrap();
    // PKCS #1 v1.5 signatures are the same each time, so signing the canonical form again must agree.
    let again = provider.key.signature(id, std::str::from_utf8(&canonical).unwrap()).unwrap();
    assert!(text.contains(&again));
}

#[test]
fn a_response_is_believed_and_says_who_it_is() {
    let provider = provider();
    for person in EVERYBODY {
        let field = answer(person).to_field(&provider.key).unwrap();
        let assertion = verify(&provider, &field).unwrap();
        let claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
        assert_eq!(assertion.single(&format!("{claims}/emailaddress")), Some(person.email));
        assert_eq!(assertion.single(&format!("{claims}/surname")), Some(person.surname));
        let object = "http://schemas.microsoft.com/identity/claims/objectidentifier";
        assert_eq!(assertion.single(object), Some(person.object_id));
        assert_eq!(assertion.session_index(), Some(assertion.id()));
    }
}

#[test]
fn a_response_that_was_changed_on_the_way_is_refused() {
    let provider = provider();
    let xml =
        saml::Response::decode(&answer(&crate::demo::people::NEW_JOINER).to_field(&provider.key).unwrap());
    let xml = String::from_utf8(xml.unwrap()).unwrap();
    let encode = |xml: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, xml);
    assert!(verify(&provider, &encode(&xml)).is_ok());
    assert!(verify(&provider, &encode(&xml.replace("noa.lindstrom@", "maren.holt@"))).is_err());
}

#[test]
fn requests_are_read_as_entra_reads_them() {
    let registration = registration();
    let read = |field: &str| Request::read_deflated(field, &registration);
    let request = read(&request_field("id1", ENTITY_ID, REPLY_URL)).unwrap();
    assert_eq!(request.id, "id1");
    assert_eq!(Request::read_plain(&request.to_field(), &registration), Ok(request));

    assert_eq!(read(""), Err(Refused::Missing));
    assert_eq!(read("no base64"), Err(Refused::Malformed));
    assert_eq!(read("QUJD"), Err(Refused::Malformed));
    assert_eq!(read(&request_field("1d", ENTITY_ID, REPLY_URL)), Err(Refused::Malformed));
    assert_eq!(read(&request_field("id1", "urn:somebody:else", REPLY_URL)), Err(Refused::UnknownApplication));
    let elsewhere = request_field("id1", ENTITY_ID, "http://evil.example/acs");
    assert_eq!(read(&elsewhere), Err(Refused::ReplyUrl));
}

#[test]
fn a_request_that_grows_when_inflated_is_cut_off() {
    use std::io::Write as _;

    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; 8 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 12 * 1024);
    let field = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bomb);
    assert_eq!(Request::read_deflated(&field, &registration()), Err(Refused::Malformed));
}

#[test]
fn a_request_with_a_document_type_is_refused() {
    let field = Request { id: String::new(), xml: "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>".to_owned() }
        .to_field();
    assert_eq!(Request::read_plain(&field, &registration()), Err(Refused::Malformed));
}

#[test]
fn a_hinted_person_is_asked_first_and_everybody_can_be_chosen() {
    let render = |hinted| {
        AskPage { sso_url: "u", request: "r", relay_state: Some("\"><x>"), hinted, everybody: &EVERYBODY }
            .render()
            .unwrap()
    };
    let hinted = render(Person::by_email(" Noa.Lindstrom@CONTOSO.example "));
    assert!(hinted.contains("Continue as Noa Lindström"));
    assert_eq!(hinted.matches("name=\"account\"").count(), EVERYBODY.len());
    let unhinted = render(Person::by_email("stranger@elsewhere.example"));
    assert!(!unhinted.contains("Continue as"));
    assert_eq!(unhinted.matches("name=\"account\"").count(), EVERYBODY.len());
    assert!(!unhinted.contains("<x>"));
}
