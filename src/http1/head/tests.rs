//! Heads by tables, in pieces of every size.

use super::*;
use crate::http1::FIELDS_MAX;

/// The head at the beginning of these octets, found whatever the pieces are in which they come.
fn extent_of(octets: &[u8]) -> Option<Extent> {
    let whole = Search::default().go_on(octets);
    for size in 1..octets.len() {
        let mut search = Search::default();
        let ends = (size..octets.len()).step_by(size).chain([octets.len()]);
        let found = ends.filter_map(|end| octets.get(..end)).find_map(|begin| search.go_on(begin));
        let extent = |found: Option<Extent>| found.map(|extent| (extent.octets, extent.lines));
        assert_eq!(
            extent(found),
            extent(whole),
            "{:?} in pieces of {size}",
            octets.escape_ascii().to_string()
        );
    }
    whole
}

/// The same in two pieces, the first of which ends with the first line.
fn extent_in_pieces(octets: &[u8]) -> Extent {
    let mut search = Search::default();
    let first_line = octets.iter().position(|octet| *octet == b'\n').unwrap() + 1;
    let early = search.go_on(&octets[..first_line]);
    early.or_else(|| search.go_on(octets)).expect("the head has an end")
}

/// What is read of a head, which is the same whatever the pieces are in which it came.
fn read<T: std::fmt::Debug>(
    text: &str,
    parse: impl Fn(BytesMut, Extent) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let extent = extent_of(text.as_bytes()).expect("the head has an end");
    let octets = &text.as_bytes()[..extent.octets];
    let whole = parse(octets.into(), extent);
    let in_pieces = parse(octets.into(), extent_in_pieces(octets));
    assert_eq!(format!("{in_pieces:?}"), format!("{whole:?}"));
    whole
}

fn request(text: &str) -> Result<RequestHead, Malformed> {
    read(text, parse_request)
}

fn response(text: &str) -> Result<ResponseHead, Malformed> {
    read(text, parse_response)
}

