//! New User requests: filing, asking for and changing them.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::request::{self, Request};
use crate::directory::{Grant, Note};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, OrganizationId, PropertyId, UserId};
use crate::store::{AuditEvent, NewMessage, Result};

/// Filing, finding and changing New User requests.
#[async_trait]
pub trait Requests {
    /// Files a request, or joins the open one for the same person and scope. On a merge the event's action
    /// becomes `request.merged` and its subject the id of the open request.
    async fn file_request(
        &self,
        request: &NewRequest,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestFiled>;
    /// Requests by filter, the oldest first unless the filter says otherwise.
    async fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>>;
    /// One request with its history, oldest first.
    async fn request(&self, id: &AccessRequestId) -> Result<Option<(Request, Vec<request::Event>)>>;
    /// How many requests there are in each state that has any.
    async fn request_counts(&self) -> Result<Vec<RequestCount>>;
    /// Lets something happen to a request of that version that is open. Tells the change feed of the user whom
    /// it is for, if there is one.
    async fn change_request(
        &self,
        id: &AccessRequestId,
        version: i64,
        change: &RequestChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestChanged>;
}

/// A request to be filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    /// The id, made by the caller.
    pub id: AccessRequestId,
    /// The organization of all concerned.
    pub organization: OrganizationId,
    /// What is asked for.
    pub wanted: request::Wanted,
    /// Who asks.
    pub requester: UserId,
    /// When.
    pub at: Timestamp,
}

/// What became of a request that was filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFiled {
    /// It is in the queue.
    Filed(Request),
    /// Access for the same person in the same scope is asked for already, in this request: the requester is
    /// now one of its requesters (its history says so once for each requester, with the level and note), and no
    /// message was kept.
    Merged(Request),
    /// There is no such property in the organization, or it is retired; nothing changed.
    NoSuchProperty(PropertyId),
}

/// Which requests a list shall have; all conditions together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only in one of these states; none means all.
    pub states: Vec<request::State>,
    /// Only of this organization.
    pub organization: Option<OrganizationId>,
    /// Only for this person.
    pub email: Option<EmailAddress>,
    /// Only those that this user is a requester of.
    pub requester: Option<UserId>,
    /// Only those that this agent works on.
    pub agent: Option<EmailAddress>,
    /// Only those in which every word of this occurs: id, person, requesters, organization, property, note.
    pub text: Option<String>,
    /// The newest first instead of the oldest.
    pub newest_first: bool,
    /// How many to pass over.
    pub offset: u32,
    /// At most this many; 0 means all.
    pub limit: u32,
}

/// How many requests are in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// The state.
    pub state: request::State,
    /// How many.
    pub count: u64,
    /// When the oldest of them was filed.
    pub oldest_at: Timestamp,
}

/// Something that happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestChange {
    /// An agent takes it, perhaps from another.
    Take {
        /// Who.
        agent: EmailAddress,
    },
    /// The agent asks the requesters something.
    Ask {
        /// Who; a command has no address.
        agent: Option<EmailAddress>,
        /// What.
        question: Note,
    },
    /// A requester answers: back to `in_work` if an agent has it, else to `received`.
    Answer {
        /// What.
        text: Note,
    },
    /// An approval that needs a second pair of eyes.
    Propose(request::Proposal),
    /// Grants access: makes the user where missing, with this id.
    Approve {
        /// Who; a command has no address.
        agent: Option<EmailAddress>,
        /// For a user who does not exist yet.
        new_user: UserId,
        /// The grants, at least one.
        grants: Vec<Grant>,
        /// What was written along.
        note: Option<Note>,
    },
    /// Refuses access.
    Deny {
        /// Who; a command has no address.
        agent: Option<EmailAddress>,
        /// Why.
        reason: Note,
    },
}

/// Whether something could happen to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestChanged {
    /// It did; the request as it is now.
    Changed(Request),
    /// The request is not what the caller has seen, or has been decided; the request as it is.
    Stale(Request),
    /// There is no such request.
    NoSuchRequest,
    /// A grant names a property that does not exist, is retired, or is another organization's.
    NoSuchProperty(PropertyId),
    /// The address belongs to a user of another organization.
    OtherOrganization(OrganizationId),
    /// The user has been disabled; enable first.
    UserDisabled,
}
