//! What is a cookie of ours in which header, by tables.

use super::{sets_own, strip};

fn own() -> Vec<String> {
    vec!["__Host-anteroom".to_owned(), "__Host-anteroom-tabs".to_owned()]
}

#[test]
fn exactly_our_cookies_are_taken_out() {
    let cases: [(&[&str], Option<&str>); 12] = [
        (&["a=1; b=2"], Some("a=1; b=2")),
        (&["a=1;b=2 ;  c"], Some("a=1;b=2 ;  c")),
        (&["__Host-anteroom=x"], None),
        (&["__Host-anteroom"], None),
        (&["__Host-anteroom=x; __Host-anteroom-tabs=y"], None),
        (&["a=1; __Host-anteroom=x; b=2"], Some("a=1; b=2")),
        (&["a=1;\t__Host-anteroom\t=x;b=2"], Some("a=1;b=2")),
        (&["__Host-anteroom=x; a=1; __Host-anteroom=y"], Some("a=1")),
        (&["__host-anteroom=x; __Host-anteroom2=y"], Some("__host-anteroom=x; __Host-anteroom2=y")),
        (&["a=__Host-anteroom; b=\"__Host-anteroom=1\""], Some("a=__Host-anteroom; b=\"__Host-anteroom=1\"")),
        (&["a=1", "__Host-anteroom=x", "b=2"], Some("a=1; b=2")),
        (&[""], Some("")),
    ];
    for (lines, expected) in cases {
        let mut left = Vec::new();
        let is_any = strip(lines.iter().map(|line| line.as_bytes()), &own(), &mut left);
        let left = String::from_utf8(left).unwrap();
        assert_eq!(is_any.then_some(left.as_str()), expected, "{lines:?}");
    }
}

#[test]
fn values_that_are_no_text_survive() {
    let mut left = b"cookie: ".to_vec();
    assert!(strip([b"a=\xff\xfe; __Host-anteroom=x; b=\x80".as_slice()].into_iter(), &own(), &mut left));
    assert_eq!(left, b"cookie: a=\xff\xfe; b=\x80");
}

#[test]
fn the_application_sets_its_own_cookies_only() {
    let cases = [
        ("a=1; Path=/", true),
        ("__Host-anteroom=x; Secure", false),
        (" __Host-anteroom = x", false),
        ("__Host-anteroom", false),
        ("=__Host-anteroom=x", false),
        ("=__Host-anteroom", false),
        ("b=__Host-anteroom=x", true),
        ("__Host-anteroom2=x", true),
    ];
    for (value, stays) in cases {
        assert_eq!(!sets_own(value.as_bytes(), &own()), stays, "{value}");
    }
}
