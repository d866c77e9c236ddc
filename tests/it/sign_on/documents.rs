//! The documents for programs: who am I, the keys, and our metadata.

use crate::app::{ENTITY_ID, MIA, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn the_front_end_can_ask_who_is_signed_on() {
    let app = TestApp::new().await;
    app.visitor().fetch("/.anteroom/session").await.expect(401);
    let mut mia = app.member(MIA).await;
    let answer = mia.fetch("/.anteroom/session").await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let session = answer.json();
    assert_eq!((&session["email"], &session["state"]), (&MIA.into(), &"active".into()));
    let secret = mia.session().expect("a session");
    assert!(!answer.body.contains(&secret), "the cookie's value is nobody's business");
    let claims = app.application.last().claims().expect("an identity");
    assert_eq!((&session["sub"], &session["sid"]), (&claims["sub"], &claims["sid"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_are_there_for_everybody() {
    let app = TestApp::new().await;
    let mut anybody = app.visitor();
    let discovery = anybody.fetch("/.well-known/anteroom").await.expect(200).json();
    assert_eq!(discovery["issuer"], "http://app.localhost");
    let keys = anybody.fetch("/.well-known/anteroom/jwks.json").await.expect(200).json();
    let keys = keys["keys"].as_array().expect("a list");
    assert!(!keys.is_empty());
    for key in keys {
        assert_eq!(key["kty"], "EC");
        assert!(key.get("d").is_none(), "no private part");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_metadata_names_us_as_configured() {
    let app = TestApp::new().await;
    let mut anybody = app.visitor();
    let url = app.acs_url.join("/saml2/metadata").expect("a path");
    let metadata = anybody.browser.fetch(&url, &[]).await.expect(200).body;
    assert!(metadata.contains(&format!("entityID=\"{ENTITY_ID}\"")), "{metadata}");
    assert!(metadata.contains(&format!("Location=\"{}\"", app.acs_url)), "{metadata}");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_on_a_listener_of_their_own() {
    let app = TestApp::new().await;
    let mut anybody = app.visitor();
    let ops: url::Url = "http://ops.localhost/".parse().expect("a URL");
    app.net.lead(&ops, app.ops_address());
    for path in ["/livez", "/readyz", "/startupz", "/metrics"] {
        anybody.browser.fetch(&ops.join(path).expect("a path"), &[]).await.expect(200);
        anybody.fetch(path).await.expect(401);
    }
}
