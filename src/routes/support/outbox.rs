//! The outbox, as agents look into it.
//!
//! Separate because it only shows: what is sent when is the courier's.

use http::StatusCode;

use crate::mail::{self, Notice};
use crate::pages::support::{MailLine, MailMessage, MailState, Mailbox, Section};
use crate::routes::work::{Desk, Handled, Reply};
use crate::store::Message;

impl Desk {
    /// `GET /.anteroom/support/mail`.
    pub(super) async fn mailbox(&self) -> Handled {
        let before = self.query.get("before").and_then(|before| before.parse().ok());
        let (messages, has_more) = self.admin().messages_before(before).await?;
        let view = Mailbox {
            agent: self.agent(),
            is_connected: self.shared.courier.settings().route.is_some(),
            rows: messages.iter().map(|message| self.mail_line(message).0).collect(),
            next_before: messages.last().filter(|_| has_more).map(|message| message.id),
        };
        Ok(Reply::Page(StatusCode::OK, view.render(self.brand())))
    }

    /// `GET /.anteroom/support/mail/{id}`.
    pub(super) async fn mail_message(&self, id: i64) -> Handled {
        let Some(message) = self.admin().message(id).await? else {
            return Ok(self.no_such(Section::Mail));
        };
        let (line, text) = self.mail_line(&message);
        let is_connected = self.shared.courier.settings().route.is_some();
        let view = MailMessage { agent: self.agent(), is_connected, line, text };
        Ok(Reply::Page(StatusCode::OK, view.render(self.brand())))
    }

    /// A message with its text.
    fn mail_line(&self, message: &Message) -> (MailLine, String) {
        let settings = self.shared.courier.settings();
        let letter = serde_json::from_value::<Notice>(message.notice.clone())
            .map(|notice| mail::render(&[notice], &settings.words));
        // What a newer version has put there cannot be told by this one.
        let (subject, text) = letter
            .map_or_else(|_| (message.topic.clone(), String::new()), |letter| (letter.subject, letter.text));
        let state = match (message.sent_at, &message.error) {
            (Some(at), _) => MailState::Sent(self.moment(at)),
            (None, Some(error)) => MailState::Failed {
                error: error.clone(),
                attempts: message.attempts,
                next: self.moment(message.next_attempt_at),
            },
            (None, None) => MailState::Waiting,
        };
        let line = MailLine {
            id: message.id,
            recipient: message.recipient.as_str().to_owned(),
            subject,
            created: self.moment(message.created_at),
            state,
        };
        (line, text)
    }
}
