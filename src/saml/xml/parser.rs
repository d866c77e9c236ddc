//! The parser: one pass over the text, which refuses what is never needed and counts the rest.
//!
//! Separate because it is the only code that sees a message before anything is known about it. It is our own because
//! what it must read is so little (no DOCTYPE, no entities, no sections, no instructions), and because a message is
//! parsed before anybody has been asked for a signature.
//!
//! Rules: well-formed by XML 1.0 (fifth edition) and Namespaces in XML 1.0 (third edition), or refused; every bound is
//! looked at before what it bounds is kept; nothing recurses; tests compare it with other parsers.

#![expect(
    clippy::inline_always,
    reason = "what is called for each attribute costs a fifth less without the call"
)]

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2};

use super::characters::{
    Found, Place, any, is_blank, is_break, is_escaped_in_attributes, is_escaped_in_texts, is_name, is_space,
    meaning, name_length,
};
use super::element::NONE;
use super::{
    ATTRIBUTES_MAX, Attribute, DEPTH_MAX, Data, Namespace, Node, Profile, Qualified, SCOPE_MAX, Span, Tree,
    is_same,
};
use crate::saml::names::Vocabulary;
use crate::saml::refusal::{Reason, Refusal};

/// A text on its way to a tree.
pub(super) struct Parser<'a> {
    text: &'a str,
    /// Where what is still to be read begins.
    at: usize,
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
        let markup = text.len() / USUAL_OCTETS_PER_NODE;
        let mut namespaces = Vec::with_capacity(USUAL_NAMESPACES);
        namespaces.push(Namespace { prefix: "", name: Cow::Borrowed(""), vocabulary: None });
        namespaces.push(Namespace { prefix: "xml", name: Cow::Borrowed(XML), vocabulary: None });
        Self {
            text,
            at: 0,
            found,
            profile,
            tree: Tree {
                text,
                nodes: Vec::with_capacity(markup.min(profile.elements_max())),
                attributes: Vec::with_capacity(markup.min(profile.attributes_max())),
                namespaces,
            },
            open: Vec::with_capacity(USUAL_DEPTH),
            scope: Vec::with_capacity(USUAL_NAMESPACES),
            elements: 0,
            references: 0,
        }
    }

    pub(super) fn read(mut self) -> Result<Tree<'a>, Refusal> {
        self.declaration()?;
        while self.text_before_markup()? {
            match self.octet(self.at + 1) {
                Some(b'/') => self.close()?,
                Some(b'!') => self.declared()?,
                Some(b'?') => return Err(Refusal::new(Reason::ProcessingInstructionForbidden)),
                _ => self.element()?,
            }
        }
        if self.tree.nodes.is_empty() || !self.open.is_empty() {
            return Err(malformed("a document that does not end"));
        }
        Ok(self.tree)
    }

    fn octet(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The octets from a place on.
    fn from(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    /// The first place from that one on which is no white space.
    fn behind_space(&self, at: usize) -> usize {
        match self.octet(at) {
            Some(octet) if is_space(octet) => {
                let rest = self.from(at);
                at + rest.iter().position(|octet| !is_space(*octet)).unwrap_or(rest.len())
            }
            _ => at,
        }
    }

    /// XML 1.0 section 2.8, production `XMLDecl`: of version 1.0, and in UTF-8 if it says so.
    fn declaration(&mut self) -> Result<(), Refusal> {
        const BEGINNING: &str = "<?xml";
        if !self.text.starts_with(BEGINNING) || !self.octet(BEGINNING.len()).is_some_and(is_space) {
            return Ok(());
        }
        self.at = BEGINNING.len();
        let foreign =
            |got: &str| Refusal::new(Reason::EncodingForbidden).expected("XML 1.0 in UTF-8").got(got);
        let version = self.pseudo_attribute("version")?;
        let encoding = self.pseudo_attribute("encoding")?;
        let standalone = self.pseudo_attribute("standalone")?;
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
        let end = self.behind_space(self.at);
        if !self.from(end).starts_with(b"?>") {
            return Err(malformed("a declaration"));
        }
        self.at = end + 2;
        Ok(())
    }

    /// `name = "value"` of an XML declaration, if it comes next.
    fn pseudo_attribute(&mut self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let begin = self.behind_space(self.at);
        if begin == self.at || !self.from(begin).starts_with(name.as_bytes()) {
            return Ok(None);
        }
        let equals = self.behind_space(begin + name.len());
        if self.octet(equals) != Some(b'=') {
            return Err(malformed("a declaration"));
        }
        let (value, end) = self.quoted(self.behind_space(equals + 1))?;
        self.at = end;
        Ok(Some(value))
    }

    /// Takes the text before the next markup, and says whether there is any.
    fn text_before_markup(&mut self) -> Result<bool, Refusal> {
        if self.octet(self.at) == Some(b'<') {
            return Ok(true);
        }
        let rest = self.from(self.at);
        let mut end = memchr2(b'<', b'>', rest).unwrap_or(rest.len());
        let is_escaped = rest.get(end) == Some(&b'>');
        if is_escaped {
            end = memchr(b'<', rest).unwrap_or(rest.len());
        }
        let from = self.at;
        self.at += end;
        let text = self.text.get(from..self.at).unwrap_or_default();
        self.text(text, from, is_escaped)?;
        Ok(end < rest.len())
    }

    /// Text between markup; outside of the root only white space.
    fn text(&mut self, text: &'a str, from: usize, is_escaped: bool) -> Result<(), Refusal> {
        if self.open.is_empty() {
            return if is_blank(text) { Ok(()) } else { Err(malformed("text outside of the root")) };
        }
        if self.found.section_end && text.contains("]]>") {
            return Err(malformed("\"]]>\" in a text"));
        }
        let is_escaped = is_escaped || (self.found.substitutes && any(text, is_escaped_in_texts));
        let span = if is_escaped { None } else { Span::new(from, from + text.len()) };
        let text = self.meaning(text, Place::Content)?;
        let parent = self.open.last().and_then(|open| self.tree.nodes.get_mut(open.place));
        if let Some(Node::Element(parent)) = parent {
            parent.has_text = parent.has_text || !is_blank(&text);
        }
        self.tree.nodes.push(Node::Text(text, span));
        Ok(())
    }

    /// Markup that begins with an exclamation mark: a comment at best (XML 1.0 section 2.5).
    fn declared(&mut self) -> Result<(), Refusal> {
        const BEGINNING: &[u8] = b"<!--";
        let markup = self.from(self.at);
        if !markup.starts_with(BEGINNING) {
            let is_section = markup.starts_with(b"<![CDATA[");
            let reason = if is_section { Reason::CdataForbidden } else { Reason::DoctypeForbidden };
            return Err(Refusal::new(reason));
        }
        if self.profile == Profile::Message {
            return Err(Refusal::new(Reason::CommentForbidden));
        }
        let comment = self.text.get(self.at + BEGINNING.len()..).unwrap_or_default();
        let after = comment.split_once("--").and_then(|(_, after)| after.strip_prefix('>'));
        let after = after.ok_or_else(|| malformed("a comment that does not end"))?;
        self.at = self.text.len() - after.len();
        if !self.open.is_empty() {
            // Each stands between two texts, of which there are no more than there is room for.
            self.count_element()?;
            self.tree.nodes.push(Node::Comment);
        }
        Ok(())
    }

    /// The end of an element (XML 1.0 section 3.1, production `ETag`).
    fn close(&mut self) -> Result<(), Refusal> {
        let begin = self.at;
        let open = self.open.pop().ok_or_else(|| malformed("an end without a beginning"))?;
        let name = begin + "</".len();
        let blank = name + open.written.len();
        let end = self.behind_space(blank);
        let is_same = self.text.as_bytes().get(name..blank) == Some(open.written.as_bytes());
        if !is_same || self.octet(end) != Some(b'>') {
            return Err(malformed("the end of another element"));
        }
        self.at = end + 1;
        self.scope.truncate(open.scope);
        let behind = self.tree.nodes.len();
        if let Some(Node::Element(data)) = self.tree.nodes.get_mut(open.place) {
            data.end = behind;
            data.end_tag = if end == blank { Span::new(begin, self.at) } else { None };
        }
        Ok(())
    }

    /// The beginning of an element, or a whole empty one (XML 1.0 section 3.1).
    fn element(&mut self) -> Result<(), Refusal> {
        if self.open.is_empty() && !self.tree.nodes.is_empty() {
            return Err(malformed("a second root"));
        }
        self.count_element()?;
        if self.open.len() >= DEPTH_MAX {
            return Err(too_complex(format!("at most {DEPTH_MAX} levels")));
        }
        let begin = self.at;
        let (name, behind) = self.name(begin + 1)?;
        self.at = behind;
        let open = Open { place: self.tree.nodes.len(), written: name.written, scope: self.scope.len() };
        let attributes = self.tree.attributes.len();
        let declarations = self.tree.namespaces.len();
        // As canonical XML has it: one space before each attribute, quotation marks, nothing else.
        let mut is_canonical = true;
        let is_empty = loop {
            let blank = self.at;
            let at = self.behind_space(blank);
            match self.octet(at) {
                Some(b'>') => {
                    is_canonical &= at == blank;
                    self.at = at + 1;
                    break false;
                }
                Some(b'/') if self.octet(at + 1) == Some(b'>') => {
                    self.at = at + 2;
                    break true;
                }
                Some(b'/') => return Err(malformed("a tag")),
                Some(_) if at > blank => {
                    is_canonical &= at == blank + 1 && self.octet(blank) == Some(b' ');
                }
                _ => return Err(malformed("a tag that does not end")),
            }
            is_canonical &= self.attribute(at)?;
            let here = self.tree.attributes.len() - attributes + self.tree.namespaces.len() - declarations;
            self.check_attributes(here)?;
        };
        let namespace = self.resolve(name.prefix())?;
        is_canonical &= !is_empty && declarations == self.tree.namespaces.len();
        if attributes < self.tree.attributes.len() || !is_canonical {
            is_canonical &= self.resolve_attributes(attributes, declarations)?;
        }
        let prefixed = self.tree.attributes.get(attributes..).unwrap_or_default();
        let data = Data {
            has_prefixed_attributes: prefixed.iter().any(|attribute| attribute.namespace != NONE),
            name,
            namespace,
            vocabulary: self.tree.vocabulary(namespace),
            attributes: places(attributes, self.tree.attributes.len()),
            declarations: places(declarations, self.tree.namespaces.len()),
            end: open.place + 1,
            has_text: false,
            begin: octet_place(begin),
            tag: if is_canonical { Span::new(begin, self.at) } else { None },
            end_tag: None,
        };
        self.tree.nodes.push(Node::Element(data));
        if is_empty {
            self.scope.truncate(open.scope);
        } else {
            self.open.push(open);
        }
        Ok(())
    }

    /// One attribute or namespace declaration; says whether it is written as canonical XML has it.
    #[inline(always)]
    fn attribute(&mut self, at: usize) -> Result<bool, Refusal> {
        let (name, behind) = self.name(at)?;
        let equals = self.behind_space(behind);
        if self.octet(equals) != Some(b'=') {
            return Err(malformed("an attribute without a value"));
        }
        let quote = self.behind_space(equals + 1);
        let (value, end) = self.quoted(quote)?;
        self.at = end;
        if self.found.breaks && self.profile == Profile::Message && value.bytes().any(is_break) {
            // They mean a space, yet not to every reader; nobody sends them.
            return Err(Refusal::new(Reason::EncodingForbidden).got("a line break in an attribute value"));
        }
        let is_canonical = quote == behind + 1
            && self.octet(quote) == Some(b'"')
            && !((self.found.substitutes || self.found.breaks) && any(value, is_escaped_in_attributes));
        let value = self.meaning(value, Place::Attribute)?;
        match name.prefix() {
            "" if name.written == "xmlns" => self.declare("", value)?,
            "xmlns" => self.declare(name.local, value)?,
            _ => self.tree.attributes.push(Attribute { name, namespace: NONE, value }),
        }
        Ok(is_canonical)
    }

    /// What stands between the quotes at a place, and where what stands behind them begins.
    #[inline(always)]
    fn quoted(&self, at: usize) -> Result<(&'a str, usize), Refusal> {
        let quote = self.octet(at).filter(|octet| matches!(octet, b'"' | b'\''));
        let value = at + 1;
        let end = quote.and_then(|quote| memchr2(quote, b'<', self.from(value)));
        let end = value + end.ok_or_else(|| malformed("a value that is not quoted"))?;
        if self.octet(end) == Some(b'<') {
            return Err(malformed("\"<\" in an attribute value"));
        }
        Ok((self.text.get(value..end).unwrap_or_default(), end + 1))
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
        let vocabulary = Vocabulary::named(&name);
        self.tree.namespaces.push(Namespace { prefix, name, vocabulary });
        Ok(())
    }

    /// What a prefix stands for here.
    #[inline(always)]
    fn resolve(&self, prefix: &str) -> Result<usize, Refusal> {
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
    fn resolve_attributes(&mut self, attributes: usize, declarations: usize) -> Result<bool, Refusal> {
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

    /// The name at a place (Namespaces in XML 1.0, production `QName`), and where what stands behind it begins.
    #[inline(always)]
    fn name(&self, at: usize) -> Result<(Qualified<'a>, usize), Refusal> {
        let no_name = || malformed("something that is no name");
        let end = at + name_length(self.from(at));
        // Octets beyond ASCII are part of a name, so none of its characters is cut.
        let first = self.text.get(at..end).ok_or_else(no_name)?;
        if !is_name(first, self.found.foreign) {
            return Err(no_name());
        }
        if self.octet(end) != Some(b':') {
            return Ok((Qualified { written: first, local: first }, end));
        }
        let behind = end + 1;
        let end = behind + name_length(self.from(behind));
        let local = self.text.get(behind..end).ok_or_else(no_name)?;
        if !is_name(local, self.found.foreign) {
            return Err(no_name());
        }
        Ok((Qualified { written: self.text.get(at..end).ok_or_else(no_name)?, local }, end))
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
    #[inline(always)]
    fn meaning(&mut self, text: &'a str, place: Place) -> Result<Cow<'a, str>, Refusal> {
        if !self.found.substitutes && (place == Place::Content || !self.found.breaks) {
            return Ok(Cow::Borrowed(text));
        }
        self.references += memchr_iter(b'&', text.as_bytes()).count();
        let most = self.profile.references_max();
        if self.references > most {
            return Err(too_complex(format!("at most {most} references")));
        }
        meaning(text, place)
    }
}

/// The places from one to before another, of which there are no more than octets.
fn places(from: usize, to: usize) -> (u32, u32) {
    (octet_place(from), octet_place(to))
}

/// A place in a text, of which none has four gigabytes.
fn octet_place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
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
const USUAL_NAMESPACES: usize = 16;
const USUAL_DEPTH: usize = 16;
