//! HTTP/2 as no browser speaks it: frames by hand, too many of them or against the rules (R-33 to R-35, T-G4).
//!
//! Each flood ends its own connection, with the reason, and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::pair;
use super::{Front, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream, eventually};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// More than anybody may send for nothing, and no more than a moment takes.
const MANY: usize = 1_500;

/// One frame.
#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut octets = vec![length[1], length[2], length[3], kind, flags];
    octets.extend(stream.to_be_bytes());
    octets.extend(payload);
    octets
}

/// The fields of a request (RFC 7541), all of them from the static table or literal.
fn fields(method: u8) -> Vec<u8> {
    let mut fields = vec![method, 0x87, 0x84, 0x01, u8::try_from(HOST.len()).unwrap()];
    fields.extend(HOST.as_bytes());
    fields
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields(GET))
}

/// Numbers of streams that clients open.
fn streams(count: usize) -> impl Iterator<Item = u32> {
    (1..).step_by(2).take(count)
}

/// A front that speaks HTTP/2, and whom to trust for it.
struct Scene {
    front: Front,
    trust: Arc<ClientConfig>,
}

impl Scene {
    fn before(upstream: &Upstream) -> Self {
        Self::of(Plan::before(&[upstream]))
    }

    fn of(mut plan: Plan) -> Self {
        let (pair, certificate) = pair(&[HOST]);
        plan.server.certificates = Some(anteroom::server::Certificates::new(&[pair]).unwrap());
        Self { front: plan.start(), trust: trusting(certificate) }
    }

    /// A connection that has begun in order.
    async fn connect(&self) -> Raw {
        self.begin(TcpStream::connect(self.front.address).await.unwrap()).await
    }

    async fn begin(&self, stream: TcpStream) -> Raw {
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.trust)).connect(name, stream).await.unwrap();
        let mut raw = Raw { stream };
        raw.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat())
            .await;
        raw.send(&frame(SETTINGS, ACK, 0, &[])).await;
        raw
    }

    /// What a flood ends with; meanwhile a neighbour goes on.
    async fn flooded(&self, octets: &[u8]) -> u32 {
        let mut neighbour = self.connect().await;
        neighbour.send(&get(1)).await;
        assert_eq!(neighbour.answer(1).await, b"\x88");
        let mut raw = self.connect().await;
        raw.send(octets).await;
        let code = raw.goaway().await;
        neighbour.send(&get(3)).await;
        // The status is in the table of fields by now, or said again; either way it is 200.
        assert_eq!(neighbour.answer(3).await, b"\x88");
        code
    }
}

fn trusting(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

struct Raw {
    stream: TlsStream<TcpStream>,
}

impl Raw {
    /// Sends octets; a front that has had enough may close in the middle.
    async fn send(&mut self, octets: &[u8]) {
        if let Err(error) = self.stream.write_all(octets).await {
            assert!(!matches!(error.kind(), std::io::ErrorKind::TimedOut), "{error}");
        }
    }

    async fn frame(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], stream, payload })
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the front says something")
    }

    /// The first octet of the fields that answer a stream: `:status`, indexed.
    async fn answer(&mut self, stream: u32) -> Vec<u8> {
        loop {
            let frame = self.frame().await.expect("the connection goes on");
            assert_ne!(frame.kind, GOAWAY, "{frame:?}");
            if frame.kind == HEADERS && frame.stream == stream {
                return frame.payload[..1].to_vec();
            }
        }
    }

    /// The code that the connection ends with.
    async fn goaway(&mut self) -> u32 {
        loop {
            let frame = self.frame().await.expect("the front says why it ends the connection");
            if frame.kind == GOAWAY {
                return u32::from_be_bytes(frame.payload[4..8].try_into().unwrap());
            }
        }
    }
}

/// a client that answers no ping is gone, and is let go long before its time; one that answers stays.
#[tokio::test]
async fn a_client_that_answers_no_ping_is_gone() {
    let upstream = Upstream::polite();
    let scene = |pong| {
        let mut plan = Plan::before(&[&upstream]);
        plan.server.limits.first_byte = PATIENCE * 9;
        plan.server.limits.keep_alive = PATIENCE * 9;
        (plan.server.limits.ping, plan.server.limits.pong) = (Duration::from_millis(20), pong);
        Scene::of(plan)
    };
    let impatient = scene(Duration::from_millis(20));
    let mut dead = impatient.connect().await;
    let mut pings = 0;
    while let Some(frame) = dead.frame().await {
        pings += u32::from(frame.kind == PING);
    }
    assert_eq!(pings, 1, "it is asked once, and not waited for for ever");

    let patient = scene(PATIENCE);
    let mut living = patient.connect().await;
    for _ in 0..3 {
        let ping = loop {
            let frame = living.frame().await.expect("the connection goes on");
            if frame.kind == PING {
                break frame;
            }
        };
        living.send(&frame(PING, ACK, 0, &ping.payload)).await;
    }
    living.send(&get(1)).await;
    assert_eq!(living.answer(1).await, b"\x88");
}

