//! Whom a refused sign-on spoke of, for the page of that person.
//!
//! Separate because most of it comes from messages that nobody may believe: it is kept in the audit log with the
//! word on whether it was verified, and leads nowhere else.
//!
//! Rules: an address that is none and a key that is too long are left out; nothing else of the message is kept.

use serde_json::{Value, json};

use crate::directory::ConnectionOptions;
use crate::email::EmailAddress;
use crate::saml::{Claims, VerifiedAssertion};
use crate::sign_on::person::{self, Statements};

/// Whom a message spoke of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimed {
    email: Option<EmailAddress>,
    /// The provider's lasting key of the person.
    subject: Option<String>,
    is_verified: bool,
}

impl Claimed {
    /// Of an assertion that has passed every check of the message.
    pub(super) fn verified(assertion: &VerifiedAssertion, options: &ConnectionOptions) -> Option<Self> {
        Self::of(Statements::of(assertion), options, true)
    }

    /// Of a person who was read from such an assertion.
    pub(super) fn known(email: &EmailAddress, key: &str) -> Self {
        Self { email: Some(email.clone()), subject: bounded(key), is_verified: true }
    }

    /// Of a message that was refused: anybody may have written it.
    pub(super) fn unverified(octets: &[u8], options: &ConnectionOptions) -> Option<Self> {
        let claims = Claims::read(octets)?;
        Self::of(Statements::claimed(&claims), options, false)
    }

    fn of(statements: Statements<'_>, options: &ConnectionOptions, is_verified: bool) -> Option<Self> {
        let email = person::email_of(statements, options).ok().map(|(email, _)| email);
        let subject = person::lasting_key_of(statements).ok().flatten().and_then(|key| bounded(&key));
        let says_something = email.is_some() || subject.is_some();
        says_something.then_some(Self { email, subject, is_verified })
    }

    /// As it stands in the audit log (`store::Claimant` finds it there).
    pub(super) fn details(&self) -> Value {
        json!({
            "email": self.email.as_ref().map(EmailAddress::as_str),
            "subject": self.subject,
            "verified": self.is_verified,
        })
    }
}

/// A key that is worth keeping.
fn bounded(key: &str) -> Option<String> {
    Some(key.to_owned()).filter(|key| key.len() <= KEY_BYTES_MAX && !key.chars().any(char::is_control))
}

/// Twice as long as any provider's key; one that is longer is not found by it.
const KEY_BYTES_MAX: usize = 256;
