//! What a parser would pass on and we do not; the same cases arrive over sockets in `tests/it/proxy/framing.rs`.

use http::request::Builder;
use http::{Request, Version};

use crate::http1::fields::Known;
use crate::http1::head::RequestHead;

use super::{Refusal, admit, head_of_http2};

fn check(version: Version, target: &str, fields: &[(&str, &str)]) -> Result<Option<String>, Refusal> {
    let mut request = Request::builder().method("POST").uri(target).version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let head = head_of(request);
    admit(&head)?;
    Ok(head.fields.text(Known::Host).map(str::to_owned))
}

fn head_of(request: Builder) -> RequestHead {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    if parts.version == Version::HTTP_2 { head_of_http2(parts) } else { RequestHead::from(&parts) }
}

#[test]
fn there_is_one_host_and_it_is_the_targets() {
    use Version as V;
    let refused = Err(Refusal::Ambiguous);
    let found = Ok(Some("a.example".to_owned()));
    assert_eq!(check(V::HTTP_11, "/x", &[("host", "a.example")]), found);
    assert_eq!(check(V::HTTP_11, "http://a.example/x", &[("host", "a.example")]), found);
    assert_eq!(check(V::HTTP_2, "https://a.example/x", &[]), found);
    assert_eq!(check(V::HTTP_2, "https://a.example/x", &[("host", "a.example")]), found);
    assert_eq!(check(V::HTTP_11, "http://A.EXAMPLE/x", &[("host", "a.example")]), found);
    for (version, target, hosts) in [
        (V::HTTP_11, "/x", vec![]),
        (V::HTTP_11, "http://a.example/x", vec![]),
        (V::HTTP_11, "/x", vec![("host", "a.example"), ("host", "a.example")]),
        (V::HTTP_11, "http://b.example/x", vec![("host", "a.example")]),
        (V::HTTP_11, "http://a.example:80/x", vec![("host", "a.example")]),
        (V::HTTP_2, "https://b.example/x", vec![("host", "a.example")]),
        (V::HTTP_2, "/x", vec![]),
        (V::HTTP_11, "/x", vec![("host", "")]),
        (V::HTTP_11, "/x", vec![("host", "user@a.example")]),
        (V::HTTP_11, "/x", vec![("host", "a.example/path")]),
        (V::HTTP_11, "/x", vec![("host", "a.example, b.example")]),
    ] {
        assert_eq!(check(version, target, &hosts), refused, "{version:?} {target} {hosts:?}");
    }
}

#[test]
fn as_many_fields_are_admitted_as_there_may_be() {
    let with = |version, count: usize, name: &'static str, value: &str| {
        let mut request = Request::builder().version(version).uri("https://a.example/x");
        if version != Version::HTTP_2 {
            request = request.header("host", "a.example");
        }
        let made = usize::from(version != Version::HTTP_2);
        for _ in made..count {
            request = request.header(name, value);
        }
        admit(&head_of(request))
    };
    for version in [Version::HTTP_11, Version::HTTP_2] {
        assert_eq!(with(version, 100, "a", "b"), Ok(()), "{version:?}");
        for more in [101, 102, 150] {
            assert_eq!(with(version, more, "a", "b"), Err(Refusal::FieldsTooLarge), "{version:?} {more}");
        }
    }
    // Each name is looked for among the fields.
    assert_eq!(with(Version::HTTP_11, 2, "connection", &"a,".repeat(100)), Ok(()));
    assert_eq!(with(Version::HTTP_11, 2, "connection", &"a,".repeat(101)), Err(Refusal::FieldsTooLarge));
    assert_eq!(with(Version::HTTP_2, 1, "a", "b"), Ok(()));
    let odd = Request::builder().version(Version::HTTP_2).uri("https://a.example/x").method("POST");
    let odd = odd.header(http::HeaderName::from_lowercase(b"x\"").unwrap(), "b");
    assert_eq!(admit(&head_of(odd)), Err(Refusal::Ambiguous), "a name that only HTTP/2 has");
}

#[test]
fn a_body_ends_in_one_way() {
    let with = |fields: &[(&str, &str)]| {
        let fields = [&[("host", "a.example")], fields].concat();
        check(Version::HTTP_11, "/x", &fields).is_ok()
    };
    assert!(with(&[("content-length", "3")]));
    assert!(with(&[("transfer-encoding", "chunked")]));
    assert!(with(&[("transfer-encoding", "Chunked")]));
    assert!(!with(&[("transfer-encoding", "gzip, chunked")]));
    assert!(!with(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]));
    assert!(!with(&[("transfer-encoding", "chunked"), ("content-length", "3")]));
    assert!(!with(&[("content-length", "3"), ("content-length", "3")]));
    assert!(!with(&[("transfer-encoding", "")]));
}

#[test]
fn methods_are_capital_words_and_make_no_tunnels() {
    for (method, expected) in [
        ("GET", Ok(())),
        ("PROPFIND", Ok(())),
        ("M-SEARCH", Ok(())),
        ("CONNECT", Err(Refusal::Method)),
        ("TRACE", Err(Refusal::Method)),
        ("get", Err(Refusal::UnknownMethod)),
        ("Get", Err(Refusal::UnknownMethod)),
        ("G3T", Err(Refusal::UnknownMethod)),
    ] {
        let head = head_of(Request::builder().method(method).uri("/").header("host", "a"));
        assert_eq!(admit(&head), expected, "{method}");
    }
}

/// Senders count 32 octets for each field, and the method, scheme, host and path as fields (RFC 9113 6.5.2).
#[test]
fn a_head_of_http2_has_a_size_and_that_of_http1_was_measured_before() {
    let around = ":method".len()
        + ":scheme".len()
        + ":authority".len()
        + ":path".len()
        + 4 * 32
        + "POST".len()
        + "https".len()
        + "a.example".len()
        + "/x".len();
    let value = |total: usize| "a".repeat((total - around) / 3 - "x-1".len() - 32);
    let rest = |total: usize| (total - around) % 3;
    let head = |version, total: usize| {
        let last = value(total) + &"a".repeat(rest(total));
        let fields = [("x-1", value(total)), ("x-2", value(total)), ("x-3", last)];
        let fields = fields.each_ref().map(|(name, value)| (*name, &**value));
        check(version, "https://a.example/x", &[&[("host", "a.example")], &fields[..]].concat())
    };
    assert!(head(Version::HTTP_2, 32 * 1024).is_ok());
    assert_eq!(head(Version::HTTP_2, 32 * 1024 + 1), Err(Refusal::FieldsTooLarge));
    let without_target = |target: &str| check(Version::HTTP_2, target, &[("host", "a.example")]);
    assert_eq!(
        without_target(&format!("https://a.example/{}", "a".repeat(33_000))),
        Err(Refusal::FieldsTooLarge)
    );
    assert_ne!(head(Version::HTTP_11, 32 * 1024 + 1), Err(Refusal::FieldsTooLarge));
}
