//! Our own cookies, kept from the application, and the application's, kept from ours (T-D8).
//!
//! Separate because both directions must agree on what the name of a cookie is. What stays, stays byte for byte.

use memchr::memchr;

use crate::http1::fields::pairs;

/// Writes the cookies of these lines without those of ours; several lines, which HTTP/2 allows, become one (RFC 9113
/// 8.2.3). `false` if none are left.
pub(super) fn strip<'a>(lines: impl Iterator<Item = &'a [u8]>, own: &[String], out: &mut Vec<u8>) -> bool {
    let (begin, mut are_all) = (out.len(), true);
    for line in lines {
        let mut first_of_line = true;
        for pair in pairs(line) {
            if is_own(pair, own) {
                are_all = false;
                continue;
            }
            let is_first = out.len() == begin;
            if !is_first {
                out.extend_from_slice(if first_of_line { b"; " } else { b";" });
            }
            out.extend_from_slice(if is_first { pair.trim_ascii_start() } else { pair });
            first_of_line = false;
        }
    }
    are_all || out.len() > begin
}

/// Whether a `Set-Cookie` field of a response would overwrite one of the named cookies.
pub(super) fn sets_own(value: &[u8], own: &[String]) -> bool {
    let pair = pairs(value).next().unwrap_or_default();
    // A cookie without a name is sent back as its bare value, which then reads like a name.
    let pair = pair.trim_ascii_start();
    is_own(pair.strip_prefix(b"=").unwrap_or(pair), own)
}

fn is_own(pair: &[u8], own: &[String]) -> bool {
    let name = memchr(b'=', pair).and_then(|end| pair.get(..end)).unwrap_or(pair).trim_ascii();
    own.iter().any(|own| own.as_bytes() == name)
}

#[cfg(test)]
mod tests;
