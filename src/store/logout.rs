//! What a provider's logout request asks for, and what became of it.
//!
//! Separate from the sessions, which it is one operation of, because it speaks in the words of SAML.

use jiff::Timestamp;

use crate::id::{ConnectionId, UserId};
use crate::saml::NameId;

/// A genuine demand of an identity provider to end sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderLogout {
    /// The connection whose provider asks; sessions of others are never touched.
    pub connection: ConnectionId,
    /// The request's ID, which is used up.
    pub request_id: String,
    /// Whose sessions.
    pub name_id: NameId,
    /// Which of them; empty: all.
    pub session_indexes: Vec<String>,
    /// When the provider asked.
    pub issued_at: Timestamp,
    /// When the request could not be accepted any more, so that the record of its ID may go.
    pub expires_at: Timestamp,
    /// Until when a sign-on from before may still be on its way.
    pub remembered_until: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderLoggedOut {
    /// The request was used before; nothing changed.
    Replayed,
    /// No such session is left. Sessions of these users were ended, perhaps of nobody.
    Ended(Vec<UserId>),
}
