//! `[listen]`: where Anteroom answers, and with which certificates.
//!
//! Separate, as every section has a file with its valid form and its rules; a certificate that does not fit
//! its key is found here and not by the first visitor.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::secret::Secret;
use crate::server::{Greeting, KeyPair, Sharing, Sockets, WhenFull};

use super::reading::{Fault, Read, Reading, Told};
use super::{file, size, time};

/// The listeners.
#[derive(Debug, Clone)]
pub struct Listen {
    /// For people.
    pub public: SocketAddr,
    /// For whoever operates Anteroom.
    pub ops: SocketAddr,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How they begin a connection.
    pub greeting: Greeting,
    /// Whether another process may listen on the same addresses.
    pub sharing: Sharing,
    /// In which protocols a WebSocket can be asked for.
    pub sockets: Sockets,
    /// How many may come in, and how long they may stay when it is time to go.
    pub room: Room,
    /// Certificates, the first for clients that name no host; empty: plain HTTP.
    pub tls: Vec<Pair>,
}

/// How many may come in, and how long they may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Connections at one time.
    pub connections: usize,
    /// Connections at one time from one address.
    pub connections_per_address: Option<NonZero<u32>>,
    /// What becomes of further ones.
    pub when_full: WhenFull,
    /// The memory that counts as all, in bytes.
    pub memory_max: Option<u64>,
    /// How long new connections are accepted after the word to stop.
    pub pre_drain: Duration,
    /// How long requests may go on after that.
    pub grace: Duration,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The file with the certificate.
    pub certificate: PathBuf,
    /// The host names that it is for, in lower case.
    pub names: Vec<String>,
    /// When it lapses.
    pub not_after: jiff::Timestamp,
    /// Both, as they stand in their files.
    pub octets: KeyPair,
}

impl Pair {
    /// Whether a client that asks for this host accepts the certificate (RFC 9525 6.3).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.names.iter().any(|name| {
            *name == host
                || name.strip_prefix("*.").is_some_and(|domain| {
                    host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == domain)
                })
        })
    }
}

pub(super) fn read(typed: &file::Listen, reading: &mut Reading<'_>) -> Read<Listen> {
    let public = reading.defaulted("listen.public", typed.public.as_deref(), socket_address);
    let ops = reading.defaulted("listen.ops", typed.ops.as_deref(), socket_address);
    let trusted_proxies =
        reading.list("listen.trusted_proxies", typed.trusted_proxies.as_deref(), trusted_network);
    let room = room(typed, reading);
    let tls = pairs(typed.tls.as_ref(), reading);
    let (public, ops) = (public?, ops?);
    let clash = public.port() == ops.port()
        && public.port() != 0
        && (public.ip() == ops.ip() || public.ip().is_unspecified() || ops.ip().is_unspecified());
    if clash {
        let message = format!("{ops} is taken by listen.public ({public})");
        reading.findings.refuse("listen.ops", message, "write another port, e.g. \"127.0.0.1:9464\"");
        return Err(Told);
    }
    let greeting =
        if typed.proxy_protocol.unwrap_or(false) { Greeting::ProxyProtocol } else { Greeting::None };
    let sharing = if typed.reuse_port.unwrap_or(false) { Sharing::WithOthers } else { Sharing::Alone };
    let trusted_proxies = trusted_proxies?;
    if greeting == Greeting::ProxyProtocol && trusted_proxies.is_empty() {
        let remedy = "name their networks in listen.trusted_proxies";
        reading.findings.refuse("listen.proxy_protocol", "there are no trusted proxies to speak it", remedy);
        return Err(Told);
    }
    let (room, tls) = (room?, tls?);
    let sockets = if typed.http2_websocket == Some(true) { Sockets::OfBoth } else { Sockets::OfHttp1 };
    if sockets == Sockets::OfBoth && tls.is_empty() {
        let message = "does nothing without listen.tls, because HTTP/2 is not spoken then";
        reading.findings.refuse("listen.http2_websocket", message, "add [[listen.tls]], or remove it");
        return Err(Told);
    }
    Ok(Listen { public, ops, trusted_proxies, greeting, sharing, sockets, room, tls })
}

fn room(typed: &file::Listen, reading: &mut Reading<'_>) -> Read<Room> {
    let connections = reading.number("listen.connections", typed.connections, 1, CONNECTIONS_MAX);
    let each =
        reading.number("listen.connections_per_address", typed.connections_per_address, 0, CONNECTIONS_MAX);
    let when_full = reading.defaulted("listen.when_full", typed.when_full.as_deref(), |text| match text {
        "wait" => Ok(WhenFull::Wait),
        "refuse" => Ok(WhenFull::Refuse),
        other => Err(Fault::new(format!("{other:?} is neither"), "write \"wait\" or \"refuse\"")),
    });
    let memory_max = reading.optional("listen.memory_max", typed.memory_max.as_deref(), size::parse);
    let upto = |max| move |text: &str| time::parse(text, Duration::ZERO, max);
    let pre_drain =
        reading.defaulted("listen.pre_drain", typed.pre_drain.as_deref(), upto(Duration::from_mins(10)));
    let grace = reading.defaulted("listen.grace", typed.grace.as_deref(), upto(Duration::from_hours(1)));
    Ok(Room {
        connections: usize::try_from(connections?).unwrap_or(usize::MAX),
        connections_per_address: NonZero::new(u32::try_from(each?).unwrap_or(u32::MAX)),
        when_full: when_full?,
        memory_max: memory_max?.map(NonZero::get),
        pre_drain: pre_drain?,
        grace: grace?,
    })
}

