//! A full sign-on with an identity provider that nobody here wrote: SimpleSAMLphp, as Debian packages it.
//!
//! Separate because it needs PHP; `tests/peers/simplesamlphp.sh` runs it on loopback.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use url::Url;

use crate::app::{TestApp, Visitor, Wanted, free_port, until};
use crate::browserless::{Browser, Net, Page};
use crate::idp::SigningKey;

/// The identity provider, running until it is dropped.
struct SimpleSamlPhp {
    dir: tempfile::TempDir,
    program: Child,
    base: Url,
    net: Net,
}

impl SimpleSamlPhp {
    async fn start() -> Self {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key can be made");
        let parameters = rcgen::CertificateParams::new(vec!["idp".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("a certificate can be made");
        std::fs::create_dir(dir.path().join("cert")).expect("the directory is writable");
        std::fs::write(dir.path().join("cert/idp.crt"), certificate.pem()).expect("so it is");
        std::fs::write(dir.path().join("cert/idp.key"), key.serialize_pem()).expect("so it is");
        let port = free_port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/simplesamlphp.sh");
        let program = Command::new(script)
            .arg(dir.path())
            .arg(port.to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("the script can be run");
        let base: Url = format!("http://127.0.0.1:{port}/simplesaml/").parse().expect("a URL");
        let net = Net::default();
        let address = ([127, 0, 0, 1], port).into();
        net.lead(&base, address);
        until("SimpleSAMLphp answers", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        Self { dir, program, base, net }
    }

    async fn metadata(&self) -> Vec<u8> {
        let url = self.base.join("saml2/idp/metadata.php").expect("a path");
        Browser::new(&self.net).fetch(&url, &[]).await.expect(200).body.into_bytes()
    }

    /// Makes Anteroom known to it.
    async fn trust(&self, app: &TestApp) {
        let url = app.acs_url.join("/saml2/metadata").expect("a path");
        let metadata = app.visitor().browser.fetch(&url, &[]).await.expect(200).body;
        std::fs::write(self.dir.path().join("sp/anteroom.xml"), metadata).expect("the directory is writable");
    }

    /// From now on it encrypts.
    fn encrypt(&self) {
        std::fs::write(self.dir.path().join("encrypt"), "yes").expect("the directory is writable");
    }

    fn sign(&self, what: &str) {
        std::fs::write(self.dir.path().join("sign"), what).expect("the directory is writable");
    }
}

impl Drop for SimpleSamlPhp {
    fn drop(&mut self) {
        self.program.kill().expect("it is still there");
        self.program.wait().expect("it ends");
    }
}

/// From asking for a path, through the login form, to the page at the end.
async fn sign_on(visitor: &mut Visitor<'_>, path: &str, password: &str) -> Page {
    let page = visitor.visit(path).await;
    let email = visitor.person.email.clone();
    let page = visitor.type_email(&page, &email).await;
    let form = page.form("/.anteroom/sign-in/start");
    assert_eq!(form.buttons, ["Log In with Contoso Residential"], "only Microsoft's button is called so");
    let page = visitor.browser.submit(&page, &form).await.expect(200);
    let form = page.forms().into_iter().find(|form| form.fields.iter().any(|(name, _)| name == "password"));
    let (user, _) = password.split_once('-').expect("it begins with the name");
    let form = form.expect("a login form").fill("username", user).fill("password", password);
    let page = visitor.browser.submit(&page, &form).await.expect(200);
    // The page that posts itself.
    let form = page.form("/saml2/idpresponse");
    assert!(!form.value("SAMLResponse").is_empty());
    visitor.browser.submit(&page, &form).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SimpleSAMLphp, which scripts/test installs"]
async fn people_sign_on_with_simplesamlphp_however_it_signs() {
    let idp = SimpleSamlPhp::start().await;
    let app = Wanted::default().metadata(idp.metadata().await).net(&idp.net).start().await;
    idp.trust(&app).await;
    let rows = [
        ("response", "mia.berg@contoso.com", "mia-password", "Mia Berg"),
        ("assertion", "noah.lind@contoso.com", "noah-password", "Noah Lind"),
        ("both", "zoe@contoso.com", "zoe-password", "Zoë \"Q\" O'Brien & <Söns> 日本"),
    ];
    for (signed, email, password, name) in rows {
        idp.sign(signed);
        let mut visitor = app.visitor().who_is(email);
        let page = sign_on(&mut visitor, "/deep?x=1", password).await.expect(200);
        assert_eq!(page.url.path(), "/.anteroom/waiting-room", "{signed}");
        let mut events = visitor.listen(&page).await;
        app.grant(email).await;
        assert_eq!(events.next().await, Some(("released".to_owned(), "/deep?x=1".to_owned())), "{signed}");
        visitor.visit("/deep?x=1").await.expect(200);
        let claims = app.application.last().claims().expect("an identity");
        assert_eq!(
            (claims["email"].as_str(), claims["name"].as_str()),
            (Some(email), Some(name)),
            "{signed}"
        );

        // The same person again, in another browser.
        let mut again = app.visitor().who_is(email);
        let page = sign_on(&mut again, "/again", password).await.expect(200);
        assert_eq!(page.url, app.url("/again"), "{signed}");
        assert_eq!(app.application.last().claims().expect("an identity")["sub"], claims["sub"]);
    }
    idp.sign("none");
    let mut visitor = app.visitor();
    let page = sign_on(&mut visitor, "/", "mia-password").await.expect(403);
    assert_eq!(visitor.session(), None, "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SimpleSAMLphp, which scripts/test installs"]
async fn people_sign_on_with_simplesamlphp_when_requests_are_signed_and_assertions_encrypted() {
    let idp = SimpleSamlPhp::start().await;
    let metadata = idp.metadata().await;
    let keys = [SigningKey::ours(), SigningKey::ours_next()];
    let app = Wanted::default().metadata(metadata.clone()).net(&idp.net).own_keys(&keys).start().await;
    idp.trust(&app).await;
    app.add_member("mia.berg@contoso.com").await;
    idp.encrypt();
    for signed in ["response", "assertion", "both"] {
        idp.sign(signed);
        let mut visitor = app.visitor();
        let page = sign_on(&mut visitor, "/deep?x=1", "mia-password").await.expect(200);
        assert_eq!(page.url, app.url("/deep?x=1"), "{signed}");
    }
    // A request that somebody else signed gets no answer from it.
    let stranger = Wanted::default().metadata(metadata).net(&idp.net).own_keys(&[SigningKey::foreign()]);
    let stranger = stranger.start().await;
    let mut visitor = stranger.visitor();
    let page = visitor.visit("/").await;
    let page = visitor.type_email(&page, "mia.berg@contoso.com").await;
    let form = page.form("/.anteroom/sign-in/start");
    let page = visitor.browser.submit(&page, &form).await;
    assert!(page.body.contains("Unable to validate signature"), "{} {}", page.status, page.body);
}
