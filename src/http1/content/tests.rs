//! Where bodies end, by tables, in pieces of every size.

use http::header::HeaderName;

use super::*;

/// What is read when the octets come in pieces of this size: the body, its trailers, and what is left behind it.
fn read(
    mut content: Content,
    octets: &[u8],
    size: usize,
) -> Result<(Vec<u8>, HeaderMap, Vec<u8>), Option<Malformed>> {
    let (mut body, mut trailers, mut inbox) = (Vec::new(), HeaderMap::new(), BytesMut::new());
    let mut pieces = octets.chunks(size);
    while !content.is_over() {
        match content.take(&mut inbox) {
            Ok(Part::Data(data)) => {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
            Ok(Part::Trailers(fields)) => trailers = fields,
            Ok(Part::End) => break,
            Ok(Part::More) => inbox.extend_from_slice(pieces.next().ok_or(None)?),
            Err(why) => return Err(Some(why)),
        }
    }
    let rest = inbox.iter().copied().chain(pieces.flatten().copied()).collect();
    Ok((body, trailers, rest))
}

/// Reads chunks, whatever the pieces are in which they come.
fn check(octets: &str, wanted: Result<(&str, usize, &str), Option<Malformed>>) {
    for size in 1..=octets.len() {
        let got = read(Content::chunked(), octets.as_bytes(), size);
        let got = got.as_ref().map(|(body, trailers, rest)| {
            (str::from_utf8(body).unwrap(), trailers.len(), str::from_utf8(rest).unwrap())
        });
        assert_eq!(got.map_err(|why| *why), wanted, "{octets:?} in pieces of {size}");
    }
}

#[test]
fn chunks_end_where_they_say() {
    check("0\r\n\r\nGET /", Ok(("", 0, "GET /")));
    check("3\r\nabc\r\n0\r\n\r\nGET /", Ok(("abc", 0, "GET /")));
    check("3;a=b;c\r\nabc\r\nA \r\n0123456789\r\n000\r\n\r\n", Ok(("abc0123456789", 0, "")));
    check("3;a=\"b c\"\r\nabc\r\n0A\r\n0\r\n\r\n\r\n567\r\n00\r\n\r\n0", Ok(("abc0\r\n\r\n\r\n567", 0, "0")));
    check("1 ;x\r\na\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\nrest", Ok(("a", 2, "rest")));
    check("1\r\na\r\n0\r\nX-Sum: 1\r\n", Err(None));
    check("5\r\nabc", Err(None));
}

#[test]
fn what_could_be_read_in_two_ways_is_no_chunk() {
    let zeros = "0".repeat(17);
    for bad in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1\n",
        "1\r\r\n",
        "1\t2\r\n",
        "1;a\rb\r\n",
        "1;a\0\r\n",
        "1;\n\r\n",
        ";a\r\n",
        "1\r\naab",
        "1\r\na\n0\r\n\r\n",
        "1\r\na\r0\r\n\r\n",
        "10000000000000000\r\n",
        &format!("{zeros}\r\n\r\n"),
    ] {
        for before in ["", "1\r\nz\r\n"] {
            check(&format!("{before}{bad}"), Err(Some(Malformed::Chunk)));
        }
    }
    check("0\r\nA : b\r\n\r\n", Err(Some(Malformed::Field)));
    check("0\r\nA: b\n\r\n", Err(Some(Malformed::LineFeed)));
    check("0\r\n\n", Err(Some(Malformed::LineFeed)));
}

#[test]
fn what_frames_chunks_is_bounded() {
    let large = |text: &str| read(Content::chunked(), text.as_bytes(), 1000).map(drop);
    assert_eq!(large(&format!("1;{}", "a".repeat(SIZE_LINE_BYTES_MAX))), Err(Some(Malformed::Chunk)));
    let extended = format!("1;{}\r\na\r\n", "a".repeat(1000));
    assert_eq!(large(&format!("{}0\r\n\r\n", extended.repeat(16))), Ok(()));
    assert_eq!(large(&extended.repeat(17)), Err(Some(Malformed::Chunk)));
    let trailers = format!("0\r\nA: {}", "a".repeat(TRAILER_BYTES_MAX));
    assert_eq!(large(&trailers), Err(Some(Malformed::TooLarge)));
    assert_eq!(large(&format!("{trailers}\r\n\r\n")), Err(Some(Malformed::TooLarge)));
    assert_eq!(large(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(101))), Err(Some(Malformed::TooLarge)));
}

