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
        let frame = Frame::english(brand, text.title);
        let events_href = link::path(self.events_url);
        frame::render(&Page { frame, text, room: self, events_href, refresh_seconds: REFRESH_SECONDS })
    }
}

/// How often the page is loaded anew where scripts do not run: seldom enough to be read in peace.
const REFRESH_SECONDS: u8 = 10;

#[derive(Template)]
#[template(path = "waiting_room.html")]
struct Page<'a> {
    frame: Frame<'a>,
    text: Texts,
    room: &'a WaitingRoom<'a>,
    events_href: &'a str,
    refresh_seconds: u8,
}

struct Texts {
    title: &'static str,
    heading: &'static str,
    lead: String,
    waiting: &'static str,
    released: &'static str,
    offline: &'static str,
    signed_in_as: &'static str,
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
