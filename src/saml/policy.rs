//! What one connection asks for and demands beyond SAML's own rules.
//!
//! Separate because these are choices of whoever runs Anteroom, one for each identity provider; everything else in
//! this module is the same for all.

use std::fmt;

use jiff::Timestamp;

/// How somebody signed on at the identity provider, as a URI (SAML Authentication Context 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContextClass(String);

/// A form of name identifiers (SAML Core 8.3), of those that a provider may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameIdFormat {
    /// A lasting key of the person, for us alone.
    Persistent,
    /// The e-mail address.
    EmailAddress,
    /// Whatever the provider is set to.
    Unspecified,
    /// Another name at each sign-on: nobody new can sign on with it.
    Transient,
}

/// Why a text is not one of the values here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not a URI, or too long.
    #[error("is not a URI of at most 200 characters")]
    ContextClass,
    /// Not one of the formats.
    #[error("is none of persistent, emailAddress, unspecified and transient")]
    NameIdFormat,
}

/// What a request asks for, besides signing somebody on. By default nothing, which suits Entra.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestOptions<'a> {
    /// `ForceAuthn` (SAML Core 3.4.1).
    pub force_authn: bool,
    /// `RequestedAuthnContext` with `Comparison="exact"`, any of these (SAML Core 3.3.2.2.1).
    pub authn_context: &'a [ContextClass],
    /// `NameIDPolicy/@Format` (SAML Core 3.4.1.1).
    pub name_id_format: Option<NameIdFormat>,
}

/// What a response must show beyond SAML's own rules, and what it need not. By default neither.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy<'a> {
    /// Unless empty, how the subject signed on must be one of these (SAML-ATTACKS D13).
    pub authn_context: &'a [ContextClass],
    /// The subject must have signed on at this moment or later, for `ForceAuthn`: a browser could have taken that
    /// out of the request.
    pub authenticated_since: Option<Timestamp>,
    /// Take signatures by certificates outside their validity: the key is pinned, the dates are ignored.
    pub accept_expired_certificates: bool,
}

impl ContextClass {
    /// Reads an absolute URI.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let is_visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"');
        let has_scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
                && !rest.is_empty()
        });
        let fits = text.len() <= 200 && has_scheme && text.bytes().all(is_visible);
        if fits { Ok(Self(text.to_owned())) } else { Err(PolicyError::ContextClass) }
    }

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContextClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NameIdFormat {
    /// Those that Entra takes, which are those that everybody knows.
    pub const ALL: [Self; 4] = [Self::Persistent, Self::EmailAddress, Self::Unspecified, Self::Transient];

    /// Reads the short name or the URI.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let found = Self::ALL.into_iter().find(|format| text == format.as_str() || text == format.uri());
        found.ok_or(PolicyError::NameIdFormat)
    }

    /// The short name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::EmailAddress => "emailAddress",
            Self::Unspecified => "unspecified",
            Self::Transient => "transient",
        }
    }

    /// The URI, as it stands in messages.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Persistent => "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            Self::EmailAddress => "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            Self::Unspecified => "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
            Self::Transient => "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_classes_are_absolute_uris_of_bounded_length() {
        for good in ["urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "https://refeds.org/profile/mfa"] {
            assert_eq!(ContextClass::parse(good).map(|class| class.to_string()), Ok(good.to_owned()));
        }
        let long = format!("urn:{}", "x".repeat(200));
        for bad in
            ["", "Password", "urn:", ":x", "1a:b", "urn:a b", "urn:é", "urn:<x>", "urn:\"", " urn:a", &long]
        {
            assert_eq!(ContextClass::parse(bad), Err(PolicyError::ContextClass), "{bad:?}");
        }
    }

    #[test]
    fn formats_are_known_by_their_short_names_and_uris() {
        for format in NameIdFormat::ALL {
            assert_eq!(NameIdFormat::parse(format.as_str()), Ok(format));
            assert_eq!(NameIdFormat::parse(format.uri()), Ok(format));
        }
        for bad in ["", "Persistent", "email", "urn:oasis:names:tc:SAML:2.0:nameid-format:emailAddress"] {
            assert_eq!(NameIdFormat::parse(bad), Err(PolicyError::NameIdFormat), "{bad:?}");
        }
    }
}
