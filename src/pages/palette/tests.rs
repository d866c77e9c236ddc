//! The palette by arithmetic: the pairs of colours that the stylesheet uses, over a grid of accents.

use super::*;

/// WCAG 2.2, 1.4.11.
const GRAPHIC_CONTRAST_MIN: f64 = 3.0;

#[test]
fn contrast_agrees_with_the_worked_values_of_wcag() {
    assert!((contrast(WHITE, BLACK) - 21.0).abs() < 1e-9);
    assert!((contrast(WHITE, WHITE) - 1.0).abs() < 1e-9);
    assert!((contrast(Rgb([0x76; 3]), WHITE) - 4.54).abs() < 0.01);
}

#[test]
fn fixed_colours_can_be_read_in_both_schemes() {
    for scheme in [&LIGHT, &DARK] {
        for background in [scheme.page, scheme.surface] {
            for text in [scheme.ink, scheme.muted, scheme.problem, scheme.caution, scheme.done] {
                assert!(contrast(text, background) >= TEXT_CONTRAST_MIN, "{text} on {background}");
            }
            assert!(contrast(scheme.field, background) >= GRAPHIC_CONTRAST_MIN, "{}", scheme.field);
        }
    }
}

#[test]
fn every_accent_can_be_read_in_both_schemes() {
    let steps = || (0..=255_u8).step_by(15);
    for accent in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| Rgb([r, g, b])))) {
        for scheme in [&LIGHT, &DARK] {
            let accented = scheme.accented(accent);
            assert!(contrast(accent, accented.on_fill) >= TEXT_CONTRAST_MIN, "{accent}");
            for background in [scheme.page, scheme.surface] {
                assert!(contrast(accented.ink, background) >= TEXT_CONTRAST_MIN, "{accent} on {background}");
            }
        }
    }
}

#[test]
fn an_accent_that_can_be_read_stays_as_it_is() {
    let green = Rgb([0x0b, 0x6e, 0x4f]);
    assert_eq!(LIGHT.accented(green).ink, green);
    assert_ne!(DARK.accented(green).ink, green);
}
