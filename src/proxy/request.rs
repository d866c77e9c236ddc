//! From the request that came in to the one that goes out.
//!
//! Separate because the order is the security: first what belonged to the hop, judged on what came in, so that
//! no `Connection` token can name a field of ours (T-B3); then every look-alike; then what we know is set.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::fields::{Fate, Reserved};
use super::message::{RequestBody, Source};
use super::pace::Pace;
use super::{Grant, Peer, Settings, cookies};

/// About as many fields as are set in every request, beside those of the identity.
const FIELDS_SET: usize = 8;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Whether the request asks for a WebSocket (RFC 6455 4.1), the one upgrade that we let through.
pub(super) fn wants_websocket<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names_websocket(request.headers())
        && tokens(request.headers(), &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"))
}

/// Whether `Upgrade` names the WebSocket protocol and nothing else.
pub(super) fn names_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = tokens(headers, &UPGRADE);
    protocols.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        && protocols.next().is_none()
}

/// Makes the request for the application.
pub(super) fn prepare(
    request: Request<Source>,
    grant: &Grant<'_>,
    peer: &Peer,
    settings: &Settings,
    reserved: &Arc<Reserved>,
) -> Request<RequestBody> {
    let websocket = wants_websocket(&request);
    let (parts, incoming) = request.into_parts();
    let mut headers = parts.headers;

    let client = peer.client_address(&headers);
    let takes_trailers = tokens(&headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    let trailer = announced_trailers(&headers, reserved);
    strip(&mut headers, peer, reserved);
    cookies::strip(&mut headers, &settings.own_cookie_names);
    // Growing once is cheaper than growing with each of the fields below.
    headers.reserve(FIELDS_SET + grant.identity.len());

    set_origin(&mut headers, client, peer, settings);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let pace = Pace::new(&settings.timeouts, &headers);
    let body = RequestBody::new(incoming, pace, Arc::clone(reserved));
    if body.is_none() {
        headers.remove(EXPECT);
    } else if let Some(trailer) = trailer {
        headers.insert(TRAILER, trailer);
    }
    for (name, value) in grant.identity {
        headers.append(name, value.clone());
    }

    let mut outgoing = Request::new(body);
    *outgoing.method_mut() = parts.method;
    *outgoing.uri_mut() = Uri::from(grant.target.path_and_query().clone());
    *outgoing.headers_mut() = headers;
    RequestBody::await_continue(&mut outgoing);
    outgoing
}

/// The names that the `Trailer` field announces, without those that may not pass; hyper sends no trailer
/// that was not announced.
pub(super) fn announced_trailers(headers: &HeaderMap, reserved: &Reserved) -> Option<HeaderValue> {
    if !headers.contains_key(TRAILER) {
        return None;
    }
    let mut names = BytesMut::new();
    for token in tokens(headers, &TRAILER) {
        let Ok(name) = HeaderName::from_bytes(token) else { continue };
        if reserved.fate(name.as_str()) == Fate::Pass {
            if !names.is_empty() {
                names.put_slice(b", ");
            }
            names.put_slice(name.as_str().as_bytes());
        }
    }
    if names.is_empty() { None } else { HeaderValue::from_maybe_shared(names.freeze()).ok() }
}

/// Removes what the `Connection` field names, except what is taken care of anyway.
pub(super) fn strip_named_by_connection(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter(|token| !token.eq_ignore_ascii_case(b"keep-alive") && !token.eq_ignore_ascii_case(b"close"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Removes hop-by-hop fields and look-alikes. The length of the body is hyper's to say.
fn strip(headers: &mut HeaderMap, peer: &Peer, reserved: &Reserved) {
    strip_named_by_connection(headers);
    let passes = |name: &HeaderName| match reserved.fate(name.as_str()) {
        Fate::Pass => *name != CONTENT_LENGTH,
        Fate::Hop | Fate::Ours => false,
        Fate::FromTrusted => peer.trusted,
    };
    let stripped: Vec<HeaderName> = headers.keys().filter(|name| !passes(name)).cloned().collect();
    for name in stripped {
        headers.remove(name);
    }
}

/// Says who asked for what at which address; appends where a trusted peer has said so before.
pub(super) fn set_origin(headers: &mut HeaderMap, client: IpAddr, peer: &Peer, settings: &Settings) {
    let public = &settings.public_url;
    let forwarded = forwarded_element(peer, public.host(), public.scheme());
    append(headers, &FORWARDED, forwarded);
    append(headers, &X_FORWARDED_FOR, peer.text().clone());
    let real = if peer.trusted { HeaderValue::try_from(client.to_string()).ok() } else { None };
    headers.insert(X_REAL_IP, real.unwrap_or_else(|| peer.text().clone()));
    headers.insert(X_FORWARDED_HOST, public.host().clone());
    headers.insert(X_FORWARDED_PORT, public.port().clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(public.scheme()));
    headers.insert(HOST, public.host().clone());
}

/// Puts a value at the end of a list field, all in one line.
fn append(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    if !headers.contains_key(name) {
        headers.insert(name, value);
        return;
    }
    let mut list = BytesMut::new();
    for line in headers.get_all(name) {
        list.put_slice(line.as_bytes());
        list.put_slice(b", ");
    }
    list.put_slice(value.as_bytes());
    headers.insert(name, HeaderValue::from_maybe_shared(list.freeze()).unwrap_or(value));
}

/// `for=…;host=…;proto=…` (RFC 7239 4), the host always quoted because it may have a port.
fn forwarded_element(peer: &Peer, host: &HeaderValue, scheme: &str) -> HeaderValue {
    let address = peer.text().as_bytes();
    let (opening, closing): (&[u8], &[u8]) = match peer.address.ip() {
        IpAddr::V4(_) => (b"for=", b";host=\""),
        IpAddr::V6(_) => (b"for=\"[", b"]\";host=\""),
    };
    let mut element = BytesMut::with_capacity(32 + address.len() + host.len() + scheme.len());
    for part in [opening, address, closing, host.as_bytes(), b"\";proto=", scheme.as_bytes()] {
        element.put_slice(part);
    }
    HeaderValue::from_maybe_shared(element.freeze()).expect("an address and a valid host are visible ASCII")
}

/// The members of a list field, in all its lines.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}
