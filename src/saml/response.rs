//! From the octets of a message to a [`VerifiedAssertion`].
//!
//! Separate because this is the one path by which an assertion becomes trusted; the steps are in
//! the files beside it, their order is here.
//!
//! Rules: shape before cryptography, cryptography before meaning; every signature that is present
//! must verify; what is believed is read from the digested octets of the outermost signed element
//! and from nothing else.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::assertion::VerifiedAssertion;
use super::conditions;
use super::engine::{Bergshamra, Engine};
use super::message::{self, Assertion, Content};
use super::metadata::IdentityProvider;
use super::names::METHOD_BEARER;
use super::own_key::KeyPair;
use super::policy::Policy;
use super::refusal::{Reason, Refusal};
use super::signature::Keys;
use super::xml::{MESSAGE_OCTETS_MAX, Profile, Tree, is_space};

/// A response whose shape was checked. Nothing in it is verified yet.
pub struct Response<'a> {
    #[cfg_attr(
        not(feature = "second-opinion"),
        expect(dead_code, reason = "only the second opinion reads the message itself")
    )]
    octets: &'a [u8],
    tree: Tree<'a>,
    in_response_to: Option<String>,
    issuer: Option<String>,
}

/// Whom the answer must come from, and what it must be meant for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The identity provider the request was sent to: from our own request ID, never from the
    /// message.
    pub idp: &'a IdentityProvider,
    /// Our entity ID, the audience.
    pub sp_entity_id: &'a str,
    /// Our assertion consumer service, the recipient and destination.
    pub acs_url: &'a str,
    /// What may have been encrypted to; empty if we have no keys.
    pub own_keys: &'a [Arc<KeyPair>],
    /// The ID of our request.
    pub in_response_to: &'a str,
    /// How far clocks may differ; at most three minutes are granted.
    pub skew: Duration,
    /// What is demanded of this provider beyond that.
    pub policy: Policy<'a>,
}

impl<'a> Response<'a> {
    /// Decodes the `SAMLResponse` form field: strict base64, in which only line breaks are skipped
    /// (SAML Bindings 3.5.4).
    pub fn decode(field: &str) -> Result<Vec<u8>, Refusal> {
        if field.len() > MESSAGE_OCTETS_MAX * 2 {
            return Err(
                Refusal::new(Reason::TooLarge).expected(format!("at most {MESSAGE_OCTETS_MAX} octets"))
            );
        }
        let digits: Vec<u8> = field.bytes().filter(|byte| !is_space(*byte)).collect();
        STANDARD.decode(digits).map_err(|_| Refusal::new(Reason::NotBase64))
    }

