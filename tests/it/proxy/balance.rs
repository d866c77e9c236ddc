//! Several upstreams: shared, left out when they fail, found again, kept to, not overrun.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use anteroom::proxy::{Check, Resolve, Upstream as Address};
use async_trait::async_trait;

use super::{Front, HOST, Plan};
use crate::upstream::{Exchange, PATIENCE, Upstream, eventually};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\nabc")
}

/// Dies as soon as a request has come.
fn dying() -> Upstream {
    Upstream::start(|exchange| exchange.close())
}

/// An address that lets nobody finish connecting: its queue is full.
struct Deaf {
    address: SocketAddr,
    _socket: socket2::Socket,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let soon = Duration::from_millis(50);
        let waiting =
            std::iter::from_fn(|| TcpStream::connect_timeout(&address, soon).ok()).take(8).collect();
        Self { address, _socket: socket, _waiting: waiting }
    }
}

/// A book of names that tests write in.
#[derive(Debug, Default)]
pub(super) struct Book {
    addresses: Mutex<Vec<SocketAddr>>,
    pub(super) asked: AtomicUsize,
}

impl Book {
    pub(super) fn write(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }
}

#[async_trait]
impl Resolve for Book {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "app.internal");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let addresses = self.addresses.lock().unwrap().clone();
        if addresses.is_empty() { Err(io::Error::other("no name server")) } else { Ok(addresses) }
    }
}

/// A front before `http://app.internal`, as the book has it.
fn before_name(addresses: &[SocketAddr]) -> (Plan, Arc<Book>) {
    let mut plan = Plan::before(&[]);
    let book = Arc::new(Book::default());
    book.write(addresses);
    plan.proxy.upstreams = vec![Address::parse("http://app.internal").unwrap()];
    plan.proxy.resolver = Arc::clone(&book) as _;
    (plan, book)
}

/// a GET that an upstream dies under is answered by another one; a POST is sent once, whatever happens.
#[test]
fn a_dying_upstream_costs_a_get_nothing_where_there_is_another() {
    let stages: [fn(&mut Exchange) -> io::Result<()>; 2] = [
        |exchange| exchange.close(),
        |exchange| {
            exchange.write("HTTP/1.1 200 OK\r\nContent-")?;
            exchange.close()
        },
    ];
    for script in stages {
        let (bad, good) = (Upstream::start(script), Upstream::polite());
        let front = Plan::before(&[&bad, &good]).start();
        for _ in 0..4 {
            assert_eq!(front.ask(&get("/x")).status, 200);
        }
        assert!(!bad.requests().is_empty(), "it has been asked");
        assert_eq!(good.requests().len(), 4);
    }
    let (bad, good) = (dying(), Upstream::polite());
    let front = Plan::before(&[&bad, &good]).start();
    let answers: Vec<_> = (0..4).map(|_| front.ask(&post("/x")).status).collect();
    let failed = answers.iter().filter(|status| **status == 502).count();
    assert_eq!(bad.requests().len() + good.requests().len(), 4, "nothing was sent twice");
    assert_eq!(bad.requests().len(), failed);
}

/// three deaths in a row, and an upstream is left out until its rest is over and a request has found it well.
#[test]
fn an_upstream_that_dies_is_left_out_and_taken_back() {
    let is_well = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_well);
    let shaky = Upstream::start(move |exchange| {
        if !seen.load(Ordering::SeqCst) {
            return exchange.close();
        }
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"ok")
    });
    let good = Upstream::polite();
    let mut plan = Plan::before(&[&shaky, &good]);
    plan.proxy.timeouts.rest = Duration::from_mins(10);
    let front = plan.start();
    let failed = (0..30).filter(|_| front.ask(&post("/x")).status == 502).count();
    assert_eq!((failed, shaky.requests().len(), good.requests().len()), (3, 3, 27));

    let mut plan = Plan::before(&[&shaky, &good]);
    plan.proxy.timeouts.rest = Duration::from_millis(50);
    let front = plan.start();
    let failed = (0..8).filter(|_| front.ask(&post("/x")).status == 502).count();
    assert!(failed >= 3, "{failed}");
    is_well.store(true, Ordering::SeqCst);
    is_taken_back(&front, &shaky);
}

