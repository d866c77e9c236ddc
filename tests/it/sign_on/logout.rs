//! Single logout: the provider ends sessions here, and signing out goes on to the provider.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anteroom::clock::{Clock, ManualClock, SystemClock};
use anteroom::directory::{DisplayName, Organization};
use anteroom::id::{ConnectionId, OrganizationId};
use anteroom::saml::logout::{Expected, Incoming, Message};
use anteroom::saml::metadata;
use anteroom::sign_on::connections::{Connection, Connections};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use sqlx::Connection as _;
use url::Url;

use crate::app::{ENTITY_ID, MIA, NOAH, TestApp, Visitor, Wanted};
use crate::browserless::{Browser, Page, text_of};
use crate::idp::logout::{Logout, Sent, upper_case};
use crate::idp::{Idp, SUCCESS, SigningKey, time};

/// What any change of access may take.
const IN_FORCE: Duration = Duration::from_secs(1);

/// Where providers send people to sign out.
pub(crate) fn slo_url(app: &TestApp) -> Url {
    app.acs_url.join("/saml2/logout").expect("a path")
}

/// Signs on and returns the provider's name for its session.
pub(crate) async fn sign_on(visitor: &mut Visitor<'_>) -> String {
    let pending = visitor.begin("/").await;
    let message = visitor.answer(&pending);
    let page = visitor.answer_with(&message).await;
    assert_eq!(page.url.path(), "/", "{}", page.body);
    message.assertion_id
}

/// Whether the session of a browser opens the application.
pub(crate) async fn is_signed_on(visitor: &Visitor<'_>) -> bool {
    let Some(session) = visitor.session() else { return false };
    let mut browser = Browser::new(&visitor.app.net);
    browser.plant(&visitor.app.app_url, "anteroom", &session);
    let answer = browser.fetch(&visitor.app.url("/probe"), &[("accept", "application/json")]).await;
    assert!([200, 401].contains(&answer.status.as_u16()), "{}", answer.status);
    answer.status == 200
}

/// A demand of the provider, to be changed before it is signed.
pub(crate) fn demand(app: &TestApp, email: &str) -> Logout {
    app.idp.logout_request(slo_url(app).as_str(), email, app.now())
}

/// Sends a query in a browser without any cookie, as in a frame of another site's page.
pub(crate) async fn send_query(app: &TestApp, query: &str) -> Page {
    let mut url = slo_url(app);
    url.set_query(Some(query));
    Browser::new(&app.net).open(&url).await
}

/// The same as a form.
pub(crate) async fn send_form(app: &TestApp, fields: &[(String, String)]) -> Page {
    let page = app.idp.sso_url.parse().expect("a URL");
    Browser::new(&app.net).post_from(&page, &slo_url(app), fields).await
}

/// The message that the browser is sent away with.
#[track_caller]
pub(crate) fn sent(page: &Page) -> Sent {
    assert_eq!(page.status, 303, "{}", page.body);
    Sent::read(page.location().expect("a redirect"))
}

