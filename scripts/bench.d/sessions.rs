//! What a session takes in memory that a node knows, by how many sessions a user has.
//!
//! Separate from the test that keeps it small: many more sessions, with everything that a sign-on at a large identity
//! provider leaves behind, each kind in a process of its own, and what a request adds told apart.
//!
//! `sessions [N]`: prints bytes for each of N sessions, with what the allocator adds. `scripts/bench-sessions` builds and
//! runs it.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod provider;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anteroom::clock::{Clock, SystemClock};
use anteroom::directory::{DisplayName, Grant, Levels, Organization, Role, Scope, Subject};
use anteroom::email::EmailAddress;
use anteroom::id::{ConnectionId, OrganizationId, SessionName, SystemRandomness, UserId, random_hex};
use anteroom::identity;
use anteroom::keys::Keys;
use anteroom::saml::NameId;
use anteroom::secret::ClusterSecret;
use anteroom::session::{Lifetimes, Session, SessionHash, SessionId};
use anteroom::sign_on::{self, Entry, SignOn};
use anteroom::store::{self, AuditEvent, NewUser, Store, UserChange};
use anteroom::target::{RequestTarget, ReturnPath};
use anyhow::{Context as _, ensure};
use jiff::Timestamp;

use self::provider::idp;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let sessions = arguments.first().map_or(Ok(SESSIONS), |text| text.parse())?;
    if let Some(per_user) = arguments.get(1) {
        return measure(sessions, per_user.parse()?).await;
    }
    println!("{:<20}{:>8}{:>24}", "sessions of a user", "bytes", "after a request of each");
    for per_user in ["1", "10"] {
        let status = Command::new(std::env::current_exe()?)
            .args([sessions.to_string(), per_user.to_owned()])
            .status()?;
        ensure!(status.success(), "the measuring process failed");
    }
    Ok(())
}

async fn measure(sessions: usize, per_user: usize) -> anyhow::Result<()> {
    let store = store::open(&store::Settings::Memory).await?;
    let clock = SystemClock;
    let hashes = populate(&*store, sessions + sessions / 10, per_user, clock.now()).await?;
    let sign_on = sign_on_over(Arc::clone(&store)).await?;
    let target = RequestTarget::parse(&"/".parse()?)?;
    // Whatever is needed once is there afterwards, and what the store keeps to answer sooner.
    for hash in &hashes {
        ensure!(store.session(hash).await?.is_some(), "a session is gone");
    }
    let (warm, rest) = hashes.split_at(sessions / 10);
    for hash in warm {
        let visitor = sign_on.look_up(hash).await?.context("a session is there")?;
        ensure!(matches!(sign_on.enter(&visitor, &target), Entry::Admitted(_)), "somebody is not let in");
    }
    let before = resident_bytes()?;
    for hash in rest {
        ensure!(sign_on.look_up(hash).await?.is_some(), "a session is gone");
    }
    let known = resident_bytes()?;
    for hash in rest {
        let visitor = sign_on.look_up(hash).await?.context("a session is there")?;
        ensure!(matches!(sign_on.enter(&visitor, &target), Entry::Admitted(_)), "somebody is not let in");
    }
    let asked = resident_bytes()?;
    let each = |bytes: usize| bytes.saturating_sub(before) / rest.len();
    println!("{per_user:<20}{:>8}{:>24}", each(known), each(asked));
    Ok(())
}

