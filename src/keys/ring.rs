//! The unsealed keys of one moment, in memory.
//!
//! Separate because this is what the hot path holds: no store, no lock, never empty.

use jiff::Timestamp;

use super::Error;
use crate::identity::{Algorithm, Jwks, SigningKey};
use crate::secret::SealKey;
use crate::store::StoredKey;

/// All keys that are published, of which one signs.
#[derive(Debug)]
pub struct KeyRing {
    first: RingKey,
    /// In the order in which they begin to sign.
    later: Vec<RingKey>,
}

#[derive(Debug)]
struct RingKey {
    key: SigningKey,
    signs_from: Timestamp,
}

impl KeyRing {
    /// Opens stored keys, all or none.
    pub(super) fn unseal(stored: &[StoredKey], seal: &SealKey) -> Result<Self, Error> {
        let mut keys = Vec::with_capacity(stored.len());
        for stored in stored {
            keys.push(RingKey { key: unseal(stored, seal)?, signs_from: stored.signs_from });
        }
        keys.sort_by_key(|key| key.signs_from);
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(Error::Lost)?;
        Ok(Self { first, later: keys.collect() })
    }

    /// The key that signs at a moment: the newest whose time has come. Should the clock have been set back to
    /// before all of them, the oldest.
    #[must_use]
    pub fn signing_key(&self, now: Timestamp) -> &SigningKey {
        &self.later.iter().rev().find(|key| key.signs_from <= now).unwrap_or(&self.first).key
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&SigningKey> {
        let mut keys = std::iter::once(&self.first).chain(&self.later);
        keys.find(|key| key.key.kid() == kid).map(|key| &key.key)
    }

    /// The public halves of all keys.
    #[must_use]
    pub fn published(&self) -> Jwks {
        let keys = std::iter::once(&self.first).chain(&self.later);
        Jwks { keys: keys.map(|key| key.key.jwk().clone()).collect() }
    }
}

/// Opens one key and makes sure that it is the one that its row names.
pub(super) fn unseal(stored: &StoredKey, seal: &SealKey) -> Result<SigningKey, Error> {
    let damaged = || Error::Damaged { kid: stored.kid.clone() };
    let algorithm = Algorithm::parse(&stored.algorithm).ok_or_else(damaged)?;
    let pkcs8 = seal.open(&stored.sealed).ok_or_else(|| Error::Unsealable { kid: stored.kid.clone() })?;
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8).map_err(|_| damaged())?;
    if key.kid() == stored.kid { Ok(key) } else { Err(damaged()) }
}
