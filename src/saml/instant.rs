//! Points in time as SAML writes them, and the tolerance for clocks that differ.
//!
//! Separate because one lenient date would undo every validity check.
//!
//! Rules: UTC with `Z` only (SAML Core 1.3.3), no leap second, at most nine fraction digits;
//! everything else is refused rather than guessed.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::refusal::{Reason, Refusal};

/// The most that clocks may differ, whatever is asked for.
pub(super) const SKEW_MAX: Duration = Duration::from_mins(3);

pub(super) fn parse(text: &str) -> Result<Timestamp, Refusal> {
    let malformed = || {
        Refusal::new(Reason::TimeMalformed).expected("a UTC dateTime such as 2026-01-31T09:30:00Z").got(text)
    };
    read(text.as_bytes()).ok_or_else(malformed)
}

/// The instant that a text of the one form stands for, if the calendar has it.
fn read(text: &[u8]) -> Option<Timestamp> {
    if !has_saml_shape(text) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?.iter();
        Some(digits.fold(0_i32, |number, digit| number * 10 + i32::from(digit.wrapping_sub(b'0'))))
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let year = i16::try_from(number(0, 4)?).ok()?;
    let fraction = text.len().saturating_sub("0000-00-00T00:00:00.Z".len());
    let scale = 10_i32.pow(9_u32.saturating_sub(u32::try_from(fraction).ok()?));
    let nanosecond = if fraction == 0 { 0 } else { number(20, 20 + fraction)? * scale };
    let civil = DateTime::new(year, small(5)?, small(8)?, small(11)?, small(14)?, small(17)?, nanosecond);
    Offset::UTC.to_timestamp(civil.ok()?).ok()
}

pub(super) fn format(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `instant` moved by `by`, staying within what can be represented.
pub(super) fn later(instant: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| instant.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn has_saml_shape(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let Some((date_time, rest)) = text.split_at_checked(SHAPE.len()) else {
        return false;
    };
    let fits = date_time.iter().zip(SHAPE).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        exact => byte == exact,
    });
    let seconds = date_time.last_chunk::<2>();
    let fraction_fits = match rest {
        b"Z" => true,
        [b'.', digits @ .., b'Z'] => (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    fits && seconds.is_some_and(|digits| digits < b"60") && fraction_fits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_utc_in_one_form_is_a_time() {
        for good in ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.1Z", "2026-01-31T09:30:00.123456789Z"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "2026-01-31T09:30:00",
            "2026-01-31T09:30:00+00:00",
            "2026-01-31t09:30:00z",
            "2026-01-31 09:30:00Z",
            "2026-01-31T09:30:60Z",
            "2026-01-31T24:00:00Z",
            "2026-02-30T09:30:00Z",
            "2026-01-31T09:30:00.Z",
            "2026-01-31T09:30:00.1234567890Z",
            " 2026-01-31T09:30:00Z",
            "2026-01-31T09:30:00Z\n",
            "20260131T093000Z",
            "+002026-01-31T09:30:00Z",
            "٢٠٢٦-01-31T09:30:00Z",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// What the form allows is what the library makes of it.
        #[test]
        fn the_library_reads_the_same(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?Z",
        ) {
            prop_assert_eq!(parse(&text).ok(), text.parse().ok(), "{}", text);
        }
    }

    #[test]
    fn a_formatted_time_parses_back() {
        let instant = parse("2026-01-31T09:30:00.5Z").expect("well-formed");
        assert_eq!(format(instant), "2026-01-31T09:30:00Z");
        assert!(parse(&format(instant)).is_ok());
    }

    #[test]
    fn moving_past_the_end_of_time_stays_there() {
        assert_eq!(later(Timestamp::MAX, SKEW_MAX), Timestamp::MAX);
    }
}