#[test]
fn a_head_ends_with_an_empty_line() {
    let extent = |octets| extent_of(octets).map(|extent| (extent.octets, extent.lines));
    assert_eq!(extent(b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"), Some((24, 2)));
    assert_eq!(extent(b"A: b\n\nrest"), Some((6, 1)));
    assert_eq!(extent(b"\r\nGET"), Some((2, 0)));
    let long = "A: b\r\n".repeat(2 * ENDS_KEPT) + "\r\n";
    let found = extent_of(long.as_bytes()).unwrap();
    assert_eq!((found.octets, found.lines), (long.len(), 2 * ENDS_KEPT));
    let ends = [0, 1, ENDS_KEPT - 1, ENDS_KEPT].map(|line| found.end_of(line));
    assert_eq!(ends, [Some(6), Some(12), Some(6 * ENDS_KEPT), None]);
    for open in ["", "\r", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r", "A: b\r\n\rx\r\n"] {
        assert!(extent_of(open.as_bytes()).is_none(), "{open:?}");
    }
}

#[test]
fn a_request_is_read_as_it_stands() {
    let read =
        request("PURGE /a?b=c HTTP/1.1\r\nHost: x\r\nX-A:\t 1 \t\r\nx-a:2\r\nEmpty:\r\n\r\nbody").unwrap();
    assert_eq!((read.method.as_str(), read.uri.to_string()), ("PURGE", "/a?b=c".to_owned()));
    assert_eq!(read.version, Version::HTTP_11);
    let values: Vec<_> =
        read.fields.iter().filter(|field| field.name == b"x-a").map(|field| field.value).collect();
    assert_eq!(values, [b"1", b"2"]);
    assert_eq!(read.fields.to_map()["empty"], "");
    assert_eq!(read.fields.len(), 4);
    assert_eq!(request("GET http://x/y HTTP/1.0\r\n\r\n").unwrap().version, Version::HTTP_10);
    assert_eq!(request("OPTIONS * HTTP/1.1\r\n\r\n").unwrap().uri, "*");
}

#[test]
fn what_could_be_read_in_two_ways_is_no_request() {
    for (text, why) in [
        ("\n", Malformed::LineFeed),
        ("GET / HTTP/1.1\n\r\n", Malformed::LineFeed),
        ("GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", Malformed::LineFeed),
        ("GET / HTTP/1.1\r\nHost: x\r\n\n", Malformed::LineFeed),
        ("GET /a#b HTTP/1.1\r\n\r\n", Malformed::StartLine),
        ("GET /a b HTTP/1.1\r\n\r\n", Malformed::StartLine),
        ("GET  / HTTP/1.1\r\n\r\n", Malformed::StartLine),
        ("GET / HTTP/1.1 \r\n\r\n", Malformed::StartLine),
        (" GET / HTTP/1.1\r\n\r\n", Malformed::StartLine),
        ("GET\t/\tHTTP/1.1\r\n\r\n", Malformed::StartLine),
        ("G{T / HTTP/1.1\r\n\r\n", Malformed::StartLine),
        ("GET /\r\n\r\n", Malformed::StartLine),
        ("GET / http/1.1\r\n\r\n", Malformed::StartLine),
        ("GET / HTTP/1.2\r\n\r\n", Malformed::Version),
        ("PRI * HTTP/2.0\r\n\r\n", Malformed::Version),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\n: x\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\nA: b\rc: d\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\nA: b\r\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\nA:\u{c}b\r\n\r\n", Malformed::Field),
        ("GET / HTTP/1.1\r\nÄ: b\r\n\r\n", Malformed::Field),
    ] {
        assert_eq!(request(text).map(drop), Err(why), "{text:?}");
    }
}

#[test]
fn a_head_has_so_many_fields_and_no_more() {
    let with = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(request(&with(FIELDS_MAX)).unwrap().fields.len(), FIELDS_MAX);
    assert_eq!(request(&with(FIELDS_MAX + 1)).map(drop), Err(Malformed::TooLarge));
    assert_eq!(request(&with(FIELDS_MAX + 9)).map(drop), Err(Malformed::TooLarge));
}

#[test]
fn a_response_may_come_from_an_old_program() {
    for (text, status) in [
        ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", 200),
        ("HTTP/1.0 404 Not here, sorry\r\nA: b\r\n\r\n", 404),
        ("HTTP/1.1 204\r\nA: b\r\n\r\n", 204),
        ("HTTP/1.1 299 \nA: b\n\n", 299),
    ] {
        let read = response(text).unwrap();
        assert_eq!(read.status, status, "{text:?}");
        assert_eq!(read.fields.to_map()["a"], "b", "{text:?}");
    }
    for (text, why) in [
        ("200 OK\r\n\r\n", Malformed::StartLine),
        ("HTTP/1.1 20 OK\r\n\r\n", Malformed::StartLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", Malformed::StartLine),
        ("HTTP/1.1  200 OK\r\n\r\n", Malformed::StartLine),
        ("HTTP/1.1200 OK\r\n\r\n", Malformed::StartLine),
        ("HTTP/2.0 200 OK\r\n\r\n", Malformed::Version),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Malformed::Field),
    ] {
        assert_eq!(response(text).map(drop), Err(why), "{text:?}");
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let mut out = Vec::new();
    put_request_line(&mut out, &Method::POST, "/x?y");
    put_field(&mut out, &HOST, b"a.example");
    put_length(&mut out, 12);
    out.extend_from_slice(b"\r\n");
    assert_eq!(out, b"POST /x?y HTTP/1.1\r\nhost: a.example\r\ncontent-length: 12\r\n\r\n");
    for (version, status, line) in [
        (Version::HTTP_11, 200, "HTTP/1.1 200 OK\r\n"),
        (Version::HTTP_10, 200, "HTTP/1.0 200 OK\r\n"),
        (Version::HTTP_11, 404, "HTTP/1.1 404 Not Found\r\n"),
        (Version::HTTP_11, 299, "HTTP/1.1 299 \r\n"),
    ] {
        let mut out = Vec::new();
        put_status_line(&mut out, version, StatusCode::from_u16(status).unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }
}

#[test]
fn trailers_are_announced_and_frame_nothing() {
    let trailers = || {
        let pairs = [("x-sum", "1"), ("x-other", "2"), ("content-length", "3"), ("authorization", "4")];
        pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    };
    let sent = |announced: Option<&'static str>| -> Vec<String> {
        let announced = announced.map(HeaderValue::from_static);
        let kept: HeaderMap = trailers_to_send(trailers(), announced.as_ref());
        kept.keys().map(ToString::to_string).collect()
    };
    assert_eq!(sent(Some("Authorization, X-Sum , content-length")), ["x-sum"]);
    assert_eq!(sent(Some("x-sum,x-other")).len(), 2);
    assert!(sent(Some("x-su")).is_empty());
    assert!(sent(None).is_empty());
}
