//! Spans of time as people say them.
//!
//! Separate because several causes measure clocks.

use jiff::Timestamp;

/// How long it is from one moment to a later one; nothing if it is not later.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> Option<i64> {
    let seconds = later.as_second().saturating_sub(earlier.as_second());
    (later >= earlier).then_some(seconds)
}

/// A span in its two largest units.
pub(super) fn span(seconds: i64) -> String {
    const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let Some(first) = UNITS.iter().position(|(_, length)| seconds >= *length) else {
        return "less than a second".to_owned();
    };
    let mut rest = seconds;
    let mut said = Vec::new();
    for (unit, length) in UNITS.iter().skip(first).take(2) {
        if rest >= *length {
            said.push(format!("{} {unit}", rest / length));
        }
        rest %= length;
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units_at_most() {
        for (seconds, said) in [
            (-5, "less than a second"),
            (0, "less than a second"),
            (59, "59 s"),
            (450, "7 min 30 s"),
            (3_600, "1 h"),
            (3_601, "1 h"),
            (8_045, "2 h 14 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(seconds), said);
        }
    }
}
