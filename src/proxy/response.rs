//! From the application's response to ours.
//!
//! Separate because it answers one question: which fields of the application's response end at us.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::response::Parts;
use http::{HeaderMap, Version};

use super::fields::Reserved;
use super::{Settings, cookies, request};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removes the fields of the hop and those that would touch our own state in the browser.
pub(super) fn clean(parts: &mut Parts, settings: &Settings, reserved: &Reserved) {
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let headers = &mut parts.headers;
    let trailer = request::announced_trailers(headers, reserved);
    strip_hop(headers);
    if let Some(trailer) = trailer {
        headers.insert(TRAILER, trailer);
    }
    cookies::keep_ours(headers, &settings.own_cookie_names);
}

/// Removes the fields of the hop.
pub(super) fn strip_hop(headers: &mut HeaderMap) {
    request::strip_named_by_connection(headers);
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // The body was framed by its chunks; a length beside them says nothing (RFC 9112 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    for name in [CONNECTION, KEEP_ALIVE, PROXY_AUTHENTICATE, PROXY_CONNECTION, TE, TRAILER, UPGRADE] {
        headers.remove(name);
    }
}
