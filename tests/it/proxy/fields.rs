//! Header fields on their way to the application and back: what is stripped, what is set, what stays.

use super::{COOKIE, Front, HOST, Plan};
use crate::upstream::Upstream;
use anteroom::proxy::TrustedProxies;

/// Reduces a name as the most forgiving backend could.
fn fold(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Every way to write a name that folds to it: other characters for the hyphens, other case, doubled.
fn variants(name: &str) -> Vec<String> {
    let mut variants = vec![name.to_owned(), name.to_uppercase(), name.to_lowercase(), name.replace('-', "")];
    for other in "_.~'`|!#$%&*+^-".chars() {
        variants.push(name.replace('-', &other.to_string()));
        variants.push(name.replacen('-', &other.to_string(), 1));
        variants.push(format!("{name}{other}"));
        variants.push(format!("{other}{name}"));
        variants.push(name.replace('-', &format!("-{other}")));
    }
    variants
}

const IDENTITY_NAMES: [&str; 12] = [
    "X-Anteroom-Jwt-Assertion",
    "X-Anteroom-User",
    "X-Anteroom-Anything-At-All",
    "X-Anteroom",
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
];

/// T-B1, T-B8: whatever folds to an identity header is gone, on public paths too; ours alone is there.
#[test]
fn no_spelling_of_an_identity_header_reaches_the_application() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    for path in ["/private", "/public/page"] {
        for name in IDENTITY_NAMES {
            let before = upstream.requests().len();
            let mut client = front.connect();
            for batch in variants(name).chunks(40) {
                let lines = batch.join(": forged\r\n") + ": forged\r\n";
                client.send(format!(
                    "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Control: kept\r\n{lines}{lines}\r\n"
                ));
                assert_eq!(client.answer().status, 200);
            }
            for request in &upstream.requests()[before..] {
                assert_eq!(request.head.one("x-control"), Some("kept"));
                for (field, value) in &request.head.fields {
                    assert!(!value.contains("forged"), "{field}: {value} passed as a variant of {name}");
                }
                let ours = request.head.one("x-anteroom-jwt-assertion");
                assert_eq!(ours.is_some(), path == "/private", "{path}");
                assert!(ours.is_none_or(|token| token.starts_with("ey")));
            }
        }
    }
}

/// T-B3: the fields that `Connection` names are removed from what came in, never from what we add.
#[test]
fn a_connection_token_cannot_remove_a_field_of_ours() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let values = [
        "close, X-Anteroom-Jwt-Assertion, x-forwarded-for",
        "x-FORWARDED-host, x-anteroom-jwt-assertion",
        "keep-alive, X-Hop\r\nConnection: x-anteroom-jwt-assertion, Host, x-real-ip, forwarded",
    ];
    for value in values {
        let head =
            format!("GET /private HTTP/1.1\r\nHost: {HOST}\r\nX-Hop: 1\r\nConnection: {value}\r\n\r\n");
        assert_eq!(front.ask(&head).status, 200);
        let request = upstream.requests().pop().unwrap();
        let head = request.head;
        assert!(head.one("x-anteroom-jwt-assertion").is_some(), "{value}");
        assert_eq!(head.one("x-forwarded-for"), Some("127.0.0.1"), "{value}");
        assert_eq!(head.one("x-forwarded-host"), Some(HOST), "{value}");
        assert_eq!(head.one("host"), Some(HOST), "{value}");
        assert_eq!(head.one("x-hop").is_none(), value.contains("X-Hop"), "{value}");
        assert!(!head.all("connection").iter().any(|line| line.contains("x-")), "{value}");
    }
}

/// T-B2, T-B4: nothing that a proxy would say passes from somebody who is none.
/// what is of the connection with us is not of the one with the application.
#[test]
fn what_belongs_to_a_hop_ends_there() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    for (te, passed) in [("gzip, trailers", Some("trailers")), ("gzip", None)] {
        let answer = front.ask(&format!(
            "GET /private HTTP/1.1\r\nHost: {HOST}\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
             TE: {te}\r\nTrailer: x-check\r\nUpgrade: h2c\r\nConnection: upgrade, te, http2-settings\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Stays: 1\r\n\r\n"
        ));
        assert_eq!(answer.status, 200);
        let head = &upstream.requests().pop().unwrap().head;
        assert_eq!(head.one("x-stays"), Some("1"), "the control");
        assert_eq!(head.one("te"), passed);
        for name in ["keep-alive", "proxy-connection", "trailer", "upgrade", "connection", "http2-settings"] {
            assert_eq!(head.one(name), None, "{name}");
        }
    }
}

