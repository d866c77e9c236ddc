//! The strict XML front: octets to a bounded tree, and the only ways to read it.
//!
//! Separate because messages, metadata and later decrypted assertions must all pass the same door,
//! and because everything that XML can do beyond elements, attributes and text is refused here.
//!
//! Rules: no DOCTYPE, entities, processing instructions or CDATA anywhere, no comments in messages;
//! UTF-8 only; bounded octets, depth, elements and attributes, all counted before the parser runs;
//! names are compared by namespace and local name, never by prefix; unknown children and
//! attributes are errors of the reader, not ignored.

use uppsala::{Document, NodeId, NodeKind, Parser};

use super::refusal::{Reason, Refusal};

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
            // 2,000 values of 256 attributes (`statement`), and what stands around them.
            Self::Message => 3_000,
            Self::Metadata => 40_000,
        }
    }

    /// Character references and entities: each costs the parser far more than the octets it takes.
    const fn references_max(self) -> usize {
        match self {
            Self::Message => 10_000,
            Self::Metadata => 100_000,
        }
    }

    /// XML attributes and namespace declarations of all elements together.
    const fn attributes_max(self) -> usize {
        match self {
            // Some declare two namespaces and a type on every value.
            Self::Message => 8_000,
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

/// A parsed document that passed the front.
pub(super) struct Tree<'a> {
    document: Document<'a>,
    root: NodeId,
}

impl<'a> Tree<'a> {
    /// Reads octets under a profile.
    pub(super) fn parse(octets: &'a [u8], profile: Profile) -> Result<Self, Refusal> {
        if octets.len() > profile.octets_max() {
            return Err(Refusal::new(Reason::TooLarge)
                .expected(format!("at most {} octets", profile.octets_max()))
                .got(format!("{} octets", octets.len())));
        }
        let text = decode(octets, profile)?;
        let references = text.bytes().filter(|byte| *byte == b'&').count();
        if references > profile.references_max() {
            return Err(Refusal::new(Reason::TooComplex)
                .expected(format!("at most {} references", profile.references_max())));
        }
        scan(text, profile)?;
        let document = Parser::new()
            .with_forbid_dtd(true)
            .with_forbid_entities(true)
            .with_max_entity_expansion(0)
            .with_max_depth(u32::try_from(DEPTH_MAX).unwrap_or(u32::MAX))
            .parse(text)
            .map_err(|error| Refusal::new(Reason::XmlMalformed).got(error.to_string()))?;
        check_declaration(&document)?;
        let root = document.document_element().ok_or_else(|| Refusal::new(Reason::XmlMalformed))?;
        let tree = Self { document, root };
        tree.check_nodes(profile, references > 0)?;
        Ok(tree)
    }

    pub(super) fn root(&self) -> Element<'_> {
        Element { tree: &self.document, id: self.root }
    }

    pub(super) const fn document(&self) -> &Document<'a> {
        &self.document
    }

    /// What the scanner cannot see: namespace names, and the characters that references stand for.
    fn check_nodes(&self, profile: Profile, has_references: bool) -> Result<(), Refusal> {
        for id in self.document.descendants(self.document.root()) {
            match self.document.node_kind(id) {
                Some(NodeKind::Element(element)) => {
                    let declarations = &element.namespace_declarations;
                    if profile == Profile::Message
                        && let Some((prefix, name)) =
                            declarations.iter().find(|(prefix, name)| prefix == "xml" || !is_absolute(name))
                    {
                        return Err(Refusal::new(Reason::NamespaceForbidden)
                            .expected("absolute namespace names")
                            .got(format!("xmlns:{prefix}={name}")));
                    }
                    if has_references && element.attributes.iter().any(|a| !is_xml_text(&a.value)) {
                        return Err(Refusal::new(Reason::EncodingForbidden));
                    }
                }
                Some(NodeKind::Text(text)) => {
                    if has_references && !is_xml_text(text) {
                        return Err(Refusal::new(Reason::EncodingForbidden));
                    }
                }
                Some(NodeKind::Document) => {}
                Some(NodeKind::Comment(_)) if profile == Profile::Metadata => {}
                _ => return Err(Refusal::new(Reason::XmlMalformed)),
            }
        }
        Ok(())
    }
}

