//! What a message says about somebody, whether or not any of it is true.
//!
//! Separate because it is read from octets that nobody has signed: good for telling support whom a refused message
//! spoke of, and for nothing else. Nothing here leads to a [`VerifiedAssertion`](super::VerifiedAssertion).

use super::assertion::{Attribute, NameId};
use super::message::{Content, Response};
use super::statement::{AttributeStatement, Subject};
use super::xml::{Profile, Tree};

/// A name identifier and attributes. **Not verified.**
#[derive(Clone)]
pub struct Claims {
    name_id: Option<NameId>,
    attributes: Vec<Attribute>,
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
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let attribute = |(name, values): &(&str, Vec<&str>)| Attribute {
            name: (*name).to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let name_id = subject.name_id.as_ref().map(|name_id| NameId {
            value: name_id.value.to_owned(),
            format: owned(name_id.format),
            name_qualifier: owned(name_id.name_qualifier),
            sp_name_qualifier: owned(name_id.sp_name_qualifier),
        });
        Self { name_id, attributes: statement.attributes.iter().map(attribute).collect() }
    }

    /// The name identifier, if there is one.
    #[must_use]
    pub const fn name_id(&self) -> Option<&NameId> {
        self.name_id.as_ref()
    }

    /// All attributes; no name occurs twice.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }
}
