//! `[audit]`: how long the audit log is kept.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::time::Duration;

use super::reading::{Read, Reading};
use super::{file, time};

/// The audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// How long entries are kept; `None`: for ever.
    pub keep: Option<Duration>,
}

pub(super) fn read(typed: &file::Audit, reading: &mut Reading<'_>) -> Read<Audit> {
    let keep = reading
        .optional("audit.keep", typed.keep.as_deref(), |text| time::parse(text, KEEP_MIN, KEEP_MAX))?;
    Ok(Audit { keep })
}

/// What happened today must be there tomorrow.
const KEEP_MIN: Duration = Duration::from_hours(24);

/// A hundred years; who wants more leaves the key out.
const KEEP_MAX: Duration = Duration::from_hours(36_500 * 24);
