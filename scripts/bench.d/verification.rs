//! What one SAML response costs to check, step by step, what hostile ones cost beside an honest one, and whether
//! encrypted ones that fail can be told apart by the time they take.
//!
//! Separate from the benchmark of the whole sign-on: no network, no store, one thread. The messages are made by
//! the identity provider of the tests, so the signed ones are validly signed, whatever else is wrong with them.
//!
//! `verification`: prints microseconds. `scripts/bench-verification` builds and runs it. `verification once N [NAME]`
//! checks one message N times and prints nothing, for a profiler: an honest one, or the hostile one with that in its name.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod provider;

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anteroom::clock::{Clock as _, SystemClock};
use anteroom::saml::{Document, Expected, IdentityProvider, KeyPair, Policy, Response, metadata};
use aws_lc_rs::{digest, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use self::provider::idp::encryption::{Cipher, Encryption};
use self::provider::idp::{Idp, Message, Request, Sign, SigningKey};

fn main() {
    let world = World::new();
    if let [Some(way), Some(times)] = [1, 2].map(|at| std::env::args().nth(at))
        && way == "once"
    {
        let text = match std::env::args().nth(3) {
            Some(part) => hostile_ones(&world).into_iter().find(|(name, _)| name.contains(&part)),
            None => Some(("", world.ordinary().to_xml())),
        };
        let form = STANDARD.encode(text.expect("the name of a row").1);
        for _ in 0..times.parse().expect("a number") {
            black_box(world.accept(&form));
        }
        return;
    }
    let whole = steps(&world, &world.ordinary());
    println!();
    steps(&world, &world.groups(20));
    println!();
    println!("{:<58}{:>9}{:>10}{:>8}  what came of it", "message", "octets", "us", "ratio");
    for (name, text) in honest_ones(&world).into_iter().chain(hostile_ones(&world)) {
        let form = STANDARD.encode(&text);
        let outcome = world.accept(&form);
        let cost = micros(|| world.accept(&form));
        println!("{name:<58}{:>9}{cost:>10.0}{:>8.1}  {outcome}", text.len(), cost / whole);
    }
    println!();
    failures(&world);
}

/// The service provider's side: whom it trusts, and what it asked.
struct World {
    idp: Idp,
    trusted: IdentityProvider,
    request: Request,
    own_keys: Vec<Arc<KeyPair>>,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let idp = Idp::entra();
        let now = SystemClock.now();
        let trusted = metadata::parse(&idp.metadata_xml(), now).expect("good metadata");
        let request = Request {
            id: "_d0c1b2a3948576655443322110ffeeddccbbaa99".to_owned(),
            sp_entity_id: "urn:amazon:cognito:sp:us-east-1_rlgU6e3y5".to_owned(),
            acs_url: "https://login.servusconnect.com/saml2/idpresponse".to_owned(),
        };
        let own_keys = vec![SigningKey::ours().own()];
        Self { idp, trusted, request, own_keys, now }
    }

    /// An answer of five kilobytes with one signed assertion, which is what Entra sends to most.
    fn ordinary(&self) -> Message {
        self.groups(ORDINARY_GROUPS)
    }

    /// An answer as Entra sends it to a member of so many groups.
    fn groups(&self, number: usize) -> Message {
        let groups: Vec<_> = (0..number).map(|n| format!("{n:08x}-0f2d-4a57-9b7e-5a1d2c3e4f50")).collect();
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        self.idp
            .answer(&self.request, self.now)
            .with(|m| m.set("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", &groups))
    }

    /// All that happens to a response at the assertion consumer service before anything is stored.
    fn accept(&self, form: &str) -> &'static str {
        let checked = Response::decode(form).and_then(|octets| {
            let document = Document::parse(&octets)?;
            let response = Response::read(&document)?;
            let expected = Expected {
                idp: &self.trusted,
                sp_entity_id: &self.request.sp_entity_id,
                acs_url: &self.request.acs_url,
                in_response_to: &self.request.id,
                skew: Duration::from_mins(3),
                policy: Policy::default(),
                own_keys: &self.own_keys,
            };
            response.verify(&expected, self.now)
        });
        match checked {
            Ok(_) => "accepted",
            Err(refusal) => refusal.reason().code(),
        }
    }
}

