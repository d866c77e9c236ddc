//! Bodies that flow: large, slow, endless, cut.

use std::io::{BufRead, Read, Write};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Answer, Client, Front, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream, eventually};

const MIB: usize = 1024 * 1024;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// The octet that fills a block, so that none can take another's place unseen.
fn stamp(block: usize) -> u8 {
    u8::try_from(block % 251).unwrap()
}

#[test]
fn twenty_megabytes_pass_both_ways_unchanged_and_unkept() {
    let upstream = Upstream::start(|exchange| {
        let length: usize = exchange.recorded.head.one("content-length").unwrap().parse().unwrap();
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
        let mut chunk = vec![0; 64 * 1024];
        let mut left = length;
        while left > 0 {
            let count = exchange.stream.read(&mut chunk)?;
            exchange.write(&chunk[..count])?;
            left -= count;
        }
        Ok(())
    });
    let front = Front::before(&upstream);
    assert_eq!(
        front.ask(&format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nok")).body,
        b"ok"
    );
    let before = super::resident_bytes();

    let length = 20 * MIB;
    let mut client = front.connect();
    let mut writer = client.0.get_ref().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        writer.write_all(
            format!("POST /up HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n\r\n").as_bytes(),
        )?;
        (0..length / 1024).try_for_each(|block| writer.write_all(&[stamp(block); 1024]))
    });
    let head = client.head();
    assert_eq!(head.one("content-length"), Some(length.to_string().as_str()));
    let mut block = [0; 1024];
    for number in 0..length / 1024 {
        client.0.read_exact(&mut block).unwrap();
        assert_eq!(block, [stamp(number); 1024], "block {number}");
    }
    sending.join().unwrap().unwrap();
    let grown = super::resident_bytes().saturating_sub(before);
    assert!(grown < 8 * MIB, "20 MiB passed and {grown} bytes stayed");
}

/// who does not read stops the application from sending, not us from having memory.
#[test]
fn a_slow_reader_slows_the_application_down() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let upstream = Upstream::start(move |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        loop {
            exchange.write(&chunk)?;
            counter.fetch_add(0x10000, Ordering::SeqCst);
        }
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(get("/endless"));
    client.head();
    let mut last = 0;
    eventually("the application is held up", || {
        std::thread::sleep(Duration::from_millis(300));
        let now = sent.load(Ordering::SeqCst);
        std::mem::replace(&mut last, now) == now && now > 0
    });
    assert!(last < 40 * MIB, "{last} bytes went nowhere");
    // It goes on where the reader does.
    let mut gulp = vec![0; 32 * MIB];
    client.0.read_exact(&mut gulp).unwrap();
    eventually("the application goes on", || sent.load(Ordering::SeqCst) > last);
    drop(client);
    upstream.wait_for_open(0);
}

#[test]
fn the_first_event_of_a_stream_does_not_wait_for_the_second() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        exchange.write(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
             b\r\ndata: one\n\n\r\n",
        )?;
        gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        exchange.write("b\r\ndata: two\n\n\r\n0\r\n\r\n")
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(get("/events"));
    client.head();
    let mut read_until = |event: &str| {
        let mut line = String::new();
        while !line.contains(event) {
            line.clear();
            assert_ne!(client.0.read_line(&mut line).unwrap(), 0, "the stream ended before {event}");
        }
    };
    read_until("data: one");
    go.send(()).unwrap();
    read_until("data: two");
}

/// an application whose client has left is told.
#[test]
fn a_client_that_leaves_ends_the_request_behind() {
    let upstream = Upstream::start(crate::upstream::Exchange::wait_for_close);
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(get("/slow"));
    upstream.wait_for_requests(1);
    drop(client);
    upstream.wait_for_open(0);
}

/// also a client whose upload the application does not take, of which nothing is read.
#[test]
fn a_client_that_leaves_an_upload_that_nobody_takes_ends_its_request() {
    let upstream = Upstream::start(|exchange| {
        if exchange.recorded.target() == "/stuck" {
            std::thread::park();
        }
        exchange.respond("200 OK", &[], b"ok")
    });
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.balance.requests_max = NonZero::new(1);
    let front = plan.start();
    let mut client = front.connect();
    client.send(format!("POST /stuck HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n", 1_000 * MIB));
    let stream = client.0.get_ref();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let piece = vec![b'x'; MIB];
    while (&*stream).write_all(&piece).is_ok() {}
    assert_eq!(front.ask(&get("/other")).status, 503, "the control: it has the only place");
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    eventually("the place is free", || front.ask(&get("/other")).status == 200);
}

