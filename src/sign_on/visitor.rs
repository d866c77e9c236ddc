//! The gate: from a cookie to a session, and from a session to a request that may be forwarded.
//!
//! Separate because it runs for every request of the business: it answers from memory, signs nothing that it
//! has signed already, and fails closed.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::directory::{Grant, Standing, User};
use crate::id;
use crate::identity::{self, Identity};
use crate::session::{Kept, SessionHash, SessionId};
use crate::sign_on::feed::Hears;
use crate::sign_on::gate::{Authenticated, IdentityHeaders};
use crate::sign_on::live::{LiveSession, State, Verdict};
use crate::sign_on::{Familiar, SignOn, organizations};
use crate::store::{self, SESSIONS_PER_USER_MAX};
use crate::target::{PathRule, RequestTarget};

/// Who a cookie makes somebody, as far as memory tells.
#[derive(Debug)]
pub enum Recognized {
    /// The browser of a live session.
    Known(Visitor),
    /// A session that the store has to be asked for: [`SignOn::look_up`].
    Ask(SessionHash),
    /// Nobody that we know.
    Nobody,
    /// Memory is a little behind, and is worth [waiting](SignOn::recognize_late) for.
    Late,
    /// Memory may be out of date and cannot be trusted any longer.
    Deaf,
}

/// Somebody with a live session.
#[derive(Debug, Clone)]
pub struct Visitor {
    live: Arc<LiveSession>,
    now: Timestamp,
}

/// Whether a request shows that somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// A person has done something, as far as anybody can tell.
    Person,
    /// The browser asks by itself, before anybody has.
    Background,
}

/// Whether a visitor's request may pass.
#[derive(Debug)]
pub enum Entry {
    /// It may, with this proof.
    Admitted(Authenticated),
    /// Nobody has let the visitor in yet.
    Waiting,
    /// The visitor has been shut out.
    Disabled,
}

impl SignOn {
    /// Looks for the session of a cookie in memory, first in what its connection knows, if that carries one client's requests
    /// alone. This alone is no use of the session.
    #[must_use]
    pub fn recognize(&self, cookie: Option<&[u8]>, familiar: Option<&Familiar>) -> Recognized {
        let Some(cookie) = cookie else { return Recognized::Nobody };
        match self.hearing.state() {
            Hears::Well => self.remember(cookie, familiar),
            _ if SessionId::parse(cookie).is_none() => Recognized::Nobody,
            Hears::Late => Recognized::Late,
            Hears::Nothing => Recognized::Deaf,
        }
    }

    /// The same when memory was [late](Recognized::Late): waits until it has caught up, if that is to be had in time.
    pub async fn recognize_late(&self, cookie: &[u8]) -> Recognized {
        self.caught_up().await;
        match self.hearing.state() {
            Hears::Nothing => Recognized::Deaf,
            Hears::Well | Hears::Late => self.remember(cookie, None),
        }
    }

    fn remember(&self, cookie: &[u8], familiar: Option<&Familiar>) -> Recognized {
        let live = match self.recent.find(cookie, familiar) {
            Ok(live) => live,
            Err(fingerprint) => {
                let Some(id) = SessionId::parse(cookie) else { return Recognized::Nobody };
                let hash = id.hash();
                let Some(live) = self.live.known(&hash) else { return Recognized::Ask(hash) };
                self.recent.note(fingerprint, &live);
                live
            }
        };
        self.welcome(live, self.clock.now()).map_or(Recognized::Nobody, Recognized::Known)
    }

    /// Looks for a session in the store. One of a paused organization is none.
    pub async fn look_up(&self, hash: &SessionHash) -> store::Result<Option<Visitor>> {
        let Some(live) = self.live.find(hash, self.clock.now()).await? else { return Ok(None) };
        if organizations::is_paused(&self.connections.load(), &live.session().connection) {
            self.live.end(&live);
            return Ok(None);
        }
        Ok(self.welcome(live, self.clock.now()))
    }

    fn welcome(&self, live: Arc<LiveSession>, now: Timestamp) -> Option<Visitor> {
        if !live.is_alive(&self.settings.load().lifetimes, now) {
            return None;
        }
        live.ask(now);
        Some(Visitor { live, now })
    }

    /// Notes that a visitor is still there, and looks at the clock again.
    #[must_use]
    pub fn again(&self, visitor: &Visitor) -> Visitor {
        let now = self.clock.now();
        visitor.live.touch(now);
        Visitor { live: Arc::clone(&visitor.live), now }
    }

    /// Decides on the request of a visitor who is there, and signs the identity that it is forwarded with.
    #[must_use]
    pub fn enter(&self, visitor: &Visitor, target: &RequestTarget) -> Entry {
        self.enter_with(visitor, target, Activity::Person)
    }

