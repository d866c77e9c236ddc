//! The cookies that are ours: names, attributes, reading.
//!
//! Separate because every attribute here is a security rule: `__Host-` ties a cookie to exactly one host over
//! TLS, `SameSite=Lax` keeps other sites from using it, and scripts never see it (DESIGN section 2, step 5).

use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::email::EmailAddress;
use crate::http1::fields::{Fields, Known, pairs};
use crate::session::SessionId;

/// How cookies are named and protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `https`: `__Host-` names and `Secure`.
    Tls,
    /// `http`, development on loopback only: plain names.
    Plain,
}

/// What each cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The session's secret id.
    Session,
    /// The sealed list of pending logins.
    Tabs,
    /// The address typed last, for the next time.
    Email,
    /// The token of a form that is being sent again.
    Repeat,
}

impl Transport {
    /// All our cookie names, in either form: none of them may reach the application or come from it.
    #[must_use]
    pub fn all_names() -> Vec<String> {
        let kinds = [Kind::Session, Kind::Tabs, Kind::Email, Kind::Repeat];
        let names = |transport: Self| kinds.into_iter().map(move |kind| transport.name(kind).to_owned());
        names(Self::Tls).chain(names(Self::Plain)).collect()
    }

    pub(super) const fn name(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Tls, Kind::Session) => "__Host-anteroom",
            (Self::Tls, Kind::Tabs) => "__Host-anteroom-tabs",
            (Self::Tls, Kind::Email) => "__Host-anteroom-email",
            (Self::Tls, Kind::Repeat) => "__Host-anteroom-repeat",
            (Self::Plain, Kind::Session) => "anteroom",
            (Self::Plain, Kind::Tabs) => "anteroom-tabs",
            (Self::Plain, Kind::Email) => "anteroom-email",
            (Self::Plain, Kind::Repeat) => "anteroom-repeat",
        }
    }

    /// The value of a cookie; `None` if there is none or more than one, as then somebody has planted one.
    pub(super) fn read(self, headers: &HeaderMap, kind: Kind) -> Option<&str> {
        let found = self.find(headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes), kind);
        found.and_then(|value| str::from_utf8(value).ok())
    }

    /// The same of a request that nothing has been made of yet, whether it is text or not.
    pub(super) fn read_of(self, fields: &Fields, kind: Kind) -> Option<&[u8]> {
        self.find(fields.all(Known::Cookie), kind)
    }

    fn find<'a>(self, lines: impl Iterator<Item = &'a [u8]>, kind: Kind) -> Option<&'a [u8]> {
        let name = self.name(kind).as_bytes();
        let mut found = None;
        for pair in lines.flat_map(pairs) {
            let pair = pair.trim_ascii();
            if let Some(value) = pair.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"="))
                && found.replace(value).is_some_and(|other| other != value)
            {
                return None;
            }
        }
        found
    }

    /// Begins the session in this browser.
    pub(super) fn set_session(self, id: &SessionId) -> HeaderValue {
        self.set(Kind::Session, &id.to_cookie_value(), None)
    }

    /// Remembers pending logins, or forgets them.
    pub(super) fn set_tabs(self, sealed: Option<&str>) -> HeaderValue {
        sealed.map_or_else(|| self.clear(Kind::Tabs), |text| self.set(Kind::Tabs, text, Some(TABS_LIFETIME)))
    }

    /// Says for a moment that what comes next is a form that was kept.
    pub(super) fn set_repeat(self, token: &str) -> HeaderValue {
        self.set(Kind::Repeat, token, Some(REPEAT_LIFETIME))
    }

    /// Remembers that the form was sent, for whoever loads its page again.
    pub(super) fn set_repeated(self, token: &str) -> HeaderValue {
        self.set(Kind::Repeat, token, Some(REPEATED_LIFETIME))
    }

    /// Remembers an address.
    pub(super) fn set_email(self, email: &EmailAddress) -> HeaderValue {
        let encoded =
            percent_encoding::utf8_percent_encode(email.as_str(), percent_encoding::NON_ALPHANUMERIC);
        self.set(Kind::Email, &encoded.to_string(), Some(EMAIL_LIFETIME))
    }

    /// The address remembered.
    pub(super) fn email(self, headers: &HeaderMap) -> Option<EmailAddress> {
        let encoded = self.read(headers, Kind::Email)?;
        let text = percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?;
        EmailAddress::parse(&text).ok()
    }

    /// Makes the browser forget a cookie.
    pub(super) fn clear(self, kind: Kind) -> HeaderValue {
        self.set(kind, "", Some(cookie::time::Duration::ZERO))
    }

    fn set(self, kind: Kind, value: &str, age: Option<cookie::time::Duration>) -> HeaderValue {
        let mut cookie = Cookie::build((self.name(kind), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self == Self::Tls)
            .build();
        cookie.set_max_age(age);
        let mut header = HeaderValue::try_from(cookie.to_string()).expect("all our values are plain ASCII");
        header.set_sensitive(true);
        header
    }
}

/// Longer than a pending login, so that a late answer still finds its deep link.
const TABS_LIFETIME: cookie::time::Duration = cookie::time::Duration::DAY;

/// The browser follows a redirect at once.
const REPEAT_LIFETIME: cookie::time::Duration = cookie::time::Duration::MINUTE;

/// A browser that loads the page again posts the token again, which is no form of the application's.
const REPEATED_LIFETIME: cookie::time::Duration = cookie::time::Duration::HOUR;

const EMAIL_LIFETIME: cookie::time::Duration = cookie::time::Duration::days(365);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cookie_is_found_whatever_stands_beside_it() {
        let read = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
            }
            let found = Transport::Tls.read(&headers, Kind::Session).map(str::to_owned);
            let fields = Fields::from(&headers);
            let octets = Transport::Tls.read_of(&fields, Kind::Session);
            assert_eq!(octets.and_then(|value| str::from_utf8(value).ok()), found.as_deref());
            found
        };
        assert_eq!(read(&[b"a=1; __Host-anteroom=x; b=2"]).as_deref(), Some("x"));
        assert_eq!(read(&[b"a=1", b"__Host-anteroom=x;__Host-anteroom=x"]).as_deref(), Some("x"));
        assert_eq!(
            read(&[b"a=\xff\xe9; __Host-anteroom=x"]).as_deref(),
            Some("x"),
            "what is no text is another's"
        );
        for lines in [
            &[b"".as_slice()][..],
            &[b"__Host-anteroom=x; __Host-anteroom=y"],
            &[b"__Host-anteroom=x", b"__Host-anteroom=y"],
            &[b"__Host-anteroom=\xff"],
            &[b"__Host-anteroom-tabs=x; __host-anteroom=y; __Host-anteroom =z; __Host-anteroom"],
        ] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }
}
