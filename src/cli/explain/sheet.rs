//! A report as a terminal shows it, and as JSON.
//!
//! Separate because it is read by a person in a hurry: all checks at a glance, then what is wrong and what to do.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use serde_json::{Value, json};

use crate::cli::answer::{Answer, moment, printable};
use crate::saml::diagnosis::{Check, Outcome};
use crate::sign_on::report::Report;

/// The report, in both forms.
pub(super) fn answer(report: &Report) -> Answer {
    let answer = Answer::new(text(report, io::stdout().is_terminal()), object(report));
    if report.is_good() { answer } else { answer.negative() }
}

fn object(report: &Report) -> Value {
    json!({
        "accepted": report.is_good(),
        "reason": report.failure().and_then(|check| check.reason.clone()),
        "at": report.at.to_string(),
        "organization": report.organization,
        "checks": report.checks,
    })
}

fn text(report: &Report, is_terminal: bool) -> String {
    let mut text = String::new();
    let organization = report.organization.as_deref().unwrap_or("no organization");
    line(&mut text, &format!("Checked as of {} UTC against {organization}", moment(report.at)));
    text.push('\n');
    for check in &report.checks {
        line(&mut text, &format!("{} {}", mark(check.outcome, is_terminal), check.title));
        // What passed is worth a line only if there is something to see.
        for (name, value) in [("expected", &check.expected), ("got", &check.got)] {
            if let Some(value) = value {
                line(&mut text, &format!("      {name:8}  {value}"));
            }
        }
    }
    text.push('\n');
    let verdict = match report.failure().and_then(|check| check.reason.as_deref()) {
        None => "Accepted: somebody could sign on like that.".to_owned(),
        Some(reason) => format!("Refused: {reason}"),
    };
    line(&mut text, &verdict);
    for check in report.checks.iter().filter(|check| check.cause.is_some()) {
        text.push('\n');
        advice(&mut text, check);
    }
    text
}

fn advice(text: &mut String, check: &Check) {
    line(text, &format!("{}:", check.title));
    let cause = if check.outcome == Outcome::Failed { "Likely cause" } else { "Worth knowing" };
    for (name, words) in [(cause, &check.cause), ("What to do", &check.remedy)] {
        if let Some(words) = words {
            line(text, &format!("  {name}: {words}"));
        }
    }
}

const fn mark(outcome: Outcome, is_terminal: bool) -> &'static str {
    match (outcome, is_terminal) {
        (Outcome::Passed, true) => "✓",
        (Outcome::Passed, false) => "ok  ",
        (Outcome::Failed, true) => "✗",
        (Outcome::Failed, false) => "FAIL",
        (Outcome::NotReached | Outcome::NotApplicable, true) => "–",
        (Outcome::NotReached | Outcome::NotApplicable, false) => "-   ",
    }
}

/// A line in which nothing commands the terminal.
fn line(text: &mut String, words: &str) {
    writeln!(text, "{}", printable(words)).expect("writing to a string succeeds");
}
