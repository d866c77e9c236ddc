//! Posted forms, read within bounds.
//!
//! Separate because a form is the one body that we read ourselves: its size, its type and the number of its
//! fields are limited, and a field that comes twice is an attack, not a choice (T-F13).

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

/// Why a form could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// Not `application/x-www-form-urlencoded` in UTF-8: `415`.
    Type,
    /// Larger than the limit: `413`.
    Size,
    /// Broken off, too slow, too many fields, or a field given twice: `400`.
    Content,
}

impl Form {
    /// Reads a form of at most `bytes_max`.
    pub(super) async fn read(request: Request<Incoming>, bytes_max: usize) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_form(&parts.headers) {
            return Err(Problem::Type);
        }
        let collected = tokio::time::timeout(READ_TIME_MAX, Limited::new(body, bytes_max).collect()).await;
        let octets = match collected {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Problem::Size),
            Ok(Err(_)) | Err(_) => return Err(Problem::Content),
        };
        Self::parse(&octets)
    }

    fn parse(octets: &[u8]) -> Result<Self, Problem> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(octets).into_owned() {
            if fields.len() == FIELDS_MAX || fields.iter().any(|(known, _)| *known == name) {
                return Err(Problem::Content);
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// The value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (types.next().map(|value| value.to_str()), types.next()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_urlencoded =
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    is_urlencoded
        && parts.all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// Ours have at most five fields.
const FIELDS_MAX: usize = 8;

/// However slowly somebody sends.
const READ_TIME_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_comes_twice_or_too_many_fields_are_refused() {
        let form = Form::parse(b"email=a%40b.example&return_to=%2F").unwrap();
        assert_eq!(form.field("email"), Some("a@b.example"));
        assert_eq!(form.field("other"), None);
        assert_eq!(Form::parse(b"a=1&a=1").unwrap_err(), Problem::Content);
        assert_eq!(Form::parse(b"a&b&c&d&e&f&g&h&i").unwrap_err(), Problem::Content);
    }

    #[test]
    fn only_urlencoded_utf_8_is_a_form() {
        let check = |value: &'static str, wanted: bool| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(value))]);
            assert_eq!(is_form(&headers), wanted, "{value}");
        };
        check("application/x-www-form-urlencoded", true);
        check("Application/X-WWW-Form-Urlencoded; charset=\"UTF-8\"", true);
        check("application/x-www-form-urlencoded; charset=utf-7", false);
        check("multipart/form-data; boundary=x", false);
        check("text/plain", false);
        assert!(!is_form(&HeaderMap::new()));
    }
}
