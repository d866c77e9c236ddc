//! The ends of a sign-on that are neither in nor waiting, and the end of a session.
//!
//! Separate because each is one heading, what to do now, and a way on; none tells an attacker which check
//! has failed.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::{Brand, link};

/// A short page about somebody's own sign-on.
#[derive(Debug, Clone)]
pub enum Notice<'a> {
    /// The session has ended because its owner asked for it.
    SignedOut {
        /// What is known of the session at the identity provider.
        provider: ProviderSession<'a>,
    },
    /// A logout message was refused: nothing has changed.
    LogoutRefused {
        /// Leads support to the explanation.
        reference: &'a str,
        /// Where one signs out by oneself.
        sign_out_url: &'a str,
    },
    /// A form that was kept is there no longer: nothing was sent.
    NothingToRepeat,
    /// A form that was kept is somebody else's: nothing was sent.
    RepeatOfAnother,
    /// An identity provider has ended the session, and wants to hear nothing of it.
    EndedByProvider,
    /// The account is switched off. There is no session.
    Disabled {
        /// Whose account.
        email: &'a str,
        /// Leads support to the explanation.
        reference: &'a str,
    },
    /// The identity provider's answer was refused, or it refused itself.
    Refused {
        /// Leads support to the explanation.
        reference: &'a str,
        /// What happened, without saying which check failed.
        headline: &'a str,
        /// What to do now.
        advice: &'a str,
        /// Starts over, with the deep link.
        restart_url: &'a str,
    },
    /// An answer that has been used before: the back button, or a page loaded twice.
    AlreadyUsed {
        /// Leads support to the explanation.
        reference: &'a str,
        /// Starts over, with the deep link.
        restart_url: &'a str,
    },
    /// Nobody of the visitor's organization can sign on for now.
    Paused {
        /// Leads support to the explanation, if somebody came back from an identity provider.
        reference: Option<&'a str>,
        /// Starts over, perhaps with another address.
        restart_url: &'a str,
    },
    /// What is needed to check sign-ons of the visitor's organization is not there at the moment.
    NotReady {
        /// Starts over, perhaps with another address.
        restart_url: &'a str,
    },
    /// The address belongs to an account that is bound to another subject.
    Conflict {
        /// Leads support to the explanation.
        reference: &'a str,
    },
}

/// What is known of the session at the identity provider, once that here has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderSession<'a> {
    /// It goes on, as far as we know.
    Open,
    /// It goes on, and can be ended at this address.
    CanBeEnded {
        /// The identity provider's.
        url: &'a str,
    },
    /// It has ended.
    Ended,
    /// It was to end, and nobody could say that it has.
    Unsure,
}

impl Notice<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        render(brand, self.english(brand))
    }

    fn english<'b>(&'b self, brand: &'b Brand) -> Message<'b> {
        let application = brand.application_name();
        match *self {
            Self::SignedOut { provider } => signed_out(application, provider),
            Self::LogoutRefused { reference, sign_out_url } => {
                logout_refused(application, reference, sign_out_url)
            }
            Self::EndedByProvider => Message {
                heading: "You are signed out".to_owned(),
                paragraphs: vec![format!("Your organization’s sign-in has ended your visit to {application}.")],
                facts: Vec::new(),
                action: None,
            },
            Self::NothingToRepeat | Self::RepeatOfAnother => self.not_repeated(brand),
            Self::Disabled { email, reference } => Message {
                heading: "This account is switched off".to_owned(),
                paragraphs: vec![
                    format!("{email} cannot use {application} at the moment."),
                    "If you think that this is a mistake, please ask your manager or the support team."
                        .to_owned(),
                ],
                facts: vec![(REFERENCE, reference.to_owned())],
                action: Some(("Use another address", "/.anteroom/sign-in?another=1")),
            },
            Self::Refused { reference, headline, advice, restart_url } => Message {
                heading: headline.to_owned(),
                paragraphs: vec![advice.to_owned()],
                facts: vec![(REFERENCE, reference.to_owned())],
                action: Some(("Sign in again", link::page(restart_url).unwrap_or("/"))),
            },
            Self::AlreadyUsed { reference, restart_url } => Message {
                heading: "This sign-in has been used already".to_owned(),
                paragraphs: vec![
                    "That happens after going back in the browser, or when a page is loaded twice. Nothing \
                     is wrong with your account."
                        .to_owned(),
                ],
                facts: vec![(REFERENCE, reference.to_owned())],
                action: Some(("Sign in again", link::page(restart_url).unwrap_or("/"))),
            },
            Self::Paused { reference, restart_url } => Message {
                heading: "Sign-in for your organization is paused".to_owned(),
                paragraphs: vec![
                    format!("Nobody of your organization can sign in to {application} at the moment."),
                    "Nothing is wrong with your account. If you think that this is a mistake, please tell the \
                     support team."
                        .to_owned(),
                ],
                facts: reference.map(|reference| (REFERENCE, reference.to_owned())).into_iter().collect(),
                action: Some(("Use another address", link::page(restart_url).unwrap_or("/"))),
            },
            Self::NotReady { restart_url } => not_ready(application, restart_url),
            Self::Conflict { reference } => Message {
                heading: "The support team has to look at your account".to_owned(),
                paragraphs: vec![
                    format!(
                        "Your sign-in worked, but {application} knows your e-mail address under another \
                         account of your organization. To be safe, a person has to connect the two."
                    ),
                    "Please write to the support team and give them this reference.".to_owned(),
                ],
                facts: vec![(REFERENCE, reference.to_owned())],
                action: None,
            },
        }
    }
}

