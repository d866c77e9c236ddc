//! Every key of the configuration file: its kind, its default and what it means.
//!
//! Separate because four readers need the same list: the check of a file's keys, the check of environment
//! variables, the tables in `docs/operations.md`, and the tests that hold the example file against it.
//!
//! Rules: a key that is not listed here does not exist; names of tables stand in [`TABLES`], names of keys in
//! [`KEYS`], both in the order of the example file. A key of an array of tables has no index in its name.

mod keys;
mod nearest;

pub use keys::KEYS;
pub(super) use nearest::nearest;

/// What may stand behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// An array of strings.
    Texts,
    /// A string, or an array of them.
    TextOrTexts,
    /// `true` or `false`.
    Switch,
    /// A whole number, not negative.
    Number,
}

/// What holds if the key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// An error.
    Missing,
    /// This value, as it would be written.
    Value(&'static str),
    /// What these words say.
    Means(&'static str),
}

/// Whether the key does anything yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Ready,
    /// Its feature comes later: setting it is an error.
    Later,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its dotted name, e.g. `session.idle`.
    pub name: &'static str,
    /// What may stand behind it.
    pub kind: Kind,
    /// What holds without it.
    pub absent: Absent,
    /// Whether it does anything.
    pub support: Support,
    /// What it means, for the operator.
    pub meaning: &'static str,
}

/// How often a table may stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Once: `[name]`.
    Once,
    /// Any number of times: `[[name]]`.
    Many,
    /// Both ways.
    OnceOrMany,
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its dotted name.
    pub name: &'static str,
    /// How often it may stand in the file.
    pub shape: Shape,
}

/// All tables.
pub const TABLES: &[Table] = &[
    once("app"),
    once("saml"),
    once("listen"),
    Table { name: "listen.tls", shape: Shape::OnceOrMany },
    once("store"),
    once("session"),
    once("forward_auth"),
    once("identity"),
    once("access"),
    once("audit"),
    once("mail"),
    once("sign_on"),
    once("limits"),
    once("brand"),
    Table { name: "route", shape: Shape::Many },
    Table { name: "organization", shape: Shape::Many },
];

/// The key of that name.
pub(super) fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The table of that name.
pub(super) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

const fn once(name: &'static str) -> Table {
    Table { name, shape: Shape::Once }
}
