//! `anteroom mail …`: what waits to be delivered.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, dash, moment, moment_or_dash, printable};
use super::opened::Opened;
use super::{Failure, Format};
use crate::app::settings;
use crate::mail::{Notice, render};
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
    /// Show one message with its text.
    Show {
        /// The message's id, as `list` shows it.
        id: i64,
    },
}

impl Arguments {
    pub(super) async fn run(self, opened: &Opened) -> Result<Answer, Failure> {
        let all = match self.action {
            Action::List { all } => all,
            Action::Show { id } => return show(opened, id).await,
        };
        let messages = opened.admin.messages(!all).await?;
        let rows: Vec<_> = messages.iter().map(row).collect();
        let columns =
            ["id", "recipient", "kind", "created_at", "sent_at", "attempts", "next_attempt_at", "error"];
        Ok(Answer::list(columns, &rows, messages.iter().map(object).collect()))
    }
}

/// A message as it would be read if it went out alone.
async fn show(opened: &Opened, id: i64) -> Result<Answer, Failure> {
    let Some(message) = opened.admin.message(id).await? else {
        let message = format!("there is no message {id}; `anteroom mail list --all` shows all that are kept");
        return Err(Failure::new("no_such_message", message));
    };
    let letter = serde_json::from_value::<Notice>(message.notice.clone())
        .map(|notice| render(&[notice], &settings::words(&opened.config)));
    let mut json = object(&message);
    // What a newer version has put there cannot be told by this one.
    let (subject, text) =
        letter.map_or_else(|_| (String::new(), String::new()), |one| (one.subject, one.text));
    let text = text.replace('\r', "");
    if let Some(json) = json.as_object_mut() {
        json.insert("subject".to_owned(), Value::String(subject.clone()));
        json.insert("text".to_owned(), Value::String(text.clone()));
    }
    let lines = format!("To: {}\nSubject: {subject}\n\n{text}", message.recipient);
    Ok(Answer::new(lines.lines().map(printable).collect::<Vec<_>>().join("\n"), json))
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
