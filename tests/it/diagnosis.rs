//! Why a message is refused, check by check: the pure diagnosis, the command, and what is kept of refused answers.
//!
//! Separate from the attacks because here it is not asked whether a message is refused but what is said about it.
//!
//! Rules: codes are held, not prose; of prose only the words without which it would be of no use.

mod agreement;
mod causes;
mod command;
mod kept;

use anteroom::saml::diagnosis::{self, Check, Diagnosis, Given, Outcome};
use jiff::Timestamp;
use serde_json::Value;

use crate::attacks::World;
use crate::idp::Message;

/// What is found out about octets in a world of their own.
fn diagnose(world: &World, octets: &[u8]) -> Diagnosis {
    diagnose_at(world, octets, world.now, None)
}

fn diagnose_at(world: &World, octets: &[u8], now: Timestamp, asked_at: Option<Timestamp>) -> Diagnosis {
    let trusted = world.trusted();
    diagnosis::diagnose(octets, &Given { expected: world.expected(&trusted), now, asked_at })
}

/// What is found out about the message of Entra with something changed.
fn changed(change: impl FnOnce(&mut Message)) -> Diagnosis {
    let world = World::pure();
    diagnose(&world, world.control().with(change).to_xml().as_bytes())
}

fn check<'d>(diagnosis: &'d Diagnosis, code: &str) -> &'d Check {
    diagnosis.checks().iter().find(|check| check.code == code).unwrap_or_else(|| panic!("no check {code}"))
}

fn failed(diagnosis: &Diagnosis) -> Vec<(&str, &str)> {
    let failed = diagnosis.checks().iter().filter(|check| check.outcome == Outcome::Failed);
    failed.map(|check| (check.code.as_str(), check.reason.as_deref().unwrap_or_default())).collect()
}

/// The checks that failed, in a report as JSON.
fn failed_in(report: &Value) -> Vec<(&str, &str)> {
    let checks = report["checks"].as_array().expect("a list").iter();
    let failed = checks.filter(|check| check["outcome"] == "failed");
    failed
        .map(|check| {
            (check["code"].as_str().unwrap_or_default(), check["reason"].as_str().unwrap_or_default())
        })
        .collect()
}
