//! Fields by tables, and what becomes of them on their way through.

use super::*;
use crate::http1::head::Search;

fn parse(text: &str, ends: LineEnds) -> Result<Fields, Malformed> {
    parse_octets(text.as_bytes(), ends)
}

fn parse_octets(octets: &[u8], ends: LineEnds) -> Result<Fields, Malformed> {
    let extent = Search::default().go_on(octets).expect("the head has an end");
    Fields::parse(octets.get(..extent.octets).unwrap().into(), 0, ends, &extent)
}

fn strict(text: &str) -> Fields {
    parse(text, LineEnds::Strict).unwrap()
}

/// All of them as they would be written one by one.
fn written(fields: &Fields) -> String {
    let mut out = Vec::new();
    for Field { name, value, .. } in fields.iter() {
        crate::http1::head::put(&mut out, name, value);
    }
    String::from_utf8(out).unwrap()
}

fn put(fields: &Fields, goes: impl FnMut(Field<'_>) -> bool) -> String {
    let mut out = Vec::new();
    fields.put_where(&mut out, goes);
    String::from_utf8(out).unwrap()
}

#[test]
fn every_known_name_is_found_by_its_own_text() {
    for (known, name) in Known::ALL {
        assert_eq!(Known::of(name), *known);
        let name = str::from_utf8(name).unwrap();
        let fields = strict(&format!("A: b\r\n{}: x\r\n\r\n", name.to_uppercase()));
        assert_eq!((fields.get(*known), fields.has(*known)), (Some(b"x".as_slice()), true), "{name}");
        let others = Known::ALL.iter().filter(|(other, _)| other != known);
        assert!(others.into_iter().all(|(other, _)| !fields.has(*other) && fields.get(*other).is_none()));
        let longer = strict(&format!("{name}x: x\r\nx{name}: x\r\n\r\n"));
        assert!(!longer.has(*known), "{name}");
    }
}

#[test]
fn fields_are_read_as_they_stand() {
    let fields =
        strict("Host:a\r\nX-A:\t 1 \t\r\nx-a: 2\r\nEmpty:\r\nBlank:  \r\nW: \u{e9}\r\n\r\nrest: x\r\n");
    assert_eq!(written(&fields), "host: a\r\nx-a: 1\r\nx-a: 2\r\nempty: \r\nblank: \r\nw: \u{e9}\r\n");
    assert_eq!(fields.to_map().get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(written(&Fields::from(&fields.to_map())), written(&fields));
    let old = parse("A: b\nC: d\r\n\n", LineEnds::Tolerant).unwrap();
    assert_eq!(written(&old), "a: b\r\nc: d\r\n");
}

#[test]
fn what_goes_out_is_the_same_however_it_lay() {
    // Some of these lie as they are written, some do not; what stands between two that go must not go along.
    let lines = ["A: 1\r\n", "B:2\r\n", "C: 3\r\n", "D: 4 \r\n", "E: \r\n", "F:\r\n", "G: 7\r\n"];
    for choice in 0..1_usize << lines.len() {
        let fields = strict(&format!("{}\r\n", lines.concat()));
        let mut place = 0..lines.len();
        let mut goes = |_: Field<'_>| choice & (1 << place.next().unwrap()) != 0;
        let direct = put(&fields, &mut goes);
        let mut kept = fields.clone();
        place = 0..lines.len();
        kept.retain(|_| choice & (1 << place.next().unwrap()) != 0);
        assert_eq!(direct, written(&kept), "{choice:b}");
        assert_eq!(put(&kept, |_| true), direct, "{choice:b}");
    }
    let old = parse("A: 1\nB: 2\r\nC: 3\n\n", LineEnds::Tolerant).unwrap();
    assert_eq!(put(&old, |_| true), "a: 1\r\nb: 2\r\nc: 3\r\n");
}

#[test]
fn what_is_left_out_is_not_known_any_more() {
    let mut fields = strict("Cookie: a\r\nTE: b\r\nCookie: c\r\n\r\n");
    fields.retain(|field| field.value != b"a");
    assert_eq!(fields.all(Known::Cookie).collect::<Vec<_>>(), [b"c"]);
    fields.retain(|field| field.known != Known::Cookie);
    assert!(!fields.has(Known::Cookie) && fields.has(Known::Te));
}

#[test]
fn members_of_a_list_are_found_in_all_its_lines() {
    let fields = strict("Connection: a, ,B\r\nTE: trailers\r\nconnection:\tc\r\n\r\n");
    assert_eq!(fields.tokens(Known::Connection).collect::<Vec<_>>(), [b"a", b"B", b"c"]);
    assert!(fields.says(Known::Connection, b"b") && !fields.says(Known::Connection, b"trailers"));
}

#[test]
fn a_name_and_a_value_hold_what_they_may() {
    for octet in u8::MIN..=u8::MAX {
        let line = [b"a", [octet].as_slice(), b"b: x", &[octet], b"y\r\n\r\n"].concat();
        let read = parse_octets(&line, LineEnds::Strict);
        let is_sound = HeaderName::from_bytes(&[octet]).is_ok() && HeaderValue::from_bytes(&[octet]).is_ok();
        // A colon ends the name earlier.
        assert_eq!(read.is_ok(), is_sound || octet == b':', "{octet}");
        let line = [b"a: x", [octet].as_slice(), b"y\r\n\r\n"].concat();
        let read = parse_octets(&line, LineEnds::Strict);
        assert_eq!(read.is_ok(), HeaderValue::from_bytes(&[octet]).is_ok(), "{octet}");
    }
}

#[test]
fn a_return_within_a_line_is_found_whatever_else_lacks_one() {
    for text in ["A: b\rc\r\n\r\n", "A: b\r\r\n\r\n", "A: b\n\r\n", "A: b\rc\nD: e\r\n\n", "A:\tb\rc\n\n"] {
        assert_eq!(
            parse(text, LineEnds::Tolerant).is_err(),
            text.contains("\rc") || text.contains("\r\r"),
            "{text:?}"
        );
    }
    let many = format!("{}A: \r\r\n\r\n", "A: b\r\n".repeat(90));
    assert_eq!(parse(&many, LineEnds::Strict).map(drop), Err(Malformed::Field));
    let many = format!("{}\r\n", "A:  b\r\nB:c\r\n".repeat(50));
    assert_eq!(strict(&many).len(), 100);
}

#[test]
fn of_a_map_more_are_taken_than_there_may_be() {
    let mut map = HeaderMap::new();
    for _ in 0..2 * FIELDS_MAX {
        map.append("a", HeaderValue::from_static("b"));
    }
    assert!(Fields::from(&map).len() > FIELDS_MAX);
}

#[test]
fn a_name_that_only_http2_knows_leaves_nothing() {
    let mut map = HeaderMap::new();
    map.append("host", HeaderValue::from_static("a.example"));
    assert_eq!(Fields::from(&map).len(), 1);
    let odd = HeaderName::from_lowercase(b"x\"").expect("the library takes it for a name");
    map.append(odd, HeaderValue::from_static("b"));
    assert_eq!(Fields::from(&map).len(), 0);
}
