//! What the parser accepts, what it makes of it, and that another parser makes the same of it.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A tree as text: names with their namespaces, attributes in their order, texts as they are meant.
fn shown(element: Element<'_>, into: &mut String) {
    write!(into, "{{{}}}{}", element.namespace(), element.written()).expect("memory");
    for ((namespace, local), _, value) in element.qualified_attributes() {
        write!(into, " {{{namespace}}}{local}={value:?}").expect("memory");
    }
    *into += "[";
    for child in element.content() {
        match child {
            Child::Element(child) => shown(child, into),
            Child::Text(text, _) => write!(into, "{text:?}").expect("memory"),
            Child::Comment => *into += "-",
        }
    }
    *into += "]";
}

fn read(text: &str, profile: Profile) -> Result<String, Reason> {
    let tree = Tree::parse(text.as_bytes(), profile).map_err(|refusal| refusal.reason())?;
    let mut all = String::new();
    shown(tree.root(), &mut all);
    Ok(all)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(read(text, Profile::Message).as_deref(), Ok(expected), "{text}");
}

#[track_caller]
fn refuses(text: &str, reason: Reason) {
    assert_eq!(read(text, Profile::Message), Err(reason), "{text}");
}

#[test]
fn elements_attributes_and_texts_are_read_as_they_are_meant() {
    check("<a/>", "{}a[]");
    check("<a></a >\n", "{}a[]");
    check(" \n<a b='1' c = \"2\"\n/>", "{}a {}b=\"1\" {}c=\"2\"[]");
    check("<?xml version='1.0'?><a>x<b/>y</a>", "{}a[\"x\"{}b[]\"y\"]");
    check("<?xml version=\"1.0\" encoding=\"utf-8\" standalone='no' ?>\n<a/>", "{}a[]");
    check("<a b='\"&quot;&apos;>]]>'>'\"></a>", "{}a {}b=\"\\\"\\\"'>]]>\"[\"'\\\">\"]");
    check("<a>&lt;&amp;&gt;&#65;&#x4a;&#0000000066;</a>", "{}a[\"<&>AJB\"]");
    check("<a b='&#9;&#10;&#13;'>1\r\n2\r3&#13;\n4</a>", "{}a {}b=\"\\t\\n\\r\"[\"1\\n2\\n3\\r\\n4\"]");
    check("<é ö·='ü'>\u{1f642}</é>", "{}é {}ö·=\"ü\"[\"\u{1f642}\"]");
    check("<a.-_1/>", "{}a.-_1[]");
}

#[test]
fn a_prefix_stands_for_what_is_declared_nearest() {
    check("<a xmlns='u:d' b=''/>", "{u:d}a {}b=\"\"[]");
    check(
        "<p:a xmlns:p='u:1' p:b=''><p:c xmlns:p='u:2' p:d=''/><p:e/></p:a>",
        "{u:1}p:a {u:1}b=\"\"[{u:2}p:c {u:2}d=\"\"[]{u:1}p:e[]]",
    );
    check("<a p:b='' b='' xmlns:p='u:1'/>", "{}a {u:1}b=\"\" {}b=\"\"[]");
    check("<a xmlns:p='u:x&amp;y'><p:b/></a>", "{}a[{u:x&y}p:b[]]");
    check("<a xml:lang='de'/>", "{}a {http://www.w3.org/XML/1998/namespace}lang=\"de\"[]");
    let undeclared = read("<a xmlns='u:d'><b xmlns=''/></a>", Profile::Metadata);
    assert_eq!(undeclared.as_deref(), Ok("{u:d}a[{}b[]]"));
    // Behind the element that declares it, a prefix stands for nothing.
    refuses("<a><p:b xmlns:p='u:1'/><p:c/></a>", Reason::XmlMalformed);
    refuses("<a><p:b xmlns:p='u:1'></p:b><p:c/></a>", Reason::XmlMalformed);
}

