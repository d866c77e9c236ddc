//! From the request that came in to the one that goes out.
//!
//! Separate because the order is the security: what belonged to the hop is judged on what came in, so that no
//! `Connection` token can name a field of ours (T-B3); so is every look-alike; what we know is set last. Each field is
//! looked at once, and copied into the head that goes out or left behind: nothing that came in can still be found in it
//! under another spelling.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::header::{CONNECTION, COOKIE, EXPECT, HOST, TE, TRAILER, UPGRADE};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::http1::fields::{Field, Fields, Known, Names, members};
use crate::http1::head;

use super::fields::{Fate, Reserved};
use super::incoming::{Head, Request};
use super::interim::Interim;
use super::pace::Pace;
use super::peer::REQUEST_ID;
use super::request_body::RequestBody;
use super::{Grant, Peer, Settings, cookies};

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Where the fields of a head are put: octets of HTTP/1, or a map for HTTP/2.
pub(super) trait Sink {
    /// Puts those fields of which something is so.
    fn pass(&mut self, fields: &Fields, goes: impl FnMut(Field<'_>) -> bool);

    /// Puts a field whose value is written into a buffer; `false` takes it back.
    fn put_with(&mut self, name: &HeaderName, write: impl FnOnce(&mut Vec<u8>) -> bool);

    /// Puts a field.
    fn put(&mut self, name: &HeaderName, value: &HeaderValue);
}

impl Sink for Vec<u8> {
    fn pass(&mut self, fields: &Fields, goes: impl FnMut(Field<'_>) -> bool) {
        fields.put_where(self, goes);
    }

    fn put_with(&mut self, name: &HeaderName, write: impl FnOnce(&mut Self) -> bool) {
        let begin = self.len();
        self.extend_from_slice(name.as_str().as_bytes());
        self.extend_from_slice(b": ");
        if write(self) {
            self.extend_from_slice(b"\r\n");
        } else {
            self.truncate(begin);
        }
    }

    fn put(&mut self, name: &HeaderName, value: &HeaderValue) {
        head::put_field(self, name, value.as_bytes());
    }
}

impl Sink for HeaderMap {
    fn pass(&mut self, fields: &Fields, goes: impl FnMut(Field<'_>) -> bool) {
        let mut passed = fields.clone();
        passed.retain(goes);
        passed.add_to(self);
    }

    fn put_with(&mut self, name: &HeaderName, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mut value = Vec::new();
        if write(&mut value)
            && let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value))
        {
            self.append(name, value);
        }
    }

    fn put(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.append(name, value.clone());
    }
}

/// The request for the application: what came in, and all that it takes to write down what goes out.
pub(super) struct Prepared<'a> {
    head: Arc<Head>,
    is_websocket: bool,
    grant: &'a Grant<'a>,
    origin: Origin<'a>,
    reserved: &'a Reserved,
    pub(super) body: RequestBody,
    /// Where interim responses go, if the client takes any.
    pub(super) interim: Option<Interim>,
    /// How long the application may take to begin its response.
    pub(super) first_byte: Duration,
}

/// Whether the request asks for a WebSocket (RFC 6455 4.1), the one upgrade that we let through. In HTTP/2 no client can say
/// so in fields (RFC 9113 8.2.2): there it is the server that does, of an extended `CONNECT` (RFC 8441).
pub(super) fn wants_websocket(request: &Request) -> bool {
    request.fields().has(Known::Upgrade)
        && matches!(request.version(), Version::HTTP_11 | Version::HTTP_2)
        && request.method() == Method::GET
        && names_websocket(request.fields())
        && request.fields().says(Known::Connection, b"upgrade")
}

/// Whether `Upgrade` names the WebSocket protocol and nothing else.
pub(super) fn names_websocket(fields: &Fields) -> bool {
    let mut protocols = fields.tokens(Known::Upgrade);
    protocols.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        && protocols.next().is_none()
}

/// Makes the request for the application.
pub(super) fn prepare<'a>(
    request: Request,
    is_websocket: bool,
    grant: &'a Grant<'a>,
    peer: &'a Peer,
    (settings, reserved): (&'a Settings, &'a Arc<Reserved>),
) -> Prepared<'a> {
    let version = request.version();
    let (head, mut incoming) = request.into_parts();
    let interim = incoming.take_interim();
    let fields = head.fields();
    let origin = Origin { client: peer.client_address(fields), peer, settings };
    let limits = settings.routes.limits(grant.target, &settings.timeouts);
    let mut body = RequestBody::none();
    if !http_body::Body::is_end_stream(&incoming) {
        let kind = fields.get(Known::ContentType).unwrap_or_default();
        let pace = Pace::new(&settings.timeouts, limits.body_timeout, kind.starts_with(b"application/grpc"));
        // What is here already need not be asked for, and a client of HTTP/1.0 does not ask (RFC 9110 10.1.1).
        let may_ask = !incoming.is_kept() && version != Version::HTTP_10;
        let expectation = fields.get(Known::Expect).filter(|_| may_ask);
        body = RequestBody::new(incoming, pace, limits.body_max, Arc::clone(reserved));
        if let Some(expectation) = expectation {
            body.await_continue(expectation);
        }
    }
    Prepared { head, is_websocket, grant, origin, reserved, body, interim, first_byte: limits.first_byte }
}

