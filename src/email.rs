//! E-mail addresses and their domains, in one canonical form.
//!
//! Separate because an address decides which organization somebody belongs to: every text that claims to be
//! one is parsed here, once, and compared only in this form.
//!
//! Rules: ASCII, lower case, exactly one `@`, an unquoted local part, a domain of at least two labels.
//! A domain in Unicode is accepted only if it is already in its normal form, and is kept as A-labels
//! (RFC 5890), so look-alike letters stay different domains.

use std::fmt;

use smol_str::{SmolStr, format_smolstr};

/// Why a text is not an address or a domain that we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing, or longer than the 254 octets of RFC 5321 4.5.3.1.3.
    #[error("must be 1 to 254 characters long")]
    Length,
    /// Not of the form `name@domain`.
    #[error("must have the form name@domain")]
    Form,
    /// A local part with quotes, spaces, control or non-ASCII characters.
    #[error("has characters before the @ that are not accepted")]
    LocalPart,
    /// Not a host name of two or more labels.
    #[error("must have a domain like example.com")]
    Domain,
}

/// The domain of an e-mail address: lower-case A-labels, at least two, no trailing dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailDomain(SmolStr);

impl EmailDomain {
    /// Reads a domain.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > 253 {
            return Err(Error::Domain);
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| Error::Domain)?;
        if !text.is_ascii() {
            // Mapped characters (full-width letters, ideographic stops) could pose as another domain.
            let (unicode, checked) = idna::domain_to_unicode(&ascii);
            if checked.is_err() || unicode != text {
                return Err(Error::Domain);
            }
        }
        let labels_fit = ascii.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
        let last_is_a_name =
            ascii.rsplit('.').next().is_some_and(|label| label.bytes().any(|b| b.is_ascii_alphabetic()));
        if ascii.contains('.') && labels_fit && last_is_a_name && ascii.len() <= 253 {
            Ok(Self(ascii.into()))
        } else {
            Err(Error::Domain)
        }
    }

    /// The domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One e-mail address in canonical form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    text: SmolStr,
    domain: EmailDomain,
}

impl EmailAddress {
    /// Reads an address. White space around it is an error here; forms trim what a person typed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > 254 {
            return Err(Error::Length);
        }
        let (local, domain) = text.split_once('@').ok_or(Error::Form)?;
        if domain.contains('@') {
            return Err(Error::Form);
        }
        let local_fits = (1..=64).contains(&local.len())
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || LOCAL_PUNCTUATION.contains(&b))
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        if !local_fits {
            return Err(Error::LocalPart);
        }
        let domain = EmailDomain::parse(domain)?;
        let text = format_smolstr!("{}@{}", local.to_ascii_lowercase(), domain.as_str());
        if text.len() > 254 || !email_address::EmailAddress::is_valid(&text) {
            return Err(Error::Form);
        }
        Ok(Self { text, domain })
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &EmailDomain {
        &self.domain
    }
}

impl fmt::Display for EmailDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The punctuation of a dot-atom (RFC 5322 3.2.3).
const LOCAL_PUNCTUATION: &[u8] = b".!#$%&'*+-/=?^_`{|}~";

#[cfg(test)]
mod tests;