#[tokio::test]
async fn control_a_request_by_hand_is_answered() {
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    let mut raw = scene.connect().await;
    raw.send(&get(1)).await;
    assert_eq!(raw.answer(1).await, b"\x88");
    raw.send(&frame(HEADERS, END_HEADERS, 3, &fields(POST))).await;
    raw.send(&frame(DATA, END_STREAM, 3, b"abc")).await;
    assert_eq!(raw.answer(3).await, b"\x88");
    assert_eq!(upstream.requests()[1].body, b"abc");
}

/// requests that are taken back at once.
#[tokio::test]
async fn rapid_resets_are_told_to_calm_down() {
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    let cancel = 8_u32.to_be_bytes();
    let octets: Vec<u8> = streams(MANY)
        .flat_map(|stream| [get(stream), frame(RST_STREAM, 0, stream, &cancel)].concat())
        .collect();
    assert_eq!(scene.flooded(&octets).await, ENHANCE_YOUR_CALM);
}

/// the same so slowly that each request is begun; the count is what ends it.
#[tokio::test]
async fn resets_of_begun_requests_are_counted_too() {
    let upstream = Upstream::start(crate::upstream::Exchange::wait_for_close);
    let scene = Scene::before(&upstream);
    let mut raw = scene.connect().await;
    let cancel = 8_u32.to_be_bytes();
    let mut told = None;
    // More than what is allowed anew while a slow machine does this.
    for round in 0..250_u32 {
        let numbers: Vec<u32> = (0..10).map(|number| 1 + 2 * (round * 10 + number)).collect();
        raw.send(&numbers.iter().flat_map(|number| get(*number)).collect::<Vec<u8>>()).await;
        raw.send(&frame(PING, 0, 0, &[7; 8])).await;
        // The answer to the ping shows that the requests have been seen.
        loop {
            match raw.frame().await {
                Some(frame) if frame.kind == PING => break,
                Some(frame) if frame.kind == GOAWAY => {
                    told = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
                    break;
                }
                Some(_) => {}
                None => panic!("the front says why it ends the connection"),
            }
        }
        if told.is_some() {
            break;
        }
        let resets = numbers.iter().flat_map(|number| frame(RST_STREAM, 0, *number, &cancel));
        raw.send(&resets.collect::<Vec<u8>>()).await;
    }
    assert_eq!(told, Some(ENHANCE_YOUR_CALM));
    upstream.wait_for_open(0);
}

/// Who leaves a page with all its requests under way has done nothing wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_may_be_left() {
    let upstream = Upstream::start(|exchange| {
        if exchange.recorded.head.one("x-slow").is_some() {
            return exchange.wait_for_close();
        }
        exchange.respond("200 OK", &[], b"ok")
    });
    let scene = Scene::before(&upstream);
    let mut raw = scene.connect().await;
    let mut slow = fields(GET);
    slow.extend(b"\x00\x06x-slow\x011");
    for stream in streams(30) {
        raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &slow)).await;
    }
    let waiting = &upstream;
    tokio::task::block_in_place(|| waiting.wait_for_requests(30));
    for stream in streams(30) {
        raw.send(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
    }
    raw.send(&get(61)).await;
    assert_eq!(raw.answer(61).await, b"\x88");
}

