//! Signs many people on at Anteroom and at `mod_auth_mellon` in turn, and compares what an answer of the identity
//! provider costs each of them.
//!
//! Separate from the script that writes the two configurations: it knows an address and a process of each. The
//! answers are made and signed before the clock starts, each to a login of its own, by the identity provider of the
//! tests; nothing is signed twice and nothing is posted twice.
//!
//! `sign_ons DIRECTORY ANTEROOM-URL MELLON-URL [--rounds N] [--answers N] [--connections N] -- ANTEROOM... --
//! MELLON...`: writes DIRECTORY/metadata.xml, starts the two commands, and stops them in the end.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod provider;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anteroom::clock::{Clock as _, SystemClock};
use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use url::Url;

use self::provider::idp::{Idp, Request};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let wanted = Wanted::read(&std::env::args().skip(1).collect::<Vec<_>>())?;
    let idp = Arc::new(Idp::entra());
    std::fs::write(Path::new(&wanted.directory).join("metadata.xml"), idp.metadata_xml())?;
    let mut servers = Vec::new();
    for (kind, url, command) in [
        (Kind::Anteroom, &wanted.anteroom, &wanted.anteroom_command),
        (Kind::Mellon, &wanted.mellon, &wanted.mellon_command),
    ] {
        servers.push(Server::start(kind, url, command, &idp).await?);
    }
    println!("an answer of {} octets, {} people", sample(&idp, &servers)?, PEOPLE);
    for connections in wanted.connections {
        for server in &mut servers {
            server.rounds.clear();
            server.round(wanted.answers / 4, connections).await?;
        }
        for server in &mut servers {
            server.rounds.clear();
        }
        for round in 0..wanted.rounds {
            // Rounds alternate, and so does who goes first: a machine is not the same from minute to minute.
            let order: &[usize] = if round % 2 == 0 { &[0, 1] } else { &[1, 0] };
            for at in order {
                if let Some(server) = servers.get_mut(*at) {
                    server.round(wanted.answers, connections).await?;
                }
            }
        }
        report(&servers, connections, wanted.answers);
    }
    println!("\nmemory, {TOGETHER} answers at once on as many connections");
    for server in &mut servers {
        let before = server.memory_mib()?;
        let (peak, quantiles) = server.all_at_once().await?;
        println!("{:<10} {before:>8.1} MiB before {peak:>8.1} MiB at most   {quantiles}", server.kind.name());
    }
    Ok(())
}

/// What was asked for.
struct Wanted {
    directory: String,
    anteroom: Url,
    mellon: Url,
    rounds: usize,
    answers: usize,
    connections: Vec<usize>,
    anteroom_command: Vec<String>,
    mellon_command: Vec<String>,
}

impl Wanted {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut parts = arguments.split(|argument| argument == "--");
        let mut own = parts.next().unwrap_or_default().iter();
        let mut text = |what: &str| own.next().cloned().with_context(|| format!("{what} is missing"));
        let mut wanted = Self {
            directory: text("the directory")?,
            anteroom: text("Anteroom's URL")?.parse()?,
            mellon: text("mellon's URL")?.parse()?,
            rounds: 4,
            answers: 1000,
            connections: vec![16, 64],
            anteroom_command: parts.next().context("Anteroom's command")?.to_vec(),
            mellon_command: parts.next().context("mellon's command")?.to_vec(),
        };
        while let Some(option) = own.next() {
            let number: usize = own.next().context("a number")?.parse()?;
            match option.as_str() {
                "--rounds" => wanted.rounds = number,
                "--answers" => wanted.answers = number,
                "--connections" => wanted.connections = vec![number],
                _ => bail!("{option} is no option"),
            }
        }
        ensure!(
            wanted.rounds > 0 && (40..=20_000).contains(&wanted.answers) && !wanted.connections.contains(&0),
            "out of bounds"
        );
        Ok(wanted)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anteroom,
    Mellon,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Anteroom => "anteroom",
            Self::Mellon => "mellon",
        }
    }

    const fn acs_path(self) -> &'static str {
        match self {
            Self::Anteroom => "/saml2/idpresponse",
            Self::Mellon => "/mellon/postResponse",
        }
    }

    /// The entity ID in the configuration that the script writes.
    fn entity_id(self, url: &Url) -> String {
        match self {
            Self::Anteroom => "urn:example:anteroom:bench".to_owned(),
            Self::Mellon => format!("{}mellon/metadata", url.as_str()),
        }
    }
}

