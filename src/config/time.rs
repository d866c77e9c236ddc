//! Durations as operators write them: `"90s"`, `"1h30m"`.
//!
//! Separate because three sections read them, and because a bare number must not pass: nobody could say
//! whether it means seconds.

use std::time::Duration;

use super::reading::Fault;

/// Reads numbers with units `s`, `m`, `h` and `d`, largest first, to a duration within the bounds.
pub(super) fn parse(text: &str, min: Duration, max: Duration) -> Result<Duration, Fault> {
    let seconds = seconds(text).ok_or_else(|| {
        Fault::new(
            format!("{text:?} is not a duration"),
            "write a number with a unit: s, m, h or d, e.g. \"90s\" or \"12h\"",
        )
    })?;
    let duration = Duration::from_secs(seconds);
    if duration < min {
        return Err(Fault::new(
            format!("{text:?} is too short"),
            format!("write at least {:?}", written(min)),
        ));
    }
    if duration > max {
        return Err(Fault::new(format!("{text:?} is too long"), format!("write at most {:?}", written(max))));
    }
    Ok(duration)
}

/// The duration in the largest unit that divides it.
pub(crate) fn written(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fitting = UNITS.iter().find(|(_, length)| seconds >= *length && seconds.is_multiple_of(*length));
    fitting.map_or_else(|| format!("{seconds}s"), |(unit, length)| format!("{}{unit}", seconds / length))
}

fn seconds(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut total = 0_u64;
    let mut rest = text;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*length)?)?;
        rest = after.get(1..)?;
    }
    Some(total)
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("12h", Some(43_200)),
            ("1h30m", Some(5_400)),
            ("1d2h3m4s", Some(93_784)),
            ("0s", Some(0)),
            ("", None),
            ("90", None),
            ("h", None),
            ("1m1h", None),
            ("1h1h", None),
            ("1.5h", None),
            ("-1h", None),
            ("+1h", None),
            ("1 h", None),
            ("1h ", None),
            ("1ms", None),
            ("1é", None),
            ("99999999999999999999d", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_are_written_in_the_largest_unit_that_fits() {
        for (seconds, expected) in [(90, "90s"), (300, "5m"), (7_200, "2h"), (86_400, "1d"), (0, "0s")] {
            assert_eq!(written(Duration::from_secs(seconds)), expected);
        }
    }
}
