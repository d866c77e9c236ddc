//! Reading a [`Tree`]: elements, their attributes, and their children in the order of a schema.
//!
//! Separate because this is all that the readers of messages see of it.

use super::{Attribute, Data, Node, Qualified, Span, Tree};
use crate::saml::names::Vocabulary;
use crate::saml::refusal::{Reason, Refusal};

/// An element of a [`Tree`].
#[derive(Clone, Copy)]
pub(in crate::saml) struct Element<'t> {
    tree: &'t Tree<'t>,
    place: usize,
    data: &'t Data<'t>,
}

/// What stands in an element.
pub(in crate::saml) enum Child<'t> {
    Element(Element<'t>),
    /// What it means, and its octets if they are its canonical form.
    Text(&'t str, Option<Span>),
    Comment,
}

impl<'t> Element<'t> {
    pub(super) const fn new(tree: &'t Tree<'t>, place: usize, data: &'t Data<'t>) -> Self {
        Self { tree, place, data }
    }

    /// Where it stands in the tree: no two elements of it have the same place.
    pub(in crate::saml) const fn place(self) -> usize {
        self.place
    }

    pub(in crate::saml) const fn local(self) -> &'t str {
        self.data.name.local
    }

    pub(in crate::saml) fn namespace(self) -> &'t str {
        self.tree.namespace(self.data.namespace)
    }

    /// The vocabulary of its namespace; `None` if it is none of those that are read.
    pub(in crate::saml) const fn vocabulary(self) -> Option<Vocabulary> {
        self.data.vocabulary
    }

    pub(in crate::saml) fn is(self, name: Name) -> bool {
        self.vocabulary() == Some(name.vocabulary) && self.local() == name.local
    }

    /// The attribute of that name in no namespace.
    pub(in crate::saml) fn attribute(self, local: &str) -> Option<&'t str> {
        let all = self.written_attributes().iter();
        all.filter(|attribute| attribute.name.written == local).map(|attribute| &*attribute.value).next()
    }

    pub(in crate::saml) fn required_attribute(self, local: &str) -> Result<&'t str, Refusal> {
        self.attribute(local).ok_or_else(|| {
            Refusal::new(Reason::MissingAttribute).expected(format!("{}/@{local}", self.local()))
        })
    }

    /// All attributes as (namespace, local name, value), without namespace declarations.
    pub(in crate::saml) fn attributes(self) -> impl Iterator<Item = (Space, &'t str, &'t str)> {
        self.written_attributes().iter().map(move |attribute| {
            let space = match attribute.namespace {
                NONE => Space::None,
                place => self.tree.vocabulary(place).map_or(Space::Foreign, Space::Of),
            };
            (space, attribute.name.local, &*attribute.value)
        })
    }

    /// Refuses every attribute that is not in the list.
    pub(in crate::saml) fn allow_attributes(self, allowed: &[&str]) -> Result<(), Refusal> {
        match self.written_attributes().iter().find(|attribute| !allowed.contains(&attribute.name.written)) {
            None => Ok(()),
            Some(Attribute { name, .. }) => Err(Refusal::new(Reason::UnexpectedAttribute).got(format!(
                "{}/@{}",
                self.local(),
                name.local
            ))),
        }
    }

    /// The child elements; text between them must be white space.
    pub(in crate::saml) fn children(self) -> Result<Children<'t>, Refusal> {
        if self.data.has_text {
            return Err(
                Refusal::new(Reason::UnexpectedText).expected(format!("only elements in {}", self.local()))
            );
        }
        Ok(Children { parent: self, next: self.place + 1 })
    }

    pub(in crate::saml) fn no_children(self) -> Result<(), Refusal> {
        self.children()?.finish()
    }

    /// The text of an element that holds one text node, or nothing at all.
    pub(in crate::saml) fn text(self) -> Result<&'t str, Refusal> {
        let mut content = self.content();
        match (content.next(), content.next()) {
            (None, _) => Ok(""),
            (Some(Child::Text(text, _)), None) => Ok(text),
            _ => Err(Refusal::new(Reason::UnexpectedText).expected(format!("only text in {}", self.local()))),
        }
    }

    /// This element and all below it, in document order.
    pub(in crate::saml) fn subtree(self) -> impl Iterator<Item = Self> {
        let nodes = self.tree.nodes.get(self.place..self.data.end).unwrap_or_default();
        (self.place..).zip(nodes).filter_map(move |(place, node)| match node {
            Node::Element(data) => Some(Self { place, data, ..self }),
            Node::Text(..) | Node::Comment => None,
        })
    }

    /// What stands in it, in its order.
    pub(in crate::saml) fn content(self) -> impl Iterator<Item = Child<'t>> {
        let mut place = self.place + 1;
        std::iter::from_fn(move || {
            let child = self.child(place)?;
            place = match &child {
                Child::Element(element) => element.data.end,
                Child::Text(..) | Child::Comment => place + 1,
            };
            Some(child)
        })
    }

    fn child(self, place: usize) -> Option<Child<'t>> {
        if place >= self.data.end {
            return None;
        }
        Some(match self.tree.nodes.get(place)? {
            Node::Element(data) => Child::Element(Self { place, data, ..self }),
            Node::Text(text, span) => Child::Text(text, *span),
            Node::Comment => Child::Comment,
        })
    }

    /// The name as it is written.
    pub(in crate::saml) const fn written(self) -> &'t str {
        self.data.name.written
    }

    /// The octets of its tag, if they would be its canonical form where no namespace is to be declared.
    pub(in crate::saml) const fn tag(self) -> Option<Span> {
        self.data.tag
    }

    /// The octets of its end, if they are its canonical form.
    pub(in crate::saml) const fn end_tag(self) -> Option<Span> {
        self.data.end_tag
    }

    /// About how many octets it takes with all that is in it, if its tags tell.
    pub(in crate::saml) fn octets(self) -> Option<usize> {
        let (from, to) = (self.data.begin, self.data.end_tag?.to);
        Some(to.saturating_sub(from) as usize)
    }

    /// The prefixes declared here with their namespaces; the empty prefix is the default.
    pub(in crate::saml) fn declarations(self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let declared = within(&self.tree.namespaces, self.data.declarations);
        declared.iter().map(|namespace| (namespace.prefix, &*namespace.name))
    }

    /// The prefix of its name; the empty one is the default.
    pub(in crate::saml) fn prefix(self) -> &'t str {
        self.data.name.prefix()
    }

    pub(in crate::saml) const fn has_prefixed_attributes(self) -> bool {
        self.data.has_prefixed_attributes
    }

    /// Whether both names stand in a namespace by the same declaration.
    pub(in crate::saml) const fn is_declared_with(self, other: Self) -> bool {
        self.data.namespace == other.data.namespace
    }

    /// The prefixes that the names of the element and its attributes begin with, and what they stand for.
    pub(in crate::saml) fn used_prefixes(self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let of = move |name: Qualified<'t>, place| (name.prefix(), self.tree.namespace(place));
        let prefixed = self.written_attributes().iter().filter(|attribute| attribute.namespace != NONE);
        std::iter::once(of(self.data.name, self.data.namespace))
            .chain(prefixed.map(move |attribute| of(attribute.name, attribute.namespace)))
    }

    /// The attributes as (namespace, local name) with their names as they are written and their values.
    pub(in crate::saml) fn qualified_attributes(
        self,
    ) -> impl Iterator<Item = ((&'t str, &'t str), &'t str, &'t str)> {
        self.written_attributes().iter().map(move |attribute| {
            let key = (self.tree.namespace(attribute.namespace), attribute.name.local);
            (key, attribute.name.written, &*attribute.value)
        })
    }

    fn written_attributes(self) -> &'t [Attribute<'t>] {
        within(&self.tree.attributes, self.data.attributes)
    }
}

