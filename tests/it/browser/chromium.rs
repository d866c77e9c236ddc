//! Debian's Chromium, driven by `WebDriver`, without a window.
//!
//! Separate so that the stories read as what people do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;
use tempfile::TempDir;

use crate::app::{free_port, until};

/// The driver, with all browsers that it has opened; they end when it is dropped, also by a test that fails.
pub(crate) struct Chromium {
    driver: Child,
    port: u16,
    profiles: Mutex<Vec<TempDir>>,
}

/// How a browser is set up.
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
            .process_group(0)
            .spawn()
            .expect("install the packages chromium and chromium-driver");
        let chromium = Self { driver, port, profiles: Mutex::default() };
        until("the driver listens", async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        chromium
    }

    /// A browser of somebody else: nothing is shared with those open already.
    pub(crate) async fn open(&self, kind: Kind) -> Client {
        let profile = TempDir::new().expect("a temporary directory");
        let data = format!("--user-data-dir={}", profile.path().display());
        self.profiles.lock().expect("nobody panics with it").push(profile);
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
            &data,
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

    /// Asks the driver to close its browsers and end.
    fn ask_to_end(&self) -> std::io::Result<()> {
        let mut driver = TcpStream::connect(("127.0.0.1", self.port))?;
        driver.set_read_timeout(Some(FAREWELL))?;
        driver.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        driver.read(&mut [0; 64]).map(drop)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let began = Instant::now();
        if self.ask_to_end().is_ok() {
            while began.elapsed() < FAREWELL && matches!(self.driver.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // Whatever is left of its process group, the browsers among it.
        let group = format!("-{}", self.driver.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status());
        self.driver.wait().expect("it ends");
    }
}

const FAREWELL: Duration = Duration::from_secs(5);

/// Types on the keyboard once the focus is on an element of this kind.
pub(crate) async fn type_keys(client: &Client, tag: &str, keys: &str) {
    let typed = async || {
        let Ok(focused) = client.active_element().await else { return false };
        let is_there = focused.tag_name().await.is_ok_and(|name| name == tag);
        is_there && focused.send_keys(keys).await.is_ok()
    };
    until(&format!("the focus on {tag}"), typed).await;
}

pub(crate) fn enter() -> String {
    char::from(Key::Enter).to_string()
}

pub(crate) async fn path_of(client: &Client) -> String {
    client.current_url().await.expect("a page is open").path().to_owned()
}

pub(crate) async fn until_path(client: &Client, path: &str) -> Duration {
    until(path, async || path_of(client).await == path).await
}

/// Waits for a text on the page; between two pages there is none.
pub(crate) async fn until_text(client: &Client, wanted: &str) {
    until(wanted, async || text_of(client).await.contains(wanted)).await;
}

pub(crate) async fn text_of(client: &Client) -> String {
    let Ok(body) = client.find(Locator::Css("body")).await else { return String::new() };
    body.text().await.unwrap_or_default()
}

/// Fails if something of the page is to the right of the screen.
pub(crate) async fn fits_the_screen(client: &Client) {
    let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
    let widths = client.execute(script, Vec::new()).await.expect("a script runs");
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "{} of {widths}", path_of(client).await);
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
