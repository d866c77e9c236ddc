//! A visitor of the tour: as much of a browser as the story needs, over real HTTP.
//!
//! Separate because a test that calls our functions would prove less than one that knocks on the door: cookies,
//! redirects, forms and event streams are handled here as a browser handles them.
//!
//! Rules: every host name of the demo is this machine (`app.localhost` need not resolve), so connections go to
//! 127.0.0.1 and nowhere else; everything that is read has a bound, everything that is waited for a deadline.

mod cookies;
mod events;
mod html;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::demo::visitor::cookies::Cookies;

pub(crate) use events::Events;
pub(crate) use html::{Form, Link};

/// One person with one browser.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    cookies: Cookies,
}

/// What the browser shows in the end.
#[derive(Debug)]
pub(crate) struct Page {
    /// The address in the address bar.
    pub(crate) url: Url,
    /// The answer's status.
    pub(crate) status: StatusCode,
    /// The answer's text.
    pub(crate) text: String,
}

/// What starts a navigation.
struct Navigation {
    method: Method,
    body: Bytes,
    /// Where a form was posted from; `None` for an address typed in.
    from: Option<Url>,
}

impl Visitor {
    /// Types an address, and goes where it leads.
    pub(crate) async fn open(&mut self, url: &Url) -> anyhow::Result<Page> {
        self.navigate(url.clone(), Navigation { method: Method::GET, body: Bytes::new(), from: None }).await
    }

    /// Sends a form of a page, and goes where it leads.
    pub(crate) async fn submit(&mut self, page: &Page, form: Form) -> anyhow::Result<Page> {
        let fields = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form.fields).finish();
        let mut target = page.url.join(&form.action)?;
        let from = Some(page.url.clone());
        if form.is_post {
            let navigation = Navigation { method: Method::POST, body: fields.into(), from };
            return self.navigate(target, navigation).await;
        }
        target.set_query(Some(&fields));
        self.navigate(target, Navigation { method: Method::GET, body: Bytes::new(), from }).await
    }

    /// Asks as a script of the page would: wants JSON, and takes the answer as it is.
    pub(crate) async fn fetch(&mut self, url: &Url) -> anyhow::Result<Page> {
        let request = self
            .request(Method::GET, url)
            .header(header::ACCEPT, "application/json")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
            .header("sec-fetch-site", "same-origin")
            .body(Full::default())?;
        let response = self.send(url, request).await?;
        read(url.clone(), response).await
    }

    /// Opens an event stream as `EventSource` does.
    pub(crate) async fn events(&mut self, url: &Url) -> anyhow::Result<Events> {
        let request = self
            .request(Method::GET, url)
            .header(header::ACCEPT, "text/event-stream")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
            .header("sec-fetch-site", "same-origin")
            .body(Full::default())?;
        let response = self.send(url, request).await?;
        Events::of(response)
    }

    async fn navigate(&mut self, mut url: Url, mut navigation: Navigation) -> anyhow::Result<Page> {
        let mut site = "none";
        for _ in 0..REDIRECTS_MAX {
            if let Some(from) = &navigation.from
                && site != "cross-site"
            {
                site = if from.origin() == url.origin() { "same-origin" } else { "cross-site" };
            }
            let response = self.step(&url, &navigation, site).await?;
            let Some(location) = response.headers().get(header::LOCATION) else {
                return read(url, response).await;
            };
            ensure!(response.status() == StatusCode::SEE_OTHER, "redirected by {}", response.status());
            let next = url.join(location.to_str()?)?;
            navigation = Navigation {
                method: Method::GET,
                body: Bytes::new(),
                from: navigation.from.is_some().then_some(url),
            };
            url = next;
        }
        bail!("more than {REDIRECTS_MAX} redirects, the last to {url}")
    }

    async fn step(
        &mut self,
        url: &Url,
        navigation: &Navigation,
        site: &'static str,
    ) -> anyhow::Result<Response<Incoming>> {
        let is_post = navigation.method == Method::POST;
        let mut request = Request::builder()
            .method(&navigation.method)
            .uri(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
            .header(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-user", "?1")
            .header("sec-fetch-site", site);
        if let Some(cookies) = self.cookies.for_request(url, is_post && site == "cross-site") {
            request = request.header(header::COOKIE, cookies);
        }
        if is_post {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            if let Some(from) = &navigation.from {
                request = request.header(header::ORIGIN, from.origin().ascii_serialization());
            }
        }
        self.send(url, request.body(Full::new(navigation.body.clone()))?).await
    }

    fn request(&self, method: Method, url: &Url) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned());
        match self.cookies.for_request(url, false) {
            Some(cookies) => request.header(header::COOKIE, cookies),
            None => request,
        }
    }

    async fn send(&mut self, url: &Url, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        let response = send(url, request).await?;
        self.cookies.keep(url, response.headers());
        Ok(response)
    }
}

