//! `TestApp`: Anteroom on real sockets and a real file, with an identity provider, an application behind, and a
//! method for each thing that a visitor does.
//!
//! Separate so that the tests tell stories and know nothing of the inside: what they need to change (time, the
//! file, the process) is changed as an operator or the world would.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anteroom::app::{self, Running, Sources};
use anteroom::clock::{Clock, ManualClock, SystemClock};
use anteroom::config::Environment;
use anteroom::store::{self, AuditEntry, Store};
use anteroom::telemetry::AccessLog;
use jiff::Timestamp;
use tempfile::TempDir;
use url::Url;

use crate::application::Application;
use crate::browserless::{Browser, Events, Net, PATIENCE, Page};
use crate::idp::{self, Idp, Message, SigningKey};

/// The people of most tests.
pub(crate) const MIA: &str = "mia.berg@contoso.com";
pub(crate) const NOAH: &str = "noah.lind@contoso.com";

/// What a test wants to be different.
pub(crate) struct Wanted {
    with_tls: bool,
    net: Net,
    clock: Option<ManualClock>,
    organizations: Vec<Customer>,
    app: String,
    saml: String,
    more: String,
    app_url: Option<String>,
    acs_url: Option<String>,
    listen: String,
    limits: String,
    own_keys: Vec<&'static SigningKey>,
    access_log: AccessLog,
    upstream: Option<String>,
}

/// An organization and its identity provider's metadata.
struct Customer {
    id: &'static str,
    name: &'static str,
    domains: &'static str,
    metadata: Vec<u8>,
    options: &'static str,
}

impl Default for Wanted {
    fn default() -> Self {
        let contoso = Customer {
            id: "contoso",
            name: "Contoso Residential",
            domains: "\"contoso.com\", \"contoso.co.uk\"",
            metadata: Idp::entra().metadata_xml(),
            options: "",
        };
        Self {
            with_tls: false,
            net: Net::default(),
            clock: None,
            organizations: vec![contoso],
            app: String::new(),
            saml: String::new(),
            more: String::new(),
            app_url: None,
            acs_url: None,
            listen: "127.0.0.1:0".to_owned(),
            limits: UNLIMITED.to_owned(),
            own_keys: Vec::new(),
            access_log: AccessLog::default(),
            upstream: None,
        }
    }
}

impl Wanted {
    /// TLS, and host names of their own.
    pub(crate) fn tls(mut self) -> Self {
        self.with_tls = true;
        self
    }

    /// A clock that the test moves.
    pub(crate) fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Another customer with an identity provider.
    pub(crate) fn organization(
        mut self,
        id: &'static str,
        name: &'static str,
        domains: &'static str,
        idp: &Idp,
    ) -> Self {
        self.organizations.push(Customer { id, name, domains, metadata: idp.metadata_xml(), options: "" });
        self
    }

    /// The metadata of the first customer's identity provider.
    pub(crate) fn metadata(mut self, octets: Vec<u8>) -> Self {
        self.organizations.truncate(1);
        self.organizations.first_mut().expect("there is one").metadata = octets;
        self
    }

    /// Further keys of the first customer.
    pub(crate) fn options(mut self, toml: &'static str) -> Self {
        self.organizations.first_mut().expect("there is one").options = toml;
        self
    }

    /// The network that an identity provider of its own is on.
    pub(crate) fn net(mut self, net: &Net) -> Self {
        self.net = net.clone();
        self
    }

