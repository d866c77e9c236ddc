//! From a logout message to what may be believed of it.
//!
//! Separate because these are the proofs that the rest of Anteroom takes on trust: they have no constructor but the
//! two `verify` functions here.
//!
//! Rules: as `conditions` has them for assertions: every comparison is exact, times get at most three minutes of
//! tolerance. A request names its destination, or one that was made for another service provider of the same
//! identity provider would do (SAML Bindings 3.4.5.2, 3.5.5.2).

use jiff::Timestamp;

use super::incoming::Incoming;
use super::{Expected, LOGOUT_AGE_MAX, message};
use crate::saml::assertion::NameId;
use crate::saml::instant;
use crate::saml::refusal::{Reason, Refusal};
use crate::saml::signature::Keys;
use crate::saml::xml::{Profile, Tree};

/// A `LogoutRequest` whose shape was checked.
pub struct Request<'a> {
    pub(super) incoming: &'a Incoming,
    pub(super) tree: Tree<'a>,
    pub(super) issuer: String,
}

/// A `LogoutResponse` whose shape was checked.
pub struct Response<'a> {
    pub(super) incoming: &'a Incoming,
    pub(super) tree: Tree<'a>,
    pub(super) in_response_to: Option<String>,
}

/// A provider's demand to end sessions, which passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLogoutRequest {
    id: String,
    name_id: NameId,
    session_indexes: Vec<String>,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

/// A provider's answer to a request of ours, which passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedLogoutResponse {
    is_complete: bool,
}

impl Request<'_> {
    /// Who claims to have issued this. **Not verified**: good for finding the connection whose keys it must be
    /// signed with.
    #[must_use]
    pub fn issuer_hint(&self) -> &str {
        &self.issuer
    }

    /// Verifies the request.
    pub fn verify(&self, expected: &Expected<'_>, now: Timestamp) -> Result<VerifiedLogoutRequest, Refusal> {
        let shape = message::Request::read(self.tree.root())?;
        let keys = keys(expected, now);
        let signed = (shape.element, shape.signature.as_ref());
        let octets = self.incoming.signed_octets(&self.tree, signed, &keys)?;

        let tree = Tree::parse(&octets, Profile::Message)?;
        let request = message::Request::read(tree.root())?;
        check_issuer(request.issuer, expected)?;
        check_destination(request.destination, expected)?;
        if request.destination.is_none() {
            return Err(Refusal::new(Reason::DestinationMissing).expected(expected.slo_url));
        }
        let (issued_at, mut expires_at) = check_issued(request.issue_instant, expected, now)?;
        if let Some(text) = request.not_on_or_after {
            let end = instant::later(instant::parse(text)?, skew(expected));
            if now >= end {
                return Err(Refusal::new(Reason::Expired).expected(format!("after {now}")).got(text));
            }
            expires_at = expires_at.min(end);
        }
        let name_id = NameId::from(&request.name_id);
        check_qualifiers(&name_id, expected)?;
        Ok(VerifiedLogoutRequest {
            id: request.id.to_owned(),
            name_id,
            session_indexes: request.session_indexes.iter().map(|index| (*index).to_owned()).collect(),
            issued_at,
            expires_at,
        })
    }
}

