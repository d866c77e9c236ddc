//! The support console: one frame around its pages, and the words that they share.
//!
//! Separate because all its pages are for agents: they have a navigation, use the width of a desk, and say things
//! that no visitor may read.
//!
//! Rules: every page names the agent; what was done is told by a [`Done`] that travels through the redirect after
//! the form (`?done=CODE`); a form that changes a request carries the `version` that was seen.

mod checks;
mod confirm;
mod connection_test;
mod mail;
mod organization;
mod organizations;
mod preview;
mod queue;
mod refusal;
mod request;
mod sign_on_options;
mod sign_ons;
mod user;
mod users;

pub use checks::{CheckLine, CheckResult};
pub use confirm::{Confirm, Question};
pub use connection_test::{ConnectionTest, TestState};
pub use mail::{MailLine, MailMessage, MailState, Mailbox};
pub use organization::{LastTest, OrganizationPage, PropertyLine, ProviderFacts, SharedDomain};
pub use organizations::{Expiry, NewOrganization, OrganizationLine, Organizations};
pub use preview::{
    Certificate, Endpoint, MetadataFacts, MetadataPreview, OrganizationPreview, PreviewWarning,
};
pub use queue::{Queue, QueueCount, QueueRow, QueueState};
pub use refusal::Refusal;
pub use request::{
    ApproveForm, OrganizationFacts, OtherRequest, PersonFacts, Proposal, RequestPage, RequesterFacts, Taken,
    Warning,
};
pub use sign_on_options::{OptionsFields, OptionsInForce, SignOnOptions};
pub use sign_ons::{Claim, SignOnLine, SignOnOutcome, SignOns, Trace, english_remedy};
pub use user::{ConflictLine, GrantForm, SessionLine, UserPage};
pub use users::{UserRow, Users};

use crate::directory::request::{EventKind, State};
use crate::directory::{Membership, Role};
use crate::pages::moment::Moment;
use crate::pages::{link, progress};

/// Who works at the console.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The name, or else the address.
    pub name: String,
}

/// The places in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `/.anteroom/support`
    Requests,
    /// `/.anteroom/support/users`
    Users,
    /// `/.anteroom/support/organizations`
    Organizations,
    /// `/.anteroom/support/sign-ons`
    SignOns,
    /// `/.anteroom/support/mail`
    Mail,
}

impl Section {
    /// All of them, in the order of the navigation.
    pub const ALL: [Self; 5] = [Self::Requests, Self::Users, Self::Organizations, Self::SignOns, Self::Mail];

    /// Where the section begins.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Requests => "/.anteroom/support",
            Self::Users => "/.anteroom/support/users",
            Self::Organizations => "/.anteroom/support/organizations",
            Self::SignOns => "/.anteroom/support/sign-ons",
            Self::Mail => "/.anteroom/support/mail",
        }
    }

    pub(super) const fn english(self) -> &'static str {
        match self {
            Self::Requests => "Requests",
            Self::Users => "Users",
            Self::Organizations => "Organizations",
            Self::SignOns => "Sign-ons",
            Self::Mail => "Mail",
        }
    }
}

/// What stands above a page after a form was sent.
#[derive(Debug, Clone)]
pub enum Banner {
    /// It was done.
    Done(Done),
    /// It was not done; whole sentences.
    Refused(String),
    /// It was not done because the request has changed since the page was opened.
    Stale {
        /// Who changed it: name or address, or `command`.
        actor: String,
        /// How.
        kind: EventKind,
        /// When.
        at: Moment,
    },
}

