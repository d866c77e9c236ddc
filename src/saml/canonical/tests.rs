//! The canonical form of random trees, of any element and without any other, is what bergshamra says it is.

use bergshamra::c14n;
use bergshamra::xml::NodeSet;
use proptest::prelude::*;

use super::*;
use crate::saml::xml::Profile;

/// An element: how it is written, its prefix, its declarations, its attributes with their prefixes, and what stands in it.
#[derive(Debug, Clone)]
struct Node {
    style: Style,
    prefix: usize,
    declarations: Vec<usize>,
    attributes: Vec<(usize, Vec<char>)>,
    children: Vec<(Vec<char>, Self)>,
}

/// What canonical XML has in one way only. Plain texts have nothing that must be written otherwise.
#[derive(Debug, Clone, Copy)]
struct Style {
    quote: char,
    before_attributes: &'static str,
    around_equals: &'static str,
    before_end: &'static str,
    before_end_of_end: &'static str,
    is_sorted: bool,
    is_plain: bool,
}

/// Mostly as canonical XML has it, so that single differences are met.
fn style() -> impl Strategy<Value = Style> {
    let rarely = |other: &'static [&'static str], usual: &'static str| prop_oneof![9 => Just(usual), 1 => proptest::sample::select(other)];
    let quote = prop_oneof![4 => Just('"'), 1 => Just('\'')];
    let before_attributes = rarely(&["  ", "\n", "\t", " \n"], " ");
    let blank = || rarely(&[" ", "\n"], "");
    let flags = (proptest::bool::weighted(0.8), proptest::bool::weighted(0.8));
    (quote, before_attributes, (blank(), blank(), blank()), flags).prop_map(
        |(
            quote,
            before_attributes,
            (around_equals, before_end, before_end_of_end),
            (is_sorted, is_plain),
        )| Style {
            quote,
            before_attributes,
            around_equals,
            before_end,
            before_end_of_end,
            is_sorted,
            is_plain,
        },
    )
}

const PREFIXES: [&str; 4] = ["", "a", "b", "zz"];
const NAMESPACES: [&str; 3] = ["urn:one", "urn:two", "http://example.org/?x=1&y=2"];
const CHARACTERS: [char; 12] = ['a', ' ', '\t', '\n', '\r', '<', '>', '&', '"', '\'', 'é', '\u{1f642}'];

fn text() -> impl Strategy<Value = Vec<char>> {
    let plain = proptest::collection::vec(proptest::sample::select(vec!['a', ' ', '>', 'é']), 0..3);
    let odd = proptest::collection::vec(proptest::sample::select(CHARACTERS.to_vec()), 0..4);
    prop_oneof![3 => plain, 1 => odd]
}

fn node() -> impl Strategy<Value = Node> {
    let own = || {
        // Most elements declare nothing.
        let declared = prop_oneof![3 => Just(NAMESPACES.len()), 1 => 0..NAMESPACES.len()];
        let declarations = proptest::collection::vec(declared, PREFIXES.len());
        let attributes = proptest::collection::vec((0..PREFIXES.len(), text()), 0..4);
        (style(), 0..PREFIXES.len(), declarations, attributes)
    };
    let leaf = own().prop_map(|(style, prefix, declarations, attributes)| Node {
        style,
        prefix,
        declarations,
        attributes,
        children: Vec::new(),
    });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (own(), proptest::collection::vec((text(), inner), 0..4)).prop_map(
            |((style, prefix, declarations, attributes), children)| Node {
                style,
                prefix,
                declarations,
                attributes,
                children,
            },
        )
    })
}

/// Writes an element; a place past the last namespace means that the prefix is not declared here.
fn write(node: &Node, is_root: bool, out: &mut String) {
    let name = |prefix: usize, local: &str| match PREFIXES[prefix] {
        "" => local.to_owned(),
        prefix => format!("{prefix}:{local}"),
    };
    let Style { quote, before_attributes, around_equals, before_end, before_end_of_end, is_sorted, is_plain } =
        node.style;
    // What may stand as it is in either place, or all of it by its number.
    let escaped = |text: &[char]| {
        text.iter().fold(String::new(), |all, c| match c {
            'a' | ' ' | '>' | 'é' | '\u{1f642}' if is_plain => all + &c.to_string(),
            _ => all + "&#x" + &format!("{:x}", u32::from(*c)) + ";",
        })
    };
    let attribute = |name: &str, value: &str| {
        format!("{before_attributes}{name}{around_equals}={around_equals}{quote}{value}{quote}")
    };
    out.extend(["<", &name(node.prefix, "e")]);
    for (prefix, declared) in PREFIXES.iter().zip(&node.declarations) {
        // Every prefix means something from the root on.
        let namespace = NAMESPACES.get(*declared).or_else(|| is_root.then_some(&NAMESPACES[0]));
        if let Some(namespace) = namespace {
            let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            *out += &attribute(&name, &namespace.replace('&', "&amp;"));
        }
    }
    let mut attributes: Vec<_> = node.attributes.iter().enumerate().rev().collect();
    if is_sorted {
        // As canonical XML has them as long as all prefixes stand for one namespace.
        attributes.sort_by_key(|(place, (prefix, _))| (*prefix != 0, *place));
    }
    for (place, (prefix, value)) in attributes {
        *out += &attribute(&name(*prefix, &format!("a{place}")), &escaped(value));
    }
    out.extend([before_end, ">"]);
    for (before, child) in &node.children {
        *out += &escaped(before);
        write(child, false, out);
    }
    out.extend(["</", &name(node.prefix, "e"), before_end_of_end, ">"]);
}

