//! The changing parts of a refusal's sentence: lists, counts and states in words.
//!
//! Separate so that the list of refusals can be read as one.

use std::fmt::Write as _;

use crate::admin::{FieldProblem, LineProblem};
use crate::directory::Level;
use crate::directory::request::State;
use crate::email::{EmailAddress, EmailDomain};
use crate::id::OrganizationId;

pub(super) fn organizations(known: &[OrganizationId]) -> String {
    let ids: Vec<_> = known.iter().map(OrganizationId::as_str).collect();
    match ids.as_slice() {
        [] => "is none yet".to_owned(),
        [one] => format!("is {one}"),
        many => format!("are {}", many.join(", ")),
    }
}

pub(super) fn domain_list(domains: &[EmailDomain]) -> String {
    domains.iter().map(EmailDomain::as_str).collect::<Vec<_>>().join(", ")
}

pub(super) fn owner_note(owner: Option<&OrganizationId>) -> String {
    owner.map(|owner| format!(" (it belongs to {owner})")).unwrap_or_default()
}

pub(super) fn field_list(fields: &[FieldProblem]) -> String {
    fields
        .iter()
        .map(|problem| format!("{}: {}", problem.field, problem.message))
        .collect::<Vec<_>>()
        .join("\n")
}

pub(super) fn standing(state: State) -> &'static str {
    match state {
        State::Received => "waiting for an agent",
        State::InWork => "in work",
        State::NeedsInfo => "waiting for an answer of the requester",
        State::Approved => "approved",
        State::Denied => "denied",
    }
}

/// How a request was decided; of an open one it cannot be said.
pub(super) fn decided(state: State) -> &'static str {
    if state == State::Denied { "denied" } else { "approved" }
}

pub(super) fn by(agent: Option<&EmailAddress>) -> String {
    agent.map(|agent| format!(" by {agent}")).unwrap_or_default()
}

pub(super) fn self_grant(limit: Option<&Level>) -> String {
    match limit {
        Some(limit) => format!("agents may give themselves {limit} at most; ask another agent"),
        None => "agents may not give themselves access; ask another agent".to_owned(),
    }
}

pub(super) fn users(count: u64) -> String {
    if count == 1 { "one user".to_owned() } else { format!("{count} users") }
}

pub(super) fn shared_list(shared: &[(EmailDomain, OrganizationId)]) -> String {
    let one = |(domain, organization): &(EmailDomain, OrganizationId)| {
        format!("{} is a domain of {organization} too", domain.as_str())
    };
    shared.iter().map(one).collect::<Vec<_>>().join("; ")
}

pub(super) fn line_count(count: usize) -> String {
    if count == 1 { "one line is wrong:".to_owned() } else { format!("{count} lines are wrong:") }
}

pub(super) fn line_list(lines: &[LineProblem]) -> String {
    let mut list = String::new();
    for line in lines {
        write!(list, "\n  line {}: {}", line.line, line.kind).expect("writing to text works");
    }
    list
}
