//! What users may do: changes of one user, imports of many, and grants that end on time.
//!
//! Separate from the users, because each of these decides who gets in.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::directory::{Grant, Role, Scope, Subject, SubjectConflict};
use crate::id::{OrganizationId, PropertyId, UserId};
use crate::store::{AuditEvent, NewMessage, NewUser, Result};

/// Changing what users may do, and who they are to their identity provider.
#[async_trait]
pub trait Access {
    /// Changes a user's access. A change that would leave nobody who is not disabled with the role `support`
    /// is refused. The messages are kept if anything changed.
    async fn change_user(
        &self,
        user: &UserId,
        change: &UserChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<UserChanged>;
    /// Makes users and grants, all or none. The messages are kept if anything changed.
    async fn import(
        &self,
        lines: &[ImportedGrant],
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<Imported>;
    /// Removes grants whose time is over, with an event `grant.lapsed` for each user; how many users lost
    /// access that way. Bounded work per call, and next to none when there are none.
    async fn lapse_grants(&self, now: Timestamp) -> Result<u64>;
    /// Sign-ons that met a user with another subject and are not settled yet, of one user or all, newest first.
    async fn subject_conflicts(&self, user: Option<&UserId>) -> Result<Vec<SubjectConflict>>;
    /// Settles one conflict without binding; `false` if there is none of that reference.
    async fn dismiss_conflict(&self, reference: &str, audit: AuditEvent) -> Result<bool>;
}

/// A change of one user's access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// Adds the grant, or replaces the one of the same scope. A waiting user becomes active.
    Grant(Grant),
    /// Takes one grant away, or all. An active user left without any becomes waiting.
    Revoke(Option<Scope>),
    /// Disables the user and ends all sessions.
    Disable,
    /// Undoes `Disable`: active with grants, otherwise waiting.
    Enable,
    /// Gives a role.
    Role(Role),
    /// Binds the user to a subject in the place of the one bound so far; ends all sessions and settles all
    /// conflicts of the user.
    Bind(Subject),
    /// Forgets the subject, so that the next sign-on by that address binds anew; ends all sessions.
    Unbind,
}

/// Whether a change of a user could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChanged {
    /// It was made, and is in the change feed.
    Changed,
    /// Everything was so already; nothing changed and nothing is in the feed.
    Unchanged,
    /// There is no such user.
    NoSuchUser,
    /// The grant names a property that does not exist, is retired, or is another organization's.
    NoSuchProperty(PropertyId),
    /// Nobody would be left to work the support console.
    LastSupport,
    /// The subject is bound to another user.
    SubjectTaken(UserId),
}

/// One line of an import: makes the user where missing and adds the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedGrant {
    /// The user, made with this id if the address is new.
    pub user: NewUser,
    /// The line in the file, from 1, for messages.
    pub line: u64,
}

/// How an import went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// All lines are in.
    Done {
        /// Users that were new.
        users_added: u64,
        /// Grants that were added or changed.
        grants_changed: u64,
    },
    /// Nothing changed; these lines are why.
    Refused(Vec<ImportProblem>),
}

/// Why a line of an import could not be done; any such line undoes the whole import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// The line in the file.
    pub line: u64,
    /// What is wrong with it.
    pub kind: ImportProblemKind,
}

/// What is wrong with a line of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportProblemKind {
    /// The address belongs to a user of another organization.
    OtherOrganization(OrganizationId),
    /// There is no such property in the user's organization.
    NoSuchProperty(PropertyId),
    /// There is no such organization.
    NoSuchOrganization,
}
