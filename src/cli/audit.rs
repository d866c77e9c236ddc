//! `anteroom audit …`: what has happened.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, dash, moment};
use super::{Failure, Format};
use crate::admin::Admin;
use crate::store::AuditEntry;

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
    },
}

impl Arguments {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let Action::List { limit } = self.action;
        let entries = admin.audit_entries(limit).await?;
        let rows: Vec<_> = entries.iter().map(row).collect();
        let columns = ["seq", "at", "action", "actor", "subject", "reason", "reference", "details"];
        Ok(Answer::list(columns, &rows, entries.iter().map(object).collect()))
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

fn object(entry: &AuditEntry) -> Value {
    json!({
        "seq": entry.seq,
        "at": entry.at.to_string(),
        "action": entry.action,
        "actor": entry.actor,
        "subject": entry.subject,
        "reason": entry.reason,
        "reference": entry.reference,
        "details": entry.details,
    })
}
