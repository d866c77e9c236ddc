//! Opens many Waiting Rooms at a running Anteroom, and measures what they cost and how fast they open.
//!
//! Separate from the script that starts the server: it knows the server's address, its process and its database.
//! The people come into the database by the store's own operations, as `user add` and a sign-on would bring them;
//! each page is an event stream over a connection of its own, as a browser holds it under HTTP/1.1.
//!
//! `waiting_room DATABASE URL PID [PAGES [SECONDS]]`: the numbers of pages, and of seconds in which nothing happens.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anteroom::clock::{Clock as _, SystemClock};
use anteroom::directory::{Grant, Levels, Role, Scope};
use anteroom::email::EmailAddress;
use anteroom::id::{ConnectionId, OrganizationId, SessionName, SystemRandomness, UserId};
use anteroom::session::{Session, SessionId};
use anteroom::store::{self, AuditEvent, NewUser, Settings, Store, UserAdded, UserChange, UserChanged};
use anteroom::target::ReturnPath;
use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |place: usize| arguments.get(place).map(String::as_str);
    let database = PathBuf::from(argument(0).context("the database")?);
    let url: Url = argument(1).context("the URL")?.parse()?;
    let server = Server { pid: argument(2).context("the process")?.parse()? };
    let pages: usize = argument(3).unwrap_or("10000").parse()?;
    let idle = Duration::from_secs(argument(4).unwrap_or("60").parse()?);
    ensure!((200..=20_000).contains(&pages) && idle <= Duration::from_mins(10), "out of bounds");

    let store = store::open(&Settings::Sqlite { path: database }).await?;
    let (people, took) = timed(people(&store, pages)).await?;
    row("people and sessions made", &format!("{:.1} s", took.as_secs_f64()));
    let empty = server.resident_kib()?;
    let nothing = server.cpu_during(BASELINE).await?;
    row("CPU with no page open", &share(nothing, BASELINE));
    row("memory with no page open", &format!("{:.1} MiB", mib(empty)));

    let (mut open, took) = timed(Open::all(&url, &people)).await?;
    row("pages opened", &format!("{pages} in {:.1} s", took.as_secs_f64()));
    tokio::time::sleep(SETTLE).await;
    let full = server.resident_kib()?;
    row("memory with all open", &format!("{:.1} MiB", mib(full)));
    row("memory for each page", &format!("{:.1} KiB", growth(empty, full, pages)));
    row("descriptors of the server", &server.descriptors()?.to_string());
    let busy = server.cpu_during(idle).await?;
    row("CPU while nothing happens", &share(busy, idle));
    let (busy, asked) = tokio::join!(server.cpu_during(idle), check_all(&url, &people, idle));
    row("CPU while each asks every minute", &share(busy?, idle));
    row("answers to that", &quantiles(&mut asked?));
    row("memory after that", &format!("{:.1} MiB", mib(server.resident_kib()?)));

    let (alone, rest) = people.split_at(ALONE);
    let mut one_by_one = Vec::new();
    for person in alone {
        one_by_one.extend(open.release(&store, std::slice::from_ref(person)).await?);
    }
    row("release of one, of 20 in turn", &quantiles(&mut one_by_one));
    let mut together = open.release(&store, rest.get(..TOGETHER).unwrap_or_default()).await?;
    row("release of 100 granted at once", &quantiles(&mut together));
    ensure!(open.closed.is_empty(), "{} streams were closed meanwhile", open.closed.len());
    row("pages still open in the end", &(pages - ALONE - TOGETHER).to_string());
    store.close().await;
    Ok(())
}

/// Somebody who waits.
struct Waiting {
    number: usize,
    user: UserId,
    cookie: String,
}

/// Makes people without access, each with a session.
async fn people(store: &Arc<dyn Store>, count: usize) -> anyhow::Result<Vec<Waiting>> {
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        let (id, now) = (SessionId::random(&SystemRandomness), SystemClock.now());
        let user = NewUser {
            id: UserId::random(&SystemRandomness),
            email: EmailAddress::parse(&format!("person-{number}@bench.example"))?,
            name: None,
            organization: OrganizationId::parse("bench")?,
            role: Role::Member,
            grants: Vec::new(),
        };
        let added = store.add_user(&user, event("user.added"), Vec::new()).await?;
        ensure!(added == UserAdded::Added, "{added:?}");
        let session = Session {
            hash: id.hash(),
            name: SessionName::random(&SystemRandomness),
            user: user.id.clone(),
            connection: ConnectionId::parse("bench")?,
            created_at: now,
            last_seen_at: now,
            ends_at: now.checked_add(Duration::from_hours(12))?,
            authenticated_at: now,
            methods: Vec::new(),
            return_path: ReturnPath::parse(&format!("/work-orders/{number}"))?,
            session_index: None,
            name_id: None,
            asserted_at: now,
        };
        store.begin_session(&session, event("session.began")).await?;
        people.push(Waiting { number, user: user.id, cookie: id.to_cookie_value() });
    }
    Ok(people)
}

