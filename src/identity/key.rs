//! Private keys that sign tokens, and their public halves.
//!
//! Separate because only this file touches key material: it goes out sealed (as PKCS#8 in a [`Secret`]) or
//! public (as a JWK), never otherwise.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::Algorithm;
use crate::secret::{Secret, sha256};

/// Why octets are not a key of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a PKCS#8 private key for {algorithm}")]
pub struct Error {
    /// The algorithm that the key was to have.
    pub algorithm: Algorithm,
}

/// A key that signs tokens.
pub struct SigningKey {
    pair: Pair,
    jwk: Jwk,
}

/// A public key as applications read it (RFC 7517 4), named by its thumbprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kid: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: Algorithm,
    #[serde(flatten)]
    parameters: Parameters,
}

impl SigningKey {
    /// Makes a key, and the form in which it can be kept. The octets come from the generator inside aws-lc,
    /// which takes no other source.
    #[must_use]
    pub fn generate(algorithm: Algorithm) -> (Self, Secret<Vec<u8>>) {
        let pkcs8 = match algorithm {
            Algorithm::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| Ok(pair.to_pkcs8v1()?.as_ref().to_vec())),
            Algorithm::RS256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| Ok(AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)?.as_ref().to_vec())),
            Algorithm::EdDSA => {
                Ed25519KeyPair::generate().and_then(|pair| Ok(pair.to_pkcs8()?.as_ref().to_vec()))
            }
        }
        .expect("the system's random generator works, or nothing is safe");
        let key = Self::from_pkcs8(algorithm, &pkcs8).expect("a key that was just made can be read");
        (key, Secret::new(pkcs8))
    }

    /// Reads a key in PKCS#8 (RFC 5208 5).
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, Error> {
        let pair = Pair::from_pkcs8(algorithm, pkcs8).ok_or(Error { algorithm })?;
        let parameters = pair.parameters().ok_or(Error { algorithm })?;
        let jwk = Jwk { kid: parameters.thumbprint(), usage: "sig", alg: algorithm, parameters };
        Ok(Self { pair, jwk })
    }

    /// The key's name: the thumbprint of its public half (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// How the key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.jwk.alg
    }

    /// The public half.
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The signature in the form that JWS asks for: for ES256 the 64 octets of r and s (RFC 7518 3.4).
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&random, message)
                .expect("the system's random generator works, or nothing is safe")
                .as_ref()
                .to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("the buffer has the length of the modulus");
                signature
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Whether this key has signed a message.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, public): (&dyn VerificationAlgorithm, &[u8]) = match &self.pair {
            Pair::Ecdsa(pair) => (&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Pair::Rsa(pair) => (&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => (&ED25519, pair.public_key().as_ref()),
        };
        algorithm.verify_sig(public, message, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("jwk", &self.jwk).finish_non_exhaustive()
    }
}

impl Jwk {
    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How the key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.alg
    }
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::ES256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Self::Ecdsa).ok()
            }
            Algorithm::RS256 => RsaKeyPair::from_pkcs8(pkcs8).map(Self::Rsa).ok(),
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed25519).ok(),
        }
    }

    fn parameters(&self) -> Option<Parameters> {
        match self {
            Self::Ecdsa(pair) => {
                // SEC 1 2.3.3: 4, then the two coordinates of 32 octets.
                let (_, coordinates) = pair.public_key().as_ref().split_at_checked(1)?;
                let (x, y) = coordinates.split_at_checked(32)?;
                Some(Parameters::Ec { crv: "P-256", x: base64url(x), y: base64url(y) })
            }
            Self::Rsa(pair) => {
                let public = pair.public_key();
                Some(Parameters::Rsa {
                    e: base64url(public.exponent().big_endian_without_leading_zero()),
                    n: base64url(public.modulus().big_endian_without_leading_zero()),
                })
            }
            Self::Ed25519(pair) => {
                Some(Parameters::Okp { crv: "Ed25519", x: base64url(pair.public_key().as_ref()) })
            }
        }
    }
}

/// The parameters of RFC 7518 6 and RFC 8037 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
enum Parameters {
    #[serde(rename = "EC")]
    Ec { crv: &'static str, x: String, y: String },
    #[serde(rename = "RSA")]
    Rsa { e: String, n: String },
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
}

impl Parameters {
    /// RFC 7638 3.2: the required members alone, in alphabetical order, without white space. No value can hold
    /// a character that JSON would escape.
    fn thumbprint(&self) -> String {
        let members = match self {
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Rsa { e, n } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        };
        base64url(&sha256(members.as_bytes()))
    }
}

pub(super) fn base64url(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}