/// An element of a [`Tree`].
#[derive(Clone, Copy)]
pub(super) struct Element<'t> {
    tree: &'t Document<'t>,
    id: NodeId,
}

impl<'t> Element<'t> {
    pub(super) const fn id(self) -> NodeId {
        self.id
    }

    fn data(self) -> Option<&'t uppsala::Element<'t>> {
        self.tree.element(self.id)
    }

    pub(super) fn local(self) -> &'t str {
        self.data().map_or("", |data| &data.name.local_name)
    }

    pub(super) fn namespace(self) -> &'t str {
        self.data().and_then(|data| data.name.namespace_uri.as_deref()).unwrap_or("")
    }

    pub(super) fn is(self, name: Name) -> bool {
        self.local() == name.local && self.namespace() == name.namespace
    }

    /// The attribute of that name in no namespace.
    pub(super) fn attribute(self, local: &str) -> Option<&'t str> {
        self.attributes()
            .find(|(namespace, name, _)| namespace.is_empty() && *name == local)
            .map(|(_, _, value)| value)
    }

    pub(super) fn required_attribute(self, local: &str) -> Result<&'t str, Refusal> {
        self.attribute(local).ok_or_else(|| {
            Refusal::new(Reason::MissingAttribute).expected(format!("{}/@{local}", self.local()))
        })
    }

    /// All attributes as (namespace, local name, value), without namespace declarations.
    pub(super) fn attributes(self) -> impl Iterator<Item = (&'t str, &'t str, &'t str)> {
        self.data().into_iter().flat_map(|data| {
            data.attributes.iter().map(|attribute| {
                (
                    attribute.name.namespace_uri.as_deref().unwrap_or(""),
                    &*attribute.name.local_name,
                    &*attribute.value,
                )
            })
        })
    }

    /// Refuses every attribute that is not in the list.
    pub(super) fn allow_attributes(self, allowed: &[&str]) -> Result<(), Refusal> {
        match self
            .attributes()
            .find(|(namespace, local, _)| !namespace.is_empty() || !allowed.contains(local))
        {
            None => Ok(()),
            Some((_, local, _)) => {
                Err(Refusal::new(Reason::UnexpectedAttribute).got(format!("{}/@{local}", self.local())))
            }
        }
    }

    /// The child elements; text between them must be white space.
    pub(super) fn children(self) -> Result<Children<'t>, Refusal> {
        let mut elements = Vec::new();
        for id in self.tree.children_iter(self.id) {
            match self.tree.node_kind(id) {
                Some(NodeKind::Element(_)) => elements.push(Self { id, ..self }),
                Some(NodeKind::Text(text)) if text.bytes().all(is_space) => {}
                Some(NodeKind::Comment(_)) => {}
                _ => {
                    return Err(Refusal::new(Reason::UnexpectedText)
                        .expected(format!("only elements in {}", self.local())));
                }
            }
        }
        Ok(Children { parent: self, rest: elements.into_iter().peekable() })
    }

    pub(super) fn no_children(self) -> Result<(), Refusal> {
        self.children()?.finish()
    }

    /// The text of an element that holds one text node, or nothing at all.
    pub(super) fn text(self) -> Result<&'t str, Refusal> {
        let mut nodes = self.tree.children_iter(self.id);
        let text = match nodes.next().map(|id| self.tree.node_kind(id)) {
            None => "",
            Some(Some(NodeKind::Text(text))) => text,
            Some(_) => return Err(self.not_text()),
        };
        if nodes.next().is_some() {
            return Err(self.not_text());
        }
        Ok(text)
    }

    fn not_text(self) -> Refusal {
        Refusal::new(Reason::UnexpectedText).expected(format!("only text in {}", self.local()))
    }

    /// This element and all below it, in document order.
    pub(super) fn subtree(self) -> impl Iterator<Item = Self> {
        std::iter::once(self.id)
            .chain(self.tree.descendants(self.id))
            .filter(move |id| self.tree.element(*id).is_some())
            .map(move |id| Self { id, ..self })
    }
}