/// The element of that number in document order, without the other: both by another parser.
fn by_bergshamra(text: &str, apex: usize, omitted: Option<usize>, list: &[&str]) -> Vec<u8> {
    let document = uppsala::parse(text).expect("XML");
    let root = document.document_element().expect("a root");
    let mut elements = vec![root];
    elements.extend(document.descendants(root).into_iter().filter(|id| document.element(*id).is_some()));
    let mut visible = NodeSet::new();
    let mut pending = vec![elements[apex]];
    while let Some(id) = pending.pop() {
        if omitted.is_none_or(|omitted| elements[omitted] != id) {
            visible.insert_id(id);
            pending.extend(document.children_iter(id));
        }
    }
    c14n::exclusive::canonicalize(&document, false, Some(&visible), list).expect("a canonical form")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_element_without_any_other_is_as_another_implementation_has_it(
        root in node(),
        (apex, omitted) in (prop_oneof![Just(0), 0..64_usize], 0..64_usize),
        list in proptest::sample::subsequence(vec!["#default", "a", "b", "zz", "unknown"], 0..4),
    ) {
        let mut text = String::new();
        write(&root, true, &mut text);
        let tree = Tree::parse(text.as_bytes(), Profile::Message).expect("within the profile");
        let elements: Vec<_> = tree.root().subtree().collect();
        let apex = apex % elements.len();
        let below = elements[apex].subtree().count() - 1;
        let omitted = (below > 0).then(|| apex + 1 + omitted % below);
        let ours = exclusive(&tree, elements[apex], omitted.map(|at| elements[at]), &list);
        let theirs = by_bergshamra(&text, apex, omitted, &list);
        prop_assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs), "{}", text);

        // Whether octets are the canonical form is said without making it once more.
        let whole = exclusive(&tree, tree.root(), None, &list);
        prop_assert!(is_exclusive(&tree, &list, &whole));
        let (less, mut more) = (&whole[..whole.len() - 1], whole.clone());
        more.push(b'>');
        prop_assert!(!is_exclusive(&tree, &list, less) && !is_exclusive(&tree, &list, &more));
    }
}

#[test]
fn what_is_declared_around_the_element_counts_only_where_it_is_used() {
    let text =
        "<a:r xmlns:a='urn:a' xmlns:b='urn:b' xmlns='urn:d'><b:e z='1' a:y='2' xmlns:c='urn:c'>x</b:e></a:r>";
    let tree = Tree::parse(text.as_bytes(), Profile::Message).expect("within the profile");
    let element = tree.root().subtree().nth(1).expect("the element");
    let check = |list: &[&str], expected: &str| {
        let octets = exclusive(&tree, element, None, list);
        assert_eq!(String::from_utf8_lossy(&octets), expected, "{list:?}");
    };
    check(&[], "<b:e xmlns:a=\"urn:a\" xmlns:b=\"urn:b\" z=\"1\" a:y=\"2\">x</b:e>");
    check(
        &["#default", "c"],
        "<b:e xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\" xmlns:c=\"urn:c\" z=\"1\" a:y=\"2\">x</b:e>",
    );
}

#[test]
fn what_is_written_otherwise_is_not_copied_as_it_stands() {
    const CANONICAL: &str = "<r><e a=\"1\" b=\"2\">x</e></r>";
    for text in [
        CANONICAL,
        "<r><e  a=\"1\" b=\"2\">x</e></r>",
        "<r><e\na=\"1\" b=\"2\">x</e></r>",
        "<r><e a=\"1\"\tb=\"2\">x</e></r>",
        "<r><e a =\"1\" b=\"2\">x</e></r>",
        "<r><e a= \"1\" b=\"2\">x</e></r>",
        "<r><e a='1' b=\"2\">x</e></r>",
        "<r><e b=\"2\" a=\"1\">x</e></r>",
        "<r><e a=\"1\" b=\"2\" >x</e></r>",
        "<r><e a=\"1\" b=\"&#50;\">x</e></r>",
        "<r><e a=\"1\" b=\"2\">&#120;</e></r>",
        "<r><e a=\"1\" b=\"2\">x</e ></r>",
        "<r><e a=\"1\" b=\"2\">x</e></r\n>",
        "<r><e xmlns:z=\"urn:z\" a=\"1\" b=\"2\">x</e></r>",
    ] {
        let tree = Tree::parse(text.as_bytes(), Profile::Message).expect("within the profile");
        let octets = exclusive(&tree, tree.root(), None, &[]);
        assert_eq!(String::from_utf8_lossy(&octets), CANONICAL, "{text}");
        assert_eq!(is_exclusive(&tree, &[], text.as_bytes()), text == CANONICAL, "{text}");
    }
    let tree = Tree::parse(b"<r><e/>></r>", Profile::Message).expect("within the profile");
    assert_eq!(exclusive(&tree, tree.root(), None, &[]), b"<r><e></e>&gt;</r>");
}
