//! Amounts of octets as operators write them: `"512MiB"`.
//!
//! Separate because several sections read them, and because a bare number must not pass: nobody could say what it counts.

use std::num::NonZero;

use super::reading::Fault;

/// Reads a whole number with one of the units `KiB`, `MiB` and `GiB`.
pub(super) fn parse(text: &str) -> Result<NonZero<u64>, Fault> {
    let found = UNITS.iter().find_map(|(unit, size)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*size)
    });
    found.and_then(NonZero::new).ok_or_else(|| {
        Fault::new(format!("{text:?} is not a size"), "write a number with KiB, MiB or GiB, e.g. \"512MiB\"")
    })
}

/// The amount in the largest unit that divides it.
pub(crate) fn written(octets: NonZero<u64>) -> String {
    let octets = octets.get();
    let fitting = UNITS.iter().find(|(_, size)| octets.is_multiple_of(*size));
    fitting.map_or_else(|| format!("{octets} bytes"), |(unit, size)| format!("{}{unit}", octets / size))
}

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