fn event(action: &'static str) -> AuditEvent {
    AuditEvent::of_anteroom(SystemClock.now(), action)
}

/// All open streams.
struct Open {
    released: mpsc::UnboundedReceiver<(usize, Instant)>,
    closed: mpsc::UnboundedReceiver<usize>,
    _streams: JoinSet<()>,
}

impl Open {
    async fn all(url: &Url, people: &[Waiting]) -> anyhow::Result<Self> {
        let (tell_released, released) = mpsc::unbounded_channel();
        let (tell_closed, closed) = mpsc::unbounded_channel();
        let (tell_open, mut opened) = mpsc::unbounded_channel();
        let at_once = Arc::new(Semaphore::new(OPENING_AT_ONCE));
        let mut streams = JoinSet::new();
        for person in people {
            let (number, request) = (person.number, request(url, person, "/events")?);
            let address = address(url);
            let (released, closed, open) = (tell_released.clone(), tell_closed.clone(), tell_open.clone());
            let at_once = Arc::clone(&at_once);
            streams.spawn(async move {
                let opening = async {
                    let turn = at_once.acquire_owned().await?;
                    let stream = timeout(PATIENCE, begin(&address, &request)).await.context("too slow")??;
                    drop(turn);
                    anyhow::Ok(stream)
                };
                let stream = opening.await;
                let is_open = open.send(stream.as_ref().map(|_| ()).map_err(|error| format!("{error:#}")));
                if let (Ok(mut stream), Ok(())) = (stream, is_open) {
                    match until_released(&mut stream).await {
                        Some(at) => drop(released.send((number, at))),
                        None => drop(closed.send(number)),
                    }
                }
            });
        }
        for _ in people {
            let outcome = timeout(PATIENCE, opened.recv()).await.context("no page opens any more")?;
            outcome.context("the streams ended")?.map_err(anyhow::Error::msg)?;
        }
        Ok(Self { released, closed, _streams: streams })
    }

    /// Lets people in at once; gives for each how long after that was on disk their page knew.
    async fn release(&mut self, store: &Arc<dyn Store>, people: &[Waiting]) -> anyhow::Result<Vec<Duration>> {
        let level = Levels::new(vec!["viewer".to_owned()]).parse("viewer")?;
        let mut granted_at = std::collections::HashMap::new();
        for person in people {
            let grant = Grant { scope: Scope::AllProperties, level: level.clone(), until: None };
            let done = store
                .change_user(&person.user, &UserChange::Grant(grant), event("user.granted"), Vec::new())
                .await?;
            ensure!(done == UserChanged::Changed, "{done:?}");
            granted_at.insert(person.number, Instant::now());
        }
        let mut took = Vec::new();
        while took.len() < people.len() {
            let released = timeout(PATIENCE, self.released.recv()).await.context("no page is released")?;
            let (number, at) = released.context("the streams ended")?;
            let granted_at = granted_at.get(&number).context("somebody else was released")?;
            took.push(at.saturating_duration_since(*granted_at));
        }
        Ok(took)
    }
}

