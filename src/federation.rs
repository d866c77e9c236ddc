//! Metadata of identity providers that is fetched from its address: when, by which node, and what is made of it.
//!
//! Separate because it is the one part that talks to a server which somebody outside chose, and because nobody waits
//! for it but a sign-on whose key is not known yet.
//!
//! Rules:
//! - The address stands in the configuration or was typed by an agent; nothing in a message leads to a request.
//! - The last good copy is in the store, for all nodes; a server that is down, or sends what cannot be used, changes
//!   nothing (SAML Metadata 2.3.1 is honoured by whoever uses the copy: `valid_until`).
//! - Metadata of another entity ID is never taken over: it is held until an operator accepts it.
//! - One node at a time fetches an organization's metadata. Because of an unknown key that is done at most once in
//!   five minutes, whatever is posted; who comes meanwhile waits for the same fetch.

pub mod addresses;
pub mod fetch;
pub mod location;

mod refresh;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::id::{OrganizationId, Randomness};
use crate::store::{self, MetadataClaim, Occasion, OrganizationRecord, Store};

pub use addresses::Reach;
pub use fetch::{Access, Fetched, Fetcher, Limits, Roots};
pub use refresh::Refreshed;

/// What fetching needs to know; replaced whole when the configuration is reloaded.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who fetches.
    pub fetcher: Arc<Fetcher>,
    /// How often to ask whether there is something new.
    pub every: Duration,
    /// The entity IDs that organizations have by files of the configuration.
    pub taken: Vec<(OrganizationId, String)>,
}

/// How it stands with metadata that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Whose it is.
    pub organization: OrganizationId,
    /// When to ask again.
    pub due_at: Timestamp,
    /// How many tries have failed since the last good one.
    pub failures: u32,
    /// Whether metadata of another entity ID waits for an operator.
    pub is_held: bool,
}

/// Keeps metadata that is fetched up to date. One for the whole process.
#[derive(Debug)]
pub struct Federation {
    settings: ArcSwap<Settings>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    news: Notify,
    seen: Mutex<Seen>,
    turns: Mutex<HashMap<OrganizationId, Arc<Turn>>>,
}

/// What the store said last.
#[derive(Debug, Default)]
struct Seen {
    at: Option<Timestamp>,
    states: Vec<SourceState>,
}

/// Whose turn it is to fetch because of an unknown key, and when that was last done.
type Turn = tokio::sync::Mutex<Option<Timestamp>>;

impl Federation {
    /// Puts the parts together. Nothing happens before [`follow`](Self::follow).
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        (clock, randomness): (Arc<dyn Clock>, Arc<dyn Randomness>),
        settings: Settings,
    ) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            store,
            clock,
            randomness,
            news: Notify::new(),
            seen: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Works with new settings from now on.
    pub fn reload(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Has the store looked at again, because organizations have changed.
    pub fn nudge(&self) {
        self.news.notify_one();
    }

    /// How it stands with each organization whose metadata is fetched, as far as this node has heard.
    #[must_use]
    pub fn states(&self) -> Vec<SourceState> {
        self.seen().states.clone()
    }

    /// Fetches what is due until told to stop.
    pub async fn follow(&self, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_news = tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => false,
                () = self.news.notified() => true,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round(is_news) => {}
            }
        }
    }

    async fn round(&self, is_news: bool) {
        if let Err(error) = self.fetch_due(is_news).await {
            tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "cannot look after the metadata of identity providers");
        }
    }

    async fn fetch_due(&self, is_news: bool) -> store::Result<()> {
        let now = self.clock.now();
        if is_news || self.seen().is_old(now) {
            self.look(now).await?;
        }
        let due = self.seen().due(now);
        if due.is_empty() {
            return Ok(());
        }
        let fetches = due.into_iter().map(|organization| async move {
            if let Err(error) = self.fetch_one(&organization, Occasion::Due).await {
                tracing::warn!(%organization, error = %error, "cannot keep what was fetched");
            }
        });
        futures_util::stream::iter(fetches).for_each_concurrent(FETCHES_AT_ONCE, |fetch| fetch).await;
        self.look(self.clock.now()).await
    }

    /// Reads from the store what is fetched.
    async fn look(&self, now: Timestamp) -> store::Result<()> {
        let records = self.store.organization_records().await?;
        let states = records.iter().filter_map(SourceState::of).collect();
        *self.seen() = Seen { at: Some(now), states };
        Ok(())
    }

    /// Fetches an organization's metadata now, because an operator wants it. `None` if it is not fetched at all, or
    /// another node is just doing it.
    pub async fn fetch_now(&self, organization: &OrganizationId) -> store::Result<Option<Refreshed>> {
        self.fetch_one(organization, Occasion::Asked).await
    }

    /// Fetches an organization's metadata because of a message that was signed by an unknown key, if that has not
    /// been done for five minutes, and then does what has to be done with what is new. Who comes meanwhile waits for
    /// the same fetch.
    pub async fn fetch_for_unknown_key<F>(
        &self,
        organization: &OrganizationId,
        then: impl FnOnce() -> F,
    ) -> store::Result<()>
    where
        F: Future<Output = store::Result<()>>,
    {
        if !self.seen().states.iter().any(|state| state.organization == *organization) {
            return Ok(());
        }
        let turn = Arc::clone(self.turns().entry(organization.clone()).or_default());
        let mut last = turn.lock().await;
        let now = self.clock.now();
        let not_since = now.saturating_sub(UNKNOWN_KEY_PAUSE).unwrap_or(now);
        if last.is_some_and(|last| last > not_since) {
            return Ok(());
        }
        let refreshed = self.fetch_one(organization, Occasion::UnknownKey { not_since }).await?;
        if refreshed.is_some() {
            *last = Some(now);
        }
        if refreshed.is_some_and(|refreshed| refreshed.is_newer()) { then().await } else { Ok(()) }
    }

    async fn fetch_one(
        &self,
        organization: &OrganizationId,
        occasion: Occasion,
    ) -> store::Result<Option<Refreshed>> {
        let now = self.clock.now();
        let claim = MetadataClaim { now, until: now.saturating_add(LEASE).unwrap_or(now), occasion };
        match self.store.claim_metadata(organization, &claim).await? {
            Some(connection) => self.refresh(organization, &connection).await.map(Some),
            None => Ok(None),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<OrganizationId, Arc<Turn>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn is_old(&self, now: Timestamp) -> bool {
        self.at.is_none_or(|at| at.saturating_add(LOOK_EVERY).unwrap_or(at) <= now)
    }

    fn due(&self, now: Timestamp) -> Vec<OrganizationId> {
        let due = self.states.iter().filter(|state| state.due_at <= now);
        due.map(|state| state.organization.clone()).collect()
    }
}

impl SourceState {
    fn of(record: &OrganizationRecord) -> Option<Self> {
        let source = record.connection.as_ref()?.source.as_ref()?;
        Some(Self {
            organization: record.organization.id.clone(),
            due_at: source.due_at,
            failures: source.failures,
            is_held: source.held.is_some(),
        })
    }
}

/// How often a node looks at the clock.
const TICK: Duration = Duration::from_millis(500);
/// How often it looks at the store without news, for what other nodes have done.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Servers that do not answer hold up no others.
const FETCHES_AT_ONCE: usize = 8;
/// Longer than any fetch.
const LEASE: Duration = Duration::from_secs(30);
/// Of unknown keys there is no end (SAML-ATTACKS G4).
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_mins(5);