/// the head of a request that never ends.
#[tokio::test]
async fn endless_continuations_end_the_connection() {
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    let mut octets = frame(HEADERS, END_STREAM, 1, &fields(GET));
    for _ in 0..MANY {
        octets.extend(frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b"));
    }
    let code = scene.flooded(&octets).await;
    assert!(matches!(code, ENHANCE_YOUR_CALM | PROTOCOL_ERROR), "{code}");
    let mut octets = frame(HEADERS, END_STREAM, 1, &fields(GET));
    for _ in 0..MANY {
        octets.extend(frame(CONTINUATION, 0, 1, b""));
    }
    let code = scene.flooded(&octets).await;
    assert!(matches!(code, ENHANCE_YOUR_CALM | PROTOCOL_ERROR), "{code}");
}

/// a head counts as what it unpacks to. Fields that are named again and again by an octet each are refused like
/// others, and end the connection where they are far too many.
#[tokio::test]
async fn a_head_that_unpacks_to_too_much_is_refused() {
    const TAKEN_INTO_THE_TABLE: u8 = 0x40;
    const FIRST_OF_THE_TABLE: u8 = 0xbe;
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    // 4,000 octets, as an integer with a prefix of 7 bits.
    let mut packed = [fields(GET).as_slice(), &[TAKEN_INTO_THE_TABLE, 1, b'x', 0x7f, 0xa1, 0x1e]].concat();
    packed.extend([b'y'; 4_000]);
    let head = |stream, repeated| {
        let fields = [packed.as_slice(), &[FIRST_OF_THE_TABLE].repeat(repeated)].concat();
        frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields)
    };
    let mut raw = scene.connect().await;
    raw.send(&head(1, 6)).await;
    assert_eq!(raw.answer(1).await, b"\x88", "28 KiB");
    for (stream, repeated) in [(3, 8), (5, 14), (7, 60)] {
        raw.send(&head(stream, repeated)).await;
        assert_ne!(raw.answer(stream).await, b"\x88", "{repeated} times 4 KiB");
    }
    raw.send(&get(9)).await;
    assert_eq!(raw.answer(9).await, b"\x88", "the connection goes on");
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(scene.flooded(&head(1, 70)).await, ENHANCE_YOUR_CALM, "more than 256 KiB");
}

/// the library cuts a fragment off, and so two servers could read the target in two ways.
#[tokio::test]
async fn a_target_with_a_fragment_is_refused() {
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    let mut raw = scene.connect().await;
    let target = |target: &[u8; 4]| {
        let host = fields(GET);
        [&[GET, 0x87, 0x04, 0x04], target.as_slice(), &host[3..]].concat()
    };
    let whole = |stream, fields: &[u8]| frame(HEADERS, END_STREAM | END_HEADERS, stream, fields);
    raw.send(&whole(1, &target(b"/abc"))).await;
    assert_eq!(raw.answer(1).await, b"\x88", "the control");
    raw.send(&whole(3, &target(b"/a#c"))).await;
    assert_eq!(raw.answer(3).await, b"\x8c", "400");
    // In two frames, each of which comes in two pieces.
    let fields = target(b"/a#c");
    let frames =
        [frame(HEADERS, END_STREAM, 5, &fields[..6]), frame(CONTINUATION, END_HEADERS, 5, &fields[6..])];
    for piece in frames.concat().chunks(8) {
        raw.send(piece).await;
        raw.stream.flush().await.unwrap();
    }
    assert_ne!(raw.answer(5).await, b"\x88");
    raw.send(&whole(7, &target(b"/abc"))).await;
    assert_eq!(raw.answer(7).await, b"\x88", "the connection goes on");
    assert_eq!(upstream.requests().len(), 2);

    // What the library would pass over or end a stream for, so that the two know other fields by number.
    let path = b"\x44\x04/a#c";
    let on_itself = [b"\x00\x00\x00\x01\x10", &path[..]].concat();
    for octets in [
        frame(HEADERS, END_STREAM | END_HEADERS | 0x20, 1, &on_itself),
        frame(0x5, END_HEADERS, 1, &[b"\x00\x00\x00\x02", &path[..]].concat()),
        [frame(HEADERS, END_STREAM, 1, b"\x40\x0aconnection\x01x"), whole(3, &target(b"/a#c"))].concat(),
    ] {
        assert_eq!(scene.flooded(&octets).await, PROTOCOL_ERROR, "{octets:x?}");
    }
    assert!(upstream.requests().iter().all(|request| request.target() != "/a"));
}

/// frames that do nothing.
#[tokio::test]
async fn frames_for_nothing_are_told_to_calm_down() {
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    let many = |frame: Vec<u8>| frame.repeat(MANY);
    let open = frame(HEADERS, END_HEADERS, 1, &fields(POST));
    for (name, octets) in [
        ("settings", many(frame(SETTINGS, 0, 0, &[]))),
        ("pings", many(frame(PING, 0, 0, &[7; 8]))),
        ("priorities", many(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]))),
        ("data without data", [open, many(frame(DATA, 0, 1, &[]))].concat()),
        ("frames that nobody knows", many(frame(0x77, 0, 0, b"?"))),
    ] {
        assert_eq!(scene.flooded(&octets).await, ENHANCE_YOUR_CALM, "{name}");
    }
}

