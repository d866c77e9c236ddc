//! The sign-on use cases, free of HTTP, and the gate that every request passes.
//!
//! Separate because what happens here is what the product is trusted for: who is let through, and as whom.
//! `routes` turns requests into these calls and their results into responses.
//!
//! | step (DESIGN section 2) | call |
//! |---|---|
//! | is there a live session? | [`SignOn::recognize`], [`SignOn::look_up`] |
//! | may it pass? | [`SignOn::enter`], [`SignOn::enter_public`] |
//! | which identity provider? | [`Settings::connections`] |
//! | begin a login | [`SignOn::begin`] |
//! | an answer arrives | [`SignOn::answer`] |
//! | the browser is back | [`SignOn::complete`] |
//! | sign out | [`SignOn::sign_out`] |

pub mod connections;
pub mod gate;
pub mod live;
pub mod person;
pub mod request_id;
pub mod tabs;

mod answer;
mod budget;
mod complete;
mod feed;
mod visitor;

use std::sync::Arc;

use arc_swap::ArcSwap;
use url::Url;

use crate::clock::Clock;
use crate::email::EmailAddress;
use crate::id::{ConnectionId, Randomness};
use crate::identity;
use crate::keys::Keys;
use crate::saml;
use crate::secret::{ClusterSecret, MacKey, SealKey};
use crate::session::Lifetimes;
use crate::store::{self, AuditEvent, Store};
use crate::target::{PathRule, RequestTarget, ReturnPath};

pub use answer::Answer;
pub use complete::{Completion, SignedOn};
pub use visitor::{Entry, Recognized, Visitor};

use connections::Connections;
use gate::Public;
use live::Live;
use request_id::RequestId;
use tabs::Tabs;

/// What the sign-on needs to know; replaced whole when the configuration is reloaded.
#[derive(Debug)]
pub struct Settings {
    /// Our entity ID: issuer of requests, audience of assertions.
    pub entity_id: String,
    /// Our assertion consumer service.
    pub acs_url: String,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// What is forwarded without a session.
    pub public_paths: Vec<PathRule>,
    /// What the identity header says, and for how long.
    pub identity: identity::Settings,
    /// Who signs whom on.
    pub connections: Connections,
}

/// A login that has begun: where to send the browser, and what it has to remember.
#[derive(Debug)]
pub struct Begun {
    /// The identity provider's address with our request.
    pub redirect_url: Url,
    /// The browser's pending logins with this one.
    pub tabs: Tabs,
}

/// Signs people on. One for the whole process.
#[derive(Debug)]
pub struct SignOn {
    settings: ArcSwap<Settings>,
    live: Live,
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    request_key: MacKey,
    tabs_key: SealKey,
    handoff_key: SealKey,
    hearing: feed::Hearing,
    refusals: budget::Budget,
}

impl SignOn {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        keys: Arc<Keys>,
        secret: &ClusterSecret,
        (clock, randomness): (Arc<dyn Clock>, Arc<dyn Randomness>),
    ) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            live: Live::new(Arc::clone(&store)),
            store,
            keys,
            clock,
            randomness,
            request_key: secret.mac_key("request id"),
            tabs_key: secret.seal_key("pending logins"),
            handoff_key: secret.seal_key("hand-off"),
            hearing: feed::Hearing::default(),
            refusals: budget::Budget::new(),
        }
    }

    /// Works with new settings from now on; sessions and pending logins go on.
    pub fn reload(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The sessions that this node knows.
    #[must_use]
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// Lets a request for a public path through, without identity.
    #[must_use]
    pub fn enter_public(&self, target: &RequestTarget) -> Option<Public> {
        let settings = self.settings.load();
        let covered = settings.public_paths.iter().any(|rule| rule.covers(target));
        covered.then(|| Public { target: target.clone() })
    }

    /// Opens a browser's cookie of pending logins.
    #[must_use]
    pub fn open_tabs(&self, cookie: Option<&str>) -> Tabs {
        Tabs::open(cookie, &self.tabs_key)
    }

    /// Seals a browser's pending logins for its cookie.
    #[must_use]
    pub fn seal_tabs(&self, tabs: &Tabs) -> Option<String> {
        tabs.seal(&self.tabs_key)
    }

    /// Begins a login at a connection; `None` if there is no such connection.
    ///
    /// Nothing is stored: the request's ID proves itself, and the browser remembers where it wanted to go.
    #[must_use]
    pub fn begin(
        &self,
        connection: &ConnectionId,
        email: Option<&EmailAddress>,
        return_path: &ReturnPath,
        tabs: Tabs,
    ) -> Option<Begun> {
        let settings = self.settings.load();
        let connection = settings.connections.by_id(connection)?;
        let now = self.clock.now();
        let id = RequestId::new(&connection.id, now, &self.request_key, &*self.randomness);
        let request = saml::AuthnRequest {
            idp: &connection.idp,
            id: id.as_str(),
            sp_entity_id: &settings.entity_id,
            acs_url: &settings.acs_url,
            issue_instant: now,
        };
        let redirect_url = request.redirect_url(None, email.map(EmailAddress::as_str));
        Some(Begun { redirect_url, tabs: tabs.with(id.as_str(), return_path) })
    }

    /// Writes down what an outsider can cause at will, as long as it is not a flood.
    async fn audit_refusal(&self, event: AuditEvent) -> store::Result<()> {
        if self.refusals.take(event.at) { self.store.audit(event).await } else { Ok(()) }
    }

    fn audit_event(&self, action: &'static str, actor: &str) -> AuditEvent {
        AuditEvent {
            at: self.clock.now(),
            action,
            actor: actor.to_owned(),
            subject: None,
            reason: None,
            reference: None,
            request_id: None,
            details: serde_json::Value::Null,
        }
    }
}
