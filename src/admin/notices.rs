//! Who is told what about a request.
//!
//! Separate because it is a table: for each thing that happens, the messages and their recipients.
//!
//! Rule: a requester who is also the person asked for gets one mail, the person's.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::directory::request::{Request, Wanted};
use crate::directory::{Account, DisplayName, Grant, Note, Organization, Property, Scope, Standing, User};
use crate::email::EmailAddress;
use crate::id::AccessRequestId;
use crate::mail::{self, Notice};
use crate::store::NewMessage;

/// What stands for every property of an organization.
pub(super) const ALL_PROPERTIES: &str = "all properties";

/// What messages about one request say in common.
pub(super) struct About<'a> {
    pub(super) request: &'a Request,
    pub(super) organization: &'a Organization,
    /// The properties of the organization, for their names.
    pub(super) properties: &'a [Property],
    /// The user whom it is for, if there is one already.
    pub(super) person: Option<&'a Account>,
    pub(super) now: Timestamp,
}

impl About<'_> {
    /// Access was granted: to the person, who may be new, and to every requester.
    pub(super) fn approved(&self, grants: &[Grant], note: Option<&Note>) -> Vec<NewMessage> {
        let access = self.access(grants);
        let note = note.map(|note| note.as_str().to_owned());
        let granted = Notice::AccessGranted {
            organization: self.organization.name.to_string(),
            access: access.clone(),
            note: note.clone(),
        };
        let told = Notice::RequestApproved { request: self.named(), access, note };
        let email = &self.request.wanted.email;
        self.requesters(Some(email)).map(|requester| told.to(requester)).chain([granted.to(email)]).collect()
    }

    /// Access was refused: to every requester, and to the person if they wait for it.
    pub(super) fn denied(&self, reason: &Note) -> Vec<NewMessage> {
        let told = Notice::RequestDenied { request: self.named(), reason: reason.to_string() };
        let denied = Notice::AccessDenied {
            organization: self.organization.name.to_string(),
            property: self.property().into_owned(),
            reason: reason.to_string(),
        };
        self.to_both(&told, &denied)
    }

    /// Something has to be found out: to every requester, and to the person if they wait for it.
    pub(super) fn asked(&self, question: &Note) -> Vec<NewMessage> {
        let told = Notice::InformationNeeded { request: self.named(), question: question.to_string() };
        let delayed = Notice::AccessDelayed {
            organization: self.organization.name.to_string(),
            property: self.property().into_owned(),
            question: question.to_string(),
        };
        // The question is for whoever asked; a person who asked for themselves must be able to answer it.
        let requesters = self.requesters(None).map(|requester| told.to(requester));
        let person =
            self.waiting_person().filter(|email| !self.is_requester(email)).map(|email| delayed.to(email));
        requesters.chain(person).collect()
    }

    fn to_both(&self, requesters: &Notice, person: &Notice) -> Vec<NewMessage> {
        let email = self.waiting_person();
        let to_requesters = self.requesters(email).map(|requester| requesters.to(requester));
        to_requesters.chain(email.map(|email| person.to(email))).collect()
    }

    /// The person, if they sit in the Waiting Room. Who works there already has not been refused anything that
    /// they know of, and who is shut out hears nothing from here.
    fn waiting_person(&self) -> Option<&EmailAddress> {
        let person = self.person.filter(|person| person.standing_at(self.now) == Standing::Waiting);
        person.map(|person| &person.user.email)
    }

    /// The requesters, without the person.
    fn requesters<'s>(&'s self, person: Option<&'s EmailAddress>) -> impl Iterator<Item = &'s EmailAddress> {
        let emails = self.request.requesters.iter().map(|requester| &requester.email);
        emails.filter(move |email| Some(*email) != person)
    }

    fn is_requester(&self, email: &EmailAddress) -> bool {
        self.request.requesters.iter().any(|requester| requester.email == *email)
    }

    fn property(&self) -> Cow<'_, str> {
        scope_name(&self.request.wanted.scope, self.properties)
    }

    fn access(&self, grants: &[Grant]) -> Vec<mail::Access> {
        access(grants, self.properties)
    }

    fn named(&self) -> mail::Request {
        named(&self.request.id, &self.request.wanted, self.organization, &self.property())
    }
}

/// To support: a request has come in, or an answer to a question.
pub(super) fn received(
    id: &AccessRequestId,
    wanted: &Wanted,
    organization: &Organization,
    property: &str,
    requester: &Account,
) -> Notice {
    Notice::RequestReceived {
        request: named(id, wanted, organization, property),
        requester: person_name(&requester.user),
        note: wanted.note.as_ref().map(ToString::to_string),
    }
}

/// To a user who has been let in directly.
pub(super) fn granted(organization: &Organization, grants: &[Grant], properties: &[Property]) -> Notice {
    Notice::AccessGranted {
        organization: organization.name.to_string(),
        access: access(grants, properties),
        note: None,
    }
}

/// A scope as people name it.
pub(super) fn scope_name<'a>(scope: &'a Scope, properties: &'a [Property]) -> Cow<'a, str> {
    match scope {
        Scope::AllProperties => Cow::Borrowed(ALL_PROPERTIES),
        Scope::Property(id) => {
            let known = properties.iter().find(|known| known.id == *id);
            Cow::Borrowed(known.map_or(id.as_str(), |known| known.name.as_str()))
        }
    }
}

fn access(grants: &[Grant], properties: &[Property]) -> Vec<mail::Access> {
    let one = |grant: &Grant| mail::Access {
        property: scope_name(&grant.scope, properties).into_owned(),
        level: grant.level.to_string(),
        until: grant.until,
    };
    grants.iter().map(one).collect()
}

fn named(
    id: &AccessRequestId,
    wanted: &Wanted,
    organization: &Organization,
    property: &str,
) -> mail::Request {
    mail::Request {
        id: id.to_string(),
        email: wanted.email.to_string(),
        name: wanted.name.as_ref().map(ToString::to_string),
        organization: organization.name.to_string(),
        property: property.to_owned(),
        level: wanted.level.to_string(),
    }
}

fn person_name(user: &User) -> String {
    match user.name.as_ref().map(DisplayName::as_str) {
        Some(name) => format!("{name} ({})", user.email),
        None => user.email.to_string(),
    }
}
