//! Our own keys: what signs our messages and opens what was encrypted to us.
//!
//! Separate because private keys have rules of their own, and because nothing but this file and
//! [`super::encryption`] ever touches one.
//!
//! Rules: RSA of 2048 to 8192 bits, which is what every identity provider can verify and encrypt to; a key
//! without its certificate, or with that of another key, does not exist; the first key of a service provider
//! signs, all of them open.

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, hmac};
use url::Url;

use super::key::{Certificate, CertificateError};
use super::sp_metadata;

/// Us, as identity providers know us.
#[derive(Debug)]
pub struct ServiceProvider {
    /// Our entity ID: issuer of requests, audience of assertions.
    pub entity_id: String,
    /// Our assertion consumer service.
    pub acs_url: Url,
    /// Our single logout service, for both bindings.
    pub slo_url: Url,
    /// Our keys: the first is current, the others are those that come next or have been. May be empty.
    pub keys: Vec<Arc<KeyPair>>,
    metadata: String,
}

impl ServiceProvider {
    /// Puts us together; single logout answers beside the assertion consumer service, at `/saml2/logout`.
    #[must_use]
    pub fn new(entity_id: String, acs_url: Url, keys: Vec<Arc<KeyPair>>) -> Self {
        let mut slo_url = acs_url.clone();
        slo_url.set_path(LOGOUT_PATH);
        slo_url.set_query(None);
        let mut us = Self { entity_id, acs_url, slo_url, keys, metadata: String::new() };
        us.metadata = sp_metadata::write(&us);
        us
    }

    /// Our metadata as XML, for identity providers to import; signed if there is a key.
    #[must_use]
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The key that signs what we send; `None`: nothing is signed.
    #[must_use]
    pub fn signing_key(&self) -> Option<&KeyPair> {
        self.keys.first().map(Arc::as_ref)
    }
}

const LOGOUT_PATH: &str = "/saml2/logout";

/// A private RSA key with its certificate.
pub struct KeyPair {
    certificate: Certificate,
    signer: RsaKeyPair,
    opener: OaepPrivateDecryptingKey,
    rejection: hmac::Key,
}

/// The octets of a private key as its file has them.
#[derive(Clone, Copy)]
pub enum PrivateKeyOctets<'a> {
    /// PKCS#8, `PRIVATE KEY` in PEM.
    Pkcs8(&'a [u8]),
    /// PKCS#1, `RSA PRIVATE KEY` in PEM.
    Pkcs1(&'a [u8]),
}

/// Why a key and a certificate make no pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPairError {
    /// The private key is none that can be used.
    #[error("the key is no RSA key of 2048 to 8192 bits")]
    Key,
    /// The certificate cannot be used.
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[source] CertificateError),
    /// The certificate is for a key of another type.
    #[error("the certificate is for another type of key ({found}), and RSA is needed")]
    CertificateType {
        /// What its key is.
        found: String,
    },
    /// They do not belong together.
    #[error("the key is not that of the certificate")]
    Mismatch,
}

impl KeyPair {
    /// Puts a private key and the DER of its certificate together.
    pub fn new(key: PrivateKeyOctets<'_>, certificate_der: &[u8]) -> Result<Self, KeyPairError> {
        let signer = match key {
            PrivateKeyOctets::Pkcs8(octets) => RsaKeyPair::from_pkcs8(octets),
            PrivateKeyOctets::Pkcs1(octets) => RsaKeyPair::from_der(octets),
        }
        .map_err(|_| KeyPairError::Key)?;
        let certificate = Certificate::parse(certificate_der).map_err(KeyPairError::Certificate)?;
        if !certificate.key().is_rsa() {
            return Err(KeyPairError::CertificateType { found: certificate.key_description() });
        }
        if certificate.public_key_octets() != signer.public_key().as_ref() {
            return Err(KeyPairError::Mismatch);
        }
        let pkcs8 = signer.as_der().map_err(|_| KeyPairError::Key)?;
        let opener = PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).map_err(|_| KeyPairError::Key)?;
        let opener = OaepPrivateDecryptingKey::new(opener).map_err(|_| KeyPairError::Key)?;
        let secret = digest::digest(&digest::SHA256, pkcs8.as_ref());
        let rejection = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
        Ok(Self { certificate, signer, opener, rejection })
    }

    /// The certificate of the key.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The signature over octets: RSA PKCS#1 v1.5 with SHA-256
    /// (`http://www.w3.org/2001/04/xmldsig-more#rsa-sha256`), as long as the modulus.
    #[must_use]
    pub fn sign(&self, octets: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.signer.public_modulus_len()];
        // This padding takes no randomness; the parameter is there for others.
        self.signer
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), octets, &mut signature)
            .expect("a checked key signs, and the buffer is as long as the modulus");
        signature
    }

    /// The octets that were encrypted to this key. Takes the same time whatever is wrong with them.
    pub(super) fn unwrap_key(&self, algorithm: &'static OaepAlgorithm, encrypted: &[u8]) -> Option<Vec<u8>> {
        let mut octets = vec![0; self.opener.min_output_size()];
        let length = self.opener.decrypt(algorithm, encrypted, &mut octets, None).ok()?.len();
        octets.truncate(length);
        Some(octets)
    }

    /// What is decrypted with when nothing could be unwrapped: the same for the same octets, and known to nobody
    /// without the private key. As long as the longest key.
    pub(super) fn stand_in(&self, encrypted: &[u8]) -> Vec<u8> {
        hmac::sign(&self.rejection, encrypted).as_ref().to_vec()
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
