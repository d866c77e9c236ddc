//! Logout messages that end nobody's session: each row beside the message that would (SAML-ATTACKS A12, C11,
//! D19, G1), against the pure verifier and against a running Anteroom.

use std::time::Duration;

use anteroom::saml::logout::{Expected, Incoming, Message, VerifiedLogoutRequest};
use anteroom::saml::{Refusal, metadata};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::app::{ENTITY_ID, MIA, TestApp, Wanted};
use crate::idp::logout::{Logout, RedirectQuery, deflated, lower_case, upper_case};
use crate::idp::{self, Digest, Idp, SigningKey, time};
use crate::sign_on::logout::{demand, is_signed_on, send_form, send_query, sent, sign_on, slo_url};

/// What is sent to the single logout service.
enum Sent {
    Query(String),
    Form(Vec<(String, String)>),
}

/// A row: what the attacker makes of a genuine demand, and the codes that are right answers.
struct Attack {
    name: &'static str,
    hostile: fn(&World, Logout) -> Sent,
    codes: &'static [&'static str],
}

/// The parties of an attack.
struct World {
    idp: Idp,
    slo_url: String,
    now: Timestamp,
    index: String,
}

impl World {
    fn control(&self) -> Logout {
        self.idp.logout_request(&self.slo_url, MIA, self.now).of_session(&self.index).with(|demand| {
            demand.relay_state = Some("state".to_owned());
        })
    }

