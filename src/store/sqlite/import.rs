//! The import of many users and grants at once.
//!
//! Separate because it is all or nothing over many lines, and goes on after a bad one to name every bad one.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;

use crate::directory::Scope;
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::{audit, feed, grants, organizations, outbox, properties, users};
use crate::store::{
    AuditEvent, Change, ImportProblem, ImportProblemKind, Imported, ImportedGrant, NewMessage, NewUser,
    Result,
};

/// Makes users and grants, all or none.
pub(super) async fn run(
    connections: &Connections,
    lines: &[ImportedGrant],
    event: &AuditEvent,
    mail: &[NewMessage],
) -> Result<Imported> {
    let mut write = connections.begin().await?;
    let mut import = Import::new(properties::owners(write.connection()).await?, event.at);
    for line in lines {
        if let Some(kind) = import.line(write.connection(), &line.user).await? {
            import.problems.push(ImportProblem { line: line.line, kind });
        }
    }
    if !import.problems.is_empty() {
        write.roll_back().await?;
        return Ok(Imported::Refused(import.problems));
    }
    if !import.touched.is_empty() {
        for user in &import.touched {
            grants::settle(write.connection(), user).await?;
            feed::tell(write.connection(), &Change::User(user.clone()), event.at).await?;
        }
        outbox::put(write.connection(), mail, event.at).await?;
        audit::append(write.connection(), &import.noted(event)).await?;
    }
    write.commit().await?;
    Ok(Imported::Done { users_added: import.users_added, grants_changed: import.grants_changed })
}

/// An import on its way through the lines.
struct Import {
    owners: HashMap<PropertyId, OrganizationId>,
    at: Timestamp,
    touched: BTreeSet<UserId>,
    users_added: u64,
    grants_changed: u64,
    problems: Vec<ImportProblem>,
}

impl Import {
    fn new(owners: HashMap<PropertyId, OrganizationId>, at: Timestamp) -> Self {
        let touched = BTreeSet::new();
        Self { owners, at, touched, users_added: 0, grants_changed: 0, problems: Vec::new() }
    }

    fn noted(&self, event: &AuditEvent) -> AuditEvent {
        let notes = [
            ("users_added", json!(self.users_added)),
            ("grants_changed", json!(self.grants_changed)),
            ("users_changed", json!(self.touched.len())),
        ];
        audit::noted(event, notes)
    }

    /// Does one line as far as it can be done, and says what is wrong with it.
    async fn line(&mut self, db: &mut SqliteConnection, line: &NewUser) -> Result<Option<ImportProblemKind>> {
        let id = match users::by_email(&mut *db, &line.email).await? {
            Some(account) if account.user.organization == line.organization => account.user.id,
            Some(account) => {
                return Ok(Some(ImportProblemKind::OtherOrganization(account.user.organization)));
            }
            None if organizations::exists(db, &line.organization).await? => {
                users::insert(db, line, None, self.at).await?;
                self.users_added += 1;
                self.touched.insert(line.id.clone());
                line.id.clone()
            }
            None => return Ok(Some(ImportProblemKind::NoSuchOrganization)),
        };
        for grant in &line.grants {
            if let Scope::Property(property) = &grant.scope
                && self.owners.get(property) != Some(&line.organization)
            {
                return Ok(Some(ImportProblemKind::NoSuchProperty(property.clone())));
            }
            if grants::put(db, &id, grant).await? {
                self.grants_changed += 1;
                self.touched.insert(id.clone());
            }
        }
        Ok(None)
    }
}
