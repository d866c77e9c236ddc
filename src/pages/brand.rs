//! Whose pages these are: the application's name, logo and accent colour (`[brand]`, `app.name`).
//!
//! Separate because it is the only part of a page that an operator chooses: checked here once, it is given to
//! every view, together with the addresses of the static files that follow from it.

use bytes::Bytes;

use crate::email::EmailAddress;
use crate::pages::assets::Assets;
use crate::pages::palette::Rgb;

/// Why a part of `[brand]` is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form `#rrggbb`.
    #[error("must be a colour like \"#0b6e4f\"")]
    Colour,
    /// An image of a kind that not every browser shows.
    #[error("must be an SVG, PNG, JPEG or WebP image")]
    LogoKind,
    /// More than [`LOGO_BYTES_MAX`].
    #[error("must be at most 256 KiB")]
    LogoTooLarge,
}

/// The largest logo, in bytes: it is sent to every visitor and kept in memory.
pub const LOGO_BYTES_MAX: usize = 256 * 1024;

/// What an operator chose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The application's name, on every page.
    pub application_name: String,
    /// The application's front page, whole: our pages are also shown on the login host.
    pub application_url: String,
    /// Where visitors find help.
    pub support_email: Option<EmailAddress>,
    /// The colour of buttons and links.
    pub accent: Accent,
    /// Shown instead of the name in the head of the page.
    pub logo: Option<Logo>,
}

/// The settings and the static files made from them.
#[derive(Debug, Clone)]
pub struct Brand {
    application_name: String,
    application_url: String,
    support_email: Option<String>,
    assets: Assets,
}

impl Brand {
    /// Makes the static files; once per configuration.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            assets: Assets::new(settings.accent, settings.logo),
            application_name: settings.application_name,
            application_url: settings.application_url,
            support_email: settings.support_email.map(|address| address.to_string()),
        }
    }

    /// The application's name.
    #[must_use]
    pub fn application_name(&self) -> &str {
        &self.application_name
    }

    /// The application's front page.
    #[must_use]
    pub fn application_url(&self) -> &str {
        &self.application_url
    }

    /// Where visitors find help.
    #[must_use]
    pub fn support_email(&self) -> Option<&str> {
        self.support_email.as_deref()
    }

    /// The static files that the pages refer to.
    #[must_use]
    pub const fn assets(&self) -> &Assets {
        &self.assets
    }
}

/// A colour for buttons and links. Any will do: text on it and beside it is made readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent(Rgb);

impl Accent {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix('#').ok_or(Error::Colour)?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::Colour);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| Error::Colour)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self(Rgb([red, green, blue])))
    }

    pub(super) const fn rgb(self) -> Rgb {
        self.0
    }
}

impl Default for Accent {
    /// A calm green that can be read on white.
    fn default() -> Self {
        Self(Rgb([0x0b, 0x6e, 0x4f]))
    }
}

/// An image that browsers show without help.
#[derive(Debug, Clone)]
pub struct Logo {
    pub(super) octets: Bytes,
    pub(super) kind: LogoKind,
}

/// The kinds of image, told by their first octets and not by a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogoKind {
    Svg,
    Png,
    Jpeg,
    WebP,
}

impl Logo {
    /// Takes the octets of a file.
    pub fn parse(octets: Vec<u8>) -> Result<Self, Error> {
        if octets.len() > LOGO_BYTES_MAX {
            return Err(Error::LogoTooLarge);
        }
        let kind = LogoKind::of(&octets).ok_or(Error::LogoKind)?;
        Ok(Self { octets: octets.into(), kind })
    }
}

impl LogoKind {
    fn of(octets: &[u8]) -> Option<Self> {
        if octets.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if octets.starts_with(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if octets.starts_with(b"RIFF") && octets.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            let text = std::str::from_utf8(octets).ok()?.trim_start_matches('\u{feff}').trim_start();
            (text.starts_with('<') && text.contains("<svg")).then_some(Self::Svg)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_six_hexadecimal_digits_and_nothing_else() {
        assert_eq!(Accent::parse("#0B6e4f"), Ok(Accent::default()));
        for text in ["", "#", "0b6e4f", "#0b6e4", "#0b6e4f0", "#+b6e4f", "#fff", "red", "#0b6e4f;}", "#ééé"]
        {
            assert_eq!(Accent::parse(text), Err(Error::Colour), "{text:?}");
        }
    }

    #[test]
    fn logos_are_told_by_their_octets() {
        let kind = |octets: &[u8]| Logo::parse(octets.to_vec()).map(|logo| logo.kind);
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n..."), Ok(LogoKind::Png));
        assert_eq!(kind(b"\xff\xd8\xff\xe0"), Ok(LogoKind::Jpeg));
        assert_eq!(kind(b"RIFF\0\0\0\0WEBPVP8 "), Ok(LogoKind::WebP));
        assert_eq!(kind("\u{feff}<?xml version=\"1.0\"?><svg/>".as_bytes()), Ok(LogoKind::Svg));
        for other in [&b""[..], b"GIF89a", b"<html></html>", b"svg", b"\xff\xfe<svg"] {
            assert_eq!(kind(other), Err(Error::LogoKind));
        }
        assert_eq!(kind(&vec![b' '; LOGO_BYTES_MAX + 1]), Err(Error::LogoTooLarge));
    }
}