/// within a second of the session's end, and without the ending that a whole response has.
#[test]
fn the_end_of_a_session_cuts_what_is_streaming() {
    let upstream = Upstream::start(|exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while exchange.recorded.target() == "/flows" {
            exchange.write(&chunk)?;
        }
        exchange.wait_for_close()
    });
    let front = Front::before(&upstream);
    let mut flowing = front.connect();
    flowing.send(get("/flows"));
    flowing.head();
    let mut private = front.connect();
    private.send(get("/private"));
    private.head();
    let mut public = front.connect();
    public.send(get("/public/stream"));
    public.head();

    let begun = Instant::now();
    front.end_session();
    let mut rest = Vec::new();
    private.0.read_to_end(&mut rest).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the stream looks complete");
    // Who has not read what was on its way gets no more than that.
    let (mut end, mut piece, mut bytes) = (Vec::new(), vec![0; 0x10000], 0);
    while let Ok(count @ 1..) = flowing.0.read(&mut piece) {
        end.extend_from_slice(&piece[..count]);
        end.drain(..end.len().saturating_sub(5));
        bytes += count;
        assert!(bytes < 256 * MIB, "what belongs to the session goes on");
    }
    assert_ne!(end, b"0\r\n\r\n", "the stream looks complete");
    upstream.wait_for_open(1);
    public.0.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut rest = Vec::new();
    assert!(public.0.read_to_end(&mut rest).is_err(), "what belongs to no session goes on");
}

#[test]
fn a_response_that_comes_after_the_session_ended_is_withheld() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        exchange.respond("200 OK", &[], b"secret")
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(get("/private"));
    upstream.wait_for_requests(1);
    front.end_session();
    go.send(()).unwrap();
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (401, b"session_ended".as_slice()));
}

/// the body is pulled when the application wants it; a final answer instead leaves it where it is.
#[test]
fn a_body_waits_until_the_application_asks_for_it() {
    let (refused, rest) = mpsc::channel();
    let upstream = Upstream::start(move |exchange| {
        assert_eq!(exchange.recorded.head.one("expect"), Some("100-continue"));
        if exchange.recorded.target() == "/refused" {
            exchange.respond("417 Expectation Failed", &[], b"no")?;
            let mut rest = Vec::new();
            Read::read_to_end(&mut exchange.stream, &mut rest)?;
            return refused.send(rest).map_err(std::io::Error::other);
        }
        exchange.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"yes")
    });
    let front = Front::before(&upstream);
    let head = |path| {
        format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = front.connect();
    client.send(head("/wanted"));
    assert_eq!(client.answer().status, 100);
    client.send("abc");
    assert_eq!(client.answer().body, b"yes");

    let mut client = front.connect();
    client.send(head("/refused"));
    assert_eq!(client.answer().status, 417);
    assert_eq!(
        rest.recv_timeout(PATIENCE),
        Ok(Vec::new()),
        "not an octet of it, and the connection has ended"
    );
}

