//! When keys are made, sign, and are forgotten (pure).
//!
//! Separate so that a rotation that takes seven weeks can be read on one page and tested in no time.

use std::time::Duration;

use jiff::Timestamp;

use crate::identity::Algorithm;
use crate::store::StoredKey;

/// How long a key is published before it signs.
const ANNOUNCED_FOR: Duration = Duration::from_hours(24);

/// How long a key stays published after its last signature.
const KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// How long a key signs.
const SIGNS_FOR: Duration = Duration::from_hours(42 * 24);

/// What is to be done to the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the first key; it signs at once.
    First,
    /// Make a key of another algorithm; it signs at once, and keys that have not signed yet are dropped.
    Supersede,
    /// Publish the next key.
    Succeed,
    /// Drop the keys that have retired.
    Forget,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Published, and will sign.
    Next,
    /// Signs.
    Signing,
    /// Published for the tokens that it signed.
    Retiring,
}

/// A key as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key's name.
    pub kid: String,
    /// How it signs.
    pub algorithm: String,
    /// Where it stands.
    pub state: State,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// When it leaves the published set, if that is known.
    pub retires_at: Option<Timestamp>,
}

impl State {
    /// The state's name in commands and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retiring => "retiring",
        }
    }
}

/// Stored keys for people to look at, in the order in which they sign.
#[must_use]
pub fn listed(keys: &[StoredKey], now: Timestamp) -> Vec<Listed> {
    let signing = signing(keys, now).map(|key| &key.kid);
    let state = |key: &StoredKey| match () {
        () if Some(&key.kid) == signing => State::Signing,
        () if key.signs_from > now => State::Next,
        () => State::Retiring,
    };
    let mut listed: Vec<_> = keys
        .iter()
        .map(|key| Listed {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            state: state(key),
            created_at: key.created_at,
            signs_from: key.signs_from,
            retires_at: key.retires_at,
        })
        .collect();
    listed.sort_by_key(|key| key.signs_from);
    listed
}

/// What a starting server has to do first.
pub(super) fn at_start(keys: &[StoredKey], algorithm: Algorithm, now: Timestamp) -> Option<Step> {
    match signing(keys, now) {
        None => Some(Step::First),
        Some(key) if key.algorithm != algorithm.as_str() => Some(Step::Supersede),
        Some(_) => None,
    }
}

/// What the command to rotate does: nothing if the next key is published already.
pub(super) fn on_command(keys: &[StoredKey], now: Timestamp) -> Option<Step> {
    match newest(keys) {
        None => Some(Step::First),
        Some(newest) if newest.signs_from > now => None,
        Some(_) => Some(Step::Succeed),
    }
}

/// What the passing of time asks for.
pub(super) fn upkeep(keys: &[StoredKey], now: Timestamp) -> Option<Step> {
    let Some(newest) = newest(keys) else { return Some(Step::First) };
    if now >= later(newest.signs_from, SIGNS_FOR.saturating_sub(ANNOUNCED_FOR)) {
        Some(Step::Succeed)
    } else if keys.iter().any(|key| is_retired(key, now)) {
        Some(Step::Forget)
    } else {
        None
    }
}

/// When the key that a step makes begins to sign.
pub(super) fn signs_from(step: Step, now: Timestamp) -> Timestamp {
    if step == Step::Succeed { later(now, ANNOUNCED_FOR) } else { now }
}

/// The keys after a step, with the key that it made. Every step forgets what has retired.
pub(super) fn after(
    step: Step,
    keys: &[StoredKey],
    new: Option<StoredKey>,
    now: Timestamp,
) -> Vec<StoredKey> {
    let mut keys: Vec<_> = keys.iter().filter(|key| !is_retired(key, now)).cloned().collect();
    if step == Step::Supersede {
        keys.retain(|key| key.signs_from <= now);
    }
    if let Some(new) = new {
        let retirement = later(new.signs_from, KEPT_FOR);
        for key in &mut keys {
            key.retires_at = Some(key.retires_at.map_or(retirement, |at| at.min(retirement)));
        }
        keys.push(new);
    }
    keys
}

/// The key that signs last.
pub(super) fn newest(keys: &[StoredKey]) -> Option<&StoredKey> {
    keys.iter().max_by_key(|key| key.signs_from)
}

/// The key that signs now; by the same rule as [`super::KeyRing::signing_key`].
fn signing(keys: &[StoredKey], now: Timestamp) -> Option<&StoredKey> {
    keys.iter()
        .filter(|key| key.signs_from <= now)
        .max_by_key(|key| key.signs_from)
        .or_else(|| keys.iter().min_by_key(|key| key.signs_from))
}

fn is_retired(key: &StoredKey, now: Timestamp) -> bool {
    key.retires_at.is_some_and(|at| at <= now)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
