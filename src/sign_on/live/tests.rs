//! What memory must and must not keep of sessions, over a store of the kind that runs.

use std::slice::from_ref;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};
use crate::directory::{DisplayName, Grant, Levels, Organization, Property, Role, Scope, Standing};
use crate::email::EmailAddress;
use crate::id::{ConnectionId, OrganizationId, PropertyId, SessionName, SystemRandomness, UserId};
use crate::session::{Session, SessionId};
use crate::sign_on::gate::IdentityHeaders;
use crate::sign_on::recent::{BELIEVED, Familiar, Recent};
use crate::store::{AuditEvent, NewUser, SessionSelector, UserChange};

use super::*;

struct House {
    store: Arc<dyn Store>,
    live: Live,
    now: Timestamp,
}

impl House {
    async fn new() -> Self {
        let store = store::open(&store::Settings::Memory).await.unwrap();
        // To the millisecond, as the store keeps it.
        let now = time_of(SystemClock.now().as_millisecond());
        let (id, name) = (organization(), DisplayName::parse("Contoso").unwrap());
        let declared = [Organization { id, name, domains: Vec::new() }];
        store.declare_organizations(&declared, audit("organizations.declared", now)).await.unwrap();
        Self { live: Live::new(Arc::clone(&store)), store, now }
    }

    /// With room for so few sessions.
    async fn with_room_for(sessions: usize) -> Self {
        let mut house = Self::new().await;
        house.live.memory = Memory::new(sessions);
        house
    }

    async fn user(&self, email: &str, until: Option<Timestamp>) -> UserId {
        let user = NewUser {
            id: UserId::random(&SystemRandomness),
            email: EmailAddress::parse(email).unwrap(),
            name: None,
            organization: organization(),
            role: Role::Member,
            grants: vec![grant("viewer", until)],
        };
        self.store.add_user(&user, audit("user.added", self.now), Vec::new()).await.unwrap();
        user.id
    }

    async fn begin(&self, user: &UserId) -> SessionHash {
        let session = session_of(user, self.now);
        assert!(self.store.begin_session(&session, audit("session.begun", self.now)).await.unwrap());
        session.hash
    }

    async fn session(&self, user: &UserId) -> Arc<LiveSession> {
        let hash = self.begin(user).await;
        self.live.find(&hash, self.now).await.unwrap().unwrap()
    }

    async fn change(&self, user: &UserId, change: UserChange) {
        self.store.change_user(user, &change, audit("user.changed", self.now), Vec::new()).await.unwrap();
    }

    fn later(&self, seconds: u64) -> Timestamp {
        self.now + Duration::from_secs(seconds)
    }
}

#[tokio::test]
async fn sessions_of_a_user_share_what_is_the_same_before_and_after_a_change() {
    let house = House::new().await;
    let (ada, ben) = (house.user("ada@contoso.com", None).await, house.user("ben@contoso.com", None).await);
    let (one, two, other) = (house.session(&ada).await, house.session(&ada).await, house.session(&ben).await);
    let same = |a: &LiveSession, b: &LiveSession| Arc::ptr_eq(a.state.load().known(), b.state.load().known());
    assert!(same(&one, &two) && !same(&one, &other));
    assert!(Arc::ptr_eq(&one.session.methods, &other.session.methods));
    let access = one.state(house.now).access.clone();

    house.change(&ada, UserChange::Grant(grant("technician", None))).await;
    house.live.revalidate(from_ref(&ada), house.now).await.unwrap();
    assert!(same(&one, &two) && !same(&one, &other));
    assert!(access.is_over(), "another level is a loss of the old one");
    assert!(!one.state(house.now).access.is_over() && !other.state(house.now).access.is_over());
}

#[tokio::test]
async fn a_session_that_ends_takes_nothing_from_the_others_of_its_user() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let (one, two) = (house.session(&ada).await, house.session(&ada).await);
    let selector = SessionSelector::Hash(one.session.hash);
    house.store.end_sessions(&selector, audit("session.ended", house.now)).await.unwrap();
    house.live.revalidate(from_ref(&ada), house.now).await.unwrap();
    assert!(one.ended().is_over() && one.state(house.now).access.is_over());
    assert!(!two.ended().is_over() && !two.state(house.now).access.is_over());
    assert!(house.live.known(&one.session.hash).is_none());
    assert!(house.live.find(&one.session.hash, house.now).await.unwrap().is_none());
    assert_eq!(house.live.count(), 1);
}

