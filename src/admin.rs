//! The provisioning use cases, free of HTTP: who belongs here, and what they may do where.
//!
//! Separate so that commands, pages and the API all do the same thing and refuse with the same words.
//!
//! Rules: everything that comes in as text is checked before anything changes; a change is one transaction of
//! the store, with the audit event that names the actor; what is so already is not an error but `changed: false`;
//! a refusal says what is wrong and what to do about it.

mod actor;
mod audit;
mod desk;
mod export;
mod import;
mod limits;
mod notices;
mod obtain;
mod options;
mod organizations;
mod people;
mod preview;
mod properties;
mod providers;
mod queue;
mod refused;
mod request_form;
mod requests;
mod sessions;
mod settings;
mod table;
mod until;
mod users;
mod waiting_room;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::Value;

pub use actor::Actor;
pub use audit::{AuditVerified, Broken};
pub use desk::{ApproveForm, Approved};
pub use export::Exported;
pub use import::{ImportMail, LineProblem, LineProblemKind, UsersImported};
pub use obtain::MetadataForm;
pub use options::OptionsForm;
pub use organizations::{CustomerValues, DomainsChanged, EntityIdChange, OrganizationView, SharedDomains};
pub use people::{Person, USERS_PAGE, UserList, UserPage};
pub use preview::{MetadataPreview, OrganizationForm, Preview, RESERVED_IDS, suggest_id};
pub use properties::PropertiesImported;
pub use providers::{Certificate, CertificateState, Provider, ProviderState, SOON, Warning};
pub use queue::{Dossier, Queue, QueueFilter, QueueLine, Turn};
pub use refused::{FieldProblem, Refused};
pub use request_form::{PropertyOption, RequestForm, RequestOptions, RequestRights};
pub use requests::{Filed, OwnRequests, RequestView, WaitingPerson};
pub use sessions::SESSIONS_LISTED_MAX;
pub use settings::{DeclaredProvider, SecondApproval, ServiceProvider, Settings};
pub use table::TABLE_BYTES_MAX;
pub use until::parse as parse_until;
pub use users::{GrantToMake, Granted, UserToAdd};
pub use waiting_room::{Asked, Progress, RoomView};

use crate::clock::Clock;
use crate::id::Randomness;
use crate::store::{self, AuditEvent, Store};

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
#[derive(Debug)]
pub struct Admin {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    settings: ArcSwap<Settings>,
    /// Held while somebody's workplace is looked at and changed.
    workplaces: tokio::sync::Mutex<()>,
}

impl Admin {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
        settings: Settings,
    ) -> Self {
        Self {
            store,
            clock,
            randomness,
            settings: ArcSwap::from_pointee(settings),
            workplaces: tokio::sync::Mutex::default(),
        }
    }

    /// Works with new settings from now on.
    pub fn reload(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
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
