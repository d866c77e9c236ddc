//! What is different at one organization's identity provider.
//!
//! Separate because the same options are read from the configuration file, the console, commands and the store,
//! and every way in must come to the same valid value.
//!
//! Rules: whatever is not said is as it suits Entra; a list that is given stands in place of the names that are
//! looked for otherwise, it is not added to them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::saml::{ContextClass, NameIdFormat, Policy, PolicyError, RequestOptions};

use super::is_unprintable;

/// What is different at one organization's identity provider; by default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionOptions {
    /// Whether people must sign on there afresh each time, even if they just have.
    #[serde(skip_serializing_if = "is_off")]
    pub force_authn: bool,
    /// How people must sign on there; any of these.
    #[serde(skip_serializing_if = "Few::is_empty")]
    pub authn_context: Few<ContextClass>,
    /// The form of name identifiers that is asked for.
    #[serde(skip_serializing_if = "Option::is_none", with = "format")]
    pub name_id_format: Option<NameIdFormat>,
    /// Where the e-mail address stands; of several that are present the first counts.
    #[serde(skip_serializing_if = "Few::is_empty")]
    pub email_attributes: Few<AttributeName>,
    /// Where the name stands; of several that are present the first counts.
    #[serde(skip_serializing_if = "Few::is_empty")]
    pub name_attributes: Few<AttributeName>,
    /// Whether signatures count whose certificate is outside its validity.
    #[serde(skip_serializing_if = "is_off")]
    pub accept_expired_certificate: bool,
}

/// The `Name` of a SAML attribute (SAML Core 2.7.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttributeName(String);

/// At most [`FEW`] different values, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "Vec<String>",
    into = "Vec<String>",
    bound(serialize = "T: Listed", deserialize = "T: Listed")
)]
pub struct Few<T>(Vec<T>);

/// How many values one list may have.
pub const FEW: usize = 10;

/// How long one list may be when it is written as JSON: what the audit log keeps of a change, before and after, has
/// room for all three at their longest.
const WRITTEN_BYTES_MAX: usize = 600;

/// Why a list of texts is not one of the options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Not a URI that could be a context class.
    #[error("{text:?} {source}")]
    ContextClass {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// Not a name that an attribute could have.
    #[error("{text:?} is not an attribute name of 1 to 200 characters on one line")]
    AttributeName {
        /// The text.
        text: String,
    },
    /// The same value twice.
    #[error("{text:?} stands there twice")]
    Twice {
        /// The value.
        text: String,
    },
    /// Too many values.
    #[error("there are more than {FEW}")]
    TooMany,
    /// Too much text in all.
    #[error("they are longer than {WRITTEN_BYTES_MAX} characters in all")]
    TooLong,
}

/// What may stand in a list of options.
pub trait Listed: Sized + Clone + PartialEq {
    /// Reads one value.
    fn read(text: &str) -> Result<Self, OptionError>;

    /// The value as text.
    fn as_str(&self) -> &str;
}

impl ConnectionOptions {
    /// What requests to the identity provider ask for.
    #[must_use]
    pub fn request(&self) -> RequestOptions<'_> {
        RequestOptions {
            force_authn: self.force_authn,
            authn_context: self.authn_context.as_slice(),
            name_id_format: self.name_id_format,
        }
    }

    /// What an answer to a request of that moment must show.
    #[must_use]
    pub fn policy(&self, requested_at: Timestamp) -> Policy<'_> {
        Policy {
            authn_context: self.authn_context.as_slice(),
            authenticated_since: self.force_authn.then_some(requested_at),
            accept_expired_certificates: self.accept_expired_certificate,
        }
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl AttributeName {
    /// Reads a name, in which every character counts.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let fits = !text.is_empty()
            && text.trim() == text
            && text.chars().count() <= 200
            && !text.chars().any(is_unprintable);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            let text = text.chars().take(200).collect();
            Err(OptionError::AttributeName { text })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<T: Listed> Few<T> {
    /// Reads the values.
    pub fn parse<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self, OptionError> {
        Self::new(texts.into_iter().map(|text| T::read(text.as_ref())).collect::<Result<_, _>>()?)
    }

    /// Takes values, if they are few and different.
    pub fn new(values: Vec<T>) -> Result<Self, OptionError> {
        if values.len() > FEW {
            return Err(OptionError::TooMany);
        }
        let texts: Vec<_> = values.iter().map(T::as_str).collect();
        if serde_json::to_string(&texts).is_ok_and(|written| written.len() > WRITTEN_BYTES_MAX) {
            return Err(OptionError::TooLong);
        }
        let again = |(at, value): (usize, &T)| values.iter().take(at).any(|other| other == value);
        match values.iter().enumerate().find(|one| again(*one)) {
            Some((_, twice)) => Err(OptionError::Twice { text: twice.as_str().to_owned() }),
            None => Ok(Self(values)),
        }
    }

    /// The values as texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(T::as_str)
    }
}

