//! Messages that two servers could read in two ways (T-G1 to T-G3, T-B5, R-25, R-28).

use std::time::Duration;

use super::{Answer, Front, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream};

/// What must come of a case.
enum Expected {
    /// Refused before anything is forwarded.
    Refused(u16),
    /// Refused for its target; the message as such is sound, and so is its connection.
    Denied,
    /// Exactly one request arrives, with this body.
    One(&'static str),
    /// Exactly one request arrives, for this target.
    Target(&'static str),
    /// What stands behind the first request is another one, for everybody.
    Two,
}
use Expected::{Denied, One, Refused, Target, Two};

fn cases() -> Vec<(&'static str, String, Expected)> {
    let head = |rest: &str| format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\n{rest}");
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    vec![
        ("control: length", head("Content-Length: 3\r\n\r\nabc"), One("abc")),
        ("control: chunks", head("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), One("abc")),
        (
            "CL.TE",
            head(&format!(
                "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
                5 + smuggled.len()
            )),
            Refused(400),
        ),
        (
            "TE.CL",
            head(&format!(
                "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
                smuggled.len()
            )),
            Refused(400),
        ),
        ("TE.TE", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"), Refused(400)),
        ("two codings", head("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), Refused(400)),
        ("chunked twice", head("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), Refused(400)),
        ("unknown coding", head("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), Refused(400)),
        ("equal lengths", head("Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), Refused(400)),
        ("different lengths", head("Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), Refused(400)),
        ("signed length", head("Content-Length: +3\r\n\r\nabc"), Refused(400)),
        ("length as a list", head("Content-Length: 3, 3\r\n\r\nabc"), Refused(400)),
        ("folded field", head("Content-Length: 3\r\nX: a\r\n b\r\n\r\nabc"), Refused(400)),
        ("space before the colon", head("Content-Length : 3\r\n\r\nabc"), Refused(400)),
        (
            "chunked in HTTP/1.0",
            format!("POST /a HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            Refused(400),
        ),
        (
            "bare line feeds",
            format!("POST /a HTTP/1.1\nHost: {HOST}\nContent-Length: 3\n\nabc"),
            Refused(400),
        ),
        ("a field behind a bare line feed", head("X: y\nX-Forwarded-For: 1.2.3.4\r\n\r\n"), Refused(400)),
        ("a bare carriage return", head("X: y\rX-Forwarded-For: 1.2.3.4\r\n\r\n"), Refused(400)),
        ("a bare line feed at the end of the head", head("X: y\r\n\n"), Refused(400)),
        ("NUL in a value", head("X: a\0b\r\n\r\n"), Refused(400)),
        ("control: odd octets in a value", head("Content-Length: 0\r\nX: \u{e9}\ta\r\n\r\n"), One("")),
        ("non-ASCII in a name", head("X\u{e9}: a\r\n\r\n"), Refused(400)),
        ("a name with a space", head("X Y: a\r\n\r\n"), Refused(400)),
        ("a line without a colon", head("X\r\n\r\n"), Refused(400)),
        ("CL.0", head(&format!("Content-Length: 0\r\n\r\n{smuggled}")), Two),
        ("0.CL", format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\nabc"), One("abc")),
        ("negative length", head("Content-Length: -1\r\n\r\nabc"), Refused(400)),
        ("huge length", head("Content-Length: 99999999999999999999\r\n\r\nabc"), Refused(400)),
        ("length in hexadecimal", head("Content-Length: 0x3\r\n\r\nabc"), Refused(400)),
        ("chunked with a tab", head("Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"), One("")),
        ("chunked in quotes", head("Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), Refused(400)),
        ("identity", head("Transfer-Encoding: identity\r\n\r\n"), Refused(400)),
        (
            "a chunk with an extension",
            head("Transfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\n\r\n"),
            One("abc"),
        ),
        ("a fragment", format!("GET /a#b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused(400)),
        (
            "control: an escaped fragment",
            format!("GET /a%23b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
            Target("/a%23b"),
        ),
        ("non-ASCII in the target", format!("GET /\u{e9} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Denied),
        (
            "a control octet in the target",
            format!("GET /a\x01b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
            Refused(400),
        ),
        ("a space in the target", format!("GET /a b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused(400)),
        ("a tab in the target", format!("GET /a\tb HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused(400)),
        ("HTTP/3.0", format!("GET /a HTTP/3.0\r\nHost: {HOST}\r\n\r\n"), Refused(400)),
        ("no host", "GET /a HTTP/1.1\r\n\r\n".to_owned(), Refused(400)),
        ("two hosts", format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n"), Refused(400)),
        ("strange host", "GET /a HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n".to_owned(), Refused(400)),
        ("absolute form", format!("GET http://{HOST}/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), One("")),
        (
            "absolute form of another host",
            format!("GET http://evil.example/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
            Refused(400),
        ),
        ("CONNECT", format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"), Refused(405)),
        ("TRACE", format!("TRACE /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused(405)),
        ("lower-case method", format!("get /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused(501)),
        ("two slashes", format!("GET //evil.example/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Denied),
        ("backslash", format!("GET /\\evil.example/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Denied),
        ("asterisk", format!("OPTIONS * HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Denied),
    ]
}

/// a refusal has a code, a name, a line for a person, and says that the connection ends.
fn assert_named(answer: &Answer, name: &str) {
    let field = |field| answer.head.one(field).unwrap_or_default();
    let code = field("x-anteroom-error");
    assert!(!code.is_empty(), "{name}: {answer:?}");
    assert_eq!(field("x-request-id").len(), 32, "{name}: {answer:?}");
    assert_eq!((field("connection"), field("cache-control")), ("close", "no-store"), "{name}");
    assert!(!field("date").is_empty(), "{name}: {answer:?}");
    assert!(String::from_utf8_lossy(&answer.body).contains(&format!("({code})")), "{name}: {answer:?}");
}

/// T-G3: each case is refused, or arrives as exactly one request with the body that was meant.
#[test]
fn an_ambiguous_message_is_refused_or_arrives_as_one() {
    for (name, message, expected) in cases() {
        let upstream = Upstream::polite();
        let front = Front::before(&upstream);
        let mut client = front.connect();
        client.send(&message);
        let answer = client.answer();
        match expected {
            Refused(status) => {
                assert_eq!(answer.status, status, "{name}");
                assert_named(&answer, name);
                assert!(client.is_closed(), "{name}: the connection goes on");
                assert_eq!(upstream.requests().len(), 0, "{name}");
            }
            Denied => {
                assert_eq!(answer.status, 400, "{name}");
                assert_eq!(upstream.requests().len(), 0, "{name}");
            }
            One(body) => {
                assert_eq!(answer.status, 200, "{name}");
                let request = upstream.only_request();
                assert_eq!(String::from_utf8_lossy(&request.body), body, "{name}");
                assert_eq!(request.target(), "/a", "{name}");
            }
            Target(target) => {
                assert_eq!(answer.status, 200, "{name}");
                assert_eq!(upstream.only_request().target(), target, "{name}");
            }
            Two => {
                assert_eq!((answer.status, client.answer().status), (200, 200), "{name}");
                let targets: Vec<String> =
                    upstream.requests().iter().map(|request| request.target().to_owned()).collect();
                assert_eq!(targets, ["/a", "/smuggled"], "{name}");
            }
        }
    }
}

/// a body whose chunks are malformed is cut off, and nothing of it is taken for another request.
#[test]
fn a_malformed_chunk_ends_the_connection() {
    let chunked = |chunks: &str| {
        format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
    };
    let smuggled = format!("0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    for (name, chunks) in [
        ("a size that is no number", "xyz\r\nabc\r\n"),
        ("a size with a sign", "+3\r\nabc\r\n"),
        ("a size with a prefix", "0x3\r\nabc\r\n"),
        ("a size that overflows", "10000000000000003\r\nabc\r\n"),
        ("a line feed alone behind the size", "3\nabc\r\n"),
        ("a line feed in an extension", "3;a\nb\r\nabc\r\n"),
        ("more data than the size says", "3\r\nabcd\r\n"),
        ("no line end behind the data", "3\r\nabc"),
    ] {
        let upstream = Upstream::polite();
        let front = Front::before(&upstream);
        let mut client = front.connect();
        client.send(chunked(&format!("{chunks}{smuggled}")));
        if let Ok(Some(answer)) = client.try_answer() {
            assert_eq!(answer.status, 400, "{name}");
            assert!(client.is_closed(), "{name}: the connection goes on");
        }
        let whole = upstream.requests().into_iter().filter(|request| !request.body.is_empty()).count();
        assert_eq!(whole, 0, "{name}");
        assert!(upstream.requests().iter().all(|request| request.target() == "/a"), "{name}");
    }
    let upstream = Upstream::polite();
    let answer = Front::before(&upstream).ask(&chunked("3\r\nabc\r\n0\r\n\r\n"));
    assert_eq!((answer.status, upstream.only_request().body.as_slice()), (200, b"abc".as_slice()));
}

/// T-G1: an application that answers before it has read the body gets nothing of the next request as its rest.
#[test]
fn an_early_answer_leaves_no_rest_for_the_next_request() {
    let upstream = Upstream::start(|exchange| {
        if exchange.recorded.target() == "/early" {
            return exchange.respond("413 Content Too Large", &[], b"no");
        }
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"ok")
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(format!("POST /early HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100\r\n\r\nabc"));
    assert_eq!(client.answer().status, 413);
    // What follows is the rest of the body, for us as for everybody; it is answered by nobody.
    client.send(format!("GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert!(matches!(client.try_answer(), Ok(None) | Err(_)));
    assert_eq!(front.ask(&format!("GET /next HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).status, 200);
    let targets: Vec<String> =
        upstream.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/early", "/next"]);
}

/// T-G1: nor is the rest of a body read as a request because the connection has rested since its answer, however long
/// the application leaves it where it is.
#[test]
fn the_rest_of_a_body_is_no_request_after_a_rest() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let ended = std::sync::Mutex::new(ended);
    let upstream = Upstream::start(move |exchange| {
        exchange.respond("413 Content Too Large", &[], b"no")?;
        ended.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)
    });
    let mut plan = Plan::before(&[&upstream]);
    // Each has an application of its own, which is busy from then on.
    plan.proxy.timeouts.pool_idle = Duration::ZERO;
    let front = plan.start();
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let chunk = format!("{:x}\r\n{smuggled}\r\n", smuggled.len());
    // Bodies that are still on their way, and such as we have read whole while the application has not.
    for kibibytes in (0..6_000).step_by(384) {
        let count = 1 + kibibytes * 1024 / smuggled.len();
        let length = count * smuggled.len();
        for (framing, body) in [
            (format!("Content-Length: {length}"), smuggled.repeat(count)),
            (format!("Content-Length: {}", length + 100), smuggled.repeat(count)),
            ("Transfer-Encoding: chunked".to_owned(), chunk.repeat(count) + "0\r\n\r\n"),
        ] {
            let mut client = front.connect();
            client.send(format!("POST /early HTTP/1.1\r\nHost: {HOST}\r\n{framing}\r\n\r\n"));
            client.0.get_ref().set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            // Whoever has closed the connection reads nothing as a request.
            std::io::Write::write_all(client.0.get_mut(), body.as_bytes()).unwrap_or_default();
            assert_eq!(client.answer().status, 413);
            client.0.get_ref().set_read_timeout(Some(Duration::from_millis(30))).unwrap();
            assert!(!matches!(client.read_answer(), Ok(Some(_))), "{kibibytes} KiB, {framing}");
        }
    }
    drop(end);
    assert!(upstream.requests().iter().all(|request| request.target() == "/early"));
}

/// what is found ambiguous ends the connection wherever it stands, also behind a request that was sound.
#[test]
fn an_ambiguous_request_behind_a_sound_one_is_refused() {
    for bad in [
        format!("GET /b HTTP/1.1\r\nHost: {HOST}\r\nX: y\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
        format!(
            "POST /b HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("GET /a b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        "nonsense\r\n\r\n".to_owned(),
    ] {
        let upstream = Upstream::polite();
        let front = Front::before(&upstream);
        let mut client = front.connect();
        client.send(format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\na\nb"));
        assert_eq!(client.answer().status, 200);
        client.send(&bad);
        let answer = client.answer();
        assert_eq!((answer.status, answer.head.one("x-anteroom-error")), (400, Some("bad_request")));
        assert_named(&answer, &bad);
        assert!(client.is_closed());
        assert_eq!(upstream.only_request().target(), "/a");
    }
}

/// what is nonsense is refused in its turn, also where it came together with a request that was sound.
#[test]
fn nonsense_together_with_a_sound_request_is_refused_after_it() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    for bad in [
        "nonsense\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /b HTTP/1.1\r\nX Y: a\r\n\r\n",
        "GET /b HTTP/1.1\nHost: x\r\n\r\n",
        "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut client = front.connect();
        client.send(format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n{bad}"));
        assert_eq!(client.answer().status, 200);
        let answer = client.answer();
        assert_eq!((answer.status, answer.head.one("x-anteroom-error")), (400, Some("bad_request")));
        assert_named(&answer, bad);
        assert!(client.is_closed());
    }
    assert!(upstream.requests().iter().all(|request| request.target() == "/a"));
}

/// an answer of the application that looks like one of the HTTP library's is the application's all the same,
/// also where it stands at the beginning of what is written.
#[test]
fn an_answer_that_looks_like_a_refusal_passes_as_it_is() {
    const BODY: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        let length = BODY.len();
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
        gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        exchange.write(BODY)
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    for _ in 0..3 {
        client.send(format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        let head = client.head();
        go.send(()).unwrap();
        let (body, _) = crate::upstream::read_body(&mut client.0, &head).unwrap();
        assert_eq!(String::from_utf8_lossy(&body), BODY);
    }
}

/// T-G1: bytes behind a request to switch protocols are no request.
#[test]
fn a_refused_upgrade_ends_the_connection() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    for protocol in ["websocket", "h2c", "anything"] {
        let before = upstream.requests().len();
        let mut client = front.connect();
        client.send(format!(
            "GET /first HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n\
             GET /second HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.head.one("connection"), Some("close"));
        assert!(client.is_closed());
        let requests = upstream.requests();
        assert_eq!(requests.len(), before + 1, "{protocol}");
        let upgraded = requests[before].head.one("upgrade").is_some();
        assert_eq!(upgraded, protocol == "websocket", "{protocol}");
    }
}

#[test]
fn several_requests_share_a_connection_on_both_sides() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let mut client = front.connect();
    for round in 0..5 {
        client.send(format!("POST /{round} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\n{round}"));
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(upstream.requests()[4].body, b"4");
}

/// a response to HEAD keeps its length and has no body; nor have 204 and 304.
#[test]
fn responses_without_a_body_have_none() {
    let upstream = Upstream::start(|exchange| match exchange.recorded.target() {
        "/head" => exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
        "/204" => exchange.write("HTTP/1.1 204 No Content\r\n\r\n"),
        "/304" => exchange.write("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
        _ => exchange.respond("200 OK", &[], b"end"),
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(format!("HEAD /head HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let head = client.head();
    assert_eq!((head.word(1), head.one("content-length")), ("200", Some("1234")));
    for (path, status) in [("/204", 204), ("/304", 304), ("/end", 200)] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        let Answer { status: got, body, .. } = client.answer();
        assert_eq!(got, status);
        assert_eq!(body, if status == 200 { b"end".as_slice() } else { b"" });
    }
    assert_eq!(upstream.connections(), 1, "a response without a body leaves its connection usable");
}

#[test]
fn an_old_client_gets_a_plain_answer_and_the_end_of_the_connection() {
    let upstream = Upstream::start(|exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(format!("GET /x HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
    let head = client.head();
    assert_eq!((head.word(0), head.word(1)), ("HTTP/1.0", "200"));
    assert_eq!(head.one("transfer-encoding"), None);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut client.0, &mut rest).unwrap();
    assert_eq!(rest, "ok");
    assert_eq!(upstream.only_request().head.word(2), "HTTP/1.1");
}

/// Where the end of the connection is the end of the answer, the end of half an answer is another one (RFC 9112 8).
#[test]
fn an_old_client_sees_that_an_answer_is_not_whole() {
    let upstream = Upstream::start(|exchange| {
        let is_whole = exchange.recorded.head.word(1) == "/whole";
        let end = if is_whole { "0\r\n\r\n" } else { "" };
        exchange.write(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n{end}"))?;
        if is_whole { Ok(()) } else { exchange.close() }
    });
    let front = Front::before(&upstream);
    for path in ["/half", "/whole"] {
        let mut client = front.connect();
        client.send(format!("GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
        let read = std::io::Read::read_to_end(&mut client.0, &mut Vec::new());
        let reset = Some(std::io::ErrorKind::ConnectionReset).filter(|_| path == "/half");
        assert_eq!(read.err().map(|error| error.kind()), reset, "{path}");
    }
}

/// RFC 9110 7.8: the rest of what an old client sends would be taken for the other protocol.
#[test]
fn an_old_client_gets_no_other_protocol() {
    let upstream = Upstream::start(|exchange| exchange.respond("200 OK", &[], b"plain"));
    let front = Front::before(&upstream);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    for (version, asked) in [("1.0", None), ("1.1", Some("websocket"))] {
        let answer = front.ask(&format!("GET /x HTTP/{version}\r\nHost: {HOST}\r\n{upgrade}\r\n"));
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"plain".as_slice()), "{version}");
        let last = upstream.requests().pop().unwrap();
        assert_eq!(last.head.one("upgrade"), asked, "{version}");
    }
}

/// What the application says of a length goes along only if it says one, and beside nothing else that frames.
#[test]
fn a_length_that_is_none_is_not_said() {
    let upstream = Upstream::start(|exchange| {
        let (status, length) = match exchange.recorded.target() {
            "/empty" => ("200 OK", ""),
            "/204" => ("204 No Content", ""),
            _ => ("200 OK", "0002"),
        };
        let body = if status == "200 OK" { "ok" } else { "" };
        exchange.write(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"))?;
        exchange.close()
    });
    let front = Front::before(&upstream);
    // Where there is a body it has to say how long that is (RFC 9112 6.3).
    assert_eq!(front.ask(&format!("GET /empty HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).status, 502);
    let answer = front.ask(&format!("GET /204 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!((answer.status, answer.head.one("content-length")), (204, None));
    for (method, path, said) in
        [("HEAD", "/empty", None), ("HEAD", "/zeros", Some("2")), ("GET", "/zeros", Some("2"))]
    {
        let mut client = front.connect();
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        let head = client.head();
        assert_eq!((head.word(1), head.one("content-length")), ("200", said), "{method} {path}");
    }
}

/// interim responses overtake the response, without what is of the hop, and the connection stays in step.
#[test]
fn early_hints_reach_the_client_that_takes_them() {
    let upstream = Upstream::start(|exchange| {
        exchange.read_body()?;
        exchange.write(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
             Set-Cookie: a=b\r\n\r\n",
        )?;
        exchange.write("HTTP/1.1 102 Processing\r\n\r\n")?;
        exchange.respond("200 OK", &[], b"ok")
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    for _ in 0..3 {
        client.send(format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        let hint = client.head();
        assert_eq!((hint.word(1), hint.one("link")), ("103", Some("</a.css>; rel=preload")));
        for name in ["connection", "x-hop", "set-cookie", "content-length"] {
            assert_eq!(hint.one(name), None, "{name}");
        }
        assert_eq!(client.head().word(1), "102");
        let answer = client.answer();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
        assert_eq!(answer.head.one("link"), None);
    }
    client.send(format!("GET /x HTTP/1.0\r\nHost: {HOST}\r\nConnection: keep-alive\r\n\r\n"));
    assert_eq!(client.answer().status, 200, "HTTP/1.0 knows no interim responses");
    assert_eq!(upstream.connections(), 1);
}

/// RFC 9112 9.6: a connection that the application says it ends carries no other request, though it stays open.
#[test]
fn a_connection_that_shall_end_is_not_used_again() {
    for (head, is_kept) in [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n", false),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n", false),
        ("HTTP/1.0 200 OK\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", true),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive, close\r\n", false),
        ("HTTP/1.1 200 OK\r\n", true),
    ] {
        let upstream =
            Upstream::start(move |exchange| exchange.write(format!("{head}Content-Length: 2\r\n\r\nok")));
        let front = Front::before(&upstream);
        let mut client = front.connect();
        for _ in 0..2 {
            client.send(format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
            assert_eq!(client.answer().body, b"ok");
        }
        assert_eq!(upstream.connections(), if is_kept { 1 } else { 2 }, "{head:?}");
    }
}

/// RFC 9112 9.3: whoever says both means the end; and a client of HTTP/1.0 has not asked whether to go on (RFC 9110 10.1.1).
#[test]
fn clients_of_http10_are_taken_at_their_word() {
    let upstream = Upstream::start(|exchange| {
        assert_eq!(exchange.recorded.head.one("expect"), None);
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"ok")
    });
    let front = Front::before(&upstream);
    for (connection, is_kept) in
        [("keep-alive", true), ("keep-alive, close", false), ("close, keep-alive", false)]
    {
        let mut client = front.connect();
        client.send(format!(
            "POST /x HTTP/1.0\r\nHost: {HOST}\r\nConnection: {connection}\r\nExpect: 100-continue\r\n\
             Content-Length: 2\r\n\r\nab"
        ));
        let answer = client.answer();
        let told = if is_kept { "keep-alive" } else { "close" };
        assert_eq!((answer.status, answer.head.one("connection")), (200, Some(told)), "{connection}");
        assert_eq!(upstream.requests().pop().unwrap().body, b"ab");
        if !is_kept {
            assert!(client.is_closed(), "{connection}");
        }
    }
}

/// interim responses without end are no response.
#[test]
fn interim_responses_have_an_end() {
    let upstream = Upstream::start(|exchange| {
        while exchange.write("HTTP/1.1 102 Processing\r\n\r\n").is_ok() {}
        exchange.close()
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(format!("GET /x HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_bad_response".as_slice()));
}

/// A body that nobody wants is passed over where it is here, and ends the connection where it is not: in order, so that
/// the answer arrives whatever is still sent.
#[test]
fn an_unwanted_body_costs_nobody_the_answer() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let head = |length| format!("POST /a%2fb HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n\r\n");
    let mut client = front.connect();
    client.send(head(4) + "body");
    let answer = client.answer();
    assert_eq!((answer.status, answer.head.one("connection")), (400, None));
    client.send(head(100_000));
    let answer = client.answer();
    assert_eq!((answer.status, answer.head.one("connection")), (400, Some("close")));
    assert!(client.is_closed());
    for length in [200_000, 1_000_000, 5_000_000].repeat(5) {
        let mut client = front.connect();
        client.send(head(length) + &"x".repeat(length));
        assert_eq!(client.answer().status, 400, "{length} octets");
    }
}
