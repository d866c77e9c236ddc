//! Finding the message in whatever somebody has saved.
//!
//! Separate because people come with XML, with base64, with the body of a form, with a line of a log or with a
//! whole HAR file, and should not have to take it apart by hand.
//!
//! Rules: a bounded number of octets; what is found is handed on as it stands, decoded as the server would.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::read_at_most;
use crate::saml::{Refusal, Response};

/// Where the message is.
pub(super) enum Source {
    /// In a file; `-` is the standard input.
    File(PathBuf),
    /// In the store, under the reference that a visitor was shown.
    Reference(String),
}

/// A message.
#[derive(Debug)]
pub(super) struct Found {
    /// Its octets, or why they cannot be decoded.
    pub(super) octets: Result<Vec<u8>, Refusal>,
    /// When it was sent, if the file says so.
    pub(super) sent_at: Option<Timestamp>,
    /// Whether it was not encoded, so that somebody may have changed its white space.
    pub(super) is_xml: bool,
}

/// What an argument names.
pub(super) fn source(argument: &str) -> Option<Source> {
    let path = Path::new(argument);
    if argument == "-" || path.exists() {
        return Some(Source::File(path.to_owned()));
    }
    let reference = argument.to_ascii_uppercase();
    let is_reference = reference.len() == 10 && reference.bytes().all(|b| b.is_ascii_alphanumeric());
    is_reference.then_some(Source::Reference(reference))
}

/// Reads a file and finds the message in it.
pub(super) fn read(path: &Path) -> Result<Found, Failure> {
    let octets = read_at_most(FILE_OCTETS_MAX + 1, path)?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > FILE_OCTETS_MAX {
        let message = format!("{} is larger than 32 MiB; save the one answer alone", path.display());
        return Err(Failure::new("unreadable_file", message));
    }
    Ok(find(&octets))
}

/// A HAR file of a long session has tens of megabytes.
const FILE_OCTETS_MAX: u64 = 32 * 1024 * 1024;

fn find(octets: &[u8]) -> Found {
    let Ok(text) = std::str::from_utf8(octets) else {
        // No form of a message is anything but UTF-8; the verification says so.
        return Found { octets: Ok(octets.to_vec()), sent_at: None, is_xml: false };
    };
    // What an editor puts there was not in the message.
    let text = text.trim_start_matches('\u{feff}').trim();
    if let Some((field, sent_at)) = in_har(text) {
        return of_field(&field, sent_at);
    }
    if let Some(field) = in_text(text) {
        return of_field(field, None);
    }
    if text.starts_with('<') {
        return Found { octets: Ok(text.as_bytes().to_vec()), sent_at: None, is_xml: true };
    }
    of_field(text, None)
}

fn of_field(field: &str, sent_at: Option<Timestamp>) -> Found {
    let decoded = percent_decode_str(field).decode_utf8_lossy();
    Found { octets: Response::decode(&decoded), sent_at, is_xml: false }
}

/// The last answer in an HTTP archive, and when it was sent.
fn in_har(text: &str) -> Option<(String, Option<Timestamp>)> {
    if !text.starts_with('{') {
        return None;
    }
    let archive: Value = serde_json::from_str(text).ok()?;
    archive.pointer("/log/entries")?.as_array()?.iter().rev().find_map(|entry| {
        let data = entry.pointer("/request/postData")?;
        let parameters = data.get("params").and_then(Value::as_array).into_iter().flatten();
        let named = parameters
            .filter(|parameter| parameter.get("name").and_then(Value::as_str) == Some(FIELD))
            .find_map(|parameter| parameter.get("value")?.as_str());
        let field = named.or_else(|| in_text(data.get("text")?.as_str()?))?;
        let sent_at = entry.get("startedDateTime").and_then(Value::as_str).and_then(|at| at.parse().ok());
        Some((field.to_owned(), sent_at))
    })
}

