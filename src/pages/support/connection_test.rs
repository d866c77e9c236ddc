//! The report of a trial sign-on.
//!
//! Separate because it is read together with a customer on the phone: each check says what to do where.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::checks::{CheckLine, CheckResult, CheckTexts};
use crate::pages::support::{self, Agent, Section};
use crate::pages::texts::texts;
use crate::pages::{Brand, link};

/// `/.anteroom/support/organizations/{id}/test?id=…`. Its form leads to the identity provider, so the policy of the
/// page must be one of those for identity providers.
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

impl ConnectionTest {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let heading = english_heading(&self.organization);
        let (tone, summary) = english_summary(&self.state, &self.organization);
        let (checks, sign_on_url) = match &self.state {
            TestState::Waiting { sign_on_url } => (&[][..], sign_on_url.as_deref()),
            TestState::Finished(checks) => (checks.as_slice(), None),
        };
        frame::render(&Html {
            frame: Frame::console_english(brand, &heading, &self.agent, Section::Organizations),
            organization_href: support::organization_path(&self.organization_id),
            sign_on_href: sign_on_url.and_then(link::page),
            heading,
            tone,
            summary,
            checks,
            check_text: CheckTexts::english(),
            text,
            page: self,
        })
    }
}

#[derive(Template)]
#[template(path = "connection_test.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    check_text: CheckTexts,
    heading: String,
    organization_href: String,
    tone: &'static str,
    summary: String,
    checks: &'a [CheckLine],
    sign_on_href: Option<&'a str>,
    page: &'a ConnectionTest,
}

texts! {
    Texts {
        begun: "Begun",
        waiting: "Sign on at the identity provider, or send this test’s sign-on to the customer. Then reload this page.",
        sign_on: "Go to the identity provider",
        reload: "Reload",
        again: "Test again",
    }
}

fn english_heading(organization: &str) -> String {
    format!("Test of {organization}")
}

/// The class of the banner, and what it says.
fn english_summary(state: &TestState, organization: &str) -> (&'static str, String) {
    match state {
        TestState::Waiting { .. } => {
            ("caution", format!("The identity provider of {organization} has not answered yet."))
        }
        TestState::Finished(checks) => {
            let failed = checks.iter().find(|check| matches!(check.result, CheckResult::Failed { .. }));
            match failed {
                None => ("done", format!("Everything passed. People of {organization} can sign on.")),
                Some(check) => ("refused", format!("This check failed: {}.", check.name)),
            }
        }
    }
}
