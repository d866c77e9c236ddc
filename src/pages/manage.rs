//! The Manage page: a manager asks for somebody to be let in, and sees what became of it.
//!
//! Separate because it is the one page of the application's own users: it says nothing of how support works.

use askama::Template;

use crate::directory::request::State;
use crate::pages::form::{Field, Problems, Select};
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::notice::{self, Message};
use crate::pages::progress::{self, HistoryLine};
use crate::pages::texts::texts;
use crate::pages::{Brand, link};

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
        let text = Texts::english();
        let form = &self.form;
        let fields = [
            ("property", form.property.problem.as_ref()),
            ("email", form.email.problem.as_ref()),
            ("name", form.name.problem.as_ref()),
            ("level", form.level.problem.as_ref()),
            ("note", form.note.problem.as_ref()),
        ];
        let problems = Problems::of(&fields);
        let title = if problems.is_none() { text.title } else { text.problem_title };
        frame::render(&Html {
            frame: Frame::manage_english(brand, title, &self.visitor),
            lead: english_lead(&self.organization_name, brand),
            email_hint: english_email_hint(&self.organization_name),
            waiting_none: english_nobody_waits(&self.organization_name, brand),
            banner: self.banner.as_ref().map(ManageBanner::english),
            older_href: self.older_url.as_deref().map(link::path),
            text,
            problems,
            form,
            page: self,
        })
    }
}

#[derive(Template)]
#[template(path = "manage.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    lead: String,
    email_hint: String,
    waiting_none: String,
    banner: Option<(&'static str, String)>,
    older_href: Option<&'a str>,
    problems: Problems<'a>,
    form: &'a NewUserForm,
    page: &'a Manage,
}

texts! {
    Texts {
        title: "New users",
        problem_title: "Check the form",
        heading: "New users",
        problems: "Please check these fields",
        form: "Ask for a new user",
        form_lead: "The support team checks what you ask for and grants it. You get an e-mail either way.",
        property: "Property",
        email: "Work e-mail address",
        name: "Name (optional)",
        level: "Access level",
        level_hint: "How much the person may do there. You can ask for up to your own level.",
        note: "Note to the support team (optional)",
        note_hint: "For example from when on, or in whose place.",
        submit: "Send the request",
        waiting: "In the Waiting Room",
        waiting_lead: "They have signed in and wait for somebody to ask for them.",
        works_at: "Works at",
        since: "Waiting since",
        asked_for: "A request for this person is on its way.",
        use_in_form: "Use in the form",
        requests: "Your requests",
        requests_none: "You have not asked for anybody yet. Your requests and what becomes of them will be listed here.",
        at: "at",
        filed: "Sent",
        question: "The support team asks",
        answer: "Your answer",
        send_answer: "Send the answer",
        denied: "Denied because",
        history: "History",
        older: "Older requests",
    }
}

fn english_lead(organization: &str, brand: &Brand) -> String {
    format!("Ask for colleagues at {organization} to be let into {}.", brand.application_name())
}

fn english_email_hint(organization: &str) -> String {
    format!("The address that the person signs in with at {organization}.")
}

fn english_nobody_waits(organization: &str, brand: &Brand) -> String {
    format!(
        "Nobody at {organization} is waiting. New colleagues who sign in to {} without access appear here.",
        brand.application_name()
    )
}

impl ManageBanner {
    fn english(&self) -> (&'static str, String) {
        match self {
            Self::Filed { person, id } => {
                ("done", format!("Your request for {person} is with the support team. Its number is {id}."))
            }
            Self::Merged { person, id, first: Some(first) } => (
                "done",
                format!(
                    "{first} has already asked for {person}. You now ask together in request {id}, and both \
                     hear what becomes of it."
                ),
            ),
            Self::Merged { person, id, first: None } => (
                "done",
                format!("You have already asked for {person}: request {id} is still open. Nothing was sent."),
            ),
            Self::HasAccess { person, level, property } => (
                "done",
                format!("{person} already has access ({level}, {property}). There is nothing to ask for."),
            ),
            Self::Answered { person } => {
                ("done", format!("Your answer about {person} is with the support team."))
            }
            Self::Stale { person, state } => (
                "refused",
                format!(
                    "The request for {person} has changed in the meantime: {}. Nothing was sent.",
                    progress::english_state(*state)
                ),
            ),
            Self::Refused(sentences) => ("refused", sentences.clone()),
        }
    }
}

impl OwnRequest {
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    fn english_state(&self) -> &'static str {
        progress::english_state(self.state)
    }

    fn answer_path(&self) -> String {
        format!("/.anteroom/manage/requests/{}/answer", link::segment(&self.id))
    }
}

impl WaitingPerson {
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    fn form_href(&self) -> String {
        let parameters = [
            ("email", Some(self.email.as_str())),
            ("name", self.name.as_deref()),
            ("property", self.property_id.as_deref()),
        ];
        link::with_query("/.anteroom/manage", &parameters) + "#form"
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
        notice::render(brand, self.english(brand))
    }

    fn english<'b>(&self, brand: &'b Brand) -> Message<'b> {
        let application = brand.application_name();
        let mut paragraphs = vec![format!(
            "{} is signed in, but cannot ask for other people to be let into {application}.",
            self.email
        )];
        paragraphs.push(if self.managers.is_empty() {
            "Please turn to your manager.".to_owned()
        } else {
            format!("These colleagues can: {}.", self.managers.join(", "))
        });
        Message {
            heading: "You cannot ask for new users".to_owned(),
            paragraphs,
            facts: Vec::new(),
            action: Some(("Back to the application", link::page(brand.application_url()).unwrap_or("/"))),
        }
    }
}
