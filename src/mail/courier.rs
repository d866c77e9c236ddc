//! The courier: takes what is due out of the outbox, sends it, and writes down what became of it.
//!
//! Separate from the transport so that what must hold across crashes (nothing is lost, nothing is sent again once
//! it is written down as sent) stands in one place.
//!
//! Rules:
//! - Claim, send, mark: in this order, one mail at a time. Whoever dies in between leaves the claim, which the
//!   next one takes over: at once on a store with a single server (`store::Outbox::release_mail`), after [`LEASE`]
//!   otherwise.
//! - Between "the server has it" and "it is written down" there is a moment that nothing can close. A mail that is
//!   sent again because of it has the same `Message-ID` and the same octets.
//! - A mail is never given up on; it only waits longer (`retry`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::directory::request::State;
use crate::id::{Randomness, random_hex};
use crate::store::{self, Batch, Claim, RequestCount, Store};

use super::{Failure, FailureKind, Mail, Notice, Sender, Transport, Words, render, retry};

/// What mail needs to know; replaced whole when the configuration is reloaded.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What letters name.
    pub words: Words,
    /// How mail leaves; without it messages wait in the outbox.
    pub route: Option<Route>,
    /// Whether support is told once a day of what is still open.
    pub digest: bool,
}

/// How mail leaves.
#[derive(Debug, Clone)]
pub struct Route {
    /// Who takes it over.
    pub transport: Arc<dyn Transport>,
    /// Whom it comes from.
    pub from: Sender,
}

/// What a courier works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where the outbox is.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names of mails.
    pub randomness: Arc<dyn Randomness>,
}

/// What this courier has done since it began, and what waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Mails that were taken over.
    pub sent: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Messages in the outbox when it was last counted.
    pub waiting: u64,
}

/// Delivers what waits in the outbox.
#[derive(Debug)]
pub struct Courier {
    parts: Parts,
    settings: ArcSwap<Settings>,
    nudged: Notify,
    sent: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicU64,
    /// The second in which open requests were last looked for.
    digested_at: AtomicI64,
}

/// What became of looking for a mail that is due.
enum Step {
    /// There is none.
    Idle,
    /// One was delivered, or will be tried again.
    Done,
    /// The server does not take any.
    Stuck,
}

