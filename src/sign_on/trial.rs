//! Trial sign-ons: a real request and a real answer, which end in a report instead of a session.
//!
//! Separate because nothing here may ever lead into a session: the ID of a trial's request says that it is one,
//! under its MAC, and an answer to it comes here and nowhere else.
//!
//! Rules: an answer counts once; only who works the support console gets to see the report.

use std::sync::Arc;

use serde_json::json;
use url::Url;

use crate::directory::User;
use crate::sign_on::SignOn;
use crate::sign_on::answer::{Answer, Arrived, FAILED_DECRYPTION};
use crate::sign_on::connections::Connection;
use crate::sign_on::decryption;
use crate::sign_on::report::{Asked, Inquiry, Report, Usage};
use crate::sign_on::request_id::{Purpose, RequestId};
use crate::sign_on::traces::Seen;
use crate::store::{self, ConnectionTest, Consumed, Consumption};

impl SignOn {
    /// Begins a trial of a connection, paused or not, for an agent or else for an operator at the command line;
    /// returns its ID and where to send the browser.
    pub async fn begin_trial(
        &self,
        connection: &Connection,
        agent: Option<&User>,
        request_id: &str,
    ) -> store::Result<(String, Url)> {
        let (id, redirect_url) = self.request(Purpose::Trial, connection, None);
        let test = ConnectionTest {
            request_id: id.as_str().to_owned(),
            connection: connection.id.clone(),
            agent: agent.map(|agent| agent.id.clone()),
            begun_at: self.clock.now(),
            report: None,
        };
        let actor = agent.map_or("command", |agent| agent.email.as_str());
        let mut event = self.audit_event("connection.test_begun", actor, request_id);
        event.subject = Some(connection.organization.id.as_str().to_owned());
        event.details = json!({ "test": id.as_str() });
        self.store.begin_connection_test(&test, event).await?;
        Ok((id.as_str().to_owned(), redirect_url))
    }

    /// What a trial has found; `None` if there is none of that ID, or nobody has answered it yet.
    pub async fn trial_report(&self, id: &str) -> store::Result<Option<Report>> {
        let report = self.store.connection_test(id).await?.and_then(|test| test.report);
        Ok(report.and_then(|report| serde_json::from_value(report).ok()))
    }

    /// The trial that a message claims to answer which cannot even be read. The ID proves itself, wherever it
    /// stands.
    pub(super) fn trial_of_unreadable(&self, octets: &[u8]) -> Option<RequestId> {
        let text = str::from_utf8(octets).ok()?;
        let (_, rest) = text.split_once("InResponseTo=\"")?;
        let (id, _) = rest.split_once('"')?;
        RequestId::parse(id, &self.request_key).filter(|id| id.purpose() == Purpose::Trial)
    }

    /// Checks everything that a sign-on would, as far as it gets, and keeps what was found.
    pub(super) async fn answer_trial(
        &self,
        arrived: Arrived<'_>,
        id: &RequestId,
        connection: &Arc<Connection>,
        request_id: &str,
    ) -> store::Result<Answer> {
        let test = self.store.connection_test(id.as_str()).await?;
        let is_open = test.is_some_and(|test| test.connection == connection.id && test.report.is_none());
        let octets = arrived.octets;
        let seen = Seen { octets, connection: Some(connection), id: Some(id), ..Seen::default() };
        let found = if is_open { self.examine(arrived, id, connection).await? } else { Found::UsedBefore };
        let report = match found {
            Found::Report(report) => report,
            Found::UsedBefore => return self.replayed((seen, None), "request_replayed", request_id).await,
            Found::Busy => return Ok(Answer::Busy),
        };
        let failure = report.failure().map(|check| check.code.clone());
        let mut event = self.audit_event("connection.tested", "anteroom", request_id);
        event.subject = Some(connection.organization.id.as_str().to_owned());
        event.details = json!({ "test": id.as_str(), "failed": failure });
        let kept = serde_json::to_value(&report).expect("texts and times always have a JSON form");
        if !self.store.finish_connection_test(id.as_str(), kept, event).await? {
            return self.replayed((seen, None), "request_replayed", request_id).await;
        }
        if failure.as_deref() == Some(FAILED_DECRYPTION) {
            decryption::until_told(arrived.began).await;
        }
        tracing::info!(connection = %connection.id, failed = failure, "trial sign-on answered");
        let organization = connection.organization.id.clone();
        Ok(Answer::Tested { request_id: id.as_str().to_owned(), organization })
    }

    /// An answer that is genuine is used up by being looked at.
    async fn examine(
        &self,
        arrived: Arrived<'_>,
        id: &RequestId,
        connection: &Arc<Connection>,
    ) -> store::Result<Found> {
        let now = self.clock.now();
        let is_late = id.is_late(now);
        let mut verified = None;
        let mut newer = None;
        if let Ok(response) = arrived.message {
            let Some(found) = self.verify_message(response, connection, id).await else {
                return Ok(Found::Busy);
            };
            newer = match &found {
                Err(refusal) if !is_late => self.newer(connection, refusal.reason().code()).await?,
                _ => None,
            };
            verified = match &newer {
                None => Some(found),
                Some(newer) => self.verify_message(response, newer, id).await,
            };
            if verified.is_none() {
                return Ok(Found::Busy);
            }
        }
        let connection = newer.as_ref().unwrap_or(connection);
        if !is_late && let Some(Ok(assertion)) = verified {
            let consumption = Consumption {
                connection: connection.id.clone(),
                request_id: id.as_str().to_owned(),
                assertion_id: assertion.id().to_owned(),
                expires_at: assertion.expires_at(),
            };
            if self.store.consume(&consumption).await? != Consumed::First {
                return Ok(Found::UsedBefore);
            }
        }
        Ok(Found::Report(Report::examine(&Inquiry {
            octets: arrived.octets,
            connection: Some(connection),
            settings: &self.settings.load(),
            asked: if is_late { Asked::Late(id.issued_at()) } else { Asked::Ours(id.issued_at()) },
            is_paused: false,
            usage: Usage::First,
            now,
        })))
    }
}

/// What there is to say about the answer to a trial.
enum Found {
    Report(Report),
    /// It, or another answer to the same request, has been used before.
    UsedBefore,
    /// Too many others are being decrypted.
    Busy,
}
