//! The token itself: header, claims and signature.
//!
//! Separate because these ten lines are what an application's verifier has to agree with.

use serde::Serialize;

use super::claims::Claims;
use super::key::{SigningKey, base64url};
use super::{Algorithm, TOKEN_TYPE};

/// Signs claims: a JWS in compact form (RFC 7515 7.1), plain ASCII whatever the claims hold.
#[must_use]
pub fn mint(key: &SigningKey, claims: &Claims) -> String {
    let header = Header { alg: key.algorithm(), typ: TOKEN_TYPE, kid: key.kid() };
    let mut token = format!("{}.{}", part(&header), part(claims));
    let signature = key.sign(token.as_bytes());
    token.push('.');
    token.push_str(&base64url(&signature));
    token
}

/// The JOSE header; `typ` keeps the token from being taken for any other kind (RFC 8725 3.11).
#[derive(Serialize)]
struct Header<'a> {
    alg: Algorithm,
    typ: &'static str,
    kid: &'a str,
}

fn part(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("header and claims are plain structs with text keys");
    base64url(&json)
}
