//! What forwarding costs in what can be counted exactly: allocations and octets of memory.
//!
//! Separate because all of a process is counted: each of these has one to itself. Time is no test's business; `scripts/bench`
//! measures it.
//!
//! The bounds are a tenth above what was counted when they were set. Whoever makes something cheaper lowers them, and whoever
//! makes something dearer has a reason to give.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anteroom::clock::{Clock, SystemClock};
use anteroom::id::OrganizationId;
use anteroom::proxy::Upstream as Address;
use anteroom::store;
use anteroom::telemetry::{AccessLog, Format};
use stats_alloc::Region;

use super::{HOST, Plan};
use crate::ALLOCATOR;
use crate::app::{MIA, Wanted};

/// Allocations that a hundred requests cost, one after the other on a kept connection; 6 each were counted, and one more for
/// each is too many.
const ALLOCATIONS_A_HUNDRED: usize = 660;
/// Instructions that a request costs in the build for tests, with those of who asks and who answers; 321,000 to 334,000 were
/// counted, and 353,000 on a busy machine.
const INSTRUCTIONS_A_REQUEST: usize = 367_000;
/// Fewer were never counted: then something was not counted at all.
const INSTRUCTIONS_AT_LEAST: usize = 100_000;
/// Octets that a connection holds on which nothing is said any more; 2,514 were counted.
const OCTETS_A_CONNECTION: isize = 2_770;
/// Octets that a session holds that is known and has asked for nothing lately; 838 were counted, without what the allocator adds.
const OCTETS_A_SESSION: isize = 920;

/// Set where a process is there for one test alone.
const ALONE: &str = "ANTEROOM_TEST_ALONE";

/// Whether this process is there for one test alone; otherwise it is run so.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let run = alone(&mut Command::new(std::env::current_exe().unwrap()), test).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// A command that begins a process of the tests, for one test alone.
fn alone<'a>(command: &'a mut Command, test: &str) -> &'a mut Command {
    let test = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    command.args([&test, "--exact", "--nocapture", "--include-ignored"]).env(ALONE, "1")
}

/// An application that allocates nothing once a connection is there: each read of one is a request.
fn application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut octets = [0; 8_192];
                while stream.read(&mut octets).is_ok_and(|count| count > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody").unwrap();
                }
            });
        }
    });
    address
}

fn plan() -> Plan {
    let mut plan = Plan::before(&[]);
    plan.proxy.upstreams = vec![Address::parse(&format!("http://{}", application())).unwrap()];
    plan
}

/// Allocates nothing either.
fn exchange(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut octets, mut length) = ([0; 1_024], 0);
    while !octets[..length].ends_with(b"body") {
        let count = stream.read(&mut octets[length..]).unwrap();
        assert!(count > 0);
        length += count;
    }
    assert!(octets.starts_with(b"HTTP/1.1 200 "));
}

fn request() -> String {
    format!(
        "GET /work-orders?page=2 HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: Mozilla/5.0\r\nAccept: text/html\r\n\
         Accept-Language: en\r\nCookie: theme=dark; _ga=GA1.2.3\r\nSec-Fetch-Mode: navigate\r\n\r\n"
    )
}

#[test]
fn a_request_allocates_no_more_than_it_did() {
    const REQUESTS: usize = 500;
    if !is_alone("a_request_allocates_no_more_than_it_did") {
        return;
    }
    let mut plan = plan();
    plan.server.limits.requests_max = u32::MAX;
    let (front, request) = (plan.start(), request());
    let mut stream = TcpStream::connect(front.address).unwrap();
    // Whatever is needed once is there afterwards.
    for _ in 0..REQUESTS {
        exchange(&mut stream, &request);
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..REQUESTS {
        exchange(&mut stream, &request);
    }
    let change = region.change();
    let hundred = (change.allocations + change.reallocations) * 100 / REQUESTS;
    println!("{hundred} allocations for a hundred requests");
    assert!(hundred <= ALLOCATIONS_A_HUNDRED, "{hundred}, where {ALLOCATIONS_A_HUNDRED} are allowed");
}

/// Instructions are no time: they are the same on a busy machine, but for what is done by the clock, and so the least of a few
/// counts is taken. All of Anteroom's are counted, from the cookie to the line in the log.
#[test]
#[ignore = "needs valgrind, which scripts/test installs"]
fn a_request_takes_no_more_instructions_than_it_did() {
    const COUNTS: usize = 3;
    if std::env::var_os(ALONE).is_some() {
        return ask_and_ask_again();
    }
    let counts = (0..COUNTS).map(|_| count_instructions());
    let is_enough = |each: &usize| {
        println!("{each} instructions a request");
        assert!(*each >= INSTRUCTIONS_AT_LEAST, "not all was counted");
        *each <= INSTRUCTIONS_A_REQUEST
    };
    assert!({ counts }.any(|each| is_enough(&each)), "more than {INSTRUCTIONS_A_REQUEST}, {COUNTS} times");
}

/// Requests whose instructions are counted; with those before them, fewer than a connection has.
const COUNTED: usize = 500;

/// What callgrind counts for each request of a process of its own.
fn count_instructions() -> usize {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]);
    command.arg(std::env::current_exe().unwrap());
    let command = alone(&mut command, "a_request_takes_no_more_instructions_than_it_did");
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = pipes.spawn().unwrap();
    let (mut go_on, mut said) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
    let mut errors = process.stderr.take().unwrap();
    let counted = std::thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).unwrap();
        text
    });
    for counts in ["on", "off"] {
        wait_for(&mut said);
        let told = Command::new("callgrind_control").args(["-i", counts, &process.id().to_string()]).output();
        assert!(told.unwrap().status.success());
        go_on.write_all(b"\n").unwrap();
    }
    let mut all = String::new();
    said.read_to_string(&mut all).unwrap();
    all += &counted.join().unwrap();
    assert!(process.wait().unwrap().success(), "{all}");
    let (_, count) = all.split_once("Collected :").unwrap_or_else(|| panic!("nothing was counted: {all}"));
    count.lines().next().unwrap().trim().parse::<usize>().unwrap() / COUNTED
}

