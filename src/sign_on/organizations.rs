//! Organizations of the store: those that were added at run time, and those where nobody signs on for now.
//!
//! Separate because what is declared comes with the configuration and is good or refused whole, while what the
//! store has may be missing or of no use: that one organization is not ready, and the others go on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::directory::Organization;
use crate::id::{ConnectionId, OrganizationId};
use crate::saml::{IdentityProvider, metadata};
use crate::secret::sha256;
use crate::sign_on::connections::{Connection, Connections};
use crate::sign_on::{Settings, SignOn};
use crate::store::{self, OrganizationRecord};

/// What the store said last.
#[derive(Debug, Default)]
pub(super) struct Organizations {
    stored: Mutex<Stored>,
    /// Whoever reads it anew does so alone, so that nothing older takes the place of something newer.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Stored {
    created: Vec<Connection>,
    unready: Vec<Organization>,
    paused: HashSet<OrganizationId>,
    /// What was read before, so that only what has changed is read again.
    read: HashMap<ConnectionId, Metadata>,
}

#[derive(Debug, Clone)]
struct Metadata {
    hash: [u8; 32],
    idp: Arc<IdentityProvider>,
}

impl SignOn {
    /// The connections in force.
    #[must_use]
    pub fn connections(&self) -> Arc<Connections> {
        self.connections.load_full()
    }

    /// Asks the store which organizations were added or paused at run time. Sessions of those that are paused
    /// are over, also one that began while the pause was on its way.
    pub async fn refresh_organizations(&self) -> store::Result<()> {
        let alone = self.organizations.reading.lock().await;
        let records = self.store.organization_records().await?;
        let mut stored = self.organizations.stored.lock().unwrap_or_else(PoisonError::into_inner);
        *stored = Stored::of(records, &stored.read);
        let connections = combined(&self.settings.load(), &stored);
        self.connections.store(Arc::new(connections));
        drop((stored, alone));
        let connections = self.connections.load();
        self.live.end_where(|session| is_paused(&connections, &session.connection));
        if let Some(federation) = &self.federation {
            federation.nudge();
        }
        Ok(())
    }

    /// Works with new settings from now on; sessions and pending logins go on.
    pub fn reload(&self, settings: Settings) {
        let stored = self.organizations.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = combined(&settings, &stored);
        self.settings.store(Arc::new(settings));
        self.connections.store(Arc::new(connections));
    }
}

/// Whether a session's organization is paused.
pub(super) fn is_paused(connections: &Connections, connection: &ConnectionId) -> bool {
    connections.by_id(connection).is_some_and(|connection| connections.is_paused(connection))
}

impl Connections {
    /// The connections of a configuration and of what the store has, for whoever looks without signing anybody on.
    #[must_use]
    pub fn of(settings: &Settings, records: Vec<OrganizationRecord>) -> Self {
        combined(settings, &Stored::of(records, &HashMap::new()))
    }
}

/// What is declared goes before what was added.
fn combined(settings: &Settings, stored: &Stored) -> Connections {
    let all = settings.declared.iter().chain(&stored.created).cloned();
    let is_declared =
        |one: &&Organization| settings.declared.iter().any(|known| known.organization.id == one.id);
    let unready = stored.unready.iter().filter(|one| !is_declared(one)).cloned();
    Connections::new(all.collect(), unready.collect(), stored.paused.clone())
}

impl Stored {
    fn of(records: Vec<OrganizationRecord>, known: &HashMap<ConnectionId, Metadata>) -> Self {
        let mut stored = Self::default();
        for record in records {
            let OrganizationRecord { organization, origin: _, paused_at, connection } = record;
            if paused_at.is_some() {
                stored.paused.insert(organization.id.clone());
            }
            let Some(connection) = connection else { continue };
            let Some(metadata) = read(&connection, known.get(&connection.id)) else {
                stored.unready.push(organization);
                continue;
            };
            let idp = Arc::clone(&metadata.idp);
            stored.read.insert(connection.id.clone(), metadata);
            let options = Arc::new(connection.options);
            stored.created.push(Connection { id: connection.id, organization, idp, options });
        }
        stored
    }
}

/// Reads metadata that was good when it was uploaded or fetched; where it no longer is, the log says so. Whether it
/// has expired is looked at whenever it is used.
fn read(connection: &store::StoredConnection, known: Option<&Metadata>) -> Option<Metadata> {
    if connection.metadata.is_empty() {
        return None;
    }
    let entity_id = connection.entity_id.as_deref();
    let hash = sha256(format!("{}\n{}", entity_id.unwrap_or_default(), connection.metadata).as_bytes());
    if let Some(known) = known.filter(|known| known.hash == hash) {
        return Some(known.clone());
    }
    match metadata::read(connection.metadata.as_bytes(), entity_id) {
        Ok(idp) => Some(Metadata { hash, idp: Arc::new(idp) }),
        Err(error) => {
            tracing::error!(connection = %connection.id, %error, "nobody can sign on at this organization");
            None
        }
    }
}
