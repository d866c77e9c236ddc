//! Whom mail comes from: `mail.from`.
//!
//! Separate because it is read from text that an operator typed, and its domain names every message.

use std::fmt;

use crate::directory::{self, DisplayName};
use crate::email::{self, EmailAddress};

/// Why a text is not a sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address.
    #[error("the address {0}")]
    Address(#[source] email::Error),
    /// The name before it.
    #[error("the name {0}")]
    Name(#[source] directory::Error),
}

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    name: Option<DisplayName>,
    address: EmailAddress,
}

impl Sender {
    /// Reads `name@domain`, `Name <name@domain>` or `"Name" <name@domain>`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) else {
            return Ok(Self { name: None, address: EmailAddress::parse(text).map_err(Error::Address)? });
        };
        let address = EmailAddress::parse(address.trim()).map_err(Error::Address)?;
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name);
        if name.is_empty() {
            return Ok(Self { name: None, address });
        }
        Ok(Self { name: Some(DisplayName::parse(name).map_err(Error::Name)?), address })
    }

    /// The name, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&DisplayName> {
        self.name.as_ref()
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> &EmailAddress {
        &self.address
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => self.address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_addresses_with_or_without_a_name() {
        for (text, expected) in [
            ("no-reply@example.com", Some("no-reply@example.com")),
            (" No-Reply@Example.com ", Some("no-reply@example.com")),
            ("Anteroom <no-reply@example.com>", Some("Anteroom <no-reply@example.com>")),
            ("\"Ünal, Söns & Co.\"<a@example.com>", Some("Ünal, Söns & Co. <a@example.com>")),
            ("<a@example.com>", Some("a@example.com")),
            ("A <B> <a@example.com>", Some("A <B> <a@example.com>")),
            ("", None),
            ("Anteroom", None),
            ("Anteroom <>", None),
            ("Anteroom a@example.com", None),
            ("a@example.com, b@example.com", None),
            ("A\r\nBcc: x <a@example.com>", None),
            ("A\u{202e} <a@example.com>", None),
        ] {
            let parsed = Sender::parse(text).ok().map(|sender| sender.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text:?}");
        }
    }
}