/// What a process says that wants to be told to go on.
const WAITS: u8 = b'?';

fn wait_for(said: &mut impl Read) {
    let mut octet = [0];
    while octet != [WAITS] {
        said.read_exact(&mut octet).expect("it says so before it ends");
    }
}

fn wait() {
    std::io::stdout().write_all(&[WAITS]).unwrap();
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Somebody who has signed on asks for what is needed once, and then for what is counted, between two waits: one request after
/// the other, and each is written down.
#[tokio::main]
async fn ask_and_ask_again() {
    let log = AccessLog::to(std::io::sink(), Format::Json).unwrap();
    let app = Wanted::default().upstream(&format!("http://{}", application()));
    let app = app.access_log(&log).start().await;
    let cookies = app.member(MIA).await.browser.cookie_header(&app.app_url, true, true);
    let (host, address) = (app.app_url.host_str().unwrap(), app.public_address());
    let request = request().replace(HOST, host).replace("Cookie: ", &format!("Cookie: {cookies}; "));
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        (0..COUNTED / 2).for_each(|_| exchange(&mut stream, &request));
        wait();
        (0..COUNTED).for_each(|_| exchange(&mut stream, &request));
        wait();
    });
    asked.await.unwrap();
}

#[test]
fn a_connection_that_rests_holds_no_more_than_it_did() {
    const CONNECTIONS: usize = 300;
    if !is_alone("a_connection_that_rests_holds_no_more_than_it_did") {
        return;
    }
    let (front, request) = (plan().start(), request());
    let mut streams = Vec::with_capacity(2 * CONNECTIONS);
    let mut connect = || {
        let mut stream = TcpStream::connect(front.address).unwrap();
        exchange(&mut stream, &request);
        streams.push(stream);
    };
    for _ in 0..CONNECTIONS {
        connect();
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..CONNECTIONS {
        connect();
    }
    let each = held(&region, CONNECTIONS);
    println!("{each} octets a connection");
    assert!(each <= OCTETS_A_CONNECTION, "{each} octets, where {OCTETS_A_CONNECTION} are allowed");
}

#[tokio::test]
async fn a_session_that_is_known_holds_no_more_than_a_kilobyte() {
    const SESSIONS: usize = 512;
    if !is_alone("a_session_that_is_known_holds_no_more_than_a_kilobyte") {
        return;
    }
    let store = store::open(&store::Settings::Memory).await.unwrap();
    let (sign_on, visitor) = super::sessions_in(Arc::clone(&store)).await;
    let organization = OrganizationId::parse("contoso").unwrap();
    drop(visitor);
    let now = SystemClock.now();
    let mut hashes = Vec::with_capacity(2 * SESSIONS);
    for number in 0..2 * SESSIONS {
        let user = super::new_user(&format!("adele.vance{number}@contoso.com"), organization.clone());
        store.add_user(&user, super::audit("user.added", now), Vec::new()).await.unwrap();
        let session = super::session_of(&user.id, now);
        store.begin_session(&session, super::audit("session.begun", now)).await.unwrap();
        hashes.push(session.hash);
    }
    let (before, counted) = hashes.split_at(SESSIONS);
    for hash in before {
        assert!(sign_on.look_up(hash).await.unwrap().is_some());
    }
    let region = Region::new(ALLOCATOR);
    for hash in counted {
        assert!(sign_on.look_up(hash).await.unwrap().is_some());
    }
    let each = held(&region, SESSIONS);
    println!("{each} octets a session");
    assert!(each <= OCTETS_A_SESSION, "{each} octets, where {OCTETS_A_SESSION} are allowed");
}

/// What is held now and was not before, for each.
fn held(region: &Region<'_, std::alloc::System>, count: usize) -> isize {
    let change = region.change();
    (change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed()) / count.cast_signed()
}
