//! The part of `[app]` that says how the application is reached: TLS, distribution, limits.
//!
//! Separate because it is about machines, where the rest of the table is about the application. A certificate that
//! does not fit its key, or an option that would do nothing, is found here and not by the first visitor.

use std::num::NonZero;
use std::time::Duration;

use http::uri::PathAndQuery;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::proxy::{
    Balance, Check, Identity, Offer, Protocol, Reuse, Roots, Timeouts, Tls, TlsError, Upstream,
};
use crate::target::RequestTarget;

use super::reading::{Fault, Read, Reading, Told};
use super::{address, file, time};

/// How the application is reached.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// Where it answers, at least one.
    pub addresses: Vec<Upstream>,
    /// How TLS is spoken to those that want it; there if any does.
    pub tls: Option<Tls>,
    /// How requests are distributed.
    pub balance: Balance,
    /// Which requests may have a connection that was used before.
    pub reuse: Reuse,
    /// The limits in time.
    pub timeouts: Timeouts,
}

pub(super) fn read(typed: &file::App, reading: &mut Reading<'_>) -> Read<Upstreams> {
    let addresses = addresses(typed, reading);
    let tls = tls(typed, addresses.as_deref().ok(), reading);
    let balance = balance(typed, reading);
    let reuse = reuse(typed, addresses.as_deref().unwrap_or_default(), reading);
    let timeouts = timeouts(typed, reading);
    let (addresses, tls, balance) = (addresses?, tls?, balance?);
    Ok(Upstreams { addresses, tls, balance, reuse: reuse?, timeouts: timeouts? })
}

fn addresses(typed: &file::App, reading: &mut Reading<'_>) -> Read<Vec<Upstream>> {
    let remedy = "write where the application answers, e.g. upstreams = [\"http://127.0.0.1:3000\"]";
    let upstreams = reading.list("app.upstreams", typed.upstreams.as_deref(), address::upstream)?;
    if !upstreams.is_empty() {
        return Ok(upstreams);
    }
    if typed.upstreams.is_some() {
        reading.findings.refuse("app.upstreams", "is empty", remedy);
    } else {
        reading.findings.missing("app.upstreams", remedy);
    }
    Err(Told)
}

fn tls(typed: &file::App, addresses: Option<&[Upstream]>, reading: &mut Reading<'_>) -> Read<Option<Tls>> {
    let roots = roots(typed.upstream_ca.as_deref(), reading);
    let identity = identity(typed, reading);
    let server_name = reading.optional(SERVER_NAME, typed.upstream_server_name.as_deref(), server_name);
    let is_spoken =
        addresses.is_none_or(|addresses| addresses.iter().any(|one| one.protocol() == Protocol::Https));
    let useless = [
        (CA, typed.upstream_ca.is_some()),
        (CERTIFICATE, typed.upstream_certificate.is_some()),
        (SERVER_NAME, typed.upstream_server_name.is_some()),
        (HTTP2, typed.upstream_http2 == Some(true)),
    ];
    let useless: Vec<_> = useless.iter().filter(|(_, is_typed)| *is_typed && !is_spoken).collect();
    for (key, _) in &useless {
        let message = "does nothing, because none of app.upstreams begins with https://";
        let remedy = if *key == HTTP2 {
            "write https://, or h2c:// for HTTP/2 without TLS, or remove it"
        } else {
            "write https:// in app.upstreams, or remove it"
        };
        reading.findings.refuse(key, message, remedy);
    }
    let (roots, identity, server_name) = (roots?, identity?, server_name?);
    if !useless.is_empty() {
        return Err(Told);
    }
    if !is_spoken || addresses.is_none() {
        return Ok(None);
    }
    let offer = if typed.upstream_http2 == Some(true) { Offer::Http2 } else { Offer::Http1 };
    let given = matches!(roots, Roots::Given(_));
    let has_identity = identity.is_some();
    let made = Tls::new(&roots, identity, server_name, offer);
    made.map(Some).map_err(|TlsError::Setup(error)| {
        let (key, remedy) = match error {
            rustls::Error::InconsistentKeys(_) => {
                (KEY, "name the key that app.upstream_certificate was made for")
            }
            _ if has_identity && given => {
                (KEY, "use an RSA key of 2048 bits or more, an ECDSA key or Ed25519")
            }
            _ if given => (CA, "name a PEM file with the certificates of the authorities"),
            _ => ("app.upstreams", "name the authority of the application's certificate in app.upstream_ca"),
        };
        reading.findings.refuse(key, format!("TLS to the application cannot be set up: {error}"), remedy);
        Told
    })
}

