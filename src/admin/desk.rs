//! The support desk: what an agent does with a New User request, up to its decision.
//!
//! Separate from what requesters do because here access is given; what an agent sees stands in [`super::queue`].
//!
//! Rules: a change names the version that was looked at, or is refused as stale; who decides takes the request
//! implicitly, but one that another agent has must be taken over first; commands may decide everything. Nobody
//! confirms an approval of their own, and agents do not let themselves in ([`super::limits`]).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::limits::{check_self_grant, needs_second_agent};
use super::notices::About;
use super::requests::check_open;
use super::users::{GrantToMake, grant_details};
use super::{Actor, Admin, FieldProblem, Refused, Result, until};
use crate::directory::request::{Proposal, Request};
use crate::directory::{Account, Grant, Membership, Note, Property, Role, Scope};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, UserId};
use crate::store::{OrganizationRecord, RequestChange, RequestChanged};

/// An approval as it was typed.
#[derive(Debug, Clone, Default)]
pub struct ApproveForm<'a> {
    /// The level; empty for the one asked for.
    pub level: &'a str,
    /// Properties' ids, or `*`; none for what was asked for.
    pub properties: Vec<&'a str>,
    /// The last day, or the moment of the end; empty for no end.
    pub until: &'a str,
    /// A note to the person and the requesters; may be empty.
    pub note: &'a str,
}

/// What became of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approved {
    /// Access is granted.
    Granted(Request),
    /// Another agent has to confirm it.
    Proposed(Request),
}

impl Admin {
    /// Takes a request, perhaps from another agent.
    pub async fn take(&self, id: &AccessRequestId, version: i64, actor: &Actor) -> Result<Request> {
        let request = self.open_request(id).await?;
        // A command decides without taking: nobody else would know whom to ask.
        let Some(agent) = actor.email().cloned() else { return Ok(request) };
        self.hand_over(&request, version, agent, actor).await
    }

    /// Gives a request to an agent, perhaps from another.
    pub async fn assign(
        &self,
        id: &AccessRequestId,
        version: i64,
        agent: &EmailAddress,
        actor: &Actor,
    ) -> Result<Request> {
        let request = self.open_request(id).await?;
        let user = self.user(agent).await?.user;
        if user.role != Role::Support || user.state == Membership::Disabled {
            return Err(Refused::NotAnAgent { email: user.email }.into());
        }
        self.hand_over(&request, version, user.email, actor).await
    }

    async fn hand_over(
        &self,
        request: &Request,
        version: i64,
        agent: EmailAddress,
        actor: &Actor,
    ) -> Result<Request> {
        let id = &request.id;
        let details = json!({
            "from": request.agent.as_ref().map(EmailAddress::as_str),
            "agent": agent.as_str(),
        });
        let event = self.event("request.taken", actor, id.as_str(), details);
        let change = RequestChange::Take { agent };
        self.settled(self.store.change_request(id, version, &change, event, Vec::new()).await?, id).await
    }

    /// Asks the requesters something.
    pub async fn ask(
        &self,
        id: &AccessRequestId,
        version: i64,
        question: &str,
        actor: &Actor,
    ) -> Result<Request> {
        let question =
            Note::parse(question).map_err(|error| FieldProblem::refuse("question", error.to_string()))?;
        let request = self.request_for(id, actor).await?;
        let mail = self.about(&request).await?.about().asked(&question);
        let details = details_with(&request, "question", &json!(question.as_str()));
        let event = self.event("request.asked", actor, id.as_str(), details);
        let change = RequestChange::Ask { agent: actor.email().cloned(), question };
        self.settled(self.store.change_request(id, version, &change, event, mail).await?, id).await
    }

