//! The proof that an assertion was verified, and the values that may be believed because of it.
//!
//! Separate because it is the type the rest of Anteroom takes on trust: it has no public
//! constructor, and only `response` calls the private one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::conditions::Validity;
use super::message::Assertion;
use super::statement;

/// An assertion that passed every check.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedAssertion {
    id: String,
    issuer: String,
    in_response_to: String,
    issued_at: Timestamp,
    name_id: Option<NameId>,
    attributes: Attributes,
    authn_instant: Timestamp,
    authn_context_class: Option<String>,
    session_index: Option<String>,
    session_not_on_or_after: Option<Timestamp>,
    expires_at: Timestamp,
    signed_octets: Vec<u8>,
}

/// The subject's name identifier (SAML Core 2.2.3).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// The value, without white space around it.
    pub value: String,
    /// The format URI, if one was given.
    pub format: Option<String>,
    /// The qualifier of the identity provider; if given it equals the issuer.
    pub name_qualifier: Option<String>,
    /// The qualifier of the service provider; if given it equals our entity ID.
    pub sp_name_qualifier: Option<String>,
}

/// Everything but the octets that it was read from, which are borrowed until it is.
pub(super) struct Unsealed(VerifiedAssertion);

impl Unsealed {
    pub(super) fn of(assertion: &Assertion<'_>, validity: &Validity, in_response_to: &str) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let statements = &assertion.authn_statements;
        let signed_on = statements.get(validity.signed_on.position);
        Self(VerifiedAssertion {
            id: assertion.id.to_owned(),
            issuer: assertion.issuer.to_owned(),
            in_response_to: in_response_to.to_owned(),
            issued_at: validity.issued_at,
            name_id: assertion.subject.name_id.as_ref().map(NameId::from),
            attributes: assertion.attributes.attributes().collect(),
            authn_instant: validity.signed_on.at,
            authn_context_class: owned(signed_on.and_then(|statement| statement.context_class)),
            session_index: owned(statements.iter().find_map(|s| s.session_index)),
            session_not_on_or_after: validity.session_not_on_or_after,
            expires_at: validity.expires_at,
            signed_octets: Vec::new(),
        })
    }

    /// Adds the octets that were digested.
    pub(super) fn seal(self, signed_octets: Vec<u8>) -> VerifiedAssertion {
        VerifiedAssertion { signed_octets, ..self.0 }
    }
}

impl VerifiedAssertion {
    /// The assertion's ID, to be consumed once (unique per issuer).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The entity ID of the identity provider.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The request that is answered.
    #[must_use]
    pub fn in_response_to(&self) -> &str {
        &self.in_response_to
    }

    /// When the identity provider made the assertion.
    #[must_use]
    pub const fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// The subject's name identifier, if there is one.
    #[must_use]
    pub const fn name_id(&self) -> Option<&NameId> {
        self.name_id.as_ref()
    }

    /// All attributes; no name occurs twice.
    #[must_use]
    pub const fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The values of the attribute of that exact name; empty if it is absent.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Vec<&str> {
        self.attributes.named(name).map(|attribute| attribute.values().collect()).unwrap_or_default()
    }

    /// The one value of an attribute; `None` if it is absent or has several, since choosing among
    /// them would be guessing.
    #[must_use]
    pub fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.attributes.named(name)?.values();
        values.next().filter(|_| values.len() == 0)
    }

    /// When the subject signed on at the identity provider; may be long ago.
    #[must_use]
    pub const fn authn_instant(&self) -> Timestamp {
        self.authn_instant
    }

    /// How the subject signed on there, by the same statement that says when.
    #[must_use]
    pub fn authn_context_class(&self) -> Option<&str> {
        self.authn_context_class.as_deref()
    }

    /// The identity provider's name for its session, for single logout.
    #[must_use]
    pub fn session_index(&self) -> Option<&str> {
        self.session_index.as_deref()
    }

    /// When our session must end at the latest; the earliest if several were given.
    #[must_use]
    pub const fn session_not_on_or_after(&self) -> Option<Timestamp> {
        self.session_not_on_or_after
    }

    /// Until when the ID must be remembered: from then on the assertion is refused as expired.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The octets that were digested and from which everything above was read.
    #[must_use]
    pub fn signed_octets(&self) -> &[u8] {
        &self.signed_octets
    }
}

impl From<&statement::NameId<'_>> for NameId {
    fn from(read: &statement::NameId<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            value: read.value.to_owned(),
            format: owned(read.format),
            name_qualifier: owned(read.name_qualifier),
            sp_name_qualifier: owned(read.sp_name_qualifier),
        }
    }
}

/// The value is personal data.
impl std::fmt::Debug for NameId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameId").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Shows the technical part only: names and attributes are personal data.
impl std::fmt::Debug for VerifiedAssertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedAssertion")
            .field("id", &self.id)
            .field("issuer", &self.issuer)
            .field("in_response_to", &self.in_response_to)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
