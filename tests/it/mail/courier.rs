//! When mail is sent: bundled, bounded, retried, and taken over from whoever died.
//!
//! Separate from the network: the other side is a script, the time is moved by hand, the store is a real one.

#![expect(clippy::unwrap_used, reason = "the whole of it is test, also what clippy does not know as such")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom::clock::{Clock as _, ManualClock};
use anteroom::directory::request::Wanted;
use anteroom::directory::{Level, Scope};
use anteroom::id::{AccessRequestId, SystemRandomness};
use anteroom::mail::{
    Courier, Failure, FailureKind, Mail, Notice, Parts, Route, Sender, Settings, Transport,
};
use anteroom::store::{self, Message, NewRequest, Store};
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::until;
use crate::store::conformance::{Backend, add, email, event, furnished, noon, organization_id};

use super::{access, address, every_kind, request, words};

/// Answers as it was told to, and with `Ok` after that; keeps what it has taken over.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Failure>>,
    tried: Mutex<Vec<Mail>>,
    taken: Mutex<Vec<Mail>>,
    /// While there is one, a try begins and does not end before it is notified.
    barrier: Mutex<Option<Arc<Notify>>>,
    begun: Notify,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        self.tried.lock().unwrap().push(mail.clone());
        let barrier = self.barrier.lock().unwrap().clone();
        if let Some(barrier) = barrier {
            self.begun.notify_one();
            barrier.notified().await;
        }
        if let Some(failure) = self.answers.lock().unwrap().pop_front() {
            return Err(failure);
        }
        self.taken.lock().unwrap().push(mail.clone());
        Ok(())
    }
}

impl Script {
    fn fail(&self, kind: FailureKind) {
        self.answers.lock().unwrap().push_back(Failure::new(kind, "not today"));
    }

    fn taken(&self) -> Vec<Mail> {
        self.taken.lock().unwrap().clone()
    }

    fn tries(&self) -> usize {
        self.tried.lock().unwrap().len()
    }

    fn recipients(&self) -> Vec<String> {
        self.taken().iter().map(|mail| mail.to.to_string()).collect()
    }
}

/// A store, a courier and the time.
struct Desk {
    store: Arc<dyn Store>,
    clock: ManualClock,
    script: Arc<Script>,
    courier: Arc<Courier>,
}

/// A database in memory.
struct Memory;

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        store::open(&store::Settings::Memory).await.expect("a store")
    }
}

impl Desk {
    async fn new() -> Self {
        let (store, clock, script) = (Memory.open().await, ManualClock::at(noon()), Arc::<Script>::default());
        let courier = Self::courier(&store, &clock, &script);
        Self { store, clock, script, courier }
    }

    fn settings(script: &Arc<Script>) -> Settings {
        let from = Sender::parse("no-reply@servusconnect.example").expect("a sender");
        let route = Route { transport: Arc::clone(script) as _, from };
        Settings { words: words(), route: Some(route), digest: true }
    }

    fn courier(store: &Arc<dyn Store>, clock: &ManualClock, script: &Arc<Script>) -> Arc<Courier> {
        let parts = Parts {
            store: Arc::clone(store),
            clock: Arc::new(clock.clone()),
            randomness: Arc::new(SystemRandomness),
        };
        Arc::new(Courier::new(parts, Self::settings(script)))
    }

    async fn post(&self, notice: &Notice, recipient: &str) {
        let message = notice.to(&address(recipient));
        self.store.post_mail(&[message], self.clock.now()).await.expect("it is kept");
    }

    /// Puts one message for somebody into the outbox.
    async fn post_one(&self, recipient: &str) {
        self.post(&every_kind("Noah Lind")[0], recipient).await;
    }

    async fn deliver(&self) {
        self.courier.deliver_due(&CancellationToken::new()).await.expect("the store works");
    }

    /// Moves the time forward, and delivers what is due then.
    async fn later(&self, by: Duration) {
        self.clock.advance(by);
        self.deliver().await;
    }

