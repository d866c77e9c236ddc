//! The report of a trial sign-on.
//!
//! Separate because it is read together with a customer on the phone: each check says what to do where.

use crate::pages::Brand;
use crate::pages::moment::Moment;
use crate::pages::support::Agent;

/// `/.anteroom/support/organizations/{id}/test?id=…`.
#[derive(Debug, Clone)]
pub struct ConnectionTest {
    /// Who works at the console.
    pub agent: Agent,
    /// The organization's id. Another trial posts to `/.anteroom/support/organizations/{id}/test`.
    pub organization_id: String,
    /// The organization's name.
    pub organization: String,
    /// When it began.
    pub begun: Moment,
    /// How far it is.
    pub state: TestState,
}

/// How far a trial is.
#[derive(Debug, Clone)]
pub enum TestState {
    /// The identity provider has not answered.
    Waiting {
        /// Goes to the identity provider once more: a web address, or nothing.
        sign_on_url: Option<String>,
    },
    /// It has: every check in its order.
    Finished(Vec<CheckLine>),
}

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
}

impl ConnectionTest {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Test")
    }
}
