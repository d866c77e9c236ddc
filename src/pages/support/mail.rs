//! The outbox: what Anteroom tells people by e-mail, and whether it got there.
//!
//! Separate because an agent must be able to say "the message left at noon", or to read it out on the phone.

use crate::pages::Brand;
use crate::pages::moment::Moment;
use crate::pages::support::Agent;

/// `/.anteroom/support/mail`.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Who works at the console.
    pub agent: Agent,
    /// Whether a mail server is configured; without one, messages wait.
    pub is_connected: bool,
    /// The newest first.
    pub rows: Vec<MailLine>,
    /// `before`: the message before which older ones begin, if there are more.
    pub next_before: Option<i64>,
}

/// A message.
#[derive(Debug, Clone)]
pub struct MailLine {
    /// Its place in the outbox.
    pub id: i64,
    /// To whom.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// When it was put there.
    pub created: Moment,
    /// How far it is.
    pub state: MailState,
}

/// How far a message is.
#[derive(Debug, Clone)]
pub enum MailState {
    /// Nobody has tried yet.
    Waiting,
    /// The last try failed.
    Failed {
        /// Why.
        error: String,
        /// How often it was tried.
        attempts: u32,
        /// When it is tried again.
        next: Moment,
    },
    /// The mail server has taken it.
    Sent(Moment),
}

/// `/.anteroom/support/mail/{id}`.
#[derive(Debug, Clone)]
pub struct MailMessage {
    /// Who works at the console.
    pub agent: Agent,
    /// Whether a mail server is configured.
    pub is_connected: bool,
    /// The message.
    pub line: MailLine,
    /// What it says, as plain text.
    pub text: String,
}

impl Mailbox {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Mail")
    }
}

impl MailMessage {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Message")
    }
}