    async fn waiting(&self) -> Vec<Message> {
        self.store.messages(true, None, 100).await.expect("the outbox can be read")
    }
}

#[tokio::test]
async fn a_mail_is_sent_once_and_tells_what_happened() {
    let desk = Desk::new().await;
    desk.post_one("noah.lind@contoso.com").await;
    desk.deliver().await;
    desk.later(Duration::from_hours(48)).await;
    let taken = desk.script.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].letter.subject, "You have access to ServusConnect");
    assert_eq!(taken[0].at, noon());
    assert_eq!(taken[0].reply_to, Some(address("support@servusconnect.example")));
    assert_eq!(desk.waiting().await, []);
    assert_eq!((desk.courier.counts().sent, desk.courier.counts().failed), (1, 0));
}

#[tokio::test]
async fn a_mail_that_fails_is_tried_again_ever_more_slowly_and_never_given_up() {
    let desk = Desk::new().await;
    desk.post_one("noah.lind@contoso.com").await;
    let seconds = [10, 30, 120, 600, 1_800, 3_600, 3_600, 3_600];
    for _ in 0..=seconds.len() {
        desk.script.fail(FailureKind::Deferred);
    }
    desk.deliver().await;
    for (number, seconds) in (1..).zip(seconds) {
        assert_eq!(desk.script.tries(), number);
        desk.later(Duration::from_secs(seconds - 1)).await;
        assert_eq!(desk.script.tries(), number, "not before {seconds} s");
        desk.later(Duration::from_secs(1)).await;
        let waiting = desk.waiting().await;
        assert_eq!(waiting[0].error.as_deref(), Some("not today"));
        assert_eq!(waiting[0].attempts as usize, number + 1);
    }
    desk.later(Duration::from_hours(1)).await;
    assert_eq!(desk.script.recipients(), ["noah.lind@contoso.com"]);
    let tried = desk.script.tried.lock().unwrap().clone();
    assert!(tried.iter().all(|mail| *mail == tried[0]), "every try sends the same");
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_waits_for_hours_and_then_for_days() {
    let desk = Desk::new().await;
    desk.post_one("nobody@contoso.com").await;
    for _ in 0..24 {
        desk.script.fail(FailureKind::Rejected);
    }
    desk.deliver().await;
    desk.later(Duration::from_secs(6 * 3_600 - 1)).await;
    assert_eq!(desk.script.tries(), 1);
    desk.later(Duration::from_secs(1)).await;
    assert_eq!(desk.script.tries(), 2);
    for _ in 0..22 {
        desk.later(Duration::from_hours(6)).await;
    }
    assert!(desk.script.tries() < 24, "after five days it is once a day");
    desk.later(Duration::from_hours(24)).await;
    desk.later(Duration::from_hours(24)).await;
    desk.later(Duration::from_hours(24)).await;
    assert_eq!(desk.script.recipients(), ["nobody@contoso.com"], "and it arrives once the mailbox is there");
}

#[tokio::test]
async fn messages_of_one_topic_go_out_as_one_mail_and_a_mail_that_was_tried_stays_as_it_was() {
    let desk = Desk::new().await;
    let asked = Notice::InformationNeeded { request: request(None), question: "Which?".to_owned() };
    let approved = Notice::RequestApproved { request: request(None), access: access(), note: None };
    desk.post(&asked, "mia.berg@contoso.com").await;
    desk.post(&approved, "mia.berg@contoso.com").await;
    desk.post_one("mia.berg@contoso.com").await;
    desk.post(&approved, "ada@contoso.com").await;
    desk.script.fail(FailureKind::Deferred);
    desk.deliver().await;
    assert_eq!(desk.script.tries(), 3, "one for each recipient and topic");
    desk.post(&asked, "mia.berg@contoso.com").await;
    desk.later(Duration::from_secs(10)).await;
    let tried = desk.script.tried.lock().unwrap().clone();
    let again: Vec<&Mail> = tried.iter().filter(|mail| mail.id == tried[0].id).collect();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0], again[1], "a receiver can tell the repetition");
    assert_eq!(tried.len(), 5, "what came later is a mail of its own");
}

