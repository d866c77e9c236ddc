//! Sessions, until they end by anybody's wish.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::Account;
use crate::id::{SessionName, UserId};
use crate::session::{Session, SessionHash};
use crate::store::{AuditEvent, ProviderLoggedOut, ProviderLogout, Result};
use crate::target::ReturnPath;

/// Beginning, finding and ending sessions.
#[async_trait]
pub trait Sessions {
    /// Begins a session, unless the user's organization is paused, or the provider has ended its own session since
    /// it made the assertion: `false` then. Of more than [`SESSIONS_PER_USER_MAX`] the oldest end.
    async fn begin_session(&self, session: &Session, audit: AuditEvent) -> Result<bool>;
    /// The session and its user, whatever their state; `None` once it has been ended.
    async fn session(&self, hash: &SessionHash) -> Result<Option<SessionView>>;
    /// Those of some sessions, no more than hundreds, that have not been ended, with their users; in any order.
    async fn sessions_still(&self, hashes: &[SessionHash]) -> Result<Vec<SessionView>>;
    /// Sessions with their users, newest first; of one user or all.
    async fn sessions(&self, user: Option<&UserId>, limit: u32) -> Result<Vec<SessionView>>;
    /// Writes down when sessions were last used; ended ones are passed over. No change feed.
    async fn touch(&self, touches: &[Touch]) -> Result<()>;
    /// Ends sessions and returns how many.
    async fn end_sessions(&self, selector: &SessionSelector, audit: AuditEvent) -> Result<u64>;
    /// Ends sessions because their provider asks for it, once for each request, and lets no sign-on from before
    /// begin another. The event is written for each user whose sessions ended, with the user as its subject and
    /// the sessions in its details.
    async fn end_by_provider(&self, logout: &ProviderLogout, audit: AuditEvent) -> Result<ProviderLoggedOut>;
}

/// Sessions that one user may have at the same time; the oldest gives way.
pub const SESSIONS_PER_USER_MAX: u32 = 50;

/// A session that is alive, with its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// Its user.
    pub account: Account,
}

/// A session's last use and the path to open from the Waiting Room, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Which session.
    pub hash: SessionHash,
    /// The last request seen.
    pub last_seen_at: Timestamp,
    /// The path last asked for while waiting.
    pub return_path: Option<ReturnPath>,
}

/// Which sessions to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSelector {
    /// One, by its secret id.
    Hash(SessionHash),
    /// One, by its public name.
    Name(SessionName),
    /// All of a user.
    User(UserId),
}
