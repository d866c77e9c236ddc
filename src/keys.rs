//! The keys of the identity header: made, kept sealed, rotated, and handed out as a ring.
//!
//! Separate from `identity` because keys live in the store and change with time, while the token is pure.
//!
//! Rules (DESIGN section 5): the next key is published for at least 24 hours before it signs, so that every
//! application has it by then; a key stays published for 7 days after its last signature; rotation is every
//! 42 days by itself, or by command. Two cases sign at once with a key that nobody knows yet: the first key of a
//! store, because no application can have read an older set, and the first key after a change of
//! `identity.algorithm`, because the operator has said what the application accepts. Applications fetch the
//! set anew when they meet a `kid` that they do not know.

mod ring;
mod schedule;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::json;

pub use ring::KeyRing;
pub use schedule::{Listed, State, listed};

use self::schedule::Step;
use crate::clock::Clock;
use crate::identity::{Algorithm, SigningKey};
use crate::secret::SealKey;
use crate::store::{self, AuditEvent, Store, StoredKey};

/// What the keys are sealed for: `ClusterSecret::seal_key` with this purpose.
pub const SEAL_PURPOSE: &str = "identity keys";

/// Why there are no keys, or no new ones.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer.
    #[error("the keys of the identity header cannot be read or written")]
    Store(#[from] store::Error),
    /// The key was sealed with another secret.
    #[error(
        "the identity key {kid} cannot be unsealed: store.secret_file is not the one that this store was made with"
    )]
    Unsealable {
        /// The key.
        kid: String,
    },
    /// What was sealed is not the key that it is said to be.
    #[error("the identity key {kid} is damaged")]
    Damaged {
        /// The key.
        kid: String,
    },
    /// The store has no keys, although a running server had made one.
    #[error("the store has lost its identity keys")]
    Lost,
    /// Other nodes changed the keys again and again at the same time.
    #[error("the identity keys are being changed by another node; try again")]
    Contended,
}

/// What became of the wish for a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The next key was made and is published.
    Published {
        /// Its name.
        kid: String,
    },
    /// There is a next key already, which has not signed yet; nothing changed.
    AlreadyPublished {
        /// Its name.
        kid: String,
    },
}

/// The keys of one store.
#[derive(Debug)]
pub struct Keys {
    store: Arc<dyn Store>,
    seal: SealKey,
    clock: Arc<dyn Clock>,
    algorithm: Algorithm,
    ring: ArcSwap<KeyRing>,
}

impl Keys {
    /// Reads the keys, makes the first one if there is none, and sees to it that the configured algorithm signs.
    pub async fn load(
        store: Arc<dyn Store>,
        seal: SealKey,
        clock: Arc<dyn Clock>,
        algorithm: Algorithm,
    ) -> Result<Self, Error> {
        let keeper = Keeper { store: &*store, seal: &seal, clock: &*clock, algorithm };
        let (_, keys) =
            keeper.change("anteroom", |keys, now| schedule::at_start(keys, algorithm, now)).await?;
        let ring = KeyRing::unseal(&keys, &seal)?;
        Ok(Self { store, seal, clock, algorithm, ring: ArcSwap::from_pointee(ring) })
    }

    /// The keys as they are known to this node.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Reads the keys again, because another node or a command has changed them.
    pub async fn reload(&self) -> Result<(), Error> {
        let keys = self.store.keys().await?;
        self.ring.store(Arc::new(KeyRing::unseal(&keys, &self.seal)?));
        Ok(())
    }

    /// Makes the next key, which signs in 24 hours; unless there is one already.
    pub async fn rotate(&self, actor: &str) -> Result<Rotation, Error> {
        let (changed, keys) = self.change(actor, schedule::on_command).await?;
        let kid = schedule::newest(&keys).ok_or(Error::Lost)?.kid.clone();
        Ok(if changed { Rotation::Published { kid } } else { Rotation::AlreadyPublished { kid } })
    }

    /// Makes the next key when its time has come, and forgets keys whose tokens are long gone. To be called
    /// every hour or so, on every node.
    pub async fn upkeep(&self) -> Result<(), Error> {
        self.change("anteroom", schedule::upkeep).await.map(drop)
    }

    async fn change(
        &self,
        actor: &str,
        decide: impl Fn(&[StoredKey], Timestamp) -> Option<Step>,
    ) -> Result<(bool, Vec<StoredKey>), Error> {
        let keeper =
            Keeper { store: &*self.store, seal: &self.seal, clock: &*self.clock, algorithm: self.algorithm };
        let (changed, keys) = keeper.change(actor, decide).await?;
        self.ring.store(Arc::new(KeyRing::unseal(&keys, &self.seal)?));
        Ok((changed, keys))
    }
}

/// What changing the stored keys takes.
struct Keeper<'a> {
    store: &'a dyn Store,
    seal: &'a SealKey,
    clock: &'a dyn Clock,
    algorithm: Algorithm,
}

impl Keeper<'_> {
    /// Takes the step that is due, against other nodes that may take it at the same moment: whoever is second
    /// looks again. Returns whether anything changed, and the keys as they are then.
    async fn change(
        &self,
        actor: &str,
        decide: impl Fn(&[StoredKey], Timestamp) -> Option<Step>,
    ) -> Result<(bool, Vec<StoredKey>), Error> {
        for _ in 0..ATTEMPTS {
            let keys = self.store.keys().await?;
            let now = whole_second(self.clock.now());
            let Some(step) = decide(&keys, now) else { return Ok((false, keys)) };
            // A secret that does not fit must be found before a key is sealed with it.
            for key in &keys {
                ring::unseal(key, self.seal)?;
            }
            let new = (step != Step::Forget).then(|| self.new_key(step, now));
            let event = event(step, new.as_ref(), actor, self.clock.now());
            let next = schedule::after(step, &keys, new, now);
            let expected: Vec<_> = keys.into_iter().map(|key| key.kid).collect();
            if self.store.replace_keys(&expected, &next, event).await? {
                return Ok((true, next));
            }
        }
        Err(Error::Contended)
    }

    fn new_key(&self, step: Step, now: Timestamp) -> StoredKey {
        let (key, pkcs8) = SigningKey::generate(self.algorithm);
        StoredKey {
            kid: key.kid().to_owned(),
            algorithm: self.algorithm.as_str().to_owned(),
            sealed: self.seal.seal(pkcs8.expose()),
            created_at: now,
            signs_from: schedule::signs_from(step, now),
            retires_at: None,
        }
    }
}

/// Enough for a handful of nodes that start together.
const ATTEMPTS: u32 = 8;

/// Keys change by the day; fractions of a second would only make lists hard to read.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn event(step: Step, new: Option<&StoredKey>, actor: &str, now: Timestamp) -> AuditEvent {
    AuditEvent {
        at: now,
        action: match step {
            Step::First => "keys.first_made",
            Step::Supersede => "keys.algorithm_changed",
            Step::Succeed => "keys.rotated",
            Step::Forget => "keys.forgotten",
        },
        actor: actor.to_owned(),
        subject: new.map(|key| key.kid.clone()),
        reason: None,
        reference: None,
        request_id: None,
        details: new.map_or_else(
            || json!({}),
            |key| json!({"algorithm": key.algorithm, "signs_from": key.signs_from.to_string()}),
        ),
    }
}

#[cfg(test)]
mod tests;
