//! One request with everything that is known, and what is decided on it.
//!
//! Separate because it is where access is given: a decision names the version that the agent has seen, and one
//! that comes too late is answered with what has happened meanwhile.

use http::StatusCode;

use crate::admin::{self, Approved, Dossier, Person, Refused};
use crate::directory::request::Requester;
use crate::directory::{Account, Membership, Property, Scope, Standing};
use crate::id::AccessRequestId;
use crate::pages::support::{
    ApproveForm, Banner, Done, GrantLine, OrganizationFacts, OtherRequest, PersonFacts, Proposal,
    RequestPage, RequesterFacts, Taken, Warning,
};
use crate::pages::{HistoryLine, Select, SelectItem};
use crate::routes::manage::{named, select};
use crate::routes::support::done;
use crate::routes::table::RequestDeed;
use crate::routes::work::{Desk, Handled, Reply, problem_of, scope_name, sentence, status_of};

impl Desk {
    /// `POST /.anteroom/support/requests/{id}/…`.
    pub(super) async fn change_request(&self, id: &AccessRequestId, deed: RequestDeed) -> Handled {
        let version = self.form.text("version").parse().unwrap_or_default();
        let (admin, actor) = (self.admin(), &self.actor);
        let outcome = match deed {
            RequestDeed::Take => admin.take(id, version, actor).await.map(|_| deed.done()),
            RequestDeed::Confirm => admin.confirm(id, version, actor).await.map(|_| deed.done()),
            RequestDeed::Ask => {
                admin.ask(id, version, self.form.text("question"), actor).await.map(|_| deed.done())
            }
            RequestDeed::Deny => {
                admin.deny(id, version, self.form.text("reason"), actor).await.map(|_| deed.done())
            }
            RequestDeed::Approve => match admin.approve(id, version, &self.approval(), actor).await {
                Ok(Approved::Granted(_)) => Ok(deed.done()),
                Ok(Approved::Proposed(_)) => Ok(Done::RequestProposed),
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(what) => Ok(done(&format!("/.anteroom/support/requests/{id}"), what)),
            Err(admin::Error::Refused(refused)) => self.not_changed(id, &refused).await,
            Err(error) => Err(error),
        }
    }

    /// The page as it is now, with what stood against the change and what was typed.
    async fn not_changed(&self, id: &AccessRequestId, refused: &Refused) -> Handled {
        let banner = match refused {
            Refused::Fields(_) => None,
            Refused::Stale(_) | Refused::Decided { .. } => self.last_change(id).await?,
            _ => Some(Banner::Refused(sentence(&refused.to_string()))),
        };
        self.request_page(id, status_of(refused), banner, Some(refused)).await
    }

    async fn last_change(&self, id: &AccessRequestId) -> admin::Result<Option<Banner>> {
        let history = self.admin().request(id).await?.history;
        Ok(history.into_iter().next_back().map(|event| Banner::Stale {
            actor: event.actor,
            kind: event.kind,
            at: self.moment(event.at),
        }))
    }

    /// `GET /.anteroom/support/requests/{id}`.
    pub(super) async fn request_page(
        &self,
        id: &AccessRequestId,
        status: StatusCode,
        banner: Option<Banner>,
        refused: Option<&Refused>,
    ) -> Handled {
        let dossier = self.admin().dossier(id).await?;
        let organization = &dossier.organization.organization;
        let users = self.users_of(&organization.id).await?;
        let request = &dossier.request;
        let history = dossier.history.iter().map(|event| HistoryLine {
            at: self.moment(event.at),
            actor: event.actor.clone(),
            kind: event.kind,
            text: event.text.as_ref().map(|text| text.as_str().to_owned()),
        });
        let view = RequestPage {
            agent: self.agent(),
            banner,
            id: request.id.as_str().to_owned(),
            version: request.version,
            state: request.state,
            taken: self.taken(&dossier),
            // By its name, also where it is retired.
            property: scope_name(&request.wanted.scope, dossier.property.as_slice()),
            scope: request.wanted.scope.as_str().to_owned(),
            level: request.wanted.level.as_str().to_owned(),
            note: request.wanted.note.as_ref().map(|note| note.as_str().to_owned()),
            reason: request.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            filed: self.moment(request.created_at),
            person: self.person_facts(&dossier),
            requesters: dossier
                .requesters
                .iter()
                .map(|(requester, account)| {
                    self.requester_facts(requester, account.as_ref(), &dossier.properties)
                })
                .collect(),
            organization: OrganizationFacts {
                id: organization.id.as_str().to_owned(),
                name: organization.name.as_str().to_owned(),
                domains: organization.domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
                users,
                properties: u64::try_from(dossier.properties.len()).unwrap_or(u64::MAX),
            },
            warnings: self.warnings(&dossier),
            proposal: request.proposal.as_ref().map(|proposal| Proposal {
                agent: proposal.agent.as_str().to_owned(),
                grants: proposal
                    .grants
                    .iter()
                    .map(|grant| self.grant_line(grant, &dossier.properties))
                    .collect(),
                may_confirm: proposal.user != self.account.user.id,
            }),
            history: history.collect(),
            approve: self.approve_form(&dossier, refused),
            question: self.typed("question", refused),
            deny_reason: self.typed("reason", refused),
        };
        Ok(Reply::Page(status, view.render(self.brand())))
    }

    fn taken(&self, dossier: &Dossier) -> Taken {
        match &dossier.request.agent {
            None => Taken::ByNobody,
            Some(agent) if *agent == self.account.user.email => Taken::ByMe,
            Some(agent) => Taken::ByOther(agent.as_str().to_owned()),
        }
    }

    fn person_facts(&self, dossier: &Dossier) -> PersonFacts {
        let request = &dossier.request;
        let account = dossier.person.as_ref().map(|person| &person.account);
        let user = account.map(|account| &account.user);
        let name = user.and_then(|user| user.name.as_ref()).or(request.wanted.name.as_ref());
        let others = dossier.other_requests.iter();
        PersonFacts {
            user_id: user.map(|user| user.id.as_str().to_owned()),
            name: name.map(|name| name.as_str().to_owned()),
            email: request.wanted.email.as_str().to_owned(),
            state: user.map(|user| user.state),
            grants: account.map(|account| self.held(account, &dossier.properties)).unwrap_or_default(),
            last_sign_on: user.and_then(|user| user.last_sign_on_at).map(|at| self.moment(at)),
            workplace: dossier.person.as_ref().and_then(|person| workplace_of(person, &dossier.properties)),
            requests: others.map(|other| self.request_line(other, &dossier.properties)).collect(),
        }
    }

    fn requester_facts(
        &self,
        requester: &Requester,
        account: Option<&Account>,
        properties: &[Property],
    ) -> RequesterFacts {
        RequesterFacts {
            user_id: requester.user.as_str().to_owned(),
            name: requester.name.as_ref().map(|name| name.as_str().to_owned()),
            email: requester.email.as_str().to_owned(),
            grants: account.map(|account| self.held(account, properties)).unwrap_or_default(),
            at: self.moment(requester.at),
        }
    }

    /// The grants that hold.
    pub(super) fn held(&self, account: &Account, properties: &[Property]) -> Vec<GrantLine> {
        match account.standing_at(self.now) {
            Standing::Admitted(held) => held.iter().map(|grant| self.grant_line(grant, properties)).collect(),
            Standing::Waiting | Standing::Disabled => Vec::new(),
        }
    }

    fn warnings(&self, dossier: &Dossier) -> Vec<Warning> {
        let request = &dossier.request;
        if !request.state.is_open() {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        if let Some(person) = &dossier.person {
            self.warn_of_person(dossier, person, &mut warnings);
        }
        let open = dossier.other_requests.iter().filter(|other| other.state.is_open());
        let open: Vec<_> = open
            .map(|other| OtherRequest {
                id: other.id.as_str().to_owned(),
                property: scope_name(&other.wanted.scope, &dossier.properties),
            })
            .collect();
        if !open.is_empty() {
            warnings.push(Warning::OtherRequests(open));
        }
        let organization = &dossier.organization;
        if !organization.organization.domains.contains(request.wanted.email.domain()) {
            warnings.push(Warning::ForeignDomain);
        }
        if organization.paused_at.is_some() {
            warnings.push(Warning::OrganizationPaused);
        }
        if dossier.property.as_ref().is_some_and(|property| property.retired_at.is_some()) {
            warnings.push(Warning::PropertyRetired);
        }
        let may_not = |(_, account): &&(Requester, Option<Account>)| {
            // An agent who has proposed a grant asks by another right.
            let account = account.as_ref();
            let is_agent =
                account.is_some_and(|account| account.user.role == crate::directory::Role::Support);
            let rights = account.and_then(|account| self.admin().may_request(account));
            !is_agent && rights.is_none_or(|rights| rights.highest(&request.wanted.scope).is_none())
        };
        warnings.extend(dossier.requesters.iter().filter(may_not).map(|(requester, _)| {
            Warning::RequesterMayNot { requester: named(requester.name.as_ref(), requester.email.as_str()) }
        }));
        warnings
    }

    fn warn_of_person(&self, dossier: &Dossier, person: &Person, warnings: &mut Vec<Warning>) {
        let (user, request) = (&person.account.user, &dossier.request);
        let user_id = || user.id.as_str().to_owned();
        if !person.conflicts.is_empty() {
            warnings.push(Warning::Conflict { user_id: user_id() });
        }
        if user.state == Membership::Disabled {
            warnings.push(Warning::Disabled { user_id: user_id() });
        }
        if user.organization != request.organization {
            let organization = user.organization.as_str().to_owned();
            warnings.push(Warning::OtherOrganization { user_id: user_id(), organization });
        }
        let wanted = request.wanted.scope.as_str();
        let access: Vec<_> = self
            .held(&person.account, &dossier.properties)
            .into_iter()
            .filter(|grant| grant.scope == "*" || grant.scope == wanted)
            .collect();
        if !access.is_empty() {
            warnings.push(Warning::HasAccess { access });
        }
    }

    /// What was asked for, or what was typed instead.
    fn approve_form(&self, dossier: &Dossier, refused: Option<&Refused>) -> ApproveForm {
        let wanted = &dossier.request.wanted;
        let is_typed = self.is_post() && self.form.field("until").is_some();
        let ticked: Vec<&str> =
            if is_typed { self.form.fields("property").collect() } else { vec![wanted.scope.as_str()] };
        let mut level = self.typed("level", refused);
        if !is_typed {
            wanted.level.as_str().clone_into(&mut level.value);
        }
        let settings = self.admin().settings();
        let levels = settings.levels.names().iter().map(|name| (name.as_str(), name.as_str()));
        let properties = dossier.properties.iter().map(|property| SelectItem {
            value: property.id.as_str().to_owned(),
            label: property.name.as_str().to_owned(),
            chosen: ticked.contains(&property.id.as_str()),
        });
        ApproveForm {
            level: select(levels, level),
            properties: Select { items: properties.collect(), problem: problem_of(refused, "property") },
            is_for_all: ticked.contains(&"*"),
            until: self.typed("until", refused),
            note: self.typed("note", refused),
        }
    }
}

/// Where a person says they work, as people name it.
pub(super) fn workplace_of(person: &Person, properties: &[Property]) -> Option<String> {
    let workplace = person.workplace.as_ref()?;
    let property = workplace.property.clone().map(|id| scope_name(&Scope::Property(id), properties));
    let text = workplace.text.as_ref().map(|text| text.as_str().to_owned());
    let places: Vec<_> = [property, text].into_iter().flatten().collect();
    (!places.is_empty()).then(|| places.join(", "))
}
