//! The sign-on use cases, free of HTTP, and the gate that every request passes.
//!
//! Separate because what happens here is what the product is trusted for: who is let through, and as whom.
//! `routes` turns requests into these calls and their results into responses.
//!
//! | step (DESIGN section 2) | call |
//! |---|---|
//! | is there a live session? | [`SignOn::recognize`], [`SignOn::look_up`] |
//! | may it pass? | [`SignOn::enter`], [`SignOn::enter_public`] |
//! | which identity provider? | [`SignOn::way_of`] |
//! | begin a login | [`SignOn::begin`] |
//! | try a connection out | [`SignOn::begin_trial`] |
//! | an answer arrives | [`SignOn::answer`] |
//! | the browser is back | [`SignOn::complete`] |
//! | keep a form of a session that has timed out | [`SignOn::hold`], [`SignOn::held`], [`SignOn::take_held`] |
//! | sign out | [`SignOn::sign_out`] |
//! | a logout message arrives | [`SignOn::log_out`] |

pub mod connections;
pub mod gate;
pub mod live;
pub mod person;
pub mod report;
pub mod request_id;
pub mod tabs;

mod answer;
mod budget;
mod claimed;
mod complete;
mod decryption;
mod expiry;
mod feed;
mod lease;
mod logout;
mod organizations;
mod recent;
mod refused;
mod repeat;
mod rollover;
mod traces;
mod trial;
mod visitor;

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use url::Url;

use crate::clock::Clock;
use crate::email::{EmailAddress, EmailDomain};
use crate::federation::Federation;
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
pub use expiry::ProviderHealth;
pub use lease::Lease;
pub use logout::{AtProvider, Extent, Farewell, LogoutEnd, SingleLogout};
pub use recent::Familiar;
pub use repeat::{Held, Post};
pub use visitor::{Activity, Entry, Recognized, Visitor, identity_of};

use connections::{Connection, Connections, Domain};
use gate::Public;
use live::Live;
use organizations::Organizations;
use request_id::{Purpose, RequestId};
use tabs::Tabs;

/// What the sign-on needs to know; replaced whole when the configuration is reloaded.
#[derive(Debug)]
pub struct Settings {
    /// Us, as identity providers know us.
    pub service_provider: Arc<saml::ServiceProvider>,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// Whether signing out goes on to the identity provider.
    pub single_logout: SingleLogout,
    /// What is forwarded without a session.
    pub public_paths: Vec<PathRule>,
    /// What keeps nobody signed on.
    pub polling_paths: Vec<PathRule>,
    /// Whose forms are kept when a session has timed out.
    pub repeat_posts: Vec<PathRule>,
    /// What the identity header says, and for how long.
    pub identity: identity::Settings,
    /// Who signs whom on, as far as the configuration declares it.
    pub declared: Vec<Connection>,
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
    connections: ArcSwap<Connections>,
    organizations: Organizations,
    live: Live,
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    request_key: MacKey,
    farewell_key: logout::FarewellKey,
    tabs_key: SealKey,
    handoff_key: SealKey,
    posts_key: SealKey,
    hearing: feed::Hearing,
    recent: recent::Recent,
    refusals: budget::Budget,
    traces: budget::Budget,
    decryptions: decryption::Decryptions,
    federation: Option<Arc<Federation>>,
    warned: expiry::Warned,
}

impl SignOn {
    /// Puts the parts together. Until [`SignOn::refresh_organizations`] it knows the declared connections alone.
    #[must_use]
    pub fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        keys: Arc<Keys>,
        secret: &ClusterSecret,
        (clock, randomness): (Arc<dyn Clock>, Arc<dyn Randomness>),
    ) -> Self {
        let connections = Connections::new(settings.declared.clone(), Vec::new(), HashSet::new());
        Self {
            settings: ArcSwap::from_pointee(settings),
            connections: ArcSwap::from_pointee(connections),
            organizations: Organizations::default(),
            live: Live::new(Arc::clone(&store)),
            store,
            keys,
            clock,
            randomness,
            request_key: RequestId::key(secret),
            farewell_key: logout::FarewellKey::of(secret),
            tabs_key: secret.seal_key("pending logins"),
            handoff_key: secret.seal_key("hand-off"),
            posts_key: secret.seal_key("held posts"),
            hearing: feed::Hearing::default(),
            recent: recent::Recent::new(),
            refusals: budget::Budget::new(budget::REFUSALS),
            traces: budget::Budget::new(budget::TRACES),
            decryptions: decryption::Decryptions::new(),
            federation: None,
            warned: expiry::Warned::default(),
        }
    }

    /// With somebody who fetches metadata anew when a key is unknown.
    #[must_use]
    pub fn with_federation(self, federation: Arc<Federation>) -> Self {
        Self { federation: Some(federation), ..self }
    }

    /// Forgets sessions that nobody has used for so long, until they are asked for again.
    pub fn forget_idle(&self, idle: std::time::Duration) {
        self.live.forget_idle(idle, self.clock.now());
    }

    /// Where people of an e-mail domain sign on now.
    #[must_use]
    pub fn way_of(&self, domain: &EmailDomain) -> Domain {
        self.connections.load().by_domain(domain, self.clock.now())
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
        let rule = settings.public_paths.iter().find(|rule| rule.covers(target))?;
        Some(Public { target: target.clone(), rule: rule.clone() })
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

    /// Begins a login at a connection; `None` if there is no such connection, it is paused, or its metadata has
    /// expired.
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
        let connections = self.connections.load();
        let now = self.clock.now();
        let connection = connections.open_by_id(connection).filter(|open| open.is_usable_at(now))?;
        let (id, redirect_url) = self.request(Purpose::SignOn, connection, email);
        Some(Begun { redirect_url, tabs: tabs.with(id.as_str(), return_path) })
    }

    /// A request to a connection's identity provider.
    fn request(
        &self,
        purpose: Purpose,
        connection: &Connection,
        email: Option<&EmailAddress>,
    ) -> (RequestId, Url) {
        let settings = self.settings.load();
        let now = self.clock.now();
        let id = RequestId::new(purpose, &connection.id, now, (&self.request_key, &*self.randomness));
        let request = saml::AuthnRequest {
            idp: &connection.idp,
            id: id.as_str(),
            sp_entity_id: &settings.service_provider.entity_id,
            acs_url: settings.service_provider.acs_url.as_str(),
            issue_instant: now,
            options: connection.options.request(),
        };
        let redirect_url = request.redirect_url(
            None,
            email.map(EmailAddress::as_str),
            settings.service_provider.signing_key(),
        );
        (id, redirect_url)
    }

    /// Writes down what an outsider can cause at will, as long as it is not a flood.
    async fn audit_refusal(&self, event: AuditEvent) -> store::Result<()> {
        if self.refusals.take(event.at) { self.store.audit(event).await } else { Ok(()) }
    }

    /// An event of the HTTP request of that name.
    fn audit_event(&self, action: &'static str, actor: &str, request_id: &str) -> AuditEvent {
        AuditEvent {
            at: self.clock.now(),
            action,
            actor: actor.to_owned(),
            subject: None,
            reason: None,
            reference: None,
            request_id: Some(request_id.to_owned()).filter(|id| !id.is_empty()),
            details: serde_json::Value::Null,
        }
    }
}
