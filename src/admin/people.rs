//! People with everything known about them, and what support settles for them.
//!
//! Separate from `users`, which changes what they may do.

use serde_json::json;

use super::{Actor, Admin, Outcome, Refused, Result};
use crate::directory::request::Request;
use crate::directory::{Account, Property, SubjectConflict, Workplace};
use crate::email::EmailAddress;
use crate::id::{OrganizationId, UserId};
use crate::store::{
    AuditEntry, AuditFilter, Claimant, OrganizationRecord, SessionView, UserChange, UserFilter,
};

/// A user with what has happened to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub account: Account,
    /// Where they say they work.
    pub workplace: Option<Workplace>,
    /// Their sessions, newest first; also ones that are idle for too long.
    pub sessions: Vec<SessionView>,
    /// Their last sign-ons, refused ones too, newest first; also those that only spoke of them (`details.claimed`),
    /// perhaps before they were known.
    pub sign_ons: Vec<AuditEntry>,
    /// Sign-ons that met them with another subject and wait for a decision.
    pub conflicts: Vec<SubjectConflict>,
}

/// Everything on the page of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// The user.
    pub person: Person,
    /// The organization.
    pub organization: OrganizationRecord,
    /// The properties of the organization, by id, retired ones too.
    pub properties: Vec<Property>,
    /// Requests for this user, newest first.
    pub requests: Vec<Request>,
}

/// A page of a list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserList {
    /// The users, by address.
    pub accounts: Vec<Account>,
    /// Where the next page begins: `UserFilter::after`.
    pub next: Option<EmailAddress>,
}

impl Admin {
    /// A page of users; the filter's limit is the length of the page (0: [`USERS_PAGE`]).
    pub async fn user_list(&self, filter: &UserFilter) -> Result<UserList> {
        let limit = if filter.limit == 0 { USERS_PAGE } else { filter.limit };
        let filter = UserFilter { limit: limit.saturating_add(1), ..filter.clone() };
        let mut accounts = self.store.accounts(&filter).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = accounts.len() > limit;
        accounts.truncate(limit);
        let next = accounts.last().filter(|_| has_more).map(|account| account.user.email.clone());
        Ok(UserList { accounts, next })
    }

    /// The user with that id.
    pub async fn user_by_id(&self, user: &UserId) -> Result<Account> {
        let account = self.store.account(user).await?;
        Ok(account.ok_or_else(|| Refused::NoSuchUserId { user: user.clone() })?)
    }

    /// Everything on the page of a user.
    pub async fn user_page(&self, user: &UserId) -> Result<UserPage> {
        let account = self.user_by_id(user).await?;
        Ok(UserPage {
            organization: self.organization_record(&account.user.organization).await?,
            properties: self.store.properties(Some(&account.user.organization)).await?,
            requests: self.requests_for(&account.user.email).await?,
            person: self.person(account).await?,
        })
    }

    /// All conflicts of subjects that wait for a decision, newest first.
    pub async fn conflicts(&self) -> Result<Vec<SubjectConflict>> {
        Ok(self.store.subject_conflicts(None).await?)
    }

    /// Settles a conflict: the subject that signed on is the user from now on. All conflicts of the user are
    /// settled by that, and all sessions end.
    pub async fn bind_conflict(&self, reference: &str, actor: &Actor) -> Result<Outcome<Account>> {
        let conflict = self.conflict(reference).await?;
        let account = self.user_by_id(&conflict.user).await?;
        let details = json!({
            "conflict": reference,
            "connection": conflict.subject.connection.as_str(),
            "subject": conflict.subject.key,
        });
        let change = UserChange::Bind(conflict.subject);
        self.change(&account.user.email, change, ("user.bound", details), actor).await
    }

    /// Settles a conflict: it was somebody else, who is not let in.
    pub async fn dismiss_conflict(&self, reference: &str, actor: &Actor) -> Result<Account> {
        let conflict = self.conflict(reference).await?;
        let account = self.user_by_id(&conflict.user).await?;
        let details = json!({"conflict": reference});
        let event = self.event("user.conflict_dismissed", actor, account.user.email.as_str(), details);
        if self.store.dismiss_conflict(reference, event).await? {
            Ok(account)
        } else {
            Err(Refused::NoSuchConflict { reference: reference.to_owned() }.into())
        }
    }

    /// Forgets who the user is to the identity provider: the next sign-on by that address binds anew.
    pub async fn unbind(&self, email: &EmailAddress, actor: &Actor) -> Result<Outcome<Account>> {
        self.change(email, UserChange::Unbind, ("user.unbound", json!({})), actor).await
    }

    /// What has happened to a user.
    pub(super) async fn person(&self, account: Account) -> Result<Person> {
        let user = &account.user;
        let sign_ons = self.sign_ons_of(&account).await?;
        Ok(Person {
            workplace: self.store.workplace(&user.id).await?,
            sessions: self.store.sessions(Some(&user.id), SESSIONS_SHOWN_MAX).await?,
            sign_ons,
            conflicts: self.store.subject_conflicts(Some(&user.id)).await?,
            account,
        })
    }

    /// The last sign-ons of a user, and the last that only spoke of them. Whoever makes up messages about somebody
    /// cannot push what really happened off the list.
    async fn sign_ons_of(&self, Account { user, .. }: &Account) -> Result<Vec<AuditEntry>> {
        let of = |limit| AuditFilter {
            action_prefix: Some("sign_on.".to_owned()),
            limit,
            ..AuditFilter::default()
        };
        let own = AuditFilter { subject: Some(user.email.as_str().to_owned()), ..of(SIGN_ONS_LISTED_MAX) };
        let claimant = Claimant { email: user.email.clone(), subject: user.subject.as_deref().cloned() };
        let claimed = AuditFilter { claimant: Some(claimant), ..of(CLAIMS_LISTED_MAX) };
        let mut sign_ons = self.store.audit_search(&own).await?;
        sign_ons.extend(self.store.audit_search(&claimed).await?);
        sign_ons.sort_by_key(|entry| std::cmp::Reverse(entry.seq));
        sign_ons.dedup_by_key(|entry| entry.seq);
        Ok(sign_ons)
    }

    /// An organization with everything that is kept of it.
    pub(super) async fn organization_record(&self, id: &OrganizationId) -> Result<OrganizationRecord> {
        match self.store.organization_record(id).await? {
            Some(record) => Ok(record),
            None => Err(self.no_such_organization(id.clone()).await?.into()),
        }
    }

    async fn conflict(&self, reference: &str) -> Result<SubjectConflict> {
        let open = self.store.subject_conflicts(None).await?;
        let found = open.into_iter().find(|conflict| conflict.reference == reference);
        Ok(found.ok_or_else(|| Refused::NoSuchConflict { reference: reference.to_owned() })?)
    }
}

/// A page of users.
pub const USERS_PAGE: u32 = 50;

/// As many as tell what is going on.
const SIGN_ONS_LISTED_MAX: u32 = 20;

/// Of what only spoke of somebody, fewer do.
const CLAIMS_LISTED_MAX: u32 = 10;

/// As many as one user can have.
const SESSIONS_SHOWN_MAX: u32 = crate::store::SESSIONS_PER_USER_MAX;