/// What we say of every request is not said a second time, in another spelling that some backends read alike; not even by a
/// trusted proxy, which may have passed on what it does not know.
#[test]
fn what_we_say_ourselves_has_one_spelling() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    let trusted = Front::before(&upstream);
    plan.server.trusted_proxies = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
    let fronts = [plan.start(), trusted];
    let names = [
        "X_Request_Id",
        "X.Request.Id",
        "XRequestId",
        "X_Forwarded_For",
        "X.Forwarded.For",
        "X_Forwarded_Host",
        "X-Forwarded_Proto",
        "X_Forwarded_Port",
        "X_Real_IP",
        "Content_Length",
    ];
    for front in &fronts {
        for name in names {
            let head =
                format!("GET /private HTTP/1.1\r\nHost: {HOST}\r\n{name}: 192.0.2.66\r\nX-Stays: 1\r\n\r\n");
            assert_eq!(front.ask(&head).status, 200);
            let head = upstream.requests().pop().unwrap().head;
            assert_eq!(head.one("x-stays"), Some("1"), "the control");
            let passed = head.fields.iter().find(|(_, value)| value.contains("192.0.2.66"));
            assert_eq!(passed, None, "{name}");
            assert!(head.one("x-request-id").is_some() && head.one("x-forwarded-for").is_some());
        }
    }
}

#[test]
fn a_stranger_cannot_speak_for_a_proxy() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let names = [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Ssl",
        "X-Forwarded-Anything",
        "Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Envoy-Original-Path",
        "X-Goog-Authenticated-User-Email",
        "Cf-Connecting-IP",
        "Cf-Access-Jwt-Assertion",
        "X-Amzn-Oidc-Data",
        "X-MS-Client-Principal",
        "True-Client-IP",
        "X-Auth-Request-User",
        "Proxy",
    ];
    for name in names {
        for spelling in variants(name) {
            if fold(&spelling).is_empty() || (name.starts_with("Cf-") && spelling == name.replace('-', "")) {
                continue;
            }
            let head = format!("GET /private HTTP/1.1\r\nHost: {HOST}\r\n{spelling}: forged\r\n\r\n");
            assert_eq!(front.ask(&head).status, 200);
            let request = upstream.requests().pop().unwrap();
            let passed = request.head.fields.iter().find(|(_, value)| value.contains("forged"));
            assert_eq!(passed, None, "{spelling}");
        }
    }
}

#[test]
fn the_application_sees_the_public_host_and_who_asked() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    let head = "GET /a%20b?q=1&q=2 HTTP/1.1\r\nHost: other.example.net\r\nX-Request-Id: chosen\r\n\r\n";
    assert_eq!(front.ask(head).status, 200);
    let request = upstream.only_request();
    assert_eq!(request.head.start, "GET /a%20b?q=1&q=2 HTTP/1.1");
    let head = request.head;
    assert_eq!(head.one("host"), Some(HOST));
    assert_eq!(head.one("x-forwarded-host"), Some(HOST));
    assert_eq!(head.one("x-forwarded-proto"), Some("https"));
    assert_eq!(head.one("x-forwarded-port"), Some("443"));
    assert_eq!(head.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(head.one("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(head.one("forwarded"), Some("for=127.0.0.1;host=\"app.example.com\";proto=https"));
    let id = head.one("x-request-id").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|octet| octet.is_ascii_hexdigit()), "{id}");
}

