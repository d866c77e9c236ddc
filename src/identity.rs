//! The signed header that tells the application who is asking (pure).
//!
//! Separate so that what the application may rely on stands in one place: claims, keys, token, the two public
//! documents and the plain headers of the presets.
//!
//! Rules (DESIGN section 5): the token is a compact JWS (RFC 7515 7.1) with an asymmetric signature and a
//! `typ` of its own, so that no other token of ours can be taken for it; issuer and audience are configured,
//! never taken from a request; no claim is ever an empty stand-in for something unknown.
//!
//! The signer is written on aws-lc-rs directly: keys have to be made, named and sealed with it anyway, a parsed
//! key signs without being parsed again, and what remains of a JWT library is base64 and one dot.

mod claims;
mod documents;
mod key;
pub mod presets;
mod token;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

pub use claims::{ACCESS_MAX, Access, Claims, IDENTITY_PATH, Identity};
pub use documents::{DISCOVERY_PATH, Discovery, JWKS_PATH, Jwks};
pub use key::{Error, Jwk, SigningKey};
pub use presets::Preset;
pub use token::{Presented, kid_hint, mint, verify};

/// The header that carries the token.
pub const HEADER: &str = "X-Anteroom-Jwt-Assertion";

/// The token's `typ`.
pub const TOKEN_TYPE: &str = "anteroom-identity+jwt";

/// How long a token is good if nothing else is configured.
pub const LIFETIME_DEFAULT: Duration = Duration::from_mins(1);

/// The longest life a token can be given: a stolen one must not be worth much.
pub const LIFETIME_MAX: Duration = Duration::from_mins(5);

/// How identities are signed and told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The `iss` claim; by default `app.url` as it was written, without a slash at its end.
    pub issuer: String,
    /// The `aud` claim; by default the same.
    pub audience: String,
    /// How new keys sign.
    pub algorithm: Algorithm,
    /// How long a token is good, at most [`LIFETIME_MAX`].
    pub lifetime: Duration,
    /// Plain headers to send besides the token.
    pub presets: Vec<Preset>,
    /// `app.url`, where the documents are and where the full identity can be asked for.
    pub app_url: Url,
}

/// How a key signs (RFC 7518 3.1, RFC 8037 3.1). Never symmetric: the application must not be able to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for applications that know nothing else.
    RS256,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 3] = [Self::ES256, Self::RS256, Self::EdDSA];

    /// The `alg` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Reads an `alg` value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
