//! One user: what they may do, how they sign on, and everything that an agent can change about it.
//!
//! Separate because it is the page that answers "why can I not get in?".

use askama::Template;

use crate::directory::{Membership, Role};
use crate::pages::form::{Field, Problems, Select};
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::sign_ons::SignOnTexts;
use crate::pages::support::{self, Agent, Banner, GrantLine, RequestLine, Section, SignOnLine};
use crate::pages::texts::texts;
use crate::pages::{Brand, link};

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

impl ConflictLine {
    fn title<'a>(&'a self, email: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(email)
    }
}

impl UserPage {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let (other_role, change_role) = english_change_of(self.role);
        frame::render(&Html {
            frame: Frame::console_english(brand, self.title(), &self.agent, Section::Users),
            banner: self.banner.as_ref().map(Banner::english),
            problems: Problems::of(&[
                ("property", self.grant.property.problem.as_ref()),
                ("level", self.grant.level.problem.as_ref()),
                ("until", self.grant.until.problem.as_ref()),
            ]),
            state: support::english_membership(self.state),
            role: support::english_role(self.role),
            path: support::user_path(&self.id),
            sign_ons_href: format!("{}?q={}", Section::SignOns.path(), link::query_value(&self.email)),
            sign_on_text: SignOnTexts::english(),
            other_role,
            change_role,
            text,
            page: self,
        })
    }

    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }
}

#[derive(Template)]
#[template(path = "user.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    sign_on_text: SignOnTexts,
    banner: Option<(&'static str, String)>,
    problems: Problems<'a>,
    state: &'static str,
    role: &'static str,
    other_role: Role,
    change_role: &'static str,
    path: String,
    sign_ons_href: String,
    page: &'a UserPage,
}

texts! {
    Texts {
        users: "Users",
        problems: "Please check these fields",
        conflicts: "Another identity signed on with this address",
        conflicts_lead: "Ask the customer whether the account of this person was made anew or the address was given to somebody else. Connect the new identity only if it is the same person.",
        reference: "Reference",
        identity_new: "New identity",
        identity_old: "Identity of this account",
        identity_none: "None yet; the first sign-on connects it",
        bind: "Same person: connect the new identity",
        dismiss: "Somebody else: keep the old one",
        account: "Account",
        email: "Address",
        organization: "Organization",
        role: "Role",
        created: "Known since",
        last_sign_on: "Last sign-on",
        never: "Never",
        workplace: "Says to work at",
        identity: "Identity",
        enable: "Switch on",
        disable: "Switch off",
        unbind: "Forget the identity",
        access: "Access",
        no_access: "No access. The person is held in the Waiting Room.",
        revoke: "End access",
        grant: "Grant access",
        property: "Property",
        level: "Level",
        until: "Until (optional)",
        until_hint: "The last day on which the access holds. Empty means without end.",
        grant_submit: "Grant",
        sessions: "Sessions",
        no_sessions: "Not signed in anywhere.",
        session: "Session",
        begun: "Signed in",
        last_seen: "Last used",
        sign_out: "Sign out everywhere",
        sign_ons: "Sign-ons and refusals",
        no_sign_ons: "No sign-on with this address is on record.",
        all_sign_ons: "All sign-ons with this address",
        requests: "Requests for this person",
        filed: "Requests by this person",
    }
}

/// The role to change to, and the button's label.
const fn english_change_of(role: Role) -> (Role, &'static str) {
    match role {
        Role::Member => (Role::Support, "Make a support agent"),
        Role::Support => (Role::Member, "Take the support role away"),
    }
}