    /// Grants access, or proposes it where a second agent has to agree.
    pub async fn approve(
        &self,
        id: &AccessRequestId,
        version: i64,
        form: &ApproveForm<'_>,
        actor: &Actor,
    ) -> Result<Approved> {
        let request = self.request_for(id, actor).await?;
        let (grants, note) = self.read_approval(form, &request).map_err(Refused::Fields)?;
        let settings = self.settings();
        check_self_grant(&settings, actor, &request.wanted.email, &grants)?;
        if let (Some(agent), Some(user), true) =
            (actor.email(), actor.user(), needs_second_agent(&settings, actor, &grants))
        {
            let proposal = Proposal { agent: agent.clone(), user: user.clone(), grants, note };
            return self.propose(&request, version, proposal, actor).await.map(Approved::Proposed);
        }
        self.grant_request(&request, version, (grants, note), actor).await.map(Approved::Granted)
    }

    /// Confirms another agent's approval.
    pub async fn confirm(&self, id: &AccessRequestId, version: i64, actor: &Actor) -> Result<Request> {
        let request = self.open_request(id).await?;
        let Some(Proposal { user, grants, note, .. }) = request.proposal.clone() else {
            return Err(Refused::NothingProposed { id: id.clone() }.into());
        };
        if actor.user() == Some(&user) {
            return Err(Refused::OwnProposal.into());
        }
        // Since then an end may have come, and a level may have gone.
        let grants = grants
            .into_iter()
            .map(|Grant { scope, level, until }| {
                self.check_grant(GrantToMake { scope, level: level.to_string(), until })
            })
            .collect::<std::result::Result<Vec<_>, _>>()?;
        check_self_grant(&self.settings(), actor, &request.wanted.email, &grants)?;
        self.grant_request(&request, version, (grants, note), actor).await
    }

    /// Refuses access.
    pub async fn deny(
        &self,
        id: &AccessRequestId,
        version: i64,
        reason: &str,
        actor: &Actor,
    ) -> Result<Request> {
        let reason =
            Note::parse(reason).map_err(|error| FieldProblem::refuse("reason", error.to_string()))?;
        let request = self.request_for(id, actor).await?;
        let mail = self.about(&request).await?.about().denied(&reason);
        let details = details_with(&request, "reason", &json!(reason.as_str()));
        let event = self.event("request.denied", actor, id.as_str(), details);
        let change = RequestChange::Deny { agent: actor.email().cloned(), reason };
        self.settled(self.store.change_request(id, version, &change, event, mail).await?, id).await
    }

    /// Proposes an approval.
    pub(super) async fn propose(
        &self,
        request: &Request,
        version: i64,
        proposal: Proposal,
        actor: &Actor,
    ) -> Result<Request> {
        let id = &request.id;
        let grants = proposal.grants.iter().map(grant_details).collect();
        let details = details_with(request, "grants", &grants);
        let event = self.event("request.proposed", actor, id.as_str(), details);
        let change = RequestChange::Propose(proposal);
        self.settled(self.store.change_request(id, version, &change, event, Vec::new()).await?, id).await
    }

    async fn grant_request(
        &self,
        request: &Request,
        version: i64,
        (grants, note): (Vec<Grant>, Option<Note>),
        actor: &Actor,
    ) -> Result<Request> {
        let id = &request.id;
        let mail = self.about(request).await?.about().approved(&grants, note.as_ref());
        let event = self.event("request.approved", actor, id.as_str(), person_details(request));
        let change = RequestChange::Approve {
            agent: actor.email().cloned(),
            new_user: UserId::random(&*self.randomness),
            grants,
            note,
        };
        self.settled(self.store.change_request(id, version, &change, event, mail).await?, id).await
    }

    /// A request that is open and not another agent's.
    async fn request_for(&self, id: &AccessRequestId, actor: &Actor) -> Result<Request> {
        let request = self.open_request(id).await?;
        if let (Some(agent), Some(email)) = (&request.agent, actor.email())
            && agent != email
        {
            return Err(Refused::TakenByAnother { id: id.clone(), agent: agent.clone() }.into());
        }
        Ok(request)
    }

    async fn open_request(&self, id: &AccessRequestId) -> Result<Request> {
        let request = self.request(id).await?.request;
        check_open(&request)?;
        Ok(request)
    }