/// The part of a list from one place to before another.
fn within<T>(list: &[T], (from, to): (u32, u32)) -> &[T] {
    list.get(from as usize..to as usize).unwrap_or_default()
}

/// The place of no namespace among those of a tree.
pub(super) const NONE: usize = 0;

/// A namespace-exact name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::saml) struct Name {
    pub(in crate::saml) vocabulary: Vocabulary,
    pub(in crate::saml) local: &'static str,
}

/// Where the name of an attribute belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::saml) enum Space {
    /// To no namespace: it is the element's own.
    None,
    Of(Vocabulary),
    Foreign,
}

/// The child elements of one element, taken in the order the schema gives them.
pub(in crate::saml) struct Children<'t> {
    parent: Element<'t>,
    next: usize,
}

impl<'t> Children<'t> {
    /// The next child if it has this name.
    pub(in crate::saml) fn take(&mut self, name: Name) -> Option<Element<'t>> {
        let element = self.peek().filter(|element| element.is(name))?;
        self.next = element.data.end;
        Some(element)
    }

    /// The next child, which must have this name.
    pub(in crate::saml) fn require(&mut self, name: Name) -> Result<Element<'t>, Refusal> {
        self.take(name).ok_or_else(|| {
            let refusal = Refusal::new(Reason::MissingElement).expected(format!(
                "{} in {}",
                name.local,
                self.parent.local()
            ));
            match self.peek() {
                Some(next) => refusal.got(next.local()),
                None => refusal,
            }
        })
    }

    /// Whatever comes next.
    pub(in crate::saml) fn next(&mut self) -> Option<Element<'t>> {
        let element = self.peek()?;
        self.next = element.data.end;
        Some(element)
    }

    /// Refuses what is left.
    pub(in crate::saml) fn finish(self) -> Result<(), Refusal> {
        match self.peek() {
            None => Ok(()),
            Some(element) => Err(unexpected(element, self.parent)),
        }
    }

    fn peek(&self) -> Option<Element<'t>> {
        let mut place = self.next;
        loop {
            match self.parent.child(place)? {
                Child::Element(element) => return Some(element),
                Child::Text(..) | Child::Comment => place += 1,
            }
        }
    }
}

/// The refusal of an element at this place.
pub(in crate::saml) fn unexpected(element: Element<'_>, parent: Element<'_>) -> Refusal {
    Refusal::new(Reason::UnexpectedElement).got(format!("{} in {}", element.local(), parent.local()))
}
