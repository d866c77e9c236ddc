//! Group F and the replays of D6: what a browser is made to do at the assertion consumer service.
//!
//! Separate because the message is genuine in every one of these; what is wrong is how, how often or where it is
//! posted.

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use url::Url;

use crate::app::{MIA, TestApp};

/// The fields of a form.
type Fields = Vec<(String, String)>;

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn encoded(fields: &[(String, String)]) -> Vec<u8> {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

/// One request at the assertion consumer service, as no browser might send it.
async fn send(app: &TestApp, method: Method, headers: &[(&str, &str)], body: Vec<u8>) -> Response<Incoming> {
    let host = app.acs_url.host_str().expect("a host");
    let mut request = Request::builder().method(method).uri(app.acs_url.path());
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header("host", host);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.net.send(&app.acs_url, request.body(Full::new(Bytes::from(body))).expect("a request")).await
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test(flavor = "multi_thread")]
async fn d06_one_response_posted_by_many_at_once_makes_one_session() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let form = [field("SAMLResponse", &mia.answer(&pending).to_form())];
    let at: Url = app.idp.sso_url.parse().expect("a URL");
    let mut copies: Vec<_> = (0..8).map(|_| mia.browser.clone()).collect();
    let pages = join_all(copies.iter_mut().map(|browser| browser.post_from(&at, &app.acs_url, &form))).await;
    let statuses: Vec<_> = pages.iter().map(|page| page.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 7, "{statuses:?}");
    let store = app.open_store().await;
    assert_eq!(store.sessions(None, 10).await.expect("it can be read").len(), 1);
    store.close().await;
    let reasons: Vec<_> = app.audit().await.into_iter().filter_map(|entry| entry.reason).collect();
    assert_eq!(reasons, ["request_replayed"; 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_relay_state_decides_nothing() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let at: Url = app.idp.sso_url.parse().expect("a URL");
    let huge = "x".repeat(100_000);
    let evil = ["", "//evil.example", "https://evil.example/", "javascript:alert(1)", "/else", &huge];
    for state in evil {
        let mut mia = app.visitor();
        let pending = mia.begin("/deep?x=1").await;
        let fields = [field("SAMLResponse", &mia.answer(&pending).to_form()), field("RelayState", state)];
        let page = mia.browser.post_from(&at, &app.acs_url, &fields).await.expect(200);
        assert_eq!(page.url, app.url("/deep?x=1"), "{state:?}");
    }
    // Twice is an attack on whoever reads only one of them; the login itself is not spent by it.
    let mut mia = app.visitor();
    let pending = mia.begin("/deep").await;
    let response = mia.answer(&pending).to_form();
    let twice = [field("SAMLResponse", &response), field("RelayState", "a"), field("RelayState", "b")];
    mia.browser.post_from(&at, &app.acs_url, &twice).await.expect(400);
    assert_eq!(mia.session(), None);
    mia.post(response).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_only_one_plain_form_with_one_response_is_read() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let response = mia.answer(&pending).to_form();
    let whole = encoded(&[field("SAMLResponse", &response)]);
    let before = app.audit().await.len();

    let query = format!("?{}", String::from_utf8(whole.clone()).expect("plain text"));
    let got = mia.browser.open(&app.acs_url.join(&query).expect("a URL")).await;
    assert_eq!(got.status, 405, "a message in the address");
    let multipart = "multipart/form-data; boundary=x";
    let parts = format!(
        "--x\r\nContent-Disposition: form-data; name=\"SAMLResponse\"\r\n\r\n{response}\r\n--x--\r\n"
    );
    let utf16 = "application/x-www-form-urlencoded; charset=utf-16";
    let typed: [(&str, Vec<u8>); 5] = [
        ("text/plain", whole.clone()),
        ("application/xml", mia.answer(&pending).to_xml().into_bytes()),
        ("application/json", b"{}".to_vec()),
        (multipart, parts.into_bytes()),
        (utf16, whole.clone()),
    ];
    for (content_type, body) in typed {
        let answer = send(&app, Method::POST, &[("content-type", content_type)], body).await;
        assert_eq!(answer.status(), 415, "{content_type}");
    }
    assert_eq!(send(&app, Method::POST, &[], whole.clone()).await.status(), 415, "no type at all");
    let one = field("SAMLResponse", &response);
    let wrong: [Fields; 5] = [
        vec![],
        vec![field("samlresponse", &response)],
        vec![one.clone(), one.clone()],
        vec![one.clone(), field("SAMLRequest", "PHg+")],
        vec![field("SAMLart", "AAQAAA")],
    ];
    for fields in wrong {
        let answer = send(&app, Method::POST, &[FORM], encoded(&fields)).await;
        assert_eq!(answer.status(), 400, "{:?}", fields.iter().map(|(name, _)| name).collect::<Vec<_>>());
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = send(&app, method.clone(), &[FORM], whole.clone()).await;
        assert_eq!(answer.status(), 405, "{method}");
    }
    assert!(app.application.received().is_empty());
    assert_eq!(app.audit().await.len(), before, "what is no message at all is not noted");

    // The control, and the only thing of all this that spends the login.
    let answer = send(&app, Method::POST, &[FORM], whole).await;
    assert_eq!(answer.status(), 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_no_header_moves_the_service_to_another_address() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let body = encoded(&[field("SAMLResponse", &mia.answer(&pending).to_form())]);
    for host in ["evil.example", "login.localhost.evil.example"] {
        let answer = send(&app, Method::POST, &[FORM, ("host", host)], body.clone()).await;
        assert_eq!(answer.status(), 421, "{host}");
    }
    // The application's host has no such service: the message is neither read nor forwarded.
    let host = app.app_url.host_str().expect("a host");
    let answer = send(&app, Method::POST, &[FORM, ("host", host)], body.clone()).await;
    assert!(answer.status().is_client_error(), "{}", answer.status());
    assert!(app.application.received().is_empty());

    let lies = [
        FORM,
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-url", "https://evil.example/"),
        ("referer", "https://evil.example/"),
    ];
    let answer = send(&app, Method::POST, &lies, body).await;
    assert_eq!(answer.status(), 303);
    let location = answer.headers().get("location").expect("a hand-off").to_str().expect("plain text");
    assert!(location.starts_with(app.url("/.anteroom/sign-in/complete?code=").as_str()), "{location}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_nobody_keeps_or_frames_what_the_service_answers() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let body = encoded(&[field("SAMLResponse", &mia.answer(&pending).to_form())]);
    let accepted = send(&app, Method::POST, &[FORM], body.clone()).await;
    assert_eq!(accepted.status(), 303);
    let replayed = send(&app, Method::POST, &[FORM], body).await;
    assert_eq!(replayed.status(), 403);
    for answer in [accepted, replayed] {
        let header = |name: &str| {
            answer.headers().get(name).map_or("", |value| value.to_str().expect("plain text")).to_owned()
        };
        assert!(header("cache-control").contains("no-store"), "{:?}", answer.headers());
        assert!(header("referrer-policy").contains("same-origin") || answer.status() == 303);
        assert!(
            answer.status() == 303 || header("content-security-policy").contains("frame-ancestors 'none'")
        );
        assert!(!answer.headers().contains_key("set-cookie"));
    }
}
