//! The valid settings of forwarding.
//!
//! Separate because `config` builds them and everything here only reads them. An upstream or a public URL that
//! cannot work is refused when it is parsed, not when the first visitor comes.

use std::time::Duration;

use http::header::{CONTENT_TYPE, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

/// Why a URL cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not parse, or has no host.
    #[error("must be an absolute URL such as http://127.0.0.1:3000")]
    NotAUrl,
    /// Another scheme than http or https.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// TLS towards the application.
    #[error("https towards the application is not supported yet; use http:// on a trusted network")]
    TlsUpstream,
    /// A path, query, fragment or user name, which would be ignored silently.
    #[error("must have no path, query, fragment or user name")]
    MoreThanAnOrigin,
}

/// How to forward.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The application's addresses, balanced.
    pub upstreams: Vec<Upstream>,
    /// Where visitors reach the application (`app.url`).
    pub public_url: PublicUrl,
    /// Limits in time.
    pub timeouts: Timeouts,
    /// Names of our own cookies, which never reach the application and which it cannot set.
    pub own_cookie_names: Vec<String>,
    /// Names of the configured identity headers beyond `X-Anteroom-*`; removed from every request.
    pub identity_header_names: Vec<HeaderName>,
}

impl Settings {
    /// Settings with the default limits, no cookies of ours and no further identity headers.
    #[must_use]
    pub fn new(upstreams: Vec<Upstream>, public_url: PublicUrl) -> Self {
        Self {
            upstreams,
            public_url,
            timeouts: Timeouts::default(),
            own_cookie_names: Vec::new(),
            identity_header_names: Vec::new(),
        }
    }
}

/// Limits in time towards the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// One attempt to connect to one address.
    pub connect: Duration,
    /// From the last byte of the request to the first of the response.
    pub first_byte: Duration,
    /// Between two bytes of a response.
    pub idle: Duration,
    /// Between two bytes of an event stream or of a tunnel.
    pub tunnel_idle: Duration,
    /// How long an unused connection is kept; below the 5 s of common application servers.
    pub pool_idle: Duration,
    /// Between two reads of a request body.
    pub request_body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            first_byte: Duration::from_mins(1),
            idle: Duration::from_mins(5),
            tunnel_idle: Duration::from_hours(1),
            pool_idle: Duration::from_secs(4),
            request_body: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    /// The longest silence within a response with these headers.
    pub(super) fn between_bytes(&self, headers: &HeaderMap) -> Duration {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if kind.starts_with(b"text/event-stream") { self.tunnel_idle } else { self.idle }
    }
}

/// One address of the application: `http://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upstream {
    host: String,
    port: u16,
}

impl Upstream {
    /// Reads an upstream's URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = parse_origin(text)?;
        if url.scheme() == "https" {
            return Err(Error::TlsUpstream);
        }
        let host = match url.host().ok_or(Error::NotAUrl)? {
            Host::Domain(domain) => domain.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { host, port: url.port_or_known_default().ok_or(Error::NotAUrl)? })
    }

    /// The host name or address, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// Scheme, host and port under which visitors reach the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: &'static str,
    host: HeaderValue,
    port: HeaderValue,
    origin: String,
}

impl PublicUrl {
    /// Reads `app.url`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = parse_origin(text)?;
        let scheme = if url.scheme() == "https" { "https" } else { "http" };
        let authority = url.authority();
        authority.parse::<Authority>().map_err(|_| Error::NotAUrl)?;
        let port = url.port_or_known_default().ok_or(Error::NotAUrl)?;
        Ok(Self {
            scheme,
            host: HeaderValue::from_str(authority).map_err(|_| Error::NotAUrl)?,
            port: HeaderValue::from(port),
            origin: format!("{scheme}://{authority}"),
        })
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Host, with the port unless it is the scheme's own: the `Host` that the application sees.
    #[must_use]
    pub const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The port as a header value.
    pub(super) const fn port(&self) -> &HeaderValue {
        &self.port
    }

    /// `scheme://host[:port]`, as browsers write it into `Origin`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether a request comes from a page of ours, as far as browsers tell; programs send no `Origin`.
    pub(super) fn is_origin_of(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| origin.as_bytes().eq_ignore_ascii_case(self.origin.as_bytes()))
    }
}

fn parse_origin(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|_| Error::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Scheme);
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(Error::MoreThanAnOrigin);
    }
    if url.has_host() { Ok(url) } else { Err(Error::NotAUrl) }
}