const MALFORMED: &[&str] = &[
    "",
    " ",
    "x",
    "<",
    "<a",
    "<a>",
    "<a ",
    "<a b",
    "<a b=",
    "<a b='",
    "<a b='c'",
    "<a/",
    "</a>",
    "<a/><a/>",
    "<a/>x",
    "x<a/>",
    "<a/>&#32;",
    "<a></b>",
    "<a></ab>",
    "<ab></a>",
    "<a><b></a></b>",
    "<a/ >",
    "<a></ a>",
    "< a/>",
    "<a></a b=''>",
    "<a></a/>",
    "<a b=c/>",
    "<a b/>",
    "<a b='c\"/>",
    "<a b='c'd='e'/>",
    "<a b='<'/>",
    "<a =''/>",
    "<a b='' b=''/>",
    "<a 'b'/>",
    "<a,b/>",
    "<a>]]></a>",
    "<1/>",
    "<-a/>",
    "<.a/>",
    "<a 1=''/>",
    "<·/>",
    "<a\u{d7}/>",
    "<a \u{2192}=''/>",
    "<:a/>",
    "<a:/>",
    "<a:b:c xmlns:a='u:1'/>",
    "<a:1 xmlns:a='u:1'/>",
    "<1:a xmlns:1='u:1'/>",
    "<a :b=''/>",
    "<a b:=''/>",
    "<p:a/>",
    "<a p:b=''/>",
    "<xmlns:a/>",
    "<a xmlns:p='u:1' xmlns:q='u:1' p:b='' q:b=''/>",
    "<a xmlns='u:1' xmlns='u:1'/>",
    "<a xmlns:p='u:1' xmlns:p='u:1'/>",
    "<a xmlns:='u:1'/>",
    "<a xmlns:xmlns='u:1'/>",
    "<a xmlns:xml='u:1'/>",
    "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
    "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
    "<a xmlns:p=''/>",
    "<a>&</a>",
    "<a>&amp</a>",
    "<a>&;</a>",
    "<a>&x;</a>",
    "<a>&AMP;</a>",
    "<a>& amp;</a>",
    "<a>&#;</a>",
    "<a>&#x;</a>",
    "<a>&#X41;</a>",
    "<a>&#+65;</a>",
    "<a>&#x+41;</a>",
    "<a>&#-1;</a>",
    "<a>&#6 5;</a>",
    "<a>&#0;</a>",
    "<a>&#8;</a>",
    "<a>&#xd800;</a>",
    "<a>&#xfffe;</a>",
    "<a>&#xffff;</a>",
    "<a>&#x110000;</a>",
    "<a>&#4294967361;</a>",
    "<a b='&x;'/>",
    "<a b='&'/>",
    "<a>&#65</a>;",
    "<?xml?><a/>",
    "<?xml ?><a/>",
    "<?xml version='1.0' x=''?><a/>",
    "<?xml version='1.0'encoding='UTF-8'?><a/>",
    "<?xml encoding='UTF-8' version='1.0'?><a/>",
    "<?xml version='1.0' standalone='maybe'?><a/>",
    "<?xml version='1.0'><a/>",
    "<?xml version=1.0?><a/>",
    "<?xml encoding='UTF-8'?><a/>",
];

#[test]
fn what_is_not_well_formed_is_refused() {
    for text in MALFORMED {
        let reason = read(text, Profile::Message).expect_err(text);
        let forms = [Reason::XmlMalformed, Reason::ProcessingInstructionForbidden];
        assert!(forms.contains(&reason), "{text}: {reason:?}");
        assert!(read(text, Profile::Metadata).is_err(), "{text}");
    }
    for control in ["<a></a>", "<a b='c' d='e'/>", "<a:b xmlns:a='u:1'/>", "<a>&#65;</a>"] {
        assert!(read(control, Profile::Message).is_ok(), "{control}");
    }
}

#[test]
fn what_a_message_never_needs_is_refused_by_name() {
    for (text, reason) in [
        ("<!DOCTYPE a><a/>", Reason::DoctypeForbidden),
        ("<a><!ENTITY b 'c'></a>", Reason::DoctypeForbidden),
        ("<a><![CDATA[b]]></a>", Reason::CdataForbidden),
        ("<a><?b c?></a>", Reason::ProcessingInstructionForbidden),
        ("<?xml-stylesheet href='b'?><a/>", Reason::ProcessingInstructionForbidden),
        (" <?xml version='1.0'?><a/>", Reason::ProcessingInstructionForbidden),
        ("<a/><!-- b -->", Reason::CommentForbidden),
        ("<a><!-- b --></a>", Reason::CommentForbidden),
        ("\u{feff}<a/>", Reason::EncodingForbidden),
        ("<?xml version='1.1'?><a/>", Reason::EncodingForbidden),
        ("<?xml version='1.0' encoding='latin1'?><a/>", Reason::EncodingForbidden),
        ("<a>\u{0}</a>", Reason::EncodingForbidden),
        ("<a>\u{1f}</a>", Reason::EncodingForbidden),
        ("<a b='\u{8}'/>", Reason::EncodingForbidden),
        ("<a>\u{fffe}</a>", Reason::EncodingForbidden),
        ("<a>\u{ffff}</a>", Reason::EncodingForbidden),
        ("<a b='\t'/>", Reason::EncodingForbidden),
        ("<a b='\n'/>", Reason::EncodingForbidden),
        ("<a b='\r'/>", Reason::EncodingForbidden),
        ("<a xmlns='b'/>", Reason::NamespaceForbidden),
        ("<a xmlns=''/>", Reason::NamespaceForbidden),
        ("<a xmlns:b='../c'/>", Reason::NamespaceForbidden),
        ("<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", Reason::NamespaceForbidden),
    ] {
        refuses(text, reason);
    }
    assert!(Tree::parse(b"<a>\xc3</a>", Profile::Message).is_err(), "no UTF-8");
    assert!(Tree::parse("<a>\u{c3}</a>".as_bytes(), Profile::Message).is_ok(), "UTF-8");
}