    /// Our own keys, the current one first.
    pub(crate) fn own_keys(mut self, keys: &[&'static SigningKey]) -> Self {
        self.own_keys = keys.to_vec();
        self
    }

    /// Where requests are written down.
    pub(crate) fn access_log(mut self, log: &AccessLog) -> Self {
        self.access_log = log.clone();
        self
    }

    /// Another application than the one that remembers.
    pub(crate) fn upstream(mut self, url: &str) -> Self {
        self.upstream = Some(url.to_owned());
        self
    }

    /// Further keys of the table `[app]`, each on a line of its own.
    pub(crate) fn app(mut self, keys: &str) -> Self {
        self.app.push_str(keys);
        self
    }

    /// Further keys of the table `[saml]`.
    pub(crate) fn saml(mut self, keys: &str) -> Self {
        self.saml.push_str(keys);
        self
    }

    /// No customer but those of further tables.
    pub(crate) fn without_files(mut self) -> Self {
        self.organizations.clear();
        self
    }

    /// Further tables of the configuration file.
    pub(crate) fn more(mut self, toml: &str) -> Self {
        self.more.push_str(toml);
        self
    }

    /// A port that is known beforehand and is part of the public addresses, as a browser needs it.
    pub(crate) fn on_port(mut self, port: u16) -> Self {
        self.listen = format!("127.0.0.1:{port}");
        self.app_url = Some(format!("http://app.localhost:{port}"));
        self.acs_url = Some(format!("http://login.localhost:{port}/saml2/idpresponse"));
        self
    }

    /// The keys of the table `[limits]`; without them nothing is limited.
    pub(crate) fn limits(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.limits);
        self
    }

    /// Starts it.
    pub(crate) async fn start(self) -> TestApp {
        TestApp::start(self).await
    }
}

/// Anteroom with everything around it.
pub(crate) struct TestApp {
    pub(crate) idp: Idp,
    pub(crate) application: Application,
    pub(crate) net: Net,
    pub(crate) app_url: Url,
    pub(crate) acs_url: Url,
    clock: Option<ManualClock>,
    access_log: AccessLog,
    dir: TempDir,
    running: Option<Running>,
}

/// Attackers and whole companies come from one address here.
const UNLIMITED: &str = "sign_in_per_address = \"off\"\nsign_in_per_email = \"off\"\n\
    sign_in_per_organization = \"off\"\nanswers_per_address = \"off\"\nposts_per_address = \"off\"";

/// The entity ID of the tests: of the form that a user pool once left behind.
pub(crate) const ENTITY_ID: &str = "urn:amazon:cognito:sp:us-east-1_Example00";

impl TestApp {
    /// What most tests need.
    pub(crate) async fn new() -> Self {
        Wanted::default().start().await
    }

