//! What forwarding costs in what can be counted exactly: allocations and octets of memory.
//!
//! Separate because all of a process is counted: each of these has one to itself. Time is no test's business; `scripts/bench`
//! measures it.
//!
//! The bounds are a tenth above what was counted when they were set. Whoever makes something cheaper lowers them, and whoever
//! makes something dearer has a reason to give.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use anteroom::clock::{Clock, SystemClock};
use anteroom::id::OrganizationId;
use anteroom::proxy::Upstream as Address;
use anteroom::store;
use stats_alloc::Region;

use super::{HOST, Plan};
use crate::ALLOCATOR;

/// Allocations that a hundred requests cost, one after the other on a kept connection; 7 each were counted, and one more for
/// each is too many.
const ALLOCATIONS_A_HUNDRED: usize = 770;
/// Octets that a connection holds on which nothing is said; 5,386 were counted.
const OCTETS_A_CONNECTION: isize = 5_900;
/// Octets that a session holds that is known and has asked for nothing lately; 838 were counted, without what the allocator adds.
const OCTETS_A_SESSION: isize = 920;

/// Whether this process is there for one test alone; otherwise it is run so.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "ANTEROOM_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let test = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let mut command = Command::new(std::env::current_exe().unwrap());
    let run = command.args([&test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// An application that allocates nothing: each read of its one connection is a request.
fn application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut octets = [0; 8_192];
        while stream.read(&mut octets).is_ok_and(|count| count > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody").unwrap();
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
