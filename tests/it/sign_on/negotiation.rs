//! Who is asking: people are sent to the sign-on page, programs are told where it is.

use http::{Method, Request};
use http_body_util::{BodyExt, Full};

use crate::app::{MIA, TestApp};

type Headers<'a> = &'a [(&'a str, &'a str)];

/// Sends one request without any cookie.
async fn ask(
    app: &TestApp,
    method: Method,
    path: &str,
    headers: Headers<'_>,
) -> (u16, http::HeaderMap, String) {
    ask_with(app, method, path, headers, "").await
}

async fn ask_with(
    app: &TestApp,
    method: Method,
    path: &str,
    headers: Headers<'_>,
    body: &'static str,
) -> (u16, http::HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "app.localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body)).expect("a request");
    let response = app.net.send(&app.app_url, request).await;
    let (head, body) = response.into_parts();
    let octets = body.collect().await.expect("a whole body").to_bytes();
    (head.status.as_u16(), head.headers, String::from_utf8_lossy(&octets).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn navigations_are_redirected_and_everything_else_is_told() {
    let app = TestApp::new().await;
    let page = "text/html,application/xhtml+xml,*/*;q=0.8";
    let rows: &[(Method, Headers<'_>, u16)] = &[
        (Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], 303),
        (
            Method::GET,
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", page)],
            303,
        ),
        (Method::GET, &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", page)], 401),
        (Method::GET, &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], 401),
        (Method::GET, &[("sec-fetch-mode", "websocket"), ("sec-fetch-dest", "websocket")], 401),
        (Method::GET, &[("accept", page)], 303),
        (Method::GET, &[("accept", "application/json")], 401),
        (Method::GET, &[("accept", "application/json, text/plain, */*")], 401),
        (Method::GET, &[("accept", "text/event-stream")], 401),
        (Method::GET, &[("accept", "*/*"), ("x-requested-with", "XMLHttpRequest")], 401),
        (Method::POST, &[("accept", "application/json"), ("content-type", "application/json")], 401),
        (Method::PUT, &[("accept", "*/*")], 401),
    ];
    for (method, headers, status) in rows {
        let (got, answer, body) = ask(&app, method.clone(), "/api/orders?x=1", headers).await;
        assert_eq!(got, *status, "{method} {headers:?}");
        let location = answer.get("location").map(|value| value.to_str().expect("plain text"));
        if *status == 303 {
            assert_eq!(location, Some("/.anteroom/sign-in?return_to=%2Fapi%2Forders%3Fx%3D1"));
        } else {
            assert_eq!(location, None);
            assert_eq!(answer["content-type"], "application/problem+json");
            let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!(problem["sign_in_url"], "http://app.localhost/.anteroom/sign-in");
            assert_eq!(problem["status"], 401);
        }
        let cache_control = answer.get("cache-control").map(http::HeaderValue::as_bytes);
        assert_eq!(cache_control, Some(&b"no-store"[..]), "{method} {headers:?}");
    }
    assert!(app.application.received().is_empty(), "nothing got through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_led_back_to_the_page_that_it_runs_on() {
    let app = TestApp::new().await;
    let headers = [("accept", "application/json"), ("referer", "http://app.localhost/board?week=7")];
    let (status, _, body) = ask(&app, Method::GET, "/api/orders", &headers).await;
    assert_eq!(status, 401);
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let led = "http://app.localhost/.anteroom/sign-in?return_to=%2Fboard%3Fweek%3D7";
    assert_eq!(problem["sign_in_url"], led);
    for foreign in ["https://evil.example/x", "http://app.localhost.evil.example/x", "http://app.localhost"] {
        let (_, _, body) =
            ask(&app, Method::GET, "/api", &[("accept", "application/json"), ("referer", foreign)]).await;
        let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(problem["sign_in_url"], "http://app.localhost/.anteroom/sign-in", "{foreign}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_two_hosts_are_served() {
    let app = TestApp::new().await;
    for host in ["evil.example", "app.localhost.evil.example", "xapp.localhost", "127.0.0.1", "localhost"] {
        let (status, headers, body) =
            ask(&app, Method::GET, "/", &[("host", host), ("accept", "text/html")]).await;
        assert_eq!(status, 421, "{host}");
        assert!(headers.get("location").is_none() && !body.contains(host), "{host}: {body}");
    }
    for host in ["app.localhost", "APP.Localhost", "app.localhost.", "app.localhost:80"] {
        let (status, headers, _) =
            ask(&app, Method::GET, "/", &[("host", host), ("accept", "text/html")]).await;
        assert_eq!(
            (status, &headers["location"]),
            (303, &"/.anteroom/sign-in?return_to=%2F".parse().unwrap())
        );
    }
    // The login host has its own few paths, and nothing of the application.
    for (path, wanted) in [("/saml2/metadata", 200), ("/", 404), ("/.anteroom/sign-in", 404), ("/x", 404)] {
        let (status, ..) = ask(&app, Method::GET, path, &[("host", "login.localhost")]).await;
        assert_eq!(status, wanted, "{path}");
    }
    // And the application's host has nothing of the login: that path is the application's own there.
    let (status, ..) = ask(&app, Method::GET, "/saml2/metadata", &[("accept", "text/html")]).await;
    assert_eq!(status, 303);
    assert!(app.application.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_paths_answer_for_themselves() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let before = app.application.received().len();
    for path in ["/.anteroom", "/.anteroom/", "/.anteroom/nothing", "/.well-known/anteroom/nothing"] {
        mia.visit(path).await.expect(404);
    }
    let rows = [
        (Method::DELETE, "/.anteroom/sign-in", "GET, HEAD, POST"),
        (Method::GET, "/.anteroom/sign-in/start", "POST"),
        (Method::POST, "/.anteroom/waiting-room/events", "GET, HEAD"),
        (Method::DELETE, "/.anteroom/waiting-room", "GET, HEAD, POST"),
        (Method::PUT, "/.anteroom/manage", "GET, HEAD, POST"),
        (Method::POST, "/.anteroom/support", "GET, HEAD"),
        (Method::GET, "/.anteroom/support/organizations/preview", "POST"),
        (Method::PUT, "/.anteroom/session", "GET, HEAD"),
        (Method::POST, "/.well-known/anteroom/jwks.json", "GET, HEAD"),
    ];
    for (method, path, allow) in rows {
        let (status, headers, _) = ask(&app, method.clone(), path, &[]).await;
        assert_eq!(status, 405, "{method} {path}");
        assert_eq!(headers["allow"], allow, "{method} {path}");
    }
    let (status, headers, _) =
        ask(&app, Method::GET, "/saml2/idpresponse", &[("host", "login.localhost")]).await;
    assert_eq!((status, headers["allow"].as_bytes()), (405, &b"POST"[..]));
    assert_eq!(app.application.received().len(), before, "none of them is the application's");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_two_parsers_could_read_in_two_ways_are_refused() {
    let app = TestApp::new().await;
    for path in [
        "/assets/../admin",
        "/assets/..%2fadmin",
        "/assets/%2e%2e/admin",
        "/assets/..;/admin",
        "//evil.example/x",
        "/assets//../admin",
        "/a%5cb",
        "/a%00b",
        "/assets/%252e%252e/admin%2fx",
        "/%c0%af",
    ] {
        let (status, ..) = ask(&app, Method::GET, path, &[("accept", "text/html")]).await;
        assert_eq!(status, 400, "{path}");
    }
    assert!(app.application.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn public_paths_are_forwarded_without_identity() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let forged = [("X-Anteroom-Jwt-Assertion", "forged"), ("x_anteroom_jwt_assertion", "forged")];
    for path in ["/favicon.ico", "/assets/app.css?v=2", "/assets/"] {
        let (status, ..) = ask(&app, Method::GET, path, &forged).await;
        assert_eq!(status, 200, "{path}");
        mia.fetch(path).await.expect(200);
        for received in app.application.received().iter().rev().take(2) {
            assert_eq!(received.target, path);
            let names: Vec<_> = received.headers.keys().map(http::HeaderName::as_str).collect();
            assert!(!names.iter().any(|name| name.contains("anteroom")), "{names:?}");
            assert_eq!(received.header("cookie"), "");
        }
    }
    for path in ["/favicon.ico/x", "/favicon.icon", "/assetsx", "/ASSETS/app.css", "/x?/assets/"] {
        let (status, ..) = ask(&app, Method::GET, path, &[("accept", "application/json")]).await;
        assert_eq!(status, 401, "{path}");
    }
}

/// whoever made the page of an error, headers say its code and what the request is called.
#[tokio::test(flavor = "multi_thread")]
async fn every_error_says_its_code_and_the_name_of_its_request() {
    let app = TestApp::new().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let own = ("origin", "http://app.localhost");
    let (login, page, json) =
        (("host", "login.localhost"), ("accept", "text/html"), ("accept", "application/json"));
    let long = format!("/{}", "a".repeat(9_000));
    let rows: &[(Method, &str, Headers<'_>, u16)] = &[
        (Method::GET, "/api/orders", &[json], 401),
        (Method::HEAD, "/api/orders", &[json], 401),
        (Method::GET, &long, &[json], 414),
        (Method::GET, &long, &[page], 414),
        (Method::GET, "/a/../b", &[json], 400),
        (Method::POST, "/saml2/idpresponse", &[login, json, ("content-type", "text/plain")], 415),
        (Method::POST, "/saml2/idpresponse", &[login, page, form], 400),
        (Method::GET, "/saml2/logout?SAMLRequest=xx", &[login, page], 403),
        (Method::POST, "/.anteroom/sign-in", &[page, form, own], 422),
        (Method::DELETE, "/.anteroom/sign-in", &[page], 405),
        (Method::GET, "/.anteroom/nothing", &[page], 404),
        (Method::GET, "/.anteroom/session", &[json], 401),
        (Method::GET, "/", &[("host", "evil.example"), page], 421),
    ];
    for (method, path, headers, wanted) in rows {
        let told = format!("{method} {path:.40} {headers:?}");
        let (status, answer, body) = ask(&app, method.clone(), path, headers).await;
        assert_eq!(status, *wanted, "{told}");
        let header = |name: &str| answer.get(name).map(|value| value.to_str().unwrap());
        let code = header("x-anteroom-error").unwrap_or_else(|| panic!("{told}: no code"));
        let name = header("x-request-id").unwrap_or_else(|| panic!("{told}: no name"));
        if header("content-type") == Some("application/problem+json") && !body.is_empty() {
            let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{told}");
            assert_eq!(problem["request_id"], name);
        }
    }
    let (_, answer, _) = ask(&app, Method::GET, "/.anteroom/sign-in", &[page]).await;
    assert_eq!(answer.get("x-anteroom-error"), None, "the control");
    // What is wrong with an answer of an identity provider is nobody's business but the operator's.
    for message in ["SAMLResponse=%2A", "SAMLResponse=PGE%2BPGI%2B", "SAMLResponse=PGEvPg%3D%3D"] {
        let headers = &[login, page, form];
        let (status, answer, _) = ask_with(&app, Method::POST, "/saml2/idpresponse", headers, message).await;
        assert_eq!(
            (status, &answer["x-anteroom-error"]),
            (403, &"sign_on_refused".parse().unwrap()),
            "{message}"
        );
    }
}

/// a gRPC client gets our answers where it looks for them, with the same code.
#[tokio::test(flavor = "multi_thread")]
async fn grpc_calls_are_answered_in_their_own_way() {
    let app = TestApp::new().await;
    let call: Headers<'_> = &[("content-type", "application/grpc+proto"), ("te", "trailers")];
    let (status, answer, body) = ask(&app, Method::POST, "/shop.Orders/List", call).await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert_eq!(
        (&answer["content-type"], &answer["grpc-status"]),
        (&"application/grpc".parse().unwrap(), &"16".parse().unwrap())
    );
    assert_eq!((&answer["grpc-message"], answer.get("location")), (&answer["x-anteroom-error"], None));

    let (status, answer, _) = ask(&app, Method::POST, "/assets/x", call).await;
    assert_eq!((status, answer.get("grpc-status")), (200, None), "the application's answers are its own");
    for (method, path, outcome) in [
        (Method::POST, "/.anteroom/nothing", "12"),
        (Method::POST, "/.anteroom/session", "2"),
        (Method::GET, "/.anteroom/session", "16"),
    ] {
        let (status, answer, _) = ask(&app, method, path, call).await;
        assert_eq!((status, answer["grpc-status"].as_bytes()), (200, outcome.as_bytes()), "{path}");
        assert_eq!(answer["grpc-message"], answer["x-anteroom-error"]);
    }
    let (status, answer, _) =
        ask(&app, Method::POST, "/", &[call, &[("host", "login.localhost")]].concat()).await;
    assert_eq!((status, answer["grpc-status"].as_bytes()), (200, &b"12"[..]), "on the other host");
    let (status, answer, _) = ask(&app, Method::GET, "/.well-known/anteroom/jwks.json", call).await;
    assert_eq!((status, answer.get("grpc-status")), (200, None), "what is no error is no outcome");

    let (status, answer, _) = ask(&app, Method::POST, "/assets/./x", call).await;
    assert_eq!((status, &answer["grpc-status"]), (200, &"13".parse().unwrap()), "a target of two readings");

    let text = std::fs::read_to_string(app.config_path()).unwrap();
    let nobody = format!("127.0.0.1:{}", crate::app::free_port());
    std::fs::write(app.config_path(), text.replace(&app.application.address.to_string(), &nobody)).unwrap();
    app.reload().await.unwrap();
    let (status, answer, _) = ask(&app, Method::POST, "/assets/x", call).await;
    assert_eq!((status, &answer["grpc-status"]), (200, &"14".parse().unwrap()));
    assert_eq!(answer["grpc-message"], "upstream_connect_failed");
    let (status, answer, _) = ask(&app, Method::POST, "/assets/x", &[]).await;
    assert_eq!((status, answer.get("grpc-status")), (502, None), "others get what they had");
}