/// The value behind the name of the field in a form, a page or a line of a log.
fn in_text(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(FIELD).and_then(|rest| rest.strip_prefix('=')) {
        return Some(run(rest));
    }
    text.match_indices(FIELD).find_map(|(at, name)| {
        let rest = text.get(at + name.len()..)?;
        // Between name and value: `=`, `": "`, `" value="` and the like.
        let starts = rest.char_indices().take(GAP_MAX).map(|(at, _)| at);
        let mut runs = starts.filter_map(|at| rest.get(at..)).map(|rest| run(rest.trim_start_matches('=')));
        runs.find(|run| run.len() >= RUN_MIN)
    })
}

/// The characters of base64, with or without escapes, at the beginning of a text.
fn run(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '%');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

const FIELD: &str = "SAMLResponse";
/// Shorter ones are no message.
const RUN_MIN: usize = 100;
const GAP_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn check(saved: &str) {
        let found = find(saved.as_bytes());
        assert_eq!(found.octets.as_deref(), Ok(message().as_bytes()), "{saved}");
    }

    fn message() -> String {
        format!("<Response>{}</Response>", "ÿ>?".repeat(60))
    }

    #[test]
    fn the_message_is_found_in_whatever_was_saved() {
        let field = STANDARD.encode(message());
        assert!(field.contains('+') && field.contains('/'), "{field}");
        let escaped = field.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let wrapped: Vec<_> = field.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
        for saved in [
            message(),
            format!("\u{feff}{}\r\n", message()),
            field.clone(),
            wrapped.join("\n"),
            escaped.clone(),
            format!("SAMLResponse={escaped}"),
            format!("SAMLResponse={field}"),
            format!("RelayState=x&SAMLResponse={escaped}&x=y"),
            format!("<html><input type=\"hidden\" name=\"SAMLResponse\" value=\"{field}\"/></html>"),
            format!("SAMLResponse: {field}\n"),
            format!("curl 'https://x' --data-raw 'SAMLResponse={escaped}&RelayState='"),
            format!("{{\"SAMLResponse\": \"{field}\"}}"),
        ] {
            check(&saved);
        }
    }

    #[test]
    fn the_last_answer_of_an_archive_counts_and_says_when_it_was_sent() {
        let field = STANDARD.encode(message());
        let entry = |at: &str, data: &str| {
            format!("{{\"startedDateTime\": {at:?}, \"request\": {{\"postData\": {data}}}}}")
        };
        let named = format!("{{\"params\": [{{\"name\": \"SAMLResponse\", \"value\": {field:?}}}]}}");
        let plain = format!("{{\"text\": \"SAMLResponse={}\"}}", field.replace('+', "%2B"));
        for data in [named, plain] {
            let entries = [
                entry("2026-01-01T00:00:00Z", "{\"text\": \"SAMLResponse=PHg+\"}"),
                entry("2026-06-15T12:30:00.123+02:00", &data),
                entry("2026-06-15T12:31:00Z", "{\"text\": \"q=1\"}"),
            ];
            let archive = format!("{{\"log\": {{\"entries\": [{}]}}}}", entries.join(","));
            let found = find(archive.as_bytes());
            assert_eq!(found.octets.as_deref(), Ok(message().as_bytes()));
            assert_eq!(found.sent_at, Some("2026-06-15T10:30:00.123Z".parse().unwrap()));
        }
    }

    #[test]
    fn rubbish_is_handed_on_as_rubbish() {
        for rubbish in ["", "{", "{}", "SAMLResponse=", "%", "%ff%fe", "\u{0}", "{\"log\":{\"entries\":[1]}}"]
        {
            let found = find(rubbish.as_bytes());
            assert!(found.octets.is_err() || found.octets.as_deref() == Ok(b""), "{rubbish:?}");
        }
        assert_eq!(find(b"\xff\xfe<").octets.as_deref(), Ok(&b"\xff\xfe<"[..]));
    }

    #[test]
    fn a_reference_is_told_from_a_file() {
        assert!(matches!(source("7f3kq2mx9a"), Some(Source::Reference(text)) if text == "7F3KQ2MX9A"));
        assert!(matches!(source("-"), Some(Source::File(_))));
        assert!(matches!(source("Cargo.toml"), Some(Source::File(_))));
        for other in ["nowhere.xml", "7F3KQ2MX9", "7F3KQ2MX9AB", ""] {
            assert!(source(other).is_none(), "{other}");
        }
    }
}
