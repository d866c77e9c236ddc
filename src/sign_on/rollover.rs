//! Messages that are signed by a key which is not known yet (SAML-ATTACKS C9).
//!
//! Separate because it is the one way in which a message makes Anteroom ask somebody else: never where the message
//! says, and no more often than the federation allows.

use std::sync::Arc;

use crate::sign_on::SignOn;
use crate::sign_on::connections::Connection;
use crate::store;

impl SignOn {
    /// The connection with the metadata that its provider has now, if a refusal may come from old metadata and there
    /// is something newer. Waits for the fetch, which is bounded.
    pub(super) async fn newer(
        &self,
        connection: &Connection,
        reason: &str,
    ) -> store::Result<Option<Arc<Connection>>> {
        if !MAY_BE_OUTDATED.contains(&reason) {
            return Ok(None);
        }
        let Some(federation) = &self.federation else { return Ok(None) };
        let then = || self.refresh_organizations();
        federation.fetch_for_unknown_key(&connection.organization.id, then).await?;
        let connections = self.connections.load();
        let present = connections.by_id(&connection.id);
        Ok(present.filter(|present| !Arc::ptr_eq(&present.idp, &connection.idp)).map(Arc::clone))
    }
}

/// What a key that is not known yet looks like; inside of an encrypted assertion everything looks the same.
const MAY_BE_OUTDATED: [&str; 5] = [
    "signature_invalid",
    "algorithm_forbidden",
    "certificate_expired",
    "metadata_expired",
    "decryption_failed",
];
