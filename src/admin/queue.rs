//! What support sees: the queue of New User requests, and one request with everything known about it.
//!
//! Separate from the desk because nothing changes here.

use std::collections::BTreeSet;

use super::notices::scope_name;
use super::people::Person;
use super::requests::RequestView;
use super::{Actor, Admin, Result};
use crate::directory::request::{self, Request, Requester, State};
use crate::directory::{Account, Property};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, OrganizationId};
use crate::store::{OrganizationRecord, RequestCount, RequestFilter};

/// Which requests of the queue to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFilter {
    /// In these states; none means those that are open.
    pub states: Vec<State>,
    /// Of this organization.
    pub organization: Option<OrganizationId>,
    /// That this agent works on.
    pub agent: Option<EmailAddress>,
    /// In which every word of this occurs.
    pub text: Option<String>,
    /// The page, from 0.
    pub page: u32,
}

/// A page of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The requests: the oldest first while they are open, otherwise the newest first.
    pub lines: Vec<QueueLine>,
    /// How many requests there are in each state that has any, whatever the filter, and since when.
    pub counts: Vec<RequestCount>,
    /// Whether there is another page.
    pub has_more: bool,
}

/// One line of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLine {
    /// The request.
    pub request: Request,
    /// The name of the organization.
    pub organization: String,
    /// The name of the property, or `all properties`.
    pub property: String,
}

/// A request with everything known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dossier {
    /// The request.
    pub request: Request,
    /// Its history, oldest first.
    pub history: Vec<request::Event>,
    /// The organization.
    pub organization: OrganizationRecord,
    /// The property, unless all of them are meant.
    pub property: Option<Property>,
    /// The properties that can be granted, by id.
    pub properties: Vec<Property>,
    /// The person whom it is for, if there is such a user.
    pub person: Option<Person>,
    /// Those who ask, with their accounts as they are now.
    pub requesters: Vec<(Requester, Option<Account>)>,
    /// Other requests for the same person, newest first.
    pub other_requests: Vec<Request>,
}

/// What an actor can do with a request next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Nobody works on it: take it, or decide.
    Free,
    /// The actor works on it.
    Own,
    /// Another agent works on it: take it over first.
    Another(EmailAddress),
    /// This agent's approval waits for the actor to confirm it.
    Confirm(EmailAddress),
    /// The actor's own approval waits for another agent.
    Proposed,
    /// Nothing: it has been decided.
    Decided,
}

impl Dossier {
    /// What an actor can do next.
    #[must_use]
    pub fn turn(&self, actor: &Actor) -> Turn {
        let request = &self.request;
        if !request.state.is_open() {
            return Turn::Decided;
        }
        match (&request.proposal, &request.agent) {
            (Some(proposal), _) if Some(&proposal.user) == actor.user() => Turn::Proposed,
            (Some(proposal), _) => Turn::Confirm(proposal.agent.clone()),
            (None, None) => Turn::Free,
            (None, Some(agent)) if actor.email().is_none_or(|email| email == agent) => Turn::Own,
            (None, Some(agent)) => Turn::Another(agent.clone()),
        }
    }
}

impl Admin {
    /// How many requests there are in each state that has any, and since when.
    pub async fn request_counts(&self) -> Result<Vec<RequestCount>> {
        Ok(self.store.request_counts().await?)
    }

    /// A page of the queue.
    pub async fn queue(&self, filter: &QueueFilter) -> Result<Queue> {
        let states = if filter.states.is_empty() { State::OPEN.to_vec() } else { filter.states.clone() };
        let filter = RequestFilter {
            organization: filter.organization.clone(),
            agent: filter.agent.clone(),
            text: filter.text.clone(),
            newest_first: !states.iter().any(|state| state.is_open()),
            offset: filter.page.saturating_mul(QUEUE_PAGE),
            limit: QUEUE_PAGE + 1,
            states,
            ..RequestFilter::default()
        };
        let mut lines = self.request_lines(&filter).await?;
        let page = usize::try_from(QUEUE_PAGE).unwrap_or(usize::MAX);
        let has_more = lines.len() > page;
        lines.truncate(page);
        Ok(Queue { lines, counts: self.store.request_counts().await?, has_more })
    }

    /// Requests with the names of their places.
    pub async fn request_lines(&self, filter: &RequestFilter) -> Result<Vec<QueueLine>> {
        let requests = self.store.requests(filter).await?;
        let organizations = self.store.organizations().await?;
        let properties = self.properties_around(&requests).await?;
        let line = |request: Request| QueueLine {
            organization: organizations
                .iter()
                .find(|known| known.id == request.organization)
                .map_or_else(|| request.organization.to_string(), |known| known.name.to_string()),
            property: scope_name(&request.wanted.scope, &properties).into_owned(),
            request,
        };
        Ok(requests.into_iter().map(line).collect())
    }

    /// All properties of the organizations that requests are of.
    pub(super) async fn properties_around(&self, requests: &[Request]) -> Result<Vec<Property>> {
        let mut properties = Vec::new();
        let places: BTreeSet<_> = requests.iter().map(|request| &request.organization).collect();
        for organization in places {
            properties.extend(self.store.properties(Some(organization)).await?);
        }
        Ok(properties)
    }

    /// A request with everything known about it.
    pub async fn dossier(&self, id: &AccessRequestId) -> Result<Dossier> {
        let RequestView { request, history, property } = self.request(id).await?;
        let organization = self.organization_record(&request.organization).await?;
        let mut properties = self.store.properties(Some(&request.organization)).await?;
        properties.retain(|property| property.retired_at.is_none());
        let person = match self.store.account_by_email(&request.wanted.email).await? {
            Some(account) => Some(self.person(account).await?),
            None => None,
        };
        let mut requesters = Vec::new();
        for requester in &request.requesters {
            requesters.push((requester.clone(), self.store.account(&requester.user).await?));
        }
        let mut other_requests = self.requests_for(&request.wanted.email).await?;
        other_requests.retain(|other| other.id != request.id);
        Ok(Dossier {
            request,
            history,
            organization,
            property,
            properties,
            person,
            requesters,
            other_requests,
        })
    }

    /// Requests for a person, newest first.
    pub(super) async fn requests_for(&self, email: &EmailAddress) -> Result<Vec<Request>> {
        let filter = RequestFilter {
            email: Some(email.clone()),
            newest_first: true,
            limit: QUEUE_PAGE,
            ..RequestFilter::default()
        };
        Ok(self.store.requests(&filter).await?)
    }
}

/// As many as fit on a screen and a half.
const QUEUE_PAGE: u32 = 50;
