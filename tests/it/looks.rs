//! Every page in every state as a browser shows it: no barriers, nothing that jumps, nothing that sticks out.
//!
//! Separate from `pages`, which knows the text of the pages, and from `browser`, which walks through the product:
//! here the rendered pages are served on loopback with their real headers, each is opened once, and the program
//! axe-core looks for what WCAG 2.2 AA forbids, in light and dark. `scripts/gallery` takes its pictures here.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anteroom::pages::Brand;
use anteroom::pages::policy::{self, FormTargets};
use base64::Engine as _;
use fantoccini::Client;
use fantoccini::wd::WebDriverCompatibleCommand;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::until;
use crate::browser::chromium::{Chromium, Kind, complaints};
use crate::pages::{gallery_pages, plain_brand};

/// The rendered pages behind a port of this machine.
struct Exhibition {
    port: u16,
    names: Vec<String>,
    accepting: tokio::task::JoinHandle<()>,
}

/// What is served: by its path, the kind and the content.
type Exhibits = HashMap<String, (&'static str, Bytes)>;

impl Exhibition {
    async fn open(pages: Vec<(String, String)>, brands: &[&Brand]) -> Self {
        let names = pages.iter().map(|(name, _)| name.clone()).collect();
        let mut exhibits: Exhibits = HashMap::new();
        for asset in brands.iter().flat_map(|brand| brand.assets().iter()) {
            exhibits.insert(asset.path.clone(), (asset.content_type, asset.octets.clone()));
        }
        for (name, html) in pages {
            exhibits.insert(format!("/{name}"), ("text/html; charset=utf-8", html.into()));
        }
        exhibits.insert(format!("/{CONTROL}"), ("text/html; charset=utf-8", CONTROL_PAGE.into()));
        let exhibits = Arc::new(exhibits);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let exhibits = Arc::clone(&exhibits);
                let service = service_fn(move |request| {
                    let response = answer(&exhibits, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { port, names, accepting }
    }

    fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Exhibition {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A page with the headers that Anteroom gives it, a static file, or the Waiting Room's stream, which says once
/// that something has changed.
fn answer(exhibits: &Exhibits, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    // A Waiting Room in which something has happened by the time that its script looks again.
    let is_fetched = request.headers().get("sec-fetch-dest").is_some_and(|dest| dest == "empty");
    let path = match request.uri().path() {
        RENEWED if is_fetched => "/waiting-room-in-work",
        RENEWED => "/waiting-room",
        path => path,
    };
    let Some((content_type, octets)) = exhibits.get(path) else {
        let stream = Bytes::from_static(b"retry: 600000\nevent: status\ndata: changed\n\n");
        let mut response = Response::new(Full::new(stream));
        let is_stream = request.headers().get("accept").is_some_and(|accept| accept == "text/event-stream");
        if is_stream {
            response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
        } else {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        return response;
    };
    let mut response = Response::new(Full::new(octets.clone()));
    let headers = response.headers_mut();
    if content_type.starts_with("text/html") {
        for (name, value) in policy::HEADERS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let policy = policy::content_security_policy(FormTargets::OwnOrigin);
        headers.insert("content-security-policy", HeaderValue::from_static(policy));
    }
    headers.insert("content-type", HeaderValue::from_static(content_type));
    response
}

/// `ChromeDriver`'s way to the commands of Chromium's own protocol.
#[derive(Debug)]
struct Cdp(&'static str, Value);

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

/// How a page is looked at.
#[derive(Clone, Copy)]
struct Look {
    name: &'static str,
    width: u32,
    height: u32,
    scheme: &'static str,
}

const LOOKS: [Look; 4] = [
    Look { name: "phone-light", width: 390, height: 844, scheme: "light" },
    Look { name: "phone-dark", width: 390, height: 844, scheme: "dark" },
    Look { name: "desktop-light", width: 1280, height: 900, scheme: "light" },
    Look { name: "desktop-dark", width: 1280, height: 900, scheme: "dark" },
];

impl Look {
    async fn take(self, client: &Client) {
        let screen =
            json!({ "width": self.width, "height": self.height, "deviceScaleFactor": 1, "mobile": false });
        cdp(client, "Emulation.setDeviceMetricsOverride", screen).await;
        // As on a phone: they lie over the page.
        cdp(client, "Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": self.scheme }] });
        cdp(client, "Emulation.setEmulatedMedia", media).await;
    }
}

async fn cdp(client: &Client, command: &'static str, parameters: Value) -> Value {
    client.issue_cmd(Cdp(command, parameters)).await.expect("Chromium knows the command")
}

async fn run(client: &Client, script: &str) -> Value {
    client.execute(script, Vec::new()).await.expect("a script runs")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromium-driver and axe-core, which scripts/test installs"]
async fn axe_finds_no_barrier_on_any_page_in_light_and_dark() {
    let axe = std::fs::read_to_string(axe_path()).expect("scripts/test installs axe-core");
    let (exhibition, chromium) = (exhibition().await, Chromium::start().await);
    let client = chromium.open(Kind::Desktop).await;
    // Once for all pages that follow, whatever their policy says of scripts.
    cdp(&client, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": axe })).await;
    client.goto(&exhibition.url(CONTROL)).await.expect("the page opens");
    let found = client.execute_async(AXE, Vec::new()).await.expect("axe runs");
    assert!(found.to_string().contains("image-alt"), "axe overlooks a picture without words: {found}");
    let mut barriers = Vec::new();
    for name in &exhibition.names {
        client.goto(&exhibition.url(name)).await.expect("the page opens");
        for look in [LOOKS[0], LOOKS[3]] {
            look.take(&client).await;
            let found = client.execute_async(AXE, Vec::new()).await.expect("axe runs");
            let found = found.as_array().expect("a list").clone();
            barriers.extend(found.into_iter().map(|what| format!("{name}, {}: {what}", look.name)));
        }
    }
    assert!(barriers.is_empty(), "{}", barriers.join("\n"));
    assert_eq!(complaints(&client).await, Vec::<String>::new());
    client.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn no_page_jumps_or_sticks_out_of_a_narrow_screen() {
    let (exhibition, chromium) = (exhibition().await, Chromium::start().await);
    let client = chromium.open(Kind::Desktop).await;
    client.goto(&exhibition.url(CONTROL)).await.expect("the page opens");
    assert_ne!(run(&client, STICKING_OUT).await, json!([]), "the control sticks out");
    let mut faults = Vec::new();
    for (width, height) in [(320, 640), (1280, 900)] {
        Look { name: "", width, height, scheme: "light" }.take(&client).await;
        for name in &exhibition.names {
            client.goto(&exhibition.url(name)).await.expect("the page opens");
            let shift = client.execute_async(SHIFT, Vec::new()).await.expect("a script runs");
            if shift.as_f64().expect("a number") > 0.0 {
                faults.push(format!("{name} at {width}: shifts by {shift}"));
            }
            let out = run(&client, STICKING_OUT).await;
            if out != json!([]) {
                faults.push(format!("{name} at {width}: {out}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    client.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn an_open_waiting_room_tells_how_things_stand_now() {
    let (exhibition, chromium) = (exhibition().await, Chromium::start().await);
    let client = chromium.open(Kind::Desktop).await;
    client.goto(&exhibition.url(&RENEWED[1..])).await.expect("the page opens");
    // In one step, because the part of the page that is asked for is being replaced.
    let text =
        async |css: &str| run(&client, &format!("return document.querySelector('{css}').textContent")).await;
    until("the news", async || text("#standing h2").await == "Somebody is working on it").await;
    assert_eq!(text("[role=status]").await, "The support team is working on your access");
    assert_eq!(run(&client, "return document.querySelectorAll('#standing').length").await, 1);
    assert_eq!(complaints(&client).await, Vec::<String>::new());
    client.close().await.expect("it closes");
}

/// Not a check: takes a picture of every page for `scripts/gallery`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn the_gallery_is_taken_where_it_is_asked_for() {
    let Some(folder) = std::env::var_os("ANTEROOM_GALLERY").map(PathBuf::from) else { return };
    let only = std::env::var("ANTEROOM_GALLERY_ONLY").unwrap_or_default();
    let (exhibition, chromium) = (exhibition().await, Chromium::start().await);
    let client = chromium.open(Kind::Desktop).await;
    let mut index = GALLERY_HEAD.to_owned();
    for name in exhibition.names.iter().filter(|name| name.starts_with(&only)) {
        client.goto(&exhibition.url(name)).await.expect("the page opens");
        writeln!(index, "<h2>{name}</h2>").expect("it is a text");
        for look in LOOKS {
            look.take(&client).await;
            let whole = json!({ "format": "png", "captureBeyondViewport": true });
            let picture = cdp(&client, "Page.captureScreenshot", whole).await;
            let octets = base64::engine::general_purpose::STANDARD
                .decode(picture["data"].as_str().expect("a picture"))
                .expect("base64");
            let file = format!("{name}.{}.png", look.name);
            std::fs::write(folder.join(&file), octets).expect("the folder can be written");
            writeln!(
                index,
                "<a href=\"{file}\"><img src=\"{file}\" alt=\"{}\" loading=\"lazy\"></a>",
                look.name
            )
            .expect("it is a text");
        }
    }
    std::fs::write(folder.join("index.html"), index).expect("the folder can be written");
    client.close().await.expect("it closes");
}

async fn exhibition() -> Exhibition {
    let (plain, branded) = plain_brand();
    let mut pages = gallery_pages(&plain, &branded);
    for (name, page) in &mut pages {
        if name.starts_with(LEAVES_AT_ONCE) {
            *page = without_scripts(page);
        }
    }
    Exhibition::open(pages, &[&plain, &branded]).await
}

/// With its script nobody sees it: it posts its form as soon as it is there.
const LEAVES_AT_ONCE: &str = "onward";

fn without_scripts(page: &str) -> String {
    let mut parts = page.split("<script ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once("</script>").map_or("", |(_, after)| after))
}

fn axe_path() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    target.join("axe/node_modules/axe-core/axe.min.js")
}

/// The Waiting Room that changes.
const RENEWED: &str = "/renewed";

/// A page with faults, which must be found.
const CONTROL: &str = "control";
const CONTROL_PAGE: &str = "<!doctype html><title>Control</title><link rel=\"icon\" href=\"data:,\"><img src=\"data:,\" width=\"2000\" height=\"9\">";

/// Answers with one text for each rule that is broken.
const AXE: &str = r#"
const done = arguments[arguments.length - 1];
const values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
axe.run(document, { runOnly: { type: "tag", values }, resultTypes: ["violations"], preload: false }).then(
  ({ violations }) => done(violations.map(({ id, nodes }) =>
    `${id}: ` + nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message})`).join("; "))),
  (error) => done([String(error)]),
);
"#;

/// Answers with how far the page has shifted while it was loaded.
const SHIFT: &str = r#"
const done = arguments[arguments.length - 1];
let sum = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
}).observe({ type: "layout-shift", buffered: true });
requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(sum))));
"#;

/// Answers with what is to the right of the screen.
const STICKING_OUT: &str = r#"
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= width) return [];
return [...document.body.querySelectorAll("*")]
  .filter((element) => element.getBoundingClientRect().right > width + 0.5)
  .slice(0, 3)
  .map((element) => element.outerHTML.slice(0, 120));
"#;

const GALLERY_HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Gallery</title>\n\
    <style>body{font:14px sans-serif;margin:1rem;background:#888}img{height:420px;margin:4px;vertical-align:top;\
    border:1px solid #555}</style>\n";
