//! Warnings of certificates and metadata that will soon not count, or do not count any more.
//!
//! Separate because nobody asks for them: they are given in time, each once by whichever node is first, and stand in
//! the log and the audit log. Lists and metrics show the same at any time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::id::{self, OrganizationId};
use crate::saml::Certificate;
use crate::secret::sha256;
use crate::sign_on::SignOn;
use crate::sign_on::connections::{Connection, Connections};
use crate::store::{self, AuditEvent, ExpiryWarning};

/// When it was last looked, and at what.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<Option<(Timestamp, Arc<Connections>)>>);

/// How it stands with the identity provider of an organization, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderHealth {
    /// The organization.
    pub organization: OrganizationId,
    /// Whether people can be sent there: there is metadata, and it has not expired.
    pub is_ready: bool,
    /// The time until the last of its certificates expires; negative afterwards.
    pub expires_in: Option<SignedDuration>,
}

impl SignOn {
    /// How it stands with each identity provider, by organization.
    #[must_use]
    pub fn provider_health(&self) -> Vec<ProviderHealth> {
        let (connections, now) = (self.connections.load(), self.clock.now());
        let known = connections.all().map(|connection| ProviderHealth {
            organization: connection.organization.id.clone(),
            is_ready: connection.is_usable_at(now),
            expires_in: last_not_after(connection).map(|last| last.duration_since(now)),
        });
        let unready = connections.unready().iter().map(|organization| ProviderHealth {
            organization: organization.id.clone(),
            is_ready: false,
            expires_in: None,
        });
        let mut all: Vec<_> = known.chain(unready).collect();
        all.sort_by(|one, other| one.organization.cmp(&other.organization));
        all
    }

    /// Gives the warnings that are due. Looks once a minute, and when connections have changed.
    pub(super) async fn warn_of_expiry(&self, now: Timestamp) {
        let connections = self.connections.load_full();
        if !self.warned.is_due(&connections, now) {
            return;
        }
        for pair in &self.settings.load_full().service_provider.keys {
            let certificate = pair.certificate();
            let Some(days) = days_ahead(certificate.not_after(), now) else { continue };
            let warning =
                ExpiryWarning { subject: OWN.to_owned(), fingerprint: certificate.fingerprint(), days };
            self.warn_of(&warning, || own_event(certificate, days, now)).await;
        }
        for connection in connections.all() {
            for certificate in connection.idp.certificates() {
                let is_last = last_not_after(connection) == Some(certificate.not_after());
                let Some(days) = days_ahead(certificate.not_after(), now) else { continue };
                self.warn_of(&certificate_warning(connection, certificate, days), || {
                    certificate_event(connection, certificate, days, is_last, now)
                })
                .await;
            }
            if let Some(until) = connection.idp.valid_until().filter(|until| *until <= now) {
                self.warn_of(&metadata_warning(connection, until), || metadata_event(connection, until, now))
                    .await;
            }
        }
    }

    async fn warn_of(&self, warning: &ExpiryWarning, event: impl FnOnce() -> AuditEvent) {
        let event = event();
        let (action, details) = (event.action, event.details.to_string());
        match self.store.warn_of_expiry(warning, event).await {
            Ok(true) => tracing::warn!(subject = warning.subject, details, "{action}"),
            Ok(false) => {}
            Err(error) => tell_failure(&error),
        }
    }
}

fn tell_failure(error: &store::Error) {
    tracing::warn!(error = %error, cause = ?std::error::Error::source(error), "cannot note a warning");
}

impl Warned {
    fn is_due(&self, connections: &Arc<Connections>, now: Timestamp) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_done = last.as_ref().is_some_and(|(at, seen)| {
            Arc::ptr_eq(seen, connections) && now < at.saturating_add(EVERY).unwrap_or(*at)
        });
        if !is_done {
            *last = Some((now, Arc::clone(connections)));
        }
        !is_done
    }
}

fn last_not_after(connection: &Connection) -> Option<Timestamp> {
    connection.idp.certificates().iter().map(Certificate::not_after).max()
}

/// The strictest of the thresholds that has been passed, while there is still time.
fn days_ahead(not_after: Timestamp, now: Timestamp) -> Option<u16> {
    let left = not_after.duration_since(now);
    let passed = |days: &u16| left <= SignedDuration::from_hours(i64::from(*days) * 24);
    if left.is_negative() { None } else { DAYS_AHEAD.into_iter().rfind(passed) }
}

fn certificate_warning(connection: &Connection, certificate: &Certificate, days: u16) -> ExpiryWarning {
    ExpiryWarning { subject: connection.id.to_string(), fingerprint: certificate.fingerprint(), days }
}

fn certificate_event(
    connection: &Connection,
    certificate: &Certificate,
    days: u16,
    is_last: bool,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        subject: Some(connection.organization.id.to_string()),
        details: json!({
            "certificate": certificate.fingerprint(),
            "not_after": certificate.not_after().to_string(),
            "days": days,
            "last": is_last,
        }),
        ..AuditEvent::of_anteroom(now, "organization.certificate_expires")
    }
}

fn own_event(certificate: &Certificate, days: u16, now: Timestamp) -> AuditEvent {
    AuditEvent {
        details: json!({
            "certificate": certificate.fingerprint(),
            "not_after": certificate.not_after().to_string(),
            "days": days,
        }),
        ..AuditEvent::of_anteroom(now, "saml.certificate_expires")
    }
}

fn metadata_warning(connection: &Connection, until: Timestamp) -> ExpiryWarning {
    let text = format!("metadata of {} until {until}", connection.idp.entity_id());
    let fingerprint = id::hex(&sha256(text.as_bytes()));
    ExpiryWarning { subject: connection.id.to_string(), fingerprint, days: 0 }
}

fn metadata_event(connection: &Connection, until: Timestamp, now: Timestamp) -> AuditEvent {
    AuditEvent {
        subject: Some(connection.organization.id.to_string()),
        reason: Some("metadata_expired".to_owned()),
        details: json!({ "valid_until": until.to_string() }),
        ..AuditEvent::of_anteroom(now, "organization.metadata_expired")
    }
}

/// Whose our own certificates are; no organization's id has a space.
const OWN: &str = "our own";
/// First a friendly word, then urgent ones.
const DAYS_AHEAD: [u16; 4] = [60, 30, 7, 1];
const EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_threshold_that_was_passed_counts() {
        let now: Timestamp = "2026-06-15T10:30:00Z".parse().expect("a time");
        for (hours, expected) in [
            (61 * 24, None),
            (60 * 24, Some(60)),
            (31 * 24, Some(60)),
            (30 * 24, Some(30)),
            (7 * 24 + 1, Some(30)),
            (7 * 24, Some(7)),
            (25, Some(7)),
            (24, Some(1)),
            (0, Some(1)),
            (-1, None),
        ] {
            let not_after = now.saturating_add(SignedDuration::from_hours(hours)).expect("a time");
            assert_eq!(days_ahead(not_after, now), expected, "{hours}");
        }
    }
}
