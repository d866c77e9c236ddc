//! `[access]`: the levels of access, and who may ask for some on behalf of others.
//!
//! Separate, as every section has a file with its valid form and its rules.

use crate::admin::SecondApproval;
use crate::directory::{Level, Levels};

use super::file;
use super::reading::{Fault, Read, Reading, Told};

/// Levels and what they allow in Anteroom itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// All levels, lowest first.
    pub levels: Levels,
    /// Those that may file New User requests.
    pub may_request: Vec<Level>,
    /// The highest level that support agents may give themselves.
    pub support_self_level: Option<Level>,
    /// Whether access to all properties needs a second agent.
    pub second_approval: SecondApproval,
}

pub(super) fn read(typed: &file::Access, reading: &mut Reading<'_>) -> Read<Access> {
    let names = match typed.levels.as_deref() {
        None if !reading.findings.is_spoiled("access.levels") => {
            Ok(LEVELS_DEFAULT.map(str::to_owned).to_vec())
        }
        typed => reading.list("access.levels", typed, level_name),
    };
    let names = names?;
    if names.is_empty() {
        let remedy = "list the levels, lowest first, e.g. levels = [\"viewer\", \"manager\"]";
        reading.findings.refuse("access.levels", "is empty, so nobody could be let in", remedy);
        return Err(Told);
    }
    let levels = Levels::new(names);
    let may_request = match typed.may_request.as_deref() {
        None if !reading.findings.is_spoiled("access.may_request") => {
            MAY_REQUEST_DEFAULT.iter().filter_map(|name| levels.parse(name).ok()).collect()
        }
        typed => reading.list("access.may_request", typed, |name| configured(name, &levels))?,
    };
    let self_level = typed.support_self_level.as_deref();
    let support_self_level =
        reading.optional("access.support_self_level", self_level, |name| configured(name, &levels))?;
    let second_approval = match typed.second_approval {
        None if reading.findings.is_spoiled("access.second_approval") => return Err(Told),
        Some(true) => SecondApproval::ForAllProperties,
        Some(false) | None => SecondApproval::Never,
    };
    Ok(Access { levels, may_request, support_self_level, second_approval })
}

/// One of the configured levels.
fn configured(name: &str, levels: &Levels) -> Result<Level, Fault> {
    levels.parse(name).map_err(|_| {
        Fault::new(
            format!("{name:?} is not one of access.levels"),
            format!("write one of {}, or add it to access.levels", levels.names().join(", ")),
        )
    })
}

/// A level's name stands in tokens, in plain headers, in CSV files and on command lines.
fn level_name(text: &str) -> Result<String, Fault> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if fits {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{text:?} is no name for a level"),
        "write 1 to 64 letters, digits, dots, hyphens or underscores",
    ))
}

/// What the maintenance platform calls its levels.
const LEVELS_DEFAULT: [&str; 4] = ["viewer", "technician", "manager", "administrator"];

/// Those who answer for other people's access.
const MAY_REQUEST_DEFAULT: [&str; 2] = ["manager", "administrator"];