/// a response that has begun may pause as long as any other, also where its request is still being sent.
#[test]
fn a_response_ahead_of_its_upload_may_pause() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        if exchange.recorded.target() == "/silent" {
            return exchange.wait_for_close();
        }
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe")?;
        gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        exchange.read_body()?;
        exchange.write("re")
    });
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.timeouts.first_byte = Duration::from_millis(200);
    let front = plan.start();
    let mut client = front.connect();
    client.send(format!("POST /early HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n\r\nbo"));
    let head = client.head();
    assert_eq!(head.word(1), "200");

    let mut other = front.connect();
    other.send(format!("GET /silent HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(other.answer().status, 504, "by now the other one has been silent as long");
    go.send(()).unwrap();
    client.send("dy");
    let (body, _) = crate::upstream::read_body(&mut client.0, &head).unwrap();
    assert_eq!(body, b"here");
}

/// an upload that stops is given up, and the application is told.
#[test]
fn an_upload_that_stalls_is_given_up() {
    let upstream = Upstream::polite();
    let mut plan = Plan::before(&[&upstream]);
    plan.proxy.timeouts.request_body = Duration::from_millis(300);
    let front = plan.start();
    let mut client = front.connect();
    client.send(format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10\r\n\r\nabc"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (408, b"request_timeout".as_slice()));
    upstream.wait_for_open(0);
}

/// Sends an octet every few milliseconds, until so many are sent or something comes back; whether it does.
fn dribble(client: &Client, octets: usize) -> bool {
    let mut stream = client.0.get_ref();
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let is_answered = (0..octets).any(|_| {
        // Whoever has given us up is done with us.
        stream.write_all(b"x").unwrap_or_default();
        stream.peek(&mut [0]).is_ok()
    });
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    is_answered
}

/// who sends an octet now and then is given up after the grace, and nobody else is.
#[test]
fn an_upload_that_dribbles_is_given_up() {
    const ALL: usize = 15;
    let upstream = Upstream::start(|exchange| {
        if exchange.recorded.target() == "/talk" {
            exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")?;
            exchange.read_body()?;
            return exchange.write("ok");
        }
        exchange.read_body()?;
        exchange.respond("200 OK", &[], b"ok")
    });
    let grace = Duration::from_millis(80);
    let start = |rate_min, grace| {
        let mut plan = Plan::before(&[&upstream]);
        plan.proxy.timeouts.request_body_grace = grace;
        plan.proxy.timeouts.request_body_rate_min = NonZero::new(rate_min);
        plan.start()
    };
    let post = |path: &str, length: usize, more: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{more}Content-Length: {length}\r\n\r\n")
    };
    let send = |front: &Front, head: String, octets: usize| -> Answer {
        let mut client = front.connect();
        client.send(head);
        dribble(&client, octets);
        client.answer()
    };
    let front = start(10_000, grace);
    let mut client = front.connect();
    client.send(post("/x", 100_000, ""));
    assert!(dribble(&client, 500), "it may go on for ever");
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (408, b"request_timeout".as_slice()));
    upstream.wait_for_open(0);
    // As slow, but wanted so: a call that talks, a conversation, and no demand at all.
    let call = post("/x", ALL, "Content-Type: application/grpc+proto\r\n");
    assert_eq!(send(&front, call, ALL).body, b"ok");
    let mut client = front.connect();
    client.send(post("/talk", ALL, ""));
    let head = client.head();
    dribble(&client, ALL);
    assert_eq!(crate::upstream::read_body(&mut client.0, &head).unwrap().0, b"ok");
    assert_eq!(send(&start(0, grace), post("/x", ALL, ""), ALL).body, b"ok");
    // Not waited for for long enough to tell.
    assert_eq!(send(&start(10_000, PATIENCE), post("/x", ALL, ""), ALL).body, b"ok");
    // Waited for as long, but with more to show for it.
    let mut client = front.connect();
    client.send(post("/x", 100_000 + ALL, ""));
    client.send(vec![b'x'; 100_000]);
    dribble(&client, ALL);
    assert_eq!(client.answer().body, b"ok");
}

/// as long as it is read slowly it is sent slowly, and nothing of it is kept; then as fast as it is read.
fn a_large_response_passes(bytes: usize) {
    const BLOCK: usize = 64 * 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let upstream = Upstream::start(move |exchange| {
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n"))?;
        let mut block = vec![0; BLOCK];
        for number in 0..bytes / BLOCK {
            block.fill(stamp(number));
            exchange.write(&block)?;
            counter.fetch_add(BLOCK, Ordering::SeqCst);
        }
        Ok(())
    });
    let front = Front::before(&upstream);
    let mut client = front.connect();
    client.send(get("/large"));
    client.head();
    let (mut block, mut wanted) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut take = |number: usize| {
        client.0.read_exact(&mut block).unwrap();
        wanted.fill(stamp(number));
        assert!(block == wanted, "block {number} is another one");
    };
    // Nothing moves before the reader does.
    let held_up = || {
        let mut last = usize::MAX;
        eventually("the application is held up", || {
            std::thread::sleep(Duration::from_millis(20));
            let now = sent.load(Ordering::SeqCst);
            std::mem::replace(&mut last, now) == now && now > 0
        });
        last
    };
    held_up();
    let before = super::resident_bytes();
    let slow = 64;
    for number in 0..slow {
        take(number);
        if number % 16 == 0 {
            // What the system keeps of two connections, which has its bounds.
            let ahead = held_up() - number * BLOCK;
            assert!(ahead < 64 * MIB, "{ahead} bytes are ahead");
        }
    }
    let grown = super::resident_bytes().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes were kept");
    (slow..bytes / BLOCK).for_each(&mut take);
    assert_eq!(sent.load(Ordering::SeqCst), bytes);
    client.send(get("/large"));
    assert_eq!(client.head().word(1), "200", "its end was found");
}

#[test]
fn a_large_response_passes_at_the_pace_of_its_reader() {
    a_large_response_passes(256 * MIB);
}

#[test]
#[ignore = "takes its time; scripts/test runs it"]
fn a_very_large_response_passes_at_the_pace_of_its_reader() {
    a_large_response_passes(1024 * MIB);
}
