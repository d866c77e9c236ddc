//! A browser without a window: cookies, redirects, forms and `Sec-Fetch-*` as browsers treat them, over real
//! sockets.
//!
//! Separate from [`TestApp`](crate::app) because it knows nothing of Anteroom: what it sends is what any browser
//! would.
//!
//! Rules: a host leads to the socket that [`Net`] names, and every other host is *elsewhere*: a redirect there is
//! handed out instead of followed. Sites are the last two labels of a host, and the scheme.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

/// Long past what any answer takes, short of a hanging test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a browser says it would like for a page.
pub(crate) const ACCEPT_PAGE: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Where hosts are, and whom to trust there. Clones share it, so that hosts can move.
#[derive(Clone, Default)]
pub(crate) struct Net {
    hosts: Arc<Mutex<HashMap<(String, u16), SocketAddr>>>,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// Anything that octets go through.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Net {
    /// Leads the host and port of a URL to a socket.
    pub(crate) fn lead(&self, url: &Url, to: SocketAddr) {
        self.hosts.lock().expect("nobody panics here").insert(place(url), to);
    }

    /// Where a URL leads.
    pub(crate) fn address(&self, url: &Url) -> Option<SocketAddr> {
        self.hosts.lock().expect("nobody panics here").get(&place(url)).copied()
    }

    /// Trusts what this configuration trusts, for `https`.
    pub(crate) fn trusting(mut self, tls: rustls::ClientConfig) -> Self {
        self.tls = Some(Arc::new(tls));
        self
    }

    /// The same net, for connections that speak a protocol (ALPN) over TLS.
    pub(crate) fn speaking(&self, protocol: &[u8]) -> Self {
        let mut tls = self.tls.as_deref().cloned().expect("TLS has somebody to trust");
        tls.alpn_protocols = vec![protocol.to_vec()];
        Self { tls: Some(Arc::new(tls)), ..self.clone() }
    }

    /// Whether a URL leads anywhere.
    pub(crate) fn knows(&self, url: &Url) -> bool {
        self.address(url).is_some()
    }

    /// A new connection to the host of a URL, with TLS if its scheme says so.
    pub(crate) async fn connect(&self, url: &Url) -> Box<dyn Stream> {
        self.try_connect(url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// The same where it may be that nobody is there.
    pub(crate) async fn try_connect(&self, url: &Url) -> std::io::Result<Box<dyn Stream>> {
        let address = self.address(url).unwrap_or_else(|| panic!("{url} leads nowhere"));
        let tcp = TcpStream::connect(address).await?;
        if url.scheme() != "https" {
            return Ok(Box::new(tcp));
        }
        let tls = self.tls.clone().expect("https needs somebody to trust");
        let name = ServerName::try_from(url.host_str().expect("a host").to_owned()).expect("a name");
        let connector = tokio_rustls::TlsConnector::from(tls);
        Ok(Box::new(connector.connect(name, tcp).await?))
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, url: &Url, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let exchange = async {
            let io = TokioIo::new(self.connect(url).await);
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1 begins");
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap_or_else(|error| panic!("no answer from {url}: {error}"))
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| panic!("{url} took too long"))
    }
}

fn place(url: &Url) -> (String, u16) {
    let host = url.host_str().expect("a URL with a host").to_ascii_lowercase();
    (host, url.port_or_known_default().expect("a scheme with a port"))
}

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    async fn read(url: Url, response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let octets = tokio::time::timeout(PATIENCE, body.collect()).await;
        let octets = octets.expect("the body ends").expect("the body is whole").to_bytes();
        let body = String::from_utf8_lossy(&octets).into_owned();
        Self { url, status: head.status, headers: head.headers, body }
    }

    /// A header as text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of plain text"))
    }

    /// Where a redirect leads.
    pub(crate) fn location(&self) -> Option<Url> {
        let location = self.headers.get(LOCATION)?.to_str().expect("a plain location");
        Some(self.url.join(location).expect("a location that a browser can read"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The forms of the page.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let mut rest = self.body.as_str();
        let mut forms = Vec::new();
        while let Some((_, from)) = rest.split_once("<form") {
            let (form, after) = from.split_once("</form>").expect("a form ends");
            forms.push(Form::read(form, &self.url));
            rest = after;
        }
        forms
    }

    /// The form that posts to a path.
    pub(crate) fn form(&self, path: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action.path() == path);
        found.unwrap_or_else(|| panic!("no form for {path} on {}: {}", self.url, self.body))
    }

    /// Fails unless the status is this one.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {:?} {}", self.url, self.headers, self.body);
        self
    }
}

