//! Exclusive XML Canonicalization 1.0 of one element of a bounded tree.
//!
//! Separate because it decides which octets a signature is about, and nothing else. It is our own because it needs to
//! do so little here (no comments, no processing instructions, no document subsets) and is asked three times for
//! each message, of which most never verify: the cost is that of the element, not of what lies around it.
//!
//! Rules: a fault here can only refuse what is genuine, never accept what is not, since the octets are what is hashed
//! and what is read; the property tests compare it with libxml2 and with bergshamra.

use uppsala::{Document, NodeId, NodeKind};

use super::refusal::{Reason, Refusal};
use super::xml::{Element, Tree};

/// The canonical octets of `apex` and all below it, except the subtree `omitted`; the prefixes are treated as in
/// inclusive canonicalization (Exclusive XML Canonicalization 3).
pub(super) fn exclusive(
    tree: &Tree<'_>,
    apex: Element<'_>,
    omitted: Option<Element<'_>>,
    inclusive_prefixes: &[&str],
) -> Result<Vec<u8>, Refusal> {
    let document = tree.document();
    let mut writer = Writer {
        document,
        omitted: omitted.map(Element::id),
        inclusive: inclusive_prefixes.iter().map(|p| if *p == "#default" { "" } else { p }).collect(),
        scope: Bindings::default(),
        rendered: Bindings::default(),
        octets: Vec::with_capacity(USUAL_OCTETS),
    };
    let ancestors: Vec<NodeId> =
        std::iter::successors(document.parent(apex.id()), |id| document.parent(*id)).collect();
    for ancestor in ancestors.into_iter().rev() {
        writer.declare(ancestor);
    }
    writer.element(apex.id())?;
    Ok(writer.octets)
}

struct Writer<'t, 'd> {
    document: &'t Document<'d>,
    omitted: Option<NodeId>,
    inclusive: Vec<&'t str>,
    /// What is declared, innermost last.
    scope: Bindings<'t>,
    /// What has been written on the ancestors that were.
    rendered: Bindings<'t>,
    octets: Vec<u8>,
}

impl<'t> Writer<'t, '_> {
    /// Takes an element's declarations into scope.
    fn declare(&mut self, id: NodeId) {
        let declarations = self.document.element(id).into_iter().flat_map(|e| &e.namespace_declarations);
        self.scope.0.extend(declarations.map(|(prefix, name)| (&**prefix, &**name)));
    }

    fn node(&mut self, id: NodeId) -> Result<(), Refusal> {
        match self.document.node_kind(id) {
            Some(NodeKind::Element(_)) if self.omitted == Some(id) => Ok(()),
            Some(NodeKind::Element(_)) => self.element(id),
            Some(NodeKind::Text(text)) => {
                self.text(text);
                Ok(())
            }
            Some(NodeKind::Comment(_)) => Ok(()),
            _ => Err(unstable("a node of another kind")),
        }
    }

    /// The depth of the tree is bounded, and so is that of the calls.
    fn element(&mut self, id: NodeId) -> Result<(), Refusal> {
        let element = self.document.element(id).ok_or_else(|| unstable("no element"))?;
        let (in_scope, rendered) = (self.scope.0.len(), self.rendered.0.len());
        self.declare(id);

        self.octets.push(b'<');
        self.name(element.name.prefix.as_deref(), &element.name.local_name);
        self.declarations(element);
        self.attributes(element);
        self.octets.push(b'>');
        for child in self.document.children_iter(id) {
            self.node(child)?;
        }
        self.octets.extend(b"</");
        self.name(element.name.prefix.as_deref(), &element.name.local_name);
        self.octets.push(b'>');

        self.scope.0.truncate(in_scope);
        self.rendered.0.truncate(rendered);
        Ok(())
    }

    /// The namespaces that the element or its attributes visibly use, and those of the list, unless the nearest
    /// ancestor that was written says the same.
    fn declarations(&mut self, element: &'t uppsala::Element<'_>) {
        let mut used: Vec<&'t str> = Vec::with_capacity(4 + self.inclusive.len());
        used.push(element.name.prefix.as_deref().unwrap_or(""));
        used.extend(element.attributes.iter().filter_map(prefix_of));
        used.extend(&self.inclusive);
        used.sort_unstable();
        used.dedup();
        for prefix in used.into_iter().filter(|prefix| *prefix != "xml") {
            let bound = self.scope.name(prefix);
            let written = self.rendered.name(prefix);
            if bound == written || (bound.is_empty() && !prefix.is_empty()) {
                continue;
            }
            self.octets.extend(b" xmlns");
            if !prefix.is_empty() {
                self.octets.push(b':');
                self.octets.extend(prefix.as_bytes());
            }
            self.value(bound);
            self.rendered.0.push((prefix, bound));
        }
    }

    /// The attributes by namespace and local name (Canonical XML 2.2).
    fn attributes(&mut self, element: &'t uppsala::Element<'_>) {
        let mut attributes: Vec<_> = element.attributes.iter().collect();
        attributes.sort_unstable_by_key(|attribute| {
            (attribute.name.namespace_uri.as_deref().unwrap_or(""), &*attribute.name.local_name)
        });
        for attribute in attributes {
            self.octets.push(b' ');
            self.name(prefix_of(attribute), &attribute.name.local_name);
            self.value(&attribute.value);
        }
    }

    fn name(&mut self, prefix: Option<&str>, local: &str) {
        if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) {
            self.octets.extend(prefix.as_bytes());
            self.octets.push(b':');
        }
        self.octets.extend(local.as_bytes());
    }

    /// The value of an attribute with what stands around it (Canonical XML 2.3).
    fn value(&mut self, value: &str) {
        self.octets.extend(b"=\"");
        self.escaped(value, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'"' => Some("&quot;"),
            b'\t' => Some("&#x9;"),
            b'\n' => Some("&#xA;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
        self.octets.push(b'"');
    }

    fn text(&mut self, text: &str) {
        self.escaped(text, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    /// What is escaped is ASCII, which is never part of another character in UTF-8.
    fn escaped(&mut self, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| escape(*byte).is_some()) {
            let (plain, from) = rest.split_at(at);
            self.octets.extend_from_slice(plain);
            let Some((first, after)) = from.split_first() else { break };
            self.octets.extend(escape(*first).unwrap_or_default().as_bytes());
            rest = after;
        }
        self.octets.extend_from_slice(rest);
    }
}

/// Prefixes and the namespaces they stand for, innermost last; the empty name stands for none.
#[derive(Default)]
struct Bindings<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Bindings<'t> {
    fn name(&self, prefix: &str) -> &'t str {
        self.0.iter().rev().find(|(known, _)| *known == prefix).map_or("", |(_, name)| name)
    }
}

fn prefix_of<'t>(attribute: &'t uppsala::Attribute<'_>) -> Option<&'t str> {
    attribute.name.namespace_uri.as_ref()?;
    attribute.name.prefix.as_deref().filter(|prefix| !prefix.is_empty())
}

fn unstable(got: &str) -> Refusal {
    Refusal::new(Reason::CanonicalFormUnstable).got(got)
}

/// An assertion of Entra's has three to six kilobytes.
const USUAL_OCTETS: usize = 8 * 1024;

#[cfg(test)]
mod tests;
