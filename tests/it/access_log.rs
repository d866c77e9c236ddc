//! The access log: what operators read of each request, and what nobody can write into it (R-46, T-G10).
//!
//! Separate because it looks at Anteroom from a third side, beside the visitor's and the application's.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom::clock::{Clock as _, ManualClock, SystemClock};
use anteroom::telemetry::{AccessLog, Format};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::app::{MIA, NOAH, TestApp, Wanted, until};
use crate::browserless::PATIENCE;
use crate::upstream::Upstream;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panics here").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An access log that a test reads.
struct Written {
    kept: Kept,
    log: AccessLog,
}

impl Written {
    fn new() -> Self {
        let kept = Kept::default();
        let log = AccessLog::to(kept.clone(), Format::Json).expect("a thread can be started");
        Self { kept, log }
    }

    async fn start(&self) -> TestApp {
        Wanted::default().access_log(&self.log).start().await
    }

    fn text(&self) -> String {
        assert!(self.log.flush(PATIENCE), "it is written");
        String::from_utf8(self.kept.0.lock().expect("no test panics here").clone()).expect("UTF-8")
    }

    fn lines(&self, path: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
        lines.filter(|line| line["path"] == path).collect()
    }

    /// The one line of a path, once it is there.
    async fn line(&self, path: &str) -> Value {
        until("the line", || async { !self.lines(path).is_empty() }).await;
        let mut lines = self.lines(path);
        let line = lines.pop().expect("it was there");
        assert!(lines.is_empty(), "one line for each request: {lines:?}");
        line
    }
}