#[test]
fn a_trusted_proxy_is_believed_and_added_to() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.trusted_proxies = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
    let front = plan.start();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-For: 127.0.0.2\r\n\
         X-Forwarded-Host: evil.example\r\nX-Forwarded-Prefix: /app\r\nX-Request-Id: from-lb.1\r\n\
         Forwarded: for=203.0.113.9\r\nX-Forwarded-User: forged\r\n\r\n"
    );
    assert_eq!(front.ask(&head).status, 200);
    let head = upstream.only_request().head;
    assert_eq!(head.one("x-forwarded-for"), Some("6.6.6.6, 203.0.113.9, 127.0.0.2, 127.0.0.1"));
    assert_eq!(head.one("x-real-ip"), Some("203.0.113.9"));
    assert_eq!(head.one("x-forwarded-host"), Some(HOST));
    assert_eq!(head.one("x-forwarded-prefix"), Some("/app"));
    assert_eq!(head.one("x-request-id"), Some("from-lb.1"));
    let forwarded = head.one("forwarded").unwrap();
    assert_eq!(forwarded, "for=203.0.113.9, for=127.0.0.1;host=\"app.example.com\";proto=https");
    assert_eq!(head.one("x-forwarded-user"), None);
}

/// T-D8, and the other direction: the application cannot overwrite our cookie.
#[test]
fn our_cookie_stays_between_the_browser_and_us() {
    let upstream = Upstream::start(|exchange| {
        let fields = [
            ("Set-Cookie", "theme=dark; Path=/"),
            ("Set-Cookie", "__Host-anteroom=taken; Path=/; Secure"),
            ("Set-Cookie", " =__Host-anteroom=nameless"),
            ("Set-Cookie", "cart=1"),
            ("Connection", "X-Secret-Hop"),
            ("X-Secret-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
        ];
        exchange.respond("200 OK", &fields, b"ok")
    });
    let front = Front::before(&upstream);
    let cases = [
        (format!("{COOKIE}=s3cret"), None),
        (format!("a=1; {COOKIE}=s3cret; b=2"), Some("a=1; b=2")),
        (format!("{COOKIE}=s3cret;a=1"), Some("a=1")),
        (format!("a=1;  {COOKIE} = s3cret ;b=\"2\";; c"), Some("a=1;b=\"2\";; c")),
        (
            format!("{COOKIE}=s3cret; {COOKIE}=s3cret; x={COOKIE}; y{COOKIE}=7"),
            Some("x=__Host-anteroom; y__Host-anteroom=7"),
        ),
        (format!("a=1\r\nCookie: {COOKIE}=s3cret\r\nCookie: b=2"), Some("a=1; b=2")),
        ("a=1;b=2;  c=3".to_owned(), Some("a=1;b=2;  c=3")),
    ];
    for (cookies, expected) in cases {
        let answer = front.ask(&format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookies}\r\n\r\n"));
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.head.one("cookie"), expected, "{cookies}");
        assert_eq!(answer.head.all("set-cookie"), ["theme=dark; Path=/", "cart=1"]);
        assert_eq!(answer.head.one("x-secret-hop"), None);
        assert_eq!(answer.head.one("keep-alive"), None);
    }
}

/// identity names are stripped from trailers too; other trailers pass both ways.
#[test]
fn trailers_pass_but_carry_no_identity() {
    let upstream = Upstream::start(|exchange| {
        exchange.read_body()?;
        exchange.write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(format!(
        "POST /x HTTP/1.1\r\nHost: {HOST}\r\nTE: trailers, gzip\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Check, X_Anteroom_Jwt_Assertion, X-Forwarded-User\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Check: fine\r\nX_Anteroom_Jwt_Assertion: forged\r\nX-Forwarded-User: forged\r\n\r\n"
    ));
    let head = client.head();
    let (body, trailers) = crate::upstream::read_body(&mut client.0, &head).unwrap();
    assert_eq!(body, b"ok");
    assert_eq!(trailers, [("x-sum".to_owned(), "7".to_owned())]);
    let request = upstream.only_request();
    assert_eq!(request.body, b"abc");
    assert_eq!(request.head.one("te"), Some("trailers"));
    assert_eq!(request.head.one("trailer"), Some("x-check"));
    assert_eq!(request.trailers, [("x-check".to_owned(), "fine".to_owned())]);
}