impl Response<'_> {
    /// The request this claims to answer. **Not verified**: good for finding our own self-authenticating ID.
    #[must_use]
    pub fn in_response_to(&self) -> Option<&str> {
        self.in_response_to.as_deref()
    }

    /// Verifies the response to the request of that ID. An unsigned one is refused as
    /// [`Reason::SignatureMissing`]: it is worth nothing as a statement, yet it may well be the answer.
    pub fn verify(
        &self,
        in_response_to: &str,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<VerifiedLogoutResponse, Refusal> {
        let shape = message::Response::read(self.tree.root())?;
        let keys = keys(expected, now);
        let signed = (shape.element, shape.signature.as_ref());
        let octets = self.incoming.signed_octets(&self.tree, signed, &keys)?;

        let tree = Tree::parse(&octets, Profile::Message)?;
        let response = message::Response::read(tree.root())?;
        check_issuer(response.issuer, expected)?;
        // Entra names none, against SAML Bindings 3.4.5.2; the ID of our request says for whom it is.
        check_destination(response.destination, expected)?;
        if response.in_response_to != Some(in_response_to) {
            return Err(Refusal::new(Reason::WrongInResponseTo)
                .expected(in_response_to)
                .got(response.in_response_to.unwrap_or("none")));
        }
        check_issued(response.issue_instant, expected, now)?;
        Ok(VerifiedLogoutResponse { is_complete: response.is_complete() })
    }
}

impl VerifiedLogoutRequest {
    /// The request's ID, to be consumed once (unique per issuer).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose sessions are meant.
    #[must_use]
    pub const fn name_id(&self) -> &NameId {
        &self.name_id
    }

    /// Which of them; empty: all (SAML Core 3.7.1).
    #[must_use]
    pub fn session_indexes(&self) -> &[String] {
        &self.session_indexes
    }

    /// When it was issued: what is newer is not meant.
    #[must_use]
    pub const fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// Until when the ID must be remembered: from then on the request is refused as too old.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl VerifiedLogoutResponse {
    /// Whether the person is signed out there and everywhere else that the provider knows of.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }
}

fn keys<'k>(expected: &Expected<'k>, now: Timestamp) -> Keys<'k> {
    Keys {
        certificates: expected.idp.certificates(),
        accept_expired: expected.accept_expired_certificates,
        valid_until: expected.idp.valid_until(),
        now,
    }
}

fn skew(expected: &Expected<'_>) -> std::time::Duration {
    expected.skew.min(instant::SKEW_MAX)
}

fn check_issuer(issuer: &str, expected: &Expected<'_>) -> Result<(), Refusal> {
    if expected.idp.issues_logout_as(issuer) {
        Ok(())
    } else {
        Err(Refusal::new(Reason::WrongIssuer).expected(expected.idp.entity_id()).got(issuer))
    }
}

fn check_destination(destination: Option<&str>, expected: &Expected<'_>) -> Result<(), Refusal> {
    match destination {
        Some(destination) if destination != expected.slo_url => {
            Err(Refusal::new(Reason::WrongDestination).expected(expected.slo_url).got(destination))
        }
        _ => Ok(()),
    }
}

/// Neither from the future nor on its way for too long; gives the time of issue and the end of that way.
fn check_issued(
    text: &str,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Refusal> {
    let issued = instant::parse(text)?;
    if instant::later(now, skew(expected)) < issued {
        return Err(Refusal::new(Reason::IssuedInFuture).expected(format!("at most {now}")).got(text));
    }
    let end = instant::later(issued, LOGOUT_AGE_MAX + skew(expected));
    if now >= end {
        return Err(Refusal::new(Reason::MessageTooOld)
            .expected(format!("issued at most {} minutes before {now}", LOGOUT_AGE_MAX.as_secs() / 60))
            .got(text));
    }
    Ok((issued, end))
}

/// A name that is qualified for somebody else is nobody of ours (SAML Core 2.2.2).
fn check_qualifiers(name_id: &NameId, expected: &Expected<'_>) -> Result<(), Refusal> {
    let foreign =
        |own: &str, got: &str| Err(Refusal::new(Reason::NameIdQualifierForeign).expected(own).got(got));
    match (&name_id.name_qualifier, &name_id.sp_name_qualifier) {
        (Some(qualifier), _) if !expected.idp.issues_logout_as(qualifier) => {
            foreign(expected.idp.entity_id(), qualifier)
        }
        (_, Some(qualifier)) if qualifier != expected.sp_entity_id => {
            foreign(expected.sp_entity_id, qualifier)
        }
        _ => Ok(()),
    }
}