/// Asks for every page once a minute, as the page's script does in case that its stream is held up somewhere; over
/// a few kept connections, as a load balancer would. Gives how long the answers took.
async fn check_all(url: &Url, people: &[Waiting], time: Duration) -> anyhow::Result<Vec<Duration>> {
    let pause = Duration::from_mins(1) * u32::try_from(CHECKERS)? / u32::try_from(people.len())?;
    let mut checkers = JoinSet::new();
    for checker in 0..CHECKERS {
        let requests = people.iter().skip(checker).step_by(CHECKERS).map(|person| request(url, person, ""));
        let requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
        let address = address(url);
        checkers.spawn(async move {
            let (began, mut took) = (Instant::now(), Vec::new());
            let mut stream = TcpStream::connect(address).await?;
            let mut ticks = tokio::time::interval(pause);
            for request in requests.iter().cycle() {
                ticks.tick().await;
                if began.elapsed() > time {
                    break;
                }
                let asked_at = Instant::now();
                timeout(PATIENCE, check(&mut stream, request)).await.context("too slow")??;
                took.push(asked_at.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(checker) = checkers.join_next().await {
        took.extend(checker??);
    }
    Ok(took)
}

/// Asks for a page and reads it whole.
async fn check(stream: &mut TcpStream, request: &str) -> anyhow::Result<()> {
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    loop {
        ensure!(stream.read_buf(&mut read).await? > 0, "the connection ended");
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        ensure!(head.starts_with("HTTP/1.1 200 "), "the server answers {head}");
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.context("a page without a length")? {
            return Ok(());
        }
    }
}

/// What a browser sends for a Waiting Room, or with `/events` for its `EventSource`.
fn request(url: &Url, person: &Waiting, which: &str) -> anyhow::Result<String> {
    let host = url.host_str().context("a host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let accept = if which.is_empty() { "text/html" } else { "text/event-stream" };
    Ok(format!(
        "GET /.anteroom/waiting-room{which}?return_to=%2Fwork-orders%2F{} HTTP/1.1\r\nHost: {host}:{port}\r\n\
         Accept: {accept}\r\nCache-Control: no-cache\r\nCookie: anteroom={}\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nSec-Fetch-Site: same-origin\r\n\
         Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept-Language: en\r\n\r\n",
        person.number, person.cookie
    ))
}

fn address(url: &Url) -> String {
    format!("127.0.0.1:{}", url.port_or_known_default().unwrap_or(80))
}

/// Opens a stream and waits for its first piece.
async fn begin(address: &str, request: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    while !contains(&read, b"retry: ") {
        ensure!(stream.read_buf(&mut read).await? > 0 && read.len() < 8_192, "the stream does not begin");
        if !read.starts_with(b"HTTP/1.1 200 ") && read.len() > 12 {
            bail!("the server answers {}", String::from_utf8_lossy(&read));
        }
    }
    Ok(stream)
}

/// When the page learned that it may go on; `None` if the stream ended before.
async fn until_released(stream: &mut TcpStream) -> Option<Instant> {
    let mut buffer = [0; 256];
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        if contains(buffer.get(..count)?, b"event: released") {
            return Some(Instant::now());
        }
    }
}

fn contains(octets: &[u8], wanted: &[u8]) -> bool {
    octets.windows(wanted.len()).any(|window| window == wanted)
}

/// The server's process, as the kernel sees it.
struct Server {
    pid: u32,
}

impl Server {
    fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }

    /// Seconds of CPU so far; the kernel counts in hundredths.
    fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks = ticks.sum::<Result<u32, _>>()?;
        Ok(f64::from(ticks) / 100.0)
    }

    async fn cpu_during(&self, time: Duration) -> anyhow::Result<f64> {
        let before = self.cpu_seconds()?;
        tokio::time::sleep(time).await;
        Ok(self.cpu_seconds()? - before)
    }
}

async fn timed<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, Duration)> {
    let began = Instant::now();
    Ok((work.await?, began.elapsed()))
}

fn row(what: &str, value: &str) {
    println!("{what:<32}  {value}");
}

fn share(cpu: f64, time: Duration) -> String {
    let percent = cpu / time.as_secs_f64() * 100.0;
    format!("{cpu:.2} s in {} s, {percent:.1} % of one core", time.as_secs())
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1));
    let [middle, most, last] = [50, 99, 100].map(|percent| at(percent).map_or(0, Duration::as_millis));
    format!("p50 {middle} ms, p99 {most} ms, max {last} ms")
}

#[expect(clippy::cast_precision_loss, reason = "kibibytes of memory are far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "kibibytes of memory are far below 2^52")]
fn growth(before: u64, after: u64, pages: usize) -> f64 {
    after.saturating_sub(before) as f64 / pages as f64
}

/// People who are let in one after another, and then at once.
const ALONE: usize = 20;
const TOGETHER: usize = 100;
const OPENING_AT_ONCE: usize = 64;
const CHECKERS: usize = 20;
const BASELINE: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
