//! Pages of the console that say no.
//!
//! Separate because each is a heading, a sentence and a way on.

use crate::pages::Brand;
use crate::pages::support::{Agent, Section};

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
        super::draft(brand, "Refused")
    }
}
