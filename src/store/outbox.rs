//! The outbox: messages that were promised in a transaction, and how they are delivered.
//!
//! Separate as one subject of the contract, which `store` lists whole.

use jiff::Timestamp;

use crate::email::EmailAddress;

/// A message to be kept in the outbox until it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// To whom.
    pub recipient: EmailAddress,
    /// Messages of one topic that wait for one recipient are delivered as one mail.
    pub topic: String,
    /// What it says: a `mail::Notice` as JSON.
    pub notice: serde_json::Value,
    /// Of two messages with one key the second is dropped while the first is less than a day old.
    pub key: Option<String>,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place, from 1.
    pub id: i64,
    /// To whom.
    pub recipient: EmailAddress,
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub notice: serde_json::Value,
    /// When it was put there.
    pub created_at: Timestamp,
    /// How often delivery was tried.
    pub attempts: u32,
    /// Not before this.
    pub next_attempt_at: Timestamp,
    /// Why the last try failed.
    pub error: Option<String>,
    /// When it was delivered.
    pub sent_at: Option<Timestamp>,
}

/// Messages that go out as one mail, claimed by one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The same at every try, so that a receiver can tell a repetition.
    pub mail_id: String,
    /// To whom.
    pub recipient: EmailAddress,
    /// The messages, oldest first; at least one.
    pub messages: Vec<Message>,
}

/// How mail is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The time.
    pub now: Timestamp,
    /// Until when nobody else may try.
    pub until: Timestamp,
    /// The name for a batch that has none yet.
    pub mail_id: String,
    /// Mails that one recipient may get within an hour; what is more waits.
    pub hourly_max: u32,
}
