//! A logout message as it came, by either binding, and the octets of it that are signed.
//!
//! Separate because here the two bindings become one: whoever reads on has octets that were signed, and no way to
//! those that were not.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::message;
use super::query::{LOGOUT_OCTETS_MAX, Query, QuerySignature, checked_relay_state, malformed};
use super::verify::{Request, Response};
use crate::saml::engine::Exclusive;
use crate::saml::refusal::{Reason, Refusal};
use crate::saml::signature::{Keys, Signature};
use crate::saml::xml::{Element, Profile, Tree, is_space};

/// A logout message as it came. Nothing in it is verified.
pub struct Incoming {
    is_request: bool,
    octets: Vec<u8>,
    relay_state: Option<String>,
    carrier: Carrier,
}

/// A logout message whose shape was checked. Nothing in it is verified.
pub enum Message<'a> {
    /// The provider asks us to end sessions.
    Request(Request<'a>),
    /// The provider answers a request of ours.
    Response(Response<'a>),
}

/// Where the signature is, if there is one.
enum Carrier {
    Query(Option<QuerySignature>),
    Form,
}

impl Incoming {
    /// Takes the query of a HTTP-Redirect, exactly as it stands in the address.
    pub fn from_query(query: &str) -> Result<Self, Refusal> {
        let Query { is_request, octets, relay_state, signature } = Query::read(query)?;
        Ok(Self { is_request, octets, relay_state, carrier: Carrier::Query(signature) })
    }

    /// Takes the fields of a HTTP-POST (SAML Bindings 3.5.4).
    pub fn from_form(
        request: Option<&str>,
        response: Option<&str>,
        relay_state: Option<&str>,
    ) -> Result<Self, Refusal> {
        let (is_request, field) = match (request, response) {
            (Some(field), None) => (true, field),
            (None, Some(field)) => (false, field),
            _ => return Err(malformed("exactly one of SAMLRequest and SAMLResponse")),
        };
        if field.len() > LOGOUT_OCTETS_MAX * 2 {
            return Err(
                Refusal::new(Reason::TooLarge).expected(format!("at most {LOGOUT_OCTETS_MAX} octets"))
            );
        }
        let digits: Vec<u8> = field.bytes().filter(|byte| !is_space(*byte)).collect();
        let octets = STANDARD.decode(digits).map_err(|_| Refusal::new(Reason::NotBase64))?;
        if octets.len() > LOGOUT_OCTETS_MAX {
            return Err(
                Refusal::new(Reason::TooLarge).expected(format!("at most {LOGOUT_OCTETS_MAX} octets"))
            );
        }
        let relay_state = relay_state.map(checked_relay_state).transpose()?;
        Ok(Self { is_request, octets, relay_state, carrier: Carrier::Form })
    }

    /// What the provider wants back with the answer, unchanged.
    #[must_use]
    pub fn relay_state(&self) -> Option<&str> {
        self.relay_state.as_deref()
    }

    /// Checks the message against the one shape that is accepted, before any cryptography.
    pub fn read(&self) -> Result<Message<'_>, Refusal> {
        let tree = Tree::parse(&self.octets, Profile::Message)?;
        if self.is_request {
            let issuer = message::Request::read(tree.root())?.issuer.to_owned();
            return Ok(Message::Request(Request { incoming: self, tree, issuer }));
        }
        let in_response_to = message::Response::read(tree.root())?.in_response_to.map(str::to_owned);
        Ok(Message::Response(Response { incoming: self, tree, in_response_to }))
    }

    /// Verifies the signature and gives the octets that it covers.
    pub(super) fn signed_octets(
        &self,
        tree: &Tree<'_>,
        (element, signature): (Element<'_>, Option<&Signature<'_>>),
        keys: &Keys<'_>,
    ) -> Result<Cow<'_, [u8]>, Refusal> {
        let missing = || Refusal::new(Reason::SignatureMissing).expected("a signed logout message");
        match (&self.carrier, signature) {
            (Carrier::Query(None) | Carrier::Form, None) => Err(missing()),
            // SAML Bindings 3.4.4.1: with this binding the message itself is not signed.
            (Carrier::Query(_), Some(_)) => {
                Err(Refusal::new(Reason::SignatureMalformed).expected("a signature of the query alone"))
            }
            (Carrier::Query(Some(of_query)), None) => {
                keys.check(of_query.algorithm, of_query.signed.as_bytes(), &of_query.value)?;
                Ok(Cow::Borrowed(&self.octets))
            }
            (Carrier::Form, Some(signature)) => {
                let octets = signature.verify(&Exclusive, tree, element, keys)?;
                self.ask_second_opinion(keys, &octets)?;
                Ok(Cow::Owned(octets))
            }
        }
    }

    #[cfg(feature = "second-opinion")]
    fn ask_second_opinion(&self, keys: &Keys<'_>, signed: &[u8]) -> Result<(), Refusal> {
        crate::saml::second_opinion::agrees(&self.octets, keys.certificates, signed)
    }

    #[cfg(not(feature = "second-opinion"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same call as with the feature")]
    const fn ask_second_opinion(&self, _keys: &Keys<'_>, _signed: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Says what it is: names and states are personal data.
impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("is_request", &self.is_request).finish_non_exhaustive()
    }
}
