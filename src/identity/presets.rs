//! Plain headers for applications that cannot verify a token.
//!
//! Separate because they prove nothing: whoever turns a preset on must make sure that the application can be
//! reached through Anteroom only.
//!
//! | `x-forwarded-user` | `remote-user` | value |
//! |---|---|---|
//! | `X-Forwarded-User` | | the user's id (`sub`) |
//! | `X-Forwarded-Preferred-Username` | `Remote-User` | the e-mail address |
//! | `X-Forwarded-Email` | `Remote-Email` | the e-mail address |
//! | | `Remote-Name` | the name, encoded; absent if unknown |
//! | `X-Forwarded-Groups` | `Remote-Groups` | `property:level`, joined by commas, each part encoded; absent if there are more than fit into a token |
//!
//! *Encoded*: letters, digits, space and `- . _ ~ ' ( ) *` stand for themselves; every other octet of the UTF-8
//! form is written `%XX` (RFC 3986 2.1). So a value is always plain ASCII on one line, a comma always separates,
//! and decoding percent signs gives back the text. Ids and addresses are plain ASCII already and go as they are.

use std::fmt::Write;

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::Claims;
use super::claims::Access;

/// A set of plain headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `X-Forwarded-User`, `-Email`, `-Groups`, `-Preferred-Username`.
    XForwardedUser,
    /// `Remote-User`, `-Email`, `-Name`, `-Groups`.
    RemoteUser,
}

/// Every header name of any preset, for whoever removes look-alikes.
pub const HEADER_NAMES: [&str; 8] = [
    "x-forwarded-user",
    "x-forwarded-preferred-username",
    "x-forwarded-email",
    "x-forwarded-groups",
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
];

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 2] = [Self::XForwardedUser, Self::RemoteUser];

    /// The preset's name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XForwardedUser => "x-forwarded-user",
            Self::RemoteUser => "remote-user",
        }
    }

    /// Reads the preset's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text)
    }
}

/// The header names of a preset.
#[must_use]
pub fn names(preset: Preset) -> &'static [&'static str] {
    let (user, remote) = HEADER_NAMES.split_at(4);
    match preset {
        Preset::XForwardedUser => user,
        Preset::RemoteUser => remote,
    }
}

/// The headers of a preset for one identity, marked as sensitive.
#[must_use]
pub fn headers(preset: Preset, claims: &Claims) -> Vec<(HeaderName, HeaderValue)> {
    let identity = &claims.identity;
    let email = || Some(identity.email.as_str().to_owned());
    let groups = || claims.listed_access().map(groups);
    let values = match preset {
        Preset::XForwardedUser => [
            ("x-forwarded-user", Some(identity.user.as_str().to_owned())),
            ("x-forwarded-preferred-username", email()),
            ("x-forwarded-email", email()),
            ("x-forwarded-groups", groups()),
        ],
        Preset::RemoteUser => [
            ("remote-user", email()),
            ("remote-email", email()),
            ("remote-name", identity.name.as_deref().map(encoded)),
            ("remote-groups", groups()),
        ],
    };
    values.into_iter().filter_map(|(name, value)| Some((name, value?))).map(header).collect()
}

fn header((name, value): (&'static str, String)) -> (HeaderName, HeaderValue) {
    let mut value = HeaderValue::try_from(value).expect("ids, addresses and encoded text are plain ASCII");
    value.set_sensitive(true);
    (HeaderName::from_static(name), value)
}

fn groups(access: &[Access]) -> String {
    let mut groups = String::new();
    for (index, Access { property, level }) in access.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(groups, "{comma}{}:{}", encoded(property), encoded(level)).expect("writing to text works");
    }
    groups
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text.trim(), ENCODED).to_string()
}

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b' ')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');
