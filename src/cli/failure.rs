//! Why a command did not do what it was asked for.
//!
//! Separate so that every failure has the same three faces: words, JSON, and an exit code.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::admin::{self, Refused};
use crate::config::{check, init, secret_file};
use crate::keys;
use crate::store;

/// Refused or failed; nothing has changed.
const FAILED: u8 = 1;

/// The command line or the configuration is wrong.
const WRONG: u8 = 2;

/// A failure of a command.
#[derive(Debug)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
    exit_code: u8,
    /// More about it, for programs.
    details: Option<(&'static str, Value)>,
    /// What a program reads on the standard output all the same.
    report: Option<Box<Value>>,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: String) -> Self {
        Self { code, message, exit_code: FAILED, details: None, report: None }
    }

    pub(super) fn usage(message: &str) -> Self {
        Self { exit_code: WRONG, ..Self::new("bad_usage", message.to_owned()) }
    }

    pub(super) fn of_system(error: &io::Error) -> Self {
        Self::new("failed", with_causes(error))
    }

    /// A configuration that does not hold.
    pub(super) fn of_configuration(report: &check::Report) -> Self {
        let problems = report.to_json().get_mut("problems").map(Value::take);
        let details = problems.map(|problems| ("problems", problems));
        Self { exit_code: WRONG, details, ..Self::new("bad_configuration", report.to_string()) }
    }

    /// Adds a report for programs.
    pub(super) fn with_report(self, report: Value) -> Self {
        Self { report: Some(Box::new(report)), ..self }
    }

    pub(super) const fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Writes the failure: words or JSON, on the standard error.
    pub(super) fn print(&self, json: bool, out: &mut dyn Write, errors: &mut dyn Write) -> io::Result<()> {
        if !json {
            return writeln!(errors, "{}", self.message.trim_end());
        }
        let mut error = json!({"code": self.code, "message": self.message.trim_end()});
        if let (Some(error), Some((name, details))) = (error.as_object_mut(), &self.details) {
            error.insert((*name).to_owned(), details.clone());
        }
        writeln!(errors, "{}", json!({"error": error}))?;
        self.report.iter().try_for_each(|report| writeln!(out, "{report:#}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::usage(&error.render().to_string())
    }
}

impl From<admin::Error> for Failure {
    fn from(error: admin::Error) -> Self {
        let refused = match error {
            admin::Error::Refused(refused) => refused,
            admin::Error::Store(error) => return error.into(),
        };
        let message = match hint(&refused) {
            Some(hint) => format!("{refused}; {hint}"),
            None => refused.to_string(),
        };
        Self { details: details(&refused), ..Self::new(refused.code(), message) }
    }
}

/// What is wrong one by one, for programs.
fn details(refused: &Refused) -> Option<(&'static str, Value)> {
    let lines = refused.lines().iter();
    let lines: Vec<_> =
        lines.map(|line| json!({"line": line.line, "message": line.kind.to_string()})).collect();
    if !lines.is_empty() {
        return Some(("lines", Value::Array(lines)));
    }
    let fields = refused.fields().iter();
    let fields: Vec<_> =
        fields.map(|field| json!({"field": field.field, "message": field.message})).collect();
    (!fields.is_empty()).then_some(("fields", Value::Array(fields)))
}

/// Which command helps on.
const fn hint(refused: &Refused) -> Option<&'static str> {
    Some(match refused {
        Refused::NoSuchUser { .. } => "`anteroom user list` shows all, `anteroom user add` makes one",
        Refused::EmailTaken { .. } => "`anteroom user grant` does that",
        Refused::NoSuchProperty { .. } | Refused::UnknownProperty { .. } => {
            "`anteroom property list` shows all, `anteroom property add` makes one"
        }
        Refused::PropertyRetired { .. } => "`anteroom property restore` does that",
        Refused::UntilPast => "`anteroom user revoke` does that",
        Refused::LastSupport { .. } | Refused::NotAnAgent { .. } => {
            "`anteroom user role EMAIL support` does that"
        }
        Refused::UserDisabled { .. } => "`anteroom user enable` does that",
        Refused::NoSuchSession { .. } => "`anteroom session list` shows all",
        Refused::NoSuchRequest { .. } => "`anteroom request list --all` shows all",
        Refused::DomainsShared(_) => "--share-domains does that",
        Refused::EntityIdChanged { .. } | Refused::EntityIdLost { .. } => "--accept-entity-id does that",
        Refused::NoSuchConflict { .. } => "`anteroom user conflicts` shows all that are open",
        _ => return None,
    })
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::new("store_failed", with_causes(&error))
    }
}

impl From<keys::Error> for Failure {
    fn from(error: keys::Error) -> Self {
        Self::new("keys_failed", with_causes(&error))
    }
}

impl From<secret_file::Error> for Failure {
    fn from(error: secret_file::Error) -> Self {
        Self { exit_code: WRONG, ..Self::new("bad_secret_file", with_causes(&error)) }
    }
}

impl From<init::Error> for Failure {
    fn from(error: init::Error) -> Self {
        Self::new("not_written", with_causes(&error))
    }
}

/// An error with what caused it, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
