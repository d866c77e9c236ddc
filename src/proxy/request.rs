//! From the request that came in to the one that goes out.
//!
//! Separate because the order is the security: what belonged to the hop is judged on what came in, so that no
//! `Connection` token can name a field of ours (T-B3); so is every look-alike; what we know is set last. Each field is
//! looked at once, and what goes out is a list: nothing that came in can still be found in it under another spelling.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, TE, TRAILER, UPGRADE};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::http1::head::tokens;

use super::fields::{Fate, Reserved};
use super::interim::Interim;
use super::message::{RequestBody, Source};
use super::pace::Pace;
use super::{Grant, Peer, Settings, cookies};

/// As many fields as are set in a request at most, beside those of the identity.
const FIELDS_SET: usize = 12;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Fields in the order in which they go out. `Host` stands first; what frames the body is none of them.
pub(super) type Fields = Vec<(HeaderName, HeaderValue)>;

/// The request for the application.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) target: PathAndQuery,
    pub(super) fields: Fields,
    pub(super) body: RequestBody,
    /// Where interim responses go, if the client takes any.
    pub(super) interim: Option<Interim>,
}

impl Prepared {
    /// The value of a field.
    pub(super) fn field(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.fields.iter().find(|(one, _)| one == name).map(|(_, value)| value)
    }

    /// The same request in the form of HTTP/2, with the body: the host is its authority (RFC 9113 8.3.1), and the body is
    /// not asked for, since an application that does not want it can say so at any time.
    pub(super) fn begin_http2(&mut self, scheme: &Scheme) -> Request<RequestBody> {
        let mut body = std::mem::replace(&mut self.body, RequestBody::none());
        body.send_at_once();
        let mut request = Request::new(body);
        let authority = self.field(&HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let mut parts = Parts::default();
        (parts.scheme, parts.authority) = (Some(scheme.clone()), authority);
        parts.path_and_query = Some(self.target.clone());
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        *request.method_mut() = self.method.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.reserve(self.fields.len());
        for (name, value) in self.fields.iter().filter(|(name, _)| *name != HOST && *name != EXPECT) {
            headers.append(name, value.clone());
        }
        request
    }
}

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
    is_websocket: bool,
    grant: &Grant<'_>,
    peer: &Peer,
    (settings, reserved): (&Settings, &Arc<Reserved>),
) -> Prepared {
    let (parts, mut incoming) = request.into_parts();
    let interim = incoming.take_interim();
    let headers = parts.headers;
    let origin = Origin { client: peer.client_address(&headers), peer, settings };
    let mut body = RequestBody::none();
    if !http_body::Body::is_end_stream(&incoming) {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let pace = Pace::new(&settings.timeouts, kind.starts_with(b"application/grpc"));
        body = RequestBody::new(incoming, pace, Arc::clone(reserved));
    }

    let mut fields = Fields::with_capacity(headers.len() + FIELDS_SET + grant.identity.len());
    fields.push((HOST, settings.public_url.host().clone()));
    let noted = sift(headers, &mut fields, peer.trusted, reserved);

    if let Some(kept) = cookies::strip(&noted.cookies, &settings.own_cookie_names) {
        fields.push((COOKIE, kept));
    }
    if noted.takes_trailers {
        fields.push((TE, HeaderValue::from_static("trailers")));
    }
    if is_websocket {
        fields.push((CONNECTION, HeaderValue::from_static("upgrade")));
        fields.push((UPGRADE, HeaderValue::from_static("websocket")));
    }
    if !body.is_none() {
        if let Some(expectation) = noted.expectation {
            body.await_continue(&expectation);
            fields.push((EXPECT, expectation));
        }
        if let Some(trailer) = announced_trailers(&noted.trailer, reserved) {
            fields.push((TRAILER, trailer));
        }
    }
    origin.tell(&mut fields, &noted.told);
    fields.extend(grant.identity.iter().cloned());
    Prepared { method: parts.method, target: grant.target.path_and_query().clone(), fields, body, interim }
}

/// What is noted of fields that do not pass as they are.
#[derive(Default)]
struct Noted {
    cookies: Vec<HeaderValue>,
    trailer: Vec<HeaderValue>,
    takes_trailers: bool,
    expectation: Option<HeaderValue>,
    told: Told,
}

/// What trusted peers have said of the client before us.
#[derive(Default)]
struct Told {
    forwarded: Vec<HeaderValue>,
    forwarded_for: Vec<HeaderValue>,
}

