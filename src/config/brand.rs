//! `[brand]`: how Anteroom's pages look.
//!
//! Separate, as every section has a file with its valid form and its rules; what a colour and a logo are is
//! said in `pages`.

use crate::pages::{Accent, Error, Logo};

use super::file;
use super::reading::{Fault, Read, Reading};

/// The look of the pages.
#[derive(Debug, Clone, Default)]
pub struct Brand {
    /// The logo.
    pub logo: Option<Logo>,
    /// The colour of buttons and links.
    pub accent: Option<Accent>,
}

pub(super) fn read(typed: &file::Brand, reading: &mut Reading<'_>) -> Read<Brand> {
    let accent = reading.optional("brand.accent", typed.accent.as_deref(), |text| {
        Accent::parse(text).map_err(|error| fault(&format!("{text:?}"), error))
    });
    let name = reading.optional("brand.logo", typed.logo.as_deref(), |name| Ok(name.to_owned()));
    let logo = name.and_then(|name| {
        let Some(name) = name else { return Ok(None) };
        let (_, octets) = reading.file("brand.logo", &name, LOGO_OCTETS_MAX)?;
        reading.told("brand.logo", Logo::parse(octets).map_err(|error| fault("the file", error))).map(Some)
    });
    Ok(Brand { logo: logo?, accent: accent? })
}

fn fault(what: &str, error: Error) -> Fault {
    let remedy = match error {
        Error::Colour => "write # and six hexadecimal digits, e.g. \"#0b6e4f\"",
        Error::LogoKind => "use SVG, PNG, JPEG or WebP",
        Error::LogoTooLarge => "make it smaller: it is loaded on every page",
    };
    Fault::new(format!("{what} {error}"), remedy)
}

/// A logo is loaded on every page; larger ones are photographs.
const LOGO_OCTETS_MAX: u64 = 256 * 1024;
