//! One request with everything that an agent has to know to decide it.
//!
//! Separate because it is where access is given: what speaks against it stands above the buttons.

use askama::Template;

use crate::directory::Membership;
use crate::directory::request::State;
use crate::pages::form::{Field, Problems, Select};
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::progress::HistoryLine;
use crate::pages::support::{self, Agent, Banner, GrantLine, RequestLine, Section};
use crate::pages::texts::texts;
use crate::pages::{Brand, progress};

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

impl RequesterFacts {
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }
}

impl PersonFacts {
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }
}

impl RequestPage {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let heading = english_heading(self.person.title());
        let taking = english_taking(&self.taken);
        frame::render(&Html {
            frame: Frame::console_english(brand, &heading, &self.agent, Section::Requests),
            banner: self.banner.as_ref().map(Banner::english),
            problems: self.problems(),
            warnings: self.warnings.iter().map(|warning| warning.english(self)).collect(),
            state: progress::english_state(self.state),
            agent: english_agent(&self.taken),
            account: self.person.state.map_or(text.no_account, support::english_membership),
            domains: self.organization.domains.join(", "),
            size: english_size(&self.organization),
            proposal_sentence: self.proposal.as_ref().map(english_proposal).unwrap_or_default(),
            take_label: taking.map(|(label, _)| label),
            take_sentence: taking.map_or("", |(_, sentence)| sentence),
            // What another agent has taken has to be taken over first.
            may_decide: !matches!(self.taken, Taken::ByOther(_)),
            path: support::request_path(&self.id),
            heading,
            text,
            page: self,
        })
    }

    fn problems(&self) -> Problems<'_> {
        Problems::of(&[
            ("level", self.approve.level.problem.as_ref()),
            ("properties", self.approve.properties.problem.as_ref()),
            ("until", self.approve.until.problem.as_ref()),
            ("note", self.approve.note.problem.as_ref()),
            ("question", self.question.problem.as_ref()),
            ("reason", self.deny_reason.problem.as_ref()),
        ])
    }
}

#[derive(Template)]
#[template(path = "request.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    heading: String,
    state: &'static str,
    banner: Option<(&'static str, String)>,
    problems: Problems<'a>,
    warnings: Vec<WarningText>,
    agent: &'a str,
    account: &'static str,
    domains: String,
    size: String,
    proposal_sentence: String,
    take_label: Option<&'static str>,
    take_sentence: &'static str,
    may_decide: bool,
    path: String,
    page: &'a RequestPage,
}

/// A warning with the ways to look into it.
struct WarningText {
    sentence: String,
    links: Vec<(String, String)>,
}

impl Warning {
    fn english(&self, page: &RequestPage) -> WarningText {
        let person = page.person.title();
        let mut links = Vec::new();
        let to_user = |id: &String| ("Open the account".to_owned(), support::user_path(id));
        let sentence = match self {
            Self::Conflict { user_id } => {
                links.push(to_user(user_id));
                format!(
                    "Somebody signed on with the address of {person} under another identity. Settle that first."
                )
            }
            Self::Disabled { user_id } => {
                links.push(to_user(user_id));
                format!("The account of {person} is switched off. Switch it on before you approve.")
            }
            Self::OtherRequests(requests) => {
                links.extend(requests.iter().map(|other| {
                    (format!("{}, {}", other.id, other.property), support::request_path(&other.id))
                }));
                format!("There are other open requests for {person}:")
            }
            Self::HasAccess { access } => {
                let access: Vec<_> =
                    access.iter().map(|grant| format!("{} on {}", grant.level, grant.property)).collect();
                format!("{person} has access already: {}.", access.join("; "))
            }
            Self::OtherOrganization { user_id, organization } => {
                links.push(to_user(user_id));
                format!("The address belongs to an account of {organization}. It cannot be approved here.")
            }
            Self::ForeignDomain => format!(
                "The address is not within the domains of {}. The person could never sign on.",
                page.organization.name
            ),
            Self::OrganizationPaused => {
                format!("{} is paused: nobody of it can sign on at the moment.", page.organization.name)
            }
            Self::PropertyRetired => {
                format!("{} is retired. Choose another property, or deny.", page.property)
            }
            Self::RequesterMayNot { requester } => {
                format!(
                    "{requester} could not ask for this any more. Check whether the request still stands."
                )
            }
        };
        WarningText { sentence, links }
    }
}

texts! {
    Texts {
        queue: "Requests",
        problems: "Please check these fields",
        warnings: "Know this first",
        wanted: "What is asked for",
        access: "Access",
        number: "Request",
        filed: "Asked",
        agent: "Agent",
        note: "Note from whoever asked",
        denied: "Denied because",
        open_question: "Open question",
        person: "The person",
        name: "Name",
        email: "Address",
        account: "Account",
        no_account: "None yet; approving makes one",
        last_sign_on: "Last sign-on",
        workplace: "Says to work at",
        access_now: "Access now",
        no_access: "None.",
        other_requests: "Other requests for this person",
        requesters: "Asked by",
        asked: "Asked",
        organization: "Organization",
        domains: "Domains",
        size: "Size",
        history: "History",
        decision: "Decision",
        jump: "Go to the decision",
        confirm: "Confirm and grant",
        decided: "This request is decided. To change access now, open the account.",
        approve: "Approve",
        level: "Level",
        properties: "Properties",
        all_properties: "All properties, also later ones",
        until: "Until (optional)",
        until_hint: "The last day on which the access holds. Empty means without end.",
        approve_note: "Note (optional)",
        approve_note_hint: "Goes to the person and to whoever asked.",
        approve_submit: "Approve",
        ask: "Ask back",
        question: "Question",
        question_hint: "Goes to whoever asked. The request waits for the answer.",
        ask_submit: "Send the question",
        deny: "Deny",
        reason: "Reason",
        reason_hint: "Goes to whoever asked, and to the person if they have an account.",
        deny_submit: "Deny the request",
    }
}

fn english_heading(person: &str) -> String {
    format!("Access for {person}")
}

fn english_agent(taken: &Taken) -> &str {
    match taken {
        Taken::ByNobody => "Nobody yet",
        Taken::ByMe => "You",
        Taken::ByOther(agent) => agent,
    }
}

/// The label of the button, and what it is good for.
const fn english_taking(taken: &Taken) -> Option<(&'static str, &'static str)> {
    match taken {
        Taken::ByNobody => Some(("Take it", "Take the request so that colleagues see that you are on it.")),
        Taken::ByMe => None,
        Taken::ByOther(_) => Some((
            "Take it over",
            "A colleague works on this request. Take it over if you want to decide it yourself.",
        )),
    }
}

fn english_proposal(proposal: &Proposal) -> String {
    if proposal.may_confirm {
        format!("{} would grant this and needs a second pair of eyes:", proposal.agent)
    } else {
        format!("{} has proposed this. Another agent has to confirm it:", proposal.agent)
    }
}

fn english_size(organization: &OrganizationFacts) -> String {
    format!(
        "{}, {}",
        support::english_count(organization.users, "user", "users"),
        support::english_count(organization.properties, "property", "properties")
    )
}
