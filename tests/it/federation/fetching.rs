//! One request: what is sent, what is taken, and where it never goes (SAML-ATTACKS G5, 3.I).

use std::time::Duration;

use anteroom::federation::{Access, Fetched, Fetcher, Limits, Reach, Roots, fetch::Error};
use anteroom::store::Validators;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use url::Url;

use super::server::{MetadataServer, Reply};

fn fetcher(server: &MetadataServer, limits: Limits) -> Fetcher {
    let authority = CertificateDer::from_pem_slice(server.authority().as_bytes()).expect("a certificate");
    Fetcher::new(Access { roots: Roots::Given(vec![authority]), reach: Reach::Anywhere, limits })
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}

#[tokio::test]
async fn a_document_is_asked_for_plainly_and_again_only_if_it_has_changed() {
    let server = MetadataServer::start(Reply::Document(b"<a/>".to_vec(), Some("\"one\""))).await;
    let fetcher = fetcher(&server, Limits::default());
    let first = fetcher.fetch(&url(&server.url()), &Validators::default()).await.expect("a document");
    let Fetched::Document { octets, validators } = first else { panic!("{first:?}") };
    assert_eq!((octets.as_slice(), validators.etag.as_deref()), (&b"<a/>"[..], Some("\"one\"")));
    let again = fetcher.fetch(&url(&server.url()), &validators).await.expect("the same");
    assert_eq!(again, Fetched::Same(validators.clone()));
    server.reply(Reply::Document(b"<b/>".to_vec(), Some("\"two\"")));
    let changed = fetcher.fetch(&url(&server.url()), &validators).await.expect("another");
    assert!(matches!(changed, Fetched::Document { octets, .. } if octets == b"<b/>"));
    let requests = server.requests();
    for request in &requests {
        assert!(!request.contains_key("cookie") && !request.contains_key("authorization"));
        assert_eq!(request["accept-encoding"], "identity");
    }
    assert!(!requests[0].contains_key("if-none-match"));
    assert_eq!(requests[1]["if-none-match"], "\"one\"");
}

#[tokio::test]
async fn what_a_server_should_not_send_is_refused() {
    let good = Reply::Document(b"<a/>".to_vec(), None);
    let server = MetadataServer::start(good.clone()).await;
    let limits = Limits { total: Duration::from_millis(300), ..Limits::default() };
    let patient = fetcher(&server, Limits::default());
    let hasty = fetcher(&server, limits);
    let elsewhere = format!("{}&other", server.url());
    let address = url(&server.url());
    for (reply, fetcher, expected) in [
        (Reply::Endless, &patient, "more than 2 MiB"),
        (Reply::Document(vec![b' '; 2 * 1024 * 1024 + 1], None), &patient, "more than 2 MiB"),
        (Reply::Drip, &hasty, "within 0.3 s"),
        (Reply::Redirect(elsewhere.clone()), &patient, "redirects are not followed"),
        (
            Reply::Redirect("http://169.254.169.254/".to_owned()),
            &patient,
            "redirects to http://169.254.169.254/",
        ),
        (Reply::Compressed(b"<a/>".to_vec()), &patient, "compressed"),
        (Reply::Status(404), &patient, "status 404"),
        (Reply::Status(503), &patient, "status 503"),
        (Reply::Status(304), &patient, "status 304"),
        (Reply::Nothing, &patient, "does not answer"),
    ] {
        server.reply(good.clone());
        patient.fetch(&address, &Validators::default()).await.expect("the control");
        let before = server.count();
        server.reply(reply);
        let error = fetcher.fetch(&address, &Validators::default()).await.expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(server.count(), before + 1, "nothing is tried again or followed");
    }
    server.reply(Reply::Document(vec![b' '; 2 * 1024 * 1024], None));
    patient.fetch(&address, &Validators::default()).await.expect("as much as is taken");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let server = MetadataServer::with(b"<a/>".to_vec()).await;
    let other = MetadataServer::with(b"<a/>".to_vec()).await;
    let by_other = fetcher(&other, Limits::default());
    let error =
        by_other.fetch(&url(&server.url()), &Validators::default()).await.expect_err("another authority");
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert_eq!(server.count(), 0);
    let by_system = Fetcher::new(Access { reach: Reach::Anywhere, ..Access::default() });
    let error =
        by_system.fetch(&url(&server.url()), &Validators::default()).await.expect_err("not of the system");
    assert!(matches!(error, Error::Tls { .. } | Error::NoRoots { .. }), "{error:?}");
    // Nor one whose certificate is for another name.
    let named = server.url().replace("localhost", "metadata.localhost");
    let own = fetcher(&server, Limits::default());
    match own.fetch(&url(&named), &Validators::default()).await.expect_err("another name") {
        Error::Tls { .. } | Error::Unknown { .. } => {}
        error => panic!("{error:?}"),
    }
    own.fetch(&url(&server.url()), &Validators::default()).await.expect("the control");
}

#[tokio::test]
async fn nothing_but_public_addresses_is_connected_to() {
    let server = MetadataServer::with(b"<a/>".to_vec()).await;
    let port = url(&server.url()).port().expect("a port");
    let authority = CertificateDer::from_pem_slice(server.authority().as_bytes()).expect("a certificate");
    let access = Access { roots: Roots::Given(vec![authority]), ..Access::default() };
    let public = Fetcher::new(access);
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "[fd00:ec2::254]",
    ] {
        let error = public
            .fetch(&url(&format!("https://{host}:{port}/metadata.xml")), &Validators::default())
            .await
            .expect_err(host);
        assert!(matches!(error, Error::Private { .. }), "{host}: {error:?}");
        assert!(error.to_string().contains("metadata_allow_private"), "{error}");
    }
    assert_eq!(server.connections(), 0, "not even a connection");
    let plain = public.fetch(&url(&format!("http://localhost:{port}/")), &Validators::default()).await;
    assert!(matches!(plain, Err(Error::NotHttps)), "{plain:?}");
    fetcher(&server, Limits::default())
        .fetch(&url(&server.url()), &Validators::default())
        .await
        .expect("the control");
}