/// A form of a page, to be filled in and sent.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) action: Url,
    pub(crate) method: Method,
    pub(crate) fields: Vec<(String, String)>,
    /// The texts of its buttons.
    pub(crate) buttons: Vec<String>,
}

impl Form {
    fn read(html: &str, page: &Url) -> Self {
        let (head, content) = html.split_once('>').expect("a tag ends");
        let action = attribute(head, "action").unwrap_or_default();
        let is_post = attribute(head, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
        let mut form = Self {
            action: page.join(&action).expect("an action that a browser can read"),
            method: if is_post { Method::POST } else { Method::GET },
            fields: Vec::new(),
            buttons: Vec::new(),
        };
        let mut select: Option<(String, Option<String>, Option<String>)> = None;
        for tag in content.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').unwrap_or((tag, ""));
            if tag.starts_with("input") {
                form.read_input(tag);
            } else if tag.starts_with("textarea") {
                let name = attribute(tag, "name").expect("a name");
                form.fields.push((name, unescaped(text.strip_prefix('\n').unwrap_or(text))));
            } else if tag.starts_with("select") {
                select = Some((attribute(tag, "name").expect("a name"), None, None));
            } else if tag.starts_with("option") {
                let (_, first, chosen) = select.as_mut().expect("options stand in a select");
                let value = attribute(tag, "value").expect("a value");
                first.get_or_insert_with(|| value.clone());
                if tag.ends_with(" selected") {
                    *chosen = Some(value);
                }
            } else if tag.starts_with("/select") {
                let (name, first, chosen) = select.take().expect("a select ends once");
                form.fields.push((name, chosen.or(first).unwrap_or_default()));
            } else if tag.starts_with("button") {
                let from = content.split_once(&format!("<{tag}>")).map_or(text, |(_, from)| from);
                let (label, _) = from.split_once("</button>").unwrap_or((text, ""));
                form.buttons.push(text_of(label));
            }
        }
        form
    }

    fn read_input(&mut self, tag: &str) {
        let of_type = attribute(tag, "type").unwrap_or_default();
        let is_box = matches!(of_type.as_str(), "checkbox" | "radio");
        let is_sent = !matches!(of_type.as_str(), "submit" | "file") && (!is_box || tag.contains(" checked"));
        if let Some(name) = attribute(tag, "name").filter(|_| is_sent) {
            self.fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }

    /// Ticks a box.
    pub(crate) fn tick(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the ticks out of all boxes of a name.
    pub(crate) fn clear(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self
    }

    /// Types into a field, which must be there.
    pub(crate) fn fill(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(field, _)| field == name);
        value.clone_into(&mut field.unwrap_or_else(|| panic!("no field {name}")).1);
        self
    }

    /// What a field holds.
    pub(crate) fn value(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map_or_else(|| panic!("no field {name}"), |(_, value)| value)
    }
}

/// The value of an attribute of a tag, unescaped.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, from) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(from.split_once('"')?.0))
}

/// HTML without its tags, unescaped, with single spaces.
pub(crate) fn text_of(html: &str) -> String {
    let plain: String = html.split('<').enumerate().fold(String::new(), |text, (at, part)| {
        text + if at == 0 { part } else { part.split_once('>').map_or("", |(_, after)| after) } + " "
    });
    unescaped(&plain).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescaped(text: &str) -> String {
    let named =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#x27;", "'")];
    let numbered = [("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&#x2f;", "/"), ("&amp;", "&")];
    named.iter().chain(&numbered).fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A cookie that a browser keeps.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) value: String,
    host: String,
    domain: Option<String>,
    path: String,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    same_site: SameSite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SameSite {
    Strict,
    Lax,
    None,
}

/// Why a request is sent, as far as cookies and `Sec-Fetch-*` care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The whole page changes.
    Navigation,
    /// A script asks.
    Script,
}

/// One browser profile.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) net: Net,
    jar: Vec<Kept>,
    /// Every address that was navigated to, redirects too.
    pub(crate) history: Vec<Url>,
}

impl Browser {
    /// A browser without any cookie.
    pub(crate) fn new(net: &Net) -> Self {
        Self { net: net.clone(), jar: Vec::new(), history: Vec::new() }
    }

    // What a person does

    /// Types an address, and follows redirects to the end or to elsewhere.
    pub(crate) async fn open(&mut self, url: &Url) -> Page {
        self.navigate(Method::GET, url.clone(), None, None).await
    }

