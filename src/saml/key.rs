//! Certificates of identity providers and the signature keys in them.
//!
//! Separate because the key policy must hold at import, before any message comes.
//!
//! Rules: RSA of 2048 to 8192 bits with an odd exponent of at least 3, or ECDSA on P-256, P-384 or
//! P-521; the algorithm of a signature is chosen by the type of the key (SAML-ATTACKS C4, C6);
//! the certificate's own signature and issuer mean nothing, the key is pinned by the metadata.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as sig, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::engine::Hash;

/// A signing certificate of an identity provider.
pub struct Certificate {
    subject: String,
    not_before: Timestamp,
    not_after: Timestamp,
    sha256: [u8; 32],
    der: Vec<u8>,
    public_key: Vec<u8>,
    key: Key,
}

/// Why a certificate cannot be trusted for signatures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The octets are no X.509 certificate.
    #[error("it is not a DER-encoded X.509 certificate")]
    Malformed,
    /// The key is too weak.
    #[error("its key is too weak ({found}); at least RSA 2048 or ECDSA P-256 is needed")]
    WeakKey {
        /// What the key is.
        found: String,
    },
    /// The key is of a type that is not used for SAML.
    #[error("its key type is not supported ({found}); RSA and ECDSA on P-256, P-384, P-521 are")]
    UnsupportedKey {
        /// What the key is.
        found: String,
    },
}

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        let instant = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|_| CertificateError::Malformed)
        };
        let mut sha256 = [0; 32];
        for (to, from) in sha256.iter_mut().zip(digest::digest(&digest::SHA256, der).as_ref()) {
            *to = *from;
        }
        Ok(Self {
            subject: super::refusal::bounded(&certificate.subject().to_string()),
            not_before: instant(certificate.validity().not_before)?,
            not_after: instant(certificate.validity().not_after)?,
            sha256,
            der: der.to_vec(),
            public_key: certificate.public_key().subject_public_key.data.to_vec(),
            key: Key::parse(&certificate)?,
        })
    }

    /// The subject as text, for support only.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The first instant of validity.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last instant of validity.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The SHA-256 fingerprint in hexadecimal, as consoles show it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        use std::fmt::Write as _;
        self.sha256.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The type and size of the key, such as `RSA 2048` or `ECDSA P-256`.
    #[must_use]
    pub fn key_description(&self) -> String {
        self.key.description()
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as a file has it.
    #[must_use]
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(&self.der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// The public key without the name of its algorithm: for RSA an `RSAPublicKey` (RFC 8017 A.1.1).
    pub(super) fn public_key_octets(&self) -> &[u8] {
        &self.public_key
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("not_after", &self.not_after)
            .field("sha256", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// A public key, parsed once for each hash it may be used with.
pub(super) enum Key {
    Rsa { bits: usize, sha256: ParsedPublicKey, sha384: ParsedPublicKey, sha512: ParsedPublicKey },
    Ecdsa { curve: Curve, sha256: ParsedPublicKey, sha384: ParsedPublicKey, sha512: ParsedPublicKey },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// A signature algorithm from the allow-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    RsaPkcs1(Hash),
    Ecdsa(Hash),
}

impl Algorithm {
    pub(super) fn from_uri(uri: &str) -> Option<Self> {
        match uri.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#")? {
            "rsa-sha256" => Some(Self::RsaPkcs1(Hash::Sha256)),
            "rsa-sha384" => Some(Self::RsaPkcs1(Hash::Sha384)),
            "rsa-sha512" => Some(Self::RsaPkcs1(Hash::Sha512)),
            "ecdsa-sha256" => Some(Self::Ecdsa(Hash::Sha256)),
            "ecdsa-sha384" => Some(Self::Ecdsa(Hash::Sha384)),
            "ecdsa-sha512" => Some(Self::Ecdsa(Hash::Sha512)),
            _ => None,
        }
    }
}

impl Key {
    fn parse(certificate: &X509Certificate<'_>) -> Result<Self, CertificateError> {
        let info = certificate.public_key();
        let unsupported = |found: &str| CertificateError::UnsupportedKey { found: found.to_owned() };
        match info.parsed() {
            Ok(PublicKey::RSA(rsa)) => {
                // The algorithm must be rsaEncryption: a key marked for PSS only is none of ours.
                if info.algorithm.algorithm.to_id_string() != "1.2.840.113549.1.1.1" {
                    return Err(unsupported("RSA restricted to another padding"));
                }
                Self::rsa(&rsa, &info.subject_public_key.data)
            }
            Ok(PublicKey::EC(point)) => {
                let curve = info
                    .algorithm
                    .parameters
                    .as_ref()
                    .and_then(|parameters| parameters.as_oid().ok())
                    .and_then(|oid| Curve::from_oid(&oid.to_id_string()))
                    .ok_or_else(|| unsupported("ECDSA on another curve"))?;
                Self::ecdsa(curve, point.data())
            }
            Ok(_) => Err(unsupported(&info.algorithm.algorithm.to_id_string())),
            Err(_) => Err(CertificateError::Malformed),
        }
    }

    fn rsa(rsa: &x509_parser::public_key::RSAPublicKey<'_>, der: &[u8]) -> Result<Self, CertificateError> {
        let modulus = rsa.modulus.iter().skip_while(|byte| **byte == 0);
        let bits = modulus.clone().count() * 8
            - modulus.clone().next().map_or(0, |byte| byte.leading_zeros() as usize);
        let exponent = rsa.try_exponent().unwrap_or(0);
        if bits < RSA_BITS_MIN || exponent < 3 || exponent.is_multiple_of(2) {
            return Err(CertificateError::WeakKey { found: format!("RSA {bits} with exponent {exponent}") });
        }
        let parse = |algorithm: &'static dyn VerificationAlgorithm| {
            ParsedPublicKey::new(algorithm, der)
                .map_err(|_| CertificateError::UnsupportedKey { found: format!("RSA {bits}") })
        };
        Ok(Self::Rsa {
            bits,
            sha256: parse(&sig::RSA_PKCS1_2048_8192_SHA256)?,
            sha384: parse(&sig::RSA_PKCS1_2048_8192_SHA384)?,
            sha512: parse(&sig::RSA_PKCS1_2048_8192_SHA512)?,
        })
    }

    fn ecdsa(curve: Curve, point: &[u8]) -> Result<Self, CertificateError> {
        let [sha256, sha384, sha512] = curve.algorithms();
        let parse = |algorithm: &'static dyn VerificationAlgorithm| {
            ParsedPublicKey::new(algorithm, point).map_err(|_| CertificateError::Malformed)
        };
        if point.len() != 1 + 2 * curve.field_octets() || point.first() != Some(&4) {
            return Err(CertificateError::UnsupportedKey {
                found: "ECDSA with a compressed point".to_owned(),
            });
        }
        Ok(Self::Ecdsa { curve, sha256: parse(sha256)?, sha384: parse(sha384)?, sha512: parse(sha512)? })
    }

    /// Whether this key may be used with the algorithm at all.
    pub(super) const fn fits(&self, algorithm: Algorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::Rsa { .. }, Algorithm::RsaPkcs1(_)) | (Self::Ecdsa { .. }, Algorithm::Ecdsa(_))
        )
    }

    /// Whether `signature` over `octets` was made with this key by this algorithm.
    pub(super) fn verifies(&self, algorithm: Algorithm, octets: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { sha256, sha384, sha512, .. }, Algorithm::RsaPkcs1(hash)) => {
                by_hash(hash, [sha256, sha384, sha512]).verify_sig(octets, signature).is_ok()
            }
            (Self::Ecdsa { curve, sha256, sha384, sha512 }, Algorithm::Ecdsa(hash)) => {
                ecdsa_der(signature, curve.field_octets()).is_some_and(|der| {
                    by_hash(hash, [sha256, sha384, sha512]).verify_sig(octets, &der).is_ok()
                })
            }
            _ => false,
        }
    }

    pub(super) const fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa { .. })
    }

    fn description(&self) -> String {
        match self {
            Self::Rsa { bits, .. } => format!("RSA {bits}"),
            Self::Ecdsa { curve, .. } => match curve {
                Curve::P256 => "ECDSA P-256".to_owned(),
                Curve::P384 => "ECDSA P-384".to_owned(),
                Curve::P521 => "ECDSA P-521".to_owned(),
            },
        }
    }
}

