//! The valid settings of forwarding.
//!
//! Separate because `config` builds them and everything here only reads them. An upstream or a public URL that
//! cannot work is refused when it is parsed, not when the first visitor comes.

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

use crate::http1::fields::{Fields, Known};

use super::Tallies;
use super::routes::Routes;
use super::upstream::{Resolve, State, SystemResolver, Tls};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Why a URL cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not parse, or has no host.
    #[error("must be an absolute URL such as http://127.0.0.1:3000")]
    NotAUrl,
    /// Another scheme than those that are spoken there.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A path, query, fragment or user name, which would be ignored silently.
    #[error("must have no path, query, fragment or user name")]
    MoreThanAnOrigin,
}

/// How to forward.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The application's addresses, balanced.
    pub upstreams: Vec<Upstream>,
    /// How TLS is spoken to those whose URL says so; without it they cannot be reached.
    pub tls: Option<Tls>,
    /// Who turns their names into addresses.
    pub resolver: Arc<dyn Resolve>,
    /// How requests are distributed among them.
    pub balance: Balance,
    /// Which requests may have a connection that was used before.
    pub reuse: Reuse,
    /// What is known of them; shared by all cores.
    pub state: State,
    /// What is counted of them; for new settings, that of the old ones goes on.
    pub tallies: Tallies,
    /// Where visitors reach the application (`app.url`).
    pub public_url: PublicUrl,
    /// Limits in time.
    pub timeouts: Timeouts,
    /// What differs for some paths.
    pub routes: Routes,
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
            tls: None,
            resolver: Arc::new(SystemResolver),
            balance: Balance::default(),
            reuse: Reuse::default(),
            state: State::default(),
            tallies: Tallies::default(),
            public_url,
            timeouts: Timeouts::default(),
            routes: Routes::default(),
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
    /// The TLS handshake with it.
    pub handshake: Duration,
    /// For an upstream that has as many requests as it may have to be done with one.
    pub queue: Duration,
    /// From the last byte of the request to the first of the response.
    pub first_byte: Duration,
    /// Between two bytes of a response.
    pub idle: Duration,
    /// Between two bytes of an event stream or of a tunnel.
    pub tunnel_idle: Duration,
    /// How long an upstream that fails is asked last; twice as long each time in a row, up to sixty times.
    pub rest: Duration,
    /// How long an unused connection is kept; below the 5 s of common application servers.
    pub pool_idle: Duration,
    /// The same for a connection of HTTP/2, whose server says when it goes away.
    pub streams_idle: Duration,
    /// How often a connection of HTTP/2 that carries requests is asked whether it lives.
    pub ping: Duration,
    /// How long the answer to that may take.
    pub pong: Duration,
    /// Between two reads of a request body.
    pub request_body: Duration,
    /// How long a request body may be waited for in all before it counts how fast it comes.
    pub request_body_grace: Duration,
    /// The fewest bytes a second that must come on average while it is waited for; `None` is any number.
    pub request_body_rate_min: Option<NonZero<u64>>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            handshake: Duration::from_secs(5),
            queue: Duration::from_secs(1),
            first_byte: Duration::from_mins(1),
            idle: Duration::from_mins(5),
            tunnel_idle: Duration::from_hours(1),
            rest: Duration::from_secs(1),
            pool_idle: Duration::from_secs(4),
            streams_idle: Duration::from_mins(1),
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(20),
            request_body: Duration::from_secs(30),
            request_body_grace: Duration::from_secs(30),
            request_body_rate_min: NonZero::new(240),
        }
    }
}

impl Timeouts {
    /// The longest silence within a response with these headers.
    pub(super) fn between_bytes(&self, fields: &Fields) -> Duration {
        let kind = fields.get(Known::ContentType).unwrap_or_default();
        if kind.starts_with(b"text/event-stream") { self.tunnel_idle } else { self.idle }
    }
}

/// How requests are distributed among upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// Whether the requests of a session go to the same upstream as long as that lives.
    pub sticky: bool,
    /// Requests that one upstream has at a time; `None` is as many as come.
    pub requests_max: Option<NonZero<usize>>,
    /// How old the address of a name may be before it is asked for again.
    pub dns_refresh: Duration,
    /// How upstreams are asked whether they are well, apart from the requests that they get.
    pub check: Option<Check>,
    /// Answers of 502, 503 or 504 in a row after which an upstream is asked last; 0 is however many.
    pub excuses_max: u32,
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            sticky: false,
            requests_max: None,
            dns_refresh: Duration::from_secs(30),
            check: None,
            excuses_max: 0,
        }
    }
}