    /// Checks octets against the one shape that is accepted, before any cryptography.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Refusal> {
        let tree = Tree::parse(octets, Profile::Message)?;
        let response = message::Response::read(tree.root())?;
        let in_response_to = agreed_in_response_to(&response)?.map(str::to_owned);
        let issuer = match &response.content {
            Content::Assertion(assertion) => Some(assertion.issuer),
            _ => response.issuer,
        }
        .map(str::to_owned);
        Ok(Self { octets, tree, in_response_to, issuer })
    }

    /// The request this claims to answer. **Not verified**: good for finding our own
    /// self-authenticating request ID, which is then what [`Expected`] is made of.
    #[must_use]
    pub fn in_response_to(&self) -> Option<&str> {
        self.in_response_to.as_deref()
    }

    /// Who claims to have issued this. **Not verified**: good for restarting a login after an
    /// unsolicited response, and for nothing else.
    #[must_use]
    pub fn issuer_hint(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Verifies the response and gives the assertion in it.
    pub fn verify(&self, expected: &Expected<'_>, now: Timestamp) -> Result<VerifiedAssertion, Refusal> {
        self.verify_with(&Bergshamra, expected, now)
    }

    fn verify_with(
        &self,
        engine: &impl Engine,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<VerifiedAssertion, Refusal> {
        let response = message::Response::read(self.tree.root())?;
        if !response.is_success() {
            return Err(Refusal::not_success(response.status));
        }
        if self.in_response_to.is_none() {
            return Err(Refusal::new(Reason::Unsolicited));
        }
        let keys = Keys {
            certificates: expected.idp.certificates(),
            accept_expired: expected.policy.accept_expired_certificates,
            now,
        };
        let signed = self.signed_octets(engine, &response, &keys)?;

        let tree = Tree::parse(signed.octets(), Profile::Message)?;
        let verified = match &signed {
            Signed::Response(_) => {
                let verified = message::Response::read(tree.root())?;
                conditions::check_response(&verified, true, expected, now)?;
                if !verified.is_success() {
                    return Err(Refusal::not_success(verified.status));
                }
                match verified.content {
                    Content::Assertion(assertion) => *assertion,
                    _ => return Err(Refusal::new(Reason::AssertionMissing)),
                }
            }
            Signed::Assertion(_) => {
                conditions::check_response(&response, false, expected, now)?;
                Assertion::read_root(tree.root())?
            }
        };
        let validity = conditions::check_assertion(&verified, expected, now)?;
        self.ask_second_opinion(&signed, expected.idp)?;
        let in_response_to = expected.in_response_to;
        Ok(VerifiedAssertion::new(&verified, &validity, in_response_to, signed.octets()))
    }

    /// Verifies every signature that is present and gives the octets of the outermost one.
    fn signed_octets(
        &self,
        engine: &impl Engine,
        response: &message::Response<'_>,
        keys: &Keys<'_>,
    ) -> Result<Signed, Refusal> {
        let Content::Assertion(assertion) = &response.content else {
            return Err(Refusal::new(match response.content {
                Content::Encrypted => Reason::EncryptionNotSupported,
                _ => Reason::AssertionMissing,
            }));
        };
        let of_assertion = match &assertion.signature {
            Some(signature) => Some(signature.verify(engine, &self.tree, assertion.element, keys)?),
            None => None,
        };
        let of_response = match &response.signature {
            Some(signature) => Some(signature.verify(engine, &self.tree, response.element, keys)?),
            None => None,
        };
        match (of_response, of_assertion) {
            (Some(octets), _) => Ok(Signed::Response(octets)),
            (None, Some(octets)) => Ok(Signed::Assertion(octets)),
            (None, None) => Err(Refusal::new(Reason::SignatureMissing)),
        }
    }

    #[cfg(feature = "second-opinion")]
    fn ask_second_opinion(&self, signed: &Signed, idp: &IdentityProvider) -> Result<(), Refusal> {
        super::second_opinion::agrees(self.octets, idp.certificates(), signed.octets())
    }

    #[cfg(not(feature = "second-opinion"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same call as with the feature")]
    const fn ask_second_opinion(&self, _signed: &Signed, _idp: &IdentityProvider) -> Result<(), Refusal> {
        Ok(())
    }
}

/// The digested octets, and which element they are the canonical form of.
enum Signed {
    Response(Vec<u8>),
    Assertion(Vec<u8>),
}

impl Signed {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Response(octets) | Self::Assertion(octets) => octets,
        }
    }
}

/// Response and bearer confirmations must name the same request, or none at all.
fn agreed_in_response_to<'t>(response: &message::Response<'t>) -> Result<Option<&'t str>, Refusal> {
    let Content::Assertion(assertion) = &response.content else {
        return Ok(response.in_response_to);
    };
    let outer = response.in_response_to;
    match assertion
        .subject
        .confirmations
        .iter()
        .filter(|confirmation| confirmation.method == METHOD_BEARER)
        .find(|confirmation| confirmation.in_response_to != outer)
    {
        None => Ok(outer),
        Some(confirmation) => Err(Refusal::new(Reason::InResponseToMismatch)
            .expected(outer.unwrap_or("none"))
            .got(confirmation.in_response_to.unwrap_or("none"))),
    }
}