impl<T> Few<T> {
    /// The values.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Listed> TryFrom<Vec<String>> for Few<T> {
    type Error = OptionError;

    fn try_from(texts: Vec<String>) -> Result<Self, OptionError> {
        Self::parse(texts)
    }
}

impl<T: Listed> From<Few<T>> for Vec<String> {
    fn from(few: Few<T>) -> Self {
        few.texts().map(str::to_owned).collect()
    }
}

impl Listed for AttributeName {
    fn read(text: &str) -> Result<Self, OptionError> {
        Self::parse(text)
    }

    fn as_str(&self) -> &str {
        self.as_str()
    }
}

impl Listed for ContextClass {
    fn read(text: &str) -> Result<Self, OptionError> {
        Self::parse(text)
            .map_err(|source| OptionError::ContextClass { text: text.chars().take(200).collect(), source })
    }

    fn as_str(&self) -> &str {
        self.as_str()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_off(option: &bool) -> bool {
    !*option
}

/// A format by its short name.
mod format {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::saml::NameIdFormat;

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(
        format: &Option<NameIdFormat>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        format.map(NameIdFormat::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<NameIdFormat>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| NameIdFormat::parse(&text).map_err(de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_written() {
        assert_eq!(serde_json::to_string(&ConnectionOptions::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<ConnectionOptions>("{}").unwrap(), ConnectionOptions::default());
    }

    #[test]
    fn options_survive_being_written_and_read() {
        let options = ConnectionOptions {
            force_authn: true,
            authn_context: Few::parse(["urn:a:b"]).unwrap(),
            name_id_format: Some(NameIdFormat::EmailAddress),
            email_attributes: Few::parse(["b", "a"]).unwrap(),
            name_attributes: Few::parse(["full name, please"]).unwrap(),
            accept_expired_certificate: true,
        };
        let written = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<ConnectionOptions>(&written).unwrap(), options);
    }

    #[test]
    fn what_is_read_is_valid_or_nothing() {
        let many: Vec<_> = (0..=FEW).map(|n| format!("\"a{n}\"")).collect();
        for bad in [
            r#"{"force_authn":"on"}"#.to_owned(),
            r#"{"force":true}"#.to_owned(),
            r#"{"authn_context":["Password"]}"#.to_owned(),
            r#"{"name_id_format":"email"}"#.to_owned(),
            r#"{"email_attributes":[""]}"#.to_owned(),
            r#"{"email_attributes":["a","a"]}"#.to_owned(),
            r#"{"email_attributes":[" a"]}"#.to_owned(),
            r#"{"name_attributes":["a\nb"]}"#.to_owned(),
            format!(r#"{{"name_attributes":["{}"]}}"#, "x".repeat(201)),
            format!(r#"{{"name_attributes":[{}]}}"#, many.join(",")),
            format!(r#"{{"name_attributes":["{0}1","{0}2","{0}3"]}}"#, "x".repeat(199)),
        ] {
            assert!(serde_json::from_str::<ConnectionOptions>(&bad).is_err(), "{bad}");
        }
    }
}