/// Which requests may have a connection of HTTP/1.1 that was used before, and may be closing at the other end.
/// Those of HTTP/2 are shared in any case: their servers say which requests they have not looked at (RFC 9113 6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reuse {
    /// All; one that cannot be repeated only if the connection was in use a moment ago.
    #[default]
    Always,
    /// Those that are sent once more where the connection is found closed.
    Safe,
    /// None: each has its own.
    Never,
}

impl Reuse {
    /// How long ago a connection may have been in use that a request gets; `None` is that it gets none.
    pub(super) fn fresh(self, is_replayable: bool, pool_idle: Duration) -> Option<Duration> {
        match (self, is_replayable) {
            (Self::Always | Self::Safe, true) => Some(pool_idle),
            (Self::Always, false) => Some(pool_idle / 4),
            (Self::Safe, false) | (Self::Never, _) => None,
        }
    }
}

/// A request that a healthy upstream answers with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked for.
    pub path: PathAndQuery,
    /// How often.
    pub every: Duration,
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `http://`: HTTP/1.1 in clear text.
    Http,
    /// `https://`: TLS; HTTP/2 inside if that is wanted and the upstream agrees.
    Https,
    /// `h2c://`: HTTP/2 in clear text, without asking first (RFC 9113 3.3).
    H2c,
}

impl Protocol {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }
}

/// One address of the application: `http://`, `https://` or `h2c://`, a host, and a port if it is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upstream {
    protocol: Protocol,
    host: String,
    port: u16,
}

impl Upstream {
    /// Reads an upstream's URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let of_streams = text.strip_prefix("h2c://").map(|rest| format!("http://{rest}"));
        let url = parse_origin(of_streams.as_deref().unwrap_or(text))?;
        let protocol = match (url.scheme(), &of_streams) {
            ("http", Some(_)) => Protocol::H2c,
            ("http", None) => Protocol::Http,
            _ => Protocol::Https,
        };
        let host = match url.host().ok_or(Error::NotAUrl)? {
            Host::Domain(domain) => domain.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { protocol, host, port: url.port_or_known_default().ok_or(Error::NotAUrl)? })
    }

    /// How it is spoken to.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
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

/// As a URL, always with its port.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (self.protocol.scheme(), &self.host, self.port);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

/// Scheme, host and port under which visitors reach the application.
#[derive(Debug, Clone)]
pub struct PublicUrl {
    scheme: &'static str,
    host: HeaderValue,
    origin: String,
    /// What says so to the application, where nothing has to be put together for it any more.
    host_field: Fields,
    forwarded_fields: Fields,
}

impl PublicUrl {
    /// Reads `app.url`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = parse_origin(text)?;
        let scheme = if url.scheme() == "https" { "https" } else { "http" };
        let authority = url.authority();
        authority.parse::<Authority>().map_err(|_| Error::NotAUrl)?;
        let port = url.port_or_known_default().ok_or(Error::NotAUrl)?;
        let host = HeaderValue::from_str(authority).map_err(|_| Error::NotAUrl)?;
        let fields =
            |pairs: &[(HeaderName, HeaderValue)]| Fields::from(&pairs.iter().cloned().collect::<HeaderMap>());
        Ok(Self {
            host_field: fields(&[(HOST, host.clone())]),
            forwarded_fields: fields(&[
                (X_FORWARDED_HOST, host.clone()),
                (X_FORWARDED_PORT, HeaderValue::from(port)),
                (X_FORWARDED_PROTO, HeaderValue::from_static(scheme)),
            ]),
            origin: format!("{scheme}://{authority}"),
            scheme,
            host,
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

    /// `Host`.
    pub(super) const fn host_field(&self) -> &Fields {
        &self.host_field
    }

    /// `X-Forwarded-Host`, `-Port` and `-Proto`.
    pub(super) const fn forwarded_fields(&self) -> &Fields {
        &self.forwarded_fields
    }

    /// `scheme://host[:port]`, as browsers write it into `Origin`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether a request comes from a page of ours, as far as browsers tell; programs send no `Origin`.
    pub(super) fn is_origin_of(&self, fields: &Fields) -> bool {
        fields.all(Known::Origin).all(|origin| origin.eq_ignore_ascii_case(self.origin.as_bytes()))
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
