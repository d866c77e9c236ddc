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

use jiff::Timestamp;

use super::assertion::{Unsealed, VerifiedAssertion};
use super::conditions;
use super::digits;
use super::encryption::{EncryptedAssertion, Plaintext};
use super::engine::{Engine, Exclusive};
use super::message::{self, Assertion, Content};
use super::metadata::IdentityProvider;
use super::names::METHOD_BEARER;
use super::own_key::KeyPair;
use super::policy::Policy;
use super::refusal::{Reason, Refusal};
use super::signature::{Digested, Keys};
use super::xml::{MESSAGE_OCTETS_MAX, Profile, Tree};

/// A message that is XML of the kind that is read, and nothing more is known of it.
pub struct Document<'a> {
    #[cfg_attr(
        not(feature = "second-opinion"),
        expect(dead_code, reason = "only the second opinion reads the message itself")
    )]
    octets: &'a [u8],
    tree: Tree<'a>,
}

/// A response whose shape was checked. Nothing in it is verified yet.
pub struct Response<'d> {
    document: &'d Document<'d>,
    shape: message::Response<'d>,
    in_response_to: Option<&'d str>,
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

impl<'a> Document<'a> {
    /// Parses octets under the bounds that hold for everybody's messages.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Refusal> {
        Ok(Self { octets, tree: Tree::parse(octets, Profile::Message)? })
    }
}

impl<'d> Response<'d> {
    /// Decodes the `SAMLResponse` form field: strict base64, in which only line breaks are skipped
    /// (SAML Bindings 3.5.4).
    pub fn decode(field: &str) -> Result<Vec<u8>, Refusal> {
        if field.len() > MESSAGE_OCTETS_MAX * 2 {
            return Err(
                Refusal::new(Reason::TooLarge).expected(format!("at most {MESSAGE_OCTETS_MAX} octets"))
            );
        }
        digits::decode(field).ok_or_else(|| Refusal::new(Reason::NotBase64))
    }

    /// Checks a message against the one shape that is accepted, before any cryptography.
    pub fn read(document: &'d Document<'d>) -> Result<Self, Refusal> {
        let shape = message::Response::read(document.tree.root())?;
        let in_response_to = agreed_in_response_to(&shape)?;
        Ok(Self { document, shape, in_response_to })
    }

    /// The request this claims to answer. **Not verified**: good for finding our own
    /// self-authenticating request ID, which is then what [`Expected`] is made of.
    #[must_use]
    pub const fn in_response_to(&self) -> Option<&str> {
        self.in_response_to
    }