const RSA_BITS_MIN: usize = 2048;

const fn by_hash<T: Copy>(hash: Hash, [sha256, sha384, sha512]: [T; 3]) -> T {
    match hash {
        Hash::Sha256 => sha256,
        Hash::Sha384 => sha384,
        Hash::Sha512 => sha512,
    }
}

impl Curve {
    fn from_oid(oid: &str) -> Option<Self> {
        match oid {
            "1.2.840.10045.3.1.7" => Some(Self::P256),
            "1.3.132.0.34" => Some(Self::P384),
            "1.3.132.0.35" => Some(Self::P521),
            _ => None,
        }
    }

    const fn field_octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn algorithms(self) -> [&'static dyn VerificationAlgorithm; 3] {
        match self {
            Self::P256 => {
                [&sig::ECDSA_P256_SHA256_ASN1, &sig::ECDSA_P256_SHA384_ASN1, &sig::ECDSA_P256_SHA512_ASN1]
            }
            Self::P384 => {
                [&sig::ECDSA_P384_SHA256_ASN1, &sig::ECDSA_P384_SHA384_ASN1, &sig::ECDSA_P384_SHA512_ASN1]
            }
            Self::P521 => {
                [&sig::ECDSA_P521_SHA256_ASN1, &sig::ECDSA_P521_SHA384_ASN1, &sig::ECDSA_P521_SHA512_ASN1]
            }
        }
    }
}

