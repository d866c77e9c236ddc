//! The users, to be searched.
//!
//! Separate because it lists people, and only `user` changes them.

use crate::directory::{Membership, Role};
use crate::pages::Brand;
use crate::pages::form::SelectItem;
use crate::pages::moment::Moment;
use crate::pages::support::Agent;

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

impl Users {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Users")
    }
}