#[tokio::test]
async fn losing_access_cuts_every_session_and_gaining_some_cuts_none() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let sessions = [house.session(&ada).await, house.session(&ada).await];
    let mut changes = sessions.each_ref().map(|session| session.changes());
    let before = sessions.each_ref().map(|session| session.state(house.now).access.clone());

    let property = Property {
        id: PropertyId::parse("lakeside").unwrap(),
        organization: organization(),
        name: DisplayName::parse("Lakeside").unwrap(),
        retired_at: None,
    };
    house.store.add_property(&property, audit("property.added", house.now)).await.unwrap();
    let more = Grant { scope: Scope::Property(property.id), ..grant("viewer", None) };
    house.change(&ada, UserChange::Grant(more)).await;
    house.live.revalidate(from_ref(&ada), house.now).await.unwrap();
    assert!(before.iter().all(|access| !access.is_over()));
    for (session, changes) in sessions.iter().zip(&mut changes) {
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let Standing::Admitted(grants) = session.state(house.now).standing() else { unreachable!() };
        assert_eq!(grants.len(), 2);
    }

    house.change(&ada, UserChange::Revoke(None)).await;
    house.live.revalidate(from_ref(&ada), house.now).await.unwrap();
    assert!(before.iter().all(Lease::is_over));
    assert!(changes.iter().all(|changes| changes.has_changed().unwrap()));
    assert!(sessions.iter().all(|session| session.state(house.now).verdict == Verdict::Waiting));
}

#[tokio::test]
async fn many_sessions_are_asked_about_at_once_and_each_gets_its_own_answer() {
    let house = House::new().await;
    let (mut users, mut sessions) = (Vec::new(), Vec::new());
    for number in 0..=SESSIONS_AT_ONCE {
        let user = house.user(&format!("ada{number}@contoso.com"), None).await;
        let session = house.session(&user).await;
        match number % 3 {
            0 => {
                let selector = SessionSelector::Hash(session.session.hash);
                house.store.end_sessions(&selector, audit("session.ended", house.now)).await.unwrap();
            }
            1 => house.change(&user, UserChange::Revoke(None)).await,
            _ => {}
        }
        users.push(user);
        sessions.push(session);
    }
    house.live.revalidate(&users, house.now).await.unwrap();
    for (number, session) in sessions.iter().enumerate() {
        let (is_over, verdict) = (session.ended().is_over(), session.state(house.now).verdict);
        let is_admitted = verdict == Verdict::Admitted;
        match number % 3 {
            0 => assert!(is_over, "{number}"),
            1 => assert!(!is_over && verdict == Verdict::Waiting, "{number}"),
            _ => assert!(!is_over && is_admitted, "{number}"),
        }
    }
}

#[tokio::test]
async fn a_session_loaded_while_a_change_comes_in_shows_the_change() {
    let house = House::new().await;
    for number in 0..20 {
        let user = house.user(&format!("ada{number}@contoso.com"), None).await;
        let hash = house.begin(&user).await;
        let changing = async {
            house.change(&user, UserChange::Revoke(None)).await;
            house.live.revalidate(from_ref(&user), house.now).await.unwrap();
        };
        let (found, ()) = tokio::join!(house.live.find(&hash, house.now), changing);
        assert_eq!(found.unwrap().unwrap().state(house.now).verdict, Verdict::Waiting);
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_looked_at_again_after_a_change_is_not_kept() {
    for _ in 0..10 {
        let house = House::new().await;
        let ada = house.user("ada@contoso.com", None).await;
        let hash = house.begin(&ada).await;
        let failing = async {
            house.live.revalidate(&[], house.now).await.unwrap();
            house.store.close().await;
        };
        let (found, ()) = tokio::join!(house.live.find(&hash, house.now), failing);
        assert!(found.is_err() || house.live.known(&hash).is_some());
        assert_eq!(house.live.count() == 0, found.is_err());
    }
}

#[tokio::test]
async fn an_older_word_of_the_store_changes_nothing() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let session = house.session(&ada).await;
    let older = house.store.account(&ada).await.unwrap().unwrap();
    house.change(&ada, UserChange::Revoke(None)).await;
    house.live.revalidate(from_ref(&ada), house.now).await.unwrap();
    session.apply(house.live.shared(older, house.now));
    assert_eq!(session.state(house.now).verdict, Verdict::Waiting);
}

#[tokio::test]
async fn a_grant_lapses_by_the_clock_alone() {
    let house = House::new().await;
    let until = house.later(60);
    let ada = house.user("ada@contoso.com", Some(until)).await;
    let session = house.session(&ada).await;
    let access = session.state(house.now).access.clone();
    let just_before = until - Duration::from_nanos(1);
    assert!(matches!(session.state(just_before).standing(), Standing::Admitted(held) if held.len() == 1));
    assert!(!access.is_over());
    house.live.sweep(&LIFETIMES, until);
    assert!(access.is_over());
    assert_eq!(session.state(until).standing(), Standing::Waiting);
    assert!(!session.ended().is_over());
}

#[tokio::test]
async fn a_session_that_was_idle_for_too_long_ends_in_a_sweep() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let (idle, used) = (house.session(&ada).await, house.session(&ada).await);
    used.touch(house.later(30));
    house.live.sweep(&LIFETIMES, house.later(600));
    assert!(idle.ended().is_over() && idle.state(house.now).access.is_over());
    assert!(!used.ended().is_over());
    assert_eq!(house.live.count(), 1);
}