impl Courier {
    /// A courier at rest.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        Self {
            parts,
            settings: ArcSwap::from_pointee(settings),
            nudged: Notify::new(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            digested_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Puts new settings in force, from the next mail on.
    pub fn reload(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
        self.nudge();
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Says that there may be something to deliver.
    pub fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// What has been done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Delivers until it is told to stop. A try that is under way then gets a moment to end well.
    pub async fn follow(&self, stop: &CancellationToken) {
        let mut released = false;
        while !stop.is_cancelled() {
            let pause = match self.turn(&mut released, stop).await {
                Ok(()) => POLL_PERIOD,
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be worked on");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.nudged.notified() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Delivers everything that is due now: what [`Courier::follow`] does again and again.
    pub async fn deliver_due(&self, stop: &CancellationToken) -> store::Result<()> {
        let settings = self.settings.load_full();
        let outcome = match &settings.route {
            Some(route) => self.deliver_all(&settings, route, stop).await,
            None => Ok(()),
        };
        self.waiting.store(self.parts.store.mail_waiting().await?, Ordering::Relaxed);
        outcome
    }

    async fn turn(&self, released: &mut bool, stop: &CancellationToken) -> store::Result<()> {
        if !*released {
            let count = self.parts.store.release_mail().await?;
            *released = true;
            if count > 0 {
                tracing::info!(messages = count, "what was claimed before the last end is tried again");
            }
        }
        self.deliver_due(stop).await
    }

    async fn deliver_all(
        &self,
        settings: &Settings,
        route: &Route,
        stop: &CancellationToken,
    ) -> store::Result<()> {
        if settings.digest {
            self.post_digest(&settings.words).await?;
        }
        while !stop.is_cancelled() {
            match self.deliver_next(&settings.words, route, stop).await? {
                Step::Done => {}
                Step::Idle | Step::Stuck => break,
            }
        }
        Ok(())
    }

    async fn deliver_next(
        &self,
        words: &Words,
        route: &Route,
        stop: &CancellationToken,
    ) -> store::Result<Step> {
        let now = self.parts.clock.now();
        let claim = Claim {
            now,
            until: now.saturating_add(LEASE).unwrap_or(Timestamp::MAX),
            mail_id: random_hex(&*self.parts.randomness),
            hourly_max: HOURLY_MAX,
        };
        let Some(batch) = self.parts.store.claim_mail(&claim).await? else { return Ok(Step::Idle) };
        let outcome = match compose(&batch, words, &route.from) {
            Some(mail) => send(&*route.transport, &mail, stop).await,
            None => Err(Failure::new(
                FailureKind::Rejected,
                "a message of a kind that this version does not know",
            )),
        };
        match outcome {
            Ok(()) => {
                self.mark_sent(&batch, stop).await;
                Ok(Step::Done)
            }
            Err(failure) => {
                self.mark_failed(&batch, &failure).await?;
                let is_stuck = matches!(failure.kind, FailureKind::Unavailable | FailureKind::Interrupted);
                Ok(if is_stuck { Step::Stuck } else { Step::Done })
            }
        }
    }

    /// Writes down that the mail is delivered, however often it takes: what is not written down is sent again.
    async fn mark_sent(&self, batch: &Batch, stop: &CancellationToken) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let domain = batch.recipient.domain().as_str();
        while let Err(error) = self.parts.store.mail_sent(&batch.mail_id, self.parts.clock.now()).await {
            tracing::error!(mail = batch.mail_id, %error, "a delivered mail cannot be marked as delivered");
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(POLL_PERIOD) => {}
            }
        }
        let messages = batch.messages.len();
        tracing::info!(mail = batch.mail_id, domain, messages, attempts = attempts(batch), "mail delivered");
    }

    async fn mark_failed(&self, batch: &Batch, failure: &Failure) -> store::Result<()> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let now = self.parts.clock.now();
        let age = batch.messages.first().map_or(Duration::ZERO, |oldest| {
            Duration::try_from(now.duration_since(oldest.created_at)).unwrap_or_default()
        });
        let pause = retry::after(failure.kind, attempts(batch), age);
        // What concerns all mail names nobody; an answer about one mail may name its recipient.
        let reason = (failure.kind == FailureKind::Unavailable).then_some(failure.text.as_str());
        tracing::warn!(
            mail = batch.mail_id,
            domain = batch.recipient.domain().as_str(),
            kind = failure.kind.as_str(),
            code = failure.code,
            reason,
            attempts = attempts(batch),
            again_in_s = pause.as_secs(),
            "mail not delivered"
        );
        let next = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        self.parts.store.mail_failed(&batch.mail_id, &failure.text, next).await
    }

    /// Tells support of open requests of more than a day, once a day (the store drops a second message of that
    /// key), and looks for them no more than once a minute.
    async fn post_digest(&self, words: &Words) -> store::Result<()> {
        let Some(support) = &words.support_email else { return Ok(()) };
        let now = self.parts.clock.now();
        if now.as_second().saturating_sub(self.digested_at.load(Ordering::Relaxed)) < DIGEST_LOOK_SECONDS {
            return Ok(());
        }
        self.digested_at.store(now.as_second(), Ordering::Relaxed);
        let counts = self.parts.store.request_counts().await?;
        let Some(digest) = digest(&counts, now) else { return Ok(()) };
        self.parts.store.post_mail(&[digest.to(support)], now).await
    }
}

/// The mail that tells all messages of the batch; `None` if one of them is of an unknown kind.
fn compose(batch: &Batch, words: &Words, from: &Sender) -> Option<Mail> {
    let notices = batch.messages.iter().map(|message| serde_json::from_value(message.notice.clone()));
    let notices: Vec<Notice> = notices.collect::<Result<_, _>>().ok()?;
    Some(Mail {
        id: batch.mail_id.clone(),
        from: from.clone(),
        to: batch.recipient.clone(),
        reply_to: words.support_email.clone().filter(|address| *address != batch.recipient),
        at: batch.messages.last()?.created_at,
        letter: render(&notices, words),
    })
}

/// Sends; a try that is under way when everything ends gets a moment to end well.
async fn send(transport: &dyn Transport, mail: &Mail, stop: &CancellationToken) -> Result<(), Failure> {
    let mut sending = transport.send(mail);
    tokio::select! {
        sent = &mut sending => sent,
        () = stop.cancelled() => timeout(STOP_GRACE, sending).await.unwrap_or_else(|_| {
            Err(Failure::new(FailureKind::Interrupted, "Anteroom was stopped while it waited for the server"))
        }),
    }
}

/// What support is told, if any open request is older than a day.
fn digest(counts: &[RequestCount], now: Timestamp) -> Option<Notice> {
    let open: Vec<&RequestCount> =
        State::OPEN.iter().filter_map(|state| counts.iter().find(|count| count.state == *state)).collect();
    let open: Vec<&RequestCount> = open.into_iter().filter(|count| count.count > 0).collect();
    let oldest_at = open.iter().map(|count| count.oldest_at).min()?;
    if oldest_at.saturating_add(DIGEST_AGE).unwrap_or(Timestamp::MAX) > now {
        return None;
    }
    let counts = open.iter().map(|count| (count.state.as_str().to_owned(), count.count)).collect();
    Some(Notice::QueueDigest { counts, oldest_at })
}

fn attempts(batch: &Batch) -> u32 {
    batch.messages.iter().map(|message| message.attempts).max().unwrap_or(1)
}

/// Nobody else tries what is claimed for so long; longer than any try takes.
const LEASE: Duration = Duration::from_mins(2);
/// More mail in an hour is no news to anybody.
const HOURLY_MAX: u32 = 6;
/// How long a message of another process, or a retry, waits at most.
const POLL_PERIOD: Duration = Duration::from_secs(1);
/// A store that does not work is not asked every second.
const STORE_PAUSE: Duration = Duration::from_secs(10);
/// Within the time that everything has to drain.
const STOP_GRACE: Duration = Duration::from_secs(10);
const DIGEST_LOOK_SECONDS: i64 = 60;
/// What was filed within the last day has been told by a message of its own.
const DIGEST_AGE: Duration = Duration::from_hours(24);
