//! New User requests, as managers see them: filing, following and answering them.
//!
//! Separate from the desk because a manager sees and changes only what is the manager's own.
//!
//! Rules: only what [`super::request_form`] lets pass is filed; nothing is told of people in other organizations.

use serde_json::json;

use super::notices;
use super::request_form::{RequestForm, read_form};
use super::{Actor, Admin, FieldProblem, Refused, Result};
use crate::directory::request::{self, Request, State, Wanted};
use crate::directory::{
    Account, Level, Membership, Note, Organization, Property, Role, Scope, Standing, Workplace,
};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, UserId};
use crate::store::{NewRequest, RequestChange, RequestFiled, RequestFilter};

/// What became of a form without mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filed {
    /// The request is in the queue.
    Filed(Request),
    /// There was an open request for the same already; its requesters now count this one.
    Merged(Request),
    /// That person has that access, or more.
    AlreadyHasAccess {
        /// Who.
        email: EmailAddress,
        /// The level held.
        level: Level,
    },
}

/// A request with its history, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The request.
    pub request: Request,
    /// What has happened to it.
    pub history: Vec<request::Event>,
    /// The property, unless all of them are meant.
    pub property: Option<Property>,
}

/// A page of somebody's own requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRequests {
    /// The requests; the history of those far down is left out.
    pub views: Vec<RequestView>,
    /// Whether there is another page.
    pub has_more: bool,
}

/// Somebody of a manager's organization who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPerson {
    /// Who.
    pub account: Account,
    /// Where they say they work.
    pub workplace: Option<Workplace>,
    /// The property that was chosen, if one was.
    pub property: Option<Property>,
    /// The open requests for them, which may be other managers'.
    pub open_requests: Vec<Request>,
}

impl RequestView {
    fn new(request: Request, history: Vec<request::Event>, properties: &[Property]) -> Self {
        let property = match &request.wanted.scope {
            Scope::AllProperties => None,
            Scope::Property(id) => properties.iter().find(|known| known.id == *id).cloned(),
        };
        Self { request, history, property }
    }
}

impl Admin {
    /// Files a New User request. Mistakes in the form are `Refused::Fields`.
    pub async fn file_request(
        &self,
        account: &Account,
        form: &RequestForm<'_>,
        actor: &Actor,
    ) -> Result<Filed> {
        let rights = self.may_request(account).ok_or(Refused::MayNotRequest)?;
        let organization = self.organization(&account.user.organization).await?;
        let properties = self.store.properties(Some(&organization.id)).await?;
        let wanted = read_form(form, &rights, &organization, &properties).map_err(Refused::Fields)?;
        let person = self.store.account_by_email(&wanted.email).await?;
        if let Some(person) = &person {
            check_person(person, &organization)?;
            if let Some(level) = self.level_held(person, &wanted) {
                return Ok(Filed::AlreadyHasAccess { email: wanted.email, level });
            }
        }
        self.check_open_requests(&account.user.id).await?;
        self.put_into_queue(&organization, wanted, account, actor).await
    }

    /// Puts a request into the queue, and tells support.
    pub(super) async fn put_into_queue(
        &self,
        organization: &Organization,
        wanted: Wanted,
        requester: &Account,
        actor: &Actor,
    ) -> Result<Filed> {
        let id = AccessRequestId::random(&*self.randomness);
        let property = self.property_name(&wanted.scope, &organization.id).await?;
        let notice = notices::received(&id, &wanted, organization, &property, requester);
        let mail = self.settings().support_email.iter().map(|support| notice.to(support)).collect();
        let details = json!({
            "organization": organization.id.as_str(),
            "email": wanted.email.as_str(),
            "property": wanted.scope.as_str(),
            "level": wanted.level.as_str(),
        });
        let event = self.event("request.filed", actor, id.as_str(), details);
        let new = NewRequest {
            id,
            organization: organization.id.clone(),
            wanted,
            requester: requester.user.id.clone(),
            at: self.now(),
        };
        match self.store.file_request(&new, event, mail).await? {
            RequestFiled::Filed(request) => Ok(Filed::Filed(request)),
            RequestFiled::Merged(request) => Ok(Filed::Merged(request)),
            RequestFiled::NoSuchProperty(property) => {
                Err(self.no_such_property(property, new.organization).await?.into())
            }
        }
    }

    /// The requests that a user has filed or joined: first all that are open, those with a question at the top,
    /// then those that are decided, page by page from 0; each the newest first.
    pub async fn own_requests(&self, user: &UserId, page: u32) -> Result<OwnRequests> {
        let of_user = |states: Vec<State>| RequestFilter {
            states,
            requester: Some(user.clone()),
            newest_first: true,
            ..RequestFilter::default()
        };
        let mut requests = match page {
            0 => self.store.requests(&of_user(State::OPEN.to_vec())).await?,
            _ => Vec::new(),
        };
        requests.sort_by_key(|request| request.state != State::NeedsInfo);
        let decided = State::ALL.into_iter().filter(|state| !state.is_open()).collect();
        let mut decided = self
            .store
            .requests(&RequestFilter {
                offset: page.saturating_mul(DECIDED_PAGE),
                limit: DECIDED_PAGE + 1,
                ..of_user(decided)
            })
            .await?;
        let decided_page = usize::try_from(DECIDED_PAGE).unwrap_or(usize::MAX);
        let has_more = decided.len() > decided_page;
        decided.truncate(decided_page);
        requests.append(&mut decided);

        let properties = self.properties_around(&requests).await?;
        let mut views = Vec::new();
        for request in requests {
            let known =
                if views.len() < HISTORIES_MAX { self.store.request(&request.id).await? } else { None };
            let (request, history) = known.unwrap_or((request, Vec::new()));
            views.push(RequestView::new(request, history, &properties));
        }
        Ok(OwnRequests { views, has_more })
    }

