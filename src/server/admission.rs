//! Which requests are sound enough to be handled at all.
//!
//! Separate because hyper accepts more than a proxy may (several `Host` fields, `CONNECT`, odd transfer
//! codings), and whatever two servers could read in two ways ends here (R-25, T-B5, T-G2, T-G3).

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Version};

use crate::http1::FIELDS_MAX;
use crate::http1::fields::{Fields, Known};
use crate::http1::head::RequestHead;

use super::refusal::Refusal;

/// The largest value of a field, in bytes.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// The largest head of HTTP/2 as its senders count it (RFC 9113 6.5.2); HTTP/1 counts before it gets here.
const HEAD_LIST_BYTES_MAX: usize = 32 * 1024;

/// The head of a request of HTTP/2, whose host is its authority (RFC 9113 8.3.1).
pub(super) fn head_of_http2(mut parts: Parts) -> RequestHead {
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.entry(HOST).or_insert(host);
    }
    RequestHead::from(&parts)
}

/// Checks a request, or says how to refuse it.
pub(super) fn admit(head: &RequestHead) -> Result<(), Refusal> {
    check_method(&head.method)?;
    check_size(head)?;
    check_framing(&head.fields, head.version)?;
    check_host(head)
}

/// `CONNECT` would make a tunnel and `TRACE` an echo of the identity header; other methods are passed on as
/// long as they are written as methods are.
fn check_method(method: &Method) -> Result<(), Refusal> {
    if matches!(*method, Method::GET | Method::POST) {
        return Ok(());
    }
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    let plain = method.as_str().bytes().all(|octet| octet.is_ascii_uppercase() || octet == b'-');
    if plain { Ok(()) } else { Err(Refusal::UnknownMethod) }
}

fn check_size(head: &RequestHead) -> Result<(), Refusal> {
    let fields = &head.fields;
    // The host of HTTP/2 was made of its authority.
    let made = usize::from(head.version == Version::HTTP_2 && head.uri.authority().is_some());
    let is_large = fields.len() - made.min(fields.len()) > FIELDS_MAX
        || fields.tokens(Known::Connection).nth(FIELDS_MAX).is_some()
        || fields.iter().any(|field| field.value.len() > VALUE_BYTES_MAX)
        || (head.version == Version::HTTP_2 && list_bytes(head) > HEAD_LIST_BYTES_MAX);
    if is_large { Err(Refusal::FieldsTooLarge) } else { Ok(()) }
}

/// The size of a head of HTTP/2: names, values, and 32 octets for each field.
fn list_bytes(head: &RequestHead) -> usize {
    const FIELD_BYTES: usize = 32;
    let uri = &head.uri;
    let pseudo_fields = [
        (":method", Some(head.method.as_str())),
        (":scheme", uri.scheme_str()),
        (":authority", uri.authority().map(Authority::as_str)),
        (":path", uri.path_and_query().map(PathAndQuery::as_str)),
    ];
    let pseudo_fields =
        pseudo_fields.iter().filter_map(|(name, value)| value.map(|value| (name.len(), value.len())));
    // The host was made of the authority.
    let fields = head.fields.iter().filter(|field| field.known != Known::Host);
    let fields = fields.map(|field| (field.name.len(), field.value.len()));
    pseudo_fields.chain(fields).map(|(name, value)| name + value + FIELD_BYTES).sum()
}

/// One way to find the end of the body (RFC 9112 6.1, 6.3).
fn check_framing(fields: &Fields, version: Version) -> Result<(), Refusal> {
    let mut codings = fields.all(Known::TransferEncoding);
    if let Some(coding) = codings.next() {
        let chunked = coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        if !chunked || version != Version::HTTP_11 || fields.has(Known::ContentLength) {
            return Err(Refusal::Ambiguous);
        }
    }
    if fields.all(Known::ContentLength).nth(1).is_some() { Err(Refusal::Ambiguous) } else { Ok(()) }
}

/// One `Host`, and the same as the target's authority where the target has one (RFC 9112 3.2).
fn check_host(head: &RequestHead) -> Result<(), Refusal> {
    let mut hosts = head.fields.all(Known::Host);
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Ambiguous) };
    let is_sound = match head.uri.authority() {
        None => is_authority(host),
        Some(authority) => host.eq_ignore_ascii_case(authority.as_str().as_bytes()),
    };
    if is_sound { Ok(()) } else { Err(Refusal::Ambiguous) }
}

/// A host and perhaps a port, and nothing that a log or a redirect could trip over.
fn is_authority(host: &[u8]) -> bool {
    let plain = |octet: &u8| {
        octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    !host.is_empty() && host.len() <= 255 && host.iter().all(plain)
}

#[cfg(test)]
mod tests;