/// Looks at each field once: it passes, or is noted, or is gone. The length of the body is said where it is framed.
fn sift(headers: HeaderMap, fields: &mut Fields, is_trusted: bool, reserved: &Reserved) -> Noted {
    let named = named_by_connection(&headers);
    let mut noted = Noted::default();
    let mut known = None;
    for (name, value) in headers {
        // A name is given with its first value only.
        if name.is_some() {
            known = name;
        }
        let Some(name) = &known else { continue };
        match reserved.fate(name.as_str()) {
            Fate::Hop if *name == TE => {
                noted.takes_trailers |= members(&value).any(|one| one.eq_ignore_ascii_case(b"trailers"));
            }
            Fate::Hop if *name == TRAILER => noted.trailer.push(value),
            Fate::Ours | Fate::Hop => {}
            Fate::FromTrusted | Fate::Pass if named.contains(name) => {}
            Fate::FromTrusted if !is_trusted => {}
            Fate::FromTrusted if *name == FORWARDED => noted.told.forwarded.push(value),
            Fate::FromTrusted if *name == X_FORWARDED_FOR => noted.told.forwarded_for.push(value),
            Fate::FromTrusted if SAID_ANEW.contains(name) => {}
            Fate::Pass if *name == COOKIE => noted.cookies.push(value),
            Fate::Pass if *name == EXPECT => noted.expectation = noted.expectation.or(Some(value)),
            Fate::Pass if *name == HOST || *name == CONTENT_LENGTH => {}
            Fate::FromTrusted | Fate::Pass => fields.push((name.clone(), value)),
        }
    }
    noted
}

/// What we say ourselves in the place of anybody else.
const SAID_ANEW: [HeaderName; 4] = [X_REAL_IP, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO];

/// The names that trailers are announced by, without those that may not pass; no trailer is sent that was not announced.
pub(super) fn announced_trailers(lines: &[HeaderValue], reserved: &Reserved) -> Option<HeaderValue> {
    let mut names = BytesMut::new();
    for token in lines.iter().flat_map(members) {
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

/// What the `Connection` field names, except what is taken care of anyway.
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for token in tokens(headers, &CONNECTION) {
        if token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close") {
            continue;
        }
        // Thousands may be named, of which none was sent.
        let sent = str::from_utf8(token).is_ok_and(|name| headers.contains_key(name));
        if let Ok(name) = HeaderName::from_bytes(token)
            && sent
            && !named.contains(&name)
        {
            named.push(name);
        }
    }
    named
}

/// Who asked for what at which address.
pub(super) struct Origin<'a> {
    pub(super) client: IpAddr,
    pub(super) peer: &'a Peer,
    pub(super) settings: &'a Settings,
}

impl Origin<'_> {
    /// Says so to an application that is told nothing else.
    pub(super) fn tell_alone(&self, fields: &mut Fields) {
        fields.push((HOST, self.settings.public_url.host().clone()));
        self.tell(fields, &Told::default());
    }

    /// Says so, at the end of what a trusted peer has said before.
    fn tell(&self, fields: &mut Fields, told: &Told) {
        let (peer, public) = (self.peer, &self.settings.public_url);
        let forwarded = forwarded_element(peer, public.host(), public.scheme());
        let real = if peer.trusted { HeaderValue::try_from(self.client.to_string()).ok() } else { None };
        fields.push((FORWARDED, appended(&told.forwarded, forwarded)));
        fields.push((X_FORWARDED_FOR, appended(&told.forwarded_for, peer.text().clone())));
        fields.push((X_REAL_IP, real.unwrap_or_else(|| peer.text().clone())));
        fields.push((X_FORWARDED_HOST, public.host().clone()));
        fields.push((X_FORWARDED_PORT, public.port().clone()));
        fields.push((X_FORWARDED_PROTO, HeaderValue::from_static(public.scheme())));
    }
}

/// A value at the end of a list, all in one line.
fn appended(lines: &[HeaderValue], value: HeaderValue) -> HeaderValue {
    if lines.is_empty() {
        return value;
    }
    let mut list = BytesMut::new();
    for line in lines {
        list.put_slice(line.as_bytes());
        list.put_slice(b", ");
    }
    list.put_slice(value.as_bytes());
    HeaderValue::from_maybe_shared(list.freeze()).unwrap_or(value)
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

/// The members of a list in one line.
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|octet| *octet == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}