/// One of the two, running until it is dropped.
struct Server {
    kind: Kind,
    url: Url,
    idp: Arc<Idp>,
    process: Child,
    rounds: Vec<Round>,
    /// Whose turn it is to sign on.
    next_person: usize,
}

/// What one round came to.
struct Round {
    per_second: f64,
    p50: f64,
    p99: f64,
    /// Of the answers at the assertion consumer service.
    cpu_micros: f64,
    /// Of what follows until there is a session, where that is another request.
    completion_micros: f64,
    memory_mib: f64,
}

/// An answer ready to be posted, with the cookies of the browser that began the login.
struct Posting {
    body: String,
    cookie: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that Apache takes its workers with it; a Child can only be killed.
        drop(Command::new("kill").arg(self.process.id().to_string()).status());
        drop(self.process.wait());
    }
}

impl Server {
    async fn start(kind: Kind, url: &Url, command: &[String], idp: &Arc<Idp>) -> anyhow::Result<Self> {
        let (program, arguments) = command.split_first().context("a command")?;
        let process =
            Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let server = Self {
            kind,
            url: url.clone(),
            idp: Arc::clone(idp),
            process,
            rounds: Vec::new(),
            next_person: 0,
        };
        let began = Instant::now();
        while server.connect().await.is_err() {
            ensure!(began.elapsed() < PATIENCE, "{} does not listen", kind.name());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }

    async fn connect(&self) -> anyhow::Result<Browser> {
        Browser::connect(&self.url).await
    }

    /// Begins so many logins and has them answered.
    async fn prepare(&mut self, number: usize) -> anyhow::Result<Vec<Posting>> {
        let mut browser = self.connect().await?;
        let connection = match self.kind {
            Kind::Anteroom => browser.connection_of(&email(0)).await?,
            Kind::Mellon => String::new(),
        };
        let now = SystemClock.now();
        let mut postings = Vec::with_capacity(number);
        for at in 0..number {
            self.next_person = (self.next_person + 1) % PEOPLE;
            let email = email(self.next_person);
            let (id, cookie) = match self.kind {
                Kind::Anteroom => browser.begin(&connection, &email).await?,
                // It keeps no account of its requests; a cookie shows that the browser takes some.
                Kind::Mellon => {
                    (format!("_m{at}t{}", now.as_millisecond()), "mellon-sp=cookietest".to_owned())
                }
            };
            let body = self.answer(&id, now, self.next_person)?;
            postings.push(Posting { body, cookie });
        }
        Ok(postings)
    }

    /// The form that the browser posts: an answer of about five kilobytes, as Entra sends it.
    fn answer(&self, request_id: &str, now: Timestamp, person: usize) -> anyhow::Result<String> {
        let request = Request {
            id: request_id.to_owned(),
            sp_entity_id: self.kind.entity_id(&self.url),
            acs_url: self.url.join(self.kind.acs_path())?.into(),
        };
        let groups: Vec<_> = (0..20).map(|n| format!("{n:08x}-0f2d-4a57-9b7e-5a1d2c3e4f50")).collect();
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        let object = format!("{person:08x}-44b6-4c8e-9d0f-6a1b2c3d4e5f");
        let message = self.idp.answer(&request, now).for_user(&email(person), "Load Test", &object);
        let message = message
            .with(|m| m.set("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", &groups));
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("SAMLResponse", &message.to_form());
        if self.kind == Kind::Mellon {
            form.append_pair("RelayState", self.url.as_str());
        }
        Ok(form.finish())
    }

    async fn round(&mut self, number: usize, connections: usize) -> anyhow::Result<()> {
        let postings = self.prepare(number).await?;
        let path = self.kind.acs_path();
        let work = postings.into_iter().map(|posting| {
            let headers = vec![(header::COOKIE, posting.cookie.clone())];
            (Ask::post(path, posting.body, headers), posting.cookie)
        });
        let before = self.cpu_seconds()?;
        let (took, mut times, answered) = self.load(work.collect(), connections).await?;
        let cpu = self.cpu_seconds()? - before;
        let mut completions = Vec::new();
        for (location, cookie) in answered {
            if self.kind == Kind::Anteroom {
                let url: Url = location.parse()?;
                let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
                ensure!(target.starts_with("/.anteroom/sign-in/complete?code="), "refused: {target}");
                completions.push((Ask::get(target, vec![(header::COOKIE, cookie.clone())]), cookie));
            }
        }
        let before = self.cpu_seconds()?;
        if !completions.is_empty() {
            self.load(completions, connections).await?;
        }
        let completion = self.cpu_seconds()? - before;
        times.sort_unstable();
        self.rounds.push(Round {
            per_second: count(number) / took.as_secs_f64(),
            p50: quantile(&times, 50),
            p99: quantile(&times, 99),
            cpu_micros: cpu / count(number) * 1e6,
            completion_micros: completion / count(number) * 1e6,
            memory_mib: self.memory_mib()?,
        });
        Ok(())
    }

    /// All at once: each on a connection of its own, opened before. Gives the most memory that was seen.
    async fn all_at_once(&mut self) -> anyhow::Result<(f64, String)> {
        let mut waiting = Vec::new();
        for posting in self.prepare(TOGETHER).await? {
            let ask = Ask::post(self.kind.acs_path(), posting.body, vec![(header::COOKIE, posting.cookie)]);
            waiting.push((self.connect().await?, ask));
        }
        let mut running = JoinSet::new();
        for (mut browser, ask) in waiting {
            running.spawn(async move {
                let began = Instant::now();
                browser.ask(ask).await.map(|answer| (began.elapsed(), answer.status))
            });
        }
        let mut peak = self.memory_mib()?;
        let mut times = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_millis(20), running.join_next()).await {
                Ok(None) => break,
                Ok(Some(finished)) => {
                    let (time, status) = finished??;
                    ensure!(status == StatusCode::SEE_OTHER, "{} answered {status}", self.kind.name());
                    times.push(time);
                    if times.len() % 50 != 0 {
                        continue;
                    }
                }
                Err(_) => {}
            }
            peak = peak.max(self.memory_mib()?);
        }
        times.sort_unstable();
        let all = format!("p50 {:.0} ms, p99 {:.0} ms", quantile(&times, 50), quantile(&times, 99));
        Ok((peak, all))
    }

    /// Asks everything over so many connections; gives the time, the latencies, and where each was sent on to.
    async fn load(
        &self,
        work: Vec<(Ask, String)>,
        connections: usize,
    ) -> anyhow::Result<(Duration, Vec<Duration>, Vec<(String, String)>)> {
        let next = Arc::new(AtomicUsize::new(0));
        let work = Arc::new(work);
        let mut browsers = Vec::new();
        for _ in 0..connections {
            browsers.push(self.connect().await?);
        }
        let began = Instant::now();
        let mut running = JoinSet::new();
        for mut browser in browsers {
            let (next, work, url) = (Arc::clone(&next), Arc::clone(&work), self.url.clone());
            running.spawn(async move {
                let mut done = Vec::new();
                while let Some((ask, cookie)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let asked = Instant::now();
                    if browser.is_closed() {
                        browser = Browser::connect(&url).await?;
                    }
                    let answer = browser.ask(ask.clone()).await?;
                    let location = answer.location()?;
                    done.push((asked.elapsed(), location, cookie.clone()));
                }
                anyhow::Ok(done)
            });
        }
        let (mut times, mut answered) = (Vec::new(), Vec::new());
        while let Some(done) = running.join_next().await {
            for (time, location, cookie) in done?? {
                times.push(time);
                answered.push((location, cookie));
            }
        }
        Ok((began.elapsed(), times, answered))
    }

    /// The process and all its descendants.
    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if let Some(parent) = stat(pid).and_then(|fields| fields.get(1)?.parse().ok()) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let (mut found, mut remaining) = (Vec::new(), vec![self.process.id()]);
        while let Some(pid) = remaining.pop() {
            found.push(pid);
            remaining.extend(children.get(&pid).into_iter().flatten());
        }
        Ok(found)
    }

    fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let mut ticks = 0;
        for pid in self.processes()? {
            let fields = stat(pid).context("a process that ended")?;
            // utime and stime, in ticks of 10 ms (proc(5)).
            for at in [11, 12] {
                ticks += fields.get(at).context("proc")?.parse::<u32>()?;
            }
        }
        Ok(f64::from(ticks) / 100.0)
    }

    /// Proportional memory, so that pages shared by workers count once.
    fn memory_mib(&self) -> anyhow::Result<f64> {
        let mut kib = 0;
        for pid in self.processes()? {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
            kib += line.trim().trim_end_matches(" kB").parse::<u32>()?;
        }
        Ok(f64::from(kib) / 1024.0)
    }
}

