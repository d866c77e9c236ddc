//! Traces: what was found out about a refused answer, kept under the reference that the visitor was shown.
//!
//! Separate because it is done for people who ask later: it has no say in what is refused, and whatever goes wrong
//! here is no reason to answer otherwise.
//!
//! Rules: only masked reports are kept; of a flood only some are looked at twice; who gets to see them is decided
//! by `routes` (the support console) and by who may run commands.

use std::sync::Arc;

use crate::saml::{self, diagnosis};
use crate::sign_on::SignOn;
use crate::sign_on::connections::Connection;
use crate::sign_on::report::{Asked, Inquiry, Report, Usage};
use crate::sign_on::request_id::RequestId;
use crate::store::{self, AuditEvent, Trace};

/// What is known of an answer that is refused.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    /// The message.
    pub(super) octets: &'a [u8],
    /// Whether it has to be decrypted.
    pub(super) is_encrypted: bool,
    /// Why it could not be decoded.
    pub(super) undecoded: Option<&'a saml::Refusal>,
    /// Whose answer it is.
    pub(super) connection: Option<&'a Arc<Connection>>,
    /// The request that it answers.
    pub(super) id: Option<&'a RequestId>,
}

impl SignOn {
    /// What was found out about the answer that was refused under a reference; `None` if nothing is kept of it.
    pub async fn trace(&self, reference: &str) -> store::Result<Option<Report>> {
        let trace = self.store.trace(reference).await?;
        Ok(trace.and_then(|trace| serde_json::from_value(trace.report).ok()))
    }

    /// Writes a refusal down with its trace, as long as it is not a flood.
    pub(super) async fn keep_refusal(&self, mut event: AuditEvent, seen: Seen<'_>) -> store::Result<()> {
        if !self.refusals.take(event.at) {
            return Ok(());
        }
        let Some(reference) = event.reference.clone().filter(|_| self.traces.take(event.at)) else {
            return self.store.audit(event).await;
        };
        // To look again is to decrypt again.
        let turn = if seen.is_encrypted { self.decryptions.turn().await } else { None };
        if seen.is_encrypted && turn.is_none() {
            return self.store.audit(event).await;
        }
        let report = self.look_again(seen, event.reason.as_deref().unwrap_or_default());
        drop(turn);
        let trace = Trace {
            reference,
            at: event.at,
            connection: seen.connection.map(|connection| connection.id.clone()),
            report: serde_json::to_value(&report).expect("texts and times always have a JSON form"),
        };
        if let Some(details) = event.details.as_object_mut() {
            details.insert("trace".to_owned(), true.into());
        }
        self.store.audit_with_trace(event, &trace).await
    }

    fn look_again(&self, seen: Seen<'_>, reason: &str) -> Report {
        let now = self.clock.now();
        if let Some(refusal) = seen.undecoded {
            return Report::of_unreadable(refusal, now).masked();
        }
        let connections = self.connections.load_full();
        let by_issuer = || connections.by_entity_id(&diagnosis::hints(seen.octets).issuer?);
        let usage = match reason {
            "request_replayed" => Usage::Before("request_replayed"),
            "assertion_replayed" => Usage::Before("assertion_replayed"),
            _ => Usage::Unknown,
        };
        let inquiry = Inquiry {
            octets: seen.octets,
            connection: seen.connection.or_else(by_issuer),
            settings: &self.settings.load(),
            asked: match seen.id {
                Some(id) if id.is_late(now) => Asked::Late(id.issued_at()),
                Some(id) => Asked::Ours(id.issued_at()),
                None => Asked::Foreign,
            },
            is_paused: reason == "connection_paused",
            usage,
            now,
        };
        Report::examine(&inquiry).masked()
    }
}