    async fn start(wanted: Wanted) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let application = Application::start().await;
        let (app_url, acs_url) = if wanted.with_tls {
            ("https://app.anteroom.example", "https://login.anteroom.example/saml2/idpresponse")
        } else {
            ("http://app.localhost", "http://login.localhost/saml2/idpresponse")
        };
        let app_url = wanted.app_url.as_deref().unwrap_or(app_url);
        let acs_url = wanted.acs_url.as_deref().unwrap_or(acs_url);
        let mut net = wanted.net;
        let mut toml = format!(
            "[app]\nurl = \"{app_url}\"\nupstreams = [\"{}\"]\nname = \"ServusConnect\"\n\
             support_email = \"support@servusconnect.example\"\npublic_paths = [\"/favicon.ico\", \"/assets/\"]\n\
             {}[saml]\nentity_id = \"{ENTITY_ID}\"\nacs_url = \"{acs_url}\"\n{}{}\n\
             [limits]\n{}\n[listen]\npublic = \"{}\"\nops = \"127.0.0.1:0\"\n",
            wanted.upstream.unwrap_or_else(|| format!("http://{}", application.address)),
            wanted.app,
            write_own_keys(&dir, &wanted.own_keys),
            wanted.saml,
            wanted.limits,
            wanted.listen,
        );
        if wanted.with_tls {
            toml += "tls = { certificate = \"tls.crt\", key = \"tls.key\" }\n";
            net = net.trusting(make_certificate(&dir));
        }
        toml += &wanted.more;
        for customer in &wanted.organizations {
            let Customer { id, name, domains, metadata, options } = customer;
            std::fs::write(dir.path().join(format!("{id}.xml")), metadata)
                .expect("the directory is writable");
            toml = format!(
                "{toml}\n[[organization]]\nid = \"{id}\"\nname = \"{name}\"\ndomains = [{domains}]\n\
                 metadata = \"{id}.xml\"\n{options}\n"
            );
        }
        std::fs::write(dir.path().join("anteroom.toml"), toml).expect("the directory is writable");
        let mut app = Self {
            idp: Idp::entra(),
            application,
            net,
            app_url: app_url.parse().expect("a URL"),
            acs_url: acs_url.parse().expect("a URL"),
            clock: wanted.clock,
            access_log: wanted.access_log,
            dir,
            running: None,
        };
        app.run().await;
        app
    }

    async fn run(&mut self) {
        let environment = Environment::default();
        let config = app::load(&self.config_path(), &environment).expect("the configuration is good");
        let mut sources = Sources { access_log: self.access_log.clone(), ..Sources::default() };
        if let Some(clock) = &self.clock {
            sources.clock = Arc::new(clock.clone());
        }
        let running = app::start(self.config_path(), environment, config, sources).await.expect("it starts");
        let address = *running.public_addresses().first().expect("it listens");
        self.net.lead(&self.app_url, address);
        self.net.lead(&self.acs_url, address);
        self.running = Some(running);
    }

    // What an operator does

    /// The configuration file.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.dir.path().join("anteroom.toml")
    }

    /// A file beside it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Stops the process and starts it again on the same store.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    /// Starts the process again that was stopped.
    pub(crate) async fn restart_stopped(&mut self) {
        self.run().await;
    }

    /// Reads the configuration again.
    pub(crate) async fn reload(&self) -> anyhow::Result<()> {
        self.running.as_ref().expect("it runs").reload().await
    }

    /// Stops the process.
    pub(crate) async fn stop(&mut self) {
        self.running.take().expect("it runs").stop().await.expect("it ends well");
    }

    /// The process, for a test that stops it itself.
    pub(crate) fn take(&mut self) -> Running {
        self.running.take().expect("it runs")
    }

    /// Where people are answered.
    pub(crate) fn public_address(&self) -> SocketAddr {
        *self.running.as_ref().expect("it runs").public_addresses().first().expect("it listens")
    }

    /// Where probes are answered.
    pub(crate) fn ops_address(&self) -> SocketAddr {
        let running = self.running.as_ref().expect("it runs");
        *running.ops_addresses().first().expect("it listens")
    }

    /// Runs a command of the real program, as another process, and returns what it did.
    pub(crate) async fn try_command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anteroom"));
        command.args(arguments).arg("--config").arg(self.config_path());
        let run = tokio::task::spawn_blocking(move || command.output());
        run.await.expect("it is waited for").expect("the program can be run")
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) async fn command(&self, arguments: &[&str]) -> String {
        let output = self.try_command(arguments).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// Lets a known user in everywhere.
    pub(crate) async fn grant(&self, email: &str) {
        self.command(&["user", "grant", email, "--level", "technician", "--property", "*"]).await;
    }

    /// Makes a user who may enter.
    pub(crate) async fn add_member(&self, email: &str) {
        self.command(&[
            "user",
            "add",
            email,
            "--organization",
            "contoso",
            "--level",
            "technician",
            "--property",
            "*",
        ])
        .await;
    }

    /// A user as `user show` tells it; `None` if there is no such user.
    pub(crate) async fn user(&self, email: &str) -> Option<serde_json::Value> {
        let output = self.try_command(&["user", "show", email, "--json"]).await;
        let mut user: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        // What has happened to a user is not what a user is.
        let json = user.as_object_mut().expect("it prints an object");
        for happened in ["sessions", "sign_ons", "conflicts", "requests", "workplace"] {
            assert!(json.remove(happened).is_some(), "{happened}");
        }
        Some(user)
    }

    /// All users, as `user list` tells them.
    pub(crate) async fn users(&self) -> Vec<serde_json::Value> {
        let printed = self.command(&["user", "list", "--json"]).await;
        serde_json::from_str(&printed).expect("it prints a JSON list")
    }

    /// The audit log, newest first, read past the running server.
    pub(crate) async fn audit(&self) -> Vec<AuditEntry> {
        let store = self.open_store().await;
        let entries = store.audit_entries(1_000).await.expect("the log can be read");
        store.close().await;
        entries
    }

    /// The store, opened a second time.
    pub(crate) async fn open_store(&self) -> Arc<dyn Store> {
        let settings = store::Settings::Sqlite { path: self.path("anteroom.db") };
        store::open(&settings).await.expect("the store opens")
    }

    /// The time that Anteroom believes in.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or_else(|| SystemClock.now(), Clock::now)
    }

    // What a visitor does

    /// A browser that has never been here.
    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor { app: self, browser: Browser::new(&self.net), person: Person::default() }
    }

    /// A visitor who is let in and has signed on.
    pub(crate) async fn member(&self, email: &str) -> Visitor<'_> {
        self.add_member(email).await;
        let mut visitor = self.visitor().who_is(email);
        let page = visitor.sign_on("/").await;
        assert_eq!(page.url.path(), "/", "{}", page.body);
        visitor
    }

    /// An address of the application's host.
    pub(crate) fn url(&self, path: &str) -> Url {
        self.app_url.join(path).expect("a path")
    }
}

