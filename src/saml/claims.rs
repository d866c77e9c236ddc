//! What a message says about somebody, whether or not any of it is true.
//!
//! Separate because it is read from octets that nobody has signed: good for telling support whom a refused message
//! spoke of, and for nothing else. Nothing here leads to a [`VerifiedAssertion`](super::VerifiedAssertion).

use super::assertion::NameId;
use super::attributes::Attributes;
use super::message::{Content, Response};
use super::statement::{AttributeStatement, Subject};
use super::xml::{Profile, Tree};

/// A name identifier and attributes. **Not verified.**
#[derive(Clone)]
pub struct Claims {
    name_id: Option<NameId>,
    attributes: Attributes,
}

impl Claims {
    /// Reads them out of a message; `None` if it has no assertion of the accepted shape.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let tree = Tree::parse(octets, Profile::Message).ok()?;
        let Content::Assertion(assertion) = Response::read(tree.root()).ok()?.content else { return None };
        Some(Self::of(&assertion.subject, &assertion.attributes))
    }

    /// Those of the parts of an assertion.
    pub(super) fn of(subject: &Subject<'_>, statement: &AttributeStatement<'_>) -> Self {
        let name_id = subject.name_id.as_ref().map(NameId::from);
        Self { name_id, attributes: statement.attributes().collect() }
    }

    /// The name identifier, if there is one.
    #[must_use]
    pub const fn name_id(&self) -> Option<&NameId> {
        self.name_id.as_ref()
    }

    /// All attributes; no name occurs twice.
    #[must_use]
    pub const fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}
