//! Users and grants from a table, all or none.
//!
//! Separate because it is the one use case with many answers: every bad line is named, not only the first.
//!
//! The columns are `email,name,organization,level,property`, one line a grant, and `until` if wanted. A line with
//! neither level nor property is a user without a grant, who waits. Users who are there already keep their
//! name and state, and get the grants; who had no access before, or is new, is told by one mail.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::json;

use super::notices;
use super::properties::no_such_organization;
use super::table::{self, Columns};
use super::users::{GrantToMake, check_domain};
use super::{Actor, Admin, Refused, Result, until};
use crate::directory::{self, Account, DisplayName, Grant, Organization, Property, Role, Scope, Standing};
use crate::email::{self, EmailAddress};
use crate::id::{self, OrganizationId, PropertyId, UserId};
use crate::store::{ImportProblemKind, Imported, ImportedGrant, NewMessage, NewUser, UserFilter};

/// The columns of a table of users; the last one may be missing.
pub(super) const COLUMNS: Columns<6> =
    Columns { names: ["email", "name", "organization", "level", "property", "until"], required: 5 };

/// Whether an import tells people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMail {
    /// Who gets in by it is told by mail.
    Tell,
    /// Nobody is told, because they have been, or will be, in another way.
    Silent,
}

/// How an import of users went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsersImported {
    /// Users that were new.
    pub users_added: u64,
    /// Grants that were added or changed.
    pub grants_changed: u64,
}

/// A line that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// The line in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub kind: LineProblemKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblemKind {
    /// Too many fields, or too few.
    #[error("has another number of fields than the first line")]
    FieldCount,
    /// Not an address.
    #[error("email {0}")]
    Email(email::Error),
    /// Not a name.
    #[error("name {0}")]
    Name(directory::Error),
    /// Not an id.
    #[error("{column} {cause}")]
    Id {
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        cause: id::Error,
    },
    /// Half a grant.
    #[error("has a level without a property, or a property without a level; leave both empty for no grant")]
    HalfGrant,
    /// Not an end.
    #[error("until {0}")]
    Until(until::Error),
    /// Contradicts an earlier line.
    #[error(
        "says something else about {email} than line {earlier}: one line for each property, one organization"
    )]
    Contradiction {
        /// The user.
        email: EmailAddress,
        /// The earlier line.
        earlier: u64,
    },
    /// The user is there, in another organization.
    #[error("{email} is a user of {organization}")]
    OtherOrganization {
        /// The user.
        email: EmailAddress,
        /// Whose staff that user is.
        organization: OrganizationId,
    },
    /// A table for one organization names another.
    #[error("is of the organization {said}, and this table is for {organization}; take it out of the file")]
    NotOfThisOrganization {
        /// The organization of the line.
        said: String,
        /// The one that the table is for.
        organization: OrganizationId,
    },
    /// What would be refused for one user, too.
    #[error("{0}")]
    Refused(Box<Refused>),
}

impl From<Refused> for LineProblemKind {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl Admin {
    /// Imports a table of users.
    pub async fn import_users(&self, table: &[u8], mail: ImportMail, actor: &Actor) -> Result<UsersImported> {
        let rows = table::read(table, COLUMNS).map_err(Refused::Table)?;
        let known = self.known().await?;
        let mut lines: Vec<ImportedGrant> = Vec::new();
        let mut first_lines = HashMap::new();
        let mut problems = Vec::new();
        for row in rows {
            let read = row.fields.map_or(Err(LineProblemKind::FieldCount), |fields| {
                let user = self.read_user(&fields, &known)?;
                check_consistency(&user, row.line, &mut first_lines)?;
                self.check_limits(&user.email, &user.grants, actor)?;
                Ok(user)
            });
            match read {
                Ok(user) => lines.push(ImportedGrant { user, line: row.line }),
                Err(kind) => problems.push(LineProblem { line: row.line, kind }),
            }
        }
        if !problems.is_empty() {
            return Err(Refused::Lines(problems).into());
        }

        let event = self.event("users.imported", actor, "users", json!({"lines": lines.len()}));
        let mail = match mail {
            ImportMail::Tell => known.told(&lines),
            ImportMail::Silent => Vec::new(),
        };
        match self.store.import(&lines, event, mail).await? {
            Imported::Done { users_added, grants_changed } => {
                Ok(UsersImported { users_added, grants_changed })
            }
            Imported::Refused(refused) => {
                let of_line = |line| lines.iter().find(|known| known.line == line);
                let problems = refused
                    .into_iter()
                    .filter_map(|problem| {
                        let user = &of_line(problem.line)?.user;
                        Some(LineProblem { line: problem.line, kind: known.explain(problem.kind, user) })
                    })
                    .collect();
                Err(Refused::Lines(problems).into())
            }
        }
    }

    async fn known(&self) -> Result<Known> {
        let accounts = self.store.accounts(&UserFilter::default()).await?;
        let now = self.now();
        let waits = |account: &&Account| account.standing_at(now) == Standing::Waiting;
        Ok(Known {
            organizations: self.store.organizations().await?,
            properties: self.store.properties(None).await?,
            waiting: accounts.iter().filter(waits).map(|account| account.user.email.clone()).collect(),
            users: accounts
                .into_iter()
                .map(|account| (account.user.email, account.user.organization))
                .collect(),
        })
    }

