//! A moment as a page shows it: UTC, for programs and people, and how long ago it was.
//!
//! Separate because no page knows the reader's time zone: it says UTC and an age, and never guesses.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::fmt::strtime;

/// A moment, seen from another.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<span class="moment">{{ distance }} <time datetime="{{ machine }}">{{ utc }}</time></span>"#,
    ext = "html"
)]
pub struct Moment {
    machine: String,
    utc: String,
    distance: String,
}

impl Moment {
    /// `at` as seen at `now`.
    #[must_use]
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            machine: formatted("%Y-%m-%dT%H:%M:%SZ", at),
            utc: formatted("%-d %b %Y, %H:%M UTC", at),
            distance: english_distance(at, now),
        }
    }

    /// `3 h ago`, or `in 3 days`.
    pub(super) fn distance(&self) -> &str {
        &self.distance
    }
}

/// Its template has escaped it.
impl HtmlSafe for Moment {}

/// How long something has gone on: `4 min`, `3 h`, `12 days`.
#[must_use]
pub fn english_age(since: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(since).as_secs().max(0) / 60;
    match minutes {
        0 => "less than a minute".to_owned(),
        1..=59 => format!("{minutes} min"),
        60..=2_879 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / (24 * 60)),
    }
}

fn english_distance(at: Timestamp, now: Timestamp) -> String {
    if now.duration_since(at).as_secs().abs() < 60 {
        "just now".to_owned()
    } else if at < now {
        format!("{} ago", english_age(at, now))
    } else {
        format!("in {}", english_age(now, at))
    }
}

fn formatted(pattern: &str, at: Timestamp) -> String {
    strtime::format(pattern, at).expect("the pattern asks for nothing but date and time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc_and_by_its_distance() {
        let now: Timestamp = "2026-11-25T17:47:30Z".parse().expect("a time");
        for (at, utc, distance) in [
            ("2026-11-25T17:47:00Z", "25 Nov 2026, 17:47 UTC", "just now"),
            ("2026-11-25T17:45:00Z", "25 Nov 2026, 17:45 UTC", "2 min ago"),
            ("2026-11-25T16:47:30Z", "25 Nov 2026, 16:47 UTC", "1 h ago"),
            ("2026-11-24T00:00:00Z", "24 Nov 2026, 00:00 UTC", "41 h ago"),
            ("2026-11-05T17:47:30Z", "5 Nov 2026, 17:47 UTC", "20 days ago"),
            ("2027-01-01T00:00:00Z", "1 Jan 2027, 00:00 UTC", "in 36 days"),
        ] {
            let moment = Moment::new(at.parse().expect("a time"), now);
            assert_eq!((moment.utc.as_str(), moment.distance.as_str()), (utc, distance), "{at}");
            assert_eq!(moment.machine, at);
        }
    }
}
