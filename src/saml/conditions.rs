//! The protocol checks: whether a verified assertion was meant for us, now, as this answer.
//!
//! Separate because these are the rules of SAML itself and hold whatever made the octets trusted.
//!
//! Rules: every comparison is exact by code point; a value that is missing never passes where the
//! Web Browser SSO profile demands it (SAML Profiles 4.1.4.3; SAML-ATTACKS D1–D15, E5); times get
//! at most three minutes of tolerance.

use std::time::Duration;

use jiff::Timestamp;

use super::instant;
use super::message::{Assertion, Response};
use super::names::METHOD_BEARER;
use super::policy::ContextClass;
use super::refusal::{Reason, Refusal};
use super::response::Expected;
use super::statement::{AuthnStatement, Conditions, Confirmation, NameId};

/// What the checks found out on their way.
pub(super) struct Validity {
    /// When the assertion stops being acceptable, tolerance included.
    pub(super) expires_at: Timestamp,
    pub(super) issued_at: Timestamp,
    pub(super) signed_on: SignedOn,
    pub(super) session_not_on_or_after: Option<Timestamp>,
}

/// The statement that tells how and when the subject signed on at the identity provider.
#[derive(Clone, Copy)]
pub(super) struct SignedOn {
    /// Which one of them.
    pub(super) position: usize,
    /// Its `AuthnInstant`.
    pub(super) at: Timestamp,
}

/// The clock of one check.
#[derive(Clone, Copy)]
pub(super) struct Now {
    now: Timestamp,
    skew: Duration,
}

impl Now {
    fn has_passed(self, end: Timestamp) -> bool {
        self.now >= instant::later(end, self.skew)
    }

    fn is_before(self, start: Timestamp) -> bool {
        instant::later(self.now, self.skew) < start
    }
}

/// Checks the fields of the Response. Where only the assertion is signed they prove nothing, yet a
/// response that contradicts its assertion or our request is refused all the same.
pub(super) fn check_response(
    response: &Response<'_>,
    is_signed: bool,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if let Some(issuer) = response.issuer {
        check_issuer(issuer, expected)?;
    }
    check_destination(response.destination, is_signed, expected)?;
    match response.in_response_to {
        Some(id) => check_in_response_to(id, expected)?,
        None => return Err(Refusal::new(Reason::Unsolicited)),
    }
    let now = clock(expected, now);
    check_issued(response.issue_instant, now)?;
    Ok(())
}

/// SAML Bindings 3.5.5.2: a signed response names its destination, and any that is named is ours.
pub(super) fn check_destination(
    destination: Option<&str>,
    is_signed: bool,
    expected: &Expected<'_>,
) -> Result<(), Refusal> {
    match destination {
        Some(destination) if destination == expected.acs_url => Ok(()),
        Some(destination) => {
            Err(Refusal::new(Reason::WrongDestination).expected(expected.acs_url).got(destination))
        }
        None if is_signed => Err(Refusal::new(Reason::DestinationMissing).expected(expected.acs_url)),
        None => Ok(()),
    }
}

/// Checks the assertion against what is expected.
pub(super) fn check_assertion(
    assertion: &Assertion<'_>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Validity, Refusal> {
    let now = clock(expected, now);
    check_issuer(assertion.issuer, expected)?;
    let issued = check_issued(assertion.issue_instant, now)?;
    check_audience(&assertion.conditions, expected)?;
    let conditions_end = check_conditions_window(&assertion.conditions, issued, now)?;
    let confirmation_end = check_confirmations(&assertion.subject.confirmations, expected, issued, now)?;
    if let Some(name_id) = &assertion.subject.name_id {
        check_qualifiers(name_id, expected)?;
    }
    let statements = &assertion.authn_statements;
    let (instants, session_not_on_or_after) = check_authn_statements(statements, now)?;
    let signed_on = check_policy(statements, &instants, expected)?;
    Ok(Validity {
        expires_at: instant::later(conditions_end.min(confirmation_end), now.skew),
        issued_at: issued,
        signed_on,
        session_not_on_or_after,
    })
}

pub(super) fn clock(expected: &Expected<'_>, now: Timestamp) -> Now {
    Now { now, skew: expected.skew.min(instant::SKEW_MAX) }
}

