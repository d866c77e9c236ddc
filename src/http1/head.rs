//! The heads of requests and responses (RFC 9112 2 to 5).
//!
//! Separate because it is the border: before it there are octets, behind it there are names and values that are valid.

use std::io::Write as _;

use bytes::BytesMut;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, HOST, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use memchr::{memchr, memchr_iter};

use super::Malformed;
use super::fields::{Fields, LineEnds};

/// Looks for the end of a head, going on where it stopped.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Where the line begins that has not ended yet.
    at: usize,
    lines: usize,
}

/// How far a head goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// With the empty line at its end.
    pub(crate) octets: usize,
    /// Without that one.
    pub(crate) lines: usize,
    /// Behind which octets the first of them end.
    ends: [u16; ENDS_KEPT],
    /// Of how many that is known: of none if the head came in pieces.
    known: usize,
}

/// As many lines as most heads have.
const ENDS_KEPT: usize = 24;

impl Extent {
    /// Behind which octet a line ends, if that is known.
    pub(super) fn end_of(&self, line: usize) -> Option<usize> {
        self.ends.get(line).filter(|_| line < self.known).map(|end| usize::from(*end))
    }
}

impl Search {
    /// The end of the head at the beginning of these octets, which are those of the last call and perhaps more.
    pub(crate) fn go_on(&mut self, octets: &[u8]) -> Option<Extent> {
        let from = self.at;
        let is_whole = from == 0;
        let (mut ends, mut known) = ([0; ENDS_KEPT], 0);
        for end in memchr_iter(b'\n', octets.get(from..)?) {
            let line = octets.get(self.at..from + end)?;
            self.at = from + end + 1;
            if matches!(line, b"" | b"\r") {
                let Self { at: octets, lines } = std::mem::take(self);
                return Some(Extent { octets, lines, ends, known: if is_whole { known } else { 0 } });
            }
            if known == self.lines
                && let (Some(kept), Ok(end)) = (ends.get_mut(known), u16::try_from(self.at))
            {
                *kept = end;
                known += 1;
            }
            self.lines += 1;
        }
        None
    }
}

/// The head of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    /// The target in any of its four forms (RFC 9112 3.2), without a fragment.
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) fields: Fields,
}

impl From<&Parts> for RequestHead {
    /// As HTTP libraries have it.
    fn from(parts: &Parts) -> Self {
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            fields: Fields::from(&parts.headers),
        }
    }
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) fields: Fields,
}

/// Reads the head of a request. The version is that of the request.
pub(crate) fn parse_request(head: BytesMut, extent: Extent) -> Result<RequestHead, Malformed> {
    let (line, begin) = first_line(&head, &extent, LineEnds::Strict)?;
    let mut words = line.split(|octet| *octet == b' ');
    let words = (words.next(), words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some(version), None) = words else { return Err(Malformed::StartLine) };
    if memchr(b'#', target).is_some() {
        return Err(Malformed::StartLine);
    }
    let target = method.len() + 1..method.len() + 1 + target.len();
    let method = Method::from_bytes(method).map_err(|_| Malformed::StartLine)?;
    let version = version_of(version)?;
    let fields = Fields::parse(head, begin, LineEnds::Strict, &extent)?;
    let uri = Uri::from_maybe_shared(fields.octets().slice(target)).map_err(|_| Malformed::StartLine)?;
    Ok(RequestHead { method, uri, version, fields })
}

/// Reads the head of a response.
pub(crate) fn parse_response(head: BytesMut, extent: Extent) -> Result<ResponseHead, Malformed> {
    let (line, begin) = first_line(&head, &extent, LineEnds::Tolerant)?;
    let (version, rest) = line.split_at_checked(b"HTTP/1.1".len()).ok_or(Malformed::StartLine)?;
    let version = version_of(version)?;
    let rest = rest.strip_prefix(b" ").ok_or(Malformed::StartLine)?;
    let (code, reason) = rest.split_at_checked(3).ok_or(Malformed::StartLine)?;
    if reason.first().is_some_and(|octet| *octet != b' ') {
        return Err(Malformed::StartLine);
    }
    let status = StatusCode::from_bytes(code).map_err(|_| Malformed::StartLine)?;
    Ok(ResponseHead { status, version, fields: Fields::parse(head, begin, LineEnds::Tolerant, &extent)? })
}

/// Reads the trailers of a body: fields and an empty line (RFC 9112 7.1.2).
pub(super) fn parse_trailers(octets: BytesMut, extent: Extent) -> Result<HeaderMap, Malformed> {
    Fields::parse(octets, 0, LineEnds::Strict, &extent).map(|fields| fields.to_map())
}

/// Writes a request line.
pub(crate) fn put_request_line(out: &mut Vec<u8>, method: &Method, target: &str) {
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Writes a status line.
pub(crate) fn put_status_line(out: &mut Vec<u8>, version: Version, status: StatusCode) {
    if status == StatusCode::OK && version == Version::HTTP_11 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    let version = if version == Version::HTTP_10 { "HTTP/1.0 " } else { "HTTP/1.1 " };
    let reason = status.canonical_reason().unwrap_or_default();
    for part in [version, status.as_str(), " ", reason, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Writes fields, without the empty line that ends a head.
pub(crate) fn put_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        put_field(out, name, value.as_bytes());
    }
}

/// Writes one field.
pub(crate) fn put_field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    put(out, name.as_str().as_bytes(), value);
}

/// Writes one field, whose name is in lower case.
pub(crate) fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a length.
pub(crate) fn put_length(out: &mut Vec<u8>, length: u64) {
    // Writing to memory does not fail.
    drop(write!(out, "content-length: {length}\r\n"));
}

/// Of the fields at the end of a body those that may be sent there: they were announced (RFC 9110 6.6.2), and are not
/// about framing, routing, authentication or how to read the content (6.5.1).
pub(crate) fn trailers_to_send(mut trailers: HeaderMap, announced: Option<&HeaderValue>) -> HeaderMap {
    let names = announced.map(HeaderValue::as_bytes).unwrap_or_default();
    let is_announced = |name: &HeaderName| {
        let mut names = names.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
        names.any(|one| one.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    let refused: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| NEVER_TRAILERS.contains(name) || !is_announced(name))
        .cloned()
        .collect();
    for name in refused {
        trailers.remove(name);
    }
    trailers
}

const NEVER_TRAILERS: [HeaderName; 14] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    HOST,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

fn version_of(text: &[u8]) -> Result<Version, Malformed> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        _ if text.starts_with(b"HTTP/") => Err(Malformed::Version),
        _ => Err(Malformed::StartLine),
    }
}

/// The first line without its end, and where the next one begins.
fn first_line<'a>(head: &'a [u8], extent: &Extent, ends: LineEnds) -> Result<(&'a [u8], usize), Malformed> {
    let end = extent.end_of(0).or_else(|| memchr(b'\n', head).map(|end| end + 1)).unwrap_or(head.len());
    let line = head.get(..end).and_then(|line| line.strip_suffix(b"\n")).unwrap_or_default();
    match line.strip_suffix(b"\r") {
        Some(line) => Ok((line, end)),
        None if ends == LineEnds::Tolerant => Ok((line, end)),
        None => Err(Malformed::LineFeed),
    }
}

#[cfg(test)]
mod tests;
