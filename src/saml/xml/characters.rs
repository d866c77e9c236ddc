//! Which characters may stand where, and what references stand for.
//!
//! Separate because these are the tables of XML 1.0, and each is a place where readers have differed.

use std::borrow::Cow;

use crate::saml::refusal::{Reason, Refusal};

/// What a document holds anywhere, so that what it does not hold need not be looked for at each place.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, and any of them may be true"
)]
pub(super) struct Found {
    /// Something that is no character of XML.
    pub(super) forbidden: bool,
    /// Something that stands for something else: a reference, a carriage return.
    pub(super) substitutes: bool,
    /// A tabulator or a line break.
    pub(super) breaks: bool,
    /// The end of a CDATA section.
    pub(super) section_end: bool,
    /// Letters beyond ASCII.
    pub(super) foreign: bool,
}

impl Found {
    pub(super) fn look(text: &str) -> Self {
        // What most messages have nothing of is looked for at once, and only then one by one.
        // As a signed number, what is beyond ASCII is below the space too.
        if !any(text, |byte| byte.cast_signed() < 0x20 || byte == b'&' || byte == b']') {
            return Self::default();
        }
        let foreign = !text.is_ascii();
        Self {
            forbidden: any(text, |byte| byte < b' ' && !is_break(byte))
                || (foreign && (text.contains('\u{fffe}') || text.contains('\u{ffff}'))),
            substitutes: any(text, |byte| matches!(byte, b'&' | b'\r')),
            breaks: any(text, is_break),
            section_end: any(text, |byte| byte == b']') && text.contains("]]>"),
            foreign,
        }
    }
}

/// Whether an octet is like that: without an early end, so that many are looked at in one step.
pub(in crate::saml) fn any(text: &str, is_like_that: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |any, byte| any | is_like_that(byte))
}

/// What canonical XML escapes in the value of an attribute (Canonical XML 1.0, section 2.3).
pub(in crate::saml) const fn is_escaped_in_attributes(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'"' | b'\t' | b'\n' | b'\r')
}

/// What canonical XML escapes in a text (Canonical XML 1.0, section 2.3).
pub(in crate::saml) const fn is_escaped_in_texts(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>' | b'\r')
}

/// White space (XML 1.0 section 2.3, production S).
pub(in crate::saml) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a text is nothing but white space. Most begin with something else; of others many octets are looked at at once.
pub(super) fn is_blank(text: &str) -> bool {
    text.as_bytes().first().is_none_or(|first| is_space(*first)) && !any(text, |byte| !is_space(byte))
}

pub(super) const fn is_break(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r')
}

/// XML 1.0 section 2.2, production Char.
const fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// How many octets at the beginning can be part of a name; of letters beyond ASCII, [`is_name`] knows more.
pub(super) fn name_length(octets: &[u8]) -> usize {
    let is_of_name = |octet: u8| OF_NAME.get(usize::from(octet)).is_some_and(|is_of_name| *is_of_name);
    let mut rest = octets;
    // Four at a time, since every name of a message comes by here.
    while let Some(([one, two, three, four], behind)) = rest.split_first_chunk() {
        let length = match () {
            () if !is_of_name(*one) => 0,
            () if !is_of_name(*two) => 1,
            () if !is_of_name(*three) => 2,
            () if !is_of_name(*four) => 3,
            () => {
                rest = behind;
                continue;
            }
        };
        return octets.len() - rest.len() + length;
    }
    let length = rest.iter().position(|octet| !is_of_name(*octet)).unwrap_or(rest.len());
    octets.len() - rest.len() + length
}

/// Which octets can be part of a name.
const OF_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut byte = 0_u8;
    while let Some((first, others)) = rest.split_first_mut() {
        *first = matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | 0x80..);
        rest = others;
        byte = byte.wrapping_add(1);
    }
    table
};

/// Whether a text of octets that can be part of one is a name (Namespaces in XML 1.0, production `NCName`).
#[inline]
pub(super) fn is_name(text: &str, is_foreign: bool) -> bool {
    match text.as_bytes().first() {
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..) => {}
        _ => return false,
    }
    !is_foreign || (text.starts_with(starts_name) && text.chars().all(continues_name))
}

/// XML 1.0 section 2.3, production `NameStartChar`, without the colon.
const fn starts_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// XML 1.0 section 2.3, production `NameChar`, without the colon.
const fn continues_name(c: char) -> bool {
    starts_name(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// Where a text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Content,
    Attribute,
}

/// What a text means: references replaced, line breaks made one (XML 1.0 sections 2.11, 3.3.3, 4.1, 4.6).
pub(super) fn meaning(text: &str, place: Place) -> Result<Cow<'_, str>, Refusal> {
    let is_plain = |byte: u8| byte != b'&' && byte != b'\r' && (place == Place::Content || !is_break(byte));
    if !any(text, |byte| !is_plain(byte)) {
        return Ok(Cow::Borrowed(text));
    }
    let mut meant = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        let (plain, from) = rest.split_at(at);
        meant.push_str(plain);
        if let Some(reference) = from.strip_prefix('&') {
            let (name, after) = reference.split_once(';').ok_or_else(malformed)?;
            meant.push(referred(name)?);
            rest = after;
        } else {
            rest = from.strip_prefix("\r\n").or_else(|| from.get(1..)).unwrap_or("");
            meant.push(if place == Place::Content { '\n' } else { ' ' });
        }
    }
    meant.push_str(rest);
    Ok(Cow::Owned(meant))
}

/// The character that a reference stands for; there are no entities but those that XML has.
fn referred(name: &str) -> Result<char, Refusal> {
    let number = |digits: &str, radix| {
        let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        let number = u32::from_str_radix(digits, radix).ok().filter(|_| is_number);
        number.and_then(char::from_u32).filter(|c| is_character(*c)).ok_or_else(malformed)
    };
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(digits), _) => number(digits, 16),
            (None, Some(digits)) => number(digits, 10),
            (None, None) => Err(malformed()),
        },
    }
}

fn malformed() -> Refusal {
    Refusal::new(Reason::XmlMalformed).got("a reference to no character")
}
