//! What can be read of a message piece by piece, also where the message as a whole is refused.
//!
//! Separate because the strict reader gives all or nothing. Each piece is read by the strict reader of that piece;
//! one that is refused is absent here.

use jiff::Timestamp;

use crate::saml::claims::Claims;
use crate::saml::instant;
use crate::saml::message;
use crate::saml::names::{saml, samlp};
use crate::saml::refusal::Status;
use crate::saml::statement::{AttributeStatement, AuthnStatement, Conditions, Subject};
use crate::saml::xml::{Element, Name};

/// The pieces of a response.
pub(super) struct Parts<'t> {
    pub(super) is_response: bool,
    pub(super) issuer: Option<&'t str>,
    pub(super) destination: Option<&'t str>,
    pub(super) in_response_to: Option<&'t str>,
    pub(super) response_issued: Option<&'t str>,
    pub(super) status: Option<Status>,
    pub(super) is_encrypted: bool,
    pub(super) assertion: Option<AssertionParts<'t>>,
}

/// The pieces of an assertion.
pub(super) struct AssertionParts<'t> {
    pub(super) issuer: Option<&'t str>,
    pub(super) issued: Option<&'t str>,
    pub(super) subject: Option<Subject<'t>>,
    pub(super) conditions: Option<Conditions<'t>>,
    pub(super) authn_statements: Option<Vec<AuthnStatement<'t>>>,
    pub(super) attributes: Option<AttributeStatement<'t>>,
}

impl<'t> Parts<'t> {
    pub(super) fn of(root: Element<'t>) -> Self {
        let is_response = root.is(samlp("Response"));
        let attribute = |name| root.attribute(name).filter(|_| is_response);
        let issuer = child(root, saml("Issuer")).filter(|_| is_response);
        let assertion = root.subtree().find(|element| element.is(saml("Assertion")));
        Self {
            is_response,
            issuer: issuer.and_then(|issuer| issuer.text().ok()),
            destination: attribute("Destination"),
            in_response_to: attribute("InResponseTo"),
            response_issued: attribute("IssueInstant"),
            status: child(root, samlp("Status")).and_then(|status| message::read_status(status).ok()),
            is_encrypted: root.subtree().any(|element| element.is(saml("EncryptedAssertion"))),
            assertion: assertion.map(AssertionParts::of),
        }
    }

    /// The same with an assertion that was encrypted.
    pub(super) fn with(self, decrypted: Option<Element<'t>>) -> Self {
        let decrypted = decrypted.filter(|_| self.is_encrypted && self.assertion.is_none());
        Self { assertion: decrypted.map(AssertionParts::of).or(self.assertion), ..self }
    }

    /// When it claims to have been issued, as it says.
    pub(super) fn issued(&self) -> Option<&'t str> {
        self.assertion.as_ref().and_then(|assertion| assertion.issued).or(self.response_issued)
    }

    /// Until when it claims to be good.
    pub(super) fn conditions_end(&self) -> Option<Timestamp> {
        let conditions = self.assertion.as_ref()?.conditions.as_ref()?;
        instant::parse(conditions.not_on_or_after?).ok()
    }

    /// What it says of a person.
    pub(super) fn claims(&self) -> Option<Claims> {
        let assertion = self.assertion.as_ref()?;
        Some(Claims::of(assertion.subject.as_ref()?, assertion.attributes.as_ref()?))
    }
}

impl<'t> AssertionParts<'t> {
    fn of(element: Element<'t>) -> Self {
        let statements = children(element, saml("AuthnStatement")).into_iter().map(AuthnStatement::read);
        let attributes = match child(element, saml("AttributeStatement")) {
            Some(statement) => AttributeStatement::read(statement).ok(),
            None => Some(AttributeStatement::default()),
        };
        Self {
            issuer: child(element, saml("Issuer")).and_then(|issuer| issuer.text().ok()),
            issued: element.attribute("IssueInstant"),
            subject: child(element, saml("Subject")).and_then(|subject| Subject::read(subject).ok()),
            conditions: child(element, saml("Conditions"))
                .and_then(|conditions| Conditions::read(conditions).ok()),
            authn_statements: statements.collect::<Result<_, _>>().ok(),
            attributes,
        }
    }
}

/// The first child of that name.
pub(super) fn child(parent: Element<'_>, name: Name) -> Option<Element<'_>> {
    children(parent, name).into_iter().next()
}

fn children(parent: Element<'_>, name: Name) -> Vec<Element<'_>> {
    let mut found = Vec::new();
    let Ok(mut all) = parent.children() else { return found };
    while let Some(element) = all.next() {
        if element.is(name) {
            found.push(element);
        }
    }
    found
}