#[tokio::test]
async fn headers_are_kept_as_long_as_they_are_sent() {
    let house = House::new().await;
    let session = house.session(&house.user("ada@contoso.com", None).await).await;
    let headers = Arc::new(IdentityHeaders::new(Vec::new(), house.later(30)));
    session.state(house.now).minted.store(Some(headers));
    house.live.sweep(&LIFETIMES, house.later(29));
    assert!(session.state(house.now).minted.load().is_some());
    house.live.sweep(&LIFETIMES, house.later(30));
    assert!(session.state(house.now).minted.load().is_none());
}

#[tokio::test]
async fn a_session_is_forgotten_when_nobody_asks_and_found_again_when_somebody_does() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let idle = Duration::from_mins(15);
    let held = house.session(&ada).await;
    let [polled, unwritten, quiet] =
        [house.begin(&ada).await, house.begin(&ada).await, house.begin(&ada).await];
    for hash in [&polled, &unwritten, &quiet] {
        house.live.find(hash, house.now).await.unwrap().unwrap();
    }
    let late = house.later(20 * 60);
    house.live.known(&polled).unwrap().ask(late);
    house.live.known(&unwritten).unwrap().touch(house.later(1));
    house.live.forget_idle(idle, late);
    assert!(house.live.known(&quiet).is_none());
    assert!([&held.session.hash, &polled, &unwritten].iter().all(|hash| house.live.known(hash).is_some()));

    house.live.flush().await.unwrap();
    house.live.forget_idle(idle, late);
    assert!(house.live.known(&unwritten).is_none());
    let again = house.live.find(&unwritten, late).await.unwrap().unwrap();
    assert_eq!(again.last_seen_at().as_millisecond(), house.later(1).as_millisecond());

    // One that was forgotten is no hole in the index: all of the user's hear of a change.
    house.change(&ada, UserChange::Disable).await;
    house.live.revalidate(from_ref(&ada), house.now).await.unwrap();
    assert!(held.ended().is_over() && again.ended().is_over());
    assert_eq!(house.live.count(), 0);
}

#[tokio::test]
async fn a_session_that_was_let_go_here_is_found_again_as_another() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let old = house.session(&ada).await;
    house.live.end(&old);
    let new = house.live.find(&old.session.hash, house.now).await.unwrap().unwrap();
    assert!(old.ended().is_over() && !new.ended().is_over());

    // To let go of the old one once more, or to sweep it out, is nothing to the new one, which hears of changes.
    house.live.end(&old);
    house.live.sweep(&LIFETIMES, house.now);
    assert!(Arc::ptr_eq(&house.live.known(&old.session.hash).unwrap(), &new));
    house.change(&ada, UserChange::Revoke(None)).await;
    house.live.revalidate(from_ref(&ada), house.now).await.unwrap();
    assert_eq!(new.state(house.now).verdict, Verdict::Waiting);
    assert!(old.state(house.now).access.is_over());
}

#[tokio::test]
async fn memory_has_a_bound_and_keeps_what_is_held() {
    let house = House::with_room_for(64 * 4).await;
    let ada = house.user("ada@contoso.com", None).await;
    let known = Arc::new(Known::new(house.store.account(&ada).await.unwrap().unwrap(), house.now));
    let keep = |seconds: u64| {
        let session = session_of(&ada, house.now);
        let hash = session.hash;
        let now = house.later(seconds);
        let make = || LiveSession::new(Kept::from(session), now, Arc::clone(&known), now);
        house.live.memory.get_or_insert(&hash, make)
    };
    let held = keep(0);
    for seconds in 1..2_000 {
        drop(keep(seconds));
    }
    let last = keep(2_000);
    // A shard never has more than its share, but for what is held.
    assert!(house.live.count() <= 64 * 4 + 1, "{}", house.live.count());
    assert!([held, last].iter().all(|session| house.live.known(&session.session.hash).is_some()));
}