fn fields(pairs: &[(&'static str, &str)]) -> Fields {
    let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    Fields::from(&headers)
}

/// `Ok(None)` stands for chunks.
fn of_request(pairs: &[(&'static str, &str)]) -> Result<Option<u64>, Malformed> {
    Content::of_request(Version::HTTP_11, &fields(pairs)).map(|content| content.octets_left())
}

#[test]
fn a_request_says_once_how_long_its_body_is() {
    assert_eq!(of_request(&[]), Ok(Some(0)));
    assert_eq!(of_request(&[("content-length", "0012")]), Ok(Some(12)));
    assert_eq!(of_request(&[("transfer-encoding", "Chunked")]), Ok(None));
    for (pairs, why) in [
        (&[("content-length", "1"), ("content-length", "1")][..], Malformed::Length),
        (&[("content-length", "1"), ("transfer-encoding", "chunked")], Malformed::Length),
        (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], Malformed::Length),
        (&[("content-length", "1, 1")], Malformed::Length),
        (&[("content-length", "")], Malformed::Length),
        (&[("content-length", "+1")], Malformed::Length),
        (&[("content-length", "-1")], Malformed::Length),
        (&[("content-length", "0x1")], Malformed::Length),
        (&[("content-length", "18446744073709551616")], Malformed::Length),
        (&[("content-length", "000000000000000000001")], Malformed::Length),
        (&[("transfer-encoding", "gzip, chunked")], Malformed::Coding),
        (&[("transfer-encoding", "chunked, identity")], Malformed::Coding),
        (&[("transfer-encoding", "xchunked")], Malformed::Coding),
        (&[("transfer-encoding", "")], Malformed::Coding),
    ] {
        assert_eq!(of_request(pairs), Err(why), "{pairs:?}");
    }
    let chunked = fields(&[("transfer-encoding", "chunked")]);
    let old = Content::of_request(Version::HTTP_10, &chunked);
    assert_eq!(old.map(drop), Err(Malformed::Length), "chunks are of HTTP/1.1");
}

#[test]
fn a_response_ends_by_its_rules() {
    let of = |method: Method, status: u16, pairs: &[(&'static str, &str)]| {
        let status = StatusCode::from_u16(status).unwrap();
        let head = ResponseHead { status, version: Version::HTTP_11, fields: fields(pairs) };
        Content::of_response(&method, &head).map(|content| match content {
            Content::Sized(length) => length.to_string(),
            Content::Chunked(_) => "chunks".to_owned(),
            Content::UntilClose => "close".to_owned(),
        })
    };
    let length: &[_] = &[("content-length", "5")];
    let chunked: &[_] = &[("transfer-encoding", "chunked"), ("content-length", "5")];
    for (method, status, pairs, wanted) in [
        (Method::GET, 200, length, "5"),
        (Method::GET, 200, chunked, "chunks"),
        (Method::GET, 200, &[], "close"),
        (Method::GET, 200, &[("content-length", "5, 5"), ("content-length", "5")], "5"),
        (Method::GET, 200, &[("transfer-encoding", "Chunked")], "chunks"),
        (Method::HEAD, 200, &[("content-length", "")], "0"),
        (Method::HEAD, 200, length, "0"),
        (Method::GET, 204, length, "0"),
        (Method::GET, 304, chunked, "0"),
        (Method::GET, 103, length, "0"),
    ] {
        assert_eq!(of(method.clone(), status, pairs).as_deref(), Ok(wanted), "{method} {status} {pairs:?}");
    }
    for pairs in [
        &[("content-length", "5"), ("content-length", "6")][..],
        &[("content-length", "x")],
        &[("content-length", "")],
        &[("content-length", "5,")],
        &[("content-length", "5"), ("content-length", "")],
    ] {
        assert_eq!(of(Method::GET, 200, pairs), Err(Malformed::Length), "{pairs:?}");
    }
    for codings in [&["gzip"][..], &["gzip, chunked"], &["chunked, chunked"], &["chunked", "chunked"], &[""]]
    {
        let pairs: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
        assert_eq!(of(Method::GET, 200, &pairs), Err(Malformed::Coding), "{codings:?}");
    }
}

#[test]
fn a_length_ends_a_body_and_leaves_what_follows() {
    for size in 1..9 {
        let (body, trailers, rest) = read(Content::Sized(3), b"abcGET /", size).unwrap();
        assert_eq!(
            (body.as_slice(), trailers.len(), rest.as_slice()),
            (b"abc".as_slice(), 0, b"GET /".as_slice())
        );
    }
    assert_eq!(read(Content::Sized(3), b"ab", 1).map(drop), Err(None));
}
