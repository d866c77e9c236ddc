//! The end of a front: what has begun is finished, and nobody is turned away who need not be.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anteroom::server::Sharing;

use super::{Client, Front, HOST, Plan};
use crate::upstream::{Exchange, PATIENCE, Upstream, eventually};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

#[test]
fn a_shutdown_finishes_what_has_begun() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        exchange.respond("200 OK", &[], b"finished")
    });
    let mut front = Front::before(&upstream);
    let mut idle = front.connect();
    let mut busy = front.connect();
    busy.send(get("/x"));
    upstream.wait_for_requests(1);
    front.shutdown.cancel();
    assert!(idle.is_closed());
    eventually("nobody new is let in", || std::net::TcpStream::connect(front.address).is_err());
    go.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"finished".as_slice()));
    assert_eq!(answer.head.one("connection"), Some("close"));
    assert!(busy.is_closed());
    front.shut_down().unwrap();
}

#[test]
fn a_shutdown_waits_no_longer_than_its_grace() {
    let upstream = Upstream::start(Exchange::wait_for_close);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.grace = Duration::from_millis(300);
    let mut front = plan.start();
    let mut client = front.connect();
    client.send(get("/x"));
    upstream.wait_for_requests(1);
    let begun = Instant::now();
    front.shut_down().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert!(client.is_closed());
    upstream.wait_for_open(0);
}

/// before the shutdown, clients are told with each answer that their connection ends; new ones still come in.
#[test]
fn clients_are_told_before_the_shutdown() {
    let upstream = Upstream::polite();
    let plan = Plan::before(&[&upstream]);
    let draining = plan.server.draining.clone();
    let front = plan.start();
    let mut kept = front.connect();
    kept.send(get("/x"));
    assert_eq!(kept.answer().head.one("connection"), None);
    draining.cancel();
    eventually("a new connection is told that it ends", || {
        front.ask(&get("/x")).head.one("connection") == Some("close")
    });
    kept.send(get("/x"));
    let answer = kept.answer();
    assert_eq!((answer.status, answer.head.one("connection")), (200, Some("close")));
    assert!(kept.is_closed());
}

/// a request that was under way when the shutdown began is still answered, on an old connection and on a new one.
#[test]
fn a_request_that_crosses_the_shutdown_is_answered() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.last_call = PATIENCE;
    let mut front = plan.start();
    let mut kept = front.connect();
    kept.send(get("/x"));
    assert_eq!(kept.answer().status, 200);
    let mut fresh = front.connect();
    front.shutdown.cancel();
    eventually("nobody new is let in", || std::net::TcpStream::connect(front.address).is_err());
    for client in [&mut kept, &mut fresh] {
        client.send(get("/x"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.head.one("connection")), (200, Some("close")));
        assert!(client.is_closed());
    }
    front.shut_down().unwrap();
}

/// One request on a connection of its own, as a client does that has just looked the address up.
fn ask(address: SocketAddr) -> Result<u16, std::io::Error> {
    let mut client = Client::try_connect(address)?;
    std::io::Write::write_all(client.0.get_mut(), get("/x").as_bytes())?;
    let answer = client.try_answer()?;
    answer.map(|answer| answer.status).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// one front takes the address over from another while clients come and go, and none of them notices.
#[test]
fn an_address_is_handed_over_without_a_refused_connection() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.server.sharing = Sharing::WithOthers;
    plan.server.limits.last_call = Duration::from_millis(200);
    let mut current = plan.start();
    let address = current.address;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let ask_on = || {
            let mut outcomes = Vec::new();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                outcomes.push(ask(address).map_err(|error| error.to_string()));
            }
            outcomes
        };
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(ask_on)).collect();
        for _ in 0..2 {
            let mut plan = Plan::before(&[&upstream]);
            plan.server.addresses = vec![address];
            plan.server.sharing = Sharing::WithOthers;
            plan.server.limits.last_call = Duration::from_millis(200);
            let mut before = std::mem::replace(&mut current, plan.start());
            before.shut_down().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let failed: Vec<_> = outcomes.iter().filter(|outcome| **outcome != Ok(200)).collect();
    assert!(outcomes.len() > 20, "{} requests are no load", outcomes.len());
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), outcomes.len());
}

/// beside another process, whoever goes takes no newcomers any more, though it listens on: so nobody is on the way in
/// when it closes its socket.
#[cfg(target_os = "linux")]
#[test]
fn newcomers_are_turned_over_to_the_one_that_stays() {
    let (old, new) = (Upstream::polite(), Upstream::polite());
    let mut plan = Plan::before(&[&old]);
    plan.server.sharing = Sharing::WithOthers;
    // It listens to the end of the test.
    plan.server.limits.last_call = PATIENCE * 9;
    let going = plan.start();
    let address = going.address;
    let mut plan = Plan::before(&[&new]);
    plan.server.addresses = vec![address];
    plan.server.sharing = Sharing::WithOthers;
    let _staying = plan.start();
    // By which socket one is let in is chance; nobody is by the one that ignores him, and asks again later.
    let crowd = || {
        let (to_old, to_new) = (old.requests().len(), new.requests().len());
        for _ in 0..16 {
            let soon = Duration::from_millis(30);
            let Ok(stream) = std::net::TcpStream::connect_timeout(&address, soon) else { continue };
            let mut client = Client::over(stream).unwrap();
            client.send(get("/x"));
            assert_eq!(client.answer().status, 200);
        }
        (old.requests().len() - to_old, new.requests().len() - to_new)
    };
    let (to_old, to_new) = crowd();
    assert!(to_old > 0 && to_new > 0, "the control: {to_old} and {to_new}");
    going.shutdown.cancel();
    eventually("newcomers are turned over", || {
        let (to_old, to_new) = crowd();
        to_old == 0 && to_new > 0
    });
}

/// on a socket that was handed over, whoever waits when we end is not turned away but waits for the next.
#[test]
fn a_socket_that_was_handed_over_outlives_us() {
    let upstream = Upstream::polite();
    let socket = std::sync::Arc::new(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    let start = || {
        let mut plan = Plan::before(&[&upstream]);
        plan.server.addresses.clear();
        plan.server.inherited = vec![std::sync::Arc::clone(&socket)];
        plan.start()
    };
    let mut first = start();
    assert_eq!(first.address, address);
    assert_eq!(ask(address).unwrap(), 200);
    first.shut_down().unwrap();
    let mut waiting = Client::connect(address);
    waiting.send(get("/x"));
    let _second = start();
    assert_eq!(waiting.answer().status, 200);
}