/// a line says what was decided on whose request, where it went, and how long each part took.
#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_request_is_one_line_with_all_that_is_known_of_it() {
    let written = Written::new();
    let app = written.start().await;
    let mut mia = app.member(MIA).await;
    let session = mia.session().expect("a session");
    let page = mia.visit("/reports/7?token=tuna").await.expect(200);
    let line = written.line("/reports/7").await;
    let user = app.user(MIA).await.expect("she is known")["id"].clone();
    for (name, expected) in [
        ("level", "INFO"),
        ("target", "access"),
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("host", "app.localhost"),
        ("decision", "forwarded"),
        ("organization", "contoso"),
        ("upstream", &app.application.address.to_string()),
    ] {
        assert_eq!(line[name], expected, "{name} in {line}");
    }
    assert_eq!(line["user"], user);
    assert!(line["session"].as_str().is_some_and(|name| name.starts_with("s_")), "{line}");
    assert_eq!(line["request_id"], app.application.last().header("x-request-id"));
    assert_eq!((line["status"].as_u64(), line["retries"].as_u64()), (Some(200), Some(0)));
    assert_eq!(line["bytes"].as_u64(), Some(page.body.len() as u64));
    let micros = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("{name} in {line}"));
    assert!(micros("gate_us") <= micros("duration_us") && micros("duration_us") <= micros("total_us"));
    assert!(line["closed_by"].is_null() && line["code"].is_null(), "{line}");
    assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");

    let text = written.text();
    for secret in ["tuna", session.as_str(), "SAMLResponse", "eyJ"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_forwarded_is_written_down_too() {
    let written = Written::new();
    let app = written.start().await;
    app.add_member(NOAH).await;
    app.visitor().visit("/private").await.expect(200);
    let line = written.line("/private").await;
    assert_eq!((line["decision"].as_str(), line["status"].as_u64()), (Some("sign_in"), Some(303)));
    for absent in ["user", "session", "organization", "upstream", "retries"] {
        assert!(line[absent].is_null(), "{absent} in {line}");
    }
    app.visitor().visit("/favicon.ico").await.expect(200);
    assert_eq!(written.line("/favicon.ico").await["decision"], "public");
    let mut mia = app.member(MIA).await;
    mia.visit("/.anteroom/nowhere").await.expect(404);
    let line = written.line("/.anteroom/nowhere").await;
    assert_eq!((line["decision"].as_str(), line["code"].as_str()), (Some("refused"), Some("not_found")));
}

/// What has become a WebSocket says where it leads, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_an_upgrade_names_the_upstream() {
    let written = Written::new();
    let app = written.start().await;
    let mia = app.member(MIA).await;
    let cookies = mia.browser.cookie_header(&app.url("/socket"), true, false);
    let mut stream = app.net.connect(&app.app_url).await;
    let request = format!(
        "GET /socket HTTP/1.1\r\nHost: app.localhost\r\nOrigin: http://app.localhost\r\nCookie: {cookies}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.expect("an answer");
    assert_eq!(&begin, b"HTTP/1.1 101");
    let line = written.line("/socket").await;
    assert_eq!((&line["status"], &line["decision"]), (&101.into(), &"forwarded".into()), "{line}");
    assert_eq!(line["upstream"], app.application.address.to_string());
}

/// What opens no WebSocket over HTTP/2 is written down as it was answered, whoever answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_no_socket_says_how_it_was_answered() {
    let written = Written::new();
    let wanted = Wanted::default().access_log(&written.log).tls().more("http2_websocket = true\n");
    let app = wanted.start().await;
    let mia = app.member(MIA).await;
    let io = TokioIo::new(app.net.speaking(b"h2").connect(&app.app_url).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2 begins");
    tokio::spawn(connection);
    for (path, decision) in [("/page", "forwarded"), ("/.anteroom/session", "own")] {
        let cookies = mia.browser.cookie_header(&app.url(path), true, false);
        let ask = |method: http::Method| {
            let request = http::Request::builder().method(method).uri(app.url(path).as_str());
            request.header("cookie", &cookies).header("origin", app.app_url.origin().ascii_serialization())
        };
        // The control, from which the client also learns what it may ask for.
        let plain = ask(http::Method::GET).body(Full::<Bytes>::default()).expect("it is a request");
        assert_eq!(sender.send_request(plain).await.expect("an answer").status(), 200);
        let socket = ask(http::Method::CONNECT)
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        let socket = socket.body(Full::<Bytes>::default()).expect("it is a request");
        assert_eq!(sender.send_request(socket).await.expect("an answer").status(), 400);
        until("both lines", || async { written.lines(path).len() == 2 }).await;
        let told = |line: &Value| (line["status"].clone(), line["decision"].clone(), line["code"].clone());
        let lines: Vec<_> = written.lines(path).iter().map(told).collect();
        assert_eq!(lines[0], (200.into(), decision.into(), Value::Null), "{path}");
        assert_eq!(lines[1], (400.into(), decision.into(), "no_websocket".into()), "{path}");
    }
}

/// nor is a request without a line that nobody could read, or that the server refuses by itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_written_down_too() {
    let written = Written::new();
    let app = written.start().await;
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n", "y".repeat(40_000));
    for (octets, status, code) in [
        ("nonsense\r\n\r\n", 400, "bad_request"),
        ("GET / HTTP/1.1\r\nHost: app.localhost\r\nHost: other\r\n\r\n", 400, "bad_request"),
        ("TRACE / HTTP/1.1\r\nHost: app.localhost\r\n\r\n", 405, "method_not_allowed"),
        (&large, 431, "headers_too_large"),
    ] {
        let mut stream = app.net.connect(&app.app_url).await;
        stream.write_all(octets.as_bytes()).await.expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("it has a name");
        let text = written.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
        let lines: Vec<_> = lines.filter(|line| line["request_id"] == id).collect();
        let [line] = lines.as_slice() else { panic!("one line for {octets:?}: {text}") };
        assert_eq!((&line["status"], &line["code"]), (&status.into(), &code.into()), "{line}");
        assert_eq!((&line["decision"], &line["client"]), (&"refused".into(), &"127.0.0.1".into()), "{line}");
    }
}

