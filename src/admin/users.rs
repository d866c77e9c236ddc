//! Users, one at a time: adding them and changing what they may do.
//!
//! Separate from imports because here one answer fits the one question.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Actor, Admin, Outcome, Refused, Result};
use crate::directory::{Account, DisplayName, Grant, Organization, Role, Scope};
use crate::email::EmailAddress;
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::{NewUser, UserAdded, UserChange, UserChanged, UserFilter};

/// A user to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserToAdd {
    /// The address, within the domains of the organization.
    pub email: EmailAddress,
    /// The name, if known.
    pub name: Option<DisplayName>,
    /// Whose staff.
    pub organization: OrganizationId,
    /// The role.
    pub role: Role,
    /// The first grant; without one, the user waits.
    pub grant: Option<GrantToMake>,
}

/// A grant to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantToMake {
    /// Where it shall hold.
    pub scope: Scope,
    /// The name of the level, as it was given.
    pub level: String,
    /// The moment from which on it shall no longer hold.
    pub until: Option<Timestamp>,
}

impl Admin {
    /// The user with that address.
    pub async fn user(&self, email: &EmailAddress) -> Result<Account> {
        let account = self.store.account_by_email(email).await?;
        Ok(account.ok_or_else(|| Refused::NoSuchUser { email: email.clone() })?)
    }

    /// Users by address.
    pub async fn users(&self, filter: &UserFilter) -> Result<Vec<Account>> {
        Ok(self.store.accounts(filter).await?)
    }

    /// Adds a user, with a first grant or waiting for one.
    pub async fn add_user(&self, user: UserToAdd, actor: &Actor) -> Result<Account> {
        let organization = self.organization(&user.organization).await?;
        check_domain(&user.email, &organization)?;
        let grant = user.grant.map(|grant| self.check_grant(grant)).transpose()?;
        let details = json!({
            "organization": user.organization.as_str(),
            "role": user.role.as_str(),
            "grant": grant.as_ref().map(grant_details),
        });
        let new = NewUser {
            id: UserId::random(&*self.randomness),
            email: user.email,
            name: user.name,
            organization: user.organization,
            role: user.role,
            grants: grant.into_iter().collect(),
        };

        let event = self.event("user.added", actor, new.email.as_str(), details);
        match self.store.add_user(&new, event).await? {
            UserAdded::Added => self.user(&new.email).await,
            UserAdded::EmailTaken => {
                let taken = self.user(&new.email).await?.user;
                Err(Refused::EmailTaken { email: taken.email, organization: taken.organization }.into())
            }
            UserAdded::NoSuchProperty(property) => {
                Err(self.no_such_property(property, new.organization).await?.into())
            }
            UserAdded::NoSuchOrganization => Err(self.no_such_organization(new.organization).await?.into()),
        }
    }

    /// Gives access.
    pub async fn grant(
        &self,
        email: &EmailAddress,
        grant: GrantToMake,
        actor: &Actor,
    ) -> Result<Outcome<Account>> {
        let grant = self.check_grant(grant)?;
        let details = grant_details(&grant);
        self.change(email, UserChange::Grant(grant), ("user.granted", details), actor).await
    }

    /// Takes access away: in one scope, or everywhere.
    pub async fn revoke(
        &self,
        email: &EmailAddress,
        scope: Option<Scope>,
        actor: &Actor,
    ) -> Result<Outcome<Account>> {
        let details = json!({"property": scope.as_ref().map(Scope::as_str)});
        self.change(email, UserChange::Revoke(scope), ("user.revoked", details), actor).await
    }

    /// Shuts a user out and ends all sessions.
    pub async fn disable(&self, email: &EmailAddress, actor: &Actor) -> Result<Outcome<Account>> {
        self.change(email, UserChange::Disable, ("user.disabled", json!({})), actor).await
    }

    /// Undoes `disable`.
    pub async fn enable(&self, email: &EmailAddress, actor: &Actor) -> Result<Outcome<Account>> {
        self.change(email, UserChange::Enable, ("user.enabled", json!({})), actor).await
    }

    /// Gives a role.
    pub async fn set_role(
        &self,
        email: &EmailAddress,
        role: Role,
        actor: &Actor,
    ) -> Result<Outcome<Account>> {
        let details = json!({"role": role.as_str()});
        self.change(email, UserChange::Role(role), ("user.role_changed", details), actor).await
    }

    async fn change(
        &self,
        email: &EmailAddress,
        change: UserChange,
        (action, details): (&'static str, Value),
        actor: &Actor,
    ) -> Result<Outcome<Account>> {
        let user = self.user(email).await?.user;
        let event = self.event(action, actor, email.as_str(), details);
        match self.store.change_user(&user.id, &change, event, Vec::new()).await? {
            UserChanged::Changed => Ok(Outcome { value: self.user(email).await?, changed: true }),
            UserChanged::Unchanged => Ok(Outcome { value: self.user(email).await?, changed: false }),
            UserChanged::NoSuchUser => Err(Refused::NoSuchUser { email: user.email }.into()),
            UserChanged::NoSuchProperty(property) => {
                Err(self.no_such_property(property, user.organization).await?.into())
            }
            UserChanged::LastSupport => Err(Refused::LastSupport { email: user.email }.into()),
            UserChanged::SubjectTaken(_) => Err(Refused::SubjectTaken { email: user.email }.into()),
        }
    }

    /// Finds the level, and sees to it that the grant has a future.
    pub(super) fn check_grant(&self, grant: GrantToMake) -> std::result::Result<Grant, Refused> {
        let GrantToMake { scope, level, until } = grant;
        let grant = Grant { scope, level: self.levels.parse(&level)?, until };
        if grant.holds_at(self.now()) { Ok(grant) } else { Err(Refused::UntilPast) }
    }

    async fn no_such_property(&self, property: PropertyId, organization: OrganizationId) -> Result<Refused> {
        let all = self.store.properties(None).await?;
        let owner = all.into_iter().find(|known| known.id == property).map(|known| known.organization);
        Ok(Refused::NoSuchProperty { property, organization, owner })
    }
}

/// Sees to it that the organization's identity provider can vouch for an address.
pub(super) fn check_domain(
    email: &EmailAddress,
    organization: &Organization,
) -> std::result::Result<(), Refused> {
    if organization.domains.contains(email.domain()) {
        return Ok(());
    }
    Err(Refused::ForeignDomain {
        email: email.clone(),
        organization: organization.id.clone(),
        domains: organization.domains.clone(),
    })
}

fn grant_details(grant: &Grant) -> Value {
    json!({
        "property": grant.scope.as_str(),
        "level": grant.level.as_str(),
        "until": grant.until.map(|until| until.to_string()),
    })
}
