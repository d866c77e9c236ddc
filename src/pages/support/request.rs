//! One request with everything that an agent has to know to decide it.
//!
//! Separate because it is where access is given: what speaks against it stands above the buttons.

use crate::directory::Membership;
use crate::directory::request::State;
use crate::pages::Brand;
use crate::pages::form::{Field, Select};
use crate::pages::moment::Moment;
use crate::pages::progress::HistoryLine;
use crate::pages::support::{Agent, Banner, GrantLine, RequestLine};

/// `/.anteroom/support/requests/{id}`. Its forms post to the paths below it and carry `version`.
#[derive(Debug, Clone)]
pub struct RequestPage {
    /// Who works at the console.
    pub agent: Agent,
    /// What has just been done, or why not.
    pub banner: Option<Banner>,
    /// The request's id.
    pub id: String,
    /// Sent back with every decision.
    pub version: i64,
    /// Where it stands.
    pub state: State,
    /// Who works on it.
    pub taken: Taken,
    /// Where access is asked for: the property's name, or `ALL_PROPERTIES`.
    pub property: String,
    /// The property's id, or `*`.
    pub scope: String,
    /// How much is asked for.
    pub level: String,
    /// What the requester wrote.
    pub note: Option<String>,
    /// The open question, or why it was denied.
    pub reason: Option<String>,
    /// When it was filed.
    pub filed: Moment,
    /// Whom it is for.
    pub person: PersonFacts,
    /// Who asks; the first to ask first.
    pub requesters: Vec<RequesterFacts>,
    /// Whose staff all of them are.
    pub organization: OrganizationFacts,
    /// What speaks against it, or should be known first.
    pub warnings: Vec<Warning>,
    /// An approval that waits for a second agent.
    pub proposal: Option<Proposal>,
    /// What happened to it, the oldest first.
    pub history: Vec<HistoryLine>,
    /// The form `…/approve`, with what was typed.
    pub approve: ApproveForm,
    /// `question` of the form `…/ask`.
    pub question: Field,
    /// `reason` of the form `…/deny`.
    pub deny_reason: Field,
}

/// Who works on a request.
#[derive(Debug, Clone)]
pub enum Taken {
    /// Nobody.
    ByNobody,
    /// The agent at the console.
    ByMe,
    /// Another agent: name or address.
    ByOther(String),
}

/// The form `…/approve`.
#[derive(Debug, Clone, Default)]
pub struct ApproveForm {
    /// `level`: all levels, the one asked for chosen.
    pub level: Select,
    /// `property`: the organization's properties as boxes to tick, without `*`.
    pub properties: Select,
    /// `property=*`: all properties instead.
    pub is_for_all: bool,
    /// `until`: `YYYY-MM-DD`, or empty.
    pub until: Field,
    /// `note`: a word to everybody concerned.
    pub note: Field,
}

/// What is known of the person.
#[derive(Debug, Clone)]
pub struct PersonFacts {
    /// The user's id, if the person is a user already.
    pub user_id: Option<String>,
    /// The name, from the account or else from the request.
    pub name: Option<String>,
    /// The address.
    pub email: String,
    /// Where the user stands, if the person is a user already.
    pub state: Option<Membership>,
    /// What the user may do now.
    pub grants: Vec<GrantLine>,
    /// The last sign-on.
    pub last_sign_on: Option<Moment>,
    /// Where the person says they work.
    pub workplace: Option<String>,
    /// Other requests for the person, the newest first.
    pub requests: Vec<RequestLine>,
}

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct RequesterFacts {
    /// The user's id.
    pub user_id: String,
    /// The name, if known.
    pub name: Option<String>,
    /// The address.
    pub email: String,
    /// What the requester may do.
    pub grants: Vec<GrantLine>,
    /// When this requester asked.
    pub at: Moment,
}

/// What is known of the organization.
#[derive(Debug, Clone)]
pub struct OrganizationFacts {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its domains.
    pub domains: Vec<String>,
    /// How many users it has.
    pub users: u64,
    /// How many properties it has.
    pub properties: u64,
}

/// What speaks against a request, or should be known first.
#[derive(Debug, Clone)]
pub enum Warning {
    /// Somebody signed on with the person's address under another identity.
    Conflict {
        /// The user to look at.
        user_id: String,
    },
    /// The person's account is switched off: it must be switched on first.
    Disabled {
        /// The user to look at.
        user_id: String,
    },
    /// There are other open requests for the person.
    OtherRequests(Vec<OtherRequest>),
    /// The person has access already.
    HasAccess {
        /// Level and property, for people.
        access: Vec<GrantLine>,
    },
    /// The address belongs to a user of another organization.
    OtherOrganization {
        /// The user to look at.
        user_id: String,
        /// That organization's name.
        organization: String,
    },
    /// The address is not in the organization's domains any more.
    ForeignDomain,
    /// Nobody of the organization can sign on at the moment.
    OrganizationPaused,
    /// The property is retired.
    PropertyRetired,
    /// The requester may not ask for this any more.
    RequesterMayNot {
        /// Who: name or address.
        requester: String,
    },
}

/// Another request for the same person.
#[derive(Debug, Clone)]
pub struct OtherRequest {
    /// Its id.
    pub id: String,
    /// Where.
    pub property: String,
}

/// An approval that waits for a second agent.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Who proposes it: name or address.
    pub agent: String,
    /// What would be granted.
    pub grants: Vec<GrantLine>,
    /// Whether the agent at the console may confirm it: posts `version` to `…/confirm`.
    pub may_confirm: bool,
}

impl RequestPage {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Request")
    }
}
