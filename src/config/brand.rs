//! `[brand]`: how Anteroom's pages look.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::fmt;

use super::file;
use super::reading::{Fault, Read, Reading};

/// The look of the pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brand {
    /// The logo.
    pub logo: Option<Logo>,
    /// The colour of buttons and links.
    pub accent: Option<Accent>,
}

/// A picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    /// The file's content.
    pub octets: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({}, {} octets)", self.media_type, self.octets.len())
    }
}

/// A colour: `#` and six hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accent(String);

impl Accent {
    /// The colour as CSS has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn read(typed: &file::Brand, reading: &mut Reading<'_>) -> Read<Brand> {
    let accent = reading.optional("brand.accent", typed.accent.as_deref(), accent);
    let name = reading.optional("brand.logo", typed.logo.as_deref(), |name| Ok(name.to_owned()));
    let logo = name.and_then(|name| {
        let Some(name) = name else { return Ok(None) };
        let (_, octets) = reading.file("brand.logo", &name, LOGO_OCTETS_MAX)?;
        reading.told("brand.logo", logo(octets)).map(Some)
    });
    Ok(Brand { logo: logo?, accent: accent? })
}

fn accent(text: &str) -> Result<Accent, Fault> {
    let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let digits = digits.map(str::to_ascii_lowercase);
    match digits.as_deref() {
        Some(digits) if digits.len() == 6 => Ok(Accent(format!("#{digits}"))),
        Some(digits) if digits.len() == 3 => {
            Ok(Accent(format!("#{}", digits.chars().flat_map(|digit| [digit, digit]).collect::<String>())))
        }
        _ => Err(Fault::new(
            format!("{text:?} is not a colour"),
            "write # and six hexadecimal digits, e.g. \"#0b6e4f\"",
        )),
    }
}

/// Tells the kind of picture by its first octets, whatever the file's name says.
fn logo(octets: Vec<u8>) -> Result<Logo, Fault> {
    let text_start = octets.get(..octets.len().min(1024)).map(String::from_utf8_lossy).unwrap_or_default();
    let media_type = if octets.starts_with(b"\x89PNG\r\n\x1a\n") {
        "image/png"
    } else if octets.starts_with(b"\xff\xd8\xff") {
        "image/jpeg"
    } else if octets.starts_with(b"RIFF") && octets.get(8..12) == Some(b"WEBP") {
        "image/webp"
    } else if text_start.trim_start_matches('\u{feff}').trim_start().starts_with('<')
        && text_start.contains("<svg")
    {
        "image/svg+xml"
    } else {
        return Err(Fault::new("the file is no picture that Anteroom knows", "use SVG, PNG, JPEG or WebP"));
    };
    Ok(Logo { octets, media_type })
}

/// A logo is loaded on every page; larger ones are photographs.
const LOGO_OCTETS_MAX: u64 = 256 * 1024;