pub(super) fn check_issuer(issuer: &str, expected: &Expected<'_>) -> Result<(), Refusal> {
    if issuer == expected.idp.entity_id() {
        Ok(())
    } else {
        Err(Refusal::new(Reason::WrongIssuer).expected(expected.idp.entity_id()).got(issuer))
    }
}

pub(super) fn check_in_response_to(id: &str, expected: &Expected<'_>) -> Result<(), Refusal> {
    if id == expected.in_response_to {
        Ok(())
    } else {
        Err(Refusal::new(Reason::WrongInResponseTo).expected(expected.in_response_to).got(id))
    }
}

pub(super) fn check_issued(text: &str, now: Now) -> Result<Timestamp, Refusal> {
    let issued = instant::parse(text)?;
    if now.is_before(issued) {
        return Err(Refusal::new(Reason::IssuedInFuture).expected(format!("at most {}", now.now)).got(text));
    }
    Ok(issued)
}

/// Every restriction must name us (SAML Core 2.5.1.4).
pub(super) fn check_audience(conditions: &Conditions<'_>, expected: &Expected<'_>) -> Result<(), Refusal> {
    if conditions.audiences.is_empty() {
        return Err(Refusal::new(Reason::AudienceMissing).expected(expected.sp_entity_id));
    }
    match conditions.audiences.iter().find(|audiences| !audiences.contains(&expected.sp_entity_id)) {
        None => Ok(()),
        Some(audiences) => {
            Err(Refusal::new(Reason::WrongAudience).expected(expected.sp_entity_id).got(audiences.join(", ")))
        }
    }
}

pub(super) fn check_conditions_window(
    conditions: &Conditions<'_>,
    issued: Timestamp,
    now: Now,
) -> Result<Timestamp, Refusal> {
    let end = conditions
        .not_on_or_after
        .ok_or_else(|| Refusal::new(Reason::MissingAttribute).expected("Conditions/@NotOnOrAfter"))
        .and_then(instant::parse)?;
    if let Some(text) = conditions.not_before {
        let start = instant::parse(text)?;
        if start >= end {
            return Err(Refusal::new(Reason::ValidityInverted)
                .expected(format!("NotBefore before {end}"))
                .got(text));
        }
        if now.is_before(start) {
            return Err(Refusal::new(Reason::NotYetValid).expected(format!("at most {}", now.now)).got(text));
        }
    }
    check_end(end, issued, now)?;
    Ok(end)
}

/// Not over yet, and not valid for longer than anybody needs: the ID must be remembered until then.
fn check_end(end: Timestamp, issued: Timestamp, now: Now) -> Result<(), Refusal> {
    if now.has_passed(end) {
        return Err(Refusal::new(Reason::Expired)
            .expected(format!("after {}", now.now))
            .got(end.to_string()));
    }
    if end > instant::later(issued, LIFETIME_MAX) {
        return Err(Refusal::new(Reason::LifetimeTooLong)
            .expected(format!("at most {} hours", LIFETIME_MAX.as_secs() / 3600))
            .got(end.to_string()));
    }
    Ok(())
}

/// Entra's token lifetime policy ends at one day, plus its five minutes of tolerance.
const LIFETIME_MAX: Duration = Duration::from_hours(25);

