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
    /// How long is kept what was found out about refused sign-ons.
    pub traces_keep: Duration,
}

pub(super) fn read(typed: &file::Audit, reading: &mut Reading<'_>) -> Read<Audit> {
    let parse = |text: &str| time::parse(text, KEEP_MIN, KEEP_MAX);
    let keep = reading.optional("audit.keep", typed.keep.as_deref(), parse);
    let parse = |text: &str| time::parse(text, TRACES_KEEP_MIN, TRACES_KEEP_MAX);
    let traces_keep = reading.defaulted("audit.traces_keep", typed.traces_keep.as_deref(), parse);
    Ok(Audit { keep: keep?, traces_keep: traces_keep? })
}

/// What happened today must be there tomorrow.
const KEEP_MIN: Duration = Duration::from_hours(24);

/// A hundred years; who wants more leaves the key out.
const KEEP_MAX: Duration = Duration::from_hours(36_500 * 24);

/// Long enough to look at what somebody reports at once.
const TRACES_KEEP_MIN: Duration = Duration::from_hours(1);

/// Who has not asked by then does not.
const TRACES_KEEP_MAX: Duration = Duration::from_hours(90 * 24);
