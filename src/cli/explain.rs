//! `anteroom explain …`: why something was refused, and what would become of a request.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.
//!
//! Rules: nothing is written, not even a store or a secret that is not there yet; it works beside a running server,
//! and without one. What a message says is looked at, never believed.

mod message;
mod request;
mod sheet;

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use self::message::{Found, Source};
use super::answer::Answer;
use super::{Failure, Format, block_on, opened};
use crate::app::settings;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, secret_file};
use crate::id::OrganizationId;
use crate::pages::support::english_remedy;
use crate::saml::diagnosis::{self, Check, Hints, Outcome, sentence};
use crate::sign_on::connections::{Connection, Connections};
use crate::sign_on::report::{Asked, Inquiry, Report, Usage};
use crate::sign_on::request_id::{Purpose, RequestId};
use crate::store::{self, AuditEntry, OrganizationRecord, Store};

/// Say why a sign-on was refused, check by check, or what would become of a request.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    Assertion(Assertion),
    Request(request::Request),
}

/// Hold an identity provider's answer against every check, or show those of one that was refused.
///
/// The exit code is 0 if it would be accepted, 1 if it is refused, 2 if the command line is wrong.
#[derive(Debug, Args)]
struct Assertion {
    /// A file with the message (XML, base64, a form, a HAR file), `-` for the standard input, or the reference
    /// that a visitor was shown.
    #[arg(value_name = "FILE|-|REFERENCE")]
    message: String,
    /// Hold it against the identity provider of this organization, not that of its issuer.
    #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
    organization: Option<OrganizationId>,
    /// Check as if it were this moment, e.g. 2026-01-31T09:30:00Z; otherwise now, or when a HAR file says it was
    /// sent.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

impl Arguments {
    pub(super) fn run(self, config: &Path) -> Result<Answer, Failure> {
        match self.what {
            What::Assertion(assertion) => assertion.run(config),
            What::Request(request) => request.run(config),
        }
    }
}

impl Assertion {
    fn run(self, config: &Path) -> Result<Answer, Failure> {
        let config = opened::load(config)?;
        match message::source(&self.message) {
            Some(Source::Reference(reference)) => block_on(explain_reference(&config, &reference)),
            Some(Source::File(path)) => {
                let found = message::read(&path)?;
                block_on(self.explain(&config, found))
            }
            None => Err(Failure::usage(&format!(
                "{:?} is neither a file nor a reference; a reference has ten letters and digits, and - is the \
                 standard input",
                self.message
            ))),
        }
    }

    async fn explain(self, config: &Config, found: Found) -> Result<Answer, Failure> {
        let now = self.at.or(found.sent_at).unwrap_or_else(|| SystemClock.now());
        let octets = match found.octets {
            Ok(octets) => octets,
            Err(refusal) => return Ok(sheet::answer(&Report::of_unreadable(&refusal, now))),
        };
        let settings = settings::sign_on(config);
        let (records, trouble) = records(config).await;
        let connections = Connections::of(&settings, records);
        let hints = diagnosis::hints(&octets);
        let (asked, id) = request(config, &hints, now);
        let connection = self.connection(&connections, &hints, id.as_ref())?;
        let report = Report::examine(&Inquiry {
            octets: &octets,
            connection,
            settings: &settings,
            asked,
            is_paused: connection.is_some_and(|connection| connections.is_paused(connection)),
            usage: Usage::Unknown,
            now,
        });
        let mut answer = sheet::answer(&report);
        if let Some(trouble) = trouble {
            answer = answer.with_note(format!("note: the store was not read: {trouble}"));
        }
        if let Some(issued) = hints.issued.filter(|_| self.at.is_none() && is_over(&hints, now)) {
            answer = answer.with_note(format!(
                "note: the message is of {issued}; with --at {issued} it is checked as if it had just come"
            ));
        }
        if found.is_xml && report.failures().any(|check| check.reason.as_deref() == Some("digest_mismatch")) {
            answer = answer.with_note(
                "note: a signature does not survive indentation; if the XML was copied from a tool that shows it \
                 prettily, take the form field SAMLResponse as it was sent (base64) instead"
                    .to_owned(),
            );
        }
        Ok(answer)
    }