/// After one request that has found it well, the upstream gets its half of them, and not just one for each rest.
fn is_taken_back(front: &Front, upstream: &Upstream) {
    let before = upstream.requests().len();
    eventually("a request finds out that it is well", || {
        assert_eq!(front.ask(&post("/x")).status, 200);
        upstream.requests().len() > before
    });
    let before = upstream.requests().len();
    for _ in 0..20 {
        assert_eq!(front.ask(&post("/x")).status, 200);
    }
    assert_eq!(upstream.requests().len() - before, 10);
}

/// Answers with this status while it is set, and otherwise with 200.
fn excusing(status: &'static str, is_ill: &Arc<AtomicBool>) -> Upstream {
    let is_ill = Arc::clone(is_ill);
    Upstream::start(move |exchange| {
        exchange.read_body()?;
        let status = if is_ill.load(Ordering::SeqCst) { status } else { "200 OK" };
        exchange.respond(status, &[], b"ok")
    })
}

/// by choice, an upstream that says itself that it cannot answer is left out, too.
#[test]
fn an_upstream_that_excuses_itself_is_left_out_where_that_counts() {
    let is_ill = Arc::new(AtomicBool::new(true));
    let good = Upstream::polite();
    let ask = |status, excuses_max| {
        let ill = excusing(status, &is_ill);
        let mut plan = Plan::before(&[&ill, &good]);
        plan.proxy.balance.excuses_max = excuses_max;
        plan.proxy.timeouts.rest = Duration::from_mins(10);
        let front = plan.start();
        for _ in 0..20 {
            front.ask(&post("/x"));
        }
        ill.requests().len()
    };
    for status in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        assert_eq!(ask(status, 3), 3, "{status}");
    }
    assert_eq!(ask("503 Service Unavailable", 0), 10, "it counts by choice alone");
    for status in ["500 Internal Server Error", "429 Too Many Requests"] {
        assert_eq!(ask(status, 3), 10, "{status} is an answer");
    }

    // Only in a row.
    let turn = AtomicUsize::new(0);
    let moody = Upstream::start(move |exchange| {
        exchange.read_body()?;
        let is_third = turn.fetch_add(1, Ordering::SeqCst) % 3 == 2;
        exchange.respond(if is_third { "200 OK" } else { "503 Service Unavailable" }, &[], b"ok")
    });
    let mut plan = Plan::before(&[&moody, &good]);
    plan.proxy.balance.excuses_max = 3;
    let front = plan.start();
    for _ in 0..20 {
        front.ask(&post("/x"));
    }
    assert_eq!(moody.requests().len(), 10);
}

/// one request finds out whether it can answer again, and where all excuse themselves, somebody is asked all the
/// same.
#[test]
fn an_upstream_that_excused_itself_is_taken_back_and_the_last_one_stays() {
    let is_ill = Arc::new(AtomicBool::new(true));
    let (ill, good) = (excusing("503 Service Unavailable", &is_ill), Upstream::polite());
    let mut plan = Plan::before(&[&ill, &good]);
    plan.proxy.balance.excuses_max = 2;
    plan.proxy.timeouts.rest = Duration::from_millis(50);
    let front = plan.start();
    eventually("a third request finds out that it is still ill", || {
        front.ask(&post("/x"));
        ill.requests().len() == 3
    });
    is_ill.store(false, Ordering::SeqCst);
    is_taken_back(&front, &ill);

    is_ill.store(true, Ordering::SeqCst);
    let others = [(); 2].map(|()| excusing("503 Service Unavailable", &is_ill));
    let mut plan = Plan::before(&[&others[0], &others[1]]);
    plan.proxy.balance.excuses_max = 1;
    plan.proxy.timeouts.rest = Duration::from_mins(10);
    let front = plan.start();
    for _ in 0..6 {
        let answer = front.ask(&post("/x"));
        assert_eq!((answer.status, answer.body.as_slice()), (503, b"ok".as_slice()), "the application's own");
    }
    is_ill.store(false, Ordering::SeqCst);
    assert_eq!(front.ask(&post("/x")).status, 200);
}