    /// Whether verifying this may take operations with our private keys, which others may have to wait for.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.shape.content, Content::Encrypted(_))
    }

    /// Who claims to have issued this. **Not verified**: good for restarting a login after an
    /// unsolicited response, and for nothing else.
    #[must_use]
    pub fn issuer_hint(&self) -> Option<&str> {
        match &self.shape.content {
            Content::Assertion(assertion) => Some(assertion.issuer),
            _ => self.shape.issuer,
        }
    }

    /// Verifies the response and gives the assertion in it.
    pub fn verify(&self, expected: &Expected<'_>, now: Timestamp) -> Result<VerifiedAssertion, Refusal> {
        self.verify_with(&Exclusive, expected, now)
    }

    fn verify_with(
        &self,
        engine: &impl Engine,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<VerifiedAssertion, Refusal> {
        let response = &self.shape;
        if !response.is_success() {
            return Err(Refusal::not_success(response.status.clone()));
        }
        if self.in_response_to.is_none() {
            return Err(Refusal::new(Reason::Unsolicited));
        }
        let keys = Keys {
            certificates: expected.idp.certificates(),
            accept_expired: expected.policy.accept_expired_certificates,
            valid_until: expected.idp.valid_until(),
            now,
        };
        let signed = match &response.content {
            Content::Nothing => return Err(Refusal::new(Reason::AssertionMissing)),
            Content::Assertion(_) => self.signed_octets(engine, response, &keys)?,
            Content::Encrypted(encrypted) => {
                let context = (expected, now);
                self.decrypted_octets(engine, response, encrypted, &keys, context)?
            }
        };

        let tree = signed.tree(engine)?;
        let verified = match &signed {
            Signed::Response(_) => {
                let verified = read_signed_response(&tree, expected, now)?;
                match verified.content {
                    Content::Assertion(assertion) => *assertion,
                    _ => return Err(Refusal::new(Reason::AssertionMissing)),
                }
            }
            Signed::Assertion(_) => {
                conditions::check_response(response, false, expected, now)?;
                Assertion::read_root(tree.root())?
            }
            Signed::Decrypted { .. } => Assertion::read_root(tree.root())?,
        };
        let validity = conditions::check_assertion(&verified, expected, now)?;
        self.ask_second_opinion(&signed, expected.idp)?;
        let unsealed = Unsealed::of(&verified, &validity, expected.in_response_to);
        drop(verified);
        drop(tree);
        Ok(unsealed.seal(signed.into_octets()))
    }

    /// Verifies every signature that is present and gives the octets of the outermost one.
    fn signed_octets<'m>(
        &self,
        engine: &impl Engine,
        response: &message::Response<'m>,
        keys: &Keys<'_>,
    ) -> Result<Signed<'m>, Refusal> {
        let Content::Assertion(assertion) = &response.content else {
            return Err(Refusal::new(Reason::AssertionMissing));
        };
        let of_assertion = match &assertion.signature {
            Some(signature) => {
                Some(signature.digested(engine, &self.document.tree, assertion.element, keys)?)
            }
            None => None,
        };
        if let (Some(of_assertion), Some(_)) = (&of_assertion, &response.signature) {
            of_assertion.tree(engine)?;
        }
        let of_response = self.signed_response(engine, response, keys)?;
        match (of_response, of_assertion) {
            (Some(digested), _) => Ok(Signed::Response(digested)),
            (None, Some(digested)) => Ok(Signed::Assertion(digested)),
            (None, None) => Err(Refusal::new(Reason::SignatureMissing)),
        }
    }

    fn signed_response<'m>(
        &self,
        engine: &impl Engine,
        response: &message::Response<'m>,
        keys: &Keys<'_>,
    ) -> Result<Option<Digested<'m>>, Refusal> {
        let signature = response.signature.as_ref();
        signature
            .map(|signature| signature.digested(engine, &self.document.tree, response.element, keys))
            .transpose()
    }

    /// Decrypts the assertion and verifies every signature that is present. All that can be checked without our
    /// private key is checked before it is used: a signature of the response covers the ciphertext, and what is
    /// decrypted is then the ciphertext that stands in the digested octets.
    fn decrypted_octets<'m>(
        &self,
        engine: &impl Engine,
        response: &message::Response<'m>,
        encrypted: &EncryptedAssertion,
        keys: &Keys<'_>,
        (expected, now): (&Expected<'_>, Timestamp),
    ) -> Result<Signed<'m>, Refusal> {
        if expected.own_keys.is_empty() {
            return Err(Refusal::new(Reason::EncryptionKeyMissing)
                .expected("an assertion in the clear, or saml.signing_key in the configuration")
                .got("an encrypted assertion"));
        }
        let of_response = self.signed_response(engine, response, keys)?;
        let plaintext = if let Some(digested) = &of_response {
            let tree = digested.tree(engine)?;
            let Content::Encrypted(covered) = read_signed_response(&tree, expected, now)?.content else {
                return Err(Refusal::new(Reason::AssertionMissing));
            };
            covered.decrypt(expected.own_keys)
        } else {
            conditions::check_response(response, false, expected, now)?;
            encrypted.decrypt(expected.own_keys)
        };
        plaintext.verify(engine, (of_response, expected.idp.entity_id()), keys)
    }

    /// Asks about every signature that was verified.
    #[cfg(feature = "second-opinion")]
    fn ask_second_opinion(&self, signed: &Signed<'_>, idp: &IdentityProvider) -> Result<(), Refusal> {
        let agrees = |message: &[u8], octets: &[u8]| {
            super::second_opinion::agrees(message, idp.certificates(), octets)
        };
        match signed {
            Signed::Response(digested) | Signed::Assertion(digested) => {
                agrees(self.document.octets, digested.octets())
            }
            Signed::Decrypted { octets, plaintext, of_response } => {
                if let Some(of_response) = of_response {
                    agrees(self.document.octets, of_response.octets())?;
                }
                plaintext.as_ref().map_or(Ok(()), |plaintext| agrees(plaintext, octets))
            }
        }
    }

    #[cfg(not(feature = "second-opinion"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same call as with the feature")]
    const fn ask_second_opinion(&self, _signed: &Signed<'_>, _idp: &IdentityProvider) -> Result<(), Refusal> {
        Ok(())
    }
}