/// Whom the identity provider vouches for.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) object_id: String,
}

impl Default for Person {
    fn default() -> Self {
        Self::with_email(MIA)
    }
}

impl Person {
    /// A person whose other marks follow from the address.
    pub(crate) fn with_email(email: &str) -> Self {
        let (local, _) = email.split_once('@').expect("an address");
        Self {
            email: email.to_owned(),
            name: local.replace('.', " "),
            object_id: format!("00000000-0000-4000-8000-{:012x}", idp_number(email)),
        }
    }
}

/// A number that is the same whenever the text is.
fn idp_number(text: &str) -> u64 {
    text.bytes().fold(7_u64, |number, octet| (number * 31 + u64::from(octet)) % (1 << 47))
}

/// A login that is pending at the identity provider.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) request: idp::Request,
    /// Where the browser was sent.
    pub(crate) url: Url,
    /// The request itself.
    pub(crate) xml: String,
}

impl Pending {
    /// A parameter that went along.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Reads the request that a redirect carries (SAML Bindings 3.4.4).
    pub(crate) fn read(url: Url) -> Self {
        use base64::Engine as _;
        use std::io::Read as _;
        let parameter = url.query_pairs().find(|(key, _)| key == "SAMLRequest");
        let (_, deflated) = parameter.unwrap_or_else(|| panic!("no request in {url}"));
        let octets = base64::engine::general_purpose::STANDARD.decode(&*deflated).expect("base64");
        let mut xml = String::new();
        flate2::read::DeflateDecoder::new(&*octets).read_to_string(&mut xml).expect("deflated text");
        let value = |from: &str, to: &str| {
            let (_, rest) = xml.split_once(from).unwrap_or_else(|| panic!("no {from} in {xml}"));
            rest.split_once(to).expect("it ends").0.to_owned()
        };
        let issuer = value("Issuer", "</");
        let request = idp::Request {
            id: value(" ID=\"", "\""),
            sp_entity_id: issuer.split_once('>').expect("a start tag").1.to_owned(),
            acs_url: value("AssertionConsumerServiceURL=\"", "\""),
        };
        Self { request, url, xml }
    }
}

/// A person with a browser.
pub(crate) struct Visitor<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) browser: Browser,
    pub(crate) person: Person,
}