fn roots(typed: Option<&str>, reading: &mut Reading<'_>) -> Read<Roots> {
    let Some(name) = typed else {
        return if reading.findings.is_spoiled(CA) { Err(Told) } else { Ok(Roots::System) };
    };
    let (path, octets) = reading.file(CA, name, PEM_OCTETS_MAX)?;
    let mut store = rustls::RootCertStore::empty();
    let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let good = authorities.ok().filter(|authorities| {
        !authorities.is_empty() && authorities.iter().all(|one| store.add(one.clone()).is_ok())
    });
    let fault = || {
        let message = format!("{} is no list of certificates", path.display());
        Fault::new(message, "name a PEM file with the certificates of the authorities")
    };
    reading.told(CA, good.map(Roots::Given).ok_or_else(fault))
}

/// Our certificate and its key: both or neither.
fn identity(typed: &file::App, reading: &mut Reading<'_>) -> Read<Option<Identity>> {
    let (certificate, key) = (typed.upstream_certificate.as_deref(), typed.upstream_key.as_deref());
    if certificate.is_some() != key.is_some() {
        let (missing, there) = if key.is_some() { (CERTIFICATE, KEY) } else { (KEY, CERTIFICATE) };
        reading.findings.missing(missing, &format!("{there} needs it: name the file, or remove {there}"));
        return Err(Told);
    }
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
    let chain = reading.file(CERTIFICATE, certificate, PEM_OCTETS_MAX).and_then(|(_, octets)| {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let remedy = "name a PEM file: the certificate first, then the chain";
        reading
            .told(CERTIFICATE, chain.ok_or_else(|| Fault::new("the file has no certificate in it", remedy)))
    });
    let key = reading.file(KEY, key, PEM_OCTETS_MAX).and_then(|(_, octets)| {
        let key = PrivateKeyDer::from_pem_slice(&octets);
        let remedy = "name a PEM file with an unencrypted private key";
        reading.told(KEY, key.map_err(|_| Fault::new("the file has no private key in it", remedy)))
    });
    Ok(Some(Identity { chain: chain?, key: key? }))
}

fn server_name(text: &str) -> Result<ServerName<'static>, Fault> {
    ServerName::try_from(text.to_owned()).map_err(|_| {
        Fault::new(format!("{text:?} is not a host name"), "write the name that the certificate is for")
    })
}

fn balance(typed: &file::App, reading: &mut Reading<'_>) -> Read<Balance> {
    let dns_refresh = seconds("app.dns_refresh", typed.dns_refresh.as_deref(), (1, 3_600), reading);
    let path = reading.optional(HEALTH_PATH, typed.health_path.as_deref(), path);
    let every = seconds(HEALTH_INTERVAL, typed.health_interval.as_deref(), (1, 3_600), reading);
    if typed.health_interval.is_some() && typed.health_path.is_none() {
        let remedy = "write health_path = \"/healthz\", or remove it";
        reading.findings.refuse(HEALTH_INTERVAL, "does nothing without app.health_path", remedy);
        return Err(Told);
    }
    let requests_max = match typed.upstream_requests_max {
        None if reading.findings.is_spoiled(REQUESTS_MAX) => Err(Told),
        None => Ok(None),
        Some(number) => {
            let number = usize::try_from(number).ok().and_then(NonZero::new);
            let remedy = "write how many requests one upstream can work on, or remove it";
            reading
                .told(REQUESTS_MAX, number.map(Some).ok_or_else(|| Fault::new("must be at least 1", remedy)))
        }
    };
    let excuses_max = match typed.eject_on_5xx {
        None if reading.findings.is_spoiled(EJECT) => Err(Told),
        None => Ok(0),
        Some(number) => {
            let number = u32::try_from(number).ok().filter(|number| *number <= EXCUSES_MAX);
            let fault = || {
                let message = format!("must be at most {EXCUSES_MAX}");
                Fault::new(message, "write how many such answers in a row are too many, or remove it")
            };
            reading.told(EJECT, number.ok_or_else(fault))
        }
    };
    let (path, every) = (path?, every?);
    Ok(Balance {
        sticky: typed.sticky == Some(true),
        requests_max: requests_max?,
        dns_refresh: dns_refresh?,
        check: path.map(|path| Check { path, every }),
        excuses_max: excuses_max?,
    })
}