/// whoever does not read the answers to its pings does not make them pile up.
#[tokio::test]
async fn a_flood_that_reads_nothing_is_cut_off() {
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    let mut raw = scene.connect().await;
    let flood = frame(PING, 0, 0, &[7; 8]).repeat(1_000);
    let flooding = async { while raw.stream.write_all(&flood).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, flooding).await.expect("the front ends it");
    let mut neighbour = scene.connect().await;
    neighbour.send(&get(1)).await;
    assert_eq!(neighbour.answer(1).await, b"\x88");
}

/// so many requests at a time, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn streams_have_a_limit() {
    let upstream = Upstream::start(crate::upstream::Exchange::wait_for_close);
    let scene = Scene::before(&upstream);
    let mut raw = scene.connect().await;
    for stream in streams(101) {
        raw.send(&get(stream)).await;
    }
    let refused = loop {
        let frame = raw.frame().await.expect("the connection goes on");
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    assert_eq!((refused.stream, refused.payload), (201, REFUSED_STREAM.to_be_bytes().to_vec()));
    tokio::task::block_in_place(|| upstream.wait_for_requests(100));
    assert_eq!(upstream.requests().len(), 100);
}

/// windows that are opened too far, or not at all.
#[tokio::test]
async fn windows_cannot_be_abused() {
    let upstream = Upstream::polite();
    let scene = Scene::before(&upstream);
    let update = |by: u32| frame(WINDOW_UPDATE, 0, 0, &by.to_be_bytes());
    assert_eq!(scene.flooded(&update(0)).await, PROTOCOL_ERROR);
    let both = [update(0x7fff_ffff), update(0x7fff_ffff)].concat();
    assert_eq!(scene.flooded(&both).await, FLOW_CONTROL_ERROR);
    // A client without a window gets the head of its answer, and keeps nobody from anything.
    let mut raw = scene.connect().await;
    raw.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    raw.send(&get(1)).await;
    assert_eq!(raw.answer(1).await, b"\x88");
    // More than its own window lets it, nobody sends.
    let mut raw = scene.connect().await;
    let mut octets = frame(HEADERS, END_HEADERS, 1, &fields(POST));
    octets.extend(frame(DATA, 0, 1, &[0; 16_000]).repeat(80));
    raw.send(&octets).await;
    let ended = loop {
        match raw.frame().await {
            Some(frame) if matches!(frame.kind, GOAWAY | RST_STREAM) => break frame.payload,
            Some(_) => {}
            None => break Vec::new(),
        }
    };
    assert!(ended.is_empty() || ended.ends_with(&FLOW_CONTROL_ERROR.to_be_bytes()), "{ended:?}");
}

/// A connection that ends is closed when its client has got everything, also if that goes on sending: closed with something
/// unread, it would be reset, and the end of the last answer lost.
#[tokio::test]
async fn the_last_answer_of_a_connection_arrives() {
    const LENGTH: usize = 40_000;
    let upstream = Upstream::start(|exchange| exchange.respond("200 OK", &[], &vec![b'x'; LENGTH]));
    let mut plan = Plan::before(&[&upstream]);
    plan.server.limits.requests_max = 1;
    let scene = Scene::of(plan);
    let stream = super::narrow(scene.front.address);
    let client = stream.local_addr().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut raw = scene.begin(TcpStream::from_std(stream).unwrap()).await;
    raw.send(&get(1)).await;
    eventually("the request is there", || upstream.requests().len() == 1);
    // The answer to the ping by which the library asks whether the client has heard of the end; it may not have asked yet.
    let heard = frame(PING, ACK, 0, &[0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54]);
    let mut polls = tokio::time::interval(Duration::from_millis(5));
    let ending = async {
        while !super::has_said_everything(client, scene.front.address) {
            raw.send(&heard).await;
            polls.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, ending).await.unwrap();
    for _ in 0..50 {
        // What a client may send at any time.
        raw.send(&frame(PING, 0, 0, &[0; 8])).await;
    }
    let mut length = 0;
    while let Some(frame) = raw.frame().await {
        length += if frame.kind == DATA { frame.payload.len() } else { 0 };
    }
    assert_eq!(length, LENGTH);
}