/// `512MiB` and the like.
/// More than one machine has descriptors for.
const CONNECTIONS_MAX: u64 = 1_000_000;

fn socket_address(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        Fault::new(
            format!("{text:?} is not an IP address with a port"),
            "write e.g. \"0.0.0.0:8443\", \"127.0.0.1:8080\" or \"[::1]:8080\"",
        )
    })
}

pub(super) fn trusted_network(text: &str) -> Result<IpNet, Fault> {
    let network =
        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
            Fault::new(format!("{text:?} is not a network"), "write it in CIDR form, e.g. \"10.0.0.0/8\"")
        })?;
    if network.prefix_len() == 0 {
        let remedy = "write the networks of your own proxies only";
        return Err(Fault::new(format!("{text:?} would believe everybody"), remedy));
    }
    Ok(network.trunc())
}

fn pairs(typed: Option<&file::Tls>, reading: &mut Reading<'_>) -> Read<Vec<Pair>> {
    match typed {
        None if reading.findings.is_spoiled("listen.tls") => Err(Told),
        None => Ok(Vec::new()),
        Some(file::Tls::One(typed)) => Ok(vec![pair("listen.tls", typed, reading)?]),
        Some(file::Tls::Several(typed)) => {
            let read: Vec<_> = (0..)
                .zip(typed)
                .map(|(index, typed)| pair(&format!("listen.tls[{index}]"), typed, reading))
                .collect();
            read.into_iter().collect()
        }
    }
}

fn pair(at: &str, typed: &file::TlsPair, reading: &mut Reading<'_>) -> Read<Pair> {
    let (certificate_at, key_at) = (format!("{at}.certificate"), format!("{at}.key"));
    let chain = pem_file(&certificate_at, typed.certificate.as_deref(), "certificate = \"tls.crt\"", reading)
        .and_then(|(path, octets)| Ok((path, reading.told(&certificate_at, certificates(&octets))?, octets)));
    let key = pem_file(&key_at, typed.key.as_deref(), "key = \"tls.key\"", reading)
        .and_then(|(_, octets)| Ok((reading.told(&key_at, private_key(&octets))?, octets)));
    let ((certificate, chain, certificate_pem), (key, key_pem)) = (chain?, key?);
    let (names, not_after) = reading.told(&certificate_at, facts_of(&chain))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => Fault::new(
            "the key is not that of the certificate",
            format!("name the key that {} was made for", certificate.display()),
        ),
        other => Fault::new(
            format!("the key cannot be used ({other})"),
            "use an RSA key of 2048 bits or more, an ECDSA key or Ed25519",
        ),
    });
    reading.told(&key_at, certified)?;
    let octets = KeyPair { certificate_pem, key_pem: Secret::new(key_pem) };
    Ok(Pair { certificate, names, not_after, octets })
}

fn pem_file(
    key: &str,
    typed: Option<&str>,
    example: &str,
    reading: &mut Reading<'_>,
) -> Read<(PathBuf, Vec<u8>)> {
    if let Some(name) = typed {
        return reading.file(key, name, PEM_OCTETS_MAX);
    }
    let remedy = format!("a certificate needs its key and the other way round: write {example}");
    reading.findings.missing(key, &remedy);
    Err(Told)
}

fn certificates(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let remedy = "name a PEM file: the certificate first, then the chain";
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(octets).collect();
    let chain = chain.map_err(|error| Fault::new(format!("the file is not PEM ({error})"), remedy))?;
    if chain.is_empty() {
        return Err(Fault::new("the file has no certificate in it", remedy));
    }
    Ok(chain)
}

fn private_key(octets: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_slice(octets).map_err(|error| {
        Fault::new(
            format!("the file has no private key in it ({error})"),
            "name a PEM file with an unencrypted private key",
        )
    })
}

/// The names and the end of the first certificate.
fn facts_of(chain: &[CertificateDer<'static>]) -> Result<(Vec<String>, jiff::Timestamp), Fault> {
    let unusable =
        || Fault::new("the certificate cannot be read", "name a PEM file with an X.509 certificate");
    let (_, certificate) =
        chain.first().and_then(|der| X509Certificate::from_der(der).ok()).ok_or_else(unusable)?;
    let not_after =
        jiff::Timestamp::from_second(certificate.validity().not_after.timestamp()).map_err(|_| unusable())?;
    let alternatives = certificate.subject_alternative_name().map_err(|_| unusable())?;
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => ip_address(octets).map(|address| address.to_string()),
        _ => None,
    });
    Ok((names.collect(), not_after))
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// A chain of a dozen certificates has a tenth of this.
const PEM_OCTETS_MAX: u64 = 256 * 1024;
