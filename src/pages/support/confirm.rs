//! The question before something that hurts.
//!
//! Separate because it works without scripts: the first form posts without `confirmed`, this page asks, and its
//! own form carries everything along with `confirmed=1`.

use crate::pages::Brand;
use crate::pages::support::{Agent, Section};

/// A question before something that hurts.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// Who works at the console.
    pub agent: Agent,
    /// Where in the navigation.
    pub section: Section,
    /// What is asked.
    pub question: Question,
    /// Where the answer is posted: a path of our own.
    pub action: String,
    /// Everything that the first form sent, without `confirmed`, which is added.
    pub fields: Vec<(String, String)>,
    /// Where "cancel" leads: a path of our own.
    pub cancel_url: String,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Question {
    /// Switch an account off?
    Disable {
        /// Whose: name or address.
        person: String,
    },
    /// End one grant?
    Revoke {
        /// Whose: name or address.
        person: String,
        /// Level and property, for people.
        access: String,
        /// Whether it is the last one.
        is_last: bool,
    },
    /// Sign somebody out everywhere?
    SignOut {
        /// Whom: name or address.
        person: String,
    },
    /// Make somebody a support agent?
    MakeAgent {
        /// Whom: name or address.
        person: String,
    },
    /// Make an agent a member again?
    MakeMember {
        /// Whom: name or address.
        person: String,
    },
    /// Connect an account with another identity?
    Bind {
        /// Whose: name or address.
        person: String,
        /// The new identity.
        subject: String,
    },
    /// Forget an account's identity?
    Unbind {
        /// Whose: name or address.
        person: String,
    },
    /// Let nobody of an organization sign on?
    Pause {
        /// Its name.
        organization: String,
        /// How many users it has.
        users: u64,
    },
    /// Give up a property?
    Retire {
        /// Its name.
        property: String,
        /// How many users have access to it.
        users: u64,
    },
}

impl Confirm {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Confirm")
    }
}