/// The octets that are believed, and what they are.
pub(super) enum Signed<'m> {
    /// The digested octets of the response.
    Response(Digested<'m>),
    /// The digested octets of the assertion.
    Assertion(Digested<'m>),
    /// The digested octets of an assertion that was encrypted; where it has no signature of its own, the plaintext
    /// of what stands in the digested octets of the response.
    Decrypted {
        octets: Vec<u8>,
        /// The plaintext as it came, if it has a signature of its own.
        #[cfg_attr(
            not(feature = "second-opinion"),
            expect(dead_code, reason = "only the second opinion reads it again")
        )]
        plaintext: Option<Vec<u8>>,
        /// What was digested of the response, if it is signed.
        #[cfg_attr(
            not(feature = "second-opinion"),
            expect(dead_code, reason = "only the second opinion compares them")
        )]
        of_response: Option<Digested<'m>>,
    },
}

impl Signed<'_> {
    fn into_octets(self) -> Vec<u8> {
        match self {
            Self::Response(digested) | Self::Assertion(digested) => digested.into_octets(),
            Self::Decrypted { octets, .. } => octets,
        }
    }

    fn tree(&self, engine: &impl Engine) -> Result<Tree<'_>, Refusal> {
        match self {
            Self::Response(digested) | Self::Assertion(digested) => digested.tree(engine),
            Self::Decrypted { octets, .. } => Tree::parse(octets, Profile::Message),
        }
    }
}

/// Reads a response from its digested octets.
fn read_signed_response<'t>(
    tree: &'t Tree<'_>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<message::Response<'t>, Refusal> {
    let verified = message::Response::read(tree.root())?;
    conditions::check_response(&verified, true, expected, now)?;
    if !verified.is_success() {
        return Err(Refusal::not_success(verified.status));
    }
    Ok(verified)
}

impl Plaintext {
    /// Verifies the signature inside, if there is one or must be one. To whoever sends ciphertexts and looks what
    /// happens, a wrong key, tag or padding, a fault of the XML and a wrong signature are one and the same: the
    /// refusal and the way to it. Otherwise CBC would tell, octet by octet, what is in the ciphertext of somebody
    /// else (SAML-ATTACKS H1, H3).
    fn verify<'m>(
        self,
        engine: &impl Engine,
        (of_response, issuer): (Option<Digested<'m>>, &str),
        keys: &Keys<'_>,
    ) -> Result<Signed<'m>, Refusal> {
        let is_intact = self.is_intact;
        let covered_by = of_response.is_some().then_some(issuer);
        let outcome = match self.read(engine, covered_by, keys) {
            // The dates of a certificate are looked at before the digest is. Only where all the rest is right may
            // they be named.
            Err(untimely) if is_untimely(untimely.reason()) => {
                let timeless = Keys { accept_expired: true, valid_until: None, ..*keys };
                self.read(engine, covered_by, &timeless).map(|_| Err(untimely))
            }
            Err(refusal) => Err(refusal),
            Ok(signed) => Ok(Ok(signed)),
        };
        match outcome {
            Ok(Ok(own)) if is_intact => {
                let (octets, plaintext) = match own {
                    Some(octets) => (octets, Some(self.octets)),
                    None => (self.octets, None),
                };
                Ok(Signed::Decrypted { octets, plaintext, of_response })
            }
            Ok(Err(untimely)) if is_intact => Err(untimely),
            _ => Err(Refusal::new(Reason::DecryptionFailed)),
        }
    }

    /// The digested octets of the assertion inside; `None` if it is not signed and need not be, because the issuer
    /// that it names has signed the ciphertext. Everybody may encrypt to us, so another provider could sign a
    /// ciphertext of somebody else anew, and learn from the refusal that an assertion is in it.
    fn read(
        &self,
        engine: &impl Engine,
        covered_by: Option<&str>,
        keys: &Keys<'_>,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        // A document of its own: it brings its namespaces with it, and one assertion is all it holds.
        let tree = Tree::parse(&self.octets, Profile::Message)?;
        let assertion = Assertion::read_root(tree.root())?;
        match &assertion.signature {
            Some(signature) => signature.verify(engine, &tree, assertion.element, keys).map(Some),
            None if covered_by == Some(assertion.issuer) => Ok(None),
            None => Err(Refusal::new(Reason::SignatureMissing)),
        }
    }
}

const fn is_untimely(reason: Reason) -> bool {
    matches!(reason, Reason::CertificateExpired | Reason::CertificateNotYetValid | Reason::MetadataExpired)
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
