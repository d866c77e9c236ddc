//! Recent sign-ons and refusals, with their explanation.
//!
//! Separate because it reads the audit log as people ask about it: by the reference that a visitor was shown.

use http::StatusCode;
use jiff::Timestamp;

use crate::directory::Organization;
use crate::pages::Moment;
use crate::pages::support::{Claim, SignOnLine, SignOnOutcome, SignOns, Trace};
use crate::routes::support::trials::check_line;
use crate::routes::work::{Desk, Handled, Reply};
use crate::store::AuditEntry;

impl Desk {
    /// `GET /.anteroom/support/sign-ons`.
    pub(super) async fn sign_ons(&self) -> Handled {
        let text = self.query.get("q");
        let before = self.query.get("before").and_then(|before| before.parse().ok());
        let entries = self.admin().sign_ons(text, before).await?;
        let organizations = self.admin().organizations().await?;
        let trace = match text {
            Some(text) => self.trace(text.trim()).await?,
            None => None,
        };
        let is_full = entries.len() >= ROWS_FULL;
        let view = SignOns {
            agent: self.agent(),
            text: text.unwrap_or_default().to_owned(),
            next_before: entries.last().filter(|_| is_full).map(|entry| entry.seq),
            rows: entries
                .iter()
                .map(|entry| {
                    let line = sign_on_line(entry, &organizations, self.now);
                    // The page of its own trace needs no way there.
                    SignOnLine { has_trace: line.has_trace && trace.is_none(), ..line }
                })
                .collect(),
            trace,
        };
        Ok(Reply::Page(StatusCode::OK, view.render(self.brand())))
    }

    /// Every check of a refused sign-on, if what was looked for is its reference.
    async fn trace(&self, text: &str) -> crate::admin::Result<Option<Trace>> {
        let reference = text.to_ascii_uppercase();
        let report = self.shared.sign_on.trace(&reference).await?;
        Ok(report
            .map(|report| Trace { reference, checks: report.checks.into_iter().map(check_line).collect() }))
    }
}

/// A line of the audit log as people read it.
pub(super) fn sign_on_line(entry: &AuditEntry, organizations: &[Organization], now: Timestamp) -> SignOnLine {
    let detail = |name: &str| entry.details.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let subject = entry.subject.as_deref().unwrap_or_default();
    let (email, id) = if subject.contains('@') {
        (Some(subject.to_owned()), detail("connection"))
    } else {
        (None, Some(subject.to_owned()).filter(|id| !id.is_empty()))
    };
    // An organization has one connection, which has its id.
    let organization = id.map(|id| {
        let known = organizations.iter().find(|organization| organization.id.as_str() == id);
        known.map_or(id, |organization| organization.name.as_str().to_owned())
    });
    let claimed = entry.details.get("claimed").and_then(|claimed| {
        let text = |name: &str| claimed.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let is_verified = claimed.get("verified").and_then(serde_json::Value::as_bool).unwrap_or_default();
        Some(Claim { whom: text("email").or_else(|| text("subject"))?, is_verified })
    });
    let outcome = match entry.action.as_str() {
        "sign_on.accepted" => SignOnOutcome::Accepted,
        "sign_on.unsolicited" => SignOnOutcome::Unsolicited,
        "sign_on.refused" => SignOnOutcome::Refused {
            code: entry.reason.clone().unwrap_or_default(),
            explanation: detail("text").unwrap_or_default(),
            expected: detail("expected"),
            got: detail("got"),
        },
        other => SignOnOutcome::Other(other.to_owned()),
    };
    SignOnLine {
        at: Moment::new(entry.at, now),
        email,
        organization,
        claimed,
        outcome,
        reference: entry.reference.clone(),
        has_trace: entry.details.get("trace").and_then(serde_json::Value::as_bool).unwrap_or_default(),
    }
}

/// As many as `admin` gives at once.
const ROWS_FULL: usize = 100;
