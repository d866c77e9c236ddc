//! From the application's response to ours.
//!
//! Separate because it answers one question: which fields of the application's response end at us.

use http::HeaderMap;
use http::header::TRAILER;

use crate::http1::fields::{Fields, Known, Names};

use super::fields::Reserved;
use super::{Settings, cookies, request};

/// What speaks about the connection to the application only (RFC 9110 7.6.1).
const HOP_BY_HOP: Names = Names::of(&[
    Known::Connection,
    Known::TransferEncoding,
    Known::Trailer,
    Known::KeepAlive,
    Known::Upgrade,
    Known::ProxyConnection,
    Known::ProxyAuthenticate,
    Known::Te,
]);

/// Removes the fields of the hop and those that would touch our own state in the browser; returns those that are said
/// anew.
pub(super) fn clean(fields: &mut Fields, settings: &Settings, reserved: &Reserved) -> HeaderMap {
    let mut anew = HeaderMap::new();
    if let Some(trailer) = request::announced_trailers(fields.all(Known::Trailer), reserved) {
        anew.insert(TRAILER, trailer);
    }
    strip_hop(fields);
    strip_ours(fields, settings);
    anew
}

/// Removes what would overwrite our own cookies.
pub(super) fn strip_ours(fields: &mut Fields, settings: &Settings) {
    let own = &settings.own_cookie_names;
    if fields.all(Known::SetCookie).any(|value| cookies::sets_own(value, own)) {
        fields.retain(|field| field.known != Known::SetCookie || !cookies::sets_own(field.value, own));
    }
}

/// Removes the fields of the hop.
pub(super) fn strip_hop(fields: &mut Fields) {
    if !fields.has_any(HOP_BY_HOP) {
        return;
    }
    // The body was framed by its chunks; a length beside them says nothing (RFC 9112 6.3).
    let is_chunked = fields.has(Known::TransferEncoding);
    let ended: Vec<_> =
        request::named_by_connection(fields).into_iter().map(<[u8]>::to_ascii_lowercase).collect();
    fields.retain(|field| {
        let is_of_hop =
            HOP_BY_HOP.contains(field.known) || (is_chunked && field.known == Known::ContentLength);
        !is_of_hop && !ended.iter().any(|name| name == field.name)
    });
}
