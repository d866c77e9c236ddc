//! The Manage page: a manager asks for somebody to be let in, and sees what became of it.
//!
//! Separate because it is the one page of the application's own users: it says nothing of how support works.

use crate::directory::request::State;
use crate::pages::Brand;
use crate::pages::form::{Field, Select};
use crate::pages::moment::Moment;
use crate::pages::notice::{self, Message};
use crate::pages::progress::HistoryLine;

/// `/.anteroom/manage`, for somebody who may ask.
#[derive(Debug, Clone)]
pub struct Manage {
    /// The name, or else the address, of who is signed in.
    pub visitor: String,
    /// Whose staff.
    pub organization_name: String,
    /// What has just been done, or why not.
    pub banner: Option<ManageBanner>,
    /// The New User form, with what was typed. Posts to `/.anteroom/manage`.
    pub form: NewUserForm,
    /// The visitor's own requests, the newest first.
    pub requests: Vec<OwnRequest>,
    /// Shows older requests, where there are more: a path of our own.
    pub older_url: Option<String>,
    /// Who of the organization waits and could be asked for.
    pub waiting: Vec<WaitingPerson>,
}

/// What has just been done, or why not.
#[derive(Debug, Clone)]
pub enum ManageBanner {
    /// The request is in the queue.
    Filed {
        /// For whom: name or address.
        person: String,
        /// The request.
        id: String,
    },
    /// Somebody has asked for the same already; the visitor now asks with them.
    Merged {
        /// For whom.
        person: String,
        /// The request.
        id: String,
        /// Who asked first, if not the visitor.
        first: Option<String>,
    },
    /// Nothing to ask for: the person is in already.
    HasAccess {
        /// Who.
        person: String,
        /// At which level.
        level: String,
        /// Where.
        property: String,
    },
    /// The answer has been sent to support.
    Answered {
        /// Whom the request is for.
        person: String,
    },
    /// The request has changed since the page was opened: nothing was sent.
    Stale {
        /// Whom the request is for.
        person: String,
        /// Where it stands now.
        state: State,
    },
    /// Something that belongs to no field of the form; whole sentences.
    Refused(String),
}

/// The New User form: `property`, `email`, `name`, `level`, `note`.
#[derive(Debug, Clone, Default)]
pub struct NewUserForm {
    /// The properties that the visitor may ask for; `*` stands for all.
    pub property: Select,
    /// The new user's address.
    pub email: Field,
    /// The new user's name.
    pub name: Field,
    /// The levels up to the visitor's own, the lowest first.
    pub level: Select,
    /// What else support should know.
    pub note: Field,
}

/// A request that the visitor has filed or joined.
#[derive(Debug, Clone)]
pub struct OwnRequest {
    /// Its id.
    pub id: String,
    /// Sent back with an answer.
    pub version: i64,
    /// For whom: the name, if known.
    pub name: Option<String>,
    /// For whom: the address.
    pub email: String,
    /// Where.
    pub property: String,
    /// How much.
    pub level: String,
    /// Where it stands.
    pub state: State,
    /// The open question, or why it was denied.
    pub reason: Option<String>,
    /// When it was filed.
    pub filed: Moment,
    /// What happened to it, the oldest first.
    pub history: Vec<HistoryLine>,
    /// The answer as it was typed; posts `text` and `version` to `/.anteroom/manage/requests/{id}/answer`.
    /// Shown in the state `NeedsInfo` only.
    pub answer: Field,
}

/// Somebody in the Waiting Room.
#[derive(Debug, Clone)]
pub struct WaitingPerson {
    /// The address.
    pub email: String,
    /// The name, if known.
    pub name: Option<String>,
    /// Where the person says they work.
    pub workplace: Option<String>,
    /// The id of the property that was chosen, if the visitor may ask for it.
    pub property_id: Option<String>,
    /// Since when.
    pub since: Moment,
    /// Whether somebody has asked for this person already.
    pub is_asked_for: bool,
}

impl Manage {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let message =
            Message { heading: "Manage".to_owned(), paragraphs: vec![], facts: vec![], action: None };
        notice::render(brand, message)
    }
}

/// `/.anteroom/manage`, for somebody who may not ask.
#[derive(Debug, Clone)]
pub struct MayNotRequest {
    /// The address of who is signed in.
    pub email: String,
    /// Names of people of the organization who may.
    pub managers: Vec<String>,
}

impl MayNotRequest {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let message =
            Message { heading: "Manage".to_owned(), paragraphs: vec![], facts: vec![], action: None };
        notice::render(brand, message)
    }
}
