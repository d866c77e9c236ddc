//! The list of checks that were made of an identity provider's answer.
//!
//! Separate because the report of a trial and the trace of a refused sign-on show the same list.

use crate::pages::texts::texts;

/// A check.
#[derive(Debug, Clone)]
pub struct CheckLine {
    /// What was looked at.
    pub name: String,
    /// How it went.
    pub result: CheckResult,
}

/// How a check went.
#[derive(Debug, Clone)]
pub enum CheckResult {
    /// As it should.
    Passed {
        /// What came, where that is of interest.
        got: Option<String>,
    },
    /// It did, and there is something worth knowing all the same.
    Noted {
        /// What; whole sentences.
        remark: String,
        /// What to do if that matters; whole sentences.
        remedy: String,
    },
    /// It did not.
    Failed {
        /// What is wrong; a whole sentence.
        problem: String,
        /// What would have been accepted.
        expected: Option<String>,
        /// What came instead.
        got: Option<String>,
        /// What to do now; a whole sentence.
        remedy: String,
    },
    /// A check before it failed.
    NotReached,
    /// There was nothing to check.
    NotApplicable,
}

impl CheckLine {
    pub(super) const fn tone(&self) -> &'static str {
        match self.result {
            CheckResult::Passed { .. } | CheckResult::Noted { .. } => "passed",
            CheckResult::Failed { .. } => "failed",
            CheckResult::NotReached | CheckResult::NotApplicable => "neutral",
        }
    }

    pub(super) const fn english_result(&self) -> &'static str {
        match self.result {
            CheckResult::Passed { .. } | CheckResult::Noted { .. } => "Passed",
            CheckResult::Failed { .. } => "Failed",
            CheckResult::NotReached => "Not reached",
            CheckResult::NotApplicable => "Does not apply",
        }
    }
}

texts! {
    /// The labels beside a check.
    pub(super) CheckTexts {
        expected: "Expected",
        got: "Got",
    }
}
