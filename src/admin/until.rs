//! The end of a grant, as people write it.
//!
//! Separate because "until Friday" means that Friday still counts, wherever it is typed.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Why a text is not an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a date like 2027-01-31 (that day, UTC, is the last) or a time like 2027-01-31T17:00:00Z")]
pub struct Error;

/// Reads `YYYY-MM-DD`, whose day (UTC) is the last one, or a time of RFC 3339. What comes out is the first moment
/// at which the grant no longer holds.
pub fn parse(text: &str) -> Result<Timestamp, Error> {
    if text.len() > 40 {
        return Err(Error);
    }
    if is_plain_date(text) {
        let day: Date = text.parse().map_err(|_| Error)?;
        let next = day
            .tomorrow()
            .and_then(|next| TimeZone::UTC.to_timestamp(next.at(0, 0, 0, 0)))
            .map_err(|_| Error)?;
        return Ok(next);
    }
    // The date-time of RFC 3339 5.6 needs its offset; a reader more generous than that would guess.
    if text.contains(['T', 't']) && !text.contains('[') {
        text.parse().map_err(|_| Error)
    } else {
        Err(Error)
    }
}

fn is_plain_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_counts_to_its_end_and_a_time_to_the_second() {
        for (text, end) in [
            ("2027-01-31", Some("2027-02-01T00:00:00Z")),
            ("2028-02-29", Some("2028-03-01T00:00:00Z")),
            ("2027-01-31T17:00:00Z", Some("2027-01-31T17:00:00Z")),
            ("2027-01-31T17:00:00.5-08:00", Some("2027-02-01T01:00:00.5Z")),
            ("2027-02-29", None),
            ("2027-01-31T17:00:00", None),
            ("2027-01-31T17:00:00+01:00[Europe/Berlin]", None),
            ("2027-01-31 17:00:00Z", None),
            ("31.01.2027", None),
            ("2027-1-31", None),
            ("+002027-01-31", None),
            ("9999-12-31", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(parse(text).ok(), end.map(|end| end.parse().unwrap()), "{text}");
        }
    }
}