/// The fields of `/proc/PID/stat` after the name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

#[derive(Clone)]
struct Ask {
    method: Method,
    target: String,
    body: Bytes,
    headers: Vec<(header::HeaderName, String)>,
}

impl Ask {
    fn get(target: String, headers: Vec<(header::HeaderName, String)>) -> Self {
        Self { method: Method::GET, target, body: Bytes::new(), headers }
    }

    fn post(path: &str, body: String, headers: Vec<(header::HeaderName, String)>) -> Self {
        Self { method: Method::POST, target: path.to_owned(), body: body.into(), headers }
    }
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answered {
    fn location(&self) -> anyhow::Result<String> {
        let location = self.headers.get(header::LOCATION);
        match location {
            Some(location) if self.status == StatusCode::SEE_OTHER => Ok(location.to_str()?.to_owned()),
            _ => bail!("refused: {} {}", self.status, self.text.chars().take(2000).collect::<String>()),
        }
    }

    fn cookies(&self) -> String {
        let pairs = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs = pairs.filter_map(|value| value.to_str().ok()?.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }
}

/// One connection, and what a browser says on it.
struct Browser {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    origin: String,
}

impl Browser {
    async fn connect(url: &Url) -> anyhow::Result<Self> {
        let port = url.port().context("a port")?;
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let host = format!("{}:{port}", url.host_str().context("a host")?);
        Ok(Self { sender, origin: format!("http://{host}"), host })
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    async fn ask(&mut self, ask: Ask) -> anyhow::Result<Answered> {
        let mut request = HttpRequest::builder()
            .method(ask.method)
            .uri(ask.target)
            .header(header::HOST, &self.host)
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        if !ask.body.is_empty() {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, &self.origin);
        }
        for (name, value) in ask.headers {
            request = request.header(name, HeaderValue::from_str(&value)?);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(ask.body))?).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answered {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// The connection that the sign-on page offers for an address.
    async fn connection_of(&mut self, email: &str) -> anyhow::Result<String> {
        let body = form(&[("email", email), ("return_to", "/")]);
        let page = self.ask(Ask::post("/.anteroom/sign-in", body, Vec::new())).await?;
        let (_, rest) = page.text.split_once("name=\"connection\"").context("no choice of a connection")?;
        let (_, rest) = rest.split_once("value=\"").context("no value")?;
        let (value, _) = rest.split_once('"').context("no end")?;
        Ok(value.to_owned())
    }

    /// Begins a login in a browser of its own; gives the ID of the request and the cookies.
    async fn begin(&mut self, connection: &str, email: &str) -> anyhow::Result<(String, String)> {
        let body = form(&[("connection", connection), ("email", email), ("return_to", "/")]);
        let answer = self.ask(Ask::post("/.anteroom/sign-in/start", body, Vec::new())).await?;
        let location: Url = answer.location()?.parse()?;
        let (_, request) =
            location.query_pairs().find(|(name, _)| name == "SAMLRequest").context("no request")?;
        let mut xml = String::new();
        flate2::read::DeflateDecoder::new(STANDARD.decode(&*request)?.as_slice()).read_to_string(&mut xml)?;
        let (_, rest) = xml.split_once(" ID=\"").context("no ID")?;
        let (id, _) = rest.split_once('"').context("no end of the ID")?;
        Ok((id.to_owned(), answer.cookies()))
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn email(person: usize) -> String {
    format!("person{person}@bench.example")
}

fn sample(idp: &Arc<Idp>, servers: &[Server]) -> anyhow::Result<usize> {
    let server = servers.first().context("a server")?;
    let form = server.answer("_0123456789abcdef0123456789abcdef", SystemClock.now(), 1)?;
    let (_, field) = url::form_urlencoded::parse(form.as_bytes()).next().context("a field")?;
    let octets = STANDARD.decode(&*field)?.len();
    ensure!(!idp.entity_id.is_empty() && octets > 4000, "an answer that is too short");
    Ok(octets)
}

fn report(servers: &[Server], connections: usize, answers: usize) {
    let rounds = servers.first().map_or(0, |server| server.rounds.len());
    println!("\n{connections} connections, median of {rounds} rounds of {answers} answers each");
    println!(
        "{:<10}{:>12}{:>10}{:>10}{:>16}{:>18}{:>16}{:>12}",
        "", "answers/s", "p50 ms", "p99 ms", "CPU us/answer", "/s and core", "CPU us after", "MiB"
    );
    for server in servers {
        let median = |column: fn(&Round) -> f64| {
            let mut values: Vec<f64> = server.rounds.iter().map(column).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let cpu = median(|round| round.cpu_micros);
        println!(
            "{:<10}{:>12.0}{:>10.1}{:>10.1}{cpu:>16.0}{:>18.0}{:>16.0}{:>12.1}",
            server.kind.name(),
            median(|round| round.per_second),
            median(|round| round.p50),
            median(|round| round.p99),
            1e6 / cpu,
            median(|round| round.completion_micros),
            median(|round| round.memory_mib),
        );
    }
    if let [anteroom, mellon] = servers {
        let ratios = |column: fn(&Round) -> f64| {
            let mut ratios: Vec<f64> = anteroom
                .rounds
                .iter()
                .zip(&mellon.rounds)
                .map(|(ours, theirs)| column(ours) / column(theirs))
                .collect();
            ratios.sort_by(f64::total_cmp);
            format!(
                "{:.2} ({:.2} to {:.2})",
                ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN),
                ratios.first().copied().unwrap_or(f64::NAN),
                ratios.last().copied().unwrap_or(f64::NAN)
            )
        };
        println!(
            "anteroom / mellon, within a round: answers/s {}, p99 {}, CPU for an answer {}",
            ratios(|round| round.per_second),
            ratios(|round| round.p99),
            ratios(|round| round.cpu_micros)
        );
    }
}

/// In milliseconds.
fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "thousands are far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Enough that a session is not always the same person's, few enough that all exist after the first round.
const PEOPLE: usize = 200;
const TOGETHER: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(20);
