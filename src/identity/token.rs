//! The token itself: header, claims and signature.
//!
//! Separate because these ten lines are what an application's verifier has to agree with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::claims::Claims;
use super::key::{SigningKey, base64url};
use super::{Algorithm, Settings, TOKEN_TYPE};
use crate::id::{SessionName, UserId};

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

/// Whom a token of ours names, for an application that asks for more (claim `access_ref`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The `sub` claim.
    pub user: UserId,
    /// The `sid` claim.
    pub session: SessionName,
}

/// The `kid` that a token says it was signed with; `None` for what is no token. Proves nothing.
#[must_use]
pub fn kid_hint(token: &str) -> Option<String> {
    let (header, _, _) = split(token)?;
    let header: ReadHeader = read(header)?;
    (header.typ == TOKEN_TYPE).then_some(header.kid)
}

/// Whom a token names, if this key has signed it, as we would, and it is good now.
#[must_use]
pub fn verify(key: &SigningKey, token: &str, settings: &Settings, now: Timestamp) -> Option<Presented> {
    let (header, claims, signature) = split(token)?;
    let read_header: ReadHeader = read(header)?;
    let is_ours = read_header.typ == TOKEN_TYPE
        && read_header.alg == key.algorithm().as_str()
        && read_header.kid == key.kid();
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let message = token.get(..header.len() + 1 + claims.len())?;
    if !is_ours || !key.has_signed(message.as_bytes(), &signature) {
        return None;
    }
    let claims: ReadClaims = read(claims)?;
    let now = now.as_second();
    let is_good = claims.iss == settings.issuer
        && claims.aud == settings.audience
        && claims.nbf <= now
        && now < claims.exp;
    if !is_good {
        return None;
    }
    Some(Presented { user: UserId::parse(&claims.sub).ok()?, session: SessionName::parse(&claims.sid).ok()? })
}

#[derive(Deserialize)]
struct ReadHeader {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct ReadClaims {
    iss: String,
    aud: String,
    nbf: i64,
    exp: i64,
    sub: String,
    sid: String,
}

fn split(token: &str) -> Option<(&str, &str, &str)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let three = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(three)
}

fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Far more than a token with all its grants.
const TOKEN_BYTES_MAX: usize = 32 * 1024;

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
