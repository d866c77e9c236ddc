//! Who is at the other end of a connection, and the name of each request.
//!
//! Separate because `server` makes a [`Peer`] once per connection and `routes` and `proxy` ask it: what the
//! peer says about others (`X-Forwarded-*`) is believed only when its address is configured (T-D3).

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use rustls::{CipherSuite, ProtocolVersion};

use crate::http1::fields::{Fields, Known};
use crate::id::Randomness;
use crate::sign_on::Familiar;

/// The header that carries a request's name.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken over from a trusted peer, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Addresses whose word about the real client is believed; none by default.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Takes the configured networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether the address is in one of the networks; an IPv4 address written as IPv6 is the same address
    /// (T-D9).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// How TLS was begun with the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The version.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub cipher: CipherSuite,
    /// How long it took.
    pub took: Duration,
}

impl Handshake {
    /// The version, e.g. `TLSv1_3`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.version.as_str().unwrap_or("unknown")
    }

    /// The cipher suite, as IANA's registry has it.
    #[must_use]
    pub fn cipher(&self) -> &'static str {
        self.cipher.as_str().unwrap_or("unknown")
    }
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address, IPv4 addresses always as such.
    pub address: SocketAddr,
    /// Whether it speaks TLS to us.
    pub tls: bool,
    /// Whether it is one of the trusted proxies.
    pub trusted: bool,
    /// How TLS was begun; taken by the first request of a connection, which had to wait for it.
    pub handshake: Cell<Option<Handshake>>,
    familiar: Familiar,
    proxies: TrustedProxies,
    text: HeaderValue,
}

impl Peer {
    /// Describes a new connection.
    #[must_use]
    pub fn new(address: SocketAddr, tls: bool, proxies: &TrustedProxies) -> Self {
        let ip = address.ip().to_canonical();
        Self {
            address: SocketAddr::new(ip, address.port()),
            tls,
            trusted: proxies.contains(ip),
            handshake: Cell::new(None),
            familiar: Familiar::default(),
            proxies: proxies.clone(),
            text: to_header_value(ip),
        }
    }

    /// Whose cookie came last over the connection; not of a trusted proxy, which carries the requests of many.
    pub(crate) fn familiar(&self) -> Option<&Familiar> {
        (!self.trusted).then_some(&self.familiar)
    }

    /// The address of the client itself: the peer's, or, from a trusted peer, the last entry of
    /// `X-Forwarded-For` that is no trusted proxy.
    pub(crate) fn client_address(&self, fields: &Fields) -> IpAddr {
        if !self.trusted {
            return self.address.ip();
        }
        let mut client = self.address.ip();
        let lines: Vec<_> = fields.all(Known::XForwardedFor).collect();
        for line in lines.into_iter().rev() {
            for entry in line.rsplit(|octet| *octet == b',') {
                let Some(address) = parse_address(entry) else { return client };
                client = address;
                if !self.proxies.contains(address) {
                    return client;
                }
            }
        }
        client
    }

    /// The peer's address as it stands in `X-Forwarded-For`.
    pub(super) const fn text(&self) -> &HeaderValue {
        &self.text
    }
}

/// Names requests, for logs and for visitors who call support: a random prefix per core, and a count.
#[derive(Debug)]
pub struct RequestIds {
    /// In hexadecimal digits, like the count.
    prefix: [u8; 16],
    count: AtomicU64,
}

impl RequestIds {
    /// Begins a new series.
    #[must_use]
    pub fn new(randomness: &dyn Randomness) -> Self {
        let mut prefix = [0_u8; 8];
        randomness.fill(&mut prefix);
        Self { prefix: digits(prefix), count: AtomicU64::new(0) }
    }

    /// The name of a request: what a trusted peer calls it in `X-Request-Id`, or a new one.
    pub(crate) fn name(&self, fields: &Fields, peer: &Peer) -> RequestId {
        let said = if peer.trusted { fields.text(Known::XRequestId).filter(|id| is_sound(id)) } else { None };
        said.map_or_else(|| self.next(), |id| RequestId(Name::Theirs(id.into())))
    }

    /// A new name.
    pub(crate) fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut name = [0; 32];
        let (first, second) = name.split_at_mut(16);
        first.copy_from_slice(&self.prefix);
        second.copy_from_slice(&digits(count.to_be_bytes()));
        RequestId(Name::Ours(name))
    }
}

/// The name that a request goes by: plain ASCII.
#[derive(Debug, Clone)]
pub struct RequestId(Name);

#[derive(Debug, Clone)]
enum Name {
    /// Hexadecimal digits.
    Ours([u8; 32]),
    /// What a trusted peer said.
    Theirs(Box<str>),
}

impl RequestId {
    /// The name that stands in a request already; an empty one if there is none.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        Self(Name::Theirs(id.unwrap_or_default().into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The same, where nobody has to be told that it is text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Name::Ours(digits) => digits,
            Name::Theirs(text) => text.as_bytes(),
        }
    }
}

fn digits(octets: [u8; 8]) -> [u8; 16] {
    let mut text = [b'0'; 16];
    for (pair, octet) in text.chunks_exact_mut(2).zip(octets) {
        for (place, digit) in pair.iter_mut().zip([octet >> 4, octet & 0xf]) {
            *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        }
    }
    text
}

fn is_sound(id: &str) -> bool {
    let plain =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b':' | b'=');
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.bytes().all(plain)
}

fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?.trim();
    let address = entry.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn to_header_value(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).expect("digits, dots and colons are valid in a header")
}
