//! Exclusive XML Canonicalization 1.0 of one element of a bounded tree.
//!
//! Separate because it decides which octets a signature is about, and nothing else. It is our own because it needs to
//! do so little here (no comments, no processing instructions, no document subsets) and is asked three times for
//! each message, of which most never verify: the cost is that of the element, not of what lies around it.
//!
//! Rules: a fault here can only refuse what is genuine, never accept what is not, since the octets are what is hashed
//! and what is read; the property tests compare it with libxml2 and with bergshamra.

use super::xml::{Child, Element, Span, Tree, any, is_escaped_in_attributes, is_escaped_in_texts, is_same};

/// The canonical octets of `apex` and all below it, except the subtree `omitted`; the prefixes are treated as in
/// inclusive canonicalization (Exclusive XML Canonicalization 3).
pub(super) fn exclusive(
    tree: &Tree<'_>,
    apex: Element<'_>,
    omitted: Option<Element<'_>>,
    inclusive_prefixes: &[&str],
) -> Vec<u8> {
    let octets = Vec::with_capacity(apex.octets().unwrap_or(USUAL_OCTETS));
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
    tree: &'t Tree<'t>,
    omitted: Option<usize>,
    inclusive: Vec<&'t str>,
    /// What is declared, innermost last.
    scope: Bindings<'t>,
    /// What has been written on the ancestors that were.
    rendered: Bindings<'t>,
    /// What the element at hand uses; kept for its room.
    used: Vec<(&'t str, &'t str)>,
    octets: S,
    /// Octets of the message that come next as they stand, and are put at once with those behind them.
    pending: Option<Span>,
}

impl<'t, S: Sink> Writer<'t, S> {
    fn new(
        tree: &'t Tree<'t>,
        apex: Element<'t>,
        (omitted, inclusive): (Option<Element<'_>>, &[&'t str]),
        octets: S,
    ) -> Self {
        let scope = tree.ancestors(apex.place()).flat_map(Element::declarations).collect();
        Self {
            tree,
            omitted: omitted.map(Element::place),
            inclusive: inclusive.iter().map(|p| if *p == "#default" { "" } else { p }).collect(),
            scope: Bindings(scope),
            rendered: Bindings(Vec::with_capacity(USUAL_BINDINGS)),
            used: Vec::new(),
            octets,
            pending: None,
        }
    }

    fn write(mut self, apex: Element<'t>) -> S {
        self.element(apex, None);
        self.put(b"");
        self.octets
    }

    fn put(&mut self, octets: &[u8]) {
        if let Some(pending) = self.pending.take() {
            self.octets.put(self.tree.octets(pending));
        }
        self.octets.put(octets);
    }

    /// Puts octets of the message that are canonical as they stand.
    fn keep(&mut self, span: Span) {
        let both = self.pending.and_then(|pending| pending.with(span));
        if both.is_none()
            && let Some(pending) = self.pending
        {
            self.octets.put(self.tree.octets(pending));
        }
        self.pending = Some(both.unwrap_or(span));
    }

    /// The depth of the tree is bounded, and so is that of the calls.
    fn element(&mut self, element: Element<'t>, parent: Option<Element<'t>>) {
        let (in_scope, rendered) = (self.scope.0.len(), self.rendered.0.len());
        if !self.inclusive.is_empty() {
            self.scope.0.extend(element.declarations());
        }
        let is_as_around = parent.is_some_and(|parent| element.is_declared_with(parent));
        if !is_as_around || element.has_prefixed_attributes() || !self.inclusive.is_empty() {
            self.declare(element);
        }
        match element.tag().filter(|_| rendered == self.rendered.0.len()) {
            Some(span) => self.keep(span),
            None => self.tag(element, rendered),
        }
        for child in element.content() {
            match child {
                Child::Element(child) if self.omitted == Some(child.place()) => {}
                Child::Element(child) => self.element(child, Some(element)),
                Child::Text(_, Some(span)) => self.keep(span),
                Child::Text(text, None) => self.escaped(text, is_escaped_in_texts),
                Child::Comment => {}
            }
        }
        if let Some(span) = element.end_tag() {
            self.keep(span);
        } else {
            self.put(b"</");
            self.put(element.written().as_bytes());
            self.put(b">");
        }
        self.scope.0.truncate(in_scope);
        self.rendered.0.truncate(rendered);
    }

    /// Finds out which namespaces are to be declared: those that the element or its attributes visibly use, and those
    /// of the list, unless the nearest ancestor that was written says the same.
    fn declare(&mut self, element: Element<'t>) {
        if self.inclusive.is_empty() && !element.has_prefixed_attributes() {
            return self.declare_one(element.prefix(), element.namespace());
        }
        let mut used = std::mem::take(&mut self.used);
        used.extend(element.used_prefixes());
        used.extend(self.inclusive.iter().map(|prefix| (*prefix, self.scope.name(prefix))));
        used.sort_unstable();
        used.dedup();
        for (prefix, bound) in used.drain(..) {
            self.declare_one(prefix, bound);
        }
        self.used = used;
    }

    fn declare_one(&mut self, prefix: &'t str, bound: &'t str) {
        let is_known = is_same(bound, self.rendered.name(prefix)) || prefix == "xml";
        if !is_known && (!bound.is_empty() || prefix.is_empty()) {
            self.rendered.0.push((prefix, bound));
        }
    }

    /// The tag by its parts; the namespaces to be declared are those that were rendered last.
    fn tag(&mut self, element: Element<'t>, rendered: usize) {
        self.put(b"<");
        self.put(element.written().as_bytes());
        for place in rendered..self.rendered.0.len() {
            let Some((prefix, bound)) = self.rendered.0.get(place).copied() else { break };
            self.put(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
            self.put(prefix.as_bytes());
            self.value(bound);
        }
        self.attributes(element);
        self.put(b">");
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
        self.put(b" ");
        self.put(written.as_bytes());
        self.value(value);
    }

    /// The value of an attribute with what stands around it.
    fn value(&mut self, value: &str) {
        self.put(b"=\"");
        self.escaped(value, is_escaped_in_attributes);
        self.put(b"\"");
    }

    /// What is escaped is ASCII, which is never part of another character in UTF-8.
    fn escaped(&mut self, text: &str, is_escaped: impl Fn(u8) -> bool) {
        let mut rest = text.as_bytes();
        if any(text, &is_escaped) {
            while let Some(at) = rest.iter().position(|byte| is_escaped(*byte)) {
                let (plain, from) = rest.split_at(at);
                self.put(plain);
                let Some((first, after)) = from.split_first() else { break };
                self.put(escape(*first));
                rest = after;
            }
        }
        self.put(rest);
    }
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
        self.0.iter().rev().find(|(known, _)| is_same(known, prefix)).map_or("", |(_, name)| name)
    }
}

/// An assertion of Entra's has three to six kilobytes.
const USUAL_OCTETS: usize = 8 * 1024;
const USUAL_BINDINGS: usize = 8;

#[cfg(test)]
mod tests;
