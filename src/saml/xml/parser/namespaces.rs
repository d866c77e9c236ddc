//! What names mean: the namespaces in scope, and those of attributes (Namespaces in XML 1.0, third edition).
//!
//! Separate because it is the one thing about a name that cannot be seen where it stands.

use std::borrow::Cow;

use super::{
    Attribute, NONE, Namespace, Parser, Profile, SCOPE_MAX, Vocabulary, is_same, malformed, too_complex,
};
use crate::saml::refusal::{Reason, Refusal};

/// The namespace that is always bound to `xml` (section 3).
pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

impl<'a> Parser<'a> {
    /// Takes a declaration into scope (Namespaces in XML 1.0, sections 2.2 and 3).
    pub(super) fn declare(&mut self, prefix: &'a str, name: Cow<'a, str>) -> Result<(), Refusal> {
        let is_reserved = match prefix {
            "xmlns" => true,
            "xml" => name != XML,
            _ => name == XML || name == XMLNS || (name.is_empty() && !prefix.is_empty()),
        };
        let is_message = self.profile == Profile::Message;
        if is_message && !is_reserved && (prefix == "xml" || !is_absolute(&name)) {
            return Err(Refusal::new(Reason::NamespaceForbidden)
                .expected("absolute namespace names")
                .got(format!("xmlns:{prefix}={name}")));
        }
        if is_reserved {
            return Err(malformed("a reserved namespace"));
        }
        if self.scope.len() >= SCOPE_MAX {
            return Err(too_complex(format!("at most {SCOPE_MAX} namespace declarations in scope")));
        }
        self.scope.push(self.tree.namespaces.len());
        let vocabulary = Vocabulary::named(&name);
        self.tree.namespaces.push(Namespace { prefix, name, vocabulary });
        Ok(())
    }

    /// What a prefix stands for here.
    #[inline(always)]
    pub(super) fn resolve(&self, prefix: &str) -> Result<usize, Refusal> {
        let declares = |place: &&usize| {
            let namespace = self.tree.namespaces.get(**place);
            namespace.is_some_and(|namespace| is_same(namespace.prefix, prefix))
        };
        match self.scope.iter().rev().find(declares) {
            Some(place) => Ok(*place),
            None if prefix.is_empty() => Ok(NONE),
            None if prefix == "xml" => Ok(NONE + 1),
            None => Err(malformed("a prefix that is not declared")),
        }
    }

    /// Finds the namespaces of the attributes from that place on, and refuses one that is there twice, as written or
    /// by its namespace (Namespaces in XML 1.0, section 6.3); likewise a prefix that is declared twice. Gives whether
    /// they stand in the order of canonical XML: by namespace, then by local name (Canonical XML 1.0, section 2.2).
    pub(super) fn resolve_attributes(
        &mut self,
        attributes: usize,
        declarations: usize,
    ) -> Result<bool, Refusal> {
        for place in attributes..self.tree.attributes.len() {
            let prefix = self.tree.attributes.get(place).map_or("", |attribute| attribute.name.prefix());
            // The default namespace is not that of attributes.
            let namespace = if prefix.is_empty() { NONE } else { self.resolve(prefix)? };
            if let Some(attribute) = self.tree.attributes.get_mut(place) {
                attribute.namespace = namespace;
            }
        }
        let attributes = self.tree.attributes.get(attributes..).unwrap_or_default();
        let declared = self.tree.namespaces.get(declarations..).unwrap_or_default();
        let name = |attribute: &Attribute<'a>| (attribute.name.local, attribute.namespace);
        let same = |one: (&str, usize), other: (&str, usize)| {
            is_same(one.0, other.0)
                && (one.1 == other.1 || self.tree.namespace(one.1) == self.tree.namespace(other.1))
        };
        let is_double = any_two(attributes, |one, other| same(name(one), name(other)))
            || any_two(declared, |one, other| one.prefix == other.prefix);
        if is_double {
            return Err(malformed("the same attribute twice"));
        }
        Ok(attributes.len() < 2
            || attributes.is_sorted_by_key(|attribute| {
                (self.tree.namespace(attribute.namespace), attribute.name.local)
            }))
    }
}

fn any_two<T>(all: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    let mut rest = all;
    while let Some((one, others)) = rest.split_first() {
        if others.iter().any(|other| same(one, other)) {
            return true;
        }
        rest = others;
    }
    false
}

/// Whether a namespace name begins with a URI scheme. Canonical XML cannot be computed for
/// relative ones, which verifiers have answered with an empty canonical form (CVE-2025-66475).
fn is_absolute(namespace: &str) -> bool {
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let scheme = namespace.bytes().position(|byte| !is_of_scheme(byte)).unwrap_or(namespace.len());
    namespace.starts_with(|c: char| c.is_ascii_alphabetic())
        && matches!(namespace.as_bytes().get(scheme..), Some([b':', _, ..]))
}
