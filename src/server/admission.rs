//! Which requests are sound enough to be handled at all.
//!
//! Separate because hyper accepts more than a proxy may (several `Host` fields, `CONNECT`, odd transfer
//! codings), and whatever two servers could read in two ways ends here (R-25, T-B5, T-G2, T-G3).

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Version};

use super::refusal::Refusal;

/// The largest value of a field, in bytes, and how many fields there may be. All together are bounded by the
/// size of the head; HTTP/1 counts before it gets here, HTTP/2 does not count.
const VALUE_BYTES_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 100;

/// Checks a request and makes sure that it has a `Host` field, or says how to refuse it.
pub(super) fn admit<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    check_method(request.method())?;
    check_size(request.headers())?;
    check_framing(request.headers(), request.version())?;
    settle_host(request)
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

/// `X-Request-Id` is ours by now and counts for nobody.
fn check_size(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_small = |value: &HeaderValue| value.len() <= VALUE_BYTES_MAX;
    if headers.len() <= FIELDS_MAX + 1 && headers.values().all(is_small) {
        Ok(())
    } else {
        Err(Refusal::FieldsTooLarge)
    }
}

/// One way to find the end of the body (RFC 9112 6.1, 6.3).
fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        if !chunked || version != Version::HTTP_11 || headers.contains_key(CONTENT_LENGTH) {
            return Err(Refusal::Ambiguous);
        }
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Refusal::Ambiguous);
    }
    Ok(())
}

/// One `Host`, and the same as the target's authority where the target has one (RFC 9112 3.2).
fn settle_host<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err(Refusal::Ambiguous);
    }
    let authority = request.uri().authority().map(Authority::as_str);
    match (host, authority) {
        (Some(host), None) => is_authority(host).then_some(()).ok_or(Refusal::Ambiguous),
        (Some(host), Some(authority)) => {
            let same = host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
            same.then_some(()).ok_or(Refusal::Ambiguous)
        }
        (None, Some(authority)) if request.version() == Version::HTTP_2 => {
            let host = HeaderValue::from_str(authority).map_err(|_| Refusal::Ambiguous)?;
            request.headers_mut().insert(HOST, host);
            Ok(())
        }
        (None, _) => Err(Refusal::Ambiguous),
    }
}

/// A host and perhaps a port, and nothing that a log or a redirect could trip over.
fn is_authority(host: &HeaderValue) -> bool {
    let plain = |octet: &u8| {
        octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    !host.is_empty() && host.len() <= 255 && host.as_bytes().iter().all(plain)
}

#[cfg(test)]
mod tests;