impl Prepared<'_> {
    pub(super) fn method(&self) -> &Method {
        self.head.method()
    }

    pub(super) const fn target(&self) -> &PathAndQuery {
        self.grant.target.path_and_query()
    }

    /// The names of the trailers that may follow the body.
    pub(super) fn announced(&self) -> Option<HeaderValue> {
        let lines = self.head.fields().all(Known::Trailer);
        if self.body.is_none() { None } else { announced_trailers(lines, self.reserved) }
    }

    /// Writes down its fields. `Host` stands first; what frames the body is none of them.
    pub(super) fn write(&self, out: &mut impl Sink, announced: Option<&HeaderValue>) {
        let fields = self.head.fields();
        out.pass(self.origin.settings.public_url.host_field(), |_| true);
        let named = named_by_connection(fields);
        out.pass(fields, |field| self.passes(field) && !named.contains(&field.name));

        if fields.has(Known::Cookie) && !named.contains(&COOKIE.as_str().as_bytes()) {
            let own = &self.origin.settings.own_cookie_names;
            out.put_with(&COOKIE, |out| cookies::strip(fields.all(Known::Cookie), own, out));
        }
        if fields.says(Known::Te, b"trailers") {
            out.put(&TE, &HeaderValue::from_static("trailers"));
        }
        if self.is_websocket {
            out.put(&CONNECTION, &HeaderValue::from_static("upgrade"));
            out.put(&UPGRADE, &HeaderValue::from_static("websocket"));
        }
        if self.body.is_withheld() {
            out.put(&EXPECT, &HeaderValue::from_static("100-continue"));
        }
        if let Some(trailer) = announced {
            out.put(&TRAILER, trailer);
        }
        out.put_with(&REQUEST_ID, |out| write_all(out, &[self.head.id().as_bytes()]));
        let is_told = |name: Known, text: &HeaderName| {
            self.origin.peer.trusted && fields.has(name) && !named.contains(&text.as_str().as_bytes())
        };
        let told = |name, text| fields.all(name).filter(move |_| is_told(name, text));
        self.origin.tell(
            out,
            told(Known::Forwarded, &FORWARDED),
            told(Known::XForwardedFor, &X_FORWARDED_FOR),
        );
        for (name, value) in self.grant.identity {
            out.put(name, value);
        }
    }

    /// Whether a field goes along as it is.
    fn passes(&self, field: Field<'_>) -> bool {
        match self.reserved.fate_of(field) {
            Fate::Ours | Fate::Hop => false,
            Fate::FromTrusted => self.origin.peer.trusted && !SAID_ANEW.contains(field.known),
            Fate::Pass if field.known == Known::Expect => {
                !self.body.is_none() && !field.value.eq_ignore_ascii_case(b"100-continue")
            }
            Fate::Pass => !SAID_ANEW.contains(field.known),
        }
    }

    /// The same request in the form of HTTP/2, with the body: the host is its authority (RFC 9113 8.3.1), and the body is
    /// not asked for, since an application that does not want it can say so at any time.
    pub(super) fn begin_http2(&mut self, scheme: &Scheme) -> http::Request<RequestBody> {
        self.body.send_at_once();
        let mut headers = HeaderMap::with_capacity(self.head.fields().len());
        self.write(&mut headers, self.announced().as_ref());
        headers.remove(EXPECT);
        let host = headers.remove(HOST);
        let mut request = http::Request::new(std::mem::replace(&mut self.body, RequestBody::none()));
        let mut parts = Parts::default();
        parts.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        parts.scheme = Some(scheme.clone());
        parts.path_and_query = Some(self.target().clone());
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        *request.method_mut() = self.method().clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        request
    }
}

