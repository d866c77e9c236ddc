//! New User requests: what is asked for, where it stands, and what may be done with it next.
//!
//! Separate because it is the one thing in the directory that moves through states; that a move is allowed is
//! decided here, once, for the console, the commands and the store.

use jiff::Timestamp;

use super::{DisplayName, Grant, Level, Note, Scope};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, OrganizationId, UserId};

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody has looked at it yet.
    Received,
    /// An agent works on it.
    InWork,
    /// The requester has to answer a question first.
    NeedsInfo,
    /// Access was granted.
    Approved,
    /// Access was refused.
    Denied,
}

impl State {
    /// All states, in the order in which a request goes through them.
    pub const ALL: [Self; 5] = [Self::Received, Self::InWork, Self::NeedsInfo, Self::Approved, Self::Denied];

    /// The states in which a decision is still to come.
    pub const OPEN: [Self; 3] = [Self::Received, Self::InWork, Self::NeedsInfo];

    /// The state's name in the store, in commands and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::InWork => "in_work",
            Self::NeedsInfo => "needs_info",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }

    /// Reads the state's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether a decision is still to come.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Received | Self::InWork | Self::NeedsInfo)
    }
}

/// A New User request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: AccessRequestId,
    /// The organization of the property, the requester and the new user.
    pub organization: OrganizationId,
    /// What is asked for.
    pub wanted: Wanted,
    /// Who asks: at least one, the first to file it first.
    pub requesters: Vec<Requester>,
    /// Where it stands.
    pub state: State,
    /// Who works on it.
    pub agent: Option<EmailAddress>,
    /// The open question in `needs_info`, the reason in `denied`.
    pub reason: Option<Note>,
    /// An approval that waits for a second pair of eyes.
    pub proposal: Option<Proposal>,
    /// When it was filed.
    pub created_at: Timestamp,
    /// The last time that anything happened to it.
    pub changed_at: Timestamp,
    /// Grows with everything that happens to it: who decides on an older version has seen a stale page.
    pub version: i64,
}

/// What a request asks for: the fields of the New User form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where access is asked for.
    pub scope: Scope,
    /// For whom.
    pub email: EmailAddress,
    /// The new user's name, if the requester knew it.
    pub name: Option<DisplayName>,
    /// How much access is asked for.
    pub level: Level,
    /// What the requester wrote.
    pub note: Option<Note>,
}

/// Somebody who asks for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// Who.
    pub user: UserId,
    /// The address, as it is now.
    pub email: EmailAddress,
    /// The name, as it is now.
    pub name: Option<DisplayName>,
    /// When this requester asked.
    pub at: Timestamp,
}

/// What one agent would grant, and a second one has to confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Who proposes it, by the address of then.
    pub agent: EmailAddress,
    /// Who that is, whatever becomes of the address.
    pub user: UserId,
    /// The grants.
    pub grants: Vec<Grant>,
    /// What the agent writes along.
    pub note: Option<Note>,
}

/// One line of a request's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who: an e-mail address, or `command`.
    pub actor: String,
    /// What happened.
    pub kind: EventKind,
    /// What was written along with it.
    pub text: Option<Note>,
}

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was filed.
    Filed,
    /// Somebody else asked for the same.
    Merged,
    /// An agent took it, perhaps from another.
    Taken,
    /// The agent asked back.
    Asked,
    /// The requester answered.
    Answered,
    /// The agent proposed an approval that needs a second pair of eyes.
    Proposed,
    /// Access was granted.
    Approved,
    /// Access was refused.
    Denied,
}

impl EventKind {
    /// The kind's name in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Merged => "merged",
            Self::Taken => "taken",
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }

    /// Reads the kind's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Filed,
            Self::Merged,
            Self::Taken,
            Self::Asked,
            Self::Answered,
            Self::Proposed,
            Self::Approved,
            Self::Denied,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

impl Request {
    /// Who filed it.
    ///
    /// # Panics
    /// Never for a request of the store, which has at least one requester.
    #[must_use]
    pub fn requester(&self) -> &Requester {
        self.requesters.first().expect("a request is filed by somebody")
    }
}
