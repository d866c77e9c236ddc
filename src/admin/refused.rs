//! What is refused, and what to do about it.
//!
//! Separate because commands, pages and the API show these words; each has a code that programs can rely on.

mod words;

use self::words::{
    by, decided, domain_list, field_list, line_count, line_list, organizations, owner_note, self_grant,
    shared_list, standing, users,
};
use super::import::LineProblem;
use super::table;
use crate::directory::request::{Request, State};
use crate::directory::{self, Level};
use crate::email::{EmailAddress, EmailDomain};
use crate::id::{AccessRequestId, OrganizationId, PropertyId, SessionName, UserId};

/// What is wrong with one field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong, or what to do; it can stand beside the field without naming it.
    pub message: String,
}

impl FieldProblem {
    /// The refusal of a form for one field alone.
    pub(super) fn refuse(field: &'static str, message: impl Into<String>) -> Refused {
        Refused::Fields(vec![Self { field, message: message.into() }])
    }
}

/// Why something must not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody has that address.
    #[error("there is no user {email}")]
    NoSuchUser {
        /// The address.
        email: EmailAddress,
    },
    /// Somebody has that address already.
    #[error("{email} is a user already, of {organization}; give that user more access instead")]
    EmailTaken {
        /// The address.
        email: EmailAddress,
        /// Whose staff that user is.
        organization: OrganizationId,
    },
    /// There is no such organization.
    #[error("there is no organization {id}; there {}", organizations(.known))]
    NoSuchOrganization {
        /// The id.
        id: OrganizationId,
        /// Those that there are.
        known: Vec<OrganizationId>,
    },
    /// A person with that address could never sign on.
    #[error(
        "{email} is outside the domains of {organization} ({}): its identity provider could never vouch for that \
         address; correct it, or add the domain to the organization",
        domain_list(.domains)
    )]
    ForeignDomain {
        /// The address.
        email: EmailAddress,
        /// The organization.
        organization: OrganizationId,
        /// The domains of its staff.
        domains: Vec<EmailDomain>,
    },
    /// The organization has no such property.
    #[error(
        "the organization {organization} has no property {property}{}; '*' means every property of the organization",
        owner_note(.owner.as_ref())
    )]
    NoSuchProperty {
        /// The property.
        property: PropertyId,
        /// The organization of the user.
        organization: OrganizationId,
        /// Whose property it is, if there is one of that id.
        owner: Option<OrganizationId>,
    },
    /// Another property has that id.
    #[error(
        "the id {property} is taken, by {name:?} of {organization}; ids are unique among all organizations"
    )]
    PropertyTaken {
        /// The id.
        property: PropertyId,
        /// Whose property has it.
        organization: OrganizationId,
        /// What that property is called.
        name: String,
    },
    /// The level is not configured.
    #[error(transparent)]
    UnknownLevel(#[from] directory::Error),
    /// The grant would have ended before it began.
    #[error("the end of the grant is in the past; to take access away, revoke the grant")]
    UntilPast,
    /// Nobody would be left to work the support console.
    #[error("{email} is the last support account; give somebody else the role support first")]
    LastSupport {
        /// The address.
        email: EmailAddress,
    },
    /// Nobody could sign on to the support console any more, not even to undo it.
    #[error(
        "the last support accounts are of {id}: nobody could sign on to undo the pause; give somebody of another \
         organization the role support first, or have an operator pause it"
    )]
    SupportPaused {
        /// The organization.
        id: OrganizationId,
    },
    /// Whoever gives others the role could be their own second agent.
    #[error(
        "access to all properties needs a second agent here, so no agent makes another one: the role support is \
         given by an operator"
    )]
    SupportRole,
    /// The sign-on belongs to another user.
    #[error("that sign-on is bound to another user than {email}; disable or unbind that user first")]
    SubjectTaken {
        /// The address.
        email: EmailAddress,
    },
    /// There is no such session.
    #[error("there is no session {name}: it has ended or never was")]
    NoSuchSession {
        /// The public name.
        name: SessionName,
    },
    /// There is no user of that id.
    #[error("that user is not known any more")]
    NoSuchUserId {
        /// The id.
        user: UserId,
    },
    /// The user has been shut out.
    #[error("{email} has been disabled; enable the user first")]
    UserDisabled {
        /// The address.
        email: EmailAddress,
    },
    /// The user belongs to somebody else.
    #[error("{email} is a user of {organization}, and a user belongs to one organization")]
    OtherOrganization {
        /// The address.
        email: EmailAddress,
        /// Whose staff that user is.
        organization: OrganizationId,
    },
    /// The property has been given up.
    #[error("the property {property} has been retired; restore it first")]
    PropertyRetired {
        /// The property.
        property: PropertyId,
    },
    /// There is no such property at all.
    #[error("there is no property {property}")]
    UnknownProperty {
        /// The id.
        property: PropertyId,
    },
    /// There is no conflict of that reference, or it has been settled.
    #[error("there is no open conflict {reference}; it has been settled already")]
    NoSuchConflict {
        /// The reference.
        reference: String,
    },
    /// Fields of a form are wrong.
    #[error("{}", field_list(.0))]
    Fields(Vec<FieldProblem>),
    /// No grant allows it.
    #[error("your access does not include asking for others; please turn to your manager")]
    MayNotRequest,
    /// Somebody fills the queue.
    #[error("{max} of your requests are still open; wait for them, or send support a list")]
    TooManyOpenRequests {
        /// How many are allowed.
        max: u32,
    },
    /// There is no such request.
    #[error("there is no request {id}")]
    NoSuchRequest {
        /// The id.
        id: AccessRequestId,
    },
    /// The request has been decided.
    #[error("request {id} has been {} already{}", decided(*.state), by(.agent.as_ref()))]
    Decided {
        /// The id.
        id: AccessRequestId,
        /// How.
        state: State,
        /// Who decided, if it was an agent.
        agent: Option<EmailAddress>,
    },
    /// Something has happened to the request since the caller looked.
    #[error("request {} has changed in the meantime: it is {} now{}; look at it again", .0.id, standing(.0.state), by(.0.agent.as_ref()))]
    Stale(Box<Request>),
    /// Another agent works on it.
    #[error("{agent} works on request {id}; take it over first")]
    TakenByAnother {
        /// The id.
        id: AccessRequestId,
        /// Who.
        agent: EmailAddress,
    },
    /// Only agents work on requests.
    #[error("{email} is no support agent; give the role support first")]
    NotAnAgent {
        /// The address.
        email: EmailAddress,
    },
    /// There is no open question.
    #[error("request {id} has no open question")]
    NothingAsked {
        /// The id.
        id: AccessRequestId,
    },
    /// There is nothing to confirm.
    #[error("request {id} has no approval to confirm; somebody has to approve it first")]
    NothingProposed {
        /// The id.
        id: AccessRequestId,
    },
    /// The second pair of eyes would be the first.
    #[error("you have proposed this approval yourself; another agent has to confirm it")]
    OwnProposal,
    /// Somebody who has been let in does not wait.
    #[error("you have been let in already; there is nothing to wait for")]
    NotWaiting,
    /// Agents do not let themselves in.
    #[error("{}", self_grant(.limit.as_ref()))]
    SelfGrant {
        /// The highest level that agents may give themselves.
        limit: Option<Level>,
    },
    /// Agents do not change their own account.
    #[error("this is your own account; another agent has to do that")]
    OwnAccount,
    /// Access to everything needs two agents.
    #[error(
        "access to all properties needs a second agent: leave it out here, and grant it on the user's page, where \
         another agent can confirm it"
    )]
    SecondApproval,
    /// The configuration file has the last word on that organization.
    #[error("{id} stands in the configuration file; change it there")]
    Declared {
        /// The organization.
        id: OrganizationId,
    },
    /// There is no identity provider that anything could be said about.
    #[error("{id} has no identity provider; upload its metadata first")]
    NoProvider {
        /// The organization.
        id: OrganizationId,
    },
    /// Another organization has that id.
    #[error("the id {id} is taken by another organization; choose another")]
    OrganizationTaken {
        /// The id.
        id: OrganizationId,
    },
    /// Somebody would belong nowhere.
    #[error("{id} has {}; pause it instead, or disable and move them first", users(*.count))]
    OrganizationHasUsers {
        /// The organization.
        id: OrganizationId,
        /// How many.
        count: u64,
    },
    /// Two organizations cannot trust one identity provider.
    #[error(
        "{organization} has the identity provider {entity_id} already; use the metadata of the customer's own, or \
         add the domains to {organization}"
    )]
    EntityIdTaken {
        /// The entity ID.
        entity_id: String,
        /// Whose it is.
        organization: OrganizationId,
    },
    /// There is no other identity provider to accept.
    #[error("no metadata of another identity provider waits for {id}; there is nothing to accept")]
    NothingHeld {
        /// The organization.
        id: OrganizationId,
    },
    /// There is no address to fetch from.
    #[error("the metadata of {id} is not fetched from an address; give it one with --url")]
    NotFetched {
        /// The organization.
        id: OrganizationId,
    },
    /// What was to be fetched could not be.
    #[error("the metadata of {id} could not be refreshed: {fault}")]
    NotRefreshed {
        /// The organization.
        id: OrganizationId,
        /// Why.
        fault: String,
    },
    /// Sharing a domain has to be meant.
    #[error("{}; people of a shared domain choose their organization when they sign on, so confirm that this is meant", shared_list(.0))]
    DomainsShared(Vec<(EmailDomain, OrganizationId)>),
    /// The new metadata is of somebody else, as far as we can tell.
    #[error(
        "the metadata is of another identity provider: its entity ID is {new}, and {id} has {old}; confirm that the \
         customer has moved"
    )]
    EntityIdChanged {
        /// The organization.
        id: OrganizationId,
        /// The entity ID so far.
        old: String,
        /// The one in the new metadata.
        new: String,
    },
    /// It cannot be told whether the new metadata is of somebody else.
    #[error(
        "it is not known which identity provider {id} had, and it has users who may be known by another one than \
         {new}; confirm that this is theirs"
    )]
    EntityIdLost {
        /// The organization.
        id: OrganizationId,
        /// The entity ID in the new metadata.
        new: String,
    },
    /// The file is not a table of the expected form.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// Lines of the file are wrong; none was imported.
    #[error("nothing was imported; {}{}", line_count(.0.len()), line_list(.0))]
    Lines(Vec<LineProblem>),
}

