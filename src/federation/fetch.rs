//! One request for metadata, and what may come back.
//!
//! Separate because here Anteroom is a client of a server that somebody else runs: everything is bounded, nothing is
//! followed, and what is connected to is the very address that was checked.
//!
//! Rules: HTTP/1.1 on a connection of its own; no cookies, no credentials, no compression, no redirect (whoever runs
//! the server moves, an operator writes the new address); at most 2 MiB, ten seconds for all, five to connect.

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, ETAG, HOST, HeaderName, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use super::addresses::Reach;
use super::location;
use crate::store::Validators;

/// Whom to ask, and whom to believe.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whose certificates are good.
    pub roots: Roots,
    /// Where requests may go.
    pub reach: Reach,
    /// How much and how long.
    pub limits: Limits,
}

/// Whose certificates are good.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// Those that this machine trusts.
    #[default]
    System,
    /// These authorities alone.
    Given(Vec<CertificateDer<'static>>),
}

/// The bounds of a request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the address to the whole document.
    pub total: Duration,
    /// For one connection.
    pub connect: Duration,
    /// The most that a document may have.
    pub octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: Duration::from_secs(10), connect: Duration::from_secs(5), octets: 2 * 1024 * 1024 }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The document has not changed.
    Same(Validators),
    /// A document.
    Document {
        /// As it was sent.
        octets: Vec<u8>,
        /// How to ask for it the next time.
        validators: Validators,
    },
}

/// Why nothing usable came back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address may not be asked at all.
    #[error("metadata is fetched by https:// alone")]
    NotHttps,
    /// The name leads nowhere.
    #[error("the host {host} cannot be found")]
    Unknown {
        /// The host.
        host: String,
    },
    /// The name leads into a network that is not public.
    #[error(
        "{host} leads to {address}, which is no public address; saml.metadata_allow_private = true allows that"
    )]
    Private {
        /// The host.
        host: String,
        /// Where it leads.
        address: IpAddr,
    },
    /// Nobody listens there.
    #[error("{host} cannot be connected to ({why})")]
    Unreachable {
        /// The host.
        host: String,
        /// What the system says.
        why: String,
    },
    /// It is somebody else, or speaks no TLS.
    #[error("the certificate of {host} is not accepted, or it speaks no TLS ({why})")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// The authorities that this machine trusts cannot be read.
    #[error("no certificate authorities can be read ({why}); name them by saml.metadata_ca")]
    NoRoots {
        /// What is wrong.
        why: String,
    },
    /// What it speaks is no HTTP.
    #[error("{host} does not answer as HTTP/1.1 asks ({why})")]
    Protocol {
        /// The host.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// It took too long.
    #[error("{host} did not send the whole metadata within {}", seconds(*.limit))]
    TooSlow {
        /// The host.
        host: String,
        /// The time it had.
        limit: Duration,
    },
    /// It sends somewhere else.
    #[error(
        "{host} redirects to {to}; redirects are not followed, so write the address where the metadata is"
    )]
    Redirected {
        /// The host.
        host: String,
        /// Where to.
        to: String,
    },
    /// It answers something else than a document.
    #[error("{host} answers with status {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
    /// Nobody asked for that.
    #[error("{host} sends the metadata compressed, although it was asked not to")]
    Compressed {
        /// The host.
        host: String,
    },
    /// Too many octets.
    #[error("{host} sends more than {} MiB; use the address of the one identity provider", .limit / 1024 / 1024)]
    TooLarge {
        /// The host.
        host: String,
        /// The most that is taken.
        limit: usize,
    },
}

/// Fetches metadata.
pub struct Fetcher {
    access: Access,
    tls: OnceLock<Result<Arc<rustls::ClientConfig>, String>>,
}

impl Fetcher {
    /// One with these rights. Certificate authorities are read when they are first needed.
    #[must_use]
    pub const fn new(access: Access) -> Self {
        Self { access, tls: OnceLock::new() }
    }

