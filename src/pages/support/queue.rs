//! The queue of New User requests, the oldest first.
//!
//! Separate because it is where an agent begins: what waits longest must be seen first.

use askama::Template;

use crate::directory::request::State;
use crate::pages::form::SelectItem;
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::{Agent, Banner, Section};
use crate::pages::texts::texts;
use crate::pages::{Brand, link, progress};

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

impl QueueRow {
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    const fn english_state(&self) -> &'static str {
        progress::english_state(self.state)
    }
}

impl Queue {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let has_previous = self.page > 1;
        frame::render(&Html {
            frame: Frame::console_english(brand, text.heading, &self.agent, Section::Requests),
            banner: self.banner.as_ref().map(Banner::english),
            filters: self.filters(),
            empty: english_empty(self.state),
            previous_href: has_previous.then(|| self.href(self.state, self.page - 1)),
            next_href: self.has_more.then(|| self.href(self.state, self.page + 1)),
            text,
            page: self,
        })
    }

    fn filters(&self) -> Vec<Filter> {
        let filter = |state| {
            let count = self.counts.iter().find(|count| count.state == state);
            Filter {
                label: english_filter(state),
                href: self.href(state, 1),
                is_here: state == self.state,
                count: count.map(|count| count.count),
                oldest: count.and_then(|count| count.oldest.as_deref()).map(english_oldest),
            }
        };
        QueueState::ALL.map(filter).into()
    }

    /// Whether something other than the state keeps requests from the list.
    fn is_filtered(&self) -> bool {
        let has_organization = self.organizations.iter().any(|item| item.chosen);
        !self.text.is_empty() || self.is_mine || self.page > 1 || has_organization
    }

    /// This page with another state or number.
    fn href(&self, state: QueueState, page: u32) -> String {
        let organization = self.organizations.iter().find(|item| item.chosen);
        let number = (page > 1).then(|| page.to_string());
        link::with_query(
            Section::Requests.path(),
            &[
                ("state", Some(state.as_str())),
                ("q", Some(self.text.as_str()).filter(|text| !text.is_empty())),
                ("organization", organization.map(|item| item.value.as_str())),
                ("mine", self.is_mine.then_some("1")),
                ("page", number.as_deref()),
            ],
        )
    }
}

struct Filter {
    label: &'static str,
    href: String,
    is_here: bool,
    count: Option<u64>,
    oldest: Option<String>,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    banner: Option<(&'static str, String)>,
    filters: Vec<Filter>,
    empty: &'static str,
    previous_href: Option<String>,
    next_href: Option<String>,
    page: &'a Queue,
}

texts! {
    Texts {
        heading: "Requests",
        filters: "Requests by state",
        search: "Search",
        organization: "Organization",
        all_organizations: "All organizations",
        mine: "Only mine",
        submit: "Search",
        no_match: "No request matches.",
        all_requests: "Show all requests",
        person: "Person",
        access: "Access",
        requester: "Asked by",
        filed: "Asked",
        state: "State",
        proposed: "Needs a second agent",
        paging: "More pages",
        previous: "Previous page",
        next: "Next page",
    }
}

const fn english_filter(state: QueueState) -> &'static str {
    match state {
        QueueState::Open => "Open",
        QueueState::In(state) => progress::english_state(state),
        QueueState::All => "All",
    }
}

fn english_oldest(age: &str) -> String {
    format!("oldest {age}")
}

const fn english_empty(state: QueueState) -> &'static str {
    match state {
        QueueState::Open => "Nothing to do. New requests from managers appear here, the oldest first.",
        QueueState::In(State::Received) => "No request waits for an agent.",
        QueueState::In(State::InWork) => "Nobody works on a request at the moment.",
        QueueState::In(State::NeedsInfo) => "No request waits for an answer.",
        QueueState::In(State::Approved) => "No request was approved yet.",
        QueueState::In(State::Denied) => "No request was denied yet.",
        QueueState::All => "There are no requests yet. They appear here as soon as a manager files one.",
    }
}
