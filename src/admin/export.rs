//! Users and grants as a table that an import reads back.
//!
//! Separate because what is left out matters: a table must not give more access than there was.

use jiff::Timestamp;

use super::import::COLUMNS;
use super::{Admin, Result};
use crate::directory::{Account, Grant, Membership};
use crate::store::UserFilter;

/// Users as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The table, in the form that the import takes. It has the column `until` only if a grant has an end.
    pub table: Vec<u8>,
    /// Disabled users, who are left out: an import would let them in again.
    pub disabled_left_out: u64,
}

impl Admin {
    /// Writes users as a table, one line a grant that still holds.
    pub async fn export_users(&self, filter: &UserFilter) -> Result<Exported> {
        let mut accounts = self.users(filter).await?;
        let all = accounts.len();
        accounts.retain(|account| account.user.state != Membership::Disabled);
        let disabled_left_out = u64::try_from(all - accounts.len()).unwrap_or(u64::MAX);
        Ok(Exported { table: table(&accounts, self.now()), disabled_left_out })
    }
}

fn table(accounts: &[Account], now: Timestamp) -> Vec<u8> {
    let held = |account: &Account| -> Vec<Grant> {
        account.grants.iter().filter(|grant| grant.holds_at(now)).cloned().collect()
    };
    let any_ends = accounts.iter().flat_map(held).any(|grant| grant.until.is_some());
    let width = if any_ends { COLUMNS.names.len() } else { COLUMNS.required };

    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |fields: [&str; 6]| {
        writer.write_record(fields.iter().take(width)).expect("records of one width go into memory");
    };
    write(COLUMNS.names);
    for account in accounts {
        let user = &account.user;
        let name = user.name.as_ref().map_or("", |name| name.as_str());
        let (email, organization) = (user.email.as_str(), user.organization.as_str());
        let grants = held(account);
        if grants.is_empty() {
            write([email, name, organization, "", "", ""]);
        }
        for grant in grants {
            let until = grant.until.map(|until| until.to_string()).unwrap_or_default();
            write([email, name, organization, grant.level.as_str(), grant.scope.as_str(), &until]);
        }
    }
    writer.into_inner().expect("writing to memory works")
}
