//! The parser: one pass over the text, which refuses what is never needed and counts the rest.
//!
//! Separate because it is the only code that sees a message before anything is known about it. It is our own because
//! what it must read is so little (no DOCTYPE, no entities, no sections, no instructions), and because a message is
//! parsed before anybody has been asked for a signature.
//!
//! Rules: well-formed by XML 1.0 (fifth edition) and Namespaces in XML 1.0 (third edition), or refused; every bound is
//! looked at before what it bounds is kept; nothing recurses; tests compare it with other parsers.

use std::borrow::Cow;

use super::characters::{Found, Place, is_break, is_name, is_space, meaning, name_length, trim_start};
use super::element::NONE;
use super::{
    ATTRIBUTES_MAX, Attribute, DEPTH_MAX, Data, Namespace, Node, Profile, Qualified, SCOPE_MAX, Tree,
};
use crate::saml::refusal::{Reason, Refusal};

/// A text on its way to a tree.
pub(super) struct Parser<'a> {
    rest: &'a str,
    found: Found,
    profile: Profile,
    tree: Tree<'a>,
    /// The elements that have not ended, innermost last.
    open: Vec<Open<'a>>,
    /// The places of the namespaces that are declared, innermost last.
    scope: Vec<usize>,
    elements: usize,
    references: usize,
}

