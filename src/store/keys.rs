//! The keys of the identity header, sealed.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::{AuditEvent, Result};

/// Reading and replacing the keys.
#[async_trait]
pub trait Keys {
    /// All keys that are not forgotten yet.
    async fn keys(&self) -> Result<Vec<StoredKey>>;
    /// Puts a new set of keys in the place of the one that `expected` names (all its `kid`s): `false`, and
    /// nothing changed, if another node was first.
    async fn replace_keys(&self, expected: &[String], keys: &[StoredKey], audit: AuditEvent) -> Result<bool>;
}

/// A private key of the identity header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The `kid`.
    pub kid: String,
    /// `ES256`, `RS256` or `EdDSA`.
    pub algorithm: String,
    /// PKCS#8, sealed with the cluster secret.
    pub sealed: Vec<u8>,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// When it leaves the published set; `None` as long as it has no successor.
    pub retires_at: Option<Timestamp>,
}