    /// Where requests may go.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.access.reach
    }

    /// Asks for a document, with what was said of it the last time.
    pub async fn fetch(&self, url: &Url, known: &Validators) -> Result<Fetched, Error> {
        if !location::is_safe(url, self.access.reach) {
            return Err(Error::NotHttps);
        }
        let limit = self.access.limits.total;
        timeout(limit, self.exchange(url, known))
            .await
            .unwrap_or_else(|_| Err(Error::TooSlow { host: host_of(url), limit }))
    }

    async fn exchange(&self, url: &Url, known: &Validators) -> Result<Fetched, Error> {
        let tcp = self.connect(url).await?;
        if url.scheme() == "http" {
            return self.ask(TokioIo::new(tcp), url, known).await;
        }
        let host = host_of(url);
        let failed = |why: String| Error::Tls { host: host.clone(), why };
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| failed(error.to_string()))?;
        let connector = TlsConnector::from(self.tls()?);
        let stream = connector.connect(name, tcp).await.map_err(|error| failed(error.to_string()))?;
        self.ask(TokioIo::new(stream), url, known).await
    }

    /// A connection to an address that was checked; the name is not looked up again.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Error> {
        let host = host_of(url);
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => match tokio::net::lookup_host((name, port)).await {
                Ok(found) => found.take(ADDRESSES_MAX).collect(),
                Err(_) => Vec::new(),
            },
            None => Vec::new(),
        };
        // One that is not public among others is no accident.
        if let Some(private) = addresses.iter().find(|address| !self.access.reach.covers(address.ip())) {
            return Err(Error::Private { host, address: private.ip() });
        }
        let mut last = Error::Unknown { host: host.clone() };
        for address in addresses {
            match timeout(self.access.limits.connect, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = Error::Unreachable { host: host.clone(), why: error.to_string() },
                Err(_) => {
                    last = Error::Unreachable { host: host.clone(), why: "it does not answer".to_owned() }
                }
            }
        }
        Err(last)
    }

    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, Error> {
        let made = self.tls.get_or_init(|| client(&self.access.roots).map_err(|error| error.to_string()));
        made.clone().map_err(|why| Error::NoRoots { why })
    }

    async fn ask<T>(&self, io: TokioIo<T>, url: &Url, known: &Validators) -> Result<Fetched, Error>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let host = host_of(url);
        let failed = |error: hyper::Error| {
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            Error::Protocol { host: host.clone(), why }
        };
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD_OCTETS_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(io)
            .await
            .map_err(failed)?;
        // Ends with this call, however that ends.
        let _driven = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = request(url, known).ok_or_else(|| Error::Protocol {
            host: host.clone(),
            why: "the address cannot be sent".to_owned(),
        })?;
        let response = sender.send_request(request).await.map_err(failed)?;
        self.read(&host, response, known).await
    }

    async fn read(
        &self,
        host: &str,
        response: Response<Incoming>,
        known: &Validators,
    ) -> Result<Fetched, Error> {
        let host = || host.to_owned();
        let (head, body) = response.into_parts();
        let validators = Validators {
            etag: text_of(&head.headers, &ETAG),
            last_modified: text_of(&head.headers, &LAST_MODIFIED),
        };
        let has_asked = known.etag.is_some() || known.last_modified.is_some();
        match head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if has_asked => {
                return Ok(Fetched::Same(Validators {
                    etag: validators.etag.or_else(|| known.etag.clone()),
                    last_modified: validators.last_modified.or_else(|| known.last_modified.clone()),
                }));
            }
            status if status.is_redirection() && head.headers.contains_key(LOCATION) => {
                let to = text_of(&head.headers, &LOCATION).unwrap_or_else(|| "an address".to_owned());
                return Err(Error::Redirected { host: host(), to });
            }
            status => return Err(Error::Status { host: host(), status: status.as_u16() }),
        }
        if head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Error::Compressed { host: host() });
        }
        let limit = self.access.limits.octets;
        let too_large = || Error::TooLarge { host: host(), limit };
        if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limit {
            return Err(too_large());
        }
        let mut octets = Vec::new();
        let mut body = body;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Error::Protocol { host: host(), why: error.to_string() })?;
            let Ok(data) = frame.into_data() else { continue };
            if octets.len().saturating_add(data.len()) > limit {
                return Err(too_large());
            }
            octets.extend_from_slice(&data);
        }
        Ok(Fetched::Document { octets, validators })
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("access", &self.access).finish_non_exhaustive()
    }
}

fn client(roots: &Roots) -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = match roots {
        Roots::System => builder.with_platform_verifier()?.with_no_client_auth(),
        Roots::Given(authorities) => {
            let mut store = rustls::RootCertStore::empty();
            for authority in authorities {
                store.add(authority.clone())?;
            }
            builder.with_root_certificates(store).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn request(url: &Url, known: &Validators) -> Option<Request<Empty<Bytes>>> {
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = url.port().map_or_else(|| host_of(url), |port| format!("{}:{port}", host_of(url)));
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(target)
        .header(HOST, host)
        .header(USER_AGENT, concat!("Anteroom/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1")
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close");
    for (name, value) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)] {
        if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
            request = request.header(name, value);
        }
    }
    request.body(Empty::new()).ok()
}

/// A header of visible text that is not too long to be kept or shown.
fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty() && text.len() <= HEADER_OCTETS_MAX).then(|| text.to_owned())
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

const ADDRESSES_MAX: usize = 8;
const HEAD_OCTETS_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
const HEADER_OCTETS_MAX: usize = 300;
