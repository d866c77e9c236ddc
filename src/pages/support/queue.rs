//! The queue of New User requests, the oldest first.
//!
//! Separate because it is where an agent begins: what waits longest must be seen first.

use crate::directory::request::State;
use crate::pages::Brand;
use crate::pages::form::SelectItem;
use crate::pages::moment::Moment;
use crate::pages::support::{Agent, Banner};

/// `/.anteroom/support`.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Who works at the console.
    pub agent: Agent,
    /// What has just been done.
    pub banner: Option<Banner>,
    /// `state`: which requests are shown.
    pub state: QueueState,
    /// `q`: the words that are looked for.
    pub text: String,
    /// `organization`: all that there are, with the one that is looked for chosen; an entry for "all" is added.
    pub organizations: Vec<SelectItem>,
    /// `mine=1`: only those that the agent works on.
    pub is_mine: bool,
    /// How many there are, regardless of the filters: one for each filter that shall have a number.
    pub counts: Vec<QueueCount>,
    /// The requests of this page.
    pub rows: Vec<QueueRow>,
    /// `page`: which one, from 1.
    pub page: u32,
    /// Whether there is another page.
    pub has_more: bool,
}

/// Which requests to show: the values of `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// Those that are not decided.
    Open,
    /// Those in one state.
    In(State),
    /// All of them.
    All,
}

/// How many requests there are behind a filter.
#[derive(Debug, Clone)]
pub struct QueueCount {
    /// The filter.
    pub state: QueueState,
    /// How many.
    pub count: u64,
    /// How old the oldest is, by [`crate::pages::english_age`].
    pub oldest: Option<String>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct QueueRow {
    /// Its id.
    pub id: String,
    /// For whom: the name, if known.
    pub name: Option<String>,
    /// For whom: the address.
    pub email: String,
    /// Where.
    pub property: String,
    /// The organization's name.
    pub organization: String,
    /// How much.
    pub level: String,
    /// Who asked first: name or address.
    pub requester: String,
    /// When it was filed.
    pub filed: Moment,
    /// Where it stands.
    pub state: State,
    /// Who works on it: name or address.
    pub agent: Option<String>,
    /// Whether an approval waits for a second agent.
    pub is_proposed: bool,
}

impl QueueState {
    /// All filters, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::In(State::Received),
        Self::In(State::InWork),
        Self::In(State::NeedsInfo),
        Self::In(State::Approved),
        Self::In(State::Denied),
        Self::All,
    ];

    /// The value of `state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::In(state) => state.as_str(),
            Self::All => "all",
        }
    }

    /// Reads the value of `state`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl Queue {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Requests")
    }
}
