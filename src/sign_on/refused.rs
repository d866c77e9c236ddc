//! Why a message of an identity provider is not accepted, with both sides of the failed check for support.
//!
//! Separate because answers and logouts are refused with the same words, and the log and the audit log tell both
//! in the same form.

use serde_json::json;

use crate::saml;
use crate::sign_on::claimed::Claimed;
use crate::sign_on::connections::Connection;
use crate::store::AuditEvent;

/// What was wrong with a message.
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) text: String,
    pub(super) expected: Option<String>,
    pub(super) got: Option<String>,
    /// Whom the message spoke of, if that can be told.
    pub(super) claimed: Option<Box<Claimed>>,
}

impl Refused {
    pub(super) fn of(refusal: &saml::Refusal) -> Self {
        Self {
            reason: refusal.reason().code(),
            text: refusal.reason().explanation().to_owned(),
            expected: refusal.expected_text().map(str::to_owned),
            got: refusal.got_text().map(str::to_owned),
            claimed: None,
        }
    }

    pub(super) fn plain(reason: &'static str, text: &str) -> Self {
        Self { reason, text: text.to_owned(), expected: None, got: None, claimed: None }
    }

    pub(super) fn about(self, claimed: Option<Claimed>) -> Self {
        Self { claimed: claimed.map(Box::new), ..self }
    }

    /// Fills in an event that tells of it, under the reference that the visitor is shown.
    pub(super) fn describe(&self, event: &mut AuditEvent, connection: Option<&Connection>, reference: &str) {
        event.subject = connection.map(|connection| connection.id.as_str().to_owned());
        event.reason = Some(self.reason.to_owned());
        event.reference = Some(reference.to_owned());
        event.details = json!({ "text": self.text, "expected": self.expected, "got": self.got });
        if let (Some(details), Some(claimed)) = (event.details.as_object_mut(), &self.claimed) {
            details.insert("claimed".to_owned(), claimed.details());
        }
    }
}