/// The steps of one honest message; gives the cost of the whole.
fn steps(world: &World, message: &Message) -> f64 {
    let text = message.to_xml();
    let form = STANDARD.encode(&text);
    assert_eq!(world.accept(&form), "accepted");
    let whole = micros(|| world.accept(&form));
    let mut rest = whole;
    println!("{:<58}{:>9}", format!("one response of {} octets, as Entra sends it", text.len()), "us");
    let mut row = |name: &str, cost: f64| {
        rest -= cost;
        println!("{name:<58}{cost:>9.1}{:>8.0} %", cost / whole * 100.0);
    };
    row("base64", micros(|| Response::decode(&form).expect("base64")));
    row(
        "parse and check the shape",
        micros(|| Document::parse(text.as_bytes()).is_ok_and(|document| Response::read(&document).is_ok())),
    );
    let assertion = message.signed_assertion();
    row("digest of the assertion", micros(|| digest::digest(&digest::SHA256, assertion.as_bytes())));
    row("RSA 2048 with SHA-256", micros(rsa(world)));
    println!(
        "{:<58}{rest:>9.1}{:>8.0} %",
        "canonical forms, what was digested parsed and read",
        rest / whole * 100.0
    );
    println!("{:<58}{whole:>9.1}", "all of it");
    whole
}

/// Verifies a signature with the key of the identity provider and nothing around it.
fn rsa(world: &World) -> impl Fn() -> bool + use<> {
    let key = signature::RsaKeyPair::from_pkcs8(&world.idp.key.pkcs8).expect("the test's key");
    let mut value = vec![0; key.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    let text = [7; 800];
    key.sign(&signature::RSA_PKCS1_SHA256, &random, &text, &mut value).expect("it signs");
    let public = signature::KeyPair::public_key(&key).as_ref().to_vec();
    let public =
        signature::ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &public).expect("a key");
    move || public.verify_sig(&text, &value).is_ok()
}

fn honest_ones(world: &World) -> Vec<(&'static str, String)> {
    vec![
        ("honest: assertion signed", world.groups(20).to_xml()),
        ("honest: response signed", world.groups(20).signed(Sign::Response).to_xml()),
        ("honest: both signed", world.groups(20).signed(Sign::Both).to_xml()),
        ("honest: 150 groups, the most Entra sends", world.groups(150).to_xml()),
        ("honest: 1,000 groups", world.groups(1000).to_xml()),
        ("foreign: signed by somebody else", world.groups(20).signed_by(SigningKey::foreign()).to_xml()),
    ]
}

