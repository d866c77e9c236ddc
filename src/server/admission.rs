//! Which requests are sound enough to be handled at all.
//!
//! Separate because hyper accepts more than a proxy may (several `Host` fields, `CONNECT`, odd transfer
//! codings), and whatever two servers could read in two ways ends here (R-25, T-B5, T-G2, T-G3).

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};

/// Checks a request and makes sure that it has a `Host` field, or says how to refuse it.
pub(super) fn admit<B>(request: &mut Request<B>) -> Result<(), StatusCode> {
    check_method(request.method())?;
    check_framing(request.headers(), request.version())?;
    settle_host(request)
}

/// `CONNECT` would make a tunnel and `TRACE` an echo of the identity header; other methods are passed on as
/// long as they are written as methods are.
fn check_method(method: &Method) -> Result<(), StatusCode> {
    if matches!(*method, Method::GET | Method::POST) {
        return Ok(());
    }
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let plain = method.as_str().bytes().all(|octet| octet.is_ascii_uppercase() || octet == b'-');
    if plain { Ok(()) } else { Err(StatusCode::NOT_IMPLEMENTED) }
}

/// One way to find the end of the body (RFC 9112 6.1, 6.3).
fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), StatusCode> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        if !chunked || version != Version::HTTP_11 || headers.contains_key(CONTENT_LENGTH) {
            return Err(StatusCode::BAD_REQUEST);
        }
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(())
}

/// One `Host`, and the same as the target's authority where the target has one (RFC 9112 3.2).
fn settle_host<B>(request: &mut Request<B>) -> Result<(), StatusCode> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let authority = request.uri().authority().map(Authority::as_str);
    match (host, authority) {
        (Some(host), None) => is_authority(host).then_some(()).ok_or(StatusCode::BAD_REQUEST),
        (Some(host), Some(authority)) => {
            let same = host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
            same.then_some(()).ok_or(StatusCode::BAD_REQUEST)
        }
        (None, Some(authority)) if request.version() == Version::HTTP_2 => {
            let host = HeaderValue::from_str(authority).map_err(|_| StatusCode::BAD_REQUEST)?;
            request.headers_mut().insert(HOST, host);
            Ok(())
        }
        (None, _) => Err(StatusCode::BAD_REQUEST),
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