/// Where all are unwell, the requests still go somewhere.
#[test]
fn the_last_upstreams_are_never_left_out() {
    let is_well = Arc::new(AtomicBool::new(false));
    let make = || {
        let seen = Arc::clone(&is_well);
        Upstream::start(move |exchange| {
            if !seen.load(Ordering::SeqCst) {
                return exchange.close();
            }
            exchange.read_body()?;
            exchange.respond("200 OK", &[], b"ok")
        })
    };
    let (one, other) = (make(), make());
    let mut plan = Plan::before(&[&one, &other]);
    plan.proxy.timeouts.rest = Duration::from_mins(10);
    let front = plan.start();
    for _ in 0..10 {
        assert_eq!(front.ask(&post("/x")).status, 502);
    }
    is_well.store(true, Ordering::SeqCst);
    assert_eq!(front.ask(&post("/x")).status, 200);
}

/// repetitions are a tenth of the requests and a few at once, so that they cannot bury what is failing.
#[test]
fn repetitions_have_a_budget() {
    let (one, other) = (dying(), dying());
    let front = Plan::before(&[&one, &other]).start();
    let asked = 100;
    for _ in 0..asked {
        assert_eq!(front.ask(&get("/x")).status, 502);
    }
    let sent = one.requests().len() + other.requests().len();
    assert!(sent > asked + 10, "{sent}: some are repeated");
    assert!(sent <= asked + 20 + asked / 10, "{sent} requests were sent for {asked}");
}