/// What we say ourselves in the place of anybody else, where there is something to be said.
const SAID_ANEW: Names = Names::of(&[
    Known::Host,
    Known::ContentLength,
    Known::Cookie,
    Known::XRequestId,
    Known::Forwarded,
    Known::XForwardedFor,
    Known::XRealIp,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedProto,
]);

/// The names that trailers are announced by, without those that may not pass; no trailer is sent that was not announced.
pub(super) fn announced_trailers<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    reserved: &Reserved,
) -> Option<HeaderValue> {
    let mut names = BytesMut::new();
    for token in lines.flat_map(members) {
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

/// The names of fields that the `Connection` field names, except what is taken care of anyway.
pub(super) fn named_by_connection(fields: &Fields) -> Vec<&[u8]> {
    let mut named = Vec::new();
    for token in fields.tokens(Known::Connection) {
        if token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close") {
            continue;
        }
        // Thousands may be named, of which none was sent.
        let sent = fields.iter().find(|field| field.name.eq_ignore_ascii_case(token));
        if let Some(Field { name, .. }) = sent
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
    pub(super) fn tell_alone(&self, out: &mut impl Sink) {
        out.pass(self.settings.public_url.host_field(), |_| true);
        self.tell(out, std::iter::empty(), std::iter::empty());
    }

    /// Says so, at the end of what a trusted peer has said before.
    fn tell<'a>(
        &self,
        out: &mut impl Sink,
        forwarded: impl Iterator<Item = &'a [u8]>,
        forwarded_for: impl Iterator<Item = &'a [u8]>,
    ) {
        let (peer, public) = (self.peer, &self.settings.public_url);
        out.put_with(&FORWARDED, |out| {
            write_before(out, forwarded);
            write_element(out, peer, public.host(), public.scheme())
        });
        out.put_with(&X_FORWARDED_FOR, |out| {
            write_before(out, forwarded_for);
            write_all(out, &[peer.text().as_bytes()])
        });
        let real = if peer.trusted { HeaderValue::try_from(self.client.to_string()).ok() } else { None };
        out.put(&X_REAL_IP, real.as_ref().unwrap_or_else(|| peer.text()));
        out.pass(public.forwarded_fields(), |_| true);
    }
}

/// Writes the lines that stand before the end of a list, all in one line.
fn write_before<'a>(out: &mut Vec<u8>, lines: impl Iterator<Item = &'a [u8]>) {
    for line in lines {
        write_all(out, &[line, b", "]);
    }
}

/// `for=…;host=…;proto=…` (RFC 7239 4), the host always quoted because it may have a port.
fn write_element(out: &mut Vec<u8>, peer: &Peer, host: &HeaderValue, scheme: &str) -> bool {
    let (opening, closing): (&[u8], &[u8]) = match peer.address.ip() {
        IpAddr::V4(_) => (b"for=", b";host=\""),
        IpAddr::V6(_) => (b"for=\"[", b"]\";host=\""),
    };
    write_all(
        out,
        &[opening, peer.text().as_bytes(), closing, host.as_bytes(), b"\";proto=", scheme.as_bytes()],
    )
}

/// Writes all of it, and says so.
fn write_all(out: &mut Vec<u8>, parts: &[&[u8]]) -> bool {
    for part in parts {
        out.extend_from_slice(part);
    }
    true
}
