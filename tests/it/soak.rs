//! Never the wrong user: hundreds of people at once, over connections that they share, in every protocol, while
//! sessions end, clients hang up and the process restarts. Every answer is held against who asked.
//!
//! Separate because it is about time and number. The application behind verifies the identity of each request and
//! says whom it saw; a second test mixes two people up there, to show that it would be noticed.
//!
//! `SOAK_SECONDS` says how long, `SOAK_RESTART_SECONDS` how long a process lasts, `SOAK_SEED` repeats what a seed has chosen
//! (not how the tasks interleave); `scripts/soak` sets them.

#![expect(clippy::print_stderr, reason = "the seed of a run that fails is worth more than silence")]

mod client;
mod echo;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anteroom::clock::{Clock as _, SystemClock};
use anteroom::directory::{Grant, Levels, Role, Scope};
use anteroom::email::EmailAddress;
use anteroom::id::{ConnectionId, OrganizationId, SessionName, SystemRandomness, UserId};
use anteroom::session::{Session, SessionId};
use anteroom::store::{AuditEvent, NewUser, SessionSelector, Store};
use anteroom::target::ReturnPath;
use url::Url;

use crate::app::{TestApp, Wanted};
use crate::browserless::Net;
use client::Client;
use echo::Echo;

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seed: u64,
    people: usize,
    time: Duration,
    /// How long a process lasts.
    restart_every: Duration,
    /// Whether the application takes one person for another now and then.
    mixed_up: bool,
}

/// What all tasks share.
struct World {
    net: Net,
    url: Url,
    people: Vec<Person>,
    /// One more at every beginning and end of a restart: odd while there may be nobody to connect to.
    restarts: AtomicU64,
    over: AtomicBool,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    failures: Mutex<Vec<String>>,
    began: Instant,
}

/// Somebody who works with the application.
struct Person {
    id: UserId,
    badge: Mutex<Badge>,
}

/// The session of the moment.
#[derive(Debug, Clone)]
struct Badge {
    cookie: String,
    name: String,
    /// Whether it has been ended, or is about to be.
    ending: bool,
}

impl World {
    fn count(&self, what: &'static str) {
        *self.counts.lock().expect("nobody panics here").entry(what).or_default() += 1;
    }

    fn fail(&self, what: String) {
        let mut failures = self.failures.lock().expect("nobody panics here");
        if failures.len() < 20 {
            failures.push(what);
        }
        self.over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::SeqCst)
    }
}

impl Person {
    fn badge(&self) -> Badge {
        self.badge.lock().expect("nobody panics here").clone()
    }
}

/// Chance that can be had again: `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn event(action: &'static str) -> AuditEvent {
    AuditEvent { actor: "soak".to_owned(), ..AuditEvent::of_anteroom(SystemClock.now(), action) }
}

/// Makes somebody who may enter.
async fn hire(store: &dyn Store, number: usize) -> Person {
    let level = Levels::new(vec!["viewer".to_owned()]).parse("viewer").expect("a level");
    let user = NewUser {
        id: UserId::random(&SystemRandomness),
        email: EmailAddress::parse(&format!("person.{number}@contoso.com")).expect("an address"),
        name: None,
        organization: OrganizationId::parse("contoso").expect("an id"),
        role: Role::Member,
        grants: vec![Grant { scope: Scope::parse("*").expect("a scope"), level, until: None }],
    };
    store.add_user(&user, event("user.added"), Vec::new()).await.expect("it is kept");
    let badge = Mutex::new(admit(store, &user.id).await);
    Person { id: user.id, badge }
}

/// Begins a session, without the detour by an identity provider.
async fn admit(store: &dyn Store, user: &UserId) -> Badge {
    let now = SystemClock.now();
    let id = SessionId::random(&SystemRandomness);
    let session = Session {
        hash: id.hash(),
        name: SessionName::random(&SystemRandomness),
        user: user.clone(),
        connection: ConnectionId::parse("contoso").expect("an id"),
        created_at: now,
        last_seen_at: now,
        ends_at: now + Duration::from_hours(12),
        authenticated_at: now,
        asserted_at: now,
        methods: Vec::new(),
        return_path: ReturnPath::root(),
        name_id: None,
        session_index: None,
    };
    assert!(store.begin_session(&session, event("session.begun")).await.expect("it is kept"));
    Badge { cookie: id.to_cookie_value(), name: session.name.as_str().to_owned(), ending: false }
}

