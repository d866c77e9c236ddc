//! `anteroom request …`: New User requests and their decision.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

mod file;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, dash, moment};
use super::{Failure, Format};
use crate::admin::{Actor, Admin, ApproveForm, Approved, QueueLine, RequestView};
use crate::directory::request::{Event, Proposal, Request, State};
use crate::directory::{DisplayName, Grant, Note};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, OrganizationId};
use crate::store::{RequestCount, RequestFilter};

/// Decide on New User requests.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List requests: those that are open, the oldest first.
    List {
        /// Only those in this state: received, `in_work`, `needs_info`, approved or denied; may be repeated.
        #[arg(long, value_parser = parse_state)]
        state: Vec<State>,
        /// Only those of this organization.
        #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
        organization: Option<OrganizationId>,
        /// Those that have been decided, too.
        #[arg(long, conflicts_with = "state")]
        all: bool,
        /// Only those that this agent works on.
        #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
        agent: Option<EmailAddress>,
        /// Only those in which every word of this occurs: id, person, requesters, organization, property, note.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Show how many requests are in each state, and since when the oldest of them.
    Counts,
    /// Ask for access in the place of a user who may.
    File(file::File),
    /// Give a request to a support agent, perhaps from another.
    Take {
        /// The request's id.
        #[arg(value_parser = AccessRequestId::parse)]
        id: AccessRequestId,
        /// The agent who works on it from now on.
        #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
        agent: EmailAddress,
    },
    /// Confirm an agent's approval that needs a second pair of eyes.
    Confirm {
        /// The request's id.
        #[arg(value_parser = AccessRequestId::parse)]
        id: AccessRequestId,
    },
    /// Answer a question of support in the place of a requester.
    Answer(file::Reply),
    /// Show one request with its history.
    Show {
        /// The request's id.
        #[arg(value_parser = AccessRequestId::parse)]
        id: AccessRequestId,
    },
    /// Grant what was asked for, or something else.
    Approve(Approve),
    /// Refuse access.
    Deny {
        /// The request's id.
        #[arg(value_parser = AccessRequestId::parse)]
        id: AccessRequestId,
        /// Why, for the requesters and the person.
        #[arg(long, value_name = "TEXT", default_value = REASON_DEFAULT)]
        reason: String,
    },
    /// Ask the requesters something.
    Ask {
        /// The request's id.
        #[arg(value_parser = AccessRequestId::parse)]
        id: AccessRequestId,
        /// What.
        #[arg(long, value_name = "TEXT")]
        question: String,
    },
}

#[derive(Debug, Args)]
struct Approve {
    /// The request's id.
    #[arg(value_parser = AccessRequestId::parse)]
    id: AccessRequestId,
    /// Another level than the one asked for.
    #[arg(long)]
    level: Option<String>,
    /// Another property than the one asked for: its id, or '*' for all of the organization; may be repeated.
    #[arg(long)]
    property: Vec<String>,
    /// The last day (2027-01-31, UTC) or the moment (2027-01-31T17:00:00Z) at which the access ends.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// A note to the person and the requesters.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Arguments {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let actor = Actor::command();
        match self.action {
            Action::List { state, organization, all, agent, search } => {
                let states = match (all, state.as_slice()) {
                    (true, _) => Vec::new(),
                    (false, []) => State::OPEN.to_vec(),
                    (false, _) => state,
                };
                let filter =
                    RequestFilter { states, organization, agent, text: search, ..RequestFilter::default() };
                Ok(list(&admin.request_lines(&filter).await?))
            }
            Action::Show { id } => Ok(show(&admin.request(&id).await?)),
            Action::Counts => Ok(counts(&admin.request_counts().await?)),
            Action::File(file) => file.run(admin).await,
            Action::Take { id, agent } => {
                let seen = admin.request(&id).await?.request;
                Ok(changed("taken", &admin.assign(&id, seen.version, &agent, &actor).await?))
            }
            Action::Confirm { id } => {
                let seen = admin.request(&id).await?.request;
                Ok(changed("approved", &admin.confirm(&id, seen.version, &actor).await?))
            }
            Action::Answer(answer) => answer.run(admin).await,
            Action::Approve(approve) => approve.run(admin).await,
            Action::Deny { id, reason } => {
                let seen = admin.request(&id).await?.request;
                Ok(changed("denied", &admin.deny(&id, seen.version, &reason, &actor).await?))
            }
            Action::Ask { id, question } => {
                let seen = admin.request(&id).await?.request;
                Ok(changed("asked", &admin.ask(&id, seen.version, &question, &actor).await?))
            }
        }
    }
}

impl Approve {
    async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let form = ApproveForm {
            level: self.level.as_deref().unwrap_or_default(),
            properties: self.property.iter().map(String::as_str).collect(),
            until: self.until.as_deref().unwrap_or_default(),
            note: self.note.as_deref().unwrap_or_default(),
        };
        let seen = admin.request(&self.id).await?.request;
        match admin.approve(&self.id, seen.version, &form, &Actor::command()).await? {
            Approved::Granted(request) => Ok(changed("approved", &request)),
            Approved::Proposed(request) => Ok(changed("proposed", &request)),
        }
    }
}

