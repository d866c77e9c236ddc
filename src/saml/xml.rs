//! The strict XML front: octets to a bounded tree, and the only ways to read it.
//!
//! Separate because messages, metadata and later decrypted assertions must all pass the same door,
//! and because everything that XML can do beyond elements, attributes and text is refused here.
//!
//! Rules: no DOCTYPE, entities, processing instructions or CDATA anywhere, no comments in messages;
//! UTF-8 only; bounded octets, depth, elements and attributes, all counted as they are met;
//! names are compared by namespace and local name, never by prefix; unknown children and
//! attributes are errors of the reader, not ignored.

mod characters;
mod element;
mod parser;

use std::borrow::Cow;

use super::names::Vocabulary;
use super::refusal::{Reason, Refusal};

pub(super) use characters::{any, is_escaped_in_attributes, is_escaped_in_texts, is_space};
pub(super) use element::{Child, Children, Element, Name, Space, unexpected};

use parser::Parser;

/// What is being read, which decides the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// A protocol message from an unauthenticated sender.
    Message,
    /// A metadata document from an administrator: comments, a byte order mark and line breaks in
    /// attribute values are common there and harmless, since nothing in it is verified by octets.
    Metadata,
}

impl Profile {
    const fn octets_max(self) -> usize {
        match self {
            Self::Message => MESSAGE_OCTETS_MAX,
            Self::Metadata => METADATA_OCTETS_MAX,
        }
    }

    const fn elements_max(self) -> usize {
        match self {
            // 1,200 values of 256 attributes (`statement`), and what stands around them.
            Self::Message => 1_700,
            Self::Metadata => 40_000,
        }
    }

    /// Character references and entities: each costs far more than the octets it takes.
    const fn references_max(self) -> usize {
        match self {
            Self::Message => 10_000,
            Self::Metadata => 100_000,
        }
    }

    /// XML attributes and namespace declarations of all elements together.
    const fn attributes_max(self) -> usize {
        match self {
            // A type on every value, or two namespaces and a type on each of 600, and what all else has.
            Self::Message => 2_000,
            Self::Metadata => 160_000,
        }
    }
}

/// 150 groups make about 15 kB; nobody needs more than this.
pub(super) const MESSAGE_OCTETS_MAX: usize = 256 * 1024;
pub(super) const METADATA_OCTETS_MAX: usize = 2 * 1024 * 1024;
const DEPTH_MAX: usize = 40;
/// Attributes and namespace declarations of one element.
const ATTRIBUTES_MAX: usize = 32;
/// Namespace declarations in scope at one place: each use of a prefix looks through all of them.
const SCOPE_MAX: usize = 32;

/// A parsed document that passed the front: flat lists that refer to each other by their places, in document order.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// What was read, which the spans are of.
    text: &'a str,
    /// The root is the first of them, and all others stand below it.
    nodes: Vec<Node<'a>>,
    attributes: Vec<Attribute<'a>>,
    /// Every declaration; the first stands for no namespace, the second is that of `xml`.
    namespaces: Vec<Namespace<'a>>,
}

impl<'a> Tree<'a> {
    /// Reads octets under a profile.
    pub(super) fn parse(octets: &'a [u8], profile: Profile) -> Result<Self, Refusal> {
        if octets.len() > profile.octets_max() {
            return Err(Refusal::new(Reason::TooLarge)
                .expected(format!("at most {} octets", profile.octets_max()))
                .got(format!("{} octets", octets.len())));
        }
        let refused = || Refusal::new(Reason::EncodingForbidden).expected("UTF-8 without a byte order mark");
        let text = simdutf8::basic::from_utf8(octets).map_err(|_| refused())?;
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) if profile == Profile::Metadata => rest,
            Some(_) => return Err(refused()),
            None => text,
        };
        let found = characters::Found::look(text);
        if found.forbidden {
            return Err(refused());
        }
        Parser::new(text, found, profile).read()
    }

    pub(super) fn root(&self) -> Element<'_> {
        let root = match self.nodes.first() {
            Some(Node::Element(data)) => Some(Element::new(self, 0, data)),
            _ => None,
        };
        root.expect("the parser refuses a document without a root, and keeps nothing before it")
    }

    /// The elements around a place, outermost first.
    pub(super) fn ancestors(&self, place: usize) -> impl Iterator<Item = Element<'_>> {
        let before = self.nodes.iter().take(place).enumerate();
        before.filter_map(move |(at, node)| match node {
            Node::Element(data) if data.end > place => Some(Element::new(self, at, data)),
            _ => None,
        })
    }

    /// The octets of a span of this tree.
    pub(super) fn octets(&self, span: Span) -> &[u8] {
        self.text.as_bytes().get(span.from as usize..span.to as usize).unwrap_or_default()
    }

    fn namespace(&self, place: usize) -> &str {
        self.namespaces.get(place).map_or("", |namespace| &namespace.name)
    }

    fn vocabulary(&self, place: usize) -> Option<Vocabulary> {
        self.namespaces.get(place)?.vocabulary
    }
}

#[derive(Debug)]
enum Node<'a> {
    Element(Data<'a>),
    /// What it means, and its octets if they are its canonical form.
    Text(Cow<'a, str>, Option<Span>),
    /// Metadata only.
    Comment,
}

/// An element; places are those in the lists of the tree.
#[derive(Debug)]
struct Data<'a> {
    name: Qualified<'a>,
    namespace: usize,
    vocabulary: Option<Vocabulary>,
    attributes: (u32, u32),
    has_prefixed_attributes: bool,
    declarations: (u32, u32),
    /// The place behind all that stands in it.
    end: usize,
    /// Whether text that is more than white space stands among its children.
    has_text: bool,
    /// Where its tag begins.
    begin: u32,
    /// The octets of its tag, if they would be its canonical form where no namespace is to be declared.
    tag: Option<Span>,
    /// The octets of its end, if they are its canonical form.
    end_tag: Option<Span>,
}

#[derive(Debug)]
struct Attribute<'a> {
    name: Qualified<'a>,
    namespace: usize,
    value: Cow<'a, str>,
}

#[derive(Debug)]
struct Namespace<'a> {
    prefix: &'a str,
    name: Cow<'a, str>,
    vocabulary: Option<Vocabulary>,
}

/// Octets of the text, from one place to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    from: u32,
    to: u32,
}

impl Span {
    /// `None` beyond four gigabytes, which no document has.
    fn new(from: usize, to: usize) -> Option<Self> {
        Some(Self { from: u32::try_from(from).ok()?, to: u32::try_from(to).ok()? })
    }

    /// Both as one, if the other begins where this ends.
    pub(super) fn with(self, next: Self) -> Option<Self> {
        (self.to == next.from).then_some(Self { to: next.to, ..self })
    }
}

/// A name as it is written, and the part behind its prefix.
#[derive(Debug, Clone, Copy)]
struct Qualified<'a> {
    written: &'a str,
    local: &'a str,
}

impl<'a> Qualified<'a> {
    fn prefix(self) -> &'a str {
        let colon = self.written.len().checked_sub(self.local.len() + 1);
        colon.and_then(|at| self.written.get(..at)).unwrap_or("")
    }
}

/// Whether two prefixes, or two names, are the same: often there is little to compare, since there is no prefix, or both
/// are of one declaration.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || std::ptr::eq(one.as_ptr(), other.as_ptr()) || one == other)
}

#[cfg(test)]
mod tests;