#[track_caller]
fn assert_answered(page: &Page, demand: &Logout) {
    let answer = sent(page);
    assert!(answer.url.as_str().starts_with(&Idp::entra().sso_url), "{}", answer.url);
    assert!(answer.xml.starts_with("<samlp:LogoutResponse "), "{}", answer.xml);
    assert_eq!(answer.attribute("InResponseTo"), demand.id);
    assert_eq!(answer.attribute("Destination"), Idp::entra().sso_url);
    assert!(answer.attribute("ID").starts_with('l'));
    assert!(answer.xml.contains(&format!(">{ENTITY_ID}</saml:Issuer>")), "{}", answer.xml);
    assert!(
        answer.xml.contains(&format!("<samlp:StatusCode Value=\"{SUCCESS}\"></samlp:StatusCode>")),
        "{}",
        answer.xml
    );
    assert_eq!(answer.parameter("RelayState"), demand.relay_state);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_ends_the_session_it_names_and_is_answered() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let (mut mia, mut elsewhere) = (app.visitor(), app.visitor());
    let index = sign_on(&mut mia).await;
    sign_on(&mut elsewhere).await;
    let noah = app.member(NOAH).await;
    let mut download = mia.browser.stream(&app.url("/stream"), &[]).await.into_body();
    download.frame().await.expect("it flows").expect("whole");

    let demand = demand(&app, MIA).of_session(&index).with(|demand| {
        demand.relay_state = Some("a/b+c d&e=ü%20".to_owned());
    });
    let page = send_query(&app, &demand.to_query().text()).await;
    assert_answered(&page, &demand);
    let cut = async { while let Some(Ok(_)) = download.frame().await {} };
    tokio::time::timeout(IN_FORCE, cut).await.expect("what was open is cut within a second");
    assert!(!is_signed_on(&mia).await);
    assert!(is_signed_on(&elsewhere).await, "another session of hers");
    assert!(is_signed_on(&noah).await);
    let log = app.audit().await;
    let told: Vec<_> = log.iter().filter(|entry| entry.action == "session.ended_by_provider").collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(told.subject.as_deref(), Some(MIA));
    assert_eq!(told.details["connection"], "contoso");

    // It is gone already: as good as ended. And then all of hers.
    let again = self::demand(&app, MIA).of_session(&index);
    assert_answered(&send_query(&app, &again.to_query_escaping(upper_case).text()).await, &again);
    assert!(is_signed_on(&elsewhere).await);
    let all = self::demand(&app, MIA);
    assert_answered(&send_query(&app, &all.to_query().text()).await, &all);
    assert!(!is_signed_on(&elsewhere).await);
    assert!(is_signed_on(&noah).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_may_post_and_use_either_name_of_its_tenant() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let other_name = format!("https://login.microsoftonline.com/{}/", app.idp.tenant_id);
    for issuer in [app.idp.entity_id.clone(), other_name] {
        for by_post in [true, false] {
            let mut mia = app.visitor();
            let index = sign_on(&mut mia).await;
            let demand = demand(&app, MIA).of_session("_gone").of_session(&index).with(|demand| {
                demand.issuer.clone_from(&issuer);
                demand.relay_state = Some(String::new());
                demand.not_on_or_after = Some(time(app.now() + Duration::from_mins(1)));
            });
            let page = if by_post {
                send_form(&app, &demand.fields(&demand.to_signed_xml())).await
            } else {
                send_query(&app, &demand.to_query().text()).await
            };
            assert_answered(&page, &demand);
            assert!(!is_signed_on(&mia).await, "{issuer} {by_post}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_on_another_node_is_in_force_within_a_second() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    sign_on(&mut mia).await;
    assert!(is_signed_on(&mia).await, "this node has it in memory");
    let store = app.open_store().await;
    let session = store.sessions(None, 1).await.expect("the store answers").remove(0).session;
    let logout = anteroom::store::ProviderLogout {
        connection: session.connection.clone(),
        request_id: "_elsewhere".to_owned(),
        name_id: session.name_id.clone().expect("a name"),
        session_indexes: Vec::from_iter(session.session_index.clone()),
        issued_at: app.now(),
        expires_at: app.now() + Duration::from_mins(5),
        remembered_until: app.now() + Duration::from_hours(1),
    };
    let event = anteroom::store::AuditEvent::of_anteroom(app.now(), "session.ended_by_provider");
    store.end_by_provider(&logout, event).await.expect("the store answers");
    store.close().await;
    let over = crate::app::until("the end of the session", || async { !is_signed_on(&mia).await }).await;
    assert!(over <= IN_FORCE, "{over:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_on_from_before_does_not_outlive_the_logout() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/deep").await;
    let message = mia.answer(&pending);
    let demand = demand(&app, MIA).of_session(&message.assertion_id);
    assert_answered(&send_query(&app, &demand.to_query().text()).await, &demand);
    let page = mia.answer_with(&message).await;
    assert_eq!((page.url.path(), mia.session()), ("/.anteroom/sign-in", None));
    // Signing on anew works at once.
    sign_on(&mut mia).await;
    assert!(is_signed_on(&mia).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_by_the_binding_and_to_the_address_that_the_metadata_names() {
    let redirect = "Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location";
    let with_logout = |to: &str| {
        let xml = String::from_utf8(Idp::entra().metadata_xml()).expect("text");
        let from = format!("<SingleLogoutService {redirect}");
        assert_eq!(xml.matches(&from).count(), 1);
        xml.replacen(&from, to, 1).into_bytes()
    };
    for (endpoint, answered_at) in [
        (
            format!("<SingleLogoutService {redirect}=\"https://idp.example/request\" ResponseLocation"),
            "redirect",
        ),
        (
            "<SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location"
                .to_owned(),
            "post",
        ),
        ("<Nothing Location".to_owned(), "nowhere"),
    ] {
        let metadata = with_logout(&endpoint);
        let metadata = String::from_utf8(metadata).expect("text").replace("</SingleLogoutService>", "");
        let metadata = metadata.replacen(
            &format!("{}\">", Idp::entra().sso_url),
            &format!("{}\"/>", Idp::entra().sso_url),
            1,
        );
        let wanted = Wanted::default().metadata(metadata.into_bytes()).own_keys(&[SigningKey::rsa_next()]);
        let app = wanted.start().await;
        app.add_member(MIA).await;
        let mut mia = app.visitor();
        sign_on(&mut mia).await;
        let demand = demand(&app, MIA).with(|demand| demand.relay_state = Some("<\"state\">".to_owned()));
        let page = send_query(&app, &demand.to_query().text()).await;
        assert!(!is_signed_on(&mia).await);
        match answered_at {
            "redirect" => assert_answered(&page, &demand),
            "post" => {
                let page = page.expect(200);
                let [form] = &page.forms()[..] else { panic!("{}", page.body) };
                assert_eq!(form.action.as_str(), app.idp.sso_url);
                assert_eq!(form.value("RelayState"), "<\"state\">");
                assert!(is_signed_answer(&app, form.value("SAMLResponse"), &demand.id));
                assert!(page.header("content-security-policy").contains("form-action 'self' https:"));
            }
            _ => assert!(page.expect(200).body.contains("signed out")),
        }
    }
}

/// Whether a form carries our answer to a demand, signed with our key, as a provider would verify it.
fn is_signed_answer(app: &TestApp, field: &str, demand: &str) -> bool {
    let mut us = Idp::entra();
    ENTITY_ID.clone_into(&mut us.entity_id);
    us.key = SigningKey::rsa_next();
    us.further_keys.clear();
    let trusted = metadata::parse(&us.metadata_xml(), app.now()).expect("the metadata is good");
    let expected = Expected {
        idp: &trusted,
        sp_entity_id: "urn:provider",
        slo_url: &app.idp.sso_url,
        accept_expired_certificates: false,
        skew: Duration::from_mins(1),
    };
    let incoming = Incoming::from_form(None, Some(field), None).expect("a message");
    let Ok(Message::Response(response)) = incoming.read() else { return false };
    response.verify(demand, &expected, app.now()).is_ok_and(|verified| verified.is_complete())
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_can_leave_it_to_the_person_to_go_on_and_tells_how_it_ended() {
    let app = Wanted::default().more("[session]\nsingle_logout = false\n").start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let index = sign_on(&mut mia).await;
    let page = mia.sign_out().await.expect(200);
    assert!(!is_signed_on(&mia).await, "ours has ended, whatever happens there");
    let (_, rest) = page.body.split_once("class=\"button\" href=\"").expect("a way on");
    let href = rest.split_once('"').expect("it ends").0.replace("&#38;", "&").replace("&amp;", "&");
    let request = Sent::read(href.parse().expect("a URL"));
    assert!(request.url.as_str().starts_with(&app.idp.sso_url), "{}", page.url);
    assert!(request.xml.starts_with("<samlp:LogoutRequest "), "{}", request.xml);
    assert_eq!(request.attribute("Destination"), app.idp.sso_url);
    assert_eq!(request.between("nameid-format:emailAddress\">", "</saml:NameID>"), MIA);
    assert_eq!(request.between("<samlp:SessionIndex>", "<"), index);
    let id = request.attribute("ID").to_owned();

    let answer = |change: fn(&mut Logout)| {
        app.idp.logout_response(slo_url(&app).as_str(), &id, app.now()).with(change)
    };
    let ended = answer(|_| {}).to_query().text();
    let entras = answer(|answer| answer.destination = None).to_query().text();
    let partial =
        answer(|answer| answer.status.push("urn:oasis:names:tc:SAML:2.0:status:PartialLogout".to_owned()));
    let failed =
        answer(|answer| answer.status = vec!["urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned()]);
    let unsigned = answer(|_| {}).to_query().unsigned_text();
    for (query, words) in [
        (ended, "has ended, too"),
        (entras, "has ended, too"),
        (partial.to_query().text(), "could not find out"),
        (failed.to_query().text(), "could not find out"),
        (unsigned, "could not find out"),
    ] {
        let page = send_query(&app, &query).await.expect(200);
        assert_eq!(page.url.path(), "/.anteroom/sign-out");
        assert!(text_of(&page.body).contains("You are signed out"), "{}", page.body);
        assert!(text_of(&page.body).contains(words), "{words}: {}", page.body);
    }
    let posted = answer(|_| {});
    let page = send_form(&app, &posted.fields(&posted.to_signed_xml())).await.expect(200);
    assert!(text_of(&page.body).contains("has ended, too"));
}

#[test]
fn of_more_connections_than_one_demand_is_held_against_every_node_takes_the_same() {
    let idp = metadata::parse(&Idp::entra().metadata_xml(), SystemClock.now()).expect("the metadata is good");
    let idp = Arc::new(idp);
    let connection = |number: &u32| Connection {
        id: ConnectionId::parse(&format!("c{number:03}")).expect("an id"),
        organization: Organization {
            id: OrganizationId::parse(&format!("c{number:03}")).expect("an id"),
            name: DisplayName::parse("Contoso").expect("a name"),
            domains: Vec::new(),
        },
        idp: Arc::clone(&idp),
        options: Arc::default(),
    };
    let numbers: Vec<u32> = (0..103).collect();
    let wanted: Vec<_> = (0..100).map(|number| format!("c{number:03}")).collect();
    for order in [numbers.clone(), numbers.into_iter().rev().collect()] {
        let all = Connections::new(order.iter().map(connection).collect(), Vec::new(), HashSet::new());
        let found = all.by_logout_issuer(idp.entity_id());
        let found: Vec<_> = found.iter().map(|connection| connection.id.as_str().to_owned()).collect();
        assert_eq!(found, wanted);
        assert_eq!(all.by_entity_id(idp.entity_id()).map(|found| found.id.as_str()), Some("c000"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_that_a_providers_session_has_ended_because_of_a_link_that_somebody_made() {
    let clock = ManualClock::at(SystemClock.now());
    let app = Wanted::default().clock(&clock).more("[session]\nsingle_logout = true\n").start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    sign_on(&mut mia).await;
    let page = mia.visit("/.anteroom/sign-out").await;
    let page = mia.browser.submit(&page, &page.form("/.anteroom/sign-out")).await;
    let id = sent(&page).attribute("ID").to_owned();
    let answer = app.idp.logout_response(slo_url(&app).as_str(), &id, app.now());
    let back = send_query(&app, &answer.to_query().text()).await.expect(200);
    let genuine = back.url.query().expect("a query").to_owned();
    let told = async |query: &str| {
        let mut anybody = app.visitor();
        text_of(&anybody.visit(&format!("/.anteroom/sign-out?{query}")).await.expect(200).body)
    };
    assert!(told(&genuine).await.contains("has ended, too"), "{genuine}");
    let later = genuine.replacen("ended.1", "ended.2", 1);
    let other = genuine.rsplit_once('.').expect("a tag").0.to_owned() + ".AAAAAAAAAAAAAAAAAAAAAA";
    for made_up in
        ["provider=ended", "provider=ended.0.", "provider=", &later, &other, &genuine[..genuine.len() - 2]]
    {
        let page = told(made_up).await;
        assert!(!page.contains("has ended, too") && page.contains("may still be open"), "{made_up}: {page}");
    }
    clock.advance(Duration::from_mins(5));
    assert!(!told(&genuine).await.contains("has ended, too"), "nor by one that was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_is_done_is_told_although_the_store_does_not_answer_any_more() {
    let app = Wanted::default().more("[session]\nsingle_logout = false\n").start().await;
    app.add_member(MIA).await;
    // What of the user cannot be read any more is another session, opened first: it stands before the others.
    let spoil = async |index: &str| {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(app.path("anteroom.db"));
        let mut db = sqlx::SqliteConnection::connect_with(&options).await.expect("a connection");
        let spoilt = sqlx::query("UPDATE sessions SET return_path = 'nowhere' WHERE session_index = $1");
        assert_eq!(spoilt.bind(index).execute(&mut db).await.expect("it is done").rows_affected(), 1);
        db.close().await.expect("it closes");
    };
    let (mut broken, mut mia, mut again) = (app.visitor(), app.visitor(), app.visitor());
    let index = sign_on(&mut broken).await;
    sign_on(&mut mia).await;
    let named = sign_on(&mut again).await;
    let mia_before = mia.session().expect("a session");
    let page = mia.visit("/.anteroom/sign-out").await.expect(200);
    spoil(&index).await;
    let page = mia.browser.submit(&page, &page.form("/.anteroom/sign-out")).await.expect(200);
    assert!(text_of(&page.body).contains("You are signed out"), "{}", page.body);
    mia.browser.plant(&app.app_url, "anteroom", &mia_before);
    assert!(!is_signed_on(&mia).await);

    let demand = demand(&app, MIA).of_session(&named);
    assert_answered(&send_query(&app, &demand.to_query().text()).await, &demand);
    assert!(!is_signed_on(&again).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_large_for_a_logout_message_is_not_read() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    sign_on(&mut mia).await;
    let demand = demand(&app, MIA);
    let mut fields = demand.fields(&demand.to_signed_xml());
    let control = fields.clone();
    fields.push(("padding".to_owned(), "x".repeat(256 * 1024)));
    send_form(&app, &fields).await.expect(413);
    assert!(is_signed_on(&mia).await);
    assert_answered(&send_form(&app, &control).await, &demand);
    assert!(!is_signed_on(&mia).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_goes_on_to_the_provider_and_is_signed_where_there_is_a_key() {
    let key = SigningKey::rsa_next();
    let app = Wanted::default().own_keys(&[key]).start().await;
    let mut mia = app.member(MIA).await;
    let page = mia.visit("/.anteroom/sign-out").await.expect(200);
    assert!(
        page.header("content-security-policy").contains("form-action 'self' https:"),
        "a browser may follow"
    );
    let form = page.form("/.anteroom/sign-out");
    let session = mia.session().expect("a session");
    let page = mia.browser.submit(&page, &form).await;
    let request = sent(&page);
    assert!(request.xml.starts_with("<samlp:LogoutRequest "), "{}", request.xml);
    assert_eq!(mia.session(), None);
    mia.browser.plant(&app.app_url, "anteroom", &session);
    assert!(!is_signed_on(&mia).await, "ours has ended before");
    let signed_by_us = |sent: &Sent| {
        let query = sent.url.query().expect("a query");
        let (signed, signature) = query.split_once("&Signature=").expect("a signature");
        let signature = percent_encoding::percent_decode_str(signature).decode_utf8().expect("text");
        key.has_signed(signed, &STANDARD.decode(&*signature).expect("base64"))
    };
    assert!(signed_by_us(&request));

    // So are answers.
    sign_on(&mut mia).await;
    let demand = demand(&app, MIA).with(|demand| demand.relay_state = Some("state".to_owned()));
    let answer = sent(&send_query(&app, &demand.to_query().text()).await);
    assert!(answer.url.query().expect("a query").contains("&RelayState=state&SigAlg="));
    assert!(signed_by_us(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_a_provider_that_offers_no_logout_or_named_nobody() {
    let metadata = String::from_utf8(Idp::entra().metadata_xml()).expect("text");
    let metadata = metadata.replace("SingleLogoutService", "ArtifactResolutionService");
    let wanted = Wanted::default().metadata(metadata.into_bytes());
    let app = wanted.start().await;
    let mut mia = app.member(MIA).await;
    let page = mia.sign_out().await.expect(200);
    assert!(text_of(&page.body).contains("also close the browser"), "{}", page.body);

    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let message = mia.answer(&pending).with(|message| message.name_id = None);
    mia.answer_with(&message).await.expect(200);
    assert!(is_signed_on(&mia).await);
    let page = mia.sign_out().await.expect(200);
    assert!(text_of(&page.body).contains("also close the browser"), "{}", page.body);
    // And a second time, without a session, there is nothing to end.
    let page = mia.visit("/.anteroom/sign-out").await.expect(200);
    assert!(text_of(&page.body).contains("You are signed out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logout_service_takes_what_the_two_bindings_send_and_nothing_else() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    sign_on(&mut mia).await;
    for query in ["", "SAMLRequest=", "SAMLResponse=x", "x=y"] {
        send_query(&app, query).await.expect(403);
    }
    send_form(&app, &[]).await.expect(403);
    let demand = demand(&app, MIA);
    let query = demand.to_query().text();
    let head = http::Request::head(format!("/saml2/logout?{query}")).header("host", "login.localhost");
    let head = head.body(http_body_util::Full::default()).expect("a request");
    assert_eq!(app.net.send(&slo_url(&app), head).await.status(), 405, "a look must not use anything up");
    // It is an address of the login host alone.
    let elsewhere = mia.visit(&format!("/saml2/logout?{query}")).await;
    assert_eq!(elsewhere.status, 200, "the application's own");
    assert!(is_signed_on(&mia).await);
    assert_answered(&send_query(&app, &query).await, &demand);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_no_later_than_the_providers() {
    let clock = ManualClock::at(SystemClock.now());
    let app = Wanted::default().clock(&clock).start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let message = mia.answer(&pending).with(|message| {
        message.session_not_on_or_after = Some(time(app.now() + Duration::from_mins(30)));
    });
    mia.answer_with(&message).await.expect(200);
    clock.advance(Duration::from_mins(29));
    assert!(is_signed_on(&mia).await);
    clock.advance(Duration::from_mins(1));
    assert!(!is_signed_on(&mia).await);
}