async fn sign_on_over(store: Arc<dyn Store>) -> anyhow::Result<SignOn> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secret = ClusterSecret::new([7; 32]);
    let url = "https://app.example.com";
    let identity = identity::Settings {
        issuer: url.to_owned(),
        audience: url.to_owned(),
        algorithm: identity::Algorithm::ES256,
        lifetime: identity::LIFETIME_DEFAULT,
        presets: Vec::new(),
        app_url: url.parse()?,
    };
    let seal = secret.seal_key("identity keys");
    let keys = Keys::load(Arc::clone(&store), seal, Arc::clone(&clock), identity.algorithm).await?;
    let settings = sign_on::Settings {
        service_provider: Arc::new(idp::service_provider("urn:example:app")),
        lifetimes: Lifetimes { idle: Duration::from_hours(1), lifetime: Duration::from_hours(2) },
        single_logout: sign_on::SingleLogout::Offered,
        polling_paths: Vec::new(),
        repeat_posts: Vec::new(),
        public_paths: Vec::new(),
        identity,
        declared: Vec::new(),
    };
    Ok(SignOn::new(settings, store, Arc::new(keys), &secret, (clock, Arc::new(SystemRandomness) as _)))
}

/// Users with one grant and some sessions each; the hashes of all.
async fn populate(
    store: &dyn Store,
    sessions: usize,
    per_user: usize,
    now: Timestamp,
) -> anyhow::Result<Vec<SessionHash>> {
    let organization = OrganizationId::parse("contoso")?;
    let name = DisplayName::parse("Contoso")?;
    let declared = Organization { id: organization, name, domains: Vec::new() };
    store.declare_organizations(&[declared], audit("organizations.declared", now)).await?;
    let mut hashes = Vec::with_capacity(sessions);
    for number in 0..sessions.div_ceil(per_user) {
        let user = new_user(number)?;
        store.add_user(&user, audit("user.added", now), Vec::new()).await?;
        let key = format!("entra:{}:{}", guid(), guid());
        let subject = Subject { connection: ConnectionId::parse("contoso")?, key };
        store.change_user(&user.id, &UserChange::Bind(subject), audit("user.bound", now), Vec::new()).await?;
        for _ in 0..per_user {
            let session = session_of(&user, now)?;
            ensure!(store.begin_session(&session, audit("session.begun", now)).await?, "no session");
            hashes.push(session.hash);
        }
    }
    Ok(hashes)
}

fn new_user(number: usize) -> anyhow::Result<NewUser> {
    let level = Levels::new(vec!["viewer".to_owned()]).parse("viewer")?;
    Ok(NewUser {
        id: UserId::random(&SystemRandomness),
        email: EmailAddress::parse(&format!("ada.lovelace{number}@contoso.com"))?,
        name: Some(DisplayName::parse("Ada Lovelace")?),
        organization: OrganizationId::parse("contoso")?,
        role: Role::Member,
        grants: vec![Grant { scope: Scope::parse("*")?, level, until: None }],
    })
}

fn session_of(user: &NewUser, now: Timestamp) -> anyhow::Result<Session> {
    Ok(Session {
        hash: SessionId::random(&SystemRandomness).hash(),
        name: SessionName::random(&SystemRandomness),
        user: user.id.clone(),
        connection: ConnectionId::parse("contoso")?,
        created_at: now,
        last_seen_at: now,
        ends_at: now + Duration::from_hours(1),
        authenticated_at: now,
        asserted_at: now,
        methods: vec!["pwd".to_owned(), "mfa".to_owned()],
        return_path: ReturnPath::parse("/sites/lakeside/overview?week=12")?,
        name_id: Some(NameId {
            value: user.email.as_str().to_owned(),
            format: Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned()),
            name_qualifier: None,
            sp_name_qualifier: None,
        }),
        session_index: Some(format!("_{}", guid())),
    })
}

/// As long as the identifiers that large providers make.
fn guid() -> String {
    format!("{}-000", random_hex(&SystemRandomness))
}

fn audit(action: &'static str, at: Timestamp) -> AuditEvent {
    AuditEvent { actor: "bench".to_owned(), ..AuditEvent::of_anteroom(at, action) }
}

/// What is resident, to the page: `/proc/self/status` is allowed to be out by some.
fn resident_bytes() -> anyhow::Result<usize> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line =
        rollup.lines().find_map(|line| line.strip_prefix("Rss:")).context("there is a line of that name")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

const SESSIONS: usize = 20_000;
