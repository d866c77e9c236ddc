//! A mail as octets: RFC 5322 around the two forms of a letter.
//!
//! Separate from words and from delivery. The octets depend on nothing but the mail, so every try sends the same.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::email::EmailAddress;

use super::{Letter, Sender};

/// Everything that a mail consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The local part of its `Message-ID`: letters and digits.
    pub id: String,
    /// Whom it comes from.
    pub from: Sender,
    /// To whom.
    pub to: EmailAddress,
    /// Where an answer goes, if not back to the sender.
    pub reply_to: Option<EmailAddress>,
    /// Its date.
    pub at: Timestamp,
    /// What it says.
    pub letter: Letter,
}

/// Why a mail has no octets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that mail cannot carry.
    #[error("the address cannot stand in a mail")]
    Address(#[source] lettre::address::AddressError),
    /// A mail that is not complete.
    #[error("the mail is not complete")]
    Incomplete(#[source] lettre::error::Error),
}

impl Mail {
    /// The message with its envelope.
    pub fn to_message(&self) -> Result<Message, Error> {
        let from = mailbox(self.from.address(), self.from.name().map(|name| name.as_str().to_owned()))?;
        let message_id = format!("<{}@{}>", self.id, self.from.address().domain());
        let mut builder = Message::builder()
            .from(from)
            .to(mailbox(&self.to, None)?)
            .subject(self.letter.subject.clone())
            .date(date(self.at))
            .message_id(Some(message_id))
            .header(AutoSubmitted);
        if let Some(address) = &self.reply_to {
            builder = builder.reply_to(mailbox(address, None)?);
        }
        // The same at every try, and nothing that a letter could contain by chance.
        let boundary = format!("=_{}", self.id);
        let body = MultiPart::alternative()
            .boundary(boundary)
            .singlepart(SinglePart::plain(self.letter.text.clone()))
            .singlepart(SinglePart::html(self.letter.html.clone()));
        builder.multipart(body).map_err(Error::Incomplete)
    }
}

fn mailbox(address: &EmailAddress, name: Option<String>) -> Result<Mailbox, Error> {
    let (local, domain) = address.as_str().split_once('@').unwrap_or_default();
    Ok(Mailbox::new(name, Address::new(local, domain).map_err(Error::Address)?))
}

/// The moment to the second, which is all that a date says (RFC 5322 3.3).
fn date(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0))
}

/// Keeps holiday answers away (RFC 3834 5).
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
