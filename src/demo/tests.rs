//! What stands around Anteroom in the demo, by itself and over real HTTP.

use super::visitor::Visitor;
use super::*;
use crate::clock::Clock as _;
use crate::saml;

const REPLY_URL: &str = "http://login.localhost:9/saml2/idpresponse";

async fn start_provider() -> (SocketAddr, saml::IdentityProvider) {
    let listener = Listener::bind().await.unwrap();
    let address = listener.address().unwrap();
    let registration = Registration { entity_id: ENTITY_ID.to_owned(), reply_url: REPLY_URL.to_owned() };
    let provider = Provider::new(address, registration, Arc::new(SystemClock)).unwrap();
    let idp = saml::metadata::parse(provider.metadata().as_bytes(), SystemClock.now()).unwrap();
    drop(tokio::spawn(listener.serve(Arc::new(provider))));
    (address, idp)
}

#[tokio::test]
async fn a_visitor_signs_on_at_the_provider_in_one_step_and_comes_back_with_a_response() {
    let (_, idp) = start_provider().await;
    let request = saml::AuthnRequest {
        idp: &idp,
        id: "id1",
        sp_entity_id: ENTITY_ID,
        acs_url: REPLY_URL,
        issue_instant: SystemClock.now(),
        options: saml::RequestOptions::default(),
    };
    let url = request.redirect_url(Some("deep"), Some(NEW_JOINER.email), None);
    let mut browser = Visitor::default();
    let page = browser.open(&url).await.unwrap();
    assert!(page.text.contains("Continue as Noa Lindström"), "{}", page.text);
    let answer = browser.submit(&page, page.form_with("account", NEW_JOINER.email).unwrap()).await.unwrap();
    let form = answer.form_to("/saml2/idpresponse").unwrap();
    assert_eq!(form.action, REPLY_URL);
    let value = |name| form.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(value("RelayState"), Some("deep"));

    let octets = saml::Response::decode(value("SAMLResponse").unwrap()).unwrap();
    let expected = saml::Expected {
        idp: &idp,
        sp_entity_id: ENTITY_ID,
        acs_url: REPLY_URL,
        own_keys: &[],
        in_response_to: "id1",
        skew: Duration::ZERO,
        policy: saml::Policy::default(),
    };
    let document = saml::Document::parse(&octets).unwrap();
    let response = saml::Response::read(&document).unwrap();
    assert!(response.verify(&expected, SystemClock.now()).is_ok());
}

#[tokio::test]
async fn the_provider_publishes_its_metadata_and_refuses_what_it_does_not_know() {
    let (address, idp) = start_provider().await;
    let mut browser = Visitor::default();
    let at = |path: &str| Url::parse(&format!("http://{address}{path}")).unwrap();
    let metadata = browser.open(&at(provider::METADATA_PATH)).await.unwrap();
    let published = saml::metadata::parse(metadata.text.as_bytes(), SystemClock.now()).unwrap();
    assert_eq!(published.entity_id(), idp.entity_id());

    assert_eq!(browser.open(&at("/")).await.unwrap().status, 404);
    let refused = browser.open(idp.sso_url()).await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("AADSTS750054"), "{}", refused.text);
}

#[tokio::test]
async fn the_application_shows_nothing_to_a_request_without_an_identity() {
    let listener = Listener::bind().await.unwrap();
    let address = listener.address().unwrap();
    let anteroom = Url::parse("http://app.localhost:9").unwrap();
    let application = Application::new(anteroom, Arc::new(SystemClock));
    drop(tokio::spawn(listener.serve(Arc::new(application))));
    let at = |path: &str| Url::parse(&format!("http://{address}{path}")).unwrap();
    for path in ["/", "/work-orders/1024", "/identity", "/live/events"] {
        let page = Visitor::default().open(&at(path)).await.unwrap();
        assert_eq!(page.status, 401, "{path}");
        assert!(!page.text.contains("Water stain"), "{path}");
    }
    assert_eq!(Visitor::default().open(&at("/assets/application.css")).await.unwrap().status, 200);
}

#[test]
fn a_port_that_was_asked_for_is_taken_or_refused() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    assert!(free_address(Some(port)).is_err());
    assert_ne!(free_address(Some(0)).unwrap().port(), 0);
    drop(taken);
    assert_eq!(free_address(Some(port)).unwrap().port(), port);
}
