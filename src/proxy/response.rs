//! From the application's response to ours.
//!
//! Separate because it answers one question: which fields of the application's response end at us.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Version};

use super::fields::Reserved;
use super::{Settings, cookies, request};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What speaks about the connection to the application only (RFC 9110 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] =
    [CONNECTION, TRANSFER_ENCODING, TRAILER, KEEP_ALIVE, UPGRADE, PROXY_CONNECTION, PROXY_AUTHENTICATE, TE];

/// Removes the fields of the hop and those that would touch our own state in the browser.
pub(super) fn clean(parts: &mut Parts, settings: &Settings, reserved: &Reserved) {
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let headers = &mut parts.headers;
    let lines: Vec<HeaderValue> = headers.get_all(TRAILER).iter().cloned().collect();
    strip_hop(headers);
    if let Some(trailer) = request::announced_trailers(&lines, reserved) {
        headers.insert(TRAILER, trailer);
    }
    if headers.contains_key(SET_COOKIE) {
        cookies::keep_ours(headers, &settings.own_cookie_names);
    }
}

/// Removes the fields of the hop.
pub(super) fn strip_hop(headers: &mut HeaderMap) {
    // To look at all names is cheaper than to look for one.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // The body was framed by its chunks; a length beside them says nothing (RFC 9112 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    let mut ended = request::named_by_connection(headers);
    ended.extend(headers.keys().filter(|name| HOP_BY_HOP.contains(name)).cloned());
    for name in ended {
        headers.remove(name);
    }
}