    fn verify(&self, sent: &Sent) -> Result<VerifiedLogoutRequest, Refusal> {
        let field = |fields: &[(String, String)], name: &str| {
            fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let incoming = match sent {
            Sent::Query(query) => Incoming::from_query(query)?,
            Sent::Form(fields) => {
                let [request, response, state] =
                    ["SAMLRequest", "SAMLResponse", "RelayState"].map(|name| field(fields, name));
                Incoming::from_form(request.as_deref(), response.as_deref(), state.as_deref())?
            }
        };
        let trusted = metadata::parse(&self.idp.metadata_xml(), self.now).expect("the metadata is good");
        let expected = Expected {
            idp: &trusted,
            sp_entity_id: ENTITY_ID,
            slo_url: &self.slo_url,
            accept_expired_certificates: false,
            skew: Duration::from_mins(3),
        };
        let message = incoming.read()?;
        let Message::Request(request) = message else { panic!("a request was sent") };
        request.verify(&expected, self.now)
    }
}

fn query(change: impl FnOnce(&mut Logout), demand: Logout) -> Sent {
    Sent::Query(demand.with(change).to_query().text())
}

fn form(change: impl FnOnce(&mut Logout), demand: Logout) -> Sent {
    let demand = demand.with(change);
    Sent::Form(demand.fields(&demand.to_signed_xml()))
}

/// A query whose parts are changed after signing.
fn tampered(change: impl FnOnce(&mut RedirectQuery), demand: &Logout) -> Sent {
    let mut query = demand.to_query();
    change(&mut query);
    Sent::Query(query.text())
}

fn posted(demand: &Logout, change: impl FnOnce(String) -> String) -> Sent {
    Sent::Form(demand.fields(&change(demand.to_signed_xml())))
}

fn deflated_base64(xml: &str) -> String {
    lower_case(&STANDARD.encode(deflated(xml.as_bytes())))
}

/// The demand that somebody else is meant.
fn for_another(world: &World) -> Logout {
    world.idp.logout_request(&world.slo_url, "noah.lind@contoso.com", world.now)
}

fn attacks() -> Vec<Attack> {
    macro_rules! rows {
        ($($name:literal, $codes:expr, $hostile:expr;)+) => {
            vec![$(Attack { name: $name, hostile: $hostile, codes: &$codes },)+]
        };
    }
    rows! {
        "an unsigned query", ["signature_missing"], |_, demand| Sent::Query(demand.to_query().unsigned_text());
        "an unsigned form", ["signature_missing"], |_, demand| Sent::Form(demand.fields(&demand.to_xml()));
        "a query signed by another key", ["signature_invalid"], |_, demand| {
            query(|demand| demand.signer.key = SigningKey::foreign(), demand)
        };
        "a form signed by another key", ["signature_invalid"], |_, demand| {
            form(|demand| demand.signer.key = SigningKey::foreign(), demand)
        };
        "a query that claims RSA with SHA-1", ["algorithm_forbidden"], |_, demand| {
            query(|d| d.signer.claimed_algorithm = Some("http://www.w3.org/2000/09/xmldsig#rsa-sha1"), demand)
        };
        "a query that claims HMAC", ["algorithm_forbidden"], |_, demand| {
            let hmac = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
            query(|d| d.signer.claimed_algorithm = Some(hmac), demand)
        };
        "a query that claims another type of key", ["algorithm_forbidden"], |_, demand| {
            let ecdsa = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
            query(|d| d.signer.claimed_algorithm = Some(ecdsa), demand)
        };
        "a SigAlg that is lowered after signing", ["algorithm_forbidden"], |_, demand| {
            tampered(|q| q.algorithm = lower_case("http://www.w3.org/2000/09/xmldsig#rsa-sha1"), &demand)
        };
        "a SigAlg that is exchanged after signing", ["signature_invalid"], |_, demand| {
            let other = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512";
            tampered(|q| q.algorithm = lower_case(other), &demand)
        };
        "a form with a digest by SHA-1", ["algorithm_forbidden"], |_, demand| {
            form(|demand| demand.signer.digest = Digest::Sha1, demand)
        };
        "the signature without its algorithm", ["parameter_malformed"], |_, demand| {
            let query = demand.to_query();
            Sent::Query(format!("{}&Signature={}", query.unsigned_text(), query.signature))
        };
        "a second message before the signed one", ["parameter_malformed"], |world, demand| {
            let other = for_another(world).to_query().message;
            Sent::Query(format!("SAMLRequest={other}&{}", demand.to_query().text()))
        };
        "a second message after the signed one", ["parameter_malformed"], |world, demand| {
            let other = for_another(world).to_query().message;
            Sent::Query(format!("{}&SAMLRequest={other}", demand.to_query().text()))
        };
        "a second message under an escaped name", ["parameter_malformed"], |world, demand| {
            let other = for_another(world).to_query().message;
            Sent::Query(format!("{}&%53AMLRequest={other}", demand.to_query().text()))
        };
        "a request and a response", ["parameter_malformed"], |_, demand| {
            let query = demand.to_query();
            Sent::Query(format!("SAMLResponse={}&{}", query.message, query.text()))
        };
        "a second signature", ["parameter_malformed"], |_, demand| {
            let query = demand.to_query();
            Sent::Query(format!("Signature={}&{}", query.signature, query.text()))
        };
        "a second RelayState", ["parameter_malformed"], |_, demand| {
            Sent::Query(format!("{}&RelayState=other", demand.to_query().text()))
        };
        "another message under the same signature", ["signature_invalid"], |world, demand| {
            let other = for_another(world).to_query().message;
            tampered(|query| query.message = other, &demand)
        };
        "a changed RelayState", ["signature_invalid"], |_, demand| {
            tampered(|query| query.relay_state = Some("other".to_owned()), &demand)
        };
        "a RelayState that was not signed", ["signature_invalid"], |_, demand| {
            let demand = demand.with(|demand| demand.relay_state = None);
            tampered(|query| query.relay_state = Some("added".to_owned()), &demand)
        };
        "a RelayState that is left out", ["signature_invalid"], |_, demand| {
            tampered(|query| query.relay_state = None, &demand)
        };
        "escapes that are written anew", ["signature_invalid"], |_, demand| {
            tampered(|query| query.algorithm = upper_case(demand.signer.algorithm.uri()), &demand)
        };
        "a signature in another order", ["signature_invalid"], |_, demand| {
            let query = demand.to_query();
            let text = format!("SigAlg={}&{}", query.algorithm, query.unsigned_text());
            let value = demand.signer.key.sign_text(&text);
            tampered(|query| query.signature = lower_case(&STANDARD.encode(value)), &demand)
        };
        "a signature of the message alone", ["signature_invalid"], |_, demand| {
            let value = demand.signer.key.sign_text(&demand.to_xml());
            tampered(|query| query.signature = lower_case(&STANDARD.encode(value)), &demand)
        };
        "a signature of the form in a query", ["signature_missing", "signature_malformed"], |_, demand| {
            Sent::Query(format!("SAMLRequest={}", deflated_base64(&demand.to_signed_xml())))
        };
        "a signature of the query for the form", ["signature_missing"], |_, demand| {
            let mut fields = demand.fields(&demand.to_xml());
            let query = demand.to_query();
            fields.push(("SigAlg".to_owned(), demand.signer.algorithm.uri().to_owned()));
            fields.push(("Signature".to_owned(), query.signature));
            Sent::Form(fields)
        };
        "a signed response in the place of the request", ["not_a_logout_message"], |world, demand| {
            let mut other = world.idp.logout_response(&world.slo_url, "_x", world.now);
            other.relay_state = demand.relay_state;
            let signed = other.to_query();
            Sent::Query(signed.text().replacen("SAMLResponse", "SAMLRequest", 1))
        };
        "signed metadata in the place of the request", ["not_a_logout_message"], |world, demand| {
            Sent::Form(demand.fields(&world.idp.signed_entity_descriptor()))
        };
        "a signed response to a login in the place of the request", ["not_a_logout_message"], |world, demand| {
            let to = idp::Request {
                id: "_1".to_owned(),
                sp_entity_id: ENTITY_ID.to_owned(),
                acs_url: world.slo_url.clone(),
            };
            let message = world.idp.answer(&to, world.now).signed(idp::Sign::Both);
            Sent::Form(demand.fields(&message.to_xml()))
        };
        "a signature that refers to a request inside", ["reference_mismatch", "unexpected_element", "id_malformed"], |world, demand| {
            let inner = demand.to_signed_xml();
            let (start, end) = (inner.find("<Signature").expect("it is there"), inner.find("</Signature>").expect("it is there") + 12);
            let outer = world.control().with(|outer| outer.session_indexes.clear()).to_xml();
            let signature = &inner[start..end];
            let (head, tail) = outer.split_once("</Issuer>").expect("it is there");
            let wrapped = format!(
                "{head}</Issuer>{signature}<samlp:Extensions>{inner}</samlp:Extensions>{tail}"
            );
            Sent::Form(demand.fields(&wrapped))
        };
        "a signed request inside an unsigned one", ["unexpected_element", "id_malformed"], |world, demand| {
            let outer = world.control().with(|outer| outer.session_indexes.clear()).to_xml();
            let (head, tail) = outer.split_once("</Issuer>").expect("it is there");
            let inner = demand.to_signed_xml();
            Sent::Form(demand.fields(&format!("{head}</Issuer><samlp:Extensions>{inner}</samlp:Extensions>{tail}")))
        };
        "another name under the same signature", ["digest_mismatch"], |_, demand| {
            posted(&demand, |xml| xml.replace(MIA, "noah.lind@contoso.com"))
        };
        "an index that is taken away", ["digest_mismatch"], |world, demand| {
            let index = format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", world.index);
            posted(&demand, move |xml| xml.replace(&index, ""))
        };
        "a comment in the name", ["comment_forbidden"], |_, demand| {
            query(|d| d.rewrite = Some(Box::new(|xml| xml.replace("mia.", "mia<!---->."))), demand)
        };
        "a document type", ["doctype_forbidden"], |_, demand| {
            query(|d| d.rewrite = Some(Box::new(|xml| format!("<!DOCTYPE x>{xml}"))), demand)
        };
        "an index that is empty", ["missing_element"], |_, demand| {
            query(|demand| demand.session_indexes = vec![String::new()], demand)
        };
        "an encrypted name", ["encryption_not_supported"], |_, demand| {
            query(|d| d.rewrite = Some(Box::new(|xml| xml.replace("NameID", "EncryptedID"))), demand)
        };
        "a demand that is over", ["expired"], |world, demand| {
            let over = time(world.now - SignedDuration::from_mins(4));
            query(|demand| demand.not_on_or_after = Some(over), demand)
        };
        "a demand from long ago", ["message_too_old"], |world, demand| {
            query(|demand| demand.issued = time(world.now - SignedDuration::from_mins(9)), demand)
        };
        "a demand from the future", ["issued_in_future"], |world, demand| {
            query(|demand| demand.issued = time(world.now + SignedDuration::from_mins(4)), demand)
        };
        "a time without a zone", ["time_malformed"], |_, demand| {
            query(|demand| demand.issued = "2026-11-23T10:00:00".to_owned(), demand)
        };
        "a demand for another service", ["wrong_destination"], |_, demand| {
            query(|demand| demand.destination = Some("https://other.example/saml2/logout".to_owned()), demand)
        };
        "a demand for an address that begins alike", ["wrong_destination"], |world, demand| {
            let longer = format!("{}/more", world.slo_url);
            query(|demand| demand.destination = Some(longer), demand)
        };
        "a demand for nobody", ["destination_missing"], |_, demand| {
            form(|demand| demand.destination = None, demand)
        };
        "an issuer that is another tenant", ["wrong_issuer", "unknown_issuer"], |_, demand| {
            query(|demand| demand.issuer = Idp::other_tenant().entity_id, demand)
        };
        "an issuer in white space", ["wrong_issuer", "unknown_issuer"], |_, demand| {
            query(|demand| demand.issuer = format!(" {}", demand.issuer), demand)
        };
        "a name of another service", ["name_id_qualifier_foreign"], |_, demand| {
            query(|demand| demand.name_id_attributes = " SPNameQualifier=\"urn:other\"".to_owned(), demand)
        };
        "a name of another provider", ["name_id_qualifier_foreign"], |_, demand| {
            query(|demand| demand.name_id_attributes = " NameQualifier=\"urn:other\"".to_owned(), demand)
        };
        "another version", ["version_unsupported"], |_, demand| {
            query(|demand| demand.version = "1.1".to_owned(), demand)
        };
        "a bomb", ["too_large"], |_, demand| {
            query(|d| d.rewrite = Some(Box::new(|xml| format!("{xml}{}", " ".repeat(2_000_000)))), demand)
        };
        "what is not deflated", ["not_deflated", "xml_malformed", "encoding_forbidden"], |_, demand| {
            let plain = lower_case(&STANDARD.encode(demand.to_xml()));
            tampered(|query| query.message = plain, &demand)
        };
    }
}

#[test]
fn no_hostile_logout_is_believed() {
    let world = World {
        idp: Idp::entra(),
        slo_url: "https://login.example.com/saml2/logout".to_owned(),
        now: "2026-06-15T10:30:00Z".parse().expect("a time"),
        index: "_index".to_owned(),
    };
    let mut failures = Vec::new();
    for Attack { name, hostile, codes } in attacks() {
        for control in [query(|_| {}, world.control()), form(|_| {}, world.control())] {
            match world.verify(&control) {
                Ok(verified) if verified.session_indexes() == [world.index.clone()] => {}
                other => failures.push(format!("{name}: the control: {other:?}")),
            }
        }
        match world.verify(&hostile(&world, world.control())).map_err(|refusal| refusal.reason().code()) {
            Err(code) if codes.contains(&code) => {}
            other => failures.push(format!("{name}: {other:?} instead of {codes:?}")),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_logout_ends_a_session_of_a_running_anteroom() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let index = sign_on(&mut mia).await;
    let slo_url = slo_url(&app).to_string();
    let world = World { idp: app.idp.clone(), slo_url, now: app.now(), index };
    let mut failures = Vec::new();
    let mut expected = Vec::new();
    for Attack { name, hostile, codes } in attacks() {
        let page = match hostile(&world, world.control()) {
            Sent::Query(query) => send_query(&app, &query).await,
            Sent::Form(fields) => send_form(&app, &fields).await,
        };
        if page.status != 403 || page.url.path() != "/saml2/logout" {
            failures.push(format!("{name}: {} at {}", page.status, page.url));
        }
        if !is_signed_on(&mia).await {
            failures.push(format!("{name}: THE SESSION HAS ENDED"));
        }
        expected.push((name, codes, page.body));
    }
    let log = app.audit().await;
    let noted: Vec<_> = log.iter().rev().filter(|entry| entry.action == "logout.refused").collect();
    assert_eq!(noted.len(), expected.len(), "one event for each");
    for (entry, (name, codes, body)) in noted.into_iter().zip(expected) {
        let reason = entry.reason.as_deref().unwrap_or_default();
        let shown = entry.reference.as_ref().is_some_and(|reference| body.contains(reference));
        if !codes.contains(&reason) || !shown || body.contains(reason) {
            failures.push(format!("{name}: noted as {reason}, reference shown: {shown}"));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));

    let page = send_query(&app, &world.control().to_query().text()).await;
    sent(&page);
    assert!(!is_signed_on(&mia).await, "the control does end it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demand_counts_once() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    sign_on(&mut mia).await;
    let demand = demand(&app, MIA);
    let query = demand.to_query().text();
    send_query(&app, &query).await;
    assert!(!is_signed_on(&mia).await);

    sign_on(&mut mia).await;
    for page in
        [send_query(&app, &query).await, send_form(&app, &demand.fields(&demand.to_signed_xml())).await]
    {
        let answer = sent(&page);
        assert!(answer.xml.contains("status:Requester\"><samlp:StatusCode"), "{}", answer.xml);
        assert!(is_signed_on(&mia).await, "the same demand again ends nothing");
    }
    let log = app.audit().await;
    let reasons: Vec<_> = log.iter().filter_map(|entry| entry.reason.as_deref()).collect();
    assert_eq!(reasons, ["request_replayed", "request_replayed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_ends_no_session_of_another_connection() {
    let mut fabrikam = Idp::other_tenant();
    let wanted = Wanted::default().organization("fabrikam", "Fabrikam", "\"fabrikam.com\"", &fabrikam);
    let app = wanted.start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let index = sign_on(&mut mia).await;
    let theirs = fabrikam.logout_request(slo_url(&app).as_str(), MIA, app.now());
    for demand in [theirs.of_session(&index), fabrikam.logout_request(slo_url(&app).as_str(), MIA, app.now())]
    {
        let page = send_query(&app, &demand.to_query().text()).await;
        // It is a genuine demand, and nobody of that name is here through that provider.
        assert!(sent(&page).url.as_str().starts_with(&fabrikam.sso_url));
        assert!(is_signed_on(&mia).await);
    }
    // Nor under the name of the other one.
    fabrikam.entity_id.clone_from(&app.idp.entity_id);
    let forged = fabrikam.logout_request(slo_url(&app).as_str(), MIA, app.now()).of_session(&index);
    send_query(&app, &forged.to_query().text()).await.expect(403);
    assert!(is_signed_on(&mia).await);
    let control = demand(&app, MIA).of_session(&index);
    send_query(&app, &control.to_query().text()).await;
    assert!(!is_signed_on(&mia).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_logout_that_is_not_ours_changes_nothing() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let login = mia.begin("/").await.request.id;
    sign_on(&mut mia).await;
    let answer = |id: &str| app.idp.logout_response(slo_url(&app).as_str(), id, app.now());
    let nothing = answer("_x").with(|answer| answer.in_response_to = None);
    for foreign in
        [answer("_foreign"), answer(""), answer(&login), answer(&format!("l{}", &login[1..])), nothing]
    {
        let page = send_query(&app, &foreign.to_query().text()).await.expect(403);
        assert_eq!(page.url.path(), "/saml2/logout");
        assert!(is_signed_on(&mia).await);
    }

    // Ours, whose answer is forged in one way or another; and genuine.
    let page = mia.visit("/.anteroom/sign-out").await;
    let page = mia.browser.submit(&page, &page.form("/.anteroom/sign-out")).await;
    let ours = sent(&page).attribute("ID").to_owned();
    let forged = [
        answer(&ours).with(|answer| answer.signer.key = SigningKey::foreign()).to_query().text(),
        answer(&ours).with(|answer| answer.issuer = Idp::other_tenant().entity_id).to_query().text(),
        answer(&ours)
            .with(|answer| answer.destination = Some("https://other.example/".to_owned()))
            .to_query()
            .text(),
        answer(&ours).with(|a| a.issued = time(app.now() - SignedDuration::from_mins(9))).to_query().text(),
        {
            let mut query = answer(&ours).to_query();
            query.relay_state = Some("https://evil.example/".to_owned());
            query.text()
        },
    ];
    for query in forged {
        send_query(&app, &query).await.expect(403);
    }
    let genuine = answer(&ours).with(|answer| answer.relay_state = Some("https://evil.example/".to_owned()));
    let page = send_query(&app, &genuine.to_query().text()).await.expect(200);
    assert_eq!(page.url.origin(), app.app_url.origin(), "nowhere else");
    assert!(page.url[url::Position::BeforePath..].starts_with("/.anteroom/sign-out?provider=ended."));

    // A login is not finished with the ID of a logout either.
    let mut pending = app.visitor().begin("/").await;
    pending.request.id.clone_from(&ours);
    let mut attacker = app.visitor();
    let message = attacker.answer(&pending);
    attacker.answer_with(&message).await.expect(403);
    assert_eq!(attacker.session(), None);
}
