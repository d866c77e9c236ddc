//! How sections turn text into valid values: one place for defaults, bounds and files.
//!
//! Separate so that a section's own code is only its rules. A value that cannot be used is [`Told`]: the
//! reason stands in the findings already, so a section reads all its keys before it gives up.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;

use super::digest::Digest;
use super::problem::Findings;
use super::schema::{self, Absent};
use super::watch::Files;

/// Why one value cannot be used.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

/// The value cannot be used, and the reason is among the findings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told;

/// A value, or the reason is among the findings.
pub(super) type Read<T> = Result<T, Told>;

/// What a section needs to read its keys.
#[derive(Debug)]
pub(super) struct Reading<'r> {
    pub(super) findings: &'r mut Findings,
    /// Where relative paths begin.
    pub(super) folder: PathBuf,
    /// What was read, to be watched.
    pub(super) files: Files,
    /// What was read, to be told apart from something else.
    pub(super) digest: Digest,
    pub(super) now: Timestamp,
}

impl Reading<'_> {
    /// Reads a value that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        typed: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Read<Option<T>> {
        let Some(typed) = typed else {
            return if self.findings.is_spoiled(key) { Err(Told) } else { Ok(None) };
        };
        self.told(key, parse(typed)).map(Some)
    }

    /// Reads a value that must be there; the remedy is for when it is not.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        typed: Option<&str>,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Read<T> {
        self.optional(key, typed, parse)?.ok_or_else(|| {
            self.findings.missing(key, remedy);
            Told
        })
    }

    /// Reads a value that has a default in the schema.
    pub(super) fn defaulted<T>(
        &mut self,
        key: &str,
        typed: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Read<T> {
        match self.optional(key, typed, &parse)? {
            Some(value) => Ok(value),
            None => self.told(key, parse(default_text(key))),
        }
    }

    /// Reads a number that has a default in the schema.
    pub(super) fn number(&mut self, key: &str, typed: Option<u64>, min: u64, max: u64) -> Read<u64> {
        if typed.is_none() && self.findings.is_spoiled(key) {
            return Err(Told);
        }
        let number = typed.or_else(|| default_text(key).parse().ok()).unwrap_or(min);
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        let fault =
            Fault::new(format!("{number} is out of bounds"), format!("write a number from {min} to {max}"));
        self.told(key, Err(fault))
    }

    /// Reads a list; absent is empty. What stands in it twice is a mistake.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        key: &str,
        typed: Option<&[String]>,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Read<Vec<T>> {
        if typed.is_none() && self.findings.is_spoiled(key) {
            return Err(Told);
        }
        let typed = typed.unwrap_or_default();
        let mut values: Vec<T> = Vec::new();
        for (index, item) in typed.iter().enumerate() {
            let at = format!("{key}[{index}]");
            match parse(item) {
                Ok(value) if values.contains(&value) => {
                    self.findings.refuse(&at, format!("{item:?} is listed twice"), "keep it once");
                }
                Ok(value) => values.push(value),
                Err(fault) => self.findings.refuse(&at, fault.message, fault.remedy),
            }
        }
        if values.len() == typed.len() { Ok(values) } else { Err(Told) }
    }

    /// Reads a file that a key names, relative to the configuration's folder.
    pub(super) fn file(&mut self, key: &str, name: &str, octets_max: u64) -> Read<(PathBuf, Vec<u8>)> {
        if name.is_empty() {
            self.findings.refuse(key, "is empty", "write the name of a file");
            return Err(Told);
        }
        let path = self.folder.join(name);
        self.files.note(&path);
        let fault = match read_bounded(&path, octets_max) {
            Ok(octets) if octets.is_empty() => {
                Fault::new(format!("the file {} is empty", path.display()), "put its content there")
            }
            Ok(octets) => {
                self.digest.add(key, &octets);
                return Ok((path, octets));
            }
            Err(error) => unreadable(&path, &error),
        };
        self.told(key, Err(fault))
    }

    /// Reports the fault, if it is one.
    pub(super) fn told<T>(&mut self, key: &str, outcome: Result<T, Fault>) -> Read<T> {
        outcome.map_err(|fault| {
            self.findings.refuse(key, fault.message, fault.remedy);
            Told
        })
    }
}

/// The default of a text as the schema has it, without its quotes.
fn default_text(key: &str) -> &'static str {
    match schema::key(key).map(|key| key.absent) {
        Some(Absent::Value(written)) => written.trim_matches('"'),
        _ => "",
    }
}

/// Reads a whole regular file, if it is not larger than that.
pub(super) fn read_bounded(path: &Path, octets_max: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    let mut octets = Vec::new();
    fs::File::open(path)?.take(octets_max + 1).read_to_end(&mut octets)?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > octets_max {
        let message = format!("is larger than {} KiB", octets_max / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(octets)
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Fault::new(
            format!("the file {path} does not exist"),
            "create it, or correct the name (relative to the configuration file)",
        ),
        io::ErrorKind::PermissionDenied => Fault::new(
            format!("the file {path} may not be read"),
            "give the user that Anteroom runs as permission to read it",
        ),
        _ => Fault::new(format!("the file {path} cannot be read: {error}"), "name a file that can be read"),
    }
}
