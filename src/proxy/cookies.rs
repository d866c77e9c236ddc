//! Our own cookies, kept from the application, and the application's, kept from ours (T-D8).
//!
//! Separate because both directions must agree on what the name of a cookie is. What stays, stays byte for byte.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// Removes the named cookies from a request, and joins several `Cookie` lines, which HTTP/2 allows, into
/// one (RFC 9113 8.2.3).
pub(super) fn strip(headers: &mut HeaderMap, own: &[String]) {
    let mut lines = headers.get_all(COOKIE).iter();
    let Some(first) = lines.next() else { return };
    let several = lines.next().is_some();
    if !several && !first.as_bytes().split(|octet| *octet == b';').any(|pair| is_own(pair, own)) {
        return;
    }
    // Several lines need a separator each.
    let octets = headers.get_all(COOKIE).iter().map(|line| line.len() + 2).sum();
    let mut kept: Vec<u8> = Vec::with_capacity(octets);
    for line in headers.get_all(COOKIE) {
        let mut first_of_line = true;
        for pair in line.as_bytes().split(|octet| *octet == b';') {
            if is_own(pair, own) {
                continue;
            }
            if !kept.is_empty() {
                kept.extend_from_slice(if first_of_line { b"; " } else { b";" });
            }
            let pair = if kept.is_empty() { pair.trim_ascii_start() } else { pair };
            kept.extend_from_slice(pair);
            first_of_line = false;
        }
    }
    headers.remove(COOKIE);
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(kept))
        && !value.is_empty()
    {
        headers.insert(COOKIE, value);
    }
}

/// Removes those `Set-Cookie` fields of a response that would overwrite one of the named cookies.
pub(super) fn keep_ours(headers: &mut HeaderMap, own: &[String]) {
    let clashes = headers.get_all(SET_COOKIE).iter().any(|value| sets_own(value, own));
    if !clashes {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|value| !sets_own(value, own)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

fn sets_own(value: &HeaderValue, own: &[String]) -> bool {
    let pair = value.as_bytes().split(|octet| *octet == b';').next().unwrap_or_default();
    // A cookie without a name is sent back as its bare value, which then reads like a name.
    let pair = pair.trim_ascii_start();
    is_own(pair.strip_prefix(b"=").unwrap_or(pair), own)
}

fn is_own(pair: &[u8], own: &[String]) -> bool {
    let name = pair.split(|octet| *octet == b'=').next().unwrap_or_default().trim_ascii();
    own.iter().any(|own| own.as_bytes() == name)
}

#[cfg(test)]
mod tests;
