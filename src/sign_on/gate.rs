//! The proofs that a request may be forwarded.
//!
//! Separate so that an auditor can grep for their constructors: [`Authenticated`] and [`Public`] are the only
//! things that `proxy` forwards, and only this module's parent can make them.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::sign_on::lease::Lease;
use crate::target::{PathRule, RequestTarget};

/// A request of a live session of an admitted user, with the one form of its target that was decided on.
#[derive(Debug, Clone)]
pub struct Authenticated {
    pub(super) target: RequestTarget,
    pub(super) identity: Arc<IdentityHeaders>,
    pub(super) access: Lease,
    pub(super) affinity: u64,
    pub(super) polling: Option<PathRule>,
}

/// The headers that tell the application who is asking; all of them sensitive, all made by us.
#[derive(Debug)]
pub struct IdentityHeaders {
    headers: Box<[(HeaderName, HeaderValue)]>,
    refresh_at_millis: i64,
}

impl IdentityHeaders {
    /// The signed assertion first, then those of the configured presets; new ones have to be made from that moment on.
    #[must_use]
    pub fn new(headers: Vec<(HeaderName, HeaderValue)>, refresh_at: Timestamp) -> Self {
        Self { headers: headers.into(), refresh_at_millis: refresh_at.as_millisecond() }
    }

    /// Whether half the life of the assertion is over.
    #[must_use]
    pub fn are_stale(&self, now: Timestamp) -> bool {
        self.refresh_at_millis <= now.as_millisecond()
    }
}

impl Authenticated {
    /// What to ask the application for.
    #[must_use]
    pub const fn target(&self) -> &RequestTarget {
        &self.target
    }

    /// The identity headers to set, after every look-alike has been removed.
    #[must_use]
    pub fn identity_headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.identity.headers
    }

    /// Ends when the session ends or the user loses access: whatever is still streaming must stop.
    #[must_use]
    pub const fn access(&self) -> &Lease {
        &self.access
    }
}

impl Authenticated {
    /// A number that is the same for all requests of the session, and tells nothing about it: what keeps a session at
    /// one upstream.
    #[must_use]
    pub const fn affinity(&self) -> u64 {
        self.affinity
    }

    /// The rule by which the request keeps nobody signed on, if there is one.
    #[must_use]
    pub const fn polling(&self) -> Option<&PathRule> {
        self.polling.as_ref()
    }
}

/// A request for one of `app.public_paths`: forwarded without any identity.
#[derive(Debug, Clone)]
pub struct Public {
    pub(super) target: RequestTarget,
    pub(super) rule: PathRule,
}

impl Public {
    /// What to ask the application for.
    #[must_use]
    pub const fn target(&self) -> &RequestTarget {
        &self.target
    }

    /// The rule that makes its path public.
    #[must_use]
    pub const fn rule(&self) -> &PathRule {
        &self.rule
    }
}