/// A namespace-exact name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) namespace: &'static str,
    pub(super) local: &'static str,
}

/// The child elements of one element, taken in the order the schema gives them.
pub(super) struct Children<'t> {
    parent: Element<'t>,
    rest: std::iter::Peekable<std::vec::IntoIter<Element<'t>>>,
}

impl<'t> Children<'t> {
    /// The next child if it has this name.
    pub(super) fn take(&mut self, name: Name) -> Option<Element<'t>> {
        self.rest.next_if(|element| element.is(name))
    }

    /// The next child, which must have this name.
    pub(super) fn require(&mut self, name: Name) -> Result<Element<'t>, Refusal> {
        self.take(name).ok_or_else(|| {
            let refusal = Refusal::new(Reason::MissingElement).expected(format!(
                "{} in {}",
                name.local,
                self.parent.local()
            ));
            match self.rest.peek() {
                Some(next) => refusal.got(next.local()),
                None => refusal,
            }
        })
    }

    /// Whatever comes next.
    pub(super) fn next(&mut self) -> Option<Element<'t>> {
        self.rest.next()
    }

    /// Refuses what is left.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        match self.rest.next() {
            None => Ok(()),
            Some(element) => Err(unexpected(element, self.parent)),
        }
    }
}

/// The refusal of an element at this place.
pub(super) fn unexpected(element: Element<'_>, parent: Element<'_>) -> Refusal {
    Refusal::new(Reason::UnexpectedElement).got(format!("{} in {}", element.local(), parent.local()))
}

fn decode(octets: &[u8], profile: Profile) -> Result<&str, Refusal> {
    let refused = || Refusal::new(Reason::EncodingForbidden).expected("UTF-8 without a byte order mark");
    let text = std::str::from_utf8(octets).map_err(|_| refused())?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) if profile == Profile::Metadata => rest,
        Some(_) => return Err(refused()),
        None => text,
    };
    if is_xml_text(text) { Ok(text) } else { Err(refused()) }
}

