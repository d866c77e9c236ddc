//! A small HTTP/1.1 server for the demo's own sites, on loopback only; mail comes in through its door too.
//!
//! Separate from `server` because what stands around Anteroom in the demo must not be served by the code that
//! it demonstrates.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

/// What a site answers with.
pub(crate) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Something that answers requests.
#[async_trait]
pub(crate) trait Site: Send + Sync + 'static {
    /// Answers one request.
    async fn answer(&self, request: Request<Incoming>) -> Reply;
}

/// A port of this machine on which a site will be.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Takes any free port.
    pub(crate) async fn bind() -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no loopback port can be opened")?;
        Ok(Self(listener))
    }

    /// The address that was taken.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let address = self.0.local_addr()?;
        ensure!(address.ip().is_loopback(), "the demo serves on loopback only");
        Ok(address)
    }

    /// Serves the site for as long as it is polled.
    pub(crate) async fn serve(self, site: Arc<dyn Site>) {
        self.accept_all(|stream| serve_connection(stream, Arc::clone(&site))).await;
    }

    /// Attends to every connection, for as long as it is polled.
    pub(crate) async fn accept_all<F>(self, attend: impl Fn(TcpStream) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(attend(stream))),
                // Out of descriptors: those that finish make room.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, site: Arc<dyn Site>) {
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    // An error is the peer's going away, which browsers do all the time.
    drop(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// A page.
pub(crate) fn html(status: StatusCode, page: String) -> Reply {
    with_type(status, "text/html; charset=utf-8", page)
}

/// Any other text.
pub(crate) fn with_type(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(content.into()).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The fields of a posted form; `None` if it is too large or no form.
pub(crate) async fn form_of(request: Request<Incoming>) -> Option<Vec<(String, String)>> {
    let body = Limited::new(request.into_body(), FORM_OCTETS_MAX).collect().await.ok()?.to_bytes();
    Some(url::form_urlencoded::parse(&body).into_owned().collect())
}

/// The first field of that name.
pub(crate) fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

const FORM_OCTETS_MAX: usize = 256 * 1024;
const HEADER_READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