/// nor is a request of HTTP/2 that is too large, which the HTTP library would refuse without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_http2_that_is_too_large_is_written_down_and_counted() {
    let written = Written::new();
    let app = Wanted::default().access_log(&written.log).tls().start().await;
    let io = TokioIo::new(app.net.speaking(b"h2").connect(&app.app_url).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2 begins");
    tokio::spawn(connection);
    let mut request = http::Request::get(app.url("/assets/x").as_str());
    for number in 0..3 {
        request = request.header(format!("x-{number}"), "y".repeat(11_000));
    }
    let request = request.body(Full::<Bytes>::default()).expect("it is a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 431);
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let id = header("x-request-id").expect("it has a name").to_owned();
    assert_eq!(header("x-anteroom-error"), Some("headers_too_large"));
    assert_eq!(header("content-type"), Some("text/plain; charset=utf-8"));
    let said = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(said, "431 Request Header Fields Too Large (headers_too_large)\n");

    let text = written.text();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    let lines: Vec<_> = lines.filter(|line| line["request_id"] == id.as_str()).collect();
    let [line] = lines.as_slice() else { panic!("one line: {text}") };
    assert_eq!((&line["status"], &line["code"]), (&431.into(), &"headers_too_large".into()), "{line}");
    assert_eq!((&line["decision"], &line["client"]), (&"refused".into(), &"127.0.0.1".into()), "{line}");
    let ops: url::Url = "http://ops.localhost/metrics".parse().expect("a URL");
    app.net.lead(&ops, app.ops_address());
    let text = app.visitor().browser.fetch(&ops, &[]).await.expect(200).body;
    let counted = "anteroom_requests_total{decision=\"refused\",status=\"4xx\"} 1";
    assert!(text.lines().any(|line| line == counted), "{text}");
}

/// T-G10: what a request holds stays within its field and its line.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_can_forge_a_line_or_a_field() {
    let written = Written::new();
    let app = written.start().await;
    let mut stream = app.net.connect(&app.app_url).await;
    let request = "GET /x\",\"user\":\"u_1\u{202e}\u{9b}31m\\?q HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 4"), "it is refused: {}", String::from_utf8_lossy(&answer));
    // Where the HTTP library refuses such a target itself, there is no request and no line; a quote it lets pass.
    let mut stream = app.net.connect(&app.app_url).await;
    let request = "GET /y\",\"user\":\"u_1 HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    stream.read_to_end(&mut answer).await.expect("an answer");
    let text = written.text();
    for line in text.lines() {
        let parsed: Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(
            parsed["user"].is_null() || parsed["user"].as_str().is_some_and(|user| user != "u_1"),
            "{line}"
        );
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
    }
    assert!(!written.lines("/y\",\"user\":\"u_1").is_empty(), "{text}");
}

/// Which rule of the configuration a decision rests on; none means that a session was needed.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_names_the_rule_that_decided() {
    let written = Written::new();
    let clock = ManualClock::at(SystemClock.now());
    let more = "[session]\nidle = \"1h\"\npolling_paths = [\"/poll\"]\nrepeat_posts = [\"/work-orders/\"]\n";
    let app = Wanted::default().access_log(&written.log).clock(&clock).more(more).start().await;
    let mut mia = app.member(MIA).await;
    for path in ["/assets/logo", "/poll", "/reports"] {
        mia.visit(path).await.expect(200);
    }
    clock.advance(Duration::from_mins(61));
    let form = ("note".to_owned(), "late".to_owned());
    mia.browser.post_from(&app.url("/form"), &app.url("/work-orders/7"), &[form]).await;
    for (path, decision, rule) in [
        ("/assets/logo", "public", Some("app.public_paths /assets/")),
        ("/poll", "forwarded", Some("session.polling_paths /poll")),
        ("/reports", "forwarded", None),
        ("/work-orders/7", "sign_in", Some("session.repeat_posts /work-orders/")),
    ] {
        let line = written.line(path).await;
        assert_eq!((line["decision"].as_str(), line["rule"].as_str()), (Some(decision), rule), "{line}");
    }
}

