//! Who does something, for the audit log and for the rules that depend on it.
//!
//! Separate because commands, people in the console and Anteroom itself all go through the same use cases.

use crate::directory::User;
use crate::email::EmailAddress;
use crate::id::UserId;

/// Who does something.
#[derive(Debug, Clone)]
pub struct Actor {
    name: String,
    person: Option<(UserId, EmailAddress)>,
    request_id: Option<String>,
}

impl Actor {
    /// An operator at the command line, who may do everything.
    #[must_use]
    pub fn command() -> Self {
        Self::program("command")
    }

    /// A program of that name, which may do everything.
    #[must_use]
    pub fn program(name: &str) -> Self {
        Self { name: name.to_owned(), person: None, request_id: None }
    }

    /// Somebody who is signed on, by a request of that name (`X-Request-Id`).
    #[must_use]
    pub fn person(user: &User, request_id: &str) -> Self {
        Self {
            name: user.email.as_str().to_owned(),
            person: Some((user.id.clone(), user.email.clone())),
            request_id: Some(request_id.to_owned()).filter(|id| !id.is_empty()),
        }
    }

    /// What the audit log calls the actor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The user, if it is a person.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.person.as_ref().map(|(user, _)| user)
    }

    /// The person's address, if it is a person.
    #[must_use]
    pub fn email(&self) -> Option<&EmailAddress> {
        self.person.as_ref().map(|(_, email)| email)
    }

    /// The HTTP request, if it is one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}
