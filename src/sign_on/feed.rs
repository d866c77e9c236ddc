//! Hearing of changes that others made, and the chores of a running node.
//!
//! Separate because it is what sign-on does in the background: it reads the change feed, keeps the sessions in
//! memory true, lets time do its work, and knows how long ago it heard anything.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::monotonic::{self, Moment};
use crate::sign_on::SignOn;
use crate::store::{self, CHANGES_AT_ONCE, Change, ChangeSeq};

/// When the change feed was last read to its end.
#[derive(Debug)]
pub(super) struct Hearing {
    /// The number of a moment. Every request looks at it.
    heard_at: AtomicU64,
    /// Whether it could not be read the last time.
    is_failing: AtomicBool,
    nudge: Notify,
    /// Told whenever it has been read, or could not be.
    looked: Notify,
}

impl Default for Hearing {
    fn default() -> Self {
        Self {
            heard_at: AtomicU64::new(monotonic::now().to_bits()),
            is_failing: AtomicBool::new(false),
            nudge: Notify::new(),
            looked: Notify::new(),
        }
    }
}

impl Hearing {
    /// Notes that everything has been heard that was changed before a moment, or nothing could be.
    fn note(&self, heard: Option<Moment>) {
        if let Some(at) = heard {
            self.heard_at.store(at.to_bits(), Ordering::Relaxed);
        }
        self.is_failing.store(heard.is_none(), Ordering::Relaxed);
        self.looked.notify_waiters();
    }

    fn silence(&self) -> Duration {
        monotonic::now() - self.heard_at()
    }

    fn heard_at(&self) -> Moment {
        Moment::from_bits(self.heard_at.load(Ordering::Relaxed))
    }

    /// Whether a request that came then has nothing to wait for.
    fn has_heard(&self, asked: Moment) -> bool {
        self.heard_at() + LATE >= asked || self.is_failing.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> Hears {
        let silence = self.silence();
        if silence <= LATE {
            Hears::Well
        } else if silence > DEAF_MAX {
            Hears::Nothing
        } else if silence > LATE_MAX || self.is_failing.load(Ordering::Relaxed) {
            // A store that does not answer answers no sooner if people wait for it.
            Hears::Well
        } else {
            Hears::Late
        }
    }
}

/// Whether what is in memory may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// It may.
    Well,
    /// Soon again: whoever asks now has to wait for that.
    Late,
    /// Not any more (DESIGN section 8).
    Nothing,
}

