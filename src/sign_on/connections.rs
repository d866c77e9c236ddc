//! Which identity provider signs whom on.
//!
//! Separate because it is the one place where an e-mail domain, an id and a request's fingerprint lead to a
//! connection; it is built whole from the configuration and the store, and replaced whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::directory::{ConnectionOptions, Organization};
use crate::email::EmailDomain;
use crate::id::{ConnectionId, OrganizationId};
use crate::saml::IdentityProvider;
use crate::sign_on::request_id::Fingerprint;

/// One identity provider of an organization.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose staff it signs on.
    pub organization: Organization,
    /// Its trust and endpoints.
    pub idp: Arc<IdentityProvider>,
    /// What is different there.
    pub options: Arc<ConnectionOptions>,
}

impl Connection {
    /// Whether its metadata is good at a moment: if it is not, nobody signs on.
    #[must_use]
    pub fn is_usable_at(&self, now: Timestamp) -> bool {
        self.idp.is_valid_at(now)
    }

    /// What stands on the button that leads there.
    #[must_use]
    pub fn button_label(&self) -> String {
        if self.idp.is_entra() {
            "Log In with Microsoft".to_owned()
        } else {
            format!("Log In with {}", self.organization.name)
        }
    }
}

/// All connections.
#[derive(Debug, Default)]
pub struct Connections {
    by_fingerprint: HashMap<Fingerprint, Arc<Connection>>,
    by_domain: HashMap<EmailDomain, Vec<Arc<Connection>>>,
    /// Organizations whose metadata is not there or of no use, by their domains.
    unready: Vec<Organization>,
    paused: HashSet<OrganizationId>,
}

impl Connections {
    /// Indexes connections; those of one domain keep their order, and of two with one id the first counts.
    #[must_use]
    pub fn new(
        connections: Vec<Connection>,
        unready: Vec<Organization>,
        paused: HashSet<OrganizationId>,
    ) -> Self {
        let mut all = Self { unready, paused, ..Self::default() };
        for connection in connections.into_iter().map(Arc::new) {
            let fingerprint = Fingerprint::of(&connection.id);
            if all.by_fingerprint.contains_key(&fingerprint) {
                continue;
            }
            for domain in &connection.organization.domains {
                all.by_domain.entry(domain.clone()).or_default().push(Arc::clone(&connection));
            }
            all.by_fingerprint.insert(fingerprint, connection);
        }
        all
    }

    /// The connection with that id, paused or not.
    #[must_use]
    pub fn by_id(&self, id: &ConnectionId) -> Option<&Arc<Connection>> {
        self.by_fingerprint(Fingerprint::of(id)).filter(|connection| connection.id == *id)
    }

    /// The connection that a request was made for, paused or not.
    #[must_use]
    pub fn by_fingerprint(&self, fingerprint: Fingerprint) -> Option<&Arc<Connection>> {
        self.by_fingerprint.get(&fingerprint)
    }

    /// The connections whose provider may be the one that issued a logout message, paused or not, by their ids; of more
    /// than anybody shares a provider among, the first.
    #[must_use]
    pub fn by_logout_issuer(&self, issuer: &str) -> Vec<Arc<Connection>> {
        let found = self.by_fingerprint.values().filter(|connection| connection.idp.issues_logout_as(issuer));
        let mut found: Vec<_> = found.cloned().collect();
        found.sort_unstable_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        found.truncate(SHARING_MAX);
        found
    }

    /// The connection whose provider has that entity ID, paused or not. A message that claims an issuer is shown to
    /// people beside that connection, of several the first by its id; nobody is signed on by it.
    #[must_use]
    pub fn by_entity_id(&self, entity_id: &str) -> Option<&Arc<Connection>> {
        let found = self.by_fingerprint.values().filter(|connection| connection.idp.entity_id() == entity_id);
        found.min_by_key(|connection| connection.id.as_str())
    }

    /// The connection of an organization, paused or not.
    #[must_use]
    pub fn of_organization(&self, id: &OrganizationId) -> Option<&Arc<Connection>> {
        self.by_fingerprint.values().find(|connection| connection.organization.id == *id)
    }

    /// The connection with that id, if people sign on there.
    #[must_use]
    pub fn open_by_id(&self, id: &ConnectionId) -> Option<&Arc<Connection>> {
        self.by_id(id).filter(|connection| !self.is_paused(connection))
    }

    /// All connections, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.by_fingerprint.values()
    }

    /// Organizations that have no usable metadata yet.
    #[must_use]
    pub fn unready(&self) -> &[Organization] {
        &self.unready
    }

    /// Where people of an e-mail domain sign on.
    #[must_use]
    pub fn by_domain(&self, domain: &EmailDomain, now: Timestamp) -> Domain {
        let all = self.by_domain.get(domain).map_or(&[][..], Vec::as_slice);
        let (usable, expired): (Vec<_>, Vec<_>) = all
            .iter()
            .filter(|connection| !self.is_paused(connection))
            .cloned()
            .partition(|connection| connection.is_usable_at(now));
        let unready = || self.unready.iter().filter(|one| one.domains.contains(domain));
        let waits = || unready().any(|one| !self.paused.contains(&one.id));
        if !usable.is_empty() {
            Domain::Open(usable)
        } else if !expired.is_empty() || waits() {
            Domain::NotReady
        } else if !all.is_empty() || unready().next().is_some() {
            Domain::Paused
        } else {
            Domain::Unknown
        }
    }

    /// Whether nobody signs on there for now.
    #[must_use]
    pub fn is_paused(&self, connection: &Connection) -> bool {
        self.paused.contains(&connection.organization.id)
    }
}

/// Each of them costs the check of a signature.
const SHARING_MAX: usize = 100;

/// Where people of an e-mail domain sign on.
#[derive(Debug)]
pub enum Domain {
    /// At one of these; several when organizations share the domain.
    Open(Vec<Arc<Connection>>),
    /// Nowhere for now.
    Paused,
    /// Nowhere until there is usable metadata.
    NotReady,
    /// Nowhere that we know.
    Unknown,
}