/// Lets people work until the time is over or something is wrong.
async fn run(plan: Plan) -> (BTreeMap<&'static str, u64>, Vec<String>) {
    let echo = Echo::start(plan.mixed_up).await;
    let mut app = Wanted::default().tls().upstream(&format!("http://{}", echo.address)).start().await;
    echo.learn(&app).await;
    let store = app.open_store().await;
    let mut people = Vec::new();
    for number in 0..plan.people {
        people.push(hire(&*store, number).await);
    }
    let world = Arc::new(World {
        net: app.net.clone(),
        url: app.app_url.clone(),
        people,
        restarts: AtomicU64::new(0),
        over: AtomicBool::new(false),
        counts: Mutex::default(),
        failures: Mutex::default(),
        began: Instant::now(),
    });
    let pools = Arc::new(client::Pools::default());
    let tasks: Vec<_> = (0..plan.people)
        .map(|number| {
            let chance = Chance(plan.seed ^ (number as u64) << 32);
            let client = Client::new(Arc::clone(&world), Arc::clone(&pools), number, chance);
            tokio::spawn(client.work())
        })
        .collect();
    disturb(plan, &world, &mut app, &*store).await;
    world.over.store(true, Ordering::SeqCst);
    for task in tasks {
        if let Err(error) = task.await {
            world.fail(format!("somebody fell over: {error}"));
        }
    }
    store.close().await;
    app.stop().await;
    let counts = world.counts.lock().expect("nobody panics here").clone();
    let failures = world.failures.lock().expect("nobody panics here").clone();
    (counts, failures)
}

/// Ends sessions and restarts the process until the time is over.
async fn disturb(plan: Plan, world: &Arc<World>, app: &mut TestApp, store: &dyn Store) {
    let mut chance = Chance(plan.seed ^ 0xd15_7bed);
    let (began, mut restarted, mut at_once) = (Instant::now(), 0, 0);
    let every = plan.restart_every.min(plan.time / 3);
    let mut ended = tokio::task::JoinSet::new();
    while began.elapsed() < plan.time && !world.is_over() {
        if at_once > 0 {
            at_once -= 1;
        } else {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        if began.elapsed() > every * (restarted + 1) {
            restarted += 1;
            world.restarts.fetch_add(1, Ordering::SeqCst);
            let stopped = Instant::now();
            app.restart().await;
            eprintln!("soak: restarted in {:?}", stopped.elapsed());
            world.restarts.fetch_add(1, Ordering::SeqCst);
            world.count("restarts");
            // Whose sessions it has only just read.
            at_once = 8;
            continue;
        }
        let number = usize::try_from(chance.below(plan.people as u64)).expect("a small number");
        let person = &world.people[number];
        let old = {
            let mut badge = person.badge.lock().expect("nobody panics here");
            badge.ending = true;
            badge.clone()
        };
        let name = SessionName::parse(&old.name).expect("a name");
        let selector = SessionSelector::Name(name);
        assert_eq!(store.end_sessions(&selector, event("session.revoked")).await.expect("it is done"), 1);
        let fresh = admit(store, &person.id).await;
        *person.badge.lock().expect("nobody panics here") = fresh;
        world.count("revocations");
        let world = Arc::clone(world);
        ended.spawn(async move { client::stays_out(&world, number, &old).await });
    }
    while ended.join_next().await.is_some() {}
}

/// What somebody has set.
fn wanted(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn seed() -> u64 {
    wanted("SOAK_SEED").unwrap_or_else(|| SystemClock.now().as_millisecond().unsigned_abs())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes its time; scripts/test runs it for seconds, scripts/soak for hours"]
async fn nobody_ever_gets_what_is_somebody_elses() {
    let seconds = |name, default| Duration::from_secs(wanted(name).unwrap_or(default));
    let plan = Plan {
        seed: seed(),
        people: 250,
        time: seconds("SOAK_SECONDS", 20),
        restart_every: seconds("SOAK_RESTART_SECONDS", 30),
        mixed_up: false,
    };
    eprintln!("soak: {plan:?}");
    let (counts, failures) = run(plan).await;
    eprintln!("soak: {counts:?}");
    assert!(failures.is_empty(), "seed {}: {failures:#?}", plan.seed);
    for kind in ["h1", "h2", "socket", "events", "upload", "aborted", "revocations", "restarts", "stayed out"]
    {
        assert!(counts.get(kind).is_some_and(|count| *count > 0), "no {kind}: {counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_who_are_mixed_up_are_noticed() {
    let time = Duration::from_secs(20);
    let plan = Plan { seed: seed(), people: 20, time, restart_every: time, mixed_up: true };
    let (_, failures) = run(plan).await;
    assert!(failures.iter().any(|failure| failure.contains("got the answer of")), "{failures:#?}");
}