    /// Follows a link of a page.
    pub(crate) async fn follow(&mut self, page: &Page, href: &str) -> Page {
        let url = page.url.join(href).expect("a link that a browser can read");
        self.navigate(Method::GET, url, Some(page.url.clone()), None).await
    }

    /// Sends a form of a page.
    pub(crate) async fn submit(&mut self, page: &Page, form: &Form) -> Page {
        self.post_from(&page.url, &form.action, &form.fields).await
    }

    /// Sends a form that stands on a page of ours or elsewhere.
    pub(crate) async fn post_from(&mut self, page: &Url, to: &Url, fields: &[(String, String)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.navigate(Method::POST, to.clone(), Some(page.clone()), Some(body)).await
    }

    /// Sends octets as if they were a form.
    pub(crate) async fn post_octets(
        &mut self,
        page: &Url,
        to: &Url,
        content_type: &str,
        octets: &[u8],
    ) -> Page {
        let body = Some((content_type.to_owned(), Bytes::copy_from_slice(octets)));
        self.navigate_with(Method::POST, to.clone(), Some(page.clone()), body).await
    }

    /// Sends a form with a file, as `multipart/form-data`.
    pub(crate) async fn upload(&mut self, page: &Page, form: &Form, (name, octets): (&str, &[u8])) -> Page {
        let mut body = Vec::new();
        for (field, value) in &form.fields {
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n");
            body.extend(format!("{head}{value}\r\n").into_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.file\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend(head.into_bytes());
        body.extend(octets);
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let body = Some((content_type, Bytes::from(body)));
        self.navigate_with(Method::POST, form.action.clone(), Some(page.url.clone()), body).await
    }

    // What a script does

    /// Asks for something without leaving the page, and does not follow redirects.
    pub(crate) async fn fetch(&mut self, url: &Url, headers: &[(&str, &str)]) -> Page {
        let response = self.stream(url, headers).await;
        Page::read(url.clone(), response).await
    }

    /// Asks for something, and leaves the body to be read as it comes.
    pub(crate) async fn stream(&mut self, url: &Url, headers: &[(&str, &str)]) -> Response<Incoming> {
        let mut request = Self::request(Method::GET, url, None);
        let sent = request.headers_mut();
        sent.insert(ACCEPT, HeaderValue::from_static("*/*"));
        insert_fetch_metadata(sent, "cors", "empty", "same-origin");
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a header name");
            sent.insert(name, value.parse().expect("a header value"));
        }
        self.exchange(url, request, Some(url), Cause::Script).await
    }

    // How it is done

    async fn navigate(&mut self, method: Method, url: Url, from: Option<Url>, body: Option<String>) -> Page {
        let form = "application/x-www-form-urlencoded".to_owned();
        self.navigate_with(method, url, from, body.map(|body| (form, Bytes::from(body)))).await
    }

    async fn navigate_with(
        &mut self,
        mut method: Method,
        mut url: Url,
        from: Option<Url>,
        mut body: Option<(String, Bytes)>,
    ) -> Page {
        for _ in 0..REDIRECTS_MAX {
            self.history.push(url.clone());
            let mut request = Self::request(method.clone(), &url, body.as_ref());
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static(ACCEPT_PAGE));
            let relation = from.as_ref().map_or("none", |from| relation(from, &url));
            insert_fetch_metadata(headers, "navigate", "document", relation);
            headers.insert("upgrade-insecure-requests", HeaderValue::from_static("1"));
            if let Some(from) = from.as_ref().filter(|_| method == Method::POST) {
                let origin = from.origin().ascii_serialization();
                headers.insert(ORIGIN, origin.parse().expect("an origin"));
            }
            let response = self.exchange(&url, request, from.as_ref(), Cause::Navigation).await;
            let page = Page::read(url.clone(), response).await;
            match page.location().filter(|_| page.status.is_redirection()) {
                Some(next) if self.net.knows(&next) => {
                    let keeps_method = [307, 308].contains(&page.status.as_u16());
                    if page.status == StatusCode::SEE_OTHER || method == Method::POST && !keeps_method {
                        method = Method::GET;
                        body = None;
                    }
                    url = next;
                }
                _ => return page,
            }
        }
        panic!("redirected in circles, at last to {url}");
    }

    fn request(method: Method, url: &Url, body: Option<&(String, Bytes)>) -> Request<Full<Bytes>> {
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let request = Request::builder().method(method).uri(target);
        let mut request = request
            .body(Full::new(body.map(|(_, octets)| octets.clone()).unwrap_or_default()))
            .unwrap_or_else(|error| panic!("{target}: {error}"));
        let headers = request.headers_mut();
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        headers.insert(HOST, host.parse().expect("a host"));
        headers.insert("user-agent", HeaderValue::from_static("Mozilla/5.0 (a browser without a window)"));
        if let Some((content_type, _)) = body {
            headers.insert(CONTENT_TYPE, content_type.parse().expect("plain text"));
        }
        request
    }

    async fn exchange(
        &mut self,
        url: &Url,
        mut request: Request<Full<Bytes>>,
        from: Option<&Url>,
        cause: Cause,
    ) -> Response<Incoming> {
        let is_same_site = from.is_none_or(|from| is_same_site(from, url));
        let is_safe_navigation = cause == Cause::Navigation && request.method() == Method::GET;
        let cookies = self.cookie_header(url, is_same_site, is_safe_navigation);
        if !cookies.is_empty() {
            request.headers_mut().insert(COOKIE, cookies.parse().expect("cookies are plain text"));
        }
        let response = self.net.send(url, request).await;
        for value in response.headers().get_all(SET_COOKIE) {
            self.keep(url, value.to_str().expect("a cookie of plain text"));
        }
        response
    }

    // Cookies (RFC 6265bis)

    /// What `Cookie` would say.
    pub(crate) fn cookie_header(&self, url: &Url, is_same_site: bool, is_safe_navigation: bool) -> String {
        let host = url.host_str().unwrap_or_default();
        let sent = self.jar.iter().filter(|cookie| {
            let to_host =
                cookie.domain.as_ref().map_or(cookie.host == host, |domain| is_within(host, domain));
            let to_path = url.path().starts_with(&cookie.path);
            let to_site = is_same_site
                || cookie.same_site == SameSite::None
                || cookie.same_site == SameSite::Lax && is_safe_navigation;
            to_host && to_path && to_site && (!cookie.secure || url.scheme() == "https")
        });
        sent.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect::<Vec<_>>().join("; ")
    }

    /// Takes a `Set-Cookie`, unless a browser would refuse it.
    fn keep(&mut self, url: &Url, text: &str) {
        let cookie = cookie::Cookie::parse(text.to_owned()).expect("a cookie that can be read");
        let host = url.host_str().expect("a host").to_owned();
        let domain = cookie.domain().map(|domain| domain.trim_start_matches('.').to_owned());
        let secure = cookie.secure().unwrap_or(false);
        let path = cookie.path().unwrap_or("/").to_owned();
        let is_host_bound = secure && path == "/" && domain.is_none();
        let refused = secure && url.scheme() != "https"
            || cookie.name().starts_with("__Host-") && !is_host_bound
            || cookie.name().starts_with("__Secure-") && !secure
            || domain.as_ref().is_some_and(|domain| !is_within(&host, domain));
        if refused {
            return;
        }
        let same_site = match cookie.same_site() {
            Some(cookie::SameSite::Strict) => SameSite::Strict,
            Some(cookie::SameSite::None) => SameSite::None,
            Some(cookie::SameSite::Lax) | None => SameSite::Lax,
        };
        self.jar.retain(|kept| {
            (&kept.name, &kept.host, &kept.domain, &kept.path)
                != (&cookie.name().to_owned(), &host, &domain, &path)
        });
        let gone = cookie.max_age().is_some_and(|age| !age.is_positive())
            || cookie.expires_datetime().is_some_and(|at| at.year() < 2000);
        if !gone {
            self.jar.push(Kept {
                name: cookie.name().to_owned(),
                value: cookie.value().to_owned(),
                host,
                domain,
                path,
                secure,
                http_only: cookie.http_only().unwrap_or(false),
                same_site,
            });
        }
    }

    /// A cookie of a host by the name it has with or without the `__Host-` prefix.
    pub(crate) fn cookie(&self, url: &Url, name: &str) -> Option<&Kept> {
        let host = url.host_str().unwrap_or_default();
        let is_named = |kept: &&Kept| kept.name == name || kept.name == format!("__Host-{name}");
        self.jar.iter().filter(|kept| kept.host == host).find(is_named)
    }

    /// Puts a cookie into the jar, as somebody with the developer tools could.
    pub(crate) fn plant(&mut self, url: &Url, name: &str, value: &str) {
        let secure = if url.scheme() == "https" { "; Secure" } else { "" };
        self.keep(url, &format!("{name}={value}; Path=/{secure}"));
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.jar.clear();
    }
}

fn insert_fetch_metadata(
    headers: &mut HeaderMap,
    mode: &'static str,
    destination: &'static str,
    site: &'static str,
) {
    headers.insert("sec-fetch-mode", HeaderValue::from_static(mode));
    headers.insert("sec-fetch-dest", HeaderValue::from_static(destination));
    headers.insert("sec-fetch-site", HeaderValue::from_static(site));
}

fn relation(from: &Url, to: &Url) -> &'static str {
    if is_same_origin(from, to) {
        "same-origin"
    } else if is_same_site(from, to) {
        "same-site"
    } else {
        "cross-site"
    }
}

fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

fn is_same_site(one: &Url, other: &Url) -> bool {
    let site = |url: &Url| {
        let labels: Vec<String> =
            url.host_str().unwrap_or_default().rsplit('.').take(2).map(str::to_owned).collect();
        (url.scheme().to_owned(), labels)
    };
    site(one) == site(other)
}

fn is_within(host: &str, domain: &str) -> bool {
    host == domain || host.ends_with(&format!(".{domain}"))
}

/// What no test uploads.
const BOUNDARY: &str = "----aBoundaryThatNoFileHolds";

/// More than any sign-on needs.
const REDIRECTS_MAX: usize = 12;

/// The events of a `text/event-stream`, one after the other.
pub(crate) struct Events {
    body: Incoming,
    buffer: String,
}

impl Events {
    /// Listens; fails unless the answer is an event stream.
    pub(crate) fn of(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        assert!(
            content_type.is_some_and(|value| value.starts_with(b"text/event-stream")),
            "{content_type:?}"
        );
        Self { body: response.into_body(), buffer: String::new() }
    }

    /// The next event with a name: its name and data. `None` when the stream ends.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
                };
                let (name, data) = (field("event:"), field("data:"));
                let rest = rest.to_owned();
                self.buffer = rest;
                if !name.is_empty() {
                    return Some((name, data));
                }
                continue;
            }
            let frame =
                tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("the stream goes on")?;
            let data = frame.ok()?.into_data().unwrap_or_default();
            self.buffer.push_str(std::str::from_utf8(&data).expect("events are UTF-8"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn cookies_go_where_a_browser_would_send_them() {
        let mut browser = Browser::new(&Net::default());
        let app = url("https://app.example.com/");
        for cookie in [
            "__Host-a=1; Secure; Path=/; SameSite=Lax",
            "__Host-b=1; Path=/",
            "__Host-c=1; Secure; Path=/; Domain=example.com",
            "d=1; Domain=example.com; SameSite=None; Secure",
            "e=1; SameSite=Strict",
            "f=1; Path=/deep",
            "g=1; Domain=example.org",
        ] {
            browser.keep(&app, cookie);
        }
        browser.keep(&url("http://app.example.com/"), "h=1; Secure");
        let sent = |to: &str, is_same_site, is_safe| browser.cookie_header(&url(to), is_same_site, is_safe);
        assert_eq!(sent("https://app.example.com/", true, false), "__Host-a=1; d=1; e=1");
        assert_eq!(sent("https://app.example.com/deep/x", false, true), "__Host-a=1; d=1; f=1");
        assert_eq!(sent("https://app.example.com/", false, false), "d=1");
        assert_eq!(sent("https://login.example.com/", true, true), "d=1");
        assert_eq!(sent("http://app.example.com/", true, true), "e=1");
        browser.keep(&app, "e=; Max-Age=0; Path=/");
        assert_eq!(browser.cookie_header(&app, true, true), "__Host-a=1; d=1");
    }

    #[test]
    fn forms_are_read_with_their_fields_and_buttons() {
        let page = Page {
            url: url("http://app.localhost/x"),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: "<form method=\"post\" action=\"/go\"><input type=\"hidden\" name=\"to\" value=\"/a?b=1&amp;c\">\
                   <input name=\"email\"><button type=\"submit\"><b>Log In</b> with it</button></form>"
                .to_owned(),
        };
        let form = page.form("/go").fill("email", "mia@contoso.com");
        assert_eq!(form.method, Method::POST);
        assert_eq!(form.value("to"), "/a?b=1&c");
        assert_eq!(form.value("email"), "mia@contoso.com");
        assert_eq!(form.buttons, ["Log In with it"]);
    }

    #[test]
    fn sites_are_told_apart() {
        let check = |one: &str, other: &str| relation(&url(one), &url(other));
        assert_eq!(check("https://app.example.com/", "https://login.example.com/"), "same-site");
        assert_eq!(check("http://app.localhost:1/", "http://login.localhost:1/"), "cross-site");
        assert_eq!(check("https://login.microsoftonline.com/", "https://app.example.com/"), "cross-site");
        assert_eq!(check("https://app.example.com/a", "https://app.example.com/b"), "same-origin");
    }
}