/// A request that the application did not answer has been somewhere, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_says_where_it_went_and_how_often() {
    let written = Written::new();
    let nobody = format!("127.0.0.1:{}", crate::app::free_port());
    let app = Wanted::default().access_log(&written.log).upstream(&format!("http://{nobody}")).start().await;
    app.visitor().visit("/assets/unreachable").await.expect(502);
    let line = written.line("/assets/unreachable").await;
    assert_eq!(line["code"], "upstream_connect_failed", "{line}");
    assert_eq!((line["upstream"].as_str(), line["retries"].as_u64()), (Some(&*nobody), Some(0)), "{line}");
    assert!(line["gate_us"].is_u64() && line["rule"] == "app.public_paths /assets/", "{line}");

    let written = Written::new();
    let dying = [(); 2].map(|()| Upstream::start(|exchange| exchange.close()));
    let both = format!("{}\", \"{}", dying[0].url(), dying[1].url());
    let app = Wanted::default().access_log(&written.log).upstream(&both).start().await;
    app.visitor().visit("/assets/dying").await.expect(502);
    let line = written.line("/assets/dying").await;
    assert_eq!(
        (line["code"].as_str(), line["retries"].as_u64()),
        (Some("upstream_reset"), Some(1)),
        "{line}"
    );
    let upstream = line["upstream"].as_str().expect("an upstream");
    let last = dying.iter().find(|one| one.address.to_string() == upstream).expect("one of the two");
    assert_eq!(last.requests().len(), 1);
}

/// What TLS came to is told once for each connection.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_of_a_connection_says_how_tls_began() {
    let written = Written::new();
    let app = Wanted::default().access_log(&written.log).tls().start().await;
    let mut stream = app.net.connect(&app.app_url).await;
    let host = app.app_url.host_str().expect("a host");
    let request = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    let both = request("/favicon.ico", "") + &request("/assets/x", "Connection: close\r\n");
    stream.write_all(both.as_bytes()).await.expect("it is sent");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).await.expect("two answers");
    let (first, second) = (written.line("/favicon.ico").await, written.line("/assets/x").await);
    assert_eq!(first["tls"], "TLSv1_3", "{first}");
    assert!(first["cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS13_")), "{first}");
    assert!(first["handshake_us"].as_u64() > Some(0), "{first}");
    for absent in ["tls", "cipher", "handshake_us"] {
        assert!(second[absent].is_null(), "{second}");
    }
}

/// Who ended a response that did not come to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_broken_off_says_who_did_it() {
    let written = Written::new();
    let app = written.start().await;
    let mut mia = app.member(MIA).await;
    let url = app.url("/stream");
    let mut response = mia.browser.stream(&url, &[]).await;
    response.frame().await.expect("a frame").expect("it comes");
    assert!(written.lines("/stream").is_empty(), "it is written down at its end");
    drop(response);
    let line = written.line("/stream").await;
    assert_eq!(line["closed_by"], "client", "{line}");
    assert!(line["bytes"].as_u64() >= Some(1), "{line}");

    let mut response = mia.browser.stream(&app.url("/stream?again"), &[]).await;
    response.frame().await.expect("a frame").expect("it comes");
    mia.sign_out().await;
    until("both lines", || async { written.lines("/stream").len() == 2 }).await;
    assert_eq!(written.lines("/stream")[1]["closed_by"], "session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_wait_is_written_down_as_gone() {
    let written = Written::new();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let upstream = format!("http://{}", silent.local_addr().expect("it is bound"));
    let app = Wanted::default().access_log(&written.log).upstream(&upstream).start().await;
    let mut stream = app.net.connect(&app.app_url).await;
    let request = "GET /assets/slow HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let (asked, _) = silent.accept().await.expect("the application is asked");
    drop(stream);
    let line = written.line("/assets/slow").await;
    assert_eq!((line["status"].as_u64(), line["closed_by"].as_str()), (Some(499), Some("client")), "{line}");
    assert_eq!(line["code"], "client_closed", "{line}");
    drop(asked);
}