fn reuse(typed: &file::App, addresses: &[Upstream], reading: &mut Reading<'_>) -> Read<Reuse> {
    let reuse = reading.defaulted(REUSE, typed.reuse.as_deref(), |text| match text {
        "always" => Ok(Reuse::Always),
        "safe" => Ok(Reuse::Safe),
        "never" => Ok(Reuse::Never),
        _ => Err(Fault::new(format!("{text:?} is none"), "write \"always\", \"safe\" or \"never\"")),
    })?;
    let is_shared =
        typed.upstream_http2 == Some(true) || addresses.iter().any(|one| one.protocol() == Protocol::H2c);
    if reuse == Reuse::Never && is_shared {
        let remedy = "write \"safe\", or remove app.upstream_http2 and h2c:// from app.upstreams";
        reading.findings.refuse(
            REUSE,
            "\"never\" cannot be, because connections of HTTP/2 are shared",
            remedy,
        );
        return Err(Told);
    }
    Ok(reuse)
}

/// A path of the application, with a query if need be.
fn path(text: &str) -> Result<PathAndQuery, Fault> {
    let target = text.parse::<http::Uri>().ok().filter(|uri| uri.authority().is_none());
    let target = target.and_then(|uri| RequestTarget::parse(&uri).ok());
    match target {
        Some(target) if text.starts_with('/') => Ok(target.path_and_query().clone()),
        _ => Err(Fault::new(format!("{text:?} is not a plain path"), "write a path like \"/healthz\"")),
    }
}

fn timeouts(typed: &file::App, reading: &mut Reading<'_>) -> Read<Timeouts> {
    let mut within = |key, typed: &Option<String>, bounds| seconds(key, typed.as_deref(), bounds, reading);
    let connect = within("app.upstream_connect_timeout", &typed.upstream_connect_timeout, (1, 60));
    let first_byte = within("app.upstream_response_timeout", &typed.upstream_response_timeout, (1, 3_600));
    let idle = within("app.upstream_idle_timeout", &typed.upstream_idle_timeout, (1, 86_400));
    let tunnel_idle = within("app.stream_idle_timeout", &typed.stream_idle_timeout, (1, 86_400));
    let pool_idle = within("app.upstream_keep_alive", &typed.upstream_keep_alive, (1, 3_600));
    let ping = within("app.upstream_ping", &typed.upstream_ping, (1, 3_600));
    let rate_min = reading.number(UPLOAD_RATE_MIN, typed.upload_rate_min, 0, UPLOAD_RATE_MAX);
    Ok(Timeouts {
        connect: connect?,
        first_byte: first_byte?,
        idle: idle?,
        tunnel_idle: tunnel_idle?,
        pool_idle: pool_idle?,
        ping: ping?,
        request_body_rate_min: NonZero::new(rate_min?),
        ..Timeouts::default()
    })
}

fn seconds(
    key: &str,
    typed: Option<&str>,
    (min, max): (u64, u64),
    reading: &mut Reading<'_>,
) -> Read<Duration> {
    let (min, max) = (Duration::from_secs(min), Duration::from_secs(max));
    reading.defaulted(key, typed, |text| time::parse(text, min, max))
}

const CA: &str = "app.upstream_ca";
const CERTIFICATE: &str = "app.upstream_certificate";
const KEY: &str = "app.upstream_key";
const SERVER_NAME: &str = "app.upstream_server_name";
const HTTP2: &str = "app.upstream_http2";
const REQUESTS_MAX: &str = "app.upstream_requests_max";
const REUSE: &str = "app.reuse";
const UPLOAD_RATE_MIN: &str = "app.upload_rate_min";
const HEALTH_PATH: &str = "app.health_path";
const HEALTH_INTERVAL: &str = "app.health_interval";
/// A demand that only wires meet would refuse everybody else.
const UPLOAD_RATE_MAX: u64 = 1_000_000;
const EJECT: &str = "app.eject_on_5xx";
/// More than that in a row, and nobody needs an upstream to be left out.
const EXCUSES_MAX: u32 = 1_000;
/// As many authorities as a system has.
const PEM_OCTETS_MAX: u64 = 1024 * 1024;