impl Visitor<'_> {
    /// Becomes another person, with the same browser.
    pub(crate) fn who_is(mut self, email: &str) -> Self {
        self.person = Person::with_email(email);
        self
    }

    /// Opens a page of the application's host.
    pub(crate) async fn visit(&mut self, path: &str) -> Page {
        self.browser.open(&self.app.url(path)).await
    }

    /// Types the address into the sign-on page and sends it.
    pub(crate) async fn type_email(&mut self, page: &Page, email: &str) -> Page {
        let form = page.form("/.anteroom/sign-in").fill("email", email);
        self.browser.submit(page, &form).await
    }

    /// Presses the only button, "Log In with Microsoft", and is at the identity provider.
    pub(crate) async fn press_button(&mut self, page: &Page) -> Pending {
        let form = page.form("/.anteroom/sign-in/start");
        self.press(page, &form).await
    }

    /// Presses one of several buttons.
    pub(crate) async fn press(&mut self, page: &Page, form: &crate::browserless::Form) -> Pending {
        let answer = self.browser.submit(page, form).await;
        let away = answer.location().unwrap_or_else(|| panic!("not sent away: {}", answer.body));
        Pending::read(away)
    }

    /// From any page to the identity provider.
    pub(crate) async fn begin(&mut self, path: &str) -> Pending {
        let page = self.visit(path).await;
        let page = if page.body.contains("/.anteroom/sign-in/start") {
            page
        } else {
            let email = self.person.email.clone();
            self.type_email(&page, &email).await
        };
        self.press_button(&page).await
    }

    /// What the identity provider says of this person.
    pub(crate) fn answer(&self, pending: &Pending) -> Message {
        let Person { email, name, object_id } = &self.person;
        self.app.idp.answer(&pending.request, self.app.now()).for_user(email, name, object_id)
    }

    /// The identity provider's page posts a message, and the browser follows to the end.
    pub(crate) async fn answer_with(&mut self, message: &Message) -> Page {
        self.post(message.to_form()).await
    }

    /// The same with any text in place of a message.
    pub(crate) async fn post(&mut self, response: String) -> Page {
        let at: Url = self.app.idp.sso_url.parse().expect("a URL");
        let acs_url = self.app.acs_url.clone();
        self.browser.post_from(&at, &acs_url, &[("SAMLResponse".to_owned(), response)]).await
    }

    /// The whole sign-on, from asking for a path to the page at its end.
    pub(crate) async fn sign_on(&mut self, path: &str) -> Page {
        let pending = self.begin(path).await;
        let message = self.answer(&pending);
        self.answer_with(&message).await
    }

    /// Asks for something as the page's script would.
    pub(crate) async fn fetch(&mut self, path: &str) -> Page {
        self.browser.fetch(&self.app.url(path), &[]).await
    }

    /// Listens to the Waiting Room as its script does.
    pub(crate) async fn listen(&mut self, page: &Page) -> Events {
        let (_, rest) =
            page.body.split_once("data-events=\"").expect("the Waiting Room tells where to listen");
        let path = rest.split_once('"').expect("a value ends").0.replace("&amp;", "&").replace("&#38;", "&");
        let url = page.url.join(&path).expect("a path");
        Events::of(self.browser.stream(&url, &[("accept", "text/event-stream")]).await)
    }

    /// Follows the link of a page whose address contains something.
    pub(crate) async fn follow_link(&mut self, page: &Page, part: &str) -> Page {
        let links = page.body.split("<a ").skip(1).filter_map(|tag| tag.split("href=\"").nth(1));
        let mut addresses = links.filter_map(|rest| rest.split('"').next());
        let found = addresses.find(|address| address.contains(part));
        let href = found.unwrap_or_else(|| panic!("no link with {part}: {}", page.body));
        let href = href.replace("&amp;", "&").replace("&#38;", "&");
        self.browser.follow(page, &href).await
    }

    /// Signs out on the page that asks for it.
    pub(crate) async fn sign_out(&mut self) -> Page {
        let page = self.visit("/.anteroom/sign-out").await;
        let form = page.form("/.anteroom/sign-out");
        self.browser.submit(&page, &form).await
    }

    /// The value of the session cookie.
    pub(crate) fn session(&self) -> Option<String> {
        self.browser.cookie(&self.app.app_url, "anteroom").map(|cookie| cookie.value.clone())
    }
}

/// Asks again and again until it is so; fails after [`PATIENCE`].
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) -> Duration {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what} did not come to be");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// A port that nothing listens on at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Writes our own keys; returns the lines that name them.
fn write_own_keys(dir: &TempDir, keys: &[&SigningKey]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let (mut key_names, mut certificate_names) = (Vec::new(), Vec::new());
    for (index, key) in keys.iter().enumerate() {
        let (key_name, certificate_name) = (format!("sp{index}.key"), format!("sp{index}.crt"));
        std::fs::write(dir.path().join(&key_name), key.key_pem()).expect("the directory is writable");
        std::fs::write(dir.path().join(&certificate_name), key.certificate_pem()).expect("so it is");
        key_names.push(key_name);
        certificate_names.push(certificate_name);
    }
    format!("signing_key = {key_names:?}\ncertificate = {certificate_names:?}\n")
}

/// A certificate for the host names of the TLS tests; returns what trusts it.
fn make_certificate(dir: &TempDir) -> rustls::ClientConfig {
    let names = ["app.anteroom.example", "login.anteroom.example"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    std::fs::write(dir.path().join("tls.crt"), made.cert.pem()).expect("the directory is writable");
    std::fs::write(dir.path().join("tls.key"), made.signing_key.serialize_pem()).expect("so it is");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate can be trusted");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