struct Open<'a> {
    place: usize,
    written: &'a str,
    /// How much was in scope around it.
    scope: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, found: Found, profile: Profile) -> Self {
        let xml = Namespace { prefix: "xml", name: Cow::Borrowed(XML) };
        let none = Namespace { prefix: "", name: Cow::Borrowed("") };
        let markup = text.len() / USUAL_OCTETS_PER_NODE;
        Self {
            rest: text,
            found,
            profile,
            tree: Tree {
                nodes: Vec::with_capacity(markup.min(profile.elements_max())),
                attributes: Vec::with_capacity(markup.min(profile.elements_max())),
                namespaces: vec![none, xml],
            },
            open: Vec::with_capacity(DEPTH_MAX),
            scope: Vec::with_capacity(SCOPE_MAX),
            elements: 0,
            references: 0,
        }
    }

    pub(super) fn read(mut self) -> Result<Tree<'a>, Refusal> {
        self.declaration()?;
        while let Some((text, markup)) = self.rest.split_once('<') {
            self.text(text)?;
            match markup.as_bytes().first() {
                Some(b'/') => self.close(markup)?,
                Some(b'!') => self.declared(markup)?,
                Some(b'?') => return Err(Refusal::new(Reason::ProcessingInstructionForbidden)),
                _ => self.element(markup)?,
            }
        }
        self.text(self.rest)?;
        if self.tree.nodes.is_empty() || !self.open.is_empty() {
            return Err(malformed("a document that does not end"));
        }
        Ok(self.tree)
    }

    /// XML 1.0 section 2.8, production `XMLDecl`: of version 1.0, and in UTF-8 if it says so.
    fn declaration(&mut self) -> Result<(), Refusal> {
        let Some(rest) = self.rest.strip_prefix("<?xml").filter(|rest| begins_with_space(rest)) else {
            return Ok(());
        };
        let foreign =
            |got: &str| Refusal::new(Reason::EncodingForbidden).expected("XML 1.0 in UTF-8").got(got);
        let (version, rest) = pseudo_attribute(rest, "version")?;
        let (encoding, rest) = pseudo_attribute(rest, "encoding")?;
        let (standalone, rest) = pseudo_attribute(rest, "standalone")?;
        match version {
            Some("1.0") => {}
            Some(other) => return Err(foreign(other)),
            None => return Err(malformed("a declaration without version")),
        }
        if let Some(encoding) = encoding.filter(|name| !name.eq_ignore_ascii_case("UTF-8")) {
            return Err(foreign(encoding));
        }
        if standalone.is_some_and(|value| !matches!(value, "yes" | "no")) {
            return Err(malformed("a declaration"));
        }
        self.rest = trim_start(rest).strip_prefix("?>").ok_or_else(|| malformed("a declaration"))?;
        Ok(())
    }

    /// Text between markup; outside of the root only white space.
    fn text(&mut self, text: &'a str) -> Result<(), Refusal> {
        if text.is_empty() {
            return Ok(());
        }
        if self.open.is_empty() {
            let is_blank = text.bytes().all(is_space);
            return if is_blank { Ok(()) } else { Err(malformed("text outside of the root")) };
        }
        if self.found.section_end && text.contains("]]>") {
            return Err(malformed("\"]]>\" in a text"));
        }
        let text = self.meaning(text, Place::Content)?;
        self.tree.nodes.push(Node::Text(text));
        Ok(())
    }

    /// Markup that begins with an exclamation mark: a comment at best (XML 1.0 section 2.5).
    fn declared(&mut self, markup: &'a str) -> Result<(), Refusal> {
        let Some(comment) = markup.strip_prefix("!--") else {
            let is_section = markup.starts_with("![CDATA[");
            let reason = if is_section { Reason::CdataForbidden } else { Reason::DoctypeForbidden };
            return Err(Refusal::new(reason));
        };
        if self.profile == Profile::Message {
            return Err(Refusal::new(Reason::CommentForbidden));
        }
        let after = comment.split_once("--").and_then(|(_, after)| after.strip_prefix('>'));
        self.rest = after.ok_or_else(|| malformed("a comment that does not end"))?;
        if !self.open.is_empty() {
            // Each stands between two texts, of which there are no more than there is room for.
            self.count_element()?;
            self.tree.nodes.push(Node::Comment);
        }
        Ok(())
    }

    /// The end of an element (XML 1.0 section 3.1, production `ETag`).
    fn close(&mut self, markup: &'a str) -> Result<(), Refusal> {
        let open = self.open.pop().ok_or_else(|| malformed("an end without a beginning"))?;
        let after = markup.get(1..).and_then(|name| name.strip_prefix(open.written));
        let after = after.and_then(|after| trim_start(after).strip_prefix('>'));
        self.rest = after.ok_or_else(|| malformed("the end of another element"))?;
        self.end(&open);
        Ok(())
    }

    fn end(&mut self, open: &Open<'a>) {
        self.scope.truncate(open.scope);
        let end = self.tree.nodes.len();
        if let Some(Node::Element(data)) = self.tree.nodes.get_mut(open.place) {
            data.end = end;
        }
    }

    /// The beginning of an element, or a whole empty one (XML 1.0 section 3.1).
    fn element(&mut self, markup: &'a str) -> Result<(), Refusal> {
        if self.open.is_empty() && !self.tree.nodes.is_empty() {
            return Err(malformed("a second root"));
        }
        self.count_element()?;
        if self.open.len() >= DEPTH_MAX {
            return Err(too_complex(format!("at most {DEPTH_MAX} levels")));
        }
        let (name, mut rest) = self.name(markup)?;
        let open = Open { place: self.tree.nodes.len(), written: name.written, scope: self.scope.len() };
        let attributes = self.tree.attributes.len();
        let declarations = self.tree.namespaces.len();
        let is_empty = loop {
            let begins = trim_start(rest);
            match begins.as_bytes().first() {
                Some(b'>') => {
                    self.rest = begins.get(1..).unwrap_or("");
                    break false;
                }
                Some(b'/') => {
                    let after = begins.strip_prefix("/>");
                    self.rest = after.ok_or_else(|| malformed("a tag"))?;
                    break true;
                }
                Some(_) if begins.len() < rest.len() => {}
                _ => return Err(malformed("a tag that does not end")),
            }
            rest = self.attribute(begins)?;
            let here = self.tree.attributes.len() - attributes + self.tree.namespaces.len() - declarations;
            self.check_attributes(here)?;
        };
        let namespace = self.resolve(name.prefix())?;
        self.resolve_attributes(attributes, declarations)?;
        let data = Data {
            name,
            namespace,
            attributes: (attributes, self.tree.attributes.len()),
            declarations: (declarations, self.tree.namespaces.len()),
            end: open.place + 1,
        };
        self.tree.nodes.push(Node::Element(data));
        if is_empty {
            self.scope.truncate(open.scope);
        } else {
            self.open.push(open);
        }
        Ok(())
    }

    /// One attribute or namespace declaration; gives what stands behind it.
    fn attribute(&mut self, text: &'a str) -> Result<&'a str, Refusal> {
        let (name, rest) = self.name(text)?;
        let value = trim_start(rest).strip_prefix('=').map(trim_start);
        let value = value.ok_or_else(|| malformed("an attribute without a value"))?;
        let (value, rest) = quoted(value)?;
        if value.contains('<') {
            return Err(malformed("\"<\" in an attribute value"));
        }
        if self.found.breaks && self.profile == Profile::Message && value.bytes().any(is_break) {
            // They mean a space, yet not to every reader; nobody sends them.
            return Err(Refusal::new(Reason::EncodingForbidden).got("a line break in an attribute value"));
        }
        let value = self.meaning(value, Place::Attribute)?;
        if name.written == "xmlns" {
            self.declare("", value)?;
        } else if name.prefix() == "xmlns" {
            self.declare(name.local, value)?;
        } else {
            self.tree.attributes.push(Attribute { name, namespace: NONE, value });
        }
        Ok(rest)
    }

    /// Takes a declaration into scope (Namespaces in XML 1.0, sections 2.2 and 3).
    fn declare(&mut self, prefix: &'a str, name: Cow<'a, str>) -> Result<(), Refusal> {
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
        self.tree.namespaces.push(Namespace { prefix, name });
        Ok(())
    }

    /// What a prefix stands for here.
    fn resolve(&self, prefix: &str) -> Result<usize, Refusal> {
        let declares = |place: &&usize| {
            self.tree.namespaces.get(**place).is_some_and(|namespace| namespace.prefix == prefix)
        };
        match self.scope.iter().rev().find(declares) {
            Some(place) => Ok(*place),
            None if prefix.is_empty() => Ok(NONE),
            None if prefix == "xml" => Ok(NONE + 1),
            None => Err(malformed("a prefix that is not declared")),
        }
    }

    /// Finds the namespaces of the attributes from that place on, and refuses one that is there twice, as written or
    /// by its namespace (Namespaces in XML 1.0, section 6.3); likewise a prefix that is declared twice.
    fn resolve_attributes(&mut self, attributes: usize, declarations: usize) -> Result<(), Refusal> {
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
            one.0 == other.0
                && (one.1 == other.1 || self.tree.namespace(one.1) == self.tree.namespace(other.1))
        };
        let is_double = any_two(attributes, |one, other| same(name(one), name(other)))
            || any_two(declared, |one, other| one.prefix == other.prefix);
        if is_double { Err(malformed("the same attribute twice")) } else { Ok(()) }
    }

    /// A name at the beginning of a text (Namespaces in XML 1.0, production `QName`).
    fn name(&self, text: &'a str) -> Result<(Qualified<'a>, &'a str), Refusal> {
        let no_name = || malformed("something that is no name");
        // Octets beyond ASCII are part of a name, so none of its characters is cut.
        let (mut written, mut rest) = text.split_at_checked(name_length(text)).ok_or_else(no_name)?;
        let mut local = written;
        if let Some(behind) = rest.strip_prefix(':') {
            if !is_name(written, self.found.foreign) {
                return Err(no_name());
            }
            local = behind.get(..name_length(behind)).ok_or_else(no_name)?;
            (written, rest) = text.split_at_checked(written.len() + 1 + local.len()).ok_or_else(no_name)?;
        }
        if is_name(local, self.found.foreign) {
            Ok((Qualified { written, local }, rest))
        } else {
            Err(no_name())
        }
    }

    fn count_element(&mut self) -> Result<(), Refusal> {
        self.elements += 1;
        let most = self.profile.elements_max();
        if self.elements > most {
            return Err(too_complex(format!("at most {most} elements")));
        }
        Ok(())
    }

    fn check_attributes(&self, here: usize) -> Result<(), Refusal> {
        let most = self.profile.attributes_max();
        // The two namespaces that are always there are nobody's.
        let all = self.tree.attributes.len() + self.tree.namespaces.len() - 2;
        if here > ATTRIBUTES_MAX || all > most {
            return Err(too_complex(format!(
                "at most {ATTRIBUTES_MAX} attributes, and {most} of all elements"
            )));
        }
        Ok(())
    }

    /// What a text means. Its references are counted before any is looked at.
    fn meaning(&mut self, text: &'a str, place: Place) -> Result<Cow<'a, str>, Refusal> {
        if !self.found.substitutes && (place == Place::Content || !self.found.breaks) {
            return Ok(Cow::Borrowed(text));
        }
        self.references += text.bytes().filter(|byte| *byte == b'&').count();
        let most = self.profile.references_max();
        if self.references > most {
            return Err(too_complex(format!("at most {most} references")));
        }
        meaning(text, place)
    }
}