/// One pass over the text before any tree exists: refuses markup that is never needed and counts
/// the rest, so that the parser only sees bounded input (SAML-ATTACKS B2, B11, B13, G3).
fn scan(text: &str, profile: Profile) -> Result<(), Refusal> {
    let mut rest = skip_declaration(text);
    let mut counted = Counted::default();
    while let Some((_, markup)) = rest.split_once('<') {
        if let Some(comment) = markup.strip_prefix("!--") {
            if profile == Profile::Message {
                return Err(Refusal::new(Reason::CommentForbidden));
            }
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        if markup.starts_with("![CDATA[") {
            return Err(Refusal::new(Reason::CdataForbidden));
        }
        if markup.starts_with('!') {
            return Err(Refusal::new(Reason::DoctypeForbidden));
        }
        if markup.starts_with('?') {
            return Err(Refusal::new(Reason::ProcessingInstructionForbidden));
        }
        let tag = scan_tag(markup, profile)?;
        if markup.starts_with('/') {
            if tag.attributes > 0 {
                return Err(Refusal::new(Reason::XmlMalformed).got("attributes where an element ends"));
            }
            counted.close();
        } else {
            counted.open(&tag, profile)?;
        }
        rest = tag.after;
    }
    Ok(())
}

/// What has been seen so far.
#[derive(Default)]
struct Counted {
    elements: usize,
    attributes: usize,
    /// The namespace declarations of each element that is open.
    declared: Vec<usize>,
    in_scope: usize,
}

impl Counted {
    fn open(&mut self, tag: &Tag<'_>, profile: Profile) -> Result<(), Refusal> {
        self.elements += 1;
        self.attributes += tag.attributes;
        self.declared.push(tag.declarations);
        self.in_scope += tag.declarations;
        let too_complex = |expected: String| Err(Refusal::new(Reason::TooComplex).expected(expected));
        if self.declared.len() > DEPTH_MAX || self.elements > profile.elements_max() {
            let most = profile.elements_max();
            return too_complex(format!("at most {DEPTH_MAX} levels and {most} elements"));
        }
        if tag.attributes > ATTRIBUTES_MAX || self.attributes > profile.attributes_max() {
            let most = profile.attributes_max();
            return too_complex(format!("at most {ATTRIBUTES_MAX} attributes, and {most} of all elements"));
        }
        if self.in_scope > SCOPE_MAX {
            return too_complex(format!("at most {SCOPE_MAX} namespace declarations in scope"));
        }
        if tag.closed {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        self.in_scope -= self.declared.pop().unwrap_or(0);
    }
}

struct Tag<'a> {
    after: &'a str,
    closed: bool,
    attributes: usize,
    declarations: usize,
}

fn scan_tag(markup: &str, profile: Profile) -> Result<Tag<'_>, Refusal> {
    let octets = markup.as_bytes();
    let (mut attributes, mut declarations) = (0_usize, 0_usize);
    let mut at = 0;
    loop {
        // Outside of quotes: names and what separates them.
        let outside = octets.get(at..).unwrap_or_default();
        let Some(length) = outside.iter().position(|byte| matches!(byte, b'"' | b'\'' | b'>')) else {
            return Err(Refusal::new(Reason::XmlMalformed).got("a tag that does not end"));
        };
        let (before, from) = outside.split_at(length);
        let signs = before.split(|byte| *byte == b'=').count() - 1;
        attributes += signs;
        // The first of them stands behind the name of the element.
        let name = before.rsplit(|byte| is_space(*byte)).find(|word| !matches!(*word, b"" | b"="));
        declarations += usize::from(signs > 0 && name.is_some_and(|name| name.starts_with(b"xmlns")));
        at += length + 1;
        let Some(quote) = from.first().filter(|byte| **byte != b'>') else {
            let closed = at >= 2 && octets.get(at - 2) == Some(&b'/');
            let after = markup.get(at..).unwrap_or("");
            return Ok(Tag { after, closed, attributes, declarations });
        };
        if attributes > ATTRIBUTES_MAX {
            // Whoever opens the element says so; what follows need not be looked at.
            return Ok(Tag { after: "", closed: false, attributes, declarations });
        }
        let value = octets.get(at..).unwrap_or_default();
        let Some(length) = value.iter().position(|byte| byte == quote) else {
            return Err(Refusal::new(Reason::XmlMalformed).got("a tag that does not end"));
        };
        let value = value.get(..length).unwrap_or_default();
        if profile == Profile::Message && value.iter().any(|byte| matches!(byte, b'\t' | b'\n' | b'\r')) {
            // The parser does not normalise these to a space, so the canonical form would
            // differ from the signer's; nobody sends them.
            return Err(Refusal::new(Reason::EncodingForbidden).got("a line break in an attribute value"));
        }
        if value.contains(&b'<') {
            return Err(Refusal::new(Reason::XmlMalformed));
        }
        at += length + 1;
    }
}

fn skip_declaration(text: &str) -> &str {
    match text.strip_prefix("<?xml") {
        Some(rest) if rest.bytes().next().is_some_and(is_space) => {
            rest.split_once("?>").map_or(text, |(_, after)| after)
        }
        _ => text,
    }
}

fn check_declaration(document: &Document<'_>) -> Result<(), Refusal> {
    let Some(declaration) = &document.xml_declaration else {
        return Ok(());
    };
    let encoding = declaration.encoding.as_deref().unwrap_or("UTF-8");
    if declaration.version == "1.0" && encoding.eq_ignore_ascii_case("UTF-8") {
        Ok(())
    } else {
        Err(Refusal::new(Reason::EncodingForbidden)
            .expected("XML 1.0 in UTF-8")
            .got(format!("XML {} in {encoding}", declaration.version)))
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// XML 1.0 section 2.2, production Char; a `str` holds no surrogates.
fn is_xml_text(text: &str) -> bool {
    // Without an early end, so that many octets are looked at in one step.
    let control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    let controls = text.bytes().fold(false, |found, byte| found | control(byte));
    !controls && !text.contains('\u{fffe}') && !text.contains('\u{ffff}')
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
