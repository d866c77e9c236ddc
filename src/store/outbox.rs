//! The outbox: messages that were promised in a transaction, and how they are delivered.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::email::EmailAddress;
use crate::store::Result;

/// Putting messages in, claiming and delivering them.
#[async_trait]
pub trait Outbox {
    /// Claims what is due for one recipient and topic: a batch that was tried before goes out as it was, else
    /// all messages that wait together. Counts the try. A recipient who has had enough mail within the hour is
    /// put off, not dropped.
    async fn claim_mail(&self, claim: &Claim) -> Result<Option<Batch>>;
    /// Notes that a batch was delivered.
    async fn mail_sent(&self, mail_id: &str, now: Timestamp) -> Result<()>;
    /// Notes that a batch was not delivered, and when to try again.
    async fn mail_failed(&self, mail_id: &str, error: &str, next_attempt_at: Timestamp) -> Result<()>;
    /// Puts messages into the outbox that no change causes.
    async fn post_mail(&self, messages: &[NewMessage], now: Timestamp) -> Result<()>;
    /// Gives back what was claimed by servers that are no more, at the start of a server; how many messages. A
    /// store that has one server at a time knows that it is all of them; another one has to leave it to the time
    /// until which they are claimed.
    async fn release_mail(&self) -> Result<u64>;
    /// The newest messages, newest first: those still waiting, or all.
    /// With `before`, only those before that place, for paging.
    async fn messages(&self, only_waiting: bool, before: Option<i64>, limit: u32) -> Result<Vec<Message>>;
    /// One message, delivered or not.
    async fn message(&self, id: i64) -> Result<Option<Message>>;
    /// How many messages wait.
    async fn mail_waiting(&self) -> Result<u64>;
}

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