/// XML Signature writes an ECDSA signature as two integers of fixed length (RFC 4050 section 3.3);
/// the verifier wants them as a DER sequence.
fn ecdsa_der(fixed: &[u8], field_octets: usize) -> Option<Vec<u8>> {
    if fixed.len() != 2 * field_octets {
        return None;
    }
    let (r, s) = fixed.split_at(field_octets);
    let mut body = der_integer(r)?;
    body.extend(der_integer(s)?);
    let mut der = vec![0x30];
    let length = u8::try_from(body.len()).ok()?;
    if length >= 0x80 {
        der.push(0x81);
    }
    der.push(length);
    der.extend(body);
    Some(der)
}

fn der_integer(big_endian: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = big_endian.iter().copied().skip_while(|byte| *byte == 0).collect();
    let needs_sign_octet = digits.first().is_none_or(|byte| *byte >= 0x80);
    let length = u8::try_from(digits.len() + usize::from(needs_sign_octet)).ok()?;
    let mut der = vec![0x02, length];
    if needs_sign_octet {
        der.push(0);
    }
    der.extend(digits);
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_signatures_become_minimal_der() {
        assert_eq!(ecdsa_der(&[0, 0x81, 0, 0x7f], 2), Some(vec![0x30, 7, 2, 2, 0, 0x81, 2, 1, 0x7f]));
        assert_eq!(ecdsa_der(&[0, 0, 0, 0], 2), Some(vec![0x30, 6, 2, 1, 0, 2, 1, 0]));
        assert_eq!(ecdsa_der(&[1, 2, 3], 2), None);
    }

    #[test]
    fn algorithms_outside_the_list_are_unknown() {
        for uri in [
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha224",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "",
        ] {
            assert_eq!(Algorithm::from_uri(uri), None, "{uri}");
        }
    }
}
