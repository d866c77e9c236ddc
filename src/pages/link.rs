//! Texts that may stand in an `href`.
//!
//! Separate because escaping does not help against `javascript:` or `//evil.example`: whatever becomes a link
//! passes here, also when another module has checked it before.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The path of our own origin, or the front page when the text is anything else.
pub(super) fn path(text: &str) -> &str {
    if is_path(text) { text } else { "/" }
}

/// A path of our own origin or a web address, or nothing.
pub(super) fn page(text: &str) -> Option<&str> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    (is_path(text) || (is_web && is_plain(text))).then_some(text)
}

/// A link that opens a message to an address (RFC 6068 2).
pub(super) fn mailto(address: &str) -> String {
    format!("mailto:{}", utf8_percent_encode(address, MAILTO))
}

/// A text as the value of a query parameter.
pub(super) fn query_value(text: &str) -> String {
    utf8_percent_encode(text, QUERY_VALUE).to_string()
}

/// A path of our own with those of the parameters that have a value.
pub(super) fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut href = path.to_owned();
    for (key, value) in parameters {
        let Some(value) = value else { continue };
        let mark = if href.contains('?') { '&' } else { '?' };
        href.extend([mark.to_string(), (*key).to_owned(), "=".to_owned(), query_value(value)]);
    }
    href
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Browsers drop tabs and line ends and read a backslash as a slash before they look for a host.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && is_plain(text)
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const MAILTO: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'@').remove(b'+');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_our_own_origin_are_paths() {
        for kept in ["/", "/a/b?c=d&e=%2Ff", "/.anteroom/sign-in?return_to=/x"] {
            assert_eq!(path(kept), kept);
        }
        for dropped in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "https://a.example/",
        ] {
            assert_eq!(path(dropped), "/", "{dropped:?}");
        }
    }

    #[test]
    fn pages_may_also_be_web_addresses() {
        assert_eq!(page("https://app.example/login"), Some("https://app.example/login"));
        assert_eq!(page("/login"), Some("/login"));
        for dropped in
            ["javascript:alert(1)", "data:text/html,x", "https://a b", "//a.example", "HTTPS//x", ""]
        {
            assert_eq!(page(dropped), None, "{dropped:?}");
        }
    }

    #[test]
    fn addresses_cannot_add_fields_to_a_message() {
        assert_eq!(mailto("a+b@c.example"), "mailto:a+b@c.example");
        assert_eq!(mailto("a?bcc=x&y@c.example"), "mailto:a%3Fbcc%3Dx%26y@c.example");
    }

    #[test]
    fn parameters_without_a_value_are_left_out() {
        assert_eq!(with_query("/a", &[("b", None), ("c", Some("d&e")), ("f", Some(""))]), "/a?c=d%26e&f=");
        assert_eq!(with_query("/a", &[("b", None)]), "/a");
    }

    #[test]
    fn a_segment_stays_one() {
        assert_eq!(segment("R-7f3k/../x?y#z"), "R-7f3k%2F..%2Fx%3Fy%23z");
    }

    #[test]
    fn query_values_cannot_end_themselves() {
        assert_eq!(query_value("/a?b=c&d#e+f g"), "/a%3Fb%3Dc%26d%23e%2Bf%20g");
    }
}