/// Messages of a quarter of a megabyte, the most that is read.
fn hostile_ones(world: &World) -> Vec<(&'static str, String)> {
    let control = world.groups(20).to_xml();
    let in_status = |filling: &str| {
        control.replacen(
            "</samlp:Status>",
            &format!("<samlp:StatusDetail>{filling}</samlp:StatusDetail></samlp:Status>"),
            1,
        )
    };
    let room = OCTETS - control.len() - 100;
    let fill = |piece: &str| piece.repeat(room / piece.len());
    let mut rows = vec![
        ("unsigned: no XML at all", "x".repeat(OCTETS)),
        ("unsigned: nothing but white space", format!("<a>{}</a>", " ".repeat(OCTETS - 7))),
        ("unsigned: open tags only", "<a>".repeat(OCTETS / 3)),
        ("unsigned: nested 40 deep, again and again", in_status(&fill(&nested("a", 30)))),
        ("unsigned: nested as deep as can be", in_status(&nested("a", room / 7))),
        ("unsigned: as many empty elements as fit", in_status(&fill("<a/>"))),
        ("unsigned: as many attributes as fit", in_status(&fill("<a b='' c='' d='' e='' f='' g='' h=''/>"))),
        ("unsigned: one long text", in_status(&fill("x"))),
        ("unsigned: one long text in two-octet letters", in_status(&fill("é"))),
        ("unsigned: one long attribute", in_status(&format!("<a b='{}'/>", fill("x")))),
        ("unsigned: character references", in_status(&fill("&#65;"))),
        ("unsigned: entities", in_status(&fill("&lt;"))),
        ("unsigned: many prefixes in scope, then many uses", in_status(&prefixed(room))),
        ("unsigned: a namespace declared on each element", in_status(&fill("<a:a xmlns:a='u:a'/>"))),
        ("unsigned: line breaks in the base64 of the signature", long_signature(&control, "\n", room)),
        ("unsigned: a signature of 250 kB", long_signature(&control, "AAAA", room)),
    ];
    for (name, signed_by) in [
        ("forged: 1,180 values that fill the message", SigningKey::foreign()),
        ("signed: 1,180 values that fill the message", SigningKey::rsa()),
    ] {
        rows.push((name, values(world, 1180, 170).signed_by(signed_by).to_xml()));
    }
    rows.push((
        "signed: the same, response and assertion",
        values(world, 1180, 170).signed(Sign::Both).to_xml(),
    ));
    for (name, signed_by) in [
        ("forged: two namespaces declared on each of 1,180 values", SigningKey::foreign()),
        ("signed: two namespaces declared on each of 1,180 values", SigningKey::rsa()),
    ] {
        // The one that is used stands in the canonical form, the other does not.
        let message = values(world, 1180, 2);
        let canonical = "<b:AttributeValue xmlns:b=\"urn:oasis:names:tc:SAML:2.0:assertion\">";
        let mut message = message.signed_by(signed_by);
        message.rewrite_assertion = Some(Box::new(move |text: &str| {
            text.replace("<AttributeValue>", canonical).replace("</AttributeValue>", "</b:AttributeValue>")
        }));
        let written = canonical.replace(" xmlns:b", " xmlns:a=\"u:a\" xmlns:b");
        rows.push((name, message.to_xml().replace(canonical, &written)));
    }
    rows
}