/// `name = "value"` of an XML declaration, if it comes next.
fn pseudo_attribute<'a>(text: &'a str, name: &str) -> Result<(Option<&'a str>, &'a str), Refusal> {
    let Some(rest) = trim_start(text).strip_prefix(name).filter(|_| begins_with_space(text)) else {
        return Ok((None, text));
    };
    let value = trim_start(rest).strip_prefix('=').map(trim_start);
    let (value, rest) = quoted(value.ok_or_else(|| malformed("a declaration"))?)?;
    Ok((Some(value), rest))
}

/// What stands between the quotes at the beginning of a text, and what stands behind them.
fn quoted(text: &str) -> Result<(&str, &str), Refusal> {
    let value = text.strip_prefix('"').map(|value| value.split_once('"'));
    let value = value.or_else(|| text.strip_prefix('\'').map(|value| value.split_once('\'')));
    value.flatten().ok_or_else(|| malformed("a value that is not quoted"))
}

fn begins_with_space(text: &str) -> bool {
    text.bytes().next().is_some_and(is_space)
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
    namespace.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn malformed(got: &str) -> Refusal {
    Refusal::new(Reason::XmlMalformed).got(got)
}

fn too_complex(most: String) -> Refusal {
    Refusal::new(Reason::TooComplex).expected(most)
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// An element, its text and its end; a guess that saves copies and nothing depends on.
const USUAL_OCTETS_PER_NODE: usize = 48;
