//! What support agents may not do by themselves.
//!
//! Separate because it must hold on every way by which a grant comes about: a request, a grant, a new user, a
//! table. Commands and Anteroom itself are no agents and have no limits.

use super::settings::{SecondApproval, Settings};
use super::{Actor, Refused};
use crate::directory::{Grant, Role, Scope};
use crate::email::EmailAddress;

/// Sees to it that agents give themselves no more than the configuration allows.
pub(super) fn check_self_grant(
    settings: &Settings,
    actor: &Actor,
    email: &EmailAddress,
    grants: &[Grant],
) -> Result<(), Refused> {
    if actor.email() != Some(email) {
        return Ok(());
    }
    let limit = settings.support_self_level.as_ref();
    let highest = limit.and_then(|limit| settings.levels.rank(limit));
    // A level that is no longer configured has no rank, and is above every limit.
    let fits = |grant: &Grant| match (settings.levels.rank(&grant.level), highest) {
        (Some(rank), Some(highest)) => rank <= highest,
        _ => false,
    };
    if grants.iter().all(fits) { Ok(()) } else { Err(Refused::SelfGrant { limit: limit.cloned() }) }
}

/// Sees to it that agents leave their own account to others.
pub(super) fn check_own_account(actor: &Actor, email: &EmailAddress) -> Result<(), Refused> {
    if actor.email() == Some(email) { Err(Refused::OwnAccount) } else { Ok(()) }
}

/// Sees to it that nobody makes a second pair of eyes of their own.
pub(super) fn check_role(settings: &Settings, actor: &Actor, role: Role) -> Result<(), Refused> {
    let is_own_agent = role == Role::Support
        && settings.second_approval == SecondApproval::ForAllProperties
        && actor.email().is_some();
    if is_own_agent { Err(Refused::SupportRole) } else { Ok(()) }
}

/// Whether grants need a second pair of eyes.
pub(super) fn needs_second_agent(settings: &Settings, actor: &Actor, grants: &[Grant]) -> bool {
    settings.second_approval == SecondApproval::ForAllProperties
        && actor.email().is_some()
        && grants.iter().any(|grant| grant.scope == Scope::AllProperties)
}
