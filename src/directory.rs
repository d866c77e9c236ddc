//! Organizations, properties, users and grants, and the rules between them.
//!
//! Separate from the store so that who may enter is decided by pure functions over plain values.

pub mod request;

mod options;

use std::fmt;

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::email::{EmailAddress, EmailDomain};
use crate::id::{ConnectionId, OrganizationId, PropertyId, UserId};

pub use options::{AttributeName, ConnectionOptions, FEW, Few, Listed, OptionError};

/// Why a text is not one of the directory's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A level that the configuration does not list.
    #[error("the level must be one of {}", .known.join(", "))]
    UnknownLevel {
        /// What `access.levels` lists, lowest first.
        known: Vec<String>,
    },
    /// A name that is empty, too long, or has control characters.
    #[error("must be 1 to 200 characters of text on one line")]
    Name,
    /// A note that is empty, too long, or has control characters.
    #[error("must be 1 to 2,000 characters of text")]
    Note,
}

/// A name that people gave a person, a site or a company: one line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(SmolStr);

impl DisplayName {
    /// Reads a name; white space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(is_unprintable);
        if fits { Ok(Self(text.into())) } else { Err(Error::Name) }
    }

    /// The name as text, unescaped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody wrote to somebody: plain text of a few lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// Reads a note: white space around it is dropped, every kind of line end becomes `\n`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim();
        let fits = !text.is_empty()
            && text.chars().count() <= NOTE_CHARS_MAX
            && !text.chars().any(|c| c != '\n' && is_unprintable(c));
        if fits { Ok(Self(text.to_owned())) } else { Err(Error::Note) }
    }

    /// The note as text, unescaped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A page of handwriting; more belongs in a message of its own.
pub const NOTE_CHARS_MAX: usize = 2_000;

/// An access level: a name from `access.levels`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Level(SmolStr);

impl Level {
    /// Takes a level that was valid when it was stored.
    #[must_use]
    pub fn from_store(text: String) -> Self {
        Self(text.into())
    }

    /// The level's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The configured levels, lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels(Vec<String>);

impl Levels {
    /// Takes the configured names; `config` has seen that they are unique and not empty.
    #[must_use]
    pub const fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Finds a level by its name.
    pub fn parse(&self, text: &str) -> Result<Level, Error> {
        if self.0.iter().any(|name| name == text) {
            Ok(Level(text.into()))
        } else {
            Err(Error::UnknownLevel { known: self.0.clone() })
        }
    }

    /// The level's place in the order, 0 the lowest; `None` for one that is no longer configured.
    #[must_use]
    pub fn rank(&self, level: &Level) -> Option<usize> {
        self.0.iter().position(|name| *name == level.0)
    }

    /// All names, lowest first.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// Where a grant holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every property of the user's organization, written `*`.
    AllProperties,
    /// One property.
    Property(PropertyId),
}

impl Scope {
    /// Reads `*` or a property id.
    pub fn parse(text: &str) -> Result<Self, crate::id::Error> {
        if text == "*" { Ok(Self::AllProperties) } else { PropertyId::parse(text).map(Self::Property) }
    }

    /// `*` or the property's id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AllProperties => "*",
            Self::Property(id) => id.as_str(),
        }
    }
}

/// Access of one user to a scope at a level, perhaps until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where it holds; a user has at most one grant for each scope.
    pub scope: Scope,
    /// How much it allows.
    pub level: Level,
    /// The moment from which on it no longer holds.
    pub until: Option<Timestamp>,
}

impl Grant {
    /// Whether the grant holds at a moment.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Where a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Membership {
    /// Known, but nobody has let the user in yet.
    Waiting,
    /// Let in, as far as grants reach.
    Active,
    /// Shut out, whatever the grants.
    Disabled,
}

impl Membership {
    /// The state's name in the store, in commands and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the state's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Active, Self::Disabled].into_iter().find(|state| state.as_str() == text)
    }
}

/// What a user may do in Anteroom itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Uses the application.
    Member,
    /// Works the support console.
    Support,
}

impl Role {
    /// The role's name in the store, in commands and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Support => "support",
        }
    }

    /// Reads the role's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Member, Self::Support].into_iter().find(|role| role.as_str() == text)
    }
}

/// Who a person is to one identity provider, for good: survives a change of name and e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The connection that vouches for it.
    pub connection: ConnectionId,
    /// The provider's immutable key of the person, e.g. `entra:TENANT:OBJECT`.
    pub key: String,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its short name.
    pub id: OrganizationId,
    /// Its name for people.
    pub name: DisplayName,
    /// The e-mail domains of its staff.
    pub domains: Vec<EmailDomain>,
}

/// A site of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its short name, unique among all organizations.
    pub id: PropertyId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name for people.
    pub name: DisplayName,
    /// When it was given up: it keeps its id, but nobody has or gets access to it any more.
    pub retired_at: Option<Timestamp>,
}

/// Where somebody in the Waiting Room says they work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workplace {
    /// The property that was chosen, if it was in the list.
    pub property: Option<PropertyId>,
    /// What was written instead or besides.
    pub text: Option<DisplayName>,
    /// When it was said.
    pub at: Timestamp,
}

/// A sign-on by a known address with another subject than the one bound to the user: support decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectConflict {
    /// What the visitor was shown.
    pub reference: String,
    /// The user who has the address.
    pub user: UserId,
    /// Who signed on.
    pub subject: Subject,
    /// The asserted name.
    pub name: Option<DisplayName>,
    /// The last time that it happened.
    pub at: Timestamp,
}

/// A person who may sign on, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The stable, opaque id.
    pub id: UserId,
    /// The address, unique among all users.
    pub email: EmailAddress,
    /// The name, if anybody told it.
    pub name: Option<DisplayName>,
    /// Whose staff the user is.
    pub organization: OrganizationId,
    /// What the user may do in Anteroom.
    pub role: Role,
    /// Where the user stands.
    pub state: Membership,
    /// Who the user is to the identity provider; `None` until the first sign-on.
    pub subject: Option<Box<Subject>>,
    /// Grows with every change of the user's access (claim `ent_ver`).
    pub access_version: i64,
    /// When the user came to be known.
    pub created_at: Timestamp,
    /// The last completed sign-on.
    pub last_sign_on_at: Option<Timestamp>,
}

/// A user with everything that decides on access: what a session stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// All grants, also lapsed ones.
    pub grants: Vec<Grant>,
}

/// What an account may do at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Goes through to the application, with these grants.
    Admitted(Vec<Grant>),
    /// Is held in the Waiting Room.
    Waiting,
    /// Is turned away.
    Disabled,
}

impl Account {
    /// What the account may do: `active` with at least one grant that holds is in (DESIGN section 2, step 7).
    #[must_use]
    pub fn standing_at(&self, now: Timestamp) -> Standing {
        match self.user.state {
            Membership::Disabled => Standing::Disabled,
            Membership::Waiting => Standing::Waiting,
            Membership::Active => {
                let held: Vec<_> = self.grants.iter().filter(|grant| grant.holds_at(now)).cloned().collect();
                if held.is_empty() { Standing::Waiting } else { Standing::Admitted(held) }
            }
        }
    }

    /// The next moment at which a grant lapses.
    #[must_use]
    pub fn next_lapse_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.grants.iter().filter_map(|grant| grant.until).filter(|until| *until > now).min()
    }
}

/// Control characters, and the marks that reorder or hide text.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
