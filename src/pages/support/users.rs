//! The users, to be searched.
//!
//! Separate because it lists people, and only `user` changes them.

use askama::Template;

use crate::directory::{Membership, Role};
use crate::pages::form::SelectItem;
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::{self, Agent, Section};
use crate::pages::texts::texts;
use crate::pages::{Brand, link};

/// `/.anteroom/support/users`.
#[derive(Debug, Clone)]
pub struct Users {
    /// Who works at the console.
    pub agent: Agent,
    /// `q`: the words that are looked for.
    pub text: String,
    /// `organization`: all that there are, with the one that is looked for chosen; an entry for "all" is added.
    pub organizations: Vec<SelectItem>,
    /// `state`: the one that is looked for.
    pub state: Option<Membership>,
    /// The users of this page, by address.
    pub rows: Vec<UserRow>,
    /// `after`: the address after which the next page begins, if there is one.
    pub next_after: Option<String>,
    /// Whether this is a page after the first.
    pub is_continued: bool,
}

/// A user.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// The id.
    pub id: String,
    /// The name, if known.
    pub name: Option<String>,
    /// The address.
    pub email: String,
    /// The organization's name.
    pub organization: String,
    /// Where the user stands.
    pub state: Membership,
    /// What the user may do in Anteroom.
    pub role: Role,
    /// How many grants hold.
    pub grants: usize,
    /// The last sign-on.
    pub last_sign_on: Option<Moment>,
}

impl UserRow {
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    const fn english_state(&self) -> &'static str {
        support::english_membership(self.state)
    }

    /// Only what is out of the ordinary.
    fn english_role(&self) -> Option<&'static str> {
        (self.role == Role::Support).then_some(support::english_role(self.role))
    }

    fn english_grants(&self) -> String {
        match self.grants {
            0 => "None".to_owned(),
            1 => "1 grant".to_owned(),
            count => format!("{count} grants"),
        }
    }
}

impl Users {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let states = [Membership::Waiting, Membership::Active, Membership::Disabled];
        frame::render(&Html {
            frame: Frame::console_english(brand, text.heading, &self.agent, Section::Users),
            states: states
                .map(|state| (state.as_str(), support::english_membership(state), self.state == Some(state))),
            first_href: self.is_continued.then(|| self.href(None)),
            next_href: self.next_after.as_deref().map(|after| self.href(Some(after))),
            text,
            page: self,
        })
    }

    /// This list from its beginning, or after an address.
    fn href(&self, after: Option<&str>) -> String {
        let organization = self.organizations.iter().find(|item| item.chosen);
        link::with_query(
            Section::Users.path(),
            &[
                ("q", Some(&self.text)),
                ("organization", organization.map(|item| item.value.as_str())),
                ("state", self.state.map(Membership::as_str)),
                ("after", after),
            ],
        )
    }
}

#[derive(Template)]
#[template(path = "users.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    states: [(&'static str, &'static str, bool); 3],
    first_href: Option<String>,
    next_href: Option<String>,
    page: &'a Users,
}

texts! {
    Texts {
        heading: "Users",
        search: "Name or address",
        organization: "Organization",
        all_organizations: "All organizations",
        state: "State",
        all_states: "All states",
        submit: "Search",
        no_match: "No user matches. Somebody who has never signed on and whom nobody has asked for is not a user yet.",
        user: "User",
        access: "Access",
        last_sign_on: "Last sign-on",
        never: "Never",
        paging: "More pages",
        first: "From the beginning",
        next: "Next page",
    }
}
