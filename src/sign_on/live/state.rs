//! What a session's user may do.
//!
//! Separate because most of it is the user's and not the session's: all sessions of a user share one [`Known`], and
//! each adds what can end for it alone.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

use crate::directory::{Account, Standing};
use crate::sign_on::gate::IdentityHeaders;
use crate::sign_on::lease::Lease;

/// What is known of a user since the last time that the store was asked; one value for all of the user's sessions.
#[derive(Debug)]
pub struct Known {
    /// The user and all grants, but for the subject, which only the store needs.
    pub account: Account,
    /// What follows from them, until `until`.
    pub verdict: Verdict,
    /// The next moment that a grant lapses; the last that there is, if none does.
    until: Timestamp,
}

/// A [`Standing`] without the grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Goes through to the application.
    Admitted,
    /// Is held in the Waiting Room.
    Waiting,
    /// Is turned away.
    Disabled,
}

/// What a session's user may do, as of the last time the store was asked.
#[derive(Debug)]
pub struct State {
    known: Arc<Known>,
    /// Ends when the user loses anything of this standing, or the session is over.
    pub access: Lease,
    /// The identity headers minted for this standing and session.
    pub minted: ArcSwapOption<IdentityHeaders>,
}

impl Known {
    pub(super) fn new(mut account: Account, now: Timestamp) -> Self {
        account.user.subject = None;
        account.grants.shrink_to_fit();
        let verdict = match account.standing_at(now) {
            Standing::Admitted(_) => Verdict::Admitted,
            Standing::Waiting => Verdict::Waiting,
            Standing::Disabled => Verdict::Disabled,
        };
        Self { verdict, until: account.next_lapse_after(now).unwrap_or(Timestamp::MAX), account }
    }

    /// What the user may do, with the grants that hold.
    #[must_use]
    pub fn standing(&self) -> Standing {
        // Nothing lapses in between, so it is what it was when this was known.
        self.account.standing_at(self.until.saturating_sub(Duration::from_nanos(1)).unwrap_or(self.until))
    }

    /// Whether a grant has lapsed since.
    pub(super) fn has_lapsed(&self, now: Timestamp) -> bool {
        self.until <= now
    }

    /// Whether both say the same: the same grants of the same account hold until the same moment.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.until == other.until && self.verdict == other.verdict && self.account == other.account
    }

    /// Whether everything that this allowed is allowed by that, too.
    pub(super) fn is_kept_by(&self, new: &Self) -> bool {
        match (self.standing(), new.standing()) {
            (Standing::Admitted(old), Standing::Admitted(new)) => old
                .iter()
                .all(|grant| new.iter().any(|held| held.scope == grant.scope && held.level == grant.level)),
            (Standing::Admitted(_), _) => false,
            _ => true,
        }
    }
}

impl State {
    pub(super) const fn new(known: Arc<Known>, access: Lease) -> Self {
        Self { known, access, minted: ArcSwapOption::const_empty() }
    }

    pub(super) const fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// Lets go of headers that nobody would be given any more.
    pub(super) fn drop_stale_headers(&self, now: Timestamp) {
        if self.minted.load().as_ref().is_some_and(|minted| minted.are_stale(now)) {
            self.minted.store(None);
        }
    }
}

/// What is known of the user reads as the state's own.
impl Deref for State {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.known
    }
}
