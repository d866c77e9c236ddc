//! Pages of the console that say no.
//!
//! Separate because each is a heading, a sentence and a way on.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::notice::{self, Message};
use crate::pages::support::{Agent, Section};
use crate::pages::{Brand, link};

/// A page of the console that says no.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// 403: the visitor is not an agent. Says nothing of the console; shown without its navigation.
    NotAnAgent {
        /// The address of who is signed in.
        email: String,
    },
    /// 404: there is no such request, user, organization or message.
    NoSuch {
        /// Who works at the console.
        agent: Agent,
        /// Where in the navigation.
        section: Section,
    },
    /// It must not be done, and there is no page of its own to say so on.
    Refused {
        /// Who works at the console.
        agent: Agent,
        /// Where in the navigation.
        section: Section,
        /// Why; whole sentences.
        sentence: String,
        /// Where "back" leads: a path of our own.
        back_url: String,
    },
}

impl Refusal {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        match self {
            Self::NotAnAgent { email } => notice::render(brand, english_not_an_agent(email, brand)),
            Self::NoSuch { agent, section } => Self::page(
                brand,
                (agent, *section),
                "There is nothing here",
                "It may have been removed, or the address is not complete.",
                section.path(),
            ),
            Self::Refused { agent, section, sentence, back_url } => {
                Self::page(brand, (agent, *section), "That was not done", sentence, link::path(back_url))
            }
        }
    }

    fn page(
        brand: &Brand,
        (agent, section): (&Agent, Section),
        heading: &str,
        sentence: &str,
        back_href: &str,
    ) -> String {
        let frame = Frame::console_english(brand, heading, agent, section);
        frame::render(&Page { frame, heading, sentence, back_href, back: "Back" })
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Page<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    sentence: &'a str,
    back_href: &'a str,
    back: &'static str,
}

fn english_not_an_agent<'a>(email: &str, brand: &'a Brand) -> Message<'a> {
    Message {
        heading: "This page is for the support team".to_owned(),
        paragraphs: vec![format!("{email} is signed in, but does not belong to the support team.")],
        facts: Vec::new(),
        action: Some(("Go to the front page", link::page(brand.application_url()).unwrap_or("/"))),
    }
}
