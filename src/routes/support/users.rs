//! The users, to be searched.
//!
//! Separate because it lists people; `user` is about one.

use http::StatusCode;

use crate::admin::UserList;
use crate::directory::{Account, Membership, Organization};
use crate::email::EmailAddress;
use crate::id::OrganizationId;
use crate::pages::SelectItem;
use crate::pages::support::{UserRow, Users};
use crate::routes::work::{Desk, Handled, Reply};
use crate::store::UserFilter;

impl Desk {
    /// `GET /.anteroom/support/users`.
    pub(super) async fn users(&self) -> Handled {
        let organization = self.query.get("organization").and_then(|id| OrganizationId::parse(id).ok());
        let state = self.query.get("state").and_then(Membership::parse);
        let after = self.query.get("after").and_then(|email| EmailAddress::parse(email).ok());
        let filter = UserFilter {
            organization,
            state,
            role: None,
            text: self.query.get("q").map(str::to_owned),
            after,
            limit: 0,
        };
        let UserList { accounts, next } = self.admin().user_list(&filter).await?;
        let organizations = self.admin().organizations().await?;
        let chosen = filter.organization.as_ref().map(OrganizationId::as_str);
        let item = |one: &Organization| SelectItem::new(one.id.as_str(), one.name.as_str(), chosen);
        let view = Users {
            agent: self.agent(),
            text: filter.text.unwrap_or_default(),
            organizations: organizations.iter().map(item).collect(),
            state,
            rows: accounts.iter().map(|account| self.user_row(account, &organizations)).collect(),
            next_after: next.map(|email| email.as_str().to_owned()),
            is_continued: filter.after.is_some(),
        };
        Ok(Reply::Page(StatusCode::OK, view.render(self.brand())))
    }

    fn user_row(&self, account: &Account, organizations: &[Organization]) -> UserRow {
        let user = &account.user;
        let organization = organizations.iter().find(|one| one.id == user.organization);
        UserRow {
            id: user.id.as_str().to_owned(),
            name: user.name.as_ref().map(|name| name.as_str().to_owned()),
            email: user.email.as_str().to_owned(),
            organization: organization.map_or(user.organization.as_str(), |one| one.name.as_str()).to_owned(),
            state: user.state,
            role: user.role,
            grants: account.grants.iter().filter(|grant| grant.holds_at(self.now)).count(),
            last_sign_on: user.last_sign_on_at.map(|at| self.moment(at)),
        }
    }
}
