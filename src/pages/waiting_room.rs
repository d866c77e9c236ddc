//! The Waiting Room: signed on, but not let in yet.
//!
//! Separate because it is the only page that lives: a script listens on `events_url` and moves on to the deep
//! link as soon as access is granted; without JavaScript the page loads itself anew.

use askama::Template;

use crate::pages::frame::{self, Frame};
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
    /// A path of our own that answers with an event stream: `event: released`, `data:` the deep link.
    pub events_url: &'a str,
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
