//! What a request has been through, in the words that managers and agents read.
//!
//! Separate because the Manage page, the console and the Waiting Room tell the same story.

use crate::directory::request::{EventKind, State};
use crate::pages::moment::Moment;

/// One line of a request's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// When.
    pub at: Moment,
    /// Who, by name or address, or `command`.
    pub actor: String,
    /// What happened.
    pub kind: EventKind,
    /// What was written along with it.
    pub text: Option<String>,
}

impl HistoryLine {
    pub(super) fn who(&self) -> &str {
        english_actor(&self.actor)
    }

    pub(super) const fn english(&self) -> &'static str {
        english_event(self.kind)
    }
}

/// Who did something, for people.
pub(super) fn english_actor(actor: &str) -> &str {
    if actor == "command" { "An operator" } else { actor }
}

/// What somebody did, after their name.
pub(super) const fn english_event(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Filed => "filed the request",
        EventKind::Merged => "asked for the same",
        EventKind::Taken => "took the request",
        EventKind::Asked => "asked a question",
        EventKind::Answered => "answered",
        EventKind::Proposed => "proposed to approve it",
        EventKind::Approved => "approved it",
        EventKind::Denied => "denied it",
    }
}

/// The name of a state, for people.
pub(super) const fn english_state(state: State) -> &'static str {
    match state {
        State::Received => "Received",
        State::InWork => "In work",
        State::NeedsInfo => "Needs information",
        State::Approved => "Approved",
        State::Denied => "Denied",
    }
}
