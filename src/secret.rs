//! Secrets and what is made from the cluster secret: sealing and authenticating short messages.
//!
//! Separate so that key material never has a `Debug`, `Display` or `Serialize` that shows it, and so that
//! every use of the cluster secret has a purpose of its own: a token made for one is garbage for another.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hkdf, hmac};

/// A value that must not be shown. Reading it takes a visible [`Secret::expose`].
#[derive(Clone)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; the caller keeps it out of logs and messages.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The 32 octets that all nodes of a cluster share (`store.secret_file`).
#[derive(Debug, Clone)]
pub struct ClusterSecret(Secret<[u8; 32]>);

impl ClusterSecret {
    /// Takes the octets of the secret file.
    #[must_use]
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(Secret::new(octets))
    }

    /// A key that seals and opens, for one purpose.
    #[must_use]
    pub fn seal_key(&self, purpose: &'static str) -> SealKey {
        SealKey { octets: Secret::new(self.derive(purpose)), purpose }
    }

    /// A key that authenticates, for one purpose.
    #[must_use]
    pub fn mac_key(&self, purpose: &'static str) -> MacKey {
        MacKey(hmac::Key::new(hmac::HMAC_SHA256, &self.derive(purpose)))
    }

    /// HKDF (RFC 5869) with the purpose as its info.
    fn derive(&self, purpose: &'static str) -> [u8; 32] {
        let mut octets = [0_u8; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"anteroom")
            .extract(self.0.expose())
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|derived| derived.fill(&mut octets))
            .expect("32 octets is the length of one HKDF-SHA256 block");
        octets
    }
}

/// Seals messages with AES-256-GCM under a random nonce, which stands before the ciphertext.
#[derive(Debug, Clone)]
pub struct SealKey {
    octets: Secret<[u8; 32]>,
    purpose: &'static str,
}

impl SealKey {
    /// Encrypts and authenticates a message.
    #[must_use]
    pub fn seal(&self, message: &[u8]) -> Vec<u8> {
        let mut sealed = message.to_vec();
        let nonce = self
            .key()
            .seal_in_place_append_tag(Aad::from(self.purpose.as_bytes()), &mut sealed)
            .expect("messages are far below the limit of GCM");
        [nonce.as_ref().as_slice(), &sealed].concat()
    }

    /// Opens what [`SealKey::seal`] made; `None` for anything else.
    #[must_use]
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut message = rest.to_vec();
        let length =
            self.key().open_in_place(nonce, Aad::from(self.purpose.as_bytes()), &mut message).ok()?.len();
        message.truncate(length);
        Some(message)
    }

    fn key(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, self.octets.expose())
            .expect("the key has the cipher's 32 octets")
    }
}

/// Authenticates messages with HMAC-SHA256.
#[derive(Debug, Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The first 128 bits of the message's HMAC.
    #[must_use]
    pub fn tag(&self, message: &[u8]) -> [u8; 16] {
        let full = hmac::sign(&self.0, message);
        let mut tag = [0_u8; 16];
        tag.copy_from_slice(full.as_ref().split_at(16).0);
        tag
    }

    /// Whether the tag belongs to the message, in constant time.
    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.tag(message), tag).is_ok()
    }
}

/// SHA-256, for keeping only the hash of a bearer value.
#[must_use]
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0_u8; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_for_one_purpose_opens_for_no_other() {
        let secret = ClusterSecret::new([7; 32]);
        let sealed = secret.seal_key("tabs").seal(b"deep link");
        assert_eq!(secret.seal_key("tabs").open(&sealed).as_deref(), Some(b"deep link".as_slice()));
        assert_eq!(secret.seal_key("keys").open(&sealed), None);
        assert_eq!(ClusterSecret::new([8; 32]).seal_key("tabs").open(&sealed), None);
        for cut in 0..sealed.len() {
            assert_eq!(secret.seal_key("tabs").open(&sealed[..cut]), None);
        }
    }

    #[test]
    fn a_tag_fits_its_message_and_purpose_only() {
        let secret = ClusterSecret::new([7; 32]);
        let tag = secret.mac_key("request").tag(b"one");
        assert!(secret.mac_key("request").verify(b"one", &tag));
        assert!(!secret.mac_key("request").verify(b"two", &tag));
        assert!(!secret.mac_key("other").verify(b"one", &tag));
        assert!(!secret.mac_key("request").verify(b"one", &tag[..15]));
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        assert_eq!(format!("{:?}", ClusterSecret::new([7; 32])), "ClusterSecret(Secret(…))");
    }
}