/// Encrypted answers that fail at different places, measured in turn: whoever sends them must not see where.
fn failures(world: &World) {
    let encrypted = |cipher, change: fn(&mut Encryption)| {
        let mut encryption = Encryption { cipher, ..Encryption::to(SigningKey::ours()) };
        change(&mut encryption);
        world.ordinary().encrypted(encryption)
    };
    let (gcm, cbc) = (Cipher::Aes256Gcm, Cipher::Aes256Cbc);
    let unchanged: fn(&mut Encryption) = |_| {};
    let foreign: fn(&mut Encryption) = |e| e.recipient = SigningKey::foreign();
    let tag: fn(&mut Encryption) = |e| {
        e.rewrite_data = Some(|data| {
            if let Some(last) = data.last_mut() {
                *last ^= 1;
            }
        });
    };
    let rubbish: fn(&mut Encryption) = |e| {
        e.rewrite_plaintext = Some(Box::new(|text: &str| vec![0xff; text.len()]));
    };
    let no_xml: fn(&mut Encryption) = |e| {
        e.rewrite_plaintext = Some(Box::new(|text: &str| "x".repeat(text.len()).into_bytes()));
    };
    let changed: fn(&mut Encryption) = |e| {
        e.rewrite_plaintext = Some(Box::new(|text: &str| text.replace("mia.berg", "eve.evil").into_bytes()));
    };
    let rows: Vec<(&str, Message)> = vec![
        ("accepted, for comparison (GCM)", encrypted(gcm, unchanged)),
        ("accepted, for comparison (CBC)", encrypted(cbc, unchanged)),
        ("wrong key (GCM)", encrypted(gcm, foreign)),
        ("wrong key (CBC)", encrypted(cbc, foreign)),
        ("wrong tag (GCM)", encrypted(gcm, tag)),
        ("wrong padding or last block (CBC)", encrypted(cbc, tag)),
        ("right key, no UTF-8", encrypted(gcm, rubbish)),
        ("right key, no XML", encrypted(gcm, no_xml)),
        ("right key, changed after it was signed", encrypted(gcm, changed)),
        ("right key, signed by somebody else", encrypted(gcm, unchanged).signed_by(SigningKey::foreign())),
        ("right key, not signed", encrypted(gcm, unchanged).signed(Sign::Nothing)),
    ];
    let forms: Vec<_> = rows.iter().map(|(_, message)| STANDARD.encode(message.to_xml())).collect();
    let mut times = vec![Vec::with_capacity(TURNS); forms.len()];
    for turn in 0..TURNS {
        for at in 0..forms.len() {
            // Another begins each time.
            let at = (at + turn) % forms.len();
            if let (Some(form), Some(times)) = (forms.get(at), times.get_mut(at)) {
                let began = Instant::now();
                black_box(world.accept(form));
                times.push(began.elapsed());
            }
        }
    }
    println!("{:<58}{:>9}{:>9}{:>9}  what came of it", "encrypted (us)", "least", "p25", "median");
    for (((name, _), form), times) in rows.iter().zip(&forms).zip(&mut times) {
        times.sort_unstable();
        let at = |part: usize| times.get(TURNS * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
        println!("{name:<58}{:>9.0}{:>9.0}{:>9.0}  {}", at(0), at(25), at(50), world.accept(form));
    }
}

fn nested(name: &str, depth: usize) -> String {
    format!("<{name}>").repeat(depth) + &format!("</{name}>").repeat(depth)
}

/// As many declarations in scope as the depth allows, and then elements that use the one declared first.
fn prefixed(octets: usize) -> String {
    let (mut text, mut end) = (String::new(), String::new());
    let mut number = 0;
    for _ in 0..30 {
        text += "<a";
        for _ in 0..31 {
            let _ = write!(text, " xmlns:p{number}='u:{number}'");
            number += 1;
        }
        text += ">";
        end += "</a>";
    }
    let piece = "<p0:a p0:b='' p0:c='' p0:d='' p0:e='' p0:f='' p0:g=''/>";
    let room = octets.saturating_sub(text.len() + end.len());
    text + &piece.repeat(room / piece.len()) + &end
}

fn long_signature(control: &str, piece: &str, octets: usize) -> String {
    let filling = piece.repeat(octets / piece.len());
    control.replacen("<SignatureValue>", &format!("<SignatureValue>{filling}"), 1)
}

/// A message with so many values of so many octets.
fn values(world: &World, number: usize, octets: usize) -> Message {
    let value = "v".repeat(octets);
    let values = vec![value.as_str(); number];
    world.groups(0).with(|m| m.set("urn:example:values", &values))
}

/// The least mean of a few runs, in microseconds of CPU time, which a busy machine disturbs little.
fn micros<T>(work: impl Fn() -> T) -> f64 {
    let run = || {
        let (began, mut times) = (Instant::now(), 0);
        let before = cpu_seconds();
        while began.elapsed() < RUN || times < 10 {
            black_box(work());
            times += 1;
        }
        (cpu_seconds() - before) * 1e6 / f64::from(times)
    };
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// What this thread has been given so far; the kernel counts on every few milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds with their thousandths are far below 2^52 nanoseconds"
)]
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds: u64 = text.split(' ').next().and_then(|field| field.parse().ok()).expect("a number");
    nanoseconds as f64 / 1e9
}

const RUN: Duration = Duration::from_millis(40);
const RUNS: usize = 30;
const TURNS: usize = 400;
/// With so many an answer has five kilobytes.
const ORDINARY_GROUPS: usize = 2;
/// A little less than is accepted at all.
const OCTETS: usize = 255 * 1024;