impl Refused {
    /// The refusal's name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchUser { .. } | Self::NoSuchUserId { .. } => "no_such_user",
            Self::EmailTaken { .. } => "email_taken",
            Self::NoSuchOrganization { .. } => "no_such_organization",
            Self::ForeignDomain { .. } => "foreign_domain",
            Self::NoSuchProperty { .. } | Self::UnknownProperty { .. } => "no_such_property",
            Self::PropertyTaken { .. } => "property_taken",
            Self::UnknownLevel(_) => "unknown_level",
            Self::UntilPast => "until_past",
            Self::LastSupport { .. } | Self::SupportPaused { .. } => "last_support",
            Self::SupportRole => "support_role",
            Self::SubjectTaken { .. } => "subject_taken",
            Self::NoSuchSession { .. } => "no_such_session",
            Self::UserDisabled { .. } => "user_disabled",
            Self::OtherOrganization { .. } => "other_organization",
            Self::PropertyRetired { .. } => "property_retired",
            Self::NoSuchConflict { .. } => "no_such_conflict",
            Self::Fields(_) => "bad_fields",
            Self::MayNotRequest => "may_not_request",
            Self::TooManyOpenRequests { .. } => "too_many_open_requests",
            Self::NoSuchRequest { .. } => "no_such_request",
            Self::Decided { .. } => "decided",
            Self::Stale(_) => "stale",
            Self::TakenByAnother { .. } => "taken_by_another",
            Self::NotAnAgent { .. } => "not_an_agent",
            Self::NothingAsked { .. } => "nothing_asked",
            Self::NothingProposed { .. } => "nothing_proposed",
            Self::OwnProposal => "own_proposal",
            Self::NotWaiting => "not_waiting",
            Self::SelfGrant { .. } => "self_grant",
            Self::OwnAccount => "own_account",
            Self::SecondApproval => "second_approval",
            Self::Declared { .. } => "declared",
            Self::NoProvider { .. } => "no_provider",
            Self::OrganizationTaken { .. } => "organization_taken",
            Self::OrganizationHasUsers { .. } => "organization_has_users",
            Self::EntityIdTaken { .. } => "entity_id_taken",
            Self::NothingHeld { .. } => "nothing_held",
            Self::NotFetched { .. } => "not_fetched",
            Self::NotRefreshed { .. } => "not_refreshed",
            Self::DomainsShared(_) => "domains_shared",
            Self::EntityIdChanged { .. } => "entity_id_changed",
            Self::EntityIdLost { .. } => "entity_id_lost",
            Self::Table(_) => "bad_table",
            Self::Lines(_) => "bad_lines",
        }
    }

    /// The refusal of whoever comes after the decision.
    pub(super) fn decided(request: &Request) -> Self {
        Self::Decided { id: request.id.clone(), state: request.state, agent: request.agent.clone() }
    }

    /// The fields of a form that are wrong, to be shown beside each.
    #[must_use]
    pub fn fields(&self) -> &[FieldProblem] {
        if let Self::Fields(fields) = self { fields } else { &[] }
    }

    /// The lines of a file that are wrong, for programs that want them one by one.
    #[must_use]
    pub fn lines(&self) -> &[LineProblem] {
        if let Self::Lines(lines) = self { lines } else { &[] }
    }
}