    /// One of the requests that a user has filed or joined.
    pub async fn own_request(&self, user: &UserId, id: &AccessRequestId) -> Result<Option<Request>> {
        let found = self.store.request(id).await?.map(|(request, _)| request);
        Ok(found.filter(|request| request.requesters.iter().any(|requester| requester.user == *user)))
    }

    /// A requester's answer to a question of support.
    pub async fn answer_request(
        &self,
        account: &Account,
        id: &AccessRequestId,
        version: i64,
        text: &str,
        actor: &Actor,
    ) -> Result<Request> {
        let text = Note::parse(text).map_err(|error| FieldProblem::refuse("answer", error.to_string()))?;
        let request = self.request(id).await?.request;
        if !request.requesters.iter().any(|requester| requester.user == account.user.id) {
            return Err(Refused::NoSuchRequest { id: id.clone() }.into());
        }
        check_open(&request)?;
        if request.state != State::NeedsInfo {
            return Err(Refused::NothingAsked { id: id.clone() }.into());
        }
        let organization = self.organization(&request.organization).await?;
        let property = self.property_name(&request.wanted.scope, &organization.id).await?;
        let answered = Wanted { note: Some(text.clone()), ..request.wanted.clone() };
        let notice = notices::received(id, &answered, &organization, &property, account);
        let mail = self.settings().support_email.iter().map(|support| notice.to(support)).collect();
        let event = self.event("request.answered", actor, id.as_str(), json!({}));
        let change = RequestChange::Answer { text };
        self.settled(self.store.change_request(id, version, &change, event, mail).await?, id).await
    }

    /// Who of a manager's organization waits, the last to sign on first; nobody for those who may not ask.
    pub async fn waiting_people(&self, account: &Account) -> Result<Vec<WaitingPerson>> {
        if self.may_request(account).is_none() {
            return Ok(Vec::new());
        }
        let organization = &account.user.organization;
        let properties = self.store.properties(Some(organization)).await?;
        let open = RequestFilter {
            states: State::OPEN.to_vec(),
            organization: Some(organization.clone()),
            ..RequestFilter::default()
        };
        let open = self.store.requests(&open).await?;
        let waiting = self.store.waiting(organization, WAITING_LISTED_MAX).await?;
        Ok(waiting
            .into_iter()
            // Support staff have the console and wait for nothing.
            .filter(|(account, _)| account.user.role == Role::Member)
            .map(|(account, workplace)| WaitingPerson {
                property: workplace
                    .as_ref()
                    .and_then(|said| said.property.as_ref())
                    .and_then(|id| properties.iter().find(|known| known.id == *id).cloned()),
                open_requests: open
                    .iter()
                    .filter(|request| request.wanted.email == account.user.email)
                    .cloned()
                    .collect(),
                account,
                workplace,
            })
            .collect())
    }

    /// One request with its history.
    pub async fn request(&self, id: &AccessRequestId) -> Result<RequestView> {
        let Some((request, history)) = self.store.request(id).await? else {
            return Err(Refused::NoSuchRequest { id: id.clone() }.into());
        };
        let properties = self.store.properties(Some(&request.organization)).await?;
        Ok(RequestView::new(request, history, &properties))
    }

    /// The level that a person holds where access is asked for, if it is enough.
    fn level_held(&self, person: &Account, wanted: &Wanted) -> Option<Level> {
        let levels = &self.settings().levels;
        let Standing::Admitted(held) = person.standing_at(self.now()) else { return None };
        held.into_iter()
            .filter(|grant| grant.scope == Scope::AllProperties || grant.scope == wanted.scope)
            .map(|grant| grant.level)
            .filter(|level| levels.rank(level) >= levels.rank(&wanted.level))
            .max_by_key(|level| levels.rank(level))
    }

    /// Sees to it that nobody fills the queue.
    async fn check_open_requests(&self, requester: &UserId) -> Result<()> {
        let filter = RequestFilter {
            states: State::OPEN.to_vec(),
            requester: Some(requester.clone()),
            limit: OPEN_REQUESTS_MAX,
            ..RequestFilter::default()
        };
        let open = self.store.requests(&filter).await?.len();
        if u32::try_from(open).is_ok_and(|open| open < OPEN_REQUESTS_MAX) {
            return Ok(());
        }
        Err(Refused::TooManyOpenRequests { max: OPEN_REQUESTS_MAX }.into())
    }
}

/// Sees to it that a person who is known can be asked for. Of other organizations nothing is told.
fn check_person(person: &Account, organization: &Organization) -> std::result::Result<(), Refused> {
    let message = if person.user.organization != organization.id {
        "cannot be added by a request; please write to support"
    } else if person.user.state == Membership::Disabled {
        "belongs to an account that has been switched off; please write to support"
    } else {
        return Ok(());
    };
    Err(FieldProblem::refuse("email", message))
}

/// Sees to it that a decision is still to come.
pub(super) fn check_open(request: &Request) -> std::result::Result<(), Refused> {
    if request.state.is_open() { Ok(()) } else { Err(Refused::decided(request)) }
}

/// What was decided is looked up now and then; what is open is always there.
const DECIDED_PAGE: u32 = 25;

/// Each costs a question to the store, and nobody opens more of them.
const HISTORIES_MAX: usize = 50;

/// As many as a page can show.
const WAITING_LISTED_MAX: u32 = 200;

/// A manager who has so many open requests has a list, and lists go to support.
const OPEN_REQUESTS_MAX: u32 = 200;