#[tokio::test]
async fn a_session_that_somebody_gets_hold_of_while_it_is_forgotten_stays_the_only_one() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let session = house.session(&ada).await;
    let (hash, weak) = (session.session.hash, Arc::downgrade(&session));
    drop(session);
    let caught = Mutex::new(None);
    house.live.memory.forget(|_| {
        *caught.lock().unwrap() = weak.upgrade();
        true
    });
    let caught = caught.into_inner().unwrap().expect("it was still there");
    assert!(house.live.known(&hash).is_none());
    let found = house.live.find(&hash, house.now).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&found, &caught));
    house.live.end(&caught);
    let another = house.live.find(&hash, house.now).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&another, &caught), "what has ended here is not found again");
}

#[tokio::test]
async fn a_cookie_leads_to_its_session_as_long_as_memory_has_that() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let (one, two) = (house.session(&ada).await, house.session(&ada).await);
    let recent = Recent::new();
    let first = recent.find(b"first", None).unwrap_err();
    assert_ne!(Recent::new().find(b"first", None).unwrap_err(), first, "each process has keys of its own");
    recent.note(first, &one);
    recent.note(recent.find(b"second", None).unwrap_err(), &two);
    let leads_to = |cookie: &[u8], session: &Arc<LiveSession>, familiar: Option<&Familiar>| {
        recent.find(cookie, familiar).is_ok_and(|found| Arc::ptr_eq(&found, session))
    };
    // A connection whose client changes its cookie now and then, and one of which nothing is remembered.
    let connection = Familiar::default();
    for _ in 0..2 {
        for familiar in [Some(&connection), Some(&connection), None] {
            assert!(leads_to(b"first", &one, familiar));
        }
        assert!(leads_to(b"second", &two, Some(&connection)));
        assert!(recent.find(b"third", Some(&connection)).is_err());
    }

    assert!(leads_to(b"first", &one, Some(&connection)));
    house.live.end(&one);
    for familiar in [Some(&connection), None] {
        assert!(recent.find(b"first", familiar).is_err() && leads_to(b"second", &two, None));
    }
}

#[tokio::test]
async fn a_connection_believes_itself_for_half_a_minute() {
    let house = House::new().await;
    let ada = house.user("ada@contoso.com", None).await;
    let session = house.session(&ada).await;
    let (recent, other, connection) = (Recent::new(), Recent::new(), Familiar::default());
    recent.note(recent.find(b"cookie", None).unwrap_err(), &session);
    assert!(recent.find(b"cookie", Some(&connection)).is_ok());
    assert!(other.find(b"cookie", Some(&connection)).is_err(), "by another key it is another cookie");
    recent.forget();
    let rest = BELIEVED / 2;
    connection.age(rest);
    assert!(recent.find(b"cookie", Some(&connection)).is_ok());
    connection.age(rest);
    assert!(recent.find(b"cookie", Some(&connection)).is_err(), "it has to be found out again");
}

fn organization() -> OrganizationId {
    OrganizationId::parse("contoso").unwrap()
}

fn grant(level: &str, until: Option<Timestamp>) -> Grant {
    let levels = Levels::new(vec!["viewer".to_owned(), "technician".to_owned()]);
    Grant { scope: Scope::AllProperties, level: levels.parse(level).unwrap(), until }
}

fn session_of(user: &UserId, now: Timestamp) -> Session {
    Session {
        hash: SessionId::random(&SystemRandomness).hash(),
        name: SessionName::random(&SystemRandomness),
        user: user.clone(),
        connection: ConnectionId::parse("contoso").unwrap(),
        created_at: now,
        last_seen_at: now,
        ends_at: now + Duration::from_hours(1),
        authenticated_at: now,
        asserted_at: now,
        methods: vec!["pwd".to_owned()],
        return_path: ReturnPath::root(),
        name_id: None,
        session_index: None,
    }
}

fn audit(action: &'static str, at: Timestamp) -> AuditEvent {
    AuditEvent { actor: "test".to_owned(), ..AuditEvent::of_anteroom(at, action) }
}

const LIFETIMES: Lifetimes = Lifetimes { idle: Duration::from_mins(10), lifetime: Duration::from_hours(2) };