/// What was answered is written before the process ends, and events and requests share one stream of whole lines.
#[tokio::test(flavor = "multi_thread")]
async fn all_lines_are_written_when_the_process_ends() {
    let mut app = TestApp::new().await;
    app.stop().await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(["serve", "--config"])
        .arg(app.config_path())
        .env("ANTEROOM_LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be run");
    let mut errors = BufReader::new(process.stderr.take().expect("it is piped"));
    let mut text = String::new();
    let address = loop {
        assert!(errors.read_line(&mut text).expect("the log is UTF-8") > 0, "{text}");
        let serving = text.split_once("\"public\":\"[").and_then(|(_, rest)| rest.split(']').next());
        if let Some(address) = serving {
            break address.to_owned();
        }
    };
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    for path in ["/first", "/last"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: app.localhost\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        let mut head = vec![0; 12];
        stream.read_exact(&mut head).await.expect("an answer");
        assert_eq!(head, b"HTTP/1.1 303");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            rest.push(stream.read_u8().await.expect("the rest of the head"));
        }
    }
    drop(stream);
    let terminated = Command::new("kill").arg(process.id().to_string()).status();
    assert!(terminated.expect("a signal can be sent").success());
    errors.read_to_string(&mut text).expect("the log is UTF-8");
    assert!(process.wait().expect("it ends").success());
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let paths: Vec<_> = lines.iter().filter_map(|line| line["path"].as_str()).collect();
    assert_eq!(paths, ["/first", "/last"]);
    assert!(
        lines.iter().any(|line| line["message"].as_str().is_some_and(|text| text.starts_with("draining")))
    );
}

/// The lines that nobody took can be counted.
#[tokio::test(flavor = "multi_thread")]
async fn lines_that_were_lost_are_counted() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = AccessLog::to(Gone, Format::Json).expect("a thread can be started");
    let app = Wanted::default().access_log(&log).start().await;
    app.visitor().visit("/page").await.expect(200);
    assert!(log.flush(Duration::from_secs(20)));
    let mut stream = tokio::net::TcpStream::connect(app.ops_address()).await.expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    let lost = answer.lines().find_map(|line| line.strip_prefix("anteroom_log_lines_lost_total "));
    assert!(lost.is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 0)), "{answer}");
}

