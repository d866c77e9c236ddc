//! What is wrong with a configuration, said so that it can be put right.
//!
//! Separate because every part of the reader adds to the same list: all mistakes are told at once, each
//! with its place, its dotted key and a remedy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a mistake stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere in particular: something is missing.
    File,
    /// A line of the file, from 1.
    Line(usize),
    /// A character of the file: line and column, from 1.
    Position(usize, usize),
    /// An environment variable.
    Variable(String),
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file.
    pub file: PathBuf,
    /// Where in it, or in which variable.
    pub place: Place,
    /// The dotted key; empty where the mistake is that of no key.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.place {
            Place::File => write!(f, "{file}: ")?,
            Place::Line(line) => write!(f, "{file}:{line}: ")?,
            Place::Position(line, column) => write!(f, "{file}:{line}:{column}: ")?,
            Place::Variable(name) => write!(f, "{name}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{} — {}", self.message, self.remedy)
    }
}

/// Every mistake of a configuration, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// In order of their place.
    pub list: Vec<Problem>,
    /// The files that were looked at, so that somebody can wait for them to change.
    pub files: super::watch::Files,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.list.iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\n" };
            write!(f, "{line_end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects what is found while a configuration is read.
#[derive(Debug)]
pub(super) struct Findings {
    file: PathBuf,
    places: BTreeMap<String, Place>,
    reported: BTreeSet<String>,
    list: Vec<Problem>,
    broken: bool,
    /// What is valid, but probably not meant.
    pub(super) notes: Vec<String>,
}

impl Findings {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            places: BTreeMap::new(),
            reported: BTreeSet::new(),
            list: Vec::new(),
            broken: false,
            notes: Vec::new(),
        }
    }

    /// Remembers where a key stands.
    pub(super) fn stands_at(&mut self, key: &str, place: Place) {
        self.places.insert(key.to_owned(), place);
    }

    /// Notes that a variable stands in the place of what the file says.
    pub(super) fn replaced(&mut self, key: &str, place: Place) {
        self.places.retain(|name, _| !is_at_or_below(name, key));
        self.stands_at(key, place);
    }

    /// Notes that the file cannot be read in full, so that nothing is told to be missing.
    pub(super) fn broken(&mut self, place: Place, message: &str, remedy: &str) {
        self.broken = true;
        self.add(place, "", message, remedy);
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Notes that a key's value cannot be used and that the reason has been told.
    pub(super) fn spoiled(&mut self, key: &str) {
        self.reported.insert(key.to_owned());
    }

    /// Adds a mistake in a key's value.
    pub(super) fn refuse(&mut self, key: &str, message: impl AsRef<str>, remedy: impl AsRef<str>) {
        self.spoiled(key);
        self.add(self.place_of(key), key, message.as_ref(), remedy.as_ref());
    }

    /// Adds a mistake at a place of its own.
    pub(super) fn refuse_at(&mut self, place: Place, key: &str, message: &str, remedy: &str) {
        self.spoiled(key);
        self.add(place, key, message, remedy);
    }

    /// Adds that a required key is missing, unless its mistake was told or the file cannot be read in full.
    pub(super) fn missing(&mut self, key: &str, remedy: &str) {
        if !self.broken && !self.is_spoiled(key) {
            self.refuse(key, "is missing", remedy);
        }
    }

    /// Whether a mistake was found in a key's value, in a part of it, or in what it is a part of.
    pub(super) fn is_spoiled(&self, key: &str) -> bool {
        self.reported.iter().any(|name| is_at_or_below(name, key) || is_at_or_below(key, name))
    }

    /// Whether nothing was found.
    pub(super) const fn is_clean(&self) -> bool {
        self.list.is_empty()
    }

    /// All mistakes, in order of their place.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.list.sort_by(|a, b| place_order(&a.place).cmp(&place_order(&b.place)));
        self.list.dedup();
        self.list
    }

    fn add(&mut self, place: Place, key: &str, message: &str, remedy: &str) {
        self.list.push(Problem {
            file: self.file.clone(),
            place,
            key: key.to_owned(),
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    /// Where a key stands; failing that, the table that it belongs to.
    fn place_of(&self, key: &str) -> Place {
        let mut name = key;
        loop {
            if let Some(place) = self.places.get(name) {
                return place.clone();
            }
            match name.rfind(['.', '[']).and_then(|end| name.get(..end)) {
                Some(outer) => name = outer,
                None => return Place::File,
            }
        }
    }
}

/// `session.idle` is at or below `session`, `app.upstreams[2]` at or below `app.upstreams`.
fn is_at_or_below(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Lines in order, then variables, then what is missing altogether.
fn place_order(place: &Place) -> (u8, usize, usize, &str) {
    match place {
        Place::Line(line) => (0, *line, 0, ""),
        Place::Position(line, column) => (0, *line, *column, ""),
        Place::Variable(name) => (1, 0, 0, name),
        Place::File => (2, 0, 0, ""),
    }
}
