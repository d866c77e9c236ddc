//! A mail as a reader shows it: subject, text and HTML out of what was sent.
//!
//! Separate because it is a reader for what Anteroom sends, and for nothing else: `multipart/alternative` of UTF-8
//! parts, quoted-printable or base64, encoded words in header fields. What it cannot read it shows as it came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a mail says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mail {
    /// All header fields, unfolded and decoded, in order.
    pub(super) headers: Vec<(String, String)>,
    /// The first part that is plain text.
    pub(super) text: Option<String>,
    /// The first part that is HTML.
    pub(super) html: Option<String>,
}

/// A piece of text, for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// An address to be followed.
    Link(&'a str),
    /// Anything else.
    Words(&'a str),
}

impl Mail {
    /// Reads a mail from its octets (RFC 5322).
    pub(super) fn read(octets: &[u8]) -> Self {
        let part = Part::read(octets);
        let headers = part.headers.iter().map(|(name, value)| (name.clone(), decode_words(value))).collect();
        let mut mail = Self { headers, ..Self::default() };
        mail.take(&part, 0);
        mail
    }

    /// The subject; most mails have one.
    pub(super) fn subject(&self) -> &str {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("subject"));
        found.map_or("(no subject)", |(_, value)| value)
    }

    /// The first words of the text.
    pub(super) fn preview(&self) -> String {
        let words: Vec<&str> = self.text.iter().flat_map(|text| text.split_whitespace()).take(40).collect();
        let mut preview: String = words.join(" ").chars().take(PREVIEW_CHARS).collect();
        if preview.chars().count() == PREVIEW_CHARS {
            preview.push('…');
        }
        preview
    }

    /// The text, with its links apart.
    pub(super) fn pieces(&self) -> Vec<Piece<'_>> {
        let text = self.text.as_deref().unwrap_or_default();
        text.split_inclusive(char::is_whitespace).flat_map(pieces_of).collect()
    }

    /// Takes the first text and the first HTML that a part has in it.
    fn take(&mut self, part: &Part<'_>, depth: usize) {
        let kind = part.field("content-type").unwrap_or("text/plain").to_ascii_lowercase();
        if kind.starts_with("multipart/") && depth < DEPTH_MAX {
            for inner in part.parts().into_iter().take(PARTS_MAX) {
                self.take(&inner, depth + 1);
            }
        } else if kind.starts_with("text/html") {
            self.html.get_or_insert_with(|| part.content());
        } else if kind.starts_with("text/plain") {
            self.text.get_or_insert_with(|| part.content());
        }
    }
}

/// A mail or a part of one.
struct Part<'a> {
    headers: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Part<'a> {
    fn read(octets: &'a [u8]) -> Self {
        let (head, body) = match octets.strip_prefix(b"\r\n") {
            // No header at all (RFC 2046 5.1).
            Some(body) => ([].as_slice(), body),
            None => split_once(octets, b"\r\n\r\n").unwrap_or((octets, &[])),
        };
        // A line that begins with white space goes on with the one before (RFC 5322 2.2.3).
        let head = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
        let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        Self { headers, body }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The parts between the boundaries (RFC 2046 5.1.1).
    fn parts(&self) -> Vec<Self> {
        let Some((_, rest)) = self.field("content-type").and_then(|value| value.split_once("boundary="))
        else {
            return Vec::new();
        };
        let boundary = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => rest.split([';', ' ']).next(),
        };
        let delimiter = format!("--{}", boundary.unwrap_or_default());
        let mut parts = Vec::new();
        // What stands before the first delimiter is no part, and the last delimiter ends with two dashes.
        let mut rest = split_once(self.body, delimiter.as_bytes()).map(|(_, rest)| rest);
        while let Some(after) = rest.and_then(|rest| rest.strip_prefix(b"\r\n")) {
            let (part, next) = split_once(after, delimiter.as_bytes())
                .map_or((after, None), |(part, next)| (part, Some(next)));
            parts.push(Self::read(part.strip_suffix(b"\r\n").unwrap_or(part)));
            rest = next;
        }
        parts
    }

    fn content(&self) -> String {
        let octets = match self.field("content-transfer-encoding").map(str::to_ascii_lowercase).as_deref() {
            Some("quoted-printable") => {
                quoted_printable::decode(self.body, quoted_printable::ParseMode::Robust).ok()
            }
            Some("base64") => {
                let digits: Vec<u8> =
                    self.body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
                STANDARD.decode(digits).ok()
            }
            _ => None,
        };
        let octets = octets.as_deref().unwrap_or(self.body);
        String::from_utf8_lossy(octets).replace("\r\n", "\n").trim_end().to_owned()
    }
}

/// Splits octets at the first occurrence of others.
fn split_once<'a>(octets: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (before, rest) = octets.split_at(octets.windows(at.len()).position(|window| window == at)?);
    Some((before, rest.strip_prefix(at)?))
}

/// Puts encoded words into plain text (RFC 2047); white space between two of them is no part of it.
fn decode_words(value: &str) -> String {
    let mut plain = String::new();
    let mut gap = "";
    let mut after_encoded = false;
    for word in value.split_inclusive(' ') {
        let (word, space) = word.strip_suffix(' ').map_or((word, ""), |word| (word, " "));
        let decoded = decode_word(word);
        if !(after_encoded && decoded.is_some()) {
            plain.push_str(gap);
        }
        plain.push_str(decoded.as_deref().unwrap_or(word));
        after_encoded = decoded.is_some();
        gap = space;
    }
    plain
}

fn decode_word(word: &str) -> Option<String> {
    let (charset, rest) = word.strip_prefix("=?")?.strip_suffix("?=")?.split_once('?')?;
    let (encoding, text) = rest.split_once('?')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let octets = match encoding {
        "b" | "B" => STANDARD.decode(text).ok()?,
        "q" | "Q" => {
            let spaced = text.replace('_', " ");
            quoted_printable::decode(spaced, quoted_printable::ParseMode::Robust).ok()?
        }
        _ => return None,
    };
    String::from_utf8(octets).ok()
}

/// A word of text: an address, without the punctuation around it, or not.
fn pieces_of(word: &str) -> Vec<Piece<'_>> {
    let Some(start) = word.find("http://").or_else(|| word.find("https://")) else {
        return vec![Piece::Words(word)];
    };
    let (before, rest) = word.split_at(start);
    let link = rest.trim_end().trim_end_matches(['.', ',', ';', ')', '>', '"']);
    let (link, after) = rest.split_at(link.len());
    vec![Piece::Words(before), Piece::Link(link), Piece::Words(after)]
}

const PREVIEW_CHARS: usize = 140;
const DEPTH_MAX: usize = 4;
const PARTS_MAX: usize = 20;
