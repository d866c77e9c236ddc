//! Sessions, seen from outside: who is signed on, and ending it.
//!
//! Separate from `sign_on` because nobody signs on here; only public names of sessions are handled.

use serde_json::json;

use super::{Actor, Admin, Refused, Result};
use crate::email::EmailAddress;
use crate::id::SessionName;
use crate::session::Lifetimes;
use crate::store::{SessionSelector, SessionView};

/// The most sessions that a list shows.
pub const SESSIONS_LISTED_MAX: u32 = 10_000;

impl Admin {
    /// Sessions that are alive, newest first; of one user or all.
    pub async fn sessions(
        &self,
        email: Option<&EmailAddress>,
        lifetimes: Lifetimes,
    ) -> Result<Vec<SessionView>> {
        let user = match email {
            Some(email) => Some(self.user(email).await?.user.id),
            None => None,
        };
        let now = self.now();
        let mut views = self.store.sessions(user.as_ref(), SESSIONS_LISTED_MAX).await?;
        views.retain(|view| lifetimes.is_alive(view.session.ends_at, view.session.last_seen_at, now));
        Ok(views)
    }

    /// Ends one session.
    pub async fn revoke_session(&self, name: &SessionName, actor: &Actor) -> Result<()> {
        let event = self.event("session.revoked", actor, name.as_str(), json!({}));
        let ended = self.store.end_sessions(&SessionSelector::Name(name.clone()), event).await?;
        if ended == 0 { Err(Refused::NoSuchSession { name: name.clone() }.into()) } else { Ok(()) }
    }

    /// Ends all sessions of a user, and returns how many those were.
    pub async fn revoke_sessions_of(&self, email: &EmailAddress, actor: &Actor) -> Result<u64> {
        let user = self.user(email).await?.user;
        let event = self.event("session.revoked", actor, email.as_str(), json!({"all": true}));
        Ok(self.store.end_sessions(&SessionSelector::User(user.id), event).await?)
    }
}