macro_rules! done {
    ($($variant:ident $code:literal $sentence:literal)+) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Done {
            $(#[doc = $sentence] $variant,)+
        }

        impl Done {
            /// Everything that can be done.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value of `done` in the address of the page that tells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Reads the value of `done`.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|done| done.as_str() == text)
            }

            pub(super) const fn english(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

done! {
    Unchanged "unchanged" "Everything was so already. Nothing was changed."
    RequestTaken "taken" "You have this request now."
    RequestAsked "asked" "The question is on its way to whoever asked."
    RequestApproved "approved" "Approved. The person has access at once, and everybody concerned gets a message."
    RequestProposed "proposed" "Your approval is noted. A colleague has to confirm it, because it covers all properties."
    RequestDenied "denied" "Denied. Whoever asked gets a message with the reason."
    Granted "granted" "Access granted. It holds at once."
    GrantProposed "grant-proposed" "Your grant is in the queue. A colleague has to confirm it, because it covers all properties."
    Revoked "revoked" "Access ended. It no longer holds anywhere."
    Disabled "disabled" "The account is switched off and signed out everywhere."
    Enabled "enabled" "The account is switched on again."
    RoleChanged "role" "The role was changed."
    ConflictBound "bound" "The new identity is connected to this account. All sessions were ended."
    ConflictDismissed "dismissed" "The conflict is settled. The account stays with the identity it had."
    Unbound "unbound" "The identity was forgotten. The next sign-on with this address connects anew."
    SignedOut "signed-out" "The person is signed out everywhere."
    OrganizationCreated "created" "The organization is connected. Test it, then send the values below to its administrator."
    OrganizationRemoved "removed" "The organization was removed, with its properties."
    Renamed "renamed" "The name was changed."
    DomainsChanged "domains" "The domains were changed."
    MetadataChanged "metadata" "The new metadata is in force. Test the connection now."
    OptionsChanged "options" "The sign-on options were changed. Test the connection now."
    Paused "paused" "Paused. Nobody of this organization can sign on, and all its sessions have ended."
    Resumed "resumed" "People of this organization can sign on again."
    PropertyAdded "property-added" "The property was added."
    PropertiesImported "properties-imported" "The properties were imported."
    PropertyRetired "property-retired" "The property is retired, and all access to it has ended."
    PropertyRestored "property-restored" "The property is back. Access to it has to be granted anew."
}

/// A grant, as the console lists it.
#[derive(Debug, Clone)]
pub struct GrantLine {
    /// The property's id, or `*`: sent back as `scope`.
    pub scope: String,
    /// The property's name, or `ALL_PROPERTIES`.
    pub property: String,
    /// The level.
    pub level: String,
    /// The end, if it has one.
    pub until: Option<Moment>,
}

/// A request, in a list beside something else.
#[derive(Debug, Clone)]
pub struct RequestLine {
    /// Its id.
    pub id: String,
    /// Where.
    pub property: String,
    /// How much.
    pub level: String,
    /// Where it stands.
    pub state: State,
    /// When it was filed.
    pub filed: Moment,
}

/// The name of a membership, for people.
const fn english_membership(state: Membership) -> &'static str {
    match state {
        Membership::Waiting => "Waiting",
        Membership::Active => "Active",
        Membership::Disabled => "Switched off",
    }
}

/// The name of a role, for people.
const fn english_role(role: Role) -> &'static str {
    match role {
        Role::Member => "Member",
        Role::Support => "Support agent",
    }
}

impl Banner {
    /// The class of the banner, and what it says.
    fn english(&self) -> (&'static str, String) {
        match self {
            Self::Done(done) => ("done", done.english().to_owned()),
            Self::Refused(sentences) => ("refused", sentences.clone()),
            Self::Stale { actor, kind, at } => (
                "refused",
                format!(
                    "Nothing was changed, because this page was out of date: {} {} {}. Below is how it stands now.",
                    progress::english_actor(actor),
                    progress::english_event(*kind),
                    at.distance(),
                ),
            ),
        }
    }
}

impl RequestLine {
    const fn english_state(&self) -> &'static str {
        progress::english_state(self.state)
    }
}

/// What stands before the end of a grant.
const ENDS: &str = "ends";
/// On the button that copies a value.
const COPY: &str = "Copy";
/// On that button when it has.
const COPIED: &str = "Copied";

fn request_path(id: &str) -> String {
    format!("/.anteroom/support/requests/{}", link::segment(id))
}

fn user_path(id: &str) -> String {
    format!("/.anteroom/support/users/{}", link::segment(id))
}

fn organization_path(id: &str) -> String {
    format!("/.anteroom/support/organizations/{}", link::segment(id))
}

/// So many of something.
fn english_count(count: u64, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}
