//! `anteroom mail …`: what waits to be delivered.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, dash, moment, moment_or_dash};
use super::{Failure, Format};
use crate::admin::Admin;
use crate::store::Message;

/// Look at the outbox.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List messages that wait to be delivered, the newest first.
    List {
        /// Those that have been delivered, too, as long as they are kept.
        #[arg(long)]
        all: bool,
    },
}

impl Arguments {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let Action::List { all } = self.action;
        let messages = admin.messages(!all).await?;
        let rows: Vec<_> = messages.iter().map(row).collect();
        let columns =
            ["id", "recipient", "kind", "created_at", "sent_at", "attempts", "next_attempt_at", "error"];
        Ok(Answer::list(columns, &rows, messages.iter().map(object).collect()))
    }
}

fn row(message: &Message) -> [String; 8] {
    let next = if message.sent_at.is_some() { dash() } else { moment(message.next_attempt_at) };
    [
        message.id.to_string(),
        message.recipient.to_string(),
        kind(message).to_owned(),
        moment(message.created_at),
        moment_or_dash(message.sent_at),
        message.attempts.to_string(),
        next,
        message.error.clone().unwrap_or_else(dash),
    ]
}

/// A message in JSON.
fn object(message: &Message) -> Value {
    json!({
        "id": message.id,
        "recipient": message.recipient.as_str(),
        "topic": message.topic,
        "kind": kind(message),
        "notice": message.notice,
        "created_at": message.created_at.to_string(),
        "sent_at": message.sent_at.map(|at| at.to_string()),
        "attempts": message.attempts,
        "next_attempt_at": message.next_attempt_at.to_string(),
        "error": message.error,
    })
}

/// What the message is about.
fn kind(message: &Message) -> &str {
    message.notice.get("kind").and_then(Value::as_str).unwrap_or("-")
}
