//! The two public documents: the keys, and where everything is.
//!
//! Separate because they are read by programs that we do not know: fields are added here, never renamed.

use serde::Serialize;
use url::Url;

use super::claims::IDENTITY_PATH;
use super::key::Jwk;
use super::{Algorithm, HEADER, Settings, TOKEN_TYPE};

/// Where the discovery document is.
pub const DISCOVERY_PATH: &str = "/.well-known/anteroom";

/// Where the public keys are.
pub const JWKS_PATH: &str = "/.well-known/anteroom/jwks.json";

/// A set of public keys (RFC 7517 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The keys; the one that signs now, the next one, and those whose tokens may still be about.
    pub keys: Vec<Jwk>,
}

/// What an application needs to know to verify the header, for its configuration or to read at start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Discovery {
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` of every token.
    pub audience: String,
    /// The header that carries the token.
    pub header: &'static str,
    /// The `typ` of every token.
    pub token_type: &'static str,
    /// The `alg` values of the published keys: accept no others.
    pub algorithms: Vec<Algorithm>,
    /// Seconds from a token's `iat` to its `exp`.
    pub token_lifetime_seconds: u64,
    /// The public keys.
    pub jwks_uri: String,
    /// The full identity behind a token, for those with more grants than fit into one.
    pub identity_endpoint: String,
    /// Who is signed on and until when, for the application's front end.
    pub session_endpoint: String,
    /// Where to send a browser to sign out.
    pub sign_out_url: String,
}

impl Discovery {
    /// Describes the tokens that these settings and keys make.
    #[must_use]
    pub fn new(settings: &Settings, published: &Jwks) -> Self {
        let mut algorithms = Vec::new();
        for key in &published.keys {
            if !algorithms.contains(&key.algorithm()) {
                algorithms.push(key.algorithm());
            }
        }
        let at = |path| address(&settings.app_url, path);
        Self {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            header: HEADER,
            token_type: TOKEN_TYPE,
            algorithms,
            token_lifetime_seconds: settings.lifetime.min(super::LIFETIME_MAX).as_secs(),
            jwks_uri: at(JWKS_PATH),
            identity_endpoint: at(IDENTITY_PATH),
            session_endpoint: at("/.anteroom/session"),
            sign_out_url: at("/.anteroom/sign-out"),
        }
    }
}

/// The address of one of our paths on the application's host.
pub(super) fn address(app_url: &Url, path: &str) -> String {
    let mut address = app_url.clone();
    address.set_path(path);
    address.set_query(None);
    address.set_fragment(None);
    address.into()
}
