//! The whole story in a real browser: Debian's Chromium, driven by `WebDriver`, without a window.
//!
//! Separate because only a browser knows what a browser does: what it thinks of our headers, where the focus is,
//! whether a form may lead to another host, and what happens without scripts.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anteroom::clock::{Clock as _, SystemClock};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::app::{MIA, Pending, Person, TestApp, Wanted, free_port, until};
use crate::idp::Idp;

/// Chromium with its driver; both end when it is dropped.
pub(crate) struct Chromium {
    driver: Child,
    port: u16,
    profile: TempDir,
}

/// How the browser is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Desktop,
    Phone,
    WithoutScripts,
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("install the packages chromium and chromium-driver");
        until("the driver listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        Self { driver, port, profile: TempDir::new().expect("a temporary directory") }
    }

    pub(crate) async fn open(&self, kind: Kind) -> Client {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let size = if kind == Kind::Phone { "--window-size=390,844" } else { "--window-size=1280,900" };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-quic",
            size,
            &profile,
        ];
        let mut options = json!({ "args": arguments });
        if kind == Kind::WithoutScripts {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        if kind == Kind::Phone {
            let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let wanted = wanted.as_object().expect("an object").clone();
        ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .expect("Chromium starts")
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.driver.kill().expect("it is still there");
        self.driver.wait().expect("it ends");
    }
}

/// The identity provider's own page, which knows who is in front of it.
struct LoginPage {
    idp: Idp,
    accepting: tokio::task::JoinHandle<()>,
}

