//! What is refused, and what to do about it.
//!
//! Separate because commands, pages and the API show these words; each has a code that programs can rely on.

use std::fmt::Write;

use super::import::LineProblem;
use super::table;
use crate::directory;
use crate::email::{EmailAddress, EmailDomain};
use crate::id::{OrganizationId, PropertyId, SessionName};

/// Why something must not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody has that address.
    #[error("there is no user {email}; `anteroom user list` shows all, `anteroom user add` makes one")]
    NoSuchUser {
        /// The address.
        email: EmailAddress,
    },
    /// Somebody has that address already.
    #[error("{email} is a user already, of {organization}; `anteroom user grant` gives more access")]
    EmailTaken {
        /// The address.
        email: EmailAddress,
        /// Whose staff that user is.
        organization: OrganizationId,
    },
    /// There is no such organization.
    #[error("there is no organization {id}; there {}", organizations(.known))]
    NoSuchOrganization {
        /// The id.
        id: OrganizationId,
        /// Those that there are.
        known: Vec<OrganizationId>,
    },
    /// A person with that address could never sign on.
    #[error(
        "{email} is outside the domains of {organization} ({}): its identity provider could never vouch for that \
         address; correct it, or add the domain to the organization",
        domain_list(.domains)
    )]
    ForeignDomain {
        /// The address.
        email: EmailAddress,
        /// The organization.
        organization: OrganizationId,
        /// The domains of its staff.
        domains: Vec<EmailDomain>,
    },
    /// The organization has no such property.
    #[error(
        "the organization {organization} has no property {property}{}; `anteroom property list` shows all, \
         `anteroom property add` makes one, and '*' means every property of the organization",
        owner_note(.owner.as_ref())
    )]
    NoSuchProperty {
        /// The property.
        property: PropertyId,
        /// The organization of the user.
        organization: OrganizationId,
        /// Whose property it is, if there is one of that id.
        owner: Option<OrganizationId>,
    },
    /// Another property has that id.
    #[error(
        "the id {property} is taken, by {name:?} of {organization}; ids are unique among all organizations"
    )]
    PropertyTaken {
        /// The id.
        property: PropertyId,
        /// Whose property has it.
        organization: OrganizationId,
        /// What that property is called.
        name: String,
    },
    /// The level is not configured.
    #[error(transparent)]
    UnknownLevel(#[from] directory::Error),
    /// The grant would have ended before it began.
    #[error("the end of the grant is in the past; to take access away use `anteroom user revoke`")]
    UntilPast,
    /// Nobody would be left to work the support console.
    #[error(
        "{email} is the last support account; give somebody else the role first: `anteroom user role EMAIL support`"
    )]
    LastSupport {
        /// The address.
        email: EmailAddress,
    },
    /// The sign-on belongs to another user.
    #[error("that sign-on is bound to another user than {email}; disable or unbind that user first")]
    SubjectTaken {
        /// The address.
        email: EmailAddress,
    },
    /// There is no such session.
    #[error("there is no session {name}: it has ended or never was; `anteroom session list` shows all")]
    NoSuchSession {
        /// The public name.
        name: SessionName,
    },
    /// The file is not a table of the expected form.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// Lines of the file are wrong; none was imported.
    #[error("nothing was imported; {}{}", line_count(.0.len()), line_list(.0))]
    Lines(Vec<LineProblem>),
}

impl Refused {
    /// The refusal's name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchUser { .. } => "no_such_user",
            Self::EmailTaken { .. } => "email_taken",
            Self::NoSuchOrganization { .. } => "no_such_organization",
            Self::ForeignDomain { .. } => "foreign_domain",
            Self::NoSuchProperty { .. } => "no_such_property",
            Self::PropertyTaken { .. } => "property_taken",
            Self::UnknownLevel(_) => "unknown_level",
            Self::UntilPast => "until_past",
            Self::LastSupport { .. } => "last_support",
            Self::SubjectTaken { .. } => "subject_taken",
            Self::NoSuchSession { .. } => "no_such_session",
            Self::Table(_) => "bad_table",
            Self::Lines(_) => "bad_lines",
        }
    }

    /// The lines of a file that are wrong, for programs that want them one by one.
    #[must_use]
    pub fn lines(&self) -> &[LineProblem] {
        if let Self::Lines(lines) = self { lines } else { &[] }
    }
}

fn organizations(known: &[OrganizationId]) -> String {
    let ids: Vec<_> = known.iter().map(OrganizationId::as_str).collect();
    match ids.as_slice() {
        [] => "is none yet: declare one in the configuration file".to_owned(),
        [one] => format!("is {one}"),
        many => format!("are {}", many.join(", ")),
    }
}

fn domain_list(domains: &[EmailDomain]) -> String {
    domains.iter().map(EmailDomain::as_str).collect::<Vec<_>>().join(", ")
}

fn owner_note(owner: Option<&OrganizationId>) -> String {
    owner.map(|owner| format!(" (it belongs to {owner})")).unwrap_or_default()
}

fn line_count(count: usize) -> String {
    if count == 1 { "one line is wrong:".to_owned() } else { format!("{count} lines are wrong:") }
}

fn line_list(lines: &[LineProblem]) -> String {
    let mut list = String::new();
    for line in lines {
        write!(list, "\n  line {}: {}", line.line, line.kind).expect("writing to text works");
    }
    list
}
