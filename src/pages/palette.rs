//! The colours of all pages, light and dark, worked out from one accent.
//!
//! Separate because whether text can be read is arithmetic: whatever accent an operator picks, the pairs that
//! the stylesheet uses meet WCAG 2.2 AA (1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for what carries meaning).

use std::fmt::Write as _;

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rgb(pub(super) [u8; 3]);

/// The generated part of the stylesheet: every colour as a custom property, for both schemes.
pub(super) fn custom_properties(accent: Rgb) -> String {
    let mut css = format!(":root{{{}}}", LIGHT.properties(accent));
    write!(css, "\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n", DARK.properties(accent))
        .expect("writing to a String cannot fail");
    css
}

/// What one colour scheme is made of, before the accent.
struct Scheme {
    page: Rgb,
    surface: Rgb,
    ink: Rgb,
    muted: Rgb,
    line: Rgb,
    field: Rgb,
    problem: Rgb,
    caution: Rgb,
    done: Rgb,
}

const LIGHT: Scheme = Scheme {
    page: Rgb([0xf3, 0xf5, 0xf7]),
    surface: WHITE,
    ink: Rgb([0x1a, 0x1f, 0x26]),
    muted: Rgb([0x53, 0x5d, 0x69]),
    line: Rgb([0xd9, 0xde, 0xe4]),
    field: Rgb([0x7a, 0x84, 0x90]),
    problem: Rgb([0xa8, 0x20, 0x1a]),
    caution: Rgb([0x84, 0x4d, 0x00]),
    done: Rgb([0x1b, 0x67, 0x3d]),
};

const DARK: Scheme = Scheme {
    page: Rgb([0x0f, 0x12, 0x16]),
    surface: Rgb([0x18, 0x1c, 0x22]),
    ink: Rgb([0xe9, 0xec, 0xf0]),
    muted: Rgb([0xa6, 0xaf, 0xba]),
    line: Rgb([0x2f, 0x36, 0x3f]),
    field: Rgb([0x78, 0x82, 0x8e]),
    problem: Rgb([0xff, 0x9a, 0x90]),
    caution: Rgb([0xf2, 0xbf, 0x63]),
    done: Rgb([0x7f, 0xd4, 0xa2]),
};

const WHITE: Rgb = Rgb([0xff; 3]);
const BLACK: Rgb = Rgb([0; 3]);

impl Scheme {
    fn properties(&self, accent: Rgb) -> String {
        let accented = self.accented(accent);
        [
            ("page", self.page),
            ("surface", self.surface),
            ("ink", self.ink),
            ("muted", self.muted),
            ("line", self.line),
            ("field", self.field),
            ("problem", self.problem),
            ("caution", self.caution),
            ("done", self.done),
            ("accent", accent),
            ("on-accent", accented.on_fill),
            ("accent-ink", accented.ink),
        ]
        .iter()
        .fold(String::new(), |mut css, (name, colour)| {
            write!(css, "--{name}:{colour};").expect("writing to a String cannot fail");
            css
        })
    }

    fn accented(&self, accent: Rgb) -> Accented {
        let on_fill = if contrast(accent, WHITE) >= TEXT_CONTRAST_MIN { WHITE } else { BLACK };
        let towards =
            if contrast(self.surface, BLACK) > contrast(self.surface, WHITE) { BLACK } else { WHITE };
        let readable = |colour: &Rgb| {
            contrast(*colour, self.surface) >= TEXT_CONTRAST_MIN
                && contrast(*colour, self.page) >= TEXT_CONTRAST_MIN
        };
        let ink = (0..=100).step_by(4).map(|percent| accent.mixed(towards, percent)).find(readable);
        Accented {
            on_fill,
            ink: ink.expect("the last step is black or white, which can be read on any scheme"),
        }
    }
}

/// The colours of a scheme that follow from the accent.
struct Accented {
    /// Text on a fill of the accent.
    on_fill: Rgb,
    /// The accent as text, line and focus ring: itself, or as much lighter or darker as it must be.
    ink: Rgb,
}

impl Rgb {
    /// This colour with so many hundredths of another.
    fn mixed(self, other: Self, percent: u16) -> Self {
        let mut channels = self.0;
        for (channel, theirs) in channels.iter_mut().zip(other.0) {
            let sum = u16::from(*channel) * (100 - percent) + u16::from(theirs) * percent;
            *channel = u8::try_from(sum / 100).expect("a mean of two octets is an octet");
        }
        Self(channels)
    }

    /// Relative luminance (WCAG 2.2, glossary).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Contrast ratio (WCAG 2.2, glossary), 1 to 21.
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (one.luminance(), other.luminance());
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, 1.4.3.
const TEXT_CONTRAST_MIN: f64 = 4.5;

#[cfg(test)]
mod tests;