impl SignOn {
    /// How long this node has not heard of changes.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.hearing.silence()
    }

    /// Waits until this node has heard of what was changed before now, but for a moment; not for long, and not while the
    /// store does not answer.
    pub(crate) async fn caught_up(&self) {
        let asked = monotonic::now();
        let catching_up = async {
            loop {
                let looked = self.hearing.looked.notified();
                if self.hearing.has_heard(asked) {
                    return;
                }
                self.nudge();
                looked.await;
            }
        };
        // Whoever has waited so long is served as one is while the store does not answer.
        timeout(LATE_MAX.saturating_sub(self.silence()), catching_up).await.unwrap_or_default();
    }

    /// Makes the node look for changes now; after one of its own.
    pub fn nudge(&self) {
        self.hearing.nudge.notify_one();
    }

    /// Follows the change feed until told to stop. `since` is the end that it had before anything was read that this
    /// node keeps: what changes after somebody was let in and before the first look is heard like everything else.
    pub async fn follow(&self, since: ChangeSeq, stop: &CancellationToken) -> store::Result<()> {
        // A chore may have to wait for its turn to write, and nobody's access may last longer for that.
        tokio::join!(self.keep_hearing(since, stop), self.keep_house(stop));
        self.live.flush().await
    }

    async fn keep_hearing(&self, mut seq: ChangeSeq, stop: &CancellationToken) {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = poll.tick() => self.hear(&mut seq).await,
                () = self.hearing.nudge.notified() => self.hear(&mut seq).await,
            }
        }
    }

    async fn keep_house(&self, stop: &CancellationToken) {
        let mut chores = tokio::time::interval(CHORES_INTERVAL);
        chores.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rounds = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = chores.tick() => {
                    // One that waits for its turn to write holds up nobody's end.
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.chores(rounds) => {}
                    }
                    rounds = rounds.wrapping_add(1);
                }
            }
        }
    }

    async fn hear(&self, seq: &mut ChangeSeq) {
        match self.catch_up(seq).await {
            Ok(heard) => self.hearing.note(Some(heard)),
            Err(error) => {
                self.hearing.note(None);
                tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "cannot read the change feed");
            }
        }
    }

    /// The position moves on only when everything that a change asks for has been done. Returns up to when everything has
    /// been heard.
    async fn catch_up(&self, seq: &mut ChangeSeq) -> store::Result<Moment> {
        loop {
            let asked = monotonic::now();
            let (last, changes) = self.store.changes_after(*seq).await?;
            let is_all = changes.len() < CHANGES_AT_ONCE;
            let mut users = HashSet::new();
            let (mut keys_changed, mut directory_changed) = (false, false);
            for change in changes {
                match change {
                    Change::User(user) => drop(users.insert(user)),
                    Change::Keys => keys_changed = true,
                    Change::Directory => directory_changed = true,
                }
            }
            // First what somebody may have lost.
            if !users.is_empty() {
                let users: Vec<_> = users.into_iter().collect();
                self.live.revalidate(&users, self.clock.now()).await?;
            }
            if keys_changed {
                self.reload_keys().await?;
            }
            if directory_changed {
                self.refresh_organizations().await?;
            }
            *seq = last;
            if is_all {
                return Ok(asked);
            }
        }
    }

    async fn chores(&self, round: u32) {
        let lifetimes = self.settings.load().lifetimes;
        let now = self.clock.now();
        self.live.sweep(&lifetimes, now);
        self.lapse_grants(now).await;
        self.warn_of_expiry(now).await;
        let outcome = if round.is_multiple_of(PURGE_EVERY) {
            let idle_since = now.saturating_sub(lifetimes.idle).unwrap_or(now);
            self.keep_keys().await;
            self.store.purge(now, idle_since).await
        } else if round.is_multiple_of(FLUSH_EVERY) {
            let flushed = self.live.flush().await;
            self.live.forget_idle(KEPT_UNASKED, now);
            flushed
        } else {
            Ok(())
        };
        if let Err(error) = outcome {
            tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "housekeeping failed");
        }
    }

    /// Takes away what was granted until now.
    async fn lapse_grants(&self, now: Timestamp) {
        match self.store.lapse_grants(now).await {
            Ok(0) => {}
            Ok(_) => self.nudge(),
            Err(error) => {
                tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "cannot take away grants whose time is over");
            }
        }
    }

    async fn reload_keys(&self) -> store::Result<()> {
        match self.keys.reload().await {
            Ok(()) => Ok(()),
            Err(crate::keys::Error::Store(error)) => Err(error),
            Err(error) => {
                tracing::error!(error = %error, "cannot use the identity keys in the store");
                Ok(())
            }
        }
    }

    async fn keep_keys(&self) {
        if let Err(error) = self.keys.upkeep().await {
            tracing::warn!(error = %error, "cannot look after the identity keys");
        }
    }
}

/// How long ago a change may have been made that a node does not know of: with the time that the next request takes it is a
/// second. Longer silence means that this machine has too much to do, or the store has.
const LATE: Duration = Duration::from_millis(700);

/// From when on the store is taken for one that does not answer.
const LATE_MAX: Duration = Duration::from_secs(3);

/// How long known sessions are served without hearing of changes.
const DEAF_MAX: Duration = Duration::from_mins(1);

/// Well within the second that every change may take.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

const CHORES_INTERVAL: Duration = Duration::from_millis(500);

/// A session that nobody has asked for in so long is asked of the store again when somebody does.
const KEPT_UNASKED: Duration = Duration::from_mins(15);

/// Every five seconds.
const FLUSH_EVERY: u32 = 10;

/// Every minute.
const PURGE_EVERY: u32 = 120;
