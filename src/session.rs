//! Session ids and lifetimes (pure).
//!
//! Separate from the store and from HTTP so that what a session is can be read on one page: an opaque random
//! id that only the browser has, of which we keep the hash, between a beginning and two ends.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::id::{ConnectionId, Randomness, SessionName, UserId};
use crate::saml::NameId;
use crate::secret::{Secret, sha256};
use crate::target::ReturnPath;

/// The secret id of a session: 256 random bits, known to one browser. Never chosen by a client.
#[derive(Debug, Clone)]
pub struct SessionId(Secret<[u8; 32]>);

impl SessionId {
    /// Makes a new id.
    #[must_use]
    pub fn random(randomness: &dyn Randomness) -> Self {
        let mut octets = [0_u8; 32];
        randomness.fill(&mut octets);
        Self(Secret::new(octets))
    }

    /// Reads a cookie value; `None` for anything that we cannot have made.
    #[must_use]
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let text = text.as_ref();
        let mut octets = [0_u8; 32];
        // 43 characters of base64url; the check of the length keeps the decoder from looking at more.
        if text.len() != 43 || URL_SAFE_NO_PAD.decode_slice(text, &mut octets).ok()? != 32 {
            return None;
        }
        Some(Self(Secret::new(octets)))
    }

    /// The value of the cookie.
    #[must_use]
    pub fn to_cookie_value(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.expose())
    }

    /// What the store and the cache know the session by.
    #[must_use]
    pub fn hash(&self) -> SessionHash {
        SessionHash(sha256(self.0.expose()))
    }
}

/// SHA-256 of a session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionHash([u8; 32]);

impl SessionHash {
    /// Takes a hash from the store.
    #[must_use]
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// A number made of some of them, by which the requests of a session can be kept together.
    #[must_use]
    pub fn affinity(&self) -> u64 {
        self.0.iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet))
    }
}

/// A session as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The hash of its id.
    pub hash: SessionHash,
    /// Its public name (`sid`).
    pub name: SessionName,
    /// Whose it is.
    pub user: UserId,
    /// The connection that the user signed on through.
    pub connection: ConnectionId,
    /// When it began.
    pub created_at: Timestamp,
    /// The last request seen, as far as it was written down.
    pub last_seen_at: Timestamp,
    /// Its absolute end.
    pub ends_at: Timestamp,
    /// When the user authenticated to the identity provider (`AuthnInstant`).
    pub authenticated_at: Timestamp,
    /// When the provider made the assertion that the session began from.
    pub asserted_at: Timestamp,
    /// How the user authenticated: the `amr` claim.
    pub methods: Vec<String>,
    /// The path that was asked for, for the Waiting Room to open.
    pub return_path: ReturnPath,
    /// Whom the provider signed on, as it wrote it, for single logout.
    pub name_id: Option<NameId>,
    /// The provider's `SessionIndex`, for single logout.
    pub session_index: Option<String>,
}

/// What a node keeps of a session in memory. What is needed once only, such as the names for single logout, is asked of
/// the store when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The hash of its id.
    pub hash: SessionHash,
    /// Its public name (`sid`).
    pub name: SessionName,
    /// Whose it is.
    pub user: UserId,
    /// The connection that the user signed on through.
    pub connection: ConnectionId,
    /// When it began.
    pub created_at: Timestamp,
    /// How the user authenticated: the `amr` claim. Few ways are in use at a time, so sessions share them.
    pub methods: Arc<[String]>,
    /// The path that was asked for, for the Waiting Room to open.
    pub return_path: ReturnPath,
    ends_at_millis: i64,
    authenticated_at_millis: i64,
}

impl Kept {
    /// Its absolute end.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.ends_at_millis).unwrap_or_default()
    }

    /// When the user authenticated to the identity provider.
    #[must_use]
    pub fn authenticated_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.authenticated_at_millis).unwrap_or_default()
    }
}

impl From<Session> for Kept {
    fn from(session: Session) -> Self {
        Self {
            hash: session.hash,
            name: session.name,
            user: session.user,
            connection: session.connection,
            created_at: session.created_at,
            methods: session.methods.into(),
            return_path: session.return_path,
            ends_at_millis: session.ends_at.as_millisecond(),
            authenticated_at_millis: session.authenticated_at.as_millisecond(),
        }
    }
}

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The longest pause between two requests.
    pub idle: Duration,
    /// The longest time from sign-on to end.
    pub lifetime: Duration,
}

impl Lifetimes {
    /// The absolute end of a session that begins now, no later than the identity provider's bound
    /// (`SessionNotOnOrAfter`, SAML Core 2.7.2).
    #[must_use]
    pub fn end_of(&self, now: Timestamp, bound: Option<Timestamp>) -> Timestamp {
        let end = now.saturating_add(self.lifetime).unwrap_or(Timestamp::MAX);
        bound.map_or(end, |bound| bound.min(end))
    }

    /// Whether a session is alive: before its absolute end and not idle for too long.
    #[must_use]
    pub fn is_alive(&self, ends_at: Timestamp, last_seen_at: Timestamp, now: Timestamp) -> bool {
        let idle_end = last_seen_at.saturating_add(self.idle).unwrap_or(Timestamp::MAX);
        now < ends_at && now < idle_end
    }
}
