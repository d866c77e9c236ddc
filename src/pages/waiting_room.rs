//! The Waiting Room: signed on, but not let in yet.
//!
//! Separate because it is the only page that lives: a script listens on `events_url` and moves on to the deep
//! link as soon as access is granted; without JavaScript the page loads itself anew.

use askama::Template;

use crate::pages::form::{Field, Select};
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::{Brand, link};

/// What somebody without access sees.
#[derive(Debug, Clone)]
pub struct WaitingRoom<'a> {
    /// Who is signed in.
    pub email: &'a str,
    /// Their name, where the identity provider sent one.
    pub name: Option<&'a str>,
    /// Whose staff they are.
    pub organization_name: &'a str,
    /// Names of people who may file a request for them.
    pub managers: Vec<&'a str>,
    /// A path of our own that answers with an event stream: `event: released`, `data:` the deep link; and
    /// `event: status` with any data when something else of this page has changed.
    pub events_url: &'a str,
    /// Where the visitor wanted to go; sent back with the form.
    pub return_to: &'a str,
    /// Where things stand.
    pub state: WaitingState,
    /// What the visitor has said, and who was told.
    pub told: Option<Told>,
    /// The form "Where do you work?". Posts to `/.anteroom/waiting-room`.
    pub workplace: WorkplaceForm,
    /// `say=1`: without scripts, the form and the page that loads itself anew are two pages.
    pub is_saying: bool,
    /// Whether the visitor is a support agent, who may go to the console all the same.
    pub is_agent: bool,
}

/// Where things stand for somebody who waits.
#[derive(Debug, Clone)]
pub enum WaitingState {
    /// Nobody has asked for the visitor.
    NoRequest,
    /// A request is in the queue.
    Received {
        /// Where access was asked for.
        property: String,
        /// When.
        filed: Moment,
    },
    /// An agent works on it.
    InWork {
        /// Where access was asked for.
        property: String,
        /// When.
        filed: Moment,
    },
    /// Whoever asked has to answer a question first.
    NeedsInfo {
        /// Where access was asked for.
        property: String,
        /// The question.
        question: String,
    },
    /// It was denied.
    Denied {
        /// Where access was asked for.
        property: String,
        /// Why.
        reason: String,
        /// When.
        at: Moment,
    },
    /// The visitor was let in before, and no longer is.
    Ended,
}

/// What the visitor has said about where they work.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where they work.
    pub workplace: String,
    /// When they said it.
    pub at: Moment,
    /// How many people who may ask for them were told.
    pub managers: usize,
}

/// The form "Where do you work?".
#[derive(Debug, Clone, Default)]
pub struct WorkplaceForm {
    /// `property`: the organization's properties; "somewhere else", with the value nothing, belongs to it.
    pub property: Select,
    /// `text`
    pub text: Field,
}

impl WaitingRoom<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english(self, brand);
        let is_saying = self.is_saying
            || self.workplace.property.problem.is_some()
            || self.workplace.text.problem.is_some();
        frame::render(&Page {
            frame: Frame::english(brand, text.title),
            events_href: link::path(self.events_url),
            refresh_seconds: REFRESH_SECONDS,
            say_href: format!("{PATH}?say=1&return_to={}#workplace", link::query_value(self.return_to)),
            say: english_say(self.told.as_ref()),
            told_whom: self.told.as_ref().map(english_told).unwrap_or_default(),
            standing: Standing::english(&self.state, brand),
            is_asked_for: self.state.is_asked_for(),
            is_saying,
            text,
            room: self,
        })
    }
}

impl WaitingState {
    /// Whether all that remains is to wait: then nobody needs to be found who could ask.
    const fn is_asked_for(&self) -> bool {
        matches!(self, Self::Received { .. } | Self::InWork { .. })
    }
}

/// How often the page is loaded anew where scripts do not run: seldom enough to be read in peace.
const REFRESH_SECONDS: u8 = 10;

const PATH: &str = "/.anteroom/waiting-room";

#[derive(Template)]
#[template(path = "waiting_room.html")]
struct Page<'a> {
    frame: Frame<'a>,
    text: Texts,
    room: &'a WaitingRoom<'a>,
    standing: Standing<'a>,
    told_whom: String,
    is_asked_for: bool,
    is_saying: bool,
    say: &'static str,
    say_href: String,
    events_href: &'a str,
    refresh_seconds: u8,
}

/// The part of the page that says where things stand. The script puts a fresh one in its place.
struct Standing<'a> {
    tone: &'static str,
    heading: String,
    paragraphs: Vec<String>,
    quote: Option<&'a str>,
    moment: Option<&'a Moment>,
    moment_label: &'static str,
    news: &'static str,
}

