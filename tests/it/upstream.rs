//! A recording application: keeps what reaches it, as it stands on the wire, and answers by script.
//!
//! Separate because every test of forwarding looks at the proxy from behind. It parses by itself, strictly and
//! without any HTTP library, so that it sees what a backend of another make would see.

#![expect(
    clippy::indexing_slicing,
    reason = "the whole of it is test, also what clippy does not know as such"
)]

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long anything in a test may take before it counts as failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The head of a message as it came: start line and fields in order, names in their own case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// The values of a field, by its exact name in any case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a field; two are a failure of the test.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came {} times: {all:?}", all.len());
        all.first().copied()
    }

    /// The words of the start line.
    pub(crate) fn word(&self, place: usize) -> &str {
        self.start.split(' ').nth(place).unwrap_or_default()
    }

    fn is_chunked(&self) -> bool {
        self.one("transfer-encoding").is_some_and(|coding| coding == "chunked")
    }

    fn length(&self) -> Option<usize> {
        self.one("content-length").map(|length| length.parse().expect("a length is a number"))
    }
}

/// A request that reached the application.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl Recorded {
    pub(crate) fn target(&self) -> &str {
        self.head.word(1)
    }
}

/// What the application does with a request whose head has come.
type Script = dyn Fn(&mut Exchange) -> io::Result<()> + Send + Sync;

/// The application. Its threads end with the test's process.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    requests: Mutex<Vec<Recorded>>,
    arrived: Condvar,
    connections: AtomicUsize,
    open: AtomicUsize,
}

impl Upstream {
    /// Answers every request as the script says; an error of the script closes the connection.
    pub(crate) fn start(script: impl Fn(&mut Exchange) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start_after(0, script)
    }

    /// Closes the first connections right after they are accepted, then behaves.
    pub(crate) fn start_after(
        refused: usize,
        script: impl Fn(&mut Exchange) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let log = Arc::new(Log::default());
        let (kept, script): (_, Arc<Script>) = (Arc::clone(&log), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let number = kept.connections.fetch_add(1, Ordering::SeqCst);
                if number < refused {
                    continue;
                }
                let (log, script) = (Arc::clone(&kept), Arc::clone(&script));
                std::thread::spawn(move || {
                    log.open.fetch_add(1, Ordering::SeqCst);
                    // The end of a connection is no failure; what matters is recorded.
                    drop(serve(stream, number, &log, &*script));
                    log.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, log }
    }

    /// Reads each request to its end and answers `200` with `ok`.
    pub(crate) fn polite() -> Self {
        Self::start(|exchange| {
            exchange.read_body()?;
            exchange.respond("200 OK", &[], b"ok")
        })
    }

    /// Its address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that came so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.log.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The only request that came.
    pub(crate) fn only_request(&self) -> Recorded {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "one request was expected: {requests:#?}");
        requests.into_iter().next().expect("it was counted")
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        let requests = self.log.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, _) = self
            .log
            .arrived
            .wait_timeout_while(requests, PATIENCE, |requests| requests.len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(requests.len() >= count, "{} of {count} requests came", requests.len());
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    /// Waits until exactly so many connections are open.
    pub(crate) fn wait_for_open(&self, count: usize) {
        eventually(&format!("{count} open upstream connections"), || {
            self.log.open.load(Ordering::SeqCst) == count
        });
    }
}

/// Waits until a condition holds, and fails the test if it never does.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A request whose head has come, and the connection to answer it on.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) recorded: Recorded,
    pub(crate) stream: BufReader<TcpStream>,
    log: Arc<Log>,
    place: usize,
}

impl Exchange {
    /// Reads the body and keeps it with the request.
    pub(crate) fn read_body(&mut self) -> io::Result<()> {
        let (body, trailers) = read_body(&mut self.stream, &self.recorded.head)?;
        let mut requests = self.log.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut requests[self.place];
        (kept.body, kept.trailers) = (body.clone(), trailers.clone());
        (self.recorded.body, self.recorded.trailers) = (body, trailers);
        Ok(())
    }

    /// Answers with a length.
    pub(crate) fn respond(&mut self, status: &str, fields: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let length = body.len().to_string();
        let fields = [&[("Content-Length", length.as_str())], fields].concat();
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut octets = format!("HTTP/1.1 {status}\r\n{}\r\n", fields.concat()).into_bytes();
        octets.extend_from_slice(body);
        self.write(octets)
    }

    /// Sends octets as they are.
    pub(crate) fn write(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(octets.as_ref())
    }

    /// Closes the connection.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.stream.get_ref().shutdown(std::net::Shutdown::Both)?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Says nothing until the other side closes.
    pub(crate) fn wait_for_close(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink())?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

fn serve(stream: TcpStream, connection: usize, log: &Arc<Log>, script: &Script) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let Some(head) = read_head(&mut stream)? else { return Ok(()) };
        let recorded = Recorded { head, connection, ..Recorded::default() };
        let place = {
            let mut requests = log.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.push(recorded.clone());
            log.arrived.notify_all();
            requests.len() - 1
        };
        let mut exchange = Exchange { recorded, stream, log: Arc::clone(log), place };
        script(&mut exchange)?;
        stream = exchange.stream;
    }
}

/// Reads a head; `None` where the connection ends before one.
pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return if lines.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        let line = line.strip_suffix("\r\n").expect("lines end with CR and LF").to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut lines = lines.into_iter();
    let start = lines.next().expect("a head has a start line");
    Ok(Some(Head { start, fields: lines.map(|line| field(&line)).collect() }))
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').expect("a field has a colon");
    (name.to_owned(), value.trim().to_owned())
}

type Body = (Vec<u8>, Vec<(String, String)>);

/// Reads the body that a head announces, with its trailers.
pub(crate) fn read_body(stream: &mut impl BufRead, head: &Head) -> io::Result<Body> {
    if !head.is_chunked() {
        let mut body = vec![0; head.length().unwrap_or(0)];
        stream.read_exact(&mut body)?;
        return Ok((body, Vec::new()));
    }
    assert_eq!(head.length(), None, "a message has a length or chunks");
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        if size == 0 {
            break;
        }
        let begin = body.len();
        body.resize(begin + size, 0);
        stream.read_exact(&mut body[begin..])?;
        stream.read_exact(&mut [0; 2])?;
    }
    let mut trailers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            return Ok((body, trailers));
        }
        trailers.push(field(line.trim_end()));
    }
}
