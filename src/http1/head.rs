//! The heads of requests and responses (RFC 9112 2 to 5).
//!
//! Separate because it is the border: before it there are octets, behind it there are names and values that are valid.

use std::io::Write as _;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, HOST, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use memchr::memchr;

use super::{FIELDS_MAX, Malformed};

/// Looks for the end of a head, going on where it stopped.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Where the line begins that has not ended yet.
    at: usize,
    lines: usize,
}

/// How far a head goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// With the empty line at its end.
    pub(crate) octets: usize,
    /// Without that one.
    pub(crate) lines: usize,
}

impl Search {
    /// The end of the head at the beginning of these octets, which are those of the last call and perhaps more.
    pub(crate) fn go_on(&mut self, octets: &[u8]) -> Option<Extent> {
        loop {
            let rest = octets.get(self.at..)?;
            let length = memchr(b'\n', rest)?;
            self.at += length + 1;
            if length == 0 || (length == 1 && rest.first() == Some(&b'\r')) {
                let Self { at, lines } = std::mem::take(self);
                return Some(Extent { octets: at, lines });
            }
            self.lines += 1;
        }
    }
}

/// What the ends of lines may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnds {
    /// CRLF.
    Strict,
    /// Line feeds alone, too: old programs that write a response line by line send them.
    Tolerant,
}

/// Reads the head of a request; `room` is for fields that will be added. The version is that of the request, the
/// target is in any of its four forms (RFC 9112 3.2) and without a fragment.
pub(crate) fn parse_request(head: &Bytes, extent: Extent, room: usize) -> Result<Request<()>, Malformed> {
    let mut lines = Lines { rest: head, ends: LineEnds::Strict };
    let line = lines.next().ok_or(Malformed::StartLine)??;
    let mut words = line.split(|octet| *octet == b' ');
    let words = (words.next(), words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some(version), None) = words else { return Err(Malformed::StartLine) };
    if memchr(b'#', target).is_some() {
        return Err(Malformed::StartLine);
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).map_err(|_| Malformed::StartLine)?;
    *request.version_mut() = version_of(version)?;
    *request.uri_mut() = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| Malformed::StartLine)?;
    *request.headers_mut() = fields(lines, head, extent.lines, room)?;
    Ok(request)
}

/// Reads the head of a response.
pub(crate) fn parse_response(head: &Bytes, extent: Extent) -> Result<Response<()>, Malformed> {
    let mut lines = Lines { rest: head, ends: LineEnds::Tolerant };
    let line = lines.next().ok_or(Malformed::StartLine)??;
    let (version, rest) = line.split_at_checked(b"HTTP/1.1".len()).ok_or(Malformed::StartLine)?;
    let version = version_of(version)?;
    let rest = rest.strip_prefix(b" ").ok_or(Malformed::StartLine)?;
    let (code, reason) = rest.split_at_checked(3).ok_or(Malformed::StartLine)?;
    if reason.first().is_some_and(|octet| *octet != b' ') {
        return Err(Malformed::StartLine);
    }
    let mut response = Response::new(());
    *response.version_mut() = version;
    *response.status_mut() = StatusCode::from_bytes(code).map_err(|_| Malformed::StartLine)?;
    *response.headers_mut() = fields(lines, head, extent.lines, 0)?;
    Ok(response)
}

/// Reads the trailers of a body: fields and an empty line (RFC 9112 7.1.2).
pub(super) fn parse_trailers(octets: &Bytes, extent: Extent) -> Result<HeaderMap, Malformed> {
    fields(Lines { rest: octets, ends: LineEnds::Strict }, octets, extent.lines, 0)
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
    let name = name.as_str().as_bytes();
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

/// The members of a list field, in all its lines (RFC 9110 5.6.1).
pub(crate) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
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

fn fields(lines: Lines<'_>, head: &Bytes, count: usize, room: usize) -> Result<HeaderMap, Malformed> {
    if count > FIELDS_MAX + 1 {
        return Err(Malformed::TooLarge);
    }
    let mut fields = HeaderMap::with_capacity(count + room);
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let colon = memchr(b':', line).ok_or(Malformed::Field)?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).map_err(|_| Malformed::Field)?;
        let value = head.slice_ref(trimmed(value.get(1..).unwrap_or_default()));
        fields.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Malformed::Field)?);
    }
    if fields.len() > FIELDS_MAX {
        return Err(Malformed::TooLarge);
    }
    Ok(fields)
}

/// Without the blanks around it (RFC 9110 5.6.3), and nothing else: other white space is no white space here.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The lines of a head, without their ends.
struct Lines<'a> {
    rest: &'a [u8],
    ends: LineEnds,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(match (line.strip_suffix(b"\r"), self.ends) {
            (Some(line), _) => Ok(line),
            (None, LineEnds::Tolerant) => Ok(line),
            (None, LineEnds::Strict) => Err(Malformed::LineFeed),
        })
    }
}

#[cfg(test)]
mod tests;
