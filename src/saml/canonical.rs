//! Exclusive XML Canonicalization 1.0 of one element of a bounded tree.
//!
//! Separate because it decides which octets a signature is about, and nothing else. It is our own because it needs to
//! do so little here (no comments, no processing instructions, no document subsets) and is asked three times for
//! each message, of which most never verify: the cost is that of the element, not of what lies around it.
//!
//! Rules: a fault here can only refuse what is genuine, never accept what is not, since the octets are what is hashed
//! and what is read; the property tests compare it with libxml2 and with bergshamra.

use super::xml::{Child, Element, Tree, any};

/// The canonical octets of `apex` and all below it, except the subtree `omitted`; the prefixes are treated as in
/// inclusive canonicalization (Exclusive XML Canonicalization 3).
pub(super) fn exclusive(
    tree: &Tree<'_>,
    apex: Element<'_>,
    omitted: Option<Element<'_>>,
    inclusive_prefixes: &[&str],
) -> Vec<u8> {
    let octets = Vec::with_capacity(USUAL_OCTETS);
    Writer::new(tree, apex, (omitted, inclusive_prefixes), octets).write(apex)
}

/// Whether octets are the canonical form of the whole tree.
pub(super) fn is_exclusive(tree: &Tree<'_>, inclusive_prefixes: &[&str], octets: &[u8]) -> bool {
    let root = tree.root();
    let rest = Writer::new(tree, root, (None, inclusive_prefixes), Some(octets)).write(root);
    rest.is_some_and(<[u8]>::is_empty)
}

/// Where the canonical octets go.
trait Sink {
    fn put(&mut self, octets: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// What they are held against; nothing once they differ.
impl Sink for Option<&[u8]> {
    fn put(&mut self, octets: &[u8]) {
        *self = self.and_then(|rest| rest.strip_prefix(octets));
    }
}

struct Writer<'t, S> {
    omitted: Option<usize>,
    inclusive: Vec<&'t str>,
    /// What is declared, innermost last.
    scope: Bindings<'t>,
    /// What has been written on the ancestors that were.
    rendered: Bindings<'t>,
    /// What the element at hand uses; kept for its room.
    used: Vec<(&'t str, &'t str)>,
    octets: S,
}

impl<'t, S: Sink> Writer<'t, S> {
    fn new(
        tree: &'t Tree<'_>,
        apex: Element<'t>,
        (omitted, inclusive): (Option<Element<'_>>, &[&'t str]),
        octets: S,
    ) -> Self {
        let scope = tree.ancestors(apex.place()).flat_map(Element::declarations).collect();
        Self {
            omitted: omitted.map(Element::place),
            inclusive: inclusive.iter().map(|p| if *p == "#default" { "" } else { p }).collect(),
            scope: Bindings(scope),
            rendered: Bindings::default(),
            used: Vec::new(),
            octets,
        }
    }

    fn write(mut self, apex: Element<'t>) -> S {
        self.element(apex);
        self.octets
    }

    /// The depth of the tree is bounded, and so is that of the calls.
    fn element(&mut self, element: Element<'t>) {
        let (in_scope, rendered) = (self.scope.0.len(), self.rendered.0.len());
        self.scope.0.extend(element.declarations());

        self.octets.put(b"<");
        self.octets.put(element.written().as_bytes());
        self.declarations(element);
        self.attributes(element);
        self.octets.put(b">");
        for child in element.content() {
            match child {
                Child::Element(child) if self.omitted == Some(child.place()) => {}
                Child::Element(child) => self.element(child),
                Child::Text(text) => self.escaped(text, is_escaped_in_texts),
                Child::Comment => {}
            }
        }
        self.octets.put(b"</");
        self.octets.put(element.written().as_bytes());
        self.octets.put(b">");

        self.scope.0.truncate(in_scope);
        self.rendered.0.truncate(rendered);
    }

    /// The namespaces that the element or its attributes visibly use, and those of the list, unless the nearest
    /// ancestor that was written says the same.
    fn declarations(&mut self, element: Element<'t>) {
        let mut used = std::mem::take(&mut self.used);
        used.extend(element.used_prefixes());
        used.extend(self.inclusive.iter().map(|prefix| (*prefix, self.scope.name(prefix))));
        if used.len() > 1 {
            used.sort_unstable();
            used.dedup();
        }
        for (prefix, bound) in used.drain(..).filter(|(prefix, _)| *prefix != "xml") {
            let written = self.rendered.name(prefix);
            if bound == written || (bound.is_empty() && !prefix.is_empty()) {
                continue;
            }
            self.octets.put(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
            self.octets.put(prefix.as_bytes());
            self.value(bound);
            self.rendered.0.push((prefix, bound));
        }
        self.used = used;
    }

    /// The attributes by namespace and local name (Canonical XML 2.2).
    fn attributes(&mut self, element: Element<'t>) {
        if element.qualified_attributes().is_sorted_by_key(|(key, ..)| key) {
            for (_, written, value) in element.qualified_attributes() {
                self.attribute(written, value);
            }
            return;
        }
        let mut attributes: Vec<_> = element.qualified_attributes().collect();
        attributes.sort_unstable_by_key(|(key, ..)| *key);
        for (_, written, value) in attributes {
            self.attribute(written, value);
        }
    }

    fn attribute(&mut self, written: &str, value: &str) {
        self.octets.put(b" ");
        self.octets.put(written.as_bytes());
        self.value(value);
    }

    /// The value of an attribute with what stands around it.
    fn value(&mut self, value: &str) {
        self.octets.put(b"=\"");
        self.escaped(value, is_escaped_in_attributes);
        self.octets.put(b"\"");
    }

    /// What is escaped is ASCII, which is never part of another character in UTF-8.
    fn escaped(&mut self, text: &str, is_escaped: impl Fn(u8) -> bool) {
        let mut rest = text.as_bytes();
        if any(text, &is_escaped) {
            while let Some(at) = rest.iter().position(|byte| is_escaped(*byte)) {
                let (plain, from) = rest.split_at(at);
                self.octets.put(plain);
                let Some((first, after)) = from.split_first() else { break };
                self.octets.put(escape(*first));
                rest = after;
            }
        }
        self.octets.put(rest);
    }
}

/// What is escaped in an attribute (Canonical XML 2.3).
const fn is_escaped_in_attributes(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'"' | b'\t' | b'\n' | b'\r')
}

/// What is escaped in a text (Canonical XML 2.3).
const fn is_escaped_in_texts(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>' | b'\r')
}

/// What stands for an escaped character.
const fn escape(byte: u8) -> &'static [u8] {
    match byte {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'"' => b"&quot;",
        b'\t' => b"&#x9;",
        b'\n' => b"&#xA;",
        b'\r' => b"&#xD;",
        _ => b"",
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

/// An assertion of Entra's has three to six kilobytes.
const USUAL_OCTETS: usize = 8 * 1024;

#[cfg(test)]
mod tests;