impl<'a> Standing<'a> {
    fn english(state: &'a WaitingState, brand: &Brand) -> Self {
        let application = brand.application_name();
        let plain = Self {
            tone: "calm",
            heading: String::new(),
            paragraphs: Vec::new(),
            quote: None,
            moment: None,
            moment_label: "Asked",
            news: "",
        };
        match state {
            WaitingState::NoRequest => Self {
                heading: "Nobody has asked for your access yet".to_owned(),
                paragraphs: vec!["Tell your colleagues below where you work, so that they can.".to_owned()],
                news: "No request for your access is open",
                ..plain
            },
            WaitingState::Received { property, filed } => Self {
                heading: "Your access has been asked for".to_owned(),
                paragraphs: vec![format!(
                    "A request for {property} is with the {application} support team. You need not do anything."
                )],
                moment: Some(filed),
                news: "Your access has been asked for",
                ..plain
            },
            WaitingState::InWork { property, filed } => Self {
                heading: "Somebody is working on it".to_owned(),
                paragraphs: vec![format!(
                    "The {application} support team is working on the request for {property}."
                )],
                moment: Some(filed),
                news: "The support team is working on your access",
                ..plain
            },
            WaitingState::NeedsInfo { property, question } => Self {
                tone: "caution",
                heading: "The support team has a question".to_owned(),
                paragraphs: vec![format!(
                    "Whoever asked for your access to {property} has to answer it first. Perhaps you can help \
                     them:"
                )],
                quote: Some(question),
                news: "The support team has a question about your access",
                ..plain
            },
            WaitingState::Denied { property, reason, at } => Self {
                tone: "refused",
                heading: "Your access was not granted".to_owned(),
                paragraphs: vec![format!("The support team denied the request for {property}. The reason:")],
                quote: Some(reason),
                moment: Some(at),
                moment_label: "Decided",
                news: "Your access was not granted",
            },
            WaitingState::Ended => Self {
                tone: "caution",
                heading: "Your access has ended".to_owned(),
                paragraphs: vec![format!(
                    "You had access to {application} before. If you still need it, ask your manager to request \
                     it again."
                )],
                news: "Your access has ended",
                ..plain
            },
        }
    }
}

struct Texts {
    title: &'static str,
    heading: &'static str,
    lead: String,
    waiting: &'static str,
    released: &'static str,
    offline: &'static str,
    signed_in_as: &'static str,
    console: &'static str,
    workplace: &'static str,
    workplace_lead: &'static str,
    told: &'static str,
    property: &'static str,
    somewhere_else: &'static str,
    words: &'static str,
    words_hint: &'static str,
    next_heading: &'static str,
    next: [String; 3],
    ask_heading: &'static str,
    ask: String,
    sign_out: &'static str,
}

impl Texts {
    fn english(room: &WaitingRoom<'_>, brand: &Brand) -> Self {
        let application = brand.application_name();
        let organization = room.organization_name;
        let ask = if room.managers.is_empty() {
            format!(
                "Not sure whether anybody has asked for your access? Ask your manager, or whoever looks after \
                 {application} at {organization}, and give them the e-mail address shown above."
            )
        } else {
            "Not sure whether anybody has asked for your access? These colleagues can do it. Give them the \
             e-mail address shown above."
                .to_owned()
        };
        Self {
            title: "Waiting Room",
            heading: "You’re signed in. Access comes next.",
            lead: format!("Your sign-in worked. You have not been given access to {application} yet."),
            waiting: "Waiting for access",
            released: "Access granted. Moving on…",
            offline: "Reconnecting…",
            signed_in_as: "Signed in as",
            console: "Open the support console",
            workplace: "Where do you work?",
            workplace_lead: "We tell colleagues there who can ask for your access.",
            told: "You said:",
            property: "Property",
            somewhere_else: "Somewhere else",
            words: "In your own words (optional)",
            words_hint: "For example the address, or the team.",
            next_heading: "What happens next",
            next: [
                format!("A manager at {organization} asks for your access."),
                format!("The {application} support team checks the request and grants it."),
                format!(
                    "This page opens {application} by itself. You can also close it and sign in again later."
                ),
            ],
            ask_heading: "Whom to ask",
            ask,
            sign_out: "Sign out",
        }
    }
}

const fn english_say(told: Option<&Told>) -> &'static str {
    if told.is_some() { "Say something else" } else { "Tell my colleagues" }
}

fn english_told(told: &Told) -> String {
    match told.managers {
        0 => "Nobody there can ask for you yet, but the support team sees it.".to_owned(),
        1 => "We told 1 person who can ask for you.".to_owned(),
        count => format!("We told {count} people who can ask for you."),
    }
}