#[test]
fn metadata_may_have_comments_a_byte_order_mark_and_line_breaks_in_attributes() {
    let read = |text| read(text, Profile::Metadata);
    assert_eq!(read("\u{feff}<!-- a --><b/><!-- c -->").as_deref(), Ok("{}b[]"));
    assert_eq!(read("<a>b<!-- <c> & -->d</a>").as_deref(), Ok("{}a[\"b\"-\"d\"]"));
    assert_eq!(read("<a b='1\r\n2\t3\r4'/>").as_deref(), Ok("{}a {}b=\"1 2 3 4\"[]"));
    for text in
        ["<a><!-- b -- c --></a>", "<a><!-- b ---></a>", "<a><!-->", "<a><!--></a>", "<!-- a", "<!-- a -->"]
    {
        assert_eq!(read(text), Err(Reason::XmlMalformed), "{text}");
    }
}

/// What is bounded, a document with so much of it, and how much is the most.
type Bound<'a> = (&'a str, &'a dyn Fn(usize) -> String, usize);

#[test]
fn every_bound_lets_the_last_pass_and_refuses_the_next() {
    let attributes = |number: usize| (0..number).map(|n| format!(" a{n}=''")).collect::<Vec<_>>().concat();
    let namespaces =
        |number: usize| (0..number).map(|n| format!(" xmlns:p{n}='u:{n}'")).collect::<Vec<_>>().concat();
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    let elements = |number: usize| format!("<a>{}</a>", "<b/>".repeat(number - 1));
    let references = |number: usize| format!("<a b='{}'>{}</a>", "&lt;".repeat(9), "&lt;".repeat(number - 9));
    let all_attributes = |number: usize| {
        let (full, rest) = (number / ATTRIBUTES_MAX, number % ATTRIBUTES_MAX);
        let whole = format!("<b{}/>", attributes(ATTRIBUTES_MAX)).repeat(full);
        format!("<a>{whole}<b{}/></a>", attributes(rest))
    };
    let in_scope = |number: usize| {
        format!("<a{}><b{}/><b{}/></a>", namespaces(20), namespaces(number - 20), namespaces(number - 20))
    };
    let bounds: [Bound<'_>; 6] = [
        ("attributes of one", &|number| format!("<a{}/>", attributes(number)), ATTRIBUTES_MAX),
        ("namespaces in scope", &in_scope, SCOPE_MAX),
        ("levels", &nested, DEPTH_MAX),
        ("elements", &elements, Profile::Message.elements_max()),
        ("references", &references, Profile::Message.references_max()),
        ("attributes of all", &all_attributes, Profile::Message.attributes_max()),
    ];
    for (name, text, most) in bounds {
        assert!(read(&text(most), Profile::Message).is_ok(), "{name}");
        assert_eq!(read(&text(most + 1), Profile::Message), Err(Reason::TooComplex), "{name}");
    }
    let empty_levels = format!("{}<b/>{}", "<a>".repeat(DEPTH_MAX), "</a>".repeat(DEPTH_MAX));
    refuses(&empty_levels, Reason::TooComplex);
    let long = |octets: usize| format!("<a>{}</a>", " ".repeat(octets - 7));
    assert!(read(&long(MESSAGE_OCTETS_MAX), Profile::Message).is_ok());
    refuses(&long(MESSAGE_OCTETS_MAX + 1), Reason::TooLarge);
}