fn counts(counts: &[RequestCount]) -> Answer {
    let rows: Vec<_> = counts
        .iter()
        .map(|one| [one.state.as_str().to_owned(), one.count.to_string(), moment(one.oldest_at)])
        .collect();
    let object = |one: &RequestCount| json!({"state": one.state.as_str(), "count": one.count, "oldest_at": one.oldest_at.to_string()});
    Answer::list(["state", "count", "oldest_at"], &rows, counts.iter().map(object).collect())
}

/// A request after a change.
pub(super) fn changed(verb: &str, request: &Request) -> Answer {
    let Request { id, wanted, state, .. } = request;
    let summary = format!(
        "{id} for {}, {} on {}, is {}",
        wanted.email,
        wanted.level,
        wanted.scope.as_str(),
        state.as_str()
    );
    Answer::change(verb, true, &summary, object(request))
}

fn list(lines: &[QueueLine]) -> Answer {
    let rows: Vec<_> = lines
        .iter()
        .map(|QueueLine { request, .. }| {
            [
                request.id.to_string(),
                request.state.as_str().to_owned(),
                moment(request.created_at),
                request.wanted.email.to_string(),
                request.organization.to_string(),
                request.wanted.scope.as_str().to_owned(),
                request.wanted.level.to_string(),
                request.requester().email.to_string(),
                request.agent.as_ref().map_or_else(dash, ToString::to_string),
            ]
        })
        .collect();
    let columns =
        ["id", "state", "filed_at", "email", "organization", "property", "level", "requester", "agent"];
    Answer::list(columns, &rows, lines.iter().map(|line| object(&line.request)).collect())
}

fn show(view: &RequestView) -> Answer {
    let request = &view.request;
    let wanted = &request.wanted;
    let text = |note: Option<&Note>| note.map_or_else(dash, ToString::to_string);
    let requesters: Vec<_> = request.requesters.iter().map(|requester| requester.email.to_string()).collect();
    let mut rows = vec![
        ["id".to_owned(), request.id.to_string()],
        ["state".to_owned(), request.state.as_str().to_owned()],
        ["email".to_owned(), wanted.email.to_string()],
        ["name".to_owned(), wanted.name.as_ref().map_or_else(dash, ToString::to_string)],
        ["organization".to_owned(), request.organization.to_string()],
        ["property".to_owned(), wanted.scope.as_str().to_owned()],
        ["level".to_owned(), wanted.level.to_string()],
        ["note".to_owned(), text(wanted.note.as_ref())],
        ["requesters".to_owned(), requesters.join(", ")],
        ["agent".to_owned(), request.agent.as_ref().map_or_else(dash, ToString::to_string)],
        ["reason".to_owned(), text(request.reason.as_ref())],
    ];
    if let Some(proposal) = &request.proposal {
        let one = |grant: &Grant| {
            let until = grant.until.map(|until| format!(" until {}", moment(until))).unwrap_or_default();
            format!("{}:{}{until}", grant.scope.as_str(), grant.level)
        };
        let grants: Vec<_> = proposal.grants.iter().map(one).collect();
        rows.push([
            "proposed".to_owned(),
            format!("{} by {}, to be confirmed", grants.join(", "), proposal.agent),
        ]);
    }
    rows.extend(view.history.iter().map(|event| {
        let said = event.text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        [moment(event.at), format!("{} by {}{said}", event.kind.as_str(), event.actor)]
    }));
    let mut json = object(request);
    if let Some(json) = json.as_object_mut() {
        json.insert("history".to_owned(), view.history.iter().map(event_object).collect());
    }
    Answer::list(["request", ""], &rows, Vec::new()).with_json(json)
}

/// A request in JSON.
pub(super) fn object(request: &Request) -> Value {
    let wanted = &request.wanted;
    let requesters: Vec<_> = request.requesters.iter().map(|requester| requester.email.as_str()).collect();
    json!({
        "id": request.id.as_str(),
        "state": request.state.as_str(),
        "email": wanted.email.as_str(),
        "name": wanted.name.as_ref().map(DisplayName::as_str),
        "organization": request.organization.as_str(),
        "property": wanted.scope.as_str(),
        "level": wanted.level.as_str(),
        "note": wanted.note.as_ref().map(Note::as_str),
        "requester": request.requester().email.as_str(),
        "requesters": requesters,
        "agent": request.agent.as_ref().map(EmailAddress::as_str),
        "reason": request.reason.as_ref().map(Note::as_str),
        "proposal": request.proposal.as_ref().map(proposal_object),
        "created_at": request.created_at.to_string(),
        "changed_at": request.changed_at.to_string(),
    })
}

fn proposal_object(proposal: &Proposal) -> Value {
    let grant = |grant: &Grant| {
        json!({
            "property": grant.scope.as_str(),
            "level": grant.level.as_str(),
            "until": grant.until.map(|until| until.to_string()),
        })
    };
    json!({
        "agent": proposal.agent.as_str(),
        "grants": proposal.grants.iter().map(grant).collect::<Vec<_>>(),
        "note": proposal.note.as_ref().map(Note::as_str),
    })
}

fn event_object(event: &Event) -> Value {
    json!({
        "at": event.at.to_string(),
        "actor": event.actor,
        "kind": event.kind.as_str(),
        "text": event.text.as_ref().map(Note::as_str),
    })
}

fn parse_state(text: &str) -> Result<State, &'static str> {
    State::parse(text).ok_or("must be received, in_work, needs_info, approved or denied")
}

/// What requesters read if the command gave no reason.
const REASON_DEFAULT: &str =
    "Access was not approved. Please write to support if you think that this is a mistake.";