    fn read_user(
        &self,
        [email, name, organization, level, property, end]: &[String; 6],
        known: &Known,
    ) -> std::result::Result<NewUser, LineProblemKind> {
        let email = EmailAddress::parse(email).map_err(LineProblemKind::Email)?;
        let name = (!name.is_empty()).then(|| DisplayName::parse(name)).transpose();
        let name = name.map_err(LineProblemKind::Name)?;
        let organization = OrganizationId::parse(organization)
            .map_err(|cause| LineProblemKind::Id { column: "organization", cause })?;
        check_domain(&email, known.organization(&organization)?)?;
        if let Some(other) = known.users.get(&email).filter(|other| **other != organization) {
            return Err(LineProblemKind::OtherOrganization { email, organization: other.clone() });
        }

        let grant = match (level.as_str(), property.as_str(), end.as_str()) {
            ("", "", "") => None,
            ("", ..) | (_, "", _) => return Err(LineProblemKind::HalfGrant),
            (level, property, end) => Some(self.read_grant(level, property, end)?),
        };
        if let Some(Grant { scope: Scope::Property(property), .. }) = &grant {
            known.check_property(property, &organization)?;
        }
        Ok(NewUser {
            id: UserId::random(&*self.randomness),
            email,
            name,
            organization,
            role: Role::Member,
            grants: grant.into_iter().collect(),
        })
    }

    fn read_grant(
        &self,
        level: &str,
        property: &str,
        end: &str,
    ) -> std::result::Result<Grant, LineProblemKind> {
        let scope =
            Scope::parse(property).map_err(|cause| LineProblemKind::Id { column: "property", cause })?;
        let until = (!end.is_empty()).then(|| until::parse(end)).transpose();
        let until = until.map_err(LineProblemKind::Until)?;
        Ok(self.check_grant(GrantToMake { scope, level: level.to_owned(), until })?)
    }
}

/// What a line is checked against; the store checks it again in the transaction.
struct Known {
    organizations: Vec<Organization>,
    /// By id.
    properties: Vec<Property>,
    users: HashMap<EmailAddress, OrganizationId>,
    /// Who is there and has no access.
    waiting: HashSet<EmailAddress>,
}

impl Known {
    fn organization(&self, id: &OrganizationId) -> std::result::Result<&Organization, Refused> {
        let found = self.organizations.iter().find(|organization| organization.id == *id);
        found.ok_or_else(|| no_such_organization(id, &self.organizations))
    }

    fn check_property(
        &self,
        property: &PropertyId,
        organization: &OrganizationId,
    ) -> std::result::Result<(), Refused> {
        let found = self.properties.binary_search_by(|known| known.id.as_str().cmp(property.as_str()));
        let owner = found.ok().and_then(|at| self.properties.get(at)).map(|known| &known.organization);
        if owner == Some(organization) {
            return Ok(());
        }
        Err(Refused::NoSuchProperty {
            property: property.clone(),
            organization: organization.clone(),
            owner: owner.cloned(),
        })
    }

    /// What those are told who are let in: one mail each, whatever the number of their lines.
    fn told(&self, lines: &[ImportedGrant]) -> Vec<NewMessage> {
        let mut let_in: BTreeMap<&str, (&NewUser, Vec<Grant>)> = BTreeMap::new();
        for user in lines.iter().map(|line| &line.user).filter(|user| self.is_outside(user)) {
            let (_, grants) = let_in.entry(user.email.as_str()).or_insert_with(|| (user, Vec::new()));
            // The same line twice is one grant.
            grants.extend(
                user.grants.iter().filter(|grant| !grants.contains(grant)).cloned().collect::<Vec<_>>(),
            );
        }
        let_in
            .into_values()
            .filter(|(_, grants)| !grants.is_empty())
            .filter_map(|(user, grants)| {
                let organization = self.organization(&user.organization).ok()?;
                Some(notices::granted(organization, &grants, &self.properties).to(&user.email))
            })
            .collect()
    }

    /// Whether a user is new, or has no access so far.
    fn is_outside(&self, user: &NewUser) -> bool {
        self.waiting.contains(&user.email) || !self.users.contains_key(&user.email)
    }

    /// What the store found wrong although it was right a moment ago.
    fn explain(&self, kind: ImportProblemKind, user: &NewUser) -> LineProblemKind {
        match kind {
            ImportProblemKind::OtherOrganization(organization) => {
                LineProblemKind::OtherOrganization { email: user.email.clone(), organization }
            }
            ImportProblemKind::NoSuchProperty(property) => {
                Refused::NoSuchProperty { property, organization: user.organization.clone(), owner: None }
                    .into()
            }
            ImportProblemKind::NoSuchOrganization => {
                no_such_organization(&user.organization, &self.organizations).into()
            }
        }
    }
}

/// What earlier lines have said: a user's organization, and the grant of each scope.
type FirstLines = HashMap<(EmailAddress, Option<Scope>), (u64, OrganizationId, Option<Grant>)>;

/// Finds lines that contradict each other. The same line twice is not a contradiction.
fn check_consistency(
    user: &NewUser,
    line: u64,
    first_lines: &mut FirstLines,
) -> std::result::Result<(), LineProblemKind> {
    let grant = user.grants.first();
    let said = [(None, None), (grant.map(|grant| grant.scope.clone()), grant.cloned())];
    for (scope, grant) in said {
        let (earlier, organization, earlier_grant) = first_lines
            .entry((user.email.clone(), scope))
            .or_insert_with(|| (line, user.organization.clone(), grant.clone()));
        if *organization != user.organization || *earlier_grant != grant {
            return Err(LineProblemKind::Contradiction { email: user.email.clone(), earlier: *earlier });
        }
    }
    Ok(())
}
