//! `anteroom user …`: people and what they may do.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

mod shown;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{Answer, dash, moment, moment_or_dash};
use super::opened::Opened;
use super::{Failure, Format, read_file};
use crate::admin::{Actor, Admin, GrantToMake, Granted, ImportMail, Outcome, UserToAdd, parse_until};
use crate::directory::{Account, DisplayName, Grant, Membership, Role, Scope};
use crate::email::EmailAddress;
use crate::id::OrganizationId;
use crate::store::UserFilter;

/// Add users and decide what they may do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user, with a first grant or waiting for one.
    Add(Add),
    /// Add users and grants from a CSV file with the columns email,name,organization,level,property: one line
    /// a grant, all lines or none. A column "until" may follow.
    Import {
        /// The file, or - for the standard input.
        file: PathBuf,
        /// Tell nobody: those who get access have been told of it in another way, or will be.
        #[arg(long)]
        no_mail: bool,
    },
    /// Write users and grants as CSV, in the form that `import` reads.
    Export(Selection),
    /// List users.
    List(Selection),
    /// Show one user: access, sessions, conflicts, requests, and the last sign-ons, refused ones too.
    Show {
        /// The user's address.
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Give access, or change the level of access on that property.
    Grant {
        /// The user's address.
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        #[command(flatten)]
        access: Access,
        /// The last day (2027-01-31, UTC) or the moment (2027-01-31T17:00:00Z) at which the access ends.
        #[arg(long, value_name = "DATE", value_parser = parse_until)]
        until: Option<Timestamp>,
    },
    /// Take access away, on one property or everywhere.
    Revoke {
        /// The user's address.
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        /// The grant to take away: the property's id, or '*' for the one that holds everywhere.
        #[arg(long, value_parser = Scope::parse)]
        property: Option<Scope>,
    },
    /// Shut a user out, whatever the grants, and end all sessions.
    Disable {
        /// The user's address.
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Undo `disable`.
    Enable {
        /// The user's address.
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Forget who a user is to the identity provider, and end all sessions: the next sign-on by that address counts.
    Unbind {
        /// The user's address.
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// List sign-ons that met a user with another identity, and wait for a decision.
    Conflicts,
    /// Settle a conflict: who signed on then is the user from now on; ends all sessions.
    Bind {
        /// The conflict's reference.
        reference: String,
    },
    /// Settle a conflict: it was somebody else, and the user stays who it was.
    Dismiss {
        /// The conflict's reference.
        reference: String,
    },
    /// Make a user support staff, or a member again.
    Role {
        /// The user's address.
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        /// member or support.
        #[arg(value_parser = parse_role)]
        role: Role,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// The user's address, within the organization's domains.
    #[arg(value_parser = EmailAddress::parse)]
    email: EmailAddress,
    /// The organization's id.
    #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
    organization: OrganizationId,
    /// The user's name.
    #[arg(long, value_parser = DisplayName::parse)]
    name: Option<DisplayName>,
    /// The level of the first grant.
    #[arg(long, requires = "property")]
    level: Option<String>,
    /// The property of the first grant: its id, or '*' for all of the organization.
    #[arg(long, requires = "level", value_parser = Scope::parse)]
    property: Option<Scope>,
    /// Make the user support staff.
    #[arg(long)]
    support: bool,
}

#[derive(Debug, Args)]
struct Access {
    /// One of the configured levels.
    #[arg(long)]
    level: String,
    /// The property's id, or '*' for all of the organization.
    #[arg(long, value_parser = Scope::parse)]
    property: Scope,
}

#[derive(Debug, Args)]
struct Selection {
    /// Only users of this organization.
    #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
    organization: Option<OrganizationId>,
    /// Only users in this state: waiting, active or disabled.
    #[arg(long, value_parser = parse_state)]
    state: Option<Membership>,
    /// Only users whose address or name contain every word of this.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

impl Arguments {
    pub(super) async fn run(self, opened: &Opened) -> Result<Answer, Failure> {
        let admin = &opened.admin;
        match self.action {
            Action::Add(add) => add.run(admin).await,
            Action::Import { file, no_mail } => {
                let mail = if no_mail { ImportMail::Silent } else { ImportMail::Tell };
                let imported = admin.import_users(&read_file(&file)?, mail, &Actor::command()).await?;
                let (users, grants) = (imported.users_added, imported.grants_changed);
                let json = json!({"users_added": users, "grants_changed": grants});
                Ok(Answer::new(
                    format!("imported: {users} users added, {grants} grants added or changed"),
                    json,
                ))
            }
            Action::Export(selection) => selection.export(admin).await,
            Action::List(selection) => {
                let accounts = admin.users(&selection.filter()).await?;
                let rows: Vec<_> = accounts.iter().map(row).collect();
                let columns = ["email", "name", "organization", "state", "role", "grants", "last_sign_on"];
                Ok(Answer::list(columns, &rows, accounts.iter().map(object).collect()))
            }
            Action::Show { email } => shown::show(opened, &email).await,
            Action::Grant { email, access: Access { level, property }, until } => {
                let grant = GrantToMake { scope: property, level, until };
                match admin.grant(&email, grant, &Actor::command()).await? {
                    Granted::Done(outcome) => Ok(changed("granted", &outcome)),
                    // Commands need no second pair of eyes.
                    Granted::Proposed(request) => Ok(super::request::changed("proposed", &request)),
                }
            }
            Action::Revoke { email, property } => {
                Ok(changed("revoked", &admin.revoke(&email, property, &Actor::command()).await?))
            }
            Action::Disable { email } => {
                Ok(changed("disabled", &admin.disable(&email, &Actor::command()).await?))
            }
            Action::Enable { email } => {
                Ok(changed("enabled", &admin.enable(&email, &Actor::command()).await?))
            }
            Action::Unbind { email } => {
                Ok(changed("unbound", &admin.unbind(&email, &Actor::command()).await?))
            }
            Action::Conflicts => shown::conflicts(opened).await,
            Action::Bind { reference } => {
                Ok(changed("bound", &admin.bind_conflict(&reference, &Actor::command()).await?))
            }
            Action::Dismiss { reference } => {
                let account = admin.dismiss_conflict(&reference, &Actor::command()).await?;
                Ok(changed("dismissed", &Outcome { value: account, changed: true }))
            }
            Action::Role { email, role } => {
                Ok(changed("changed", &admin.set_role(&email, role, &Actor::command()).await?))
            }
        }
    }
}

impl Add {
    async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let grant =
            self.level.zip(self.property).map(|(level, scope)| GrantToMake { scope, level, until: None });
        let user = UserToAdd {
            email: self.email,
            name: self.name,
            organization: self.organization,
            role: if self.support { Role::Support } else { Role::Member },
            grant,
        };
        let account = admin.add_user(user, &Actor::command()).await?;
        Ok(changed("added", &Outcome { value: account, changed: true }))
    }
}

impl Selection {
    fn filter(self) -> UserFilter {
        UserFilter {
            organization: self.organization,
            state: self.state,
            text: self.search,
            ..UserFilter::default()
        }
    }

    async fn export(self, admin: &Admin) -> Result<Answer, Failure> {
        let filter = self.filter();
        let exported = admin.export_users(&filter).await?;
        let accounts = admin.users(&filter).await?;
        let table = String::from_utf8_lossy(&exported.table).into_owned();
        let answer = Answer::new(table, accounts.iter().map(object).collect());
        Ok(match exported.disabled_left_out {
            0 => answer,
            count => {
                answer.with_note(format!("left out: {count} disabled; importing them would let them in"))
            }
        })
    }
}

fn changed(verb: &str, outcome: &Outcome<Account>) -> Answer {
    let user = &outcome.value.user;
    let grants = grants(&outcome.value);
    let summary = format!("{} of {} is {}, {}", user.email, user.organization, user.state.as_str(), grants);
    Answer::change(verb, outcome.changed, &summary, object(&outcome.value))
}

fn row(account: &Account) -> [String; 7] {
    let user = &account.user;
    [
        user.email.to_string(),
        user.name.as_ref().map_or_else(dash, ToString::to_string),
        user.organization.to_string(),
        user.state.as_str().to_owned(),
        user.role.as_str().to_owned(),
        grants(account),
        moment_or_dash(user.last_sign_on_at),
    ]
}

fn grants(account: &Account) -> String {
    if account.grants.is_empty() {
        return "no grants".to_owned();
    }
    let one = |grant: &Grant| {
        let until = grant.until.map(|until| format!(" until {}", moment(until))).unwrap_or_default();
        format!("{}:{}{until}", grant.scope.as_str(), grant.level)
    };
    account.grants.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A user in JSON.
fn object(account: &Account) -> Value {
    let user = &account.user;
    let grants: Vec<_> = account
        .grants
        .iter()
        .map(|grant| {
            json!({
                "property": grant.scope.as_str(),
                "level": grant.level.as_str(),
                "until": grant.until.map(|until| until.to_string()),
            })
        })
        .collect();
    json!({
        "id": user.id.as_str(),
        "email": user.email.as_str(),
        "name": user.name.as_ref().map(DisplayName::as_str),
        "organization": user.organization.as_str(),
        "state": user.state.as_str(),
        "role": user.role.as_str(),
        "grants": grants,
        "access_version": user.access_version,
        "created_at": user.created_at.to_string(),
        "last_sign_on_at": user.last_sign_on_at.map(|at| at.to_string()),
    })
}

fn parse_role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("must be member or support")
}

fn parse_state(text: &str) -> Result<Membership, &'static str> {
    Membership::parse(text).ok_or("must be waiting, active or disabled")
}