    fn connection<'c>(
        &self,
        connections: &'c Connections,
        hints: &Hints,
        id: Option<&RequestId>,
    ) -> Result<Option<&'c Arc<Connection>>, Failure> {
        if let Some(wanted) = &self.organization {
            let found = connections.of_organization(wanted).ok_or_else(|| {
                Failure::usage(&format!(
                    "there is no organization {wanted} with an identity provider; `anteroom organization list` \
                     shows all"
                ))
            })?;
            return Ok(Some(found));
        }
        // As for a message that arrives: our own request says whose answer it has to be.
        let asked = id.and_then(|id| connections.by_fingerprint(id.connection()));
        Ok(asked.or_else(|| connections.by_entity_id(hints.issuer.as_deref()?)))
    }
}

/// Whether a message says that it is good no longer.
fn is_over(hints: &Hints, now: Timestamp) -> bool {
    hints.not_on_or_after.is_some_and(|end| end <= now)
}

/// Whether a message answers a request of ours, and which one.
fn request(config: &Config, hints: &Hints, now: Timestamp) -> (Asked, Option<RequestId>) {
    let secret = secret_file::load(&config.store.secret_file).ok();
    let (Some(secret), Some(text)) = (secret, hints.in_response_to.as_deref()) else {
        return (Asked::Unknown, None);
    };
    let id = RequestId::parse(text, &RequestId::key(&secret)).filter(|id| id.purpose() != Purpose::Logout);
    let asked = match &id {
        None => Asked::Foreign,
        Some(id) if id.is_late(now) => Asked::Late(id.issued_at()),
        Some(id) => Asked::Ours(id.issued_at()),
    };
    (asked, id)
}

/// The store, if there is one already; to look at it, whichever Anteroom has made it.
async fn open(config: &Config) -> store::Result<Option<Arc<dyn Store>>> {
    let path = &config.store.database;
    if !path.exists() {
        return Ok(None);
    }
    store::open_to_read(&store::Settings::Sqlite { path: path.clone() }).await.map(Some)
}

/// What the store knows of organizations; without one, or with one that cannot be read, nothing.
async fn records(config: &Config) -> (Vec<OrganizationRecord>, Option<store::Error>) {
    let read = async {
        let Some(store) = open(config).await? else { return Ok(Vec::new()) };
        let records = store.organization_records().await;
        store.close().await;
        records
    };
    match read.await {
        Ok(records) => (records, None),
        Err(error) => (Vec::new(), Some(error)),
    }
}

/// What was kept under a reference: every check, or at least what the audit log says.
async fn explain_reference(config: &Config, reference: &str) -> Result<Answer, Failure> {
    let unknown = || {
        let message = format!(
            "nothing is kept under the reference {reference}; check it letter by letter, or look for the time in \
             `anteroom audit list --action sign_on.`"
        );
        Failure::new("no_such_reference", message)
    };
    let store = open(config).await?.ok_or_else(unknown)?;
    let kept = async { Ok((store.trace(reference).await?, store.audit_by_reference(reference).await?)) };
    let kept: store::Result<_> = kept.await;
    store.close().await;
    let (trace, entry) = kept?;
    let trace = trace.and_then(|trace| serde_json::from_value::<Report>(trace.report).ok());
    let report = trace.or_else(|| entry.as_ref().map(of_entry)).ok_or_else(unknown)?;
    Ok(sheet::answer(&report))
}

/// The one check that the audit log tells of.
fn of_entry(entry: &AuditEntry) -> Report {
    let detail = |name: &str| entry.details.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let reason = entry.reason.clone().unwrap_or_default();
    let check = Check {
        code: "sign_on".to_owned(),
        title: "The sign-on".to_owned(),
        outcome: Outcome::Failed,
        expected: detail("expected"),
        got: detail("got"),
        cause: detail("text").map(|text| sentence(&text)),
        remedy: Some(english_remedy(&reason).to_owned()),
        reason: Some(reason),
    };
    Report { at: entry.at, organization: detail("connection"), checks: vec![check] }
}