/// At least one bearer confirmation must pass wholly (SAML Profiles 4.1.4.3). Gives the latest end
/// among those that do; the fault reported otherwise is that of the first bearer.
pub(super) fn check_confirmations(
    confirmations: &[Confirmation<'_>],
    expected: &Expected<'_>,
    issued: Timestamp,
    now: Now,
) -> Result<Timestamp, Refusal> {
    let mut latest: Option<Timestamp> = None;
    let mut first_fault = None;
    for confirmation in confirmations.iter().filter(|c| c.method == METHOD_BEARER) {
        match check_bearer(confirmation, expected, issued, now) {
            Ok(end) => latest = latest.max(Some(end)),
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    match (latest, first_fault) {
        (Some(end), _) => Ok(end),
        (None, Some(fault)) => Err(fault),
        (None, None) => Err(Refusal::new(Reason::ConfirmationMissing).expected(METHOD_BEARER)),
    }
}

fn check_bearer(
    confirmation: &Confirmation<'_>,
    expected: &Expected<'_>,
    issued: Timestamp,
    now: Now,
) -> Result<Timestamp, Refusal> {
    let malformed = |what: &str| Refusal::new(Reason::ConfirmationMalformed).expected(what);
    if !confirmation.has_data {
        return Err(malformed("SubjectConfirmationData"));
    }
    if confirmation.not_before.is_some() {
        return Err(malformed("no NotBefore"));
    }
    let recipient = confirmation.recipient.ok_or_else(|| malformed("Recipient"))?;
    if recipient != expected.acs_url {
        return Err(Refusal::new(Reason::WrongRecipient).expected(expected.acs_url).got(recipient));
    }
    match confirmation.in_response_to {
        Some(id) => check_in_response_to(id, expected)?,
        // The response carries one, or it would have been unsolicited (CVE-2026-49284).
        None => {
            return Err(Refusal::new(Reason::InResponseToMismatch)
                .expected(expected.in_response_to)
                .got("none in SubjectConfirmationData"));
        }
    }
    let end =
        confirmation.not_on_or_after.ok_or_else(|| malformed("NotOnOrAfter")).and_then(instant::parse)?;
    check_end(end, issued, now)?;
    Ok(end)
}

/// An identifier that is qualified for somebody else is none of ours (SAML Core 2.2.2).
pub(super) fn check_qualifiers(name_id: &NameId<'_>, expected: &Expected<'_>) -> Result<(), Refusal> {
    for (qualifier, own) in [
        (name_id.sp_name_qualifier, expected.sp_entity_id),
        (name_id.name_qualifier, expected.idp.entity_id()),
    ] {
        if let Some(qualifier) = qualifier
            && qualifier != own
        {
            return Err(Refusal::new(Reason::NameIdQualifierForeign).expected(own).got(qualifier));
        }
    }
    Ok(())
}

/// Their times, in their order; the earliest end of all bounds the session (SAML Core 2.7.2).
pub(super) fn check_authn_statements(
    statements: &[AuthnStatement<'_>],
    now: Now,
) -> Result<(Vec<Timestamp>, Option<Timestamp>), Refusal> {
    let mut earliest = None;
    let mut instants = Vec::new();
    for statement in statements {
        instants.push(check_issued(statement.authn_instant, now)?);
        if let Some(text) = statement.session_not_on_or_after {
            let end = instant::parse(text)?;
            if now.has_passed(end) {
                return Err(Refusal::new(Reason::SessionExpired)
                    .expected(format!("after {}", now.now))
                    .got(text));
            }
            earliest = Some(earliest.map_or(end, |other: Timestamp| other.min(end)));
        }
    }
    if instants.is_empty() {
        Err(Refusal::new(Reason::AuthnStatementMissing))
    } else {
        Ok((instants, earliest))
    }
}

/// What this connection demands of the sign-on itself: the first statement that meets all of it tells of the sign-on.
/// That one was strong and another one fresh is not enough: they may be of two sign-ons.
pub(super) fn check_policy(
    statements: &[AuthnStatement<'_>],
    instants: &[Timestamp],
    expected: &Expected<'_>,
) -> Result<SignedOn, Refusal> {
    let policy = &expected.policy;
    let demanded = policy.authn_context;
    // "An exact match of at least one" (SAML Core 3.3.2.2.1).
    let fits = |class: &str| demanded.iter().any(|demanded| demanded.as_str() == class);
    let told = statements.iter().zip(instants).enumerate();
    let fitting: Vec<_> = told
        .filter(|(_, (statement, _))| demanded.is_empty() || statement.context_class.is_some_and(fits))
        .map(|(position, (_, at))| SignedOn { position, at: *at })
        .collect();
    let Some(latest) = fitting.iter().map(|signed_on| signed_on.at).max() else {
        let demanded: Vec<_> = demanded.iter().map(ContextClass::as_str).collect();
        let got: Vec<_> = statements.iter().filter_map(|statement| statement.context_class).collect();
        let got = if got.is_empty() { "none".to_owned() } else { got.join(", ") };
        return Err(Refusal::new(Reason::AuthnContextRefused).expected(demanded.join(" or ")).got(got));
    };
    let Some(since) = policy.authenticated_since else {
        return fitting.first().copied().ok_or_else(|| Refusal::new(Reason::AuthnStatementMissing));
    };
    let skew = expected.skew.min(instant::SKEW_MAX);
    let fresh = fitting.into_iter().find(|signed_on| instant::later(signed_on.at, skew) >= since);
    fresh.ok_or_else(|| {
        Refusal::new(Reason::AuthnNotFresh).expected(format!("at least {since}")).got(latest.to_string())
    })
}