    /// The outcome of a change of a request.
    pub(super) async fn settled(&self, changed: RequestChanged, id: &AccessRequestId) -> Result<Request> {
        match changed {
            RequestChanged::Changed(request) => Ok(request),
            RequestChanged::Stale(request) => {
                check_open(&request)?;
                Err(Refused::Stale(Box::new(request)).into())
            }
            RequestChanged::NoSuchRequest => Err(Refused::NoSuchRequest { id: id.clone() }.into()),
            RequestChanged::NoSuchProperty(property) => {
                let request = self.request(id).await?.request;
                Err(self.no_such_property(property, request.organization).await?.into())
            }
            RequestChanged::OtherOrganization(organization) => {
                let email = self.request(id).await?.request.wanted.email;
                Err(Refused::OtherOrganization { email, organization }.into())
            }
            RequestChanged::UserDisabled => {
                let email = self.request(id).await?.request.wanted.email;
                Err(Refused::UserDisabled { email }.into())
            }
        }
    }

    /// Reads an approval; all mistakes together.
    fn read_approval(
        &self,
        form: &ApproveForm<'_>,
        request: &Request,
    ) -> std::result::Result<(Vec<Grant>, Option<Note>), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut note_problem = |field: &'static str, message: String| {
            problems.push(FieldProblem { field, message });
        };
        let level = match form.level.trim() {
            "" => request.wanted.level.as_str(),
            level => level,
        };
        let level = self.settings().levels.parse(level);
        let level = level.map_err(|error| note_problem("level", error.to_string())).ok();
        let scopes = read_scopes(&form.properties, &request.wanted.scope);
        let scopes = scopes.map_err(|message| note_problem("property", message)).unwrap_or_default();
        let until = match form.until.trim() {
            "" => Ok(None),
            text => until::parse(text).map(Some),
        };
        let until = until.map_err(|error| note_problem("until", error.to_string())).ok();
        if until.flatten().is_some_and(|until| until <= self.now()) {
            note_problem("until", "is in the past".to_owned());
        }
        let note = match form.note.trim() {
            "" => None,
            text => Note::parse(text).map_err(|error| note_problem("note", error.to_string())).ok(),
        };
        let (Some(level), Some(until), true) = (level, until, problems.is_empty()) else {
            return Err(problems);
        };
        let grant = |scope| Grant { scope, level: level.clone(), until };
        Ok((scopes.into_iter().map(grant).collect(), note))
    }

    async fn about(&self, request: &Request) -> Result<Known> {
        Ok(Known {
            request: request.clone(),
            organization: self.organization_record(&request.organization).await?,
            properties: self.store.properties(Some(&request.organization)).await?,
            person: self.store.account_by_email(&request.wanted.email).await?,
            now: self.now(),
        })
    }
}

/// What the messages about a request need to know.
struct Known {
    request: Request,
    organization: OrganizationRecord,
    properties: Vec<Property>,
    person: Option<Account>,
    now: Timestamp,
}

impl Known {
    fn about(&self) -> About<'_> {
        About {
            request: &self.request,
            organization: &self.organization.organization,
            properties: &self.properties,
            person: self.person.as_ref(),
            now: self.now,
        }
    }
}

/// Reads where access is to be given, each place once; without any, where it was asked for.
fn read_scopes(typed: &[&str], wanted: &Scope) -> std::result::Result<Vec<Scope>, String> {
    if typed.is_empty() {
        return Ok(vec![wanted.clone()]);
    }
    let mut scopes: Vec<Scope> = Vec::new();
    for text in typed.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let scope = Scope::parse(text).map_err(|error| error.to_string())?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    if scopes.is_empty() { Err("choose at least one property".to_owned()) } else { Ok(scopes) }
}

/// The same with what was said or proposed.
fn details_with(request: &Request, key: &str, what: &Value) -> Value {
    json!({
        "email": request.wanted.email.as_str(),
        "organization": request.organization.as_str(),
        (key): what,
    })
}

fn person_details(request: &Request) -> Value {
    json!({
        "email": request.wanted.email.as_str(),
        "organization": request.organization.as_str(),
    })
}
