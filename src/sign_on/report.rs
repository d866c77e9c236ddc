//! What was found out about an answer: every check by its name, in the order in which they are made.
//!
//! Separate because it is read by people who set up an identity provider: a refusal has one reason, this says what
//! else is wrong, and what to change where. Trials, refused answers and `explain` all have this one list.
//!
//! Rules: the checks of SAML are [`saml::diagnosis`](crate::saml::diagnosis)'s; what is added here is whether the
//! request was ours, whose organization it is, whom it speaks of, and whether it was used before. Nobody is signed
//! on by it. What is kept of a refused answer is [`Report::masked`].

mod masks;
mod person;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::saml::diagnosis::{self, Advice, Check, Given, Outcome};
use crate::saml::{Expected, Refusal};
use crate::sign_on::Settings;
use crate::sign_on::answer::CLOCK_SKEW;
use crate::sign_on::connections::Connection;

/// What was found out about an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When the answer came.
    pub at: Timestamp,
    /// The organization whose identity provider it was held against, by its id.
    pub organization: Option<String>,
    /// All checks, in order.
    pub checks: Vec<Check>,
}

/// An answer, and what is known around it.
#[derive(Debug)]
pub struct Inquiry<'a> {
    /// The message.
    pub octets: &'a [u8],
    /// Whose answer it should be.
    pub connection: Option<&'a Arc<Connection>>,
    /// Us.
    pub settings: &'a Settings,
    /// Whether it was asked for.
    pub asked: Asked,
    /// Whether nobody signs on there for now.
    pub is_paused: bool,
    /// Whether it was used before.
    pub usage: Usage,
    /// When it came.
    pub now: Timestamp,
}

/// Whether a message answers a request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It does, to one that was made then.
    Ours(Timestamp),
    /// It does, but it came too late.
    Late(Timestamp),
    /// It names a request that we did not make.
    Foreign,
    /// It cannot be told.
    Unknown,
}

/// Whether a message was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// It was not.
    First,
    /// It was; the code of the refusal.
    Before(&'static str),
    /// It cannot be told.
    Unknown,
}

impl Report {
    /// Whether somebody could sign on like that.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| matches!(check.outcome, Outcome::Passed | Outcome::NotApplicable))
    }

    /// The first check that failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Check> {
        self.failures().next()
    }

    /// All checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome == Outcome::Failed)
    }

    /// Makes every check that can be made of an answer.
    #[must_use]
    pub fn examine(inquiry: &Inquiry<'_>) -> Self {
        let (found, mut persons) = match inquiry.connection {
            None => (diagnosis::of_unknown(inquiry.octets), person::not_reached()),
            Some(connection) => {
                let found = diagnose(inquiry, connection);
                let persons = found
                    .claims()
                    .map_or_else(person::not_reached, |claims| person::checks(claims, connection));
                (found, persons)
            }
        };
        let mut checks = found.into_checks();
        for check in &mut checks {
            if check.code == REQUEST && check.outcome == Outcome::Passed {
                *check = request(check.clone(), inquiry.asked);
            }
        }
        let after_request = checks.iter().position(|check| check.code == REQUEST).map_or(0, |at| at + 1);
        checks.insert(after_request, organization(inquiry));
        checks.append(&mut persons);
        checks.push(once(inquiry.usage));
        let organization = inquiry.connection.map(|connection| connection.organization.id.to_string());
        Self { at: inquiry.now, organization, checks }
    }

    /// A form field that is not even a message.
    #[must_use]
    pub fn of_unreadable(refusal: &Refusal, at: Timestamp) -> Self {
        let mut checks = diagnosis::of_unreadable(refusal).into_checks();
        checks.append(&mut person::not_reached());
        Self { at, organization: None, checks }
    }

    /// The report without anything that tells who the person is.
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.checks.iter_mut().for_each(masks::mask);
        self
    }
}

fn diagnose(inquiry: &Inquiry<'_>, connection: &Connection) -> diagnosis::Diagnosis {
    let asked_at = match inquiry.asked {
        Asked::Ours(at) | Asked::Late(at) => Some(at),
        Asked::Foreign | Asked::Unknown => None,
    };
    let hints = diagnosis::hints(inquiry.octets);
    diagnosis::diagnose(
        inquiry.octets,
        &Given {
            expected: Expected {
                idp: &connection.idp,
                sp_entity_id: &inquiry.settings.service_provider.entity_id,
                acs_url: inquiry.settings.service_provider.acs_url.as_str(),
                own_keys: &inquiry.settings.service_provider.keys,
                // That it is ours is a check of its own.
                in_response_to: hints.in_response_to.as_deref().unwrap_or_default(),
                skew: CLOCK_SKEW,
                policy: connection.options.policy(asked_at.unwrap_or(Timestamp::MIN)),
            },
            now: inquiry.now,
            asked_at,
        },
    )
}

fn request(check: Check, asked: Asked) -> Check {
    let got = check.got.clone();
    match asked {
        Asked::Ours(at) => check.passed(Some(format!("made at {at}"))),
        Asked::Late(at) => check
            .failed(
                "request_late",
                Advice::new(
                    format!("The answer came too late: the request was made at {at}."),
                    "Begin again at the address of the application, and finish at once in the same window.",
                ),
            )
            .showing(Some("an answer within an hour".to_owned()), None),
        Asked::Foreign => check
            .failed(
                "unknown_request",
                Advice::new(
                    "The request it answers is not ours: it was made by another installation (a test system, or \
                     one from before the secret file was replaced), or made up.",
                    "Begin again at the address of the application. If it happens every time, check that the \
                     Reply URL leads to the installation that people begin at.",
                ),
            )
            .showing(Some("a request of this installation".to_owned()), got),
        Asked::Unknown => Check { outcome: Outcome::NotApplicable, ..check },
    }
}

fn organization(inquiry: &Inquiry<'_>) -> Check {
    let check = Check::new("organization", "It belongs to an organization whose people sign on here");
    let Some(connection) = inquiry.connection else {
        if inquiry.asked == Asked::Foreign {
            return check;
        }
        let issuer = diagnosis::hints(inquiry.octets).issuer;
        let advice = Advice::new(
            "No organization here has an identity provider of that entity ID.",
            "Upload the Federation Metadata of this very application, or compare the issuer with the entity IDs \
             of the organizations here.",
        );
        return check.failed("unknown_issuer", advice).showing(None, issuer);
    };
    let name = connection.organization.name.as_str().to_owned();
    if inquiry.is_paused {
        let advice = Advice::new(
            "The organization is paused: nobody of it can sign on.",
            "Resume the organization, if that is not meant.",
        );
        return check.failed("connection_paused", advice).showing(None, Some(name));
    }
    check.passed(Some(name))
}

fn once(usage: Usage) -> Check {
    let check = Check::new("once", "It has not been used before");
    match usage {
        Usage::First => check.passed(None),
        Usage::Unknown => Check { outcome: Outcome::NotApplicable, ..check },
        Usage::Before(reason) => check.failed(
            reason,
            Advice::new(
                "The answer has been used already: the page was loaded twice, or the person went back in the \
                 browser.",
                "Begin again at the address of the application.",
            ),
        ),
    }
}

const REQUEST: &str = "request";
