//! Lengths of time as XML Schema writes them (`xs:duration`): `PT1H`, `P7D`.
//!
//! Separate because metadata alone has them, in `cacheDuration` (SAML Metadata 2.3.1).
//!
//! Rules: a malformed one is refused; a negative one is no time at all; months have 30 days and years 365, which is
//! exact enough for how long something may be kept.

use std::time::Duration;

use crate::saml::refusal::{Reason, Refusal};

pub(super) fn parse(text: &str) -> Result<Duration, Refusal> {
    read(text)
        .ok_or_else(|| Refusal::new(Reason::TimeMalformed).expected("a duration such as PT1H").got(text))
}

fn read(text: &str) -> Option<Duration> {
    let (is_negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let seconds = sum(date, &[('Y', 365 * DAY), ('M', 30 * DAY), ('D', DAY)])?
        .saturating_add(sum(time, &[('H', 3600), ('M', 60), ('S', 1)])?);
    Some(Duration::from_secs(if is_negative { 0 } else { seconds }))
}

/// The sum of numbers with units, which stand in that order and each at most once; only seconds may have a
/// fraction, which is dropped.
fn sum(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    let mut units = units.iter();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let unit = after.chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        let whole = match number.split_once('.') {
            Some((whole, fraction)) if unit == 'S' && fraction.bytes().all(|b| b.is_ascii_digit()) => whole,
            Some(_) => return None,
            None => number,
        };
        // More digits than a number holds are as good as for ever.
        let is_number = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
        let number = if is_number { whole.parse().unwrap_or(u64::MAX) } else { return None };
        total = total.saturating_add(u64::saturating_mul(number, *length));
        rest = after.get(1..)?;
    }
    Some(total)
}

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_schema_writes_them() {
        for (text, seconds) in [
            ("PT1H", Some(3600)),
            ("P7D", Some(7 * DAY)),
            ("P1Y2M3DT4H5M6.7S", Some(365 * DAY + 63 * DAY + 4 * 3600 + 306)),
            ("PT0S", Some(0)),
            ("-P1D", Some(0)),
            ("PT99999999999999999999S", Some(u64::MAX)),
            ("", None),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("1H", None),
            ("PT1", None),
            ("PTH", None),
            ("PT1.5H", None),
            ("PT1M1H", None),
            ("P1H", None),
            ("PT1D", None),
            ("PT1S ", None),
            ("PT-1S", None),
            ("PT1é", None),
        ] {
            assert_eq!(read(text).map(|read| read.as_secs()), seconds, "{text:?}");
        }
    }
}
