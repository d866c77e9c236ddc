//! What is a cookie of ours in which header, by tables.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use super::{keep_ours, strip};

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
        let values: Vec<_> = lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect();
        let left = strip(&values, &own());
        assert_eq!(left.as_ref().map(|value| value.to_str().unwrap()), expected, "{lines:?}");
    }
}

#[test]
fn values_that_are_no_text_survive() {
    let lines = [HeaderValue::from_bytes(b"a=\xff\xfe; __Host-anteroom=x; b=\x80").unwrap()];
    assert_eq!(strip(&lines, &own()).unwrap().as_bytes(), b"a=\xff\xfe; b=\x80");
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
    let mut headers = HeaderMap::new();
    for (value, _) in cases {
        headers.append(SET_COOKIE, HeaderValue::from_static(value));
    }
    keep_ours(&mut headers, &own());
    let left: Vec<_> = headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    let expected: Vec<_> = cases.iter().filter(|(_, stays)| *stays).map(|(value, _)| *value).collect();
    assert_eq!(left, expected);
}