impl LoginPage {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let mut idp = Idp::entra();
        idp.sso_url = format!("http://idp.localhost:{port}/saml2");
        let answering = idp.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let idp = answering.clone();
                let service = service_fn(move |request| {
                    let page = page_of(&idp, &request);
                    async move { Ok::<_, std::convert::Infallible>(page) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { idp, accepting }
    }
}

impl Drop for LoginPage {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Posts itself where scripts run, and has a button where they do not.
fn page_of(idp: &Idp, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let html = match request.uri().query() {
        Some(query) if query.contains("SAMLRequest=") => {
            let url = format!("http://idp.localhost/?{query}").parse().expect("a URL");
            let pending = Pending::read(url);
            let Person { email, name, object_id } = Person::with_email(MIA);
            let message = idp.answer(&pending.request, SystemClock.now()).for_user(&email, &name, &object_id);
            format!(
                "<!doctype html><title>Identity provider</title><form method=\"post\" action=\"{}\">\
                 <input type=\"hidden\" name=\"SAMLResponse\" value=\"{}\">\
                 <button autofocus>Continue</button></form><script>document.forms[0].submit()</script>",
                pending.request.acs_url,
                message.to_form(),
            )
        }
        _ => "<!doctype html><title>Nothing</title>".to_owned(),
    };
    let mut response = Response::new(Full::new(html.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// Anteroom at addresses that a browser can open, with the login page as its identity provider.
async fn start() -> (TestApp, LoginPage) {
    let login = LoginPage::start().await;
    let wanted = Wanted::default().metadata(login.idp.metadata_xml()).on_port(free_port());
    (wanted.start().await, login)
}

/// Types on the keyboard once the focus is on an element of this kind.
async fn type_keys(client: &Client, tag: &str, keys: &str) {
    let typed = async || {
        let Ok(focused) = client.active_element().await else { return false };
        let is_there = focused.tag_name().await.is_ok_and(|name| name == tag);
        is_there && focused.send_keys(keys).await.is_ok()
    };
    until(&format!("the focus on {tag}"), typed).await;
}

fn enter() -> String {
    char::from(Key::Enter).to_string()
}

async fn path_of(client: &Client) -> String {
    client.current_url().await.expect("a page is open").path().to_owned()
}

async fn until_path(client: &Client, path: &str) -> Duration {
    until(path, async || path_of(client).await == path).await
}

/// Waits for a text on the page; between two pages there is none.
async fn until_text(client: &Client, wanted: &str) {
    until(wanted, async || text_of(client).await.contains(wanted)).await;
}

async fn text_of(client: &Client) -> String {
    let Ok(body) = client.find(Locator::Css("body")).await else { return String::new() };
    body.text().await.unwrap_or_default()
}

/// Fails if something of the page is to the right of the screen.
async fn fits_the_screen(client: &Client) {
    let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
    let widths = client.execute(script, Vec::new()).await.expect("a script runs");
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "{} of {widths}", path_of(client).await);
}

/// From the deep link to the Waiting Room with the keyboard alone.
async fn sign_on_by_keyboard(client: &Client, app: &TestApp, path: &str, with_scripts: bool) {
    client.goto(app.url(path).as_str()).await.expect("the page opens");
    until_path(client, "/.anteroom/sign-in").await;
    type_keys(client, "input", &format!("{MIA}{}", enter())).await;
    until_text(client, "Log In with Microsoft").await;
    type_keys(client, "button", &enter()).await;
    if !with_scripts {
        until_text(client, "Continue").await;
        type_keys(client, "button", &enter()).await;
    }
    until_path(client, "/.anteroom/waiting-room").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn somebody_new_signs_on_waits_and_is_let_in_by_keyboard_alone() {
    let (app, _login) = start().await;
    let chromium = Chromium::start().await;
    let client = chromium.open(Kind::Desktop).await;
    sign_on_by_keyboard(&client, &app, "/work-orders/4711?tab=history", true).await;
    until_text(&client, MIA).await;

    app.grant(MIA).await;
    let granted_at = Instant::now();
    until_path(&client, "/work-orders/4711").await;
    assert!(granted_at.elapsed() < LIVE, "{:?}", granted_at.elapsed());
    assert_eq!(client.current_url().await.expect("a page").query(), Some("tab=history"));
    until_text(&client, "The application: /work-orders/4711").await;
    let page =
        app.application.received().into_iter().rfind(|page| page.target.starts_with("/work-orders/4711"));
    assert_eq!(page.expect("it was asked for").claims().expect("an identity")["email"], MIA);

    // Out again, also by keyboard.
    client.goto(app.url("/.anteroom/sign-out").as_str()).await.expect("the page opens");
    until_text(&client, MIA).await;
    let button = client.find(Locator::Css("button")).await.expect("a button");
    button.send_keys(&enter()).await.expect("it takes keys");
    until_text(&client, "signed out").await;
    client.goto(app.url("/work-orders").as_str()).await.expect("the page opens");
    until_path(&client, "/.anteroom/sign-in").await;
    assert_eq!(complaints(&client).await, Vec::<String>::new());
    client.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn every_page_fits_a_phone() {
    let (app, _login) = start().await;
    let chromium = Chromium::start().await;
    let client = chromium.open(Kind::Phone).await;
    client.goto(app.url("/deep").as_str()).await.expect("the page opens");
    until_path(&client, "/.anteroom/sign-in").await;
    fits_the_screen(&client).await;
    let email = client.find(Locator::Id("email")).await.expect("a field");
    email.send_keys("somebody@unknown.example").await.expect("it takes keys");
    client.find(Locator::Css("button")).await.expect("a button").click().await.expect("it can be touched");
    until_text(&client, "unknown.example").await;
    fits_the_screen(&client).await;
    let email = client.find(Locator::Id("email")).await.expect("a field");
    email.clear().await.expect("it can be emptied");
    email.send_keys(MIA).await.expect("it takes keys");
    client.find(Locator::Css("button")).await.expect("a button").click().await.expect("it can be touched");
    until_text(&client, "Log In with Microsoft").await;
    fits_the_screen(&client).await;
    client.find(Locator::Css("button")).await.expect("a button").click().await.expect("it can be touched");
    until_path(&client, "/.anteroom/waiting-room").await;
    until_text(&client, MIA).await;
    fits_the_screen(&client).await;
    app.grant(MIA).await;
    until_path(&client, "/deep").await;
    assert_eq!(complaints(&client).await, Vec::<String>::new());
    client.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn everything_works_without_scripts() {
    let (app, _login) = start().await;
    let chromium = Chromium::start().await;
    let client = chromium.open(Kind::WithoutScripts).await;
    sign_on_by_keyboard(&client, &app, "/deep?x=1", false).await;
    app.grant(MIA).await;
    until_path(&client, "/deep").await;
    until_text(&client, "The application: /deep").await;
    client.close().await.expect("it closes");
}

/// What the browser complained about: refused styles, scripts, forms, and errors of ours.
pub(crate) async fn complaints(client: &Client) -> Vec<String> {
    let log = client.issue_cmd(BrowserLog).await.expect("the driver has a log");
    let entries = log.as_array().cloned().unwrap_or_default();
    let severe = entries.into_iter().filter(|entry| entry["level"] == "SEVERE");
    severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// `ChromeDriver`'s command for the log of the console.
#[derive(Debug)]
struct BrowserLog;

impl fantoccini::wd::WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// A second for the news (DESIGN section 3), and half of one for the page to say so and the next to load.
const LIVE: Duration = Duration::from_millis(1_500);
