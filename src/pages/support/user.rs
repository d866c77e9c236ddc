//! One user: what they may do, how they sign on, and everything that an agent can change about it.
//!
//! Separate because it is the page that answers "why can I not get in?".

use crate::directory::{Membership, Role};
use crate::pages::Brand;
use crate::pages::form::{Field, Select};
use crate::pages::moment::Moment;
use crate::pages::support::{Agent, Banner, GrantLine, RequestLine, SignOnLine};

/// `/.anteroom/support/users/{id}`. Its forms post to the paths below it.
#[derive(Debug, Clone)]
pub struct UserPage {
    /// Who works at the console.
    pub agent: Agent,
    /// What has just been done, or why not.
    pub banner: Option<Banner>,
    /// The user's id.
    pub id: String,
    /// The name, if known.
    pub name: Option<String>,
    /// The address.
    pub email: String,
    /// The organization's id.
    pub organization_id: String,
    /// The organization's name.
    pub organization: String,
    /// Where the user stands. `…/disable` and `…/enable` change it.
    pub state: Membership,
    /// What the user may do in Anteroom. `…/role` changes it (`role`).
    pub role: Role,
    /// Who the user is to the identity provider. `…/unbind` forgets it.
    pub subject: Option<String>,
    /// When the user came to be known.
    pub created: Moment,
    /// The last sign-on.
    pub last_sign_on: Option<Moment>,
    /// Where the person says they work.
    pub workplace: Option<String>,
    /// The grants. `…/revoke` ends one (`scope`).
    pub grants: Vec<GrantLine>,
    /// The form `…/grant`, with what was typed.
    pub grant: GrantForm,
    /// Sign-ons with this address under another identity. `…/conflict` settles one (`reference`, `decision`).
    pub conflicts: Vec<ConflictLine>,
    /// The sessions. `…/sign-out` ends them all.
    pub sessions: Vec<SessionLine>,
    /// The last sign-ons and refusals, the newest first.
    pub sign_ons: Vec<SignOnLine>,
    /// Requests for the user, the newest first.
    pub requests: Vec<RequestLine>,
    /// Requests that the user has filed, the newest first.
    pub filed: Vec<RequestLine>,
}

/// The form `…/grant`.
#[derive(Debug, Clone, Default)]
pub struct GrantForm {
    /// `property`: the organization's properties; and an item `*` for all of them.
    pub property: Select,
    /// `level`: all levels, the lowest first.
    pub level: Select,
    /// `until`: `YYYY-MM-DD`, or empty.
    pub until: Field,
}

/// A sign-on with the user's address under another identity.
#[derive(Debug, Clone)]
pub struct ConflictLine {
    /// What the visitor was shown; sent back.
    pub reference: String,
    /// Who it was to the identity provider.
    pub subject: String,
    /// The asserted name.
    pub name: Option<String>,
    /// The last time that it happened.
    pub at: Moment,
}

/// A session.
#[derive(Debug, Clone)]
pub struct SessionLine {
    /// Its public name.
    pub name: String,
    /// When it began.
    pub begun: Moment,
    /// The last request.
    pub last_seen: Moment,
}

impl UserPage {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "User")
    }
}