/// What finds no room while nobody reads is counted too, and nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn lines_that_found_no_room_are_counted() {
    const ASKED: usize = 400;
    struct Stuck(std::sync::mpsc::Receiver<()>, Kept);
    impl std::io::Write for Stuck {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            // Ends when nobody is there to say so any more.
            let _ = self.0.recv();
            self.1.write(octets)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (go, gone) = std::sync::mpsc::channel();
    let kept = Kept::default();
    let log = AccessLog::to(Stuck(gone, kept.clone()), Format::Json).expect("a thread can be started");
    let app = Wanted::default().access_log(&log).start().await;
    let mut stream = app.net.connect(&app.app_url).await;
    // One connection, one core: nearly 3 MiB of lines, of which it keeps one, beside those that are being written.
    let path = "x".repeat(7_000);
    for number in 0..ASKED {
        let request = format!("GET /{number}/{path} HTTP/1.1\r\nHost: app.localhost\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(head.starts_with(b"HTTP/1.1 303"), "{}", String::from_utf8_lossy(&head));
    }
    assert!(log.lines_lost() > 0);
    drop(go);
    let written = Written { kept, log };
    until("each line is written or counted", async || {
        let lines = written.text().lines().count();
        lines > 0 && lines + usize::try_from(written.log.lines_lost()).expect("a few") == ASKED
    })
    .await;
}

/// what the configuration says of answers that excuse themselves is done.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_left_out_for_its_answers_where_the_configuration_says_so() {
    let ill = Upstream::start(|exchange| exchange.respond("503 Service Unavailable", &[], b"ill"));
    let good = Upstream::polite();
    for (keys, is_left_out) in [("", false), ("eject_on_5xx = 3\n", true), ("eject_on_5xx = 0\n", false)] {
        let before = ill.requests().len();
        let both = format!("{}\", \"{}", ill.url(), good.url());
        let app = Wanted::default().upstream(&both).app(keys).start().await;
        let ops: url::Url = "http://ops.localhost/metrics".parse().expect("a URL");
        app.net.lead(&ops, app.ops_address());
        let is_out = async || {
            let text = app.visitor().browser.fetch(&ops, &[]).await.expect(200).body;
            text.contains(&format!("anteroom_upstream_ejected{{upstream=\"{}\"}} 1", ill.url()))
        };
        let (mut asked, mut was_out) = (0, false);
        while !was_out && asked < 40 {
            app.visitor().visit("/assets/x").await;
            asked += 1;
            was_out = is_out().await;
        }
        assert_eq!(was_out, is_left_out, "{keys:?}");
        let sent = ill.requests().len() - before;
        assert!(if is_left_out { sent == 3 } else { sent >= 10 }, "{keys:?}: {sent} of {asked}");
    }
}

/// What is counted at both borders: how each upstream fares, and who was turned away at the door.
#[tokio::test(flavor = "multi_thread")]
async fn upstreams_and_doors_are_counted() {
    let nobody = format!("http://127.0.0.1:{}", crate::app::free_port());
    let application = Upstream::polite();
    let both = format!("{}\", \"{nobody}", application.url());
    let app = Wanted::default().upstream(&both).start().await;
    let ops: url::Url = "http://ops.localhost/metrics".parse().expect("a URL");
    app.net.lead(&ops, app.ops_address());
    let count = async |name: &str, upstream: &str, more: &str| {
        let text = app.visitor().browser.fetch(&ops, &[]).await.expect(200).body;
        let name = format!("anteroom_{name}{{upstream=\"{upstream}\"{more}}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
        value.map(|value| value.parse::<u64>().unwrap_or_else(|_| panic!("{name}{value}")))
    };
    let code = ",code=\"upstream_connect_failed\"";
    assert_eq!(count("upstream_requests_total", &application.url(), "").await, Some(0));
    assert_eq!(count("upstream_requests_failed_total", &nobody, code).await, None);
    until("an upstream is left out", async || {
        app.visitor().visit("/assets/x").await.expect(200);
        count("upstream_ejected", &nobody, "").await == Some(1)
    })
    .await;
    let sent = application.requests().len() as u64;
    assert_eq!(count("upstream_requests_total", &application.url(), "").await, Some(sent));
    assert_eq!(count("upstream_requests_total", &nobody, "").await, Some(0));
    assert!(count("upstream_requests_failed_total", &nobody, code).await > Some(0));
    assert_eq!(count("upstream_ejected", &application.url(), "").await, Some(0));
    assert!(count("upstream_connections", &application.url(), "").await > Some(0));
    assert_eq!(count("upstream_connections", &nobody, "").await, Some(0));

    // A reload makes all connections anew, and forgets nothing that was counted.
    app.reload().await.expect("it is valid");
    assert_eq!(count("upstream_requests_total", &application.url(), "").await, Some(sent));
    app.visitor().visit("/assets/x").await.expect(200);
    assert_eq!(count("upstream_requests_total", &application.url(), "").await, Some(sent + 1));
    let text = app.visitor().browser.fetch(&ops, &[]).await.expect(200).body;
    for reason in ["full", "per_address", "memory"] {
        let line = format!("anteroom_connections_turned_away_total{{reason=\"{reason}\"}} 0");
        assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
    }
}
