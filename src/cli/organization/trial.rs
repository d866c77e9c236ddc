//! `anteroom organization trial`: a real sign-on that ends in a report.
//!
//! Separate because it goes through a browser and the running server: the command begins it and reads the report.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::Failure;
use crate::cli::answer::{Answer, printable};
use crate::cli::opened::Opened;
use crate::id::OrganizationId;
use crate::saml::diagnosis::{Check, Outcome};
use crate::sign_on::SignOn;
use crate::sign_on::report::Report;

#[derive(Debug, Args)]
pub(super) struct Trial {
    /// The organization's id.
    #[arg(value_parser = OrganizationId::parse)]
    id: OrganizationId,
    /// Wait up to ten minutes for the identity provider's answer, and show the report on it.
    #[arg(long, conflicts_with = "show")]
    wait: bool,
    /// Show the report on a trial that was begun before.
    #[arg(long, value_name = "REFERENCE")]
    show: Option<String>,
}

impl Trial {
    pub(super) async fn run(self, opened: &Opened, errors: &mut dyn Write) -> Result<Answer, Failure> {
        let sign_on = opened.sign_on().await?;
        if let Some(reference) = &self.show {
            return self.shown(opened, &sign_on, reference).await;
        }
        opened.admin.organization_view(&self.id).await?;
        let connections = sign_on.connections();
        let Some(connection) = connections.of_organization(&self.id) else {
            let message = format!("{} has no identity provider that can be tried", self.id);
            return Err(Failure::new("no_provider", message));
        };
        let (reference, url) = sign_on.begin_trial(connection, None, "").await?;
        if self.wait {
            // On the standard error, so that the report stands alone on the standard output. Who cannot read it
            // there finds the link nowhere, and the trial ends unanswered.
            writeln!(errors, "open this in a browser and sign on: {url}").and_then(|()| errors.flush()).ok();
            return self.awaited(&sign_on, &reference).await;
        }
        let text = format!("open this in a browser and sign on: {url}\nreference: {reference}");
        let answer = Answer::new(text, json!({"url": url.as_str(), "reference": reference}));
        Ok(answer.with_note(format!(
            "`anteroom organization trial {} --show {reference}` shows the report",
            self.id
        )))
    }

    async fn shown(&self, opened: &Opened, sign_on: &SignOn, reference: &str) -> Result<Answer, Failure> {
        let test = opened.store.connection_test(reference).await?;
        // An organization has one connection, which has its id.
        if test.is_none_or(|test| test.connection.as_str() != self.id.as_str()) {
            let message = format!(
                "there is no trial {reference} of {}; reports are kept for a day, and `anteroom organization trial \
                 {}` begins another",
                self.id, self.id
            );
            return Err(Failure::new("no_such_trial", message));
        }
        match sign_on.trial_report(reference).await? {
            Some(report) => told(&report),
            None => Err(self.unanswered(reference)),
        }
    }

    async fn awaited(&self, sign_on: &SignOn, reference: &str) -> Result<Answer, Failure> {
        for _ in 0..LOOKS {
            if let Some(report) = sign_on.trial_report(reference).await? {
                return told(&report);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(self.unanswered(reference))
    }

    fn unanswered(&self, reference: &str) -> Failure {
        let message = format!(
            "the identity provider has not answered yet; sign on there, then run `anteroom organization trial {} \
             --show {reference}`",
            self.id
        );
        Failure::new("unanswered", message)
    }
}

/// The report; one with a failed check is a failure.
fn told(report: &Report) -> Result<Answer, Failure> {
    let lines: Vec<_> = report.checks.iter().map(line).collect();
    let text = lines.join("\n");
    let json = json!({"ok": report.is_good(), "at": report.at.to_string(), "checks": report.checks});
    if report.is_good() {
        return Ok(Answer::new(text, json));
    }
    Err(Failure::new("trial_failed", text).with_report(json))
}

/// One check: how it went, what it is, and for one that failed, both sides and what to do.
fn line(check: &Check) -> String {
    let outcome = match check.outcome {
        Outcome::Passed => "passed     ",
        Outcome::Failed => "failed     ",
        Outcome::NotReached => "not reached",
        Outcome::NotApplicable => "no need    ",
    };
    let side = |name: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!("\n             {name}: {text}")).unwrap_or_default()
    };
    let mut line = format!("{outcome}  {}", check.title);
    if check.outcome == Outcome::Failed {
        let words = [&check.cause, &check.remedy].into_iter().flatten().cloned().collect::<Vec<_>>();
        line = format!("{line}. {}", words.join(" "));
        line.push_str(&side("expected", &check.expected));
    }
    if matches!(check.outcome, Outcome::Passed | Outcome::Failed) {
        line.push_str(&side("got", &check.got));
    }
    line.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// As long as anybody keeps a page of an identity provider open.
const LOOKS: u32 = 2_400;

/// Soon enough for somebody who waits.
const LOOK_EVERY: Duration = Duration::from_millis(250);
