//! The outbox: what Anteroom tells people by e-mail, and whether it got there.
//!
//! Separate because an agent must be able to say "the message left at noon", or to read it out on the phone.

use askama::Template;

use crate::pages::Brand;
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::{Agent, Section};
use crate::pages::texts::texts;

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

impl MailLine {
    const fn tone(&self) -> &'static str {
        match self.state {
            MailState::Waiting => "neutral",
            MailState::Failed { .. } => "failed",
            MailState::Sent(_) => "passed",
        }
    }

    const fn english_state(&self, is_connected: bool) -> &'static str {
        match (&self.state, is_connected) {
            (MailState::Waiting, true) => "Waiting",
            (MailState::Waiting, false) => "Kept here",
            (MailState::Failed { .. }, _) => "Failed",
            (MailState::Sent(_), _) => "Sent",
        }
    }

    /// The moment that matters.
    const fn moment(&self) -> Option<&Moment> {
        match &self.state {
            MailState::Waiting => None,
            MailState::Failed { next, .. } => Some(next),
            MailState::Sent(at) => Some(at),
        }
    }

    const fn english_moment(&self) -> &'static str {
        match self.state {
            MailState::Waiting => "",
            MailState::Failed { .. } => "Next try",
            MailState::Sent(_) => "Sent",
        }
    }

    fn error(&self) -> Option<String> {
        let MailState::Failed { error, attempts, .. } = &self.state else { return None };
        Some(match attempts {
            1 => format!("After 1 try: {error}"),
            _ => format!("After {attempts} tries: {error}"),
        })
    }
}

impl Mailbox {
    const fn english_state(&self, line: &MailLine) -> &'static str {
        line.english_state(self.is_connected)
    }

    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        frame::render(&ListPage {
            frame: Frame::console_english(brand, text.heading, &self.agent, Section::Mail),
            next_href: self.next_before.map(|before| format!("{}?before={before}", Section::Mail.path())),
            text,
            page: self,
        })
    }
}

impl MailMessage {
    const fn english_state(&self) -> &'static str {
        self.line.english_state(self.is_connected)
    }

    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        frame::render(&MessagePage {
            frame: Frame::console_english(brand, &self.line.subject, &self.agent, Section::Mail),
            text: Texts::english(),
            line: &self.line,
            page: self,
        })
    }
}

#[derive(Template)]
#[template(path = "mailbox.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    text: Texts,
    next_href: Option<String>,
    page: &'a Mailbox,
}

#[derive(Template)]
#[template(path = "mail_message.html")]
struct MessagePage<'a> {
    frame: Frame<'a>,
    text: Texts,
    line: &'a MailLine,
    page: &'a MailMessage,
}

texts! {
    Texts {
        heading: "Mail",
        not_connected: "No mail server is configured, so no message leaves. They are kept here, and go out as soon as an operator sets mail.smtp. Until then, tell people yourself.",
        none: "No message yet. Everything that Anteroom tells people by e-mail is listed here.",
        subject: "Subject",
        recipient: "To",
        created: "Written",
        state: "State",
        error: "Problem",
        message: "Message",
        paging: "More pages",
        next: "Older ones",
    }
}
