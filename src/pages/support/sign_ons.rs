//! Recent sign-ons and refusals, with what was expected against what came.
//!
//! Separate because it is what a visitor's reference leads to.

use crate::pages::Brand;
use crate::pages::moment::Moment;
use crate::pages::support::Agent;

/// `/.anteroom/support/sign-ons`.
#[derive(Debug, Clone)]
pub struct SignOns {
    /// Who works at the console.
    pub agent: Agent,
    /// `q`: a reference, an address or a reason.
    pub text: String,
    /// The newest first.
    pub rows: Vec<SignOnLine>,
    /// `before`: the place before which older ones begin, if there are more.
    pub next_before: Option<i64>,
}

/// Something that happened at sign-on.
#[derive(Debug, Clone)]
pub struct SignOnLine {
    /// When.
    pub at: Moment,
    /// The address, if it was known at that point.
    pub email: Option<String>,
    /// The organization's name, if it was known at that point.
    pub organization: Option<String>,
    /// How it went.
    pub outcome: SignOnOutcome,
    /// What the visitor was shown.
    pub reference: Option<String>,
}

/// How a sign-on went.
#[derive(Debug, Clone)]
pub enum SignOnOutcome {
    /// Somebody signed on.
    Accepted,
    /// It was refused.
    Refused {
        /// The stable code of the reason.
        code: String,
        /// The reason for people, as in the log: in lower case, without a full stop.
        explanation: String,
        /// What would have been accepted.
        expected: Option<String>,
        /// What came instead.
        got: Option<String>,
    },
    /// An answer that nobody asked for: a normal sign-on began instead.
    Unsolicited,
    /// Somebody signed out, or a session ended: the action's code.
    Other(String),
}

impl SignOns {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Sign-ons")
    }
}
