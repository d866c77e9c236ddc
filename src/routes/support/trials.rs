//! Trials of a connection: on to the identity provider, and the report on what it has answered.
//!
//! Separate because the answer comes by way of the login host; only here is its report shown.

use std::sync::Arc;

use http::StatusCode;

use crate::id::OrganizationId;
use crate::pages::support::{CheckLine, CheckResult, ConnectionTest, Section, TestState};
use crate::routes::work::{Desk, Handled, Reply};
use crate::saml::diagnosis::{Check, Outcome};
use crate::sign_on::report::Report;

impl Desk {
    /// `POST /.anteroom/support/organizations/{id}/test`.
    pub(super) async fn begin_trial(&self, id: &OrganizationId) -> Handled {
        let connections = self.shared.sign_on.connections();
        let Some(connection) = connections.of_organization(id).map(Arc::clone) else {
            return Ok(self.no_such(Section::Organizations));
        };
        let request_id = self.actor.request_id().unwrap_or_default();
        let agent = Some(&self.account.user);
        let (_, begun) = self.shared.sign_on.begin_trial(&connection, agent, request_id).await?;
        Ok(Reply::See(begun.into()))
    }

    /// `GET /.anteroom/support/organizations/{id}/test?id=…`.
    pub(super) async fn trial(&self, id: &OrganizationId) -> Handled {
        let organization = self.admin().organization(id).await?;
        let test = match self.query.get("id") {
            Some(test) => self.shared.store.connection_test(test).await?,
            None => None,
        };
        // An organization has one connection, which has its id.
        let Some(test) = test.filter(|test| test.connection.as_str() == id.as_str()) else {
            return Ok(self.no_such(Section::Organizations));
        };
        let report = test.report.and_then(|report| serde_json::from_value::<Report>(report).ok());
        let view = ConnectionTest {
            agent: self.agent(),
            organization_id: id.as_str().to_owned(),
            organization: organization.name.as_str().to_owned(),
            begun: self.moment(test.begun_at),
            state: report.map_or(TestState::Waiting { sign_on_url: None }, |report| {
                TestState::Finished(report.checks.into_iter().map(check_line).collect())
            }),
        };
        Ok(Reply::PageToProvider(StatusCode::OK, view.render(self.brand())))
    }
}

/// A check as the pages show it.
pub(super) fn check_line(check: Check) -> CheckLine {
    let (cause, remedy) = (check.cause, check.remedy.unwrap_or_default());
    let result = match (check.outcome, cause) {
        (Outcome::Passed, None) => CheckResult::Passed { got: check.got },
        (Outcome::Passed, Some(remark)) => CheckResult::Noted { remark, remedy },
        (Outcome::NotReached, _) => CheckResult::NotReached,
        (Outcome::NotApplicable, _) => CheckResult::NotApplicable,
        (Outcome::Failed, cause) => CheckResult::Failed {
            problem: cause.unwrap_or_default(),
            expected: check.expected,
            got: check.got,
            remedy,
        },
    };
    CheckLine { name: check.title, result }
}
