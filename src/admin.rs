//! The provisioning use cases, free of HTTP: who belongs here, and what they may do where.
//!
//! Separate so that commands, pages and the API all do the same thing and refuse with the same words.
//!
//! Rules: everything that comes in as text is checked before anything changes; a change is one transaction of
//! the store, with the audit event that names the actor; what is so already is not an error but `changed: false`;
//! a refusal says what is wrong and what to do about it.

mod actor;
mod export;
mod import;
mod properties;
mod refused;
mod sessions;
mod table;
mod until;
mod users;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use actor::Actor;
pub use export::Exported;
pub use import::{LineProblem, UsersImported};
pub use properties::PropertiesImported;
pub use refused::Refused;
pub use sessions::SESSIONS_LISTED_MAX;
pub use table::TABLE_BYTES_MAX;
pub use until::parse as parse_until;
pub use users::{GrantToMake, UserToAdd};

use crate::clock::Clock;
use crate::directory::Levels;
use crate::id::Randomness;
use crate::store::{self, AuditEntry, AuditEvent, Store};

/// Why a use case did not do what it was asked for. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer.
    #[error("the store did not do its work")]
    Store(#[from] store::Error),
    /// It must not be done, or makes no sense.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What every use case returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Something as it is after a use case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The thing itself.
    pub value: T,
    /// Whether anything changed; `false` if it was so already.
    pub changed: bool,
}

/// The use cases, on one store.
#[derive(Debug, Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    levels: Levels,
}

impl Admin {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
        levels: Levels,
    ) -> Self {
        Self { store, clock, randomness, levels }
    }

    /// The newest events of the audit log, newest first.
    pub async fn audit_entries(&self, limit: u32) -> Result<Vec<AuditEntry>> {
        Ok(self.store.audit_entries(limit).await?)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn event(&self, action: &'static str, actor: &Actor, subject: &str, details: Value) -> AuditEvent {
        AuditEvent {
            at: self.now(),
            action,
            actor: actor.name().to_owned(),
            subject: Some(subject.to_owned()),
            reason: None,
            reference: None,
            request_id: actor.request_id().map(str::to_owned),
            details,
        }
    }
}
