//! What a message says, before it has words.
//!
//! Separate because whoever causes a message (`admin`) knows what happened, and only `render` knows how it is told:
//! the outbox keeps this, so that texts can improve and several messages can become one mail.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::email::EmailAddress;
use crate::store::NewMessage;

/// What a message says. All texts are for people and unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// To a user: you have been let in.
    AccessGranted {
        /// The user's organization.
        organization: String,
        /// What was granted.
        access: Vec<Access>,
        /// What the agent wrote along.
        note: Option<String>,
    },
    /// To a user who waits: you have not been let in.
    AccessDenied {
        /// The user's organization.
        organization: String,
        /// The property that access was asked for.
        property: String,
        /// Why.
        reason: String,
    },
    /// To a user who waits: something has to be found out first.
    AccessDelayed {
        /// The user's organization.
        organization: String,
        /// The property that access was asked for.
        property: String,
        /// What support wants to know; the requester was asked too.
        question: String,
    },
    /// To a requester: the person you asked for has been let in.
    RequestApproved {
        /// The request.
        request: Request,
        /// What was granted.
        access: Vec<Access>,
        /// What the agent wrote along.
        note: Option<String>,
    },
    /// To a requester: the person you asked for has not been let in.
    RequestDenied {
        /// The request.
        request: Request,
        /// Why.
        reason: String,
    },
    /// To a requester: please answer this first.
    InformationNeeded {
        /// The request.
        request: Request,
        /// What support wants to know.
        question: String,
    },
    /// To support: a request has come in, or a requester has answered.
    RequestReceived {
        /// The request.
        request: Request,
        /// Who asks.
        requester: String,
        /// What the requester wrote.
        note: Option<String>,
    },
    /// To support: what is in the queue.
    QueueDigest {
        /// For each open state, how many requests, the name of the state as in JSON.
        counts: Vec<(String, u64)>,
        /// When the oldest of them was filed.
        oldest_at: Timestamp,
    },
    /// To those who may request access: somebody waits and says where they work.
    SomebodyWaits {
        /// The person's organization.
        organization: String,
        /// The person's address.
        email: String,
        /// The person's name, if known.
        name: Option<String>,
        /// The id of the property that was chosen, for the link to the form.
        property: Option<String>,
        /// Where the person says they work.
        workplace: String,
    },
}

/// A request, as messages name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: String,
    /// For whom: the address.
    pub email: String,
    /// For whom: the name, if known.
    pub name: Option<String>,
    /// The organization's name.
    pub organization: String,
    /// The property's name, or what stands for all of them.
    pub property: String,
    /// The level.
    pub level: String,
}

/// Access to one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The property's name, or what stands for all of them.
    pub property: String,
    /// The level.
    pub level: String,
    /// The moment from which on it no longer holds.
    pub until: Option<Timestamp>,
}

impl Notice {
    /// The message to one recipient, for the outbox. Messages of one topic that wait together become one mail;
    /// those about one person or request stay by themselves.
    #[must_use]
    pub fn to(&self, recipient: &EmailAddress) -> NewMessage {
        let (topic, key) = match self {
            Self::AccessGranted { .. } | Self::AccessDenied { .. } | Self::AccessDelayed { .. } => {
                ("access".to_owned(), None)
            }
            Self::RequestApproved { request, .. }
            | Self::RequestDenied { request, .. }
            | Self::InformationNeeded { request, .. } => (format!("request {}", request.id), None),
            Self::RequestReceived { .. } => ("queue".to_owned(), None),
            Self::QueueDigest { oldest_at: _, counts: _ } => ("digest".to_owned(), Some("digest".to_owned())),
            // However often somebody says it: a manager hears of a person once a day.
            Self::SomebodyWaits { email, .. } => {
                ("waiting".to_owned(), Some(format!("waiting {email} {recipient}")))
            }
        };
        NewMessage {
            recipient: recipient.clone(),
            topic,
            notice: serde_json::to_value(self).expect("texts and times always have a JSON form"),
            key,
        }
    }
}
