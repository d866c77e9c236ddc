//! `anteroom audit …`: what has happened.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, dash, moment};
use super::{Failure, Format};
use crate::admin::{Admin, AuditVerified};
use crate::store::{AuditAnchor, AuditEntry, AuditFilter};

/// Read the audit log.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the newest events, newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Only events whose action begins with this, e.g. "request.".
        #[arg(long, value_name = "PREFIX")]
        action: Option<String>,
        /// Only events in which actor, subject, reason, reference or the address that a refused sign-on spoke of
        /// contain this.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Compute the chain of hashes anew; exit code 1 if anybody has changed the log.
    Verify {
        /// Begin at the head that an earlier verification printed: nothing up to there may have changed either.
        #[arg(long, value_name = "SEQ:HASH", value_parser = parse_head)]
        since: Option<AuditAnchor>,
    },
    /// Write all events as JSON, one a line, oldest first.
    Export {
        /// Only events after this place.
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: i64,
    },
}

impl Arguments {
    pub(super) async fn run(self, admin: &Admin, out: &mut dyn Write) -> Result<Answer, Failure> {
        match self.action {
            Action::List { limit, action, search } => {
                let filter =
                    AuditFilter { action_prefix: action, text: search, limit, ..AuditFilter::default() };
                let entries = admin.audit_search(&filter).await?;
                let rows: Vec<_> = entries.iter().map(row).collect();
                let columns = ["seq", "at", "action", "actor", "subject", "reason", "reference", "details"];
                Ok(Answer::list(columns, &rows, entries.iter().map(object).collect()))
            }
            Action::Verify { since } => verified(&admin.verify_audit(since).await?),
            Action::Export { after } => export(admin, after, out).await,
        }
    }
}

fn verified(outcome: &AuditVerified) -> Result<Answer, Failure> {
    match outcome {
        AuditVerified::Whole { checked, unchained, head } => {
            let (seq, hash) = (head.seq, hex(&head.hash));
            let older = match unchained {
                0 => String::new(),
                count => format!(", and {count} older ones from before the log was chained"),
            };
            let json = json!({
                "ok": true,
                "checked": checked,
                "unchained": unchained,
                "head": format!("{seq}:{hash}"),
            });
            Ok(Answer::new(format!("whole: {checked} entries{older}\nhead:  {seq}:{hash}"), json))
        }
        AuditVerified::Broken(broken) => {
            let report = json!({"ok": false, "problem": broken.to_string()});
            Err(Failure::new("audit_broken", format!("broken: {broken}")).with_report(report))
        }
    }
}

/// Writes as it reads, so that a log of any size needs little memory.
async fn export(admin: &Admin, mut after: i64, out: &mut dyn Write) -> Result<Answer, Failure> {
    loop {
        let entries = admin.audit_after(after).await?;
        let Some(last) = entries.last() else { return Ok(Answer::written()) };
        after = last.seq;
        for entry in &entries {
            // A reader who has gone away wants no more.
            if writeln!(out, "{}", object(entry)).is_err() {
                return Ok(Answer::written());
            }
        }
    }
}

fn row(entry: &AuditEntry) -> [String; 8] {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(dash);
    [
        entry.seq.to_string(),
        moment(entry.at),
        entry.action.clone(),
        entry.actor.clone(),
        or_dash(&entry.subject),
        or_dash(&entry.reason),
        or_dash(&entry.reference),
        entry.details.to_string(),
    ]
}

/// An event in JSON.
pub(super) fn object(entry: &AuditEntry) -> Value {
    json!({
        "seq": entry.seq,
        "at": entry.at.to_string(),
        "action": entry.action,
        "actor": entry.actor,
        "subject": entry.subject,
        "reason": entry.reason,
        "reference": entry.reference,
        "request_id": entry.request_id,
        "details": entry.details,
        "hash": entry.hash.as_ref().map(hex),
    })
}

fn hex(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::new(), |mut hex, octet| {
        write!(hex, "{octet:02x}").expect("writing to a string succeeds");
        hex
    })
}

/// Reads what `verify` prints as the head.
fn parse_head(text: &str) -> Result<AuditAnchor, &'static str> {
    const FORM: &str = "must be a number, a colon and 64 hexadecimal digits, as `audit verify` prints it";
    let (seq, digits) = text.split_once(':').ok_or(FORM)?;
    let seq = seq.parse().map_err(|_| FORM)?;
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(FORM);
    }
    let mut hash = [0_u8; 32];
    for (at, octet) in hash.iter_mut().enumerate() {
        let digits = digits.get(2 * at..2 * at + 2).ok_or(FORM)?;
        *octet = u8::from_str_radix(digits, 16).map_err(|_| FORM)?;
    }
    Ok(AuditAnchor { seq, hash })
}