    /// The same for a request that may show that somebody is there, or not.
    #[must_use]
    pub fn enter_with(&self, visitor: &Visitor, target: &RequestTarget, activity: Activity) -> Entry {
        let state = visitor.live.state(visitor.now);
        match state.verdict {
            Verdict::Waiting => Entry::Waiting,
            Verdict::Disabled => Entry::Disabled,
            Verdict::Admitted => {
                let polling = self.polling_rule(target);
                if activity == Activity::Person && polling.is_none() {
                    visitor.live.touch(visitor.now);
                }
                Entry::Admitted(Authenticated {
                    target: target.clone(),
                    identity: self.identity_headers(visitor, &state),
                    access: state.access.clone(),
                    affinity: visitor.live.session().hash.affinity(),
                    polling,
                })
            }
        }
    }

    fn polling_rule(&self, target: &RequestTarget) -> Option<PathRule> {
        self.settings.load().polling_paths.iter().find(|rule| rule.covers(target)).cloned()
    }

    /// The whole identity behind an assertion of ours, as long as its session lives.
    pub async fn identity_behind(&self, token: &str) -> store::Result<Option<Identity>> {
        let now = self.clock.now();
        let ring = self.keys.ring();
        let settings = self.settings.load_full();
        let presented = identity::kid_hint(token)
            .and_then(|kid| ring.find(&kid))
            .and_then(|key| identity::verify(key, token, &settings.identity, now));
        let Some(presented) = presented else { return Ok(None) };
        self.caught_up().await;
        if self.hearing.state() == Hears::Nothing {
            return Err(store::Error::Unavailable("changes have not been heard for too long".into()));
        }
        let sessions = self.store.sessions(Some(&presented.user), SESSIONS_PER_USER_MAX).await?;
        let Some(view) = sessions.into_iter().find(|view| view.session.name == presented.session) else {
            return Ok(None);
        };
        let visitor = self.look_up(&view.session.hash).await?;
        Ok(visitor.map(|visitor| visitor.identity()))
    }

    /// The current headers of a session, made anew when half their life is over.
    fn identity_headers(&self, visitor: &Visitor, state: &State) -> Arc<IdentityHeaders> {
        if let Some(minted) = state.minted.load().as_ref()
            && !minted.are_stale(visitor.now)
        {
            return Arc::clone(minted);
        }
        let settings = self.settings.load();
        let identity = identity_in(visitor.live.session(), state);
        let claims = settings.identity.claims(identity, id::random_hex(&*self.randomness), visitor.now);
        let ring = self.keys.ring();
        let token = identity::mint(ring.signing_key(visitor.now), &claims);
        // A copy is as long as the token; the text that it was put together in may be twice that.
        let mut token = HeaderValue::from_str(&token).expect("a compact JWS is base64url and dots");
        token.set_sensitive(true);
        let mut headers = vec![(HeaderName::from_static(IDENTITY_HEADER), token)];
        for preset in &settings.identity.presets {
            headers.extend(identity::presets::headers(*preset, &claims));
        }
        let half_life = settings.identity.lifetime / 2;
        let refresh_at = visitor.now.saturating_add(half_life).unwrap_or(visitor.now);
        let minted = Arc::new(IdentityHeaders::new(headers, refresh_at));
        state.minted.store(Some(Arc::clone(&minted)));
        minted
    }
}

impl Visitor {
    /// The visitor's session.
    #[must_use]
    pub fn live(&self) -> &LiveSession {
        &self.live
    }

    /// When the visitor was recognized.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The user, as the store has it.
    #[must_use]
    pub fn user(&self) -> User {
        self.live.state(self.now).account.user.clone()
    }

    /// What the visitor may do now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.live.state(self.now).standing()
    }

    /// Everything that an application may know of the visitor.
    #[must_use]
    pub fn identity(&self) -> Identity {
        identity_in(self.live.session(), &self.live.state(self.now))
    }
}

fn identity_in(session: &Kept, state: &State) -> Identity {
    let grants = match state.standing() {
        Standing::Admitted(grants) => grants,
        Standing::Waiting | Standing::Disabled => Vec::new(),
    };
    identity_of(session, &state.account.user, &grants)
}

/// Who somebody is to the application, in a session and with these grants.
#[must_use]
pub fn identity_of(session: &Kept, user: &User, grants: &[Grant]) -> Identity {
    let access = grants.iter().map(|grant| identity::Access {
        property: grant.scope.as_str().to_owned(),
        level: grant.level.as_str().to_owned(),
    });
    Identity {
        user: user.id.clone(),
        session: session.name.clone(),
        email: user.email.clone(),
        name: user.name.as_ref().map(|name| name.as_str().to_owned()),
        organization: user.organization.clone(),
        access: access.collect(),
        access_version: user.access_version,
        authenticated_at: session.authenticated_at(),
        methods: session.methods.to_vec(),
    }
}

/// [`identity::HEADER`] as HTTP libraries keep it.
const IDENTITY_HEADER: &str = "x-anteroom-jwt-assertion";
