//! Our own cookies, kept from the application, and the application's, kept from ours (T-D8).
//!
//! Separate because both directions must agree on what the name of a cookie is. What stays, stays byte for byte.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

/// The cookies in these lines without those of ours; several lines, which HTTP/2 allows, become one (RFC 9113 8.2.3).
/// `None` if none are left.
pub(super) fn strip(lines: &[HeaderValue], own: &[String]) -> Option<HeaderValue> {
    let mut pairs = lines.iter().flat_map(|line| line.as_bytes().split(|octet| *octet == b';'));
    if let [only] = lines
        && !pairs.any(|pair| is_own(pair, own))
    {
        return Some(only.clone());
    }
    // Several lines need a separator each.
    let octets = lines.iter().map(|line| line.len() + 2).sum();
    let mut kept: Vec<u8> = Vec::with_capacity(octets);
    for line in lines {
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
    let kept = HeaderValue::from_maybe_shared(bytes::Bytes::from(kept)).ok();
    kept.filter(|kept| !kept.is_empty())
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
