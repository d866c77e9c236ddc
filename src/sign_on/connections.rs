//! Which identity provider signs whom on.
//!
//! Separate because it is the one place where an e-mail domain, an id and a request's fingerprint lead to a
//! connection; it is built whole from the configuration and replaced whole.

use std::collections::HashMap;
use std::sync::Arc;

use crate::directory::Organization;
use crate::email::EmailDomain;
use crate::id::ConnectionId;
use crate::saml::IdentityProvider;
use crate::sign_on::request_id::Fingerprint;

/// One identity provider of an organization.
#[derive(Debug)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose staff it signs on.
    pub organization: Organization,
    /// Its trust and endpoints.
    pub idp: Arc<IdentityProvider>,
}

impl Connection {
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
}

impl Connections {
    /// Indexes connections; those of one domain keep their order.
    #[must_use]
    pub fn new(connections: Vec<Connection>) -> Self {
        let mut all = Self::default();
        for connection in connections.into_iter().map(Arc::new) {
            for domain in &connection.organization.domains {
                all.by_domain.entry(domain.clone()).or_default().push(Arc::clone(&connection));
            }
            all.by_fingerprint.insert(Fingerprint::of(&connection.id), connection);
        }
        all
    }

    /// The connection with that id.
    #[must_use]
    pub fn by_id(&self, id: &ConnectionId) -> Option<&Arc<Connection>> {
        self.by_fingerprint(Fingerprint::of(id)).filter(|connection| connection.id == *id)
    }

    /// The connection that a request was made for.
    #[must_use]
    pub fn by_fingerprint(&self, fingerprint: Fingerprint) -> Option<&Arc<Connection>> {
        self.by_fingerprint.get(&fingerprint)
    }

    /// The connections of an e-mail domain; several when organizations share it.
    #[must_use]
    pub fn by_domain(&self, domain: &EmailDomain) -> &[Arc<Connection>] {
        self.by_domain.get(domain).map_or(&[], Vec::as_slice)
    }
}