#[tokio::test]
async fn nobody_gets_more_than_six_mails_an_hour_and_nothing_is_dropped() {
    let desk = Desk::new().await;
    for number in 0..9 {
        let mut request = request(None);
        request.id = format!("R-{number}");
        let notice = Notice::RequestApproved { request, access: access(), note: None };
        desk.post(&notice, "mia.berg@contoso.com").await;
    }
    desk.post_one("noah.lind@contoso.com").await;
    desk.deliver().await;
    let to = |who: &str| desk.script.recipients().iter().filter(|recipient| *recipient == who).count();
    assert_eq!((to("mia.berg@contoso.com"), to("noah.lind@contoso.com")), (6, 1));
    desk.later(Duration::from_mins(59)).await;
    assert_eq!(to("mia.berg@contoso.com"), 6);
    desk.later(Duration::from_mins(2)).await;
    assert_eq!(to("mia.berg@contoso.com"), 9);
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_not_asked_for_every_mail() {
    let desk = Desk::new().await;
    for number in 0..5 {
        desk.post_one(&format!("user-{number}@contoso.com")).await;
    }
    desk.script.fail(FailureKind::Unavailable);
    desk.deliver().await;
    assert_eq!(desk.script.tries(), 1);
    desk.deliver().await;
    assert_eq!(desk.script.taken().len(), 4);
    desk.later(Duration::from_secs(10)).await;
    assert_eq!(desk.script.taken().len(), 5);
}

#[tokio::test]
async fn without_a_mail_server_messages_wait_until_a_reload_brings_one() {
    let desk = Desk::new().await;
    let mut settings = Desk::settings(&desk.script);
    settings.route = None;
    desk.courier.reload(settings);
    desk.post_one("noah.lind@contoso.com").await;
    desk.deliver().await;
    let waiting = desk.waiting().await;
    assert_eq!((waiting.len(), waiting[0].attempts), (1, 0), "not even claimed");
    assert_eq!(desk.courier.counts().waiting, 1);
    desk.courier.reload(Desk::settings(&desk.script));
    desk.deliver().await;
    assert_eq!(desk.script.taken().len(), 1);
    assert_eq!(desk.courier.counts().waiting, 0);
}

#[tokio::test]
async fn a_mail_whose_courier_died_is_taken_over_after_its_lease_by_another_node() {
    let desk = Desk::new().await;
    desk.post_one("noah.lind@contoso.com").await;
    *desk.script.barrier.lock().unwrap() = Some(Arc::default());
    let courier = Arc::clone(&desk.courier);
    let dying = tokio::spawn(async move { courier.deliver_due(&CancellationToken::new()).await });
    desk.script.begun.notified().await;
    dying.abort();
    assert!(dying.await.expect_err("it was in the middle").is_cancelled());
    *desk.script.barrier.lock().unwrap() = None;

    let other = Desk::courier(&desk.store, &desk.clock, &desk.script);
    let never = CancellationToken::new();
    desk.clock.advance(Duration::from_secs(119));
    other.deliver_due(&never).await.expect("the store works");
    assert_eq!(desk.script.tries(), 1, "the lease is another's");
    desk.clock.advance(Duration::from_secs(1));
    other.deliver_due(&never).await.expect("the store works");
    let tried = desk.script.tried.lock().unwrap().clone();
    assert_eq!(tried.len(), 2);
    assert_eq!(tried[0], tried[1]);
}

#[tokio::test]
async fn a_server_that_starts_takes_over_at_once_what_the_last_one_had_claimed() {
    let desk = Desk::new().await;
    desk.post_one("noah.lind@contoso.com").await;
    *desk.script.barrier.lock().unwrap() = Some(Arc::default());
    let courier = Arc::clone(&desk.courier);
    let dying = tokio::spawn(async move { courier.follow(&CancellationToken::new()).await });
    desk.script.begun.notified().await;
    dying.abort();
    assert!(dying.await.expect_err("it was in the middle").is_cancelled());
    *desk.script.barrier.lock().unwrap() = None;

    let stop = CancellationToken::new();
    let next = Desk::courier(&desk.store, &desk.clock, &desk.script);
    let following = tokio::spawn({
        let stop = stop.clone();
        async move { next.follow(&stop).await }
    });
    until("it is sent, though no time has passed", async || desk.script.taken().len() == 1).await;
    stop.cancel();
    following.await.expect("it ends when it is told to");
    assert_eq!(desk.waiting().await, []);
}

#[tokio::test]
async fn a_try_that_is_under_way_at_the_end_is_finished_and_written_down() {
    let desk = Desk::new().await;
    desk.post_one("a@contoso.com").await;
    desk.post_one("b@contoso.com").await;
    let barrier = Arc::<Notify>::default();
    *desk.script.barrier.lock().unwrap() = Some(Arc::clone(&barrier));
    let stop = CancellationToken::new();
    let following = tokio::spawn({
        let (courier, stop) = (Arc::clone(&desk.courier), stop.clone());
        async move { courier.follow(&stop).await }
    });
    desk.script.begun.notified().await;
    stop.cancel();
    barrier.notify_one();
    following.await.expect("it ends");
    assert_eq!(desk.script.recipients(), ["a@contoso.com"], "and nothing new is begun");
    let waiting = desk.waiting().await;
    assert_eq!((waiting.len(), waiting[0].attempts), (1, 0));
}

#[tokio::test]
async fn a_message_of_an_unknown_kind_waits_for_a_version_that_knows_it() {
    let desk = Desk::new().await;
    let mut message = every_kind("Noah Lind")[0].to(&address("noah.lind@contoso.com"));
    message.notice = serde_json::json!({"kind": "from_the_future"});
    desk.store.post_mail(&[message], noon()).await.expect("it is kept");
    desk.deliver().await;
    assert_eq!(desk.script.tries(), 0);
    let waiting = desk.waiting().await;
    assert!(waiting[0].error.as_deref().is_some_and(|error| error.contains("does not know")), "{waiting:?}");
}

#[tokio::test]
async fn support_is_told_once_a_day_of_what_is_open_for_more_than_a_day() {
    let desk = Desk::new().await;
    let store = furnished(&Memory).await;
    let desk = Desk { courier: Desk::courier(&store, &desk.clock, &desk.script), store, ..desk };
    add(&*desk.store, "mia.berg@contoso.com", &[]).await;
    let requester =
        desk.store.account_by_email(&email("mia.berg@contoso.com")).await.unwrap().unwrap().user.id;
    let request = NewRequest {
        id: AccessRequestId::random(&SystemRandomness),
        organization: organization_id("contoso"),
        wanted: Wanted {
            scope: Scope::AllProperties,
            email: email("noah.lind@contoso.com"),
            name: None,
            level: Level::from_store("technician".to_owned()),
            note: None,
        },
        requester,
        at: noon(),
    };
    desk.store.file_request(&request, event("request.filed"), Vec::new()).await.expect("it is filed");
    desk.deliver().await;
    desk.later(Duration::from_secs(24 * 3_600 - 1)).await;
    assert_eq!(desk.script.taken().len(), 0, "it was told by a message of its own");
    desk.later(Duration::from_mins(2)).await;
    assert_eq!(desk.script.recipients(), ["support@servusconnect.example"]);
    assert_eq!(desk.script.taken()[0].letter.subject, "1 New User request is open at ServusConnect");
    assert_eq!(desk.script.taken()[0].reply_to, None);
    for _ in 0..23 {
        desk.later(Duration::from_hours(1)).await;
    }
    assert_eq!(desk.script.taken().len(), 1, "once a day");
    desk.later(Duration::from_hours(2)).await;
    assert_eq!(desk.script.taken().len(), 2);

    let mut settings = Desk::settings(&desk.script);
    settings.digest = false;
    desk.courier.reload(settings);
    desk.later(Duration::from_hours(48)).await;
    assert_eq!(desk.script.taken().len(), 2, "unless nobody wants to know");
}
