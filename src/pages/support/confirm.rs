//! The question before something that hurts.
//!
//! Separate because it works without scripts: the first form posts without `confirmed`, this page asks, and its
//! own form carries everything along with `confirmed=1`.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::support::{self, Agent, Section};
use crate::pages::{Brand, link};

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
    /// Remove an organization without users?
    RemoveOrganization {
        /// Its name.
        organization: String,
        /// How many properties it has.
        properties: u64,
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
        let Words { heading, consequences, submit, is_harmful } = self.question.english();
        frame::render(&Page {
            frame: Frame::console_english(brand, &heading, &self.agent, self.section),
            action: link::path(&self.action),
            fields: &self.fields,
            cancel_href: link::path(&self.cancel_url),
            cancel: "Cancel",
            heading,
            consequences,
            submit,
            is_harmful,
        })
    }
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page<'a> {
    frame: Frame<'a>,
    heading: String,
    consequences: Vec<String>,
    submit: &'static str,
    is_harmful: bool,
    action: &'a str,
    fields: &'a [(String, String)],
    cancel_href: &'a str,
    cancel: &'static str,
}

struct Words {
    heading: String,
    consequences: Vec<String>,
    submit: &'static str,
    is_harmful: bool,
}

impl Words {
    /// Something that takes access away.
    fn harmful(heading: String, consequences: &[&str], submit: &'static str) -> Self {
        let consequences = consequences.iter().map(|sentence| (*sentence).to_owned()).collect();
        Self { heading, consequences, submit, is_harmful: true }
    }
}

impl Question {
    fn english(&self) -> Words {
        match self {
            Self::Disable { person } => Words::harmful(
                format!("Switch off the account of {person}?"),
                &[
                    "All sessions end at once, and nobody can sign on with this account.",
                    "Its access is kept, and comes back when you switch it on again.",
                ],
                "Switch off",
            ),
            Self::Revoke { person, access, is_last } => {
                let last = "It is the last access: the person is held in the Waiting Room from then on.";
                let sentences =
                    ["It no longer holds from this moment on, also in pages that are open.", last];
                let count = if *is_last { 2 } else { 1 };
                Words::harmful(
                    format!("End this access of {person}: {access}?"),
                    sentences.get(..count).unwrap_or_default(),
                    "End access",
                )
            }
            Self::SignOut { person } => Words::harmful(
                format!("Sign {person} out everywhere?"),
                &["All sessions end at once, on every device. The person can sign on again."],
                "Sign out everywhere",
            ),
            Self::MakeAgent { person } => Words {
                is_harmful: false,
                ..Words::harmful(
                    format!("Make {person} a support agent?"),
                    &["Agents see all organizations and users, and can grant access."],
                    "Make a support agent",
                )
            },
            Self::MakeMember { person } => Words::harmful(
                format!("Take the support role from {person}?"),
                &["The person can no longer open this console. Access to the application stays."],
                "Take the role away",
            ),
            Self::Bind { person, subject } => Words::harmful(
                format!("Connect the account of {person} with another identity?"),
                &[
                    "Whoever signs on with this identity has the access of the account from then on:",
                    subject,
                    "All sessions of the account end. The identity that it had is forgotten.",
                ],
                "Connect",
            ),
            Self::Unbind { person } => Words::harmful(
                format!("Forget the identity of {person}?"),
                &["All sessions end. The next person who signs on with this address has the access of the \
                     account: do this only if the customer has confirmed that the account was made anew."],
                "Forget the identity",
            ),
            Self::Pause { organization, users } => english_pause(organization, *users),
            Self::RemoveOrganization { organization, properties } => {
                english_remove(organization, *properties)
            }
            Self::Retire { property, users } => english_retire(property, *users),
        }
    }
}

fn english_pause(organization: &str, users: u64) -> Words {
    let users = support::english_count(users, "user", "users");
    Words::harmful(
        format!("Pause {organization}?"),
        &[
            &format!("Its sessions end at once ({users}), and nobody of it can sign on."),
            "Users and access are kept. You can resume at any time.",
        ],
        "Pause",
    )
}

fn english_remove(organization: &str, properties: u64) -> Words {
    let properties = support::english_count(properties, "property", "properties");
    Words::harmful(
        format!("Remove {organization}?"),
        &[
            &format!("Its connection and its properties ({properties}) are gone for good."),
            "An organization that has users cannot be removed; pause it instead.",
        ],
        "Remove",
    )
}

fn english_retire(property: &str, users: u64) -> Words {
    let users = support::english_count(users, "user", "users");
    Words::harmful(
        format!("Retire {property}?"),
        &[
            &format!("All access to it ends at once ({users})."),
            "Taking the property back later does not bring the access back.",
        ],
        "Retire",
    )
}