/// every address gets its chance, and no answer has a code of its own.
#[test]
fn an_upstream_that_leaves_connections_unanswered_is_given_up() {
    let deaf = Deaf::new();
    let mut plan = Plan::before(&[]);
    plan.proxy.upstreams = vec![Address::parse(&format!("http://{}", deaf.address)).unwrap()];
    plan.proxy.timeouts.connect = Duration::from_millis(200);
    let answer = plan.start().ask(&get("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (504, b"upstream_connect_timeout".as_slice()));
}

/// an address that does not answer holds the next one up for a moment only.
#[test]
fn all_addresses_of_a_name_are_tried() {
    let upstream = Upstream::polite();
    let deaf = Deaf::new();
    let (mut plan, _) = before_name(&[deaf.address, upstream.address]);
    plan.proxy.timeouts.connect = Duration::from_secs(15);
    let front = plan.start();
    let begun = Instant::now();
    assert_eq!(front.ask(&get("/x")).status, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (plan, _) = before_name(&[gone, gone, upstream.address]);
    assert_eq!(plan.start().ask(&post("/x")).status, 200);
}

/// a name that moves is followed, kept connections or not; one that cannot be asked for stays where it was.
#[test]
fn a_name_that_moves_is_followed() {
    let (old, new) = (Upstream::polite(), Upstream::polite());
    let (mut plan, book) = before_name(&[old.address]);
    plan.proxy.balance.dns_refresh = Duration::from_millis(20);
    let front = plan.start();
    assert_eq!(front.ask(&get("/x")).status, 200);
    book.write(&[]);
    let asked = book.asked.load(Ordering::SeqCst);
    eventually("the name is asked for again, in vain", || {
        assert_eq!(front.ask(&get("/x")).status, 200, "the last good address is kept");
        book.asked.load(Ordering::SeqCst) > asked + 2
    });
    assert_eq!(new.connections(), 0);
    book.write(&[new.address]);
    eventually("requests go to the new address", || {
        assert_eq!(front.ask(&get("/x")).status, 200);
        new.requests().len() > 2
    });
    let before = old.requests().len();
    for _ in 0..5 {
        assert_eq!(front.ask(&get("/x")).status, 200);
    }
    assert_eq!(old.requests().len(), before, "nobody asks the old address any more");
}

#[test]
fn a_name_that_nobody_knows_is_a_bad_gateway_until_somebody_does() {
    let upstream = Upstream::polite();
    let (plan, book) = before_name(&[]);
    let front = plan.start();
    for _ in 0..5 {
        let answer = front.ask(&get("/x"));
        assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_connect_failed".as_slice()));
    }
    assert_eq!(book.asked.load(Ordering::SeqCst), 1, "the name servers are spared");
    book.write(&[upstream.address]);
    eventually("the name is found", || front.ask(&get("/x")).status == 200);
}

/// A session stays where it is, and moves only when its upstream is gone.
#[test]
fn a_session_sticks_to_its_upstream() {
    let is_well = Arc::new([AtomicBool::new(true), AtomicBool::new(true)]);
    let make = |place: usize| {
        let is_well = Arc::clone(&is_well);
        Upstream::start(move |exchange| {
            if !is_well[place].load(Ordering::SeqCst) {
                return exchange.close();
            }
            exchange.read_body()?;
            exchange.respond("200 OK", &[], b"ok")
        })
    };
    let upstreams = [make(0), make(1)];
    let mut plan = Plan::before(&[&upstreams[0], &upstreams[1]]);
    plan.proxy.balance.sticky = true;
    plan.proxy.timeouts.rest = Duration::from_mins(10);
    let front = plan.start();
    let counts = || [upstreams[0].requests().len(), upstreams[1].requests().len()];
    for _ in 0..12 {
        assert_eq!(front.ask(&get("/private")).status, 200);
    }
    let home = usize::from(counts()[1] > 0);
    assert_eq!(counts()[home], 12, "{:?}", counts());
    // Public pages belong to no session.
    for _ in 0..6 {
        assert_eq!(front.ask(&get("/public/x")).status, 200);
    }
    assert!(counts()[1 - home] >= 2, "{:?}", counts());
    is_well[home].store(false, Ordering::SeqCst);
    let before = counts()[1 - home];
    for _ in 0..12 {
        assert_eq!(front.ask(&get("/private")).status, 200);
    }
    assert_eq!(counts()[1 - home], before + 12);
}

/// what an upstream cannot take waits a moment, goes to another one, or is told to come back.
#[test]
fn an_upstream_gets_no_more_requests_than_it_may_have() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let slow = Upstream::start(move |exchange| {
        if exchange.recorded.target() == "/slow" {
            gone.lock().unwrap().recv_timeout(PATIENCE).map_err(io::Error::other)?;
        }
        exchange.respond("200 OK", &[], b"ok")
    });
    let one = NonZero::new(1);
    let mut plan = Plan::before(&[&slow]);
    plan.proxy.balance.requests_max = one;
    plan.proxy.timeouts.queue = Duration::from_millis(100);
    let front = plan.start();
    let mut first = front.connect();
    first.send(get("/slow"));
    slow.wait_for_requests(1);
    let answer = front.ask(&get("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (503, b"upstream_overloaded".as_slice()));
    assert_eq!(slow.requests().len(), 1, "the application saw nothing of it");
    go.send(()).unwrap();
    assert_eq!(first.answer().status, 200);
    assert_eq!(front.ask(&get("/x")).status, 200);

    // With patience, the second one's turn comes.
    let mut plan = Plan::before(&[&slow]);
    plan.proxy.balance.requests_max = one;
    plan.proxy.timeouts.queue = PATIENCE;
    let front = plan.start();
    let (mut first, mut second) = (front.connect(), front.connect());
    let before = slow.requests().len();
    first.send(get("/slow"));
    slow.wait_for_requests(before + 1);
    second.send(get("/second"));
    go.send(()).unwrap();
    assert_eq!((first.answer().status, second.answer().status), (200, 200));

    // With another upstream, nobody waits.
    let other = Upstream::polite();
    let mut plan = Plan::before(&[&slow, &other]);
    plan.proxy.balance.requests_max = one;
    let front = plan.start();
    let mut first = front.connect();
    first.send(get("/slow"));
    for _ in 0..4 {
        assert_eq!(front.ask(&get("/x")).status, 200);
    }
    go.send(()).unwrap();
    assert_eq!(first.answer().status, 200);
}

/// the check finds out what no request has to suffer for, also where requests fare well: by a status, by a connection
/// that breaks off, and by silence.
#[test]
fn an_upstream_whose_check_fails_is_asked_last() {
    let failures: [fn(&mut Exchange) -> io::Result<()>; 3] = [
        |exchange| exchange.respond("500 Internal Server Error", &[], b""),
        |exchange| exchange.close(),
        Exchange::wait_for_close,
    ];
    for fail in failures {
        let is_well = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_well);
        let ill = Upstream::start(move |exchange| {
            let is_check = exchange.recorded.target() != "/x";
            if is_check && !seen.load(Ordering::SeqCst) {
                return fail(exchange);
            }
            exchange.respond("200 OK", &[], b"ill")
        });
        let is_gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_gone);
        let good = Upstream::start(move |exchange| {
            let is_check = exchange.recorded.target() != "/x";
            if !is_check && seen.load(Ordering::SeqCst) {
                return exchange.close();
            }
            exchange.respond("200 OK", &[], b"good")
        });
        let mut plan = Plan::before(&[&ill, &good]);
        let path = "/healthz?deep=1".parse().unwrap();
        plan.proxy.balance.check = Some(Check { path, every: Duration::from_millis(20) });
        let front = plan.start();
        let asked = |upstream: &Upstream| {
            let requests = upstream.requests();
            requests.into_iter().filter(|request| request.target() == "/x").count()
        };
        eventually("the check has failed often enough", || ill.requests().len() > 5);
        for _ in 0..6 {
            let answer = front.ask(&get("/x"));
            assert_eq!((answer.status, answer.body.as_slice()), (200, b"good".as_slice()));
        }
        assert_eq!((asked(&ill), asked(&good)), (0, 6));
        let check = ill.requests().remove(0);
        assert_eq!(check.target(), "/healthz?deep=1");
        assert_eq!(check.head.one("host"), Some(HOST));
        assert!(check.head.all("x-anteroom-jwt-assertion").is_empty(), "the check has no identity");
        is_gone.store(true, Ordering::SeqCst);
        let answer = front.ask(&get("/x"));
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"ill".as_slice()), "last, and not never");
        is_gone.store(false, Ordering::SeqCst);
        is_well.store(true, Ordering::SeqCst);
        let before = asked(&ill);
        eventually("the check finds it well", || {
            assert_eq!(front.ask(&get("/x")).status, 200);
            asked(&ill) > before
        });
        let before = asked(&ill);
        for _ in 0..6 {
            assert_eq!(front.ask(&get("/x")).status, 200);
        }
        assert_eq!(asked(&ill) - before, 3);
    }
}

/// the same address under two schemes is two upstreams: a connection of one never serves the other.
#[test]
fn connections_of_two_schemes_are_kept_apart() {
    let upstream = Upstream::polite();
    let front = Front::before(&upstream);
    assert_eq!(front.ask(&get("/x")).status, 200);
    assert_eq!((upstream.connections(), front.ask(&get("/x")).status), (1, 200));
    assert_eq!(upstream.connections(), 1, "the control: one scheme, one connection");
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.upstreams.push(Address::parse(&format!("https://{}", upstream.address)).unwrap());
    let front = plan.start();
    let answers: Vec<_> = (0..4).map(|_| front.ask(&get("/x")).status).collect();
    assert_eq!(answers, [200; 4], "what TLS is not set up for is passed over");
    assert_eq!(upstream.connections(), 2);
}