impl Page {
    /// The form that posts to this path.
    pub(crate) fn form_to(&self, path: &str) -> anyhow::Result<Form> {
        self.form_where(&format!("to {path}"), |form| {
            self.url.join(&form.action).is_ok_and(|target| target.path() == path)
        })
    }

    /// The value of the first attribute of that name.
    pub(crate) fn attribute(&self, name: &str) -> anyhow::Result<String> {
        html::first_attribute(&self.text, name)
            .ok_or_else(|| anyhow!("{} has no attribute {name}", self.url.path()))
    }

    /// All its links.
    pub(crate) fn links(&self) -> Vec<Link> {
        html::links(&self.text)
    }

    /// The first id of a New User request that it shows.
    pub(crate) fn request_id(&self) -> Option<String> {
        let words = self.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.filter(|word| word.len() == 12 && word.starts_with("R-")).map(str::to_owned).next()
    }

    /// The form that has a field of this value.
    pub(crate) fn form_with(&self, name: &str, value: &str) -> anyhow::Result<Form> {
        self.form_where(&format!("with {name}={value}"), |form| {
            form.fields.iter().any(|(key, field)| key == name && field == value)
        })
    }

    fn form_where(&self, what: &str, fits: impl Fn(&Form) -> bool) -> anyhow::Result<Form> {
        html::forms(&self.text)
            .into_iter()
            .find(|form| fits(form))
            .ok_or_else(|| anyhow!("{} has no form {what}", self.url.path()))
    }
}

/// Sends one request on a connection of its own.
pub(crate) async fn send(url: &Url, mut request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
    let host = url.host_str().unwrap_or_default();
    let is_local = host == "127.0.0.1" || host == "localhost" || host.ends_with(".localhost");
    ensure!(url.scheme() == "http" && is_local, "the story leads away from this machine, to {url}");
    let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
    request.headers_mut().insert(header::HOST, authority.parse()?);

    let port = url.port_or_known_default().unwrap_or(80);
    let exchange = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the response's body; its errors show there too.
        drop(tokio::spawn(connection));
        anyhow::Ok(sender.send_request(request).await?)
    };
    timeout(ANSWER_TIMEOUT, exchange)
        .await
        .with_context(|| format!("no answer from {authority} within {} s", ANSWER_TIMEOUT.as_secs()))?
        .with_context(|| format!("{authority} cannot be reached"))
}

async fn read(url: Url, response: Response<Incoming>) -> anyhow::Result<Page> {
    let (head, body) = response.into_parts();
    let body = timeout(ANSWER_TIMEOUT, Limited::new(body, PAGE_OCTETS_MAX).collect())
        .await
        .with_context(|| format!("{url} does not end"))?
        .map_err(|error| anyhow!("{url} cannot be read: {error}"))?;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok(Page { url, status: head.status, text })
}

const REDIRECTS_MAX: usize = 10;
const PAGE_OCTETS_MAX: usize = 1024 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