#[test]
fn the_elements_of_a_subtree_and_the_ancestors_are_those_of_the_document() {
    let tree = Tree::parse(b"<a><b><c/>x<d><e/></d></b><f/></a>", Profile::Message).expect("XML");
    let all: Vec<_> = tree.root().subtree().collect();
    let names = |elements: &[Element<'_>]| elements.iter().map(|e| e.local()).collect::<String>();
    assert_eq!(names(&all), "abcdef");
    assert_eq!(names(&all[1].subtree().collect::<Vec<_>>()), "bcde");
    assert_eq!(names(&tree.ancestors(all[4].place()).collect::<Vec<_>>()), "abd");
    assert_eq!(names(&tree.ancestors(all[5].place()).collect::<Vec<_>>()), "a");
    assert_eq!(names(&tree.ancestors(0).collect::<Vec<_>>()), "");
}

/// The same of another parser.
fn shown_by_uppsala(text: &str) -> Option<String> {
    fn show(document: &uppsala::Document<'_>, id: uppsala::NodeId, into: &mut String) {
        match document.node_kind(id) {
            Some(uppsala::NodeKind::Element(element)) => {
                let name = |name: &uppsala::QName<'_>| {
                    let namespace = name.namespace_uri.as_deref().unwrap_or("").to_owned();
                    (namespace, name.prefix.as_deref().unwrap_or("").to_owned(), name.local_name.to_string())
                };
                let (namespace, prefix, local) = name(&element.name);
                let colon = if prefix.is_empty() { "" } else { ":" };
                write!(into, "{{{namespace}}}{prefix}{colon}{local}").expect("memory");
                for attribute in &element.attributes {
                    let (namespace, _, local) = name(&attribute.name);
                    write!(into, " {{{namespace}}}{local}={:?}", &*attribute.value).expect("memory");
                }
                *into += "[";
                for child in document.children_iter(id) {
                    show(document, child, into);
                }
                *into += "]";
            }
            Some(uppsala::NodeKind::Text(text)) => write!(into, "{:?}", &**text).expect("memory"),
            _ => *into += "?",
        }
    }
    let document = uppsala::Parser::new().with_forbid_dtd(true).parse(text).ok()?;
    let mut all = String::new();
    show(&document, document.document_element()?, &mut all);
    Some(all)
}

/// Pieces of which most sequences are nearly well-formed.
const PIECES: [&str; 40] = [
    "<a>",
    "</a>",
    "<a>",
    "</a>",
    "<b/>",
    "<b />",
    "<a b='c'>",
    "<p:a xmlns:p='u:1'>",
    "</p:a>",
    "<a xmlns='u:2' b=\"1\">",
    "<a xmlns:p='u:1' p:b='' b=''>",
    "<p:a>",
    "<b",
    " ",
    " c='d'",
    " p:c='e'",
    " xmlns:p='u:3'",
    " xmlns:q='u:1'",
    ">",
    "/>",
    "x",
    "&amp;",
    "&#65;",
    "&#x3c;",
    "&#10;",
    "&",
    ";",
    "'",
    "\"",
    "=",
    ":",
    "]]>",
    "]",
    "\r\n",
    "\n",
    "\t",
    "é",
    "\u{1f642}",
    "<",
    "·",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_parser_reads_the_same_in_whatever_is_accepted(
        pieces in proptest::collection::vec(select(PIECES.to_vec()), 0..12),
        depth in 0..3_usize,
    ) {
        let inner = pieces.concat();
        let text = format!("{}{inner}{}", "<a xmlns:p='u:0'>".repeat(depth), "</a>".repeat(depth));
        if let Ok(ours) = read(&text, Profile::Message) {
            prop_assert_eq!(Some(ours), shown_by_uppsala(&text), "{}", text);
        }
    }

    /// A document that is well-formed is read, with one character changed it is read by both alike or refused.
    #[test]
    fn one_character_changes_nothing_unseen(
        values in proptest::collection::vec("[ -;=?-~é\u{85}]{0,6}", 4),
        (at, by) in (0..400_usize, select("<>&;:='\"/!?[]- x1\t\n\ré·\u{d7}".chars().collect::<Vec<_>>())),
    ) {
        let plain: Vec<_> = values.iter().map(|value| value.replace(['&', '\'', ']'], "")).collect();
        let text = format!(
            "<p:a xmlns:p='u:1' xmlns='u:2' b='{}' p:b='&#x41;'><c>{}</c>\n<p:d e='{}'/><c xmlns='u:3'>{}&amp;</c></p:a>",
            plain[0], plain[1], plain[2], plain[3],
        );
        prop_assert!(read(&text, Profile::Message).is_ok(), "{}", text);
        prop_assert_eq!(read(&text, Profile::Message).ok(), shown_by_uppsala(&text));
        let mut changed: Vec<char> = text.chars().collect();
        let length = changed.len();
        changed[at % length] = by;
        let changed: String = changed.into_iter().collect();
        if let Ok(ours) = read(&changed, Profile::Message) {
            prop_assert_eq!(Some(ours), shown_by_uppsala(&changed), "{}", changed);
        }
    }
}