impl Notice<'_> {
    fn not_repeated<'b>(&self, brand: &'b Brand) -> Message<'b> {
        let (heading, paragraphs) = match self {
            Self::RepeatOfAnother => (
                "This was written by somebody else",
                vec![
                    "It was kept for another person, who had been signed in on this browser before. Nothing has been \
                     sent."
                        .to_owned(),
                ],
            ),
            _ => (
                "There is nothing left to send",
                vec![
                    "It was sent already, or it was kept for too long. Nothing has been sent now.".to_owned(),
                    format!(
                        "Please look in {} whether it got there, and type it again if not.",
                        brand.application_name()
                    ),
                ],
            ),
        };
        let front_page = link::page(brand.application_url()).unwrap_or("/");
        Message {
            heading: heading.to_owned(),
            paragraphs,
            facts: Vec::new(),
            action: Some(("Go to the front page", front_page)),
        }
    }
}

fn not_ready<'a>(application: &str, restart_url: &'a str) -> Message<'a> {
    Message {
        heading: "Sign-in for your organization is not available yet".to_owned(),
        paragraphs: vec![
            format!(
                "{application} is waiting for current sign-in details of your organization. They are \
                         fetched by themselves; please try again in a few minutes."
            ),
            "Nothing is wrong with your account. If it takes longer, please tell the support team."
                .to_owned(),
        ],
        facts: Vec::new(),
        action: Some(("Try again", link::page(restart_url).unwrap_or("/"))),
    }
}

fn logout_refused<'a>(application: &str, reference: &'a str, sign_out_url: &'a str) -> Message<'a> {
    Message {
        heading: "We could not check this sign-out".to_owned(),
        paragraphs: vec![
            format!("Your organization’s sign-in sent a message that {application} cannot accept."),
            "Nothing has changed: if you were signed in, you still are.".to_owned(),
        ],
        facts: vec![("Reference for the support team", reference.to_owned())],
        action: Some(("Sign out", link::page(sign_out_url).unwrap_or("/"))),
    }
}

fn signed_out<'a>(application: &str, provider: ProviderSession<'a>) -> Message<'a> {
    let (more, action) = match provider {
        ProviderSession::Open => (STILL_OPEN, SIGN_IN_AGAIN),
        ProviderSession::CanBeEnded { url } => (
            "Your organization’s own sign-in is still open. On a shared computer, sign out there, too, or close \
             the browser.",
            link::page(url).map_or(SIGN_IN_AGAIN, |href| ("Sign out there, too", href)),
        ),
        ProviderSession::Ended => ("Your organization’s own sign-in has ended, too.", SIGN_IN_AGAIN),
        ProviderSession::Unsure => (
            "We could not find out whether your organization’s own sign-in has ended, too. On a shared computer, \
             close the browser.",
            SIGN_IN_AGAIN,
        ),
    };
    Message {
        heading: "You are signed out".to_owned(),
        paragraphs: vec![format!("You have left {application} on this browser."), more.to_owned()],
        facts: Vec::new(),
        action: Some(action),
    }
}

const STILL_OPEN: &str =
    "On a shared computer, also close the browser: your organization’s own sign-in may still be open.";
const SIGN_IN_AGAIN: (&str, &str) = ("Sign in again", "/.anteroom/sign-in");

/// What `templates/message.html` shows.
pub(super) struct Message<'a> {
    pub(super) heading: String,
    pub(super) paragraphs: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) action: Option<(&'static str, &'a str)>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Page<'a> {
    frame: Frame<'a>,
    message: Message<'a>,
}

pub(super) fn render(brand: &Brand, message: Message<'_>) -> String {
    let frame = Frame::english(brand, &message.heading);
    frame::render(&Page { frame, message })
}

/// Before what leads support to the explanation.
const REFERENCE: &str = "Reference for the support team";
