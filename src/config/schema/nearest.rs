//! The name that somebody may have meant by one that is not known.
//!
//! Separate because it compares spellings, whatever the names are for.

use super::{KEYS, TABLES};

/// The known name that somebody may have meant by an unknown one: a near miss, or the same key in another
/// table.
pub(in crate::config) fn nearest(unknown: &str) -> Option<&'static str> {
    let names = || TABLES.iter().map(|table| table.name).chain(KEYS.iter().map(|key| key.name));
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let (distance, name) = names().map(|name| (distance(name, unknown), name)).min()?;
    if distance <= 1 + last(name)?.len() / 3 {
        return Some(name);
    }
    names().find(|name| last(name) == last(unknown))
}

/// The number of letters to insert, drop, change or swap with the next to get from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(NAME_CHARS_MAX).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, a) in one.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&last, column) + usize::from(a != *b);
            let mut best = changed.min(at(&last, column + 1) + 1).min(at(&line, column) + 1);
            if column > 0 && previous == Some(*b) && other.get(column - 1) == Some(&a) {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut last, line);
        previous = Some(a);
    }
    last.last().copied().unwrap_or(0)
}

/// Longer names are no misspelling of any of ours.
const NAME_CHARS_MAX: usize = 64;
