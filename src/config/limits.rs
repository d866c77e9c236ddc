//! `[limits]`: how often what may be asked for.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::num::NonZero;
use std::time::Duration;

use crate::routes::limits::{Rate, Settings};

use super::file;
use super::reading::{Fault, Read, Reading};

pub(super) fn read(typed: &file::Limits, reading: &mut Reading<'_>) -> Read<Settings> {
    let mut limit = |key: &str, typed: &Option<String>| reading.defaulted(key, typed.as_deref(), rate);
    let sign_in_per_address = limit("limits.sign_in_per_address", &typed.sign_in_per_address);
    let sign_in_per_email = limit("limits.sign_in_per_email", &typed.sign_in_per_email);
    let sign_in_per_organization = limit("limits.sign_in_per_organization", &typed.sign_in_per_organization);
    let answers_per_address = limit("limits.answers_per_address", &typed.answers_per_address);
    let posts_per_address = limit("limits.posts_per_address", &typed.posts_per_address);
    Ok(Settings {
        sign_in_per_address: sign_in_per_address?,
        sign_in_per_email: sign_in_per_email?,
        sign_in_per_organization: sign_in_per_organization?,
        answers_per_address: answers_per_address?,
        posts_per_address: posts_per_address?,
    })
}

/// `300/m`, or `off`.
fn rate(text: &str) -> Result<Option<Rate>, Fault> {
    if text == "off" {
        return Ok(None);
    }
    let parsed = text.split_once('/').and_then(|(count, unit)| {
        let period = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return None,
        };
        let count = count.parse::<NonZero<u32>>().ok().filter(|count| count.get() <= COUNT_MAX)?;
        Some(Rate { count, period })
    });
    parsed.map(Some).ok_or_else(|| {
        Fault::new(
            format!("{text:?} is not a rate"),
            "write a number (at most 1000000) for a second, minute or hour, e.g. \"300/m\", or \"off\"",
        )
    })
}

const COUNT_MAX: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_in_a_unit() {
        for (text, wanted) in [
            ("300/m", Some(Some((300, 60)))),
            ("1/s", Some(Some((1, 1)))),
            ("5/h", Some(Some((5, 3600)))),
            ("off", Some(None)),
            ("0/m", None),
            ("-1/m", None),
            ("1/d", None),
            ("300", None),
            ("1000001/m", None),
            ("", None),
        ] {
            let read = rate(text).ok().map(|rate| rate.map(|rate| (rate.count.get(), rate.period.as_secs())));
            assert_eq!(read, wanted, "{text:?}");
        }
    }
}
