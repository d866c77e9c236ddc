//! The hash chain of the audit log: every entry is bound to all entries before it.
//!
//! Separate and pure, so that whoever verifies the log computes it from what they read, without a database.
//!
//! Rules:
//! - The hash is SHA-256 over a label, the hash of the entry before, and every field of the entry. The first entry
//!   follows [`START`]; the first that is left after older ones were removed follows the anchor.
//! - No two entries have the same encoding: numbers have eight octets, texts their length in front, and a text
//!   that is missing differs from an empty one.
//! - Details count as the value that they are, written without white space, not as the octets of the database.

use aws_lc_rs::digest::{Context, SHA256};

use crate::store::AuditEntry;

/// What stands for the hash before the first entry.
pub const START: [u8; 32] = [0; 32];

/// The hash of an entry that follows one of hash `previous`. Its own `hash` is not looked at.
#[must_use]
pub fn link(previous: &[u8; 32], entry: &AuditEntry) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(LABEL);
    context.update(previous);
    context.update(&entry.seq.to_be_bytes());
    context.update(&entry.at.as_millisecond().to_be_bytes());
    let details = entry.details.to_string();
    for text in [
        Some(entry.action.as_str()),
        Some(entry.actor.as_str()),
        entry.subject.as_deref(),
        entry.reason.as_deref(),
        entry.reference.as_deref(),
        entry.request_id.as_deref(),
        Some(details.as_str()),
    ] {
        add(&mut context, text);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn add(context: &mut Context, text: Option<&str>) {
    let Some(text) = text else { return context.update(&[0]) };
    context.update(&[1]);
    context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    context.update(text.as_bytes());
}

/// Keeps these hashes apart from all others, and from those of a later encoding.
const LABEL: &[u8] = b"anteroom audit 1\n";

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            seq: 1,
            at: "2026-11-23T12:00:00Z".parse().unwrap(),
            action: "user.granted".to_owned(),
            actor: "command".to_owned(),
            subject: Some("adele@contoso.com".to_owned()),
            reason: None,
            reference: None,
            request_id: None,
            details: json!({ "level": "viewer", "a": 1 }),
            hash: None,
        }
    }

    #[test]
    fn every_field_and_the_entry_before_count() {
        let own = link(&START, &entry());
        assert_eq!(own, link(&START, &AuditEntry { hash: Some(own), ..entry() }), "except the hash itself");
        let text = |text: &str| Some(text.to_owned());
        let others = [
            AuditEntry { seq: 2, ..entry() },
            AuditEntry { at: "2026-11-23T12:00:00.001Z".parse().unwrap(), ..entry() },
            AuditEntry { action: "user.grante".to_owned(), actor: "dcommand".to_owned(), ..entry() },
            AuditEntry { subject: None, ..entry() },
            AuditEntry { reason: text(""), ..entry() },
            AuditEntry { reference: text(""), ..entry() },
            AuditEntry { request_id: text(""), ..entry() },
            AuditEntry { subject: None, reason: entry().subject, ..entry() },
            AuditEntry { details: json!({ "level": "viewer" }), ..entry() },
        ];
        let mut seen = vec![own, link(&[1; 32], &entry())];
        seen.extend(others.iter().map(|other| link(&START, other)));
        let different: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len());
    }

    #[test]
    fn the_order_and_spacing_of_details_do_not_count() {
        let read = serde_json::from_str(r#"{ "level": "viewer",  "a": 1 }"#).unwrap();
        assert_eq!(link(&START, &entry()), link(&START, &AuditEntry { details: read, ..entry() }));
    }

    /// The encoding is for ever: a log of today is verified by the program of some other year.
    #[test]
    fn the_encoding_has_not_changed() {
        let hash = STANDARD.encode(link(&START, &entry()));
        assert_eq!(hash, "3Sw7efWyle0fClqTxH/81DpWl5B9098Z1qh6ve/vtl0=");
    }
}
