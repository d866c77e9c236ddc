//! `[mail]`: how people are told what has happened.
//!
//! Separate, as every section has a file with its valid form and its rules; what the URL of a mail server means is
//! said in `mail::smtp`.

use crate::mail::smtp::{self, Server};
use crate::mail::{Sender, sender};

use super::file;
use super::reading::{Fault, Read, Reading, Told};

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server and the sender; without them messages wait.
    pub route: Option<(Server, Sender)>,
    /// Whether support is told once a day of what is still open.
    pub digest: bool,
}

pub(super) fn read(typed: &file::Mail, reading: &mut Reading<'_>) -> Read<Mail> {
    let server = reading.optional("mail.smtp", typed.smtp.as_deref(), |text| {
        Server::parse(text).map_err(|error| Fault::new(error.to_string(), smtp_remedy(error)))
    });
    let from = reading.optional("mail.from", typed.from.as_deref(), |text| {
        Sender::parse(text).map_err(|error| sender_fault(text, &error))
    });
    let (server, from) = (server?, from?);
    let route = match (server, from) {
        (Some(server), Some(from)) => Some((server, from)),
        (Some(_), None) => {
            let remedy = "write whom mail comes from, e.g. from = \"ServusConnect <no-reply@example.com>\"";
            reading.findings.missing("mail.from", remedy);
            return Err(Told);
        }
        (None, _) => None,
    };
    Ok(Mail { route, digest: typed.digest.unwrap_or(true) })
}

/// The URL may hold a password and is not repeated.
const fn smtp_remedy(error: smtp::Error) -> &'static str {
    match error {
        smtp::Error::Form => {
            "write smtp:// or smtps://, host and port, e.g. \"smtps://user:password@mail.example.com:465\"; \
             escape special characters of a password (@ is %40)"
        }
        smtp::Error::More => "remove what comes after the port, other than ?tls=required",
        smtp::Error::Tls => "write ?tls=required, ?tls=opportunistic or ?tls=none",
        smtp::Error::TlsTwice => "remove ?tls=",
        smtp::Error::HalfCredentials => "write USER:PASSWORD@ before the host, or neither",
        smtp::Error::ClearPassword => "remove ?tls=none",
    }
}

fn sender_fault(text: &str, error: &sender::Error) -> Fault {
    Fault::new(
        format!("{text:?}: {error}"),
        "write one address, e.g. \"no-reply@example.com\" or \"ServusConnect <no-reply@example.com>\"",
    )
}
