//! Users, one at a time: adding them and changing what they may do.
//!
//! Separate from imports because here one answer fits the one question.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::limits::{check_own_account, check_role, check_self_grant, needs_second_agent};
use super::notices;
use super::requests::{Filed, check_open};
use super::{Actor, Admin, Outcome, Refused, Result};
use crate::directory::request::{Proposal, Request, State, Wanted};
use crate::directory::{Account, DisplayName, Grant, Membership, Organization, Role, Scope, Standing};
use crate::email::EmailAddress;
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::{NewMessage, NewUser, RequestFilter, UserAdded, UserChange, UserChanged, UserFilter};

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

/// What became of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one for each press of a button")]
pub enum Granted {
    /// It holds.
    Done(Outcome<Account>),
    /// Another agent has to confirm it, in this request.
    Proposed(Request),
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

    /// How many users each organization has that has any.
    pub async fn users_by_organization(&self) -> Result<HashMap<OrganizationId, u64>> {
        Ok(self.store.user_counts().await?)
    }

    /// How many users have access to each property of an organization, apart from those who have it to all.
    pub async fn users_by_property(&self, organization: &OrganizationId) -> Result<HashMap<PropertyId, u64>> {
        Ok(self.store.grant_counts(organization, self.now()).await?)
    }

    /// Adds a user, with a first grant or waiting for one. Who gets a grant is told by mail.
    pub async fn add_user(&self, user: UserToAdd, actor: &Actor) -> Result<Account> {
        let organization = self.organization(&user.organization).await?;
        check_domain(&user.email, &organization)?;
        let grant = user.grant.map(|grant| self.check_grant(grant)).transpose()?;
        self.check_limits(&user.email, grant.as_slice(), actor)?;
        check_role(&self.settings(), actor, user.role)?;
        let details = json!({
            "organization": user.organization.as_str(),
            "role": user.role.as_str(),
            "grant": grant.as_ref().map(grant_details),
        });
        let mail = match &grant {
            Some(grant) => {
                let properties = self.store.properties(Some(&organization.id)).await?;
                let granted = notices::granted(&organization, std::slice::from_ref(grant), &properties);
                vec![granted.to(&user.email)]
            }
            None => Vec::new(),
        };
        let new = NewUser {
            id: UserId::random(&*self.randomness),
            email: user.email,
            name: user.name,
            organization: user.organization,
            role: user.role,
            grants: grant.into_iter().collect(),
        };

        let event = self.event("user.added", actor, new.email.as_str(), details);
        match self.store.add_user(&new, event, mail).await? {
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

    /// Gives access. A user who has waited for it is told by mail. An agent's grant of all properties may have
    /// to be confirmed by another agent first.
    pub async fn grant(&self, email: &EmailAddress, grant: GrantToMake, actor: &Actor) -> Result<Granted> {
        let grant = self.check_grant(grant)?;
        let account = self.user(email).await?;
        let settings = self.settings();
        let grants = std::slice::from_ref(&grant);
        check_self_grant(&settings, actor, email, grants)?;
        if needs_second_agent(&settings, actor, grants) {
            return self.propose_grant(&account, grant, actor).await.map(Granted::Proposed);
        }
        let mail = if account.standing_at(self.now()) == Standing::Waiting {
            let organization = self.organization(&account.user.organization).await?;
            let properties = self.store.properties(Some(&organization.id)).await?;
            vec![notices::granted(&organization, grants, &properties).to(email)]
        } else {
            Vec::new()
        };
        let details = grant_details(&grant);
        let told = ("user.granted", details);
        self.change_telling(&account, (UserChange::Grant(grant), mail), told, actor).await.map(Granted::Done)
    }

    /// Puts a grant into the queue as a request of the agent, for another agent to confirm; where access is asked
    /// for already, that request gets the proposal.
    async fn propose_grant(&self, account: &Account, grant: Grant, actor: &Actor) -> Result<Request> {
        let user = &account.user;
        let agent = match actor.user() {
            Some(agent) => self.user_by_id(agent).await?,
            None => return Err(Refused::SecondApproval.into()),
        };
        if user.state == Membership::Disabled {
            return Err(Refused::UserDisabled { email: user.email.clone() }.into());
        }
        let proposal = Proposal {
            agent: agent.user.email.clone(),
            user: agent.user.id.clone(),
            grants: vec![grant.clone()],
            note: None,
        };
        if let Some(request) = self.open_request_of(account, &grant.scope).await? {
            check_not_anothers(&request, &agent)?;
            return self.propose(&request, request.version, proposal, actor).await;
        }
        let organization = self.organization(&user.organization).await?;
        let wanted = Wanted {
            scope: grant.scope.clone(),
            email: user.email.clone(),
            name: user.name.clone(),
            level: grant.level.clone(),
            note: None,
        };
        let filed = self.put_into_queue(&organization, wanted, &agent, actor).await?;
        let (Filed::Filed(request) | Filed::Merged(request)) = filed else {
            return Err(Refused::SecondApproval.into());
        };
        check_open(&request)?;
        check_not_anothers(&request, &agent)?;
        self.propose(&request, request.version, proposal, actor).await
    }

    /// The open request for a user in a scope.
    async fn open_request_of(&self, account: &Account, scope: &Scope) -> Result<Option<Request>> {
        let filter = RequestFilter {
            states: State::OPEN.to_vec(),
            organization: Some(account.user.organization.clone()),
            email: Some(account.user.email.clone()),
            ..RequestFilter::default()
        };
        let open = self.store.requests(&filter).await?;
        Ok(open.into_iter().find(|request| request.wanted.scope == *scope))
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
        check_own_account(actor, email)?;
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
        check_own_account(actor, email)?;
        check_role(&self.settings(), actor, role)?;
        let details = json!({"role": role.as_str()});
        self.change(email, UserChange::Role(role), ("user.role_changed", details), actor).await
    }

    pub(super) async fn change(
        &self,
        email: &EmailAddress,
        change: UserChange,
        told: (&'static str, Value),
        actor: &Actor,
    ) -> Result<Outcome<Account>> {
        let account = self.user(email).await?;
        self.change_telling(&account, (change, Vec::new()), told, actor).await
    }

    /// Changes a user and promises mail about it.
    async fn change_telling(
        &self,
        Account { user, .. }: &Account,
        (change, mail): (UserChange, Vec<NewMessage>),
        (action, details): (&'static str, Value),
        actor: &Actor,
    ) -> Result<Outcome<Account>> {
        let email = user.email.clone();
        let event = self.event(action, actor, email.as_str(), details);
        match self.store.change_user(&user.id, &change, event, mail).await? {
            UserChanged::Changed => Ok(Outcome { value: self.user(&email).await?, changed: true }),
            UserChanged::Unchanged => Ok(Outcome { value: self.user(&email).await?, changed: false }),
            UserChanged::NoSuchUser => Err(Refused::NoSuchUser { email }.into()),
            UserChanged::NoSuchProperty(property) => {
                Err(self.no_such_property(property, user.organization.clone()).await?.into())
            }
            UserChanged::LastSupport => Err(Refused::LastSupport { email }.into()),
            UserChanged::SubjectTaken(_) => Err(Refused::SubjectTaken { email }.into()),
        }
    }

    /// Sees to it that an agent gives no more than agents may give on their own.
    pub(super) fn check_limits(
        &self,
        email: &EmailAddress,
        grants: &[Grant],
        actor: &Actor,
    ) -> std::result::Result<(), Refused> {
        let settings = self.settings();
        check_self_grant(&settings, actor, email, grants)?;
        if needs_second_agent(&settings, actor, grants) { Err(Refused::SecondApproval) } else { Ok(()) }
    }

    /// Finds the level, and sees to it that the grant has a future.
    pub(super) fn check_grant(&self, grant: GrantToMake) -> std::result::Result<Grant, Refused> {
        let GrantToMake { scope, level, until } = grant;
        let grant = Grant { scope, level: self.settings().levels.parse(&level)?, until };
        if grant.holds_at(self.now()) { Ok(grant) } else { Err(Refused::UntilPast) }
    }

    /// Why a property cannot be granted or asked for in an organization.
    pub(super) async fn no_such_property(
        &self,
        property: PropertyId,
        organization: OrganizationId,
    ) -> Result<Refused> {
        let all = self.store.properties(None).await?;
        let known = all.into_iter().find(|known| known.id == property);
        if known
            .as_ref()
            .is_some_and(|known| known.organization == organization && known.retired_at.is_some())
        {
            return Ok(Refused::PropertyRetired { property });
        }
        Ok(Refused::NoSuchProperty { property, organization, owner: known.map(|known| known.organization) })
    }

    /// A scope as people name it.
    pub(super) async fn property_name(&self, scope: &Scope, organization: &OrganizationId) -> Result<String> {
        let properties = self.store.properties(Some(organization)).await?;
        Ok(notices::scope_name(scope, &properties).into_owned())
    }
}

fn check_not_anothers(request: &Request, agent: &Account) -> std::result::Result<(), Refused> {
    match &request.agent {
        Some(other) if *other != agent.user.email => {
            Err(Refused::TakenByAnother { id: request.id.clone(), agent: other.clone() })
        }
        _ => Ok(()),
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

pub(super) fn grant_details(grant: &Grant) -> Value {
    json!({
        "property": grant.scope.as_str(),
        "level": grant.level.as_str(),
        "until": grant.until.map(|until| until.to_string()),
    })
}
