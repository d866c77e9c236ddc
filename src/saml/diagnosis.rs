//! Why a message is refused, check by check, and what to do about it.
//!
//! Separate because a verification stops at its first fault, and a person who sets up an identity provider wants
//! to know all of them. It goes the way of [`Response::verify`] over the same checks, but goes on after a fault
//! wherever the next check makes sense by itself.
//!
//! Rules: it never gives a [`VerifiedAssertion`](super::VerifiedAssertion): what it reads is believed by nobody
//! and only shown; whether a message would be accepted is what `verify` says, and the first check that failed has
//! the reason of `verify` (a test over the whole catalogue of attacks holds that); texts from a message are
//! bounded and printable.

mod causes;
mod check;
mod difference;
mod parts;
mod signer;
mod status;
mod time;

use jiff::Timestamp;

use super::claims::Claims;
use super::conditions;
use super::engine::Exclusive;
use super::message::{self, Content};
use super::refusal::{Reason, Refusal, bounded};
use super::response::{Document, Expected, Response};
use super::signature::Keys;
use super::xml::{Element, Profile, Tree};
use super::{instant, names};

pub(crate) use causes::sentence;
pub(crate) use check::Advice;
pub use check::{Check, Outcome};

use causes::Case;
use check::{Sheet, Stage};
use parts::Parts;

/// What a message is held against.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Whom the answer must come from, and what it must be meant for.
    pub expected: Expected<'a>,
    /// When it arrived.
    pub now: Timestamp,
    /// When our request was made, if that is known: it measures the provider's clock.
    pub asked_at: Option<Timestamp>,
}

/// What was found out about a message.
#[derive(Clone)]
pub struct Diagnosis {
    checks: Vec<Check>,
    refused: Option<Reason>,
    claims: Option<Claims>,
}

/// What a message says of itself. **Not verified**: good for finding out what to hold it against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Who claims to have issued it.
    pub issuer: Option<String>,
    /// Which request it claims to answer.
    pub in_response_to: Option<String>,
    /// When it claims to have been issued.
    pub issued: Option<Timestamp>,
    /// Until when it claims to be good.
    pub not_on_or_after: Option<Timestamp>,
}

impl Diagnosis {
    /// All checks, in order.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Takes the checks out.
    #[must_use]
    pub fn into_checks(self) -> Vec<Check> {
        self.checks
    }

    /// Why `verify` refuses it; `None` if it would be accepted.
    #[must_use]
    pub const fn refused(&self) -> Option<Reason> {
        self.refused
    }

    /// What it says of a person, if that could be read. **Not verified**: to look at, never to sign anybody on.
    #[must_use]
    pub const fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }
}

/// A message that could not even be decoded.
#[must_use]
pub fn of_unreadable(refusal: &Refusal) -> Diagnosis {
    let mut sheet = Sheet::new();
    sheet.fail(Stage::Message, refusal, causes::plain(refusal));
    Diagnosis { checks: sheet.into_checks(), refused: Some(refusal.reason()), claims: None }
}

/// Makes the checks that need nobody to hold the message against: it cannot be said whose it is.
#[must_use]
pub fn of_unknown(octets: &[u8]) -> Diagnosis {
    let mut sheet = Sheet::new();
    let mut refused = shape_refusal(octets);
    match Tree::parse(octets, Profile::Message) {
        Err(refusal) => sheet.fail(Stage::Message, &refusal, causes::plain(&refusal)),
        Ok(tree) => {
            sheet.pass(Stage::Message, None);
            check_form(&mut sheet, octets);
            refused = refused.or_else(|| check_head(&mut sheet, &Parts::of(tree.root()), None));
        }
    }
    Diagnosis { checks: sheet.into_checks(), refused: refused.map(|refusal| refusal.reason()), claims: None }
}

/// Reads what a message says of itself; nothing where it cannot be read.
#[must_use]
pub fn hints(octets: &[u8]) -> Hints {
    let Ok(tree) = Tree::parse(octets, Profile::Message) else { return Hints::default() };
    let parts = Parts::of(tree.root());
    let assertion = parts.assertion.as_ref();
    Hints {
        issuer: assertion.and_then(|assertion| assertion.issuer).or(parts.issuer).map(bounded),
        in_response_to: parts.in_response_to.map(str::to_owned),
        issued: parts.issued().and_then(|text| instant::parse(text).ok()),
        not_on_or_after: parts.conditions_end(),
    }
}

/// Makes every check that can be made of a message.
#[must_use]
pub fn diagnose(octets: &[u8], given: &Given<'_>) -> Diagnosis {
    let verdict = Document::parse(octets)
        .and_then(|document| Response::read(&document)?.verify(&given.expected, given.now));
    let refused = verdict.err();
    let mut sheet = Sheet::new();
    let mut claims = None;
    match Tree::parse(octets, Profile::Message) {
        Err(refusal) => sheet.fail(Stage::Message, &refusal, causes::plain(&refusal)),
        Ok(tree) => {
            sheet.pass(Stage::Message, None);
            let opened = opened(&tree, given, refused.as_ref());
            let inner = opened.as_deref().and_then(|octets| Tree::parse(octets, Profile::Message).ok());
            let parts = Parts::of(tree.root()).with(inner.as_ref().map(Tree::root));
            let case = Case { given, parts: &parts, signer: None };
            let well_formed = check_form(&mut sheet, octets);
            check_head(&mut sheet, &parts, Some(given));
            let signed = if well_formed { check_signatures(&mut sheet, &tree, case) } else { None };
            check_response(&mut sheet, &case, signed);
            check_decryption(&mut sheet, &parts, refused.as_ref());
            check_assertion(&mut sheet, &case);
            claims = parts.claims();
        }
    }
    if let Some(refusal) = &refused
        && !sheet.has_failed()
    {
        sheet.fail(Stage::Verification, refusal, causes::plain(refusal));
    }
    Diagnosis { checks: sheet.into_checks(), refused: refused.map(|refusal| refusal.reason()), claims }
}

/// Why a message does not have the one shape that is read, if it has not.
fn shape_refusal(octets: &[u8]) -> Option<Refusal> {
    let document = Document::parse(octets);
    document.and_then(|document| Response::read(&document).map(drop)).err()
}

/// Whether the message has the one shape that is read.
fn check_form(sheet: &mut Sheet, octets: &[u8]) -> bool {
    let Some(refusal) = shape_refusal(octets) else {
        sheet.pass(Stage::SignatureForm, None);
        sheet.pass(Stage::Form, None);
        return true;
    };
    let stage = match refusal.reason() {
        Reason::SignatureMalformed
        | Reason::ReferenceMismatch
        | Reason::TransformForbidden
        | Reason::AlgorithmForbidden => Stage::SignatureForm,
        _ => Stage::Form,
    };
    sheet.fail(stage, &refusal, causes::plain(&refusal));
    false
}

/// Status, request, and whether there is an assertion; the first refusal.
fn check_head(sheet: &mut Sheet, parts: &Parts<'_>, given: Option<&Given<'_>>) -> Option<Refusal> {
    let mut first = None;
    if let Some(said) = &parts.status {
        if said.codes.first().is_some_and(|code| code == names::STATUS_SUCCESS) {
            sheet.pass(Stage::Status, None);
        } else {
            let refusal = Refusal::not_success(said.clone());
            sheet.fail(Stage::Status, &refusal, status::explain(said));
            sheet.shows(Stage::Status, Some("Success".to_owned()), Some(status::shown(said)));
            first = Some(refusal);
        }
    }
    if let Some(id) = parts.in_response_to {
        sheet.pass(Stage::Request, Some(bounded(id)));
    } else {
        let refusal = Refusal::new(Reason::Unsolicited);
        sheet.fail(Stage::Request, &refusal, causes::plain(&refusal));
        first = first.or(Some(refusal));
    }
    let refusal = match given {
        _ if parts.assertion.is_some() => None,
        Some(given) if parts.is_encrypted && given.expected.own_keys.is_empty() => {
            Some(Refusal::new(Reason::EncryptionKeyMissing).got("an encrypted assertion"))
        }
        _ if parts.is_encrypted => None,
        _ => Some(Refusal::new(Reason::AssertionMissing)),
    };
    match refusal {
        None => sheet.pass(Stage::Assertion, parts.is_encrypted.then(|| "encrypted".to_owned())),
        Some(refusal) => {
            sheet.fail(Stage::Assertion, &refusal, causes::plain(&refusal));
            first = first.or(Some(refusal));
        }
    }
    first
}

fn keys<'g>(given: &Given<'g>) -> Keys<'g> {
    Keys {
        certificates: given.expected.idp.certificates(),
        accept_expired: given.expected.policy.accept_expired_certificates,
        valid_until: given.expected.idp.valid_until(),
        now: given.now,
    }
}

/// An encrypted assertion in the clear, if the verification itself has got past decrypting it and past what was
/// signed inside. Nothing else that comes out of a ciphertext is looked at: what is said about it, and how long that
/// takes, would tell whoever sends ciphertexts what is in them.
fn opened(tree: &Tree<'_>, given: &Given<'_>, refused: Option<&Refusal>) -> Option<Vec<u8>> {
    let is_early = |reason| {
        matches!(
            reason,
            Reason::StatusNotSuccess
                | Reason::Unsolicited
                | Reason::EncryptionKeyMissing
                | Reason::DecryptionFailed
                | Reason::CertificateExpired
                | Reason::CertificateNotYetValid
                | Reason::MetadataExpired
        )
    };
    if refused.is_some_and(|refusal| is_early(refusal.reason())) {
        return None;
    }
    let response = message::Response::read(tree.root()).ok()?;
    let Content::Encrypted(encrypted) = &response.content else { return None };
    if let Some(signature) = &response.signature {
        signature.verify(&Exclusive, tree, response.element, &keys(given)).ok()?;
    }
    let (expected, now) = (&given.expected, given.now);
    conditions::check_response(&response, response.signature.is_some(), expected, now).ok()?;
    Some(encrypted.decrypt(expected.own_keys).octets)
}

/// Whether what is encrypted came out, as far as may be told.
fn check_decryption(sheet: &mut Sheet, parts: &Parts<'_>, refused: Option<&Refusal>) {
    match refused.filter(|refusal| refusal.reason() == Reason::DecryptionFailed) {
        _ if !parts.is_encrypted => sheet.skip(Stage::Decryption),
        Some(refusal) => sheet.fail(Stage::Decryption, refusal, causes::plain(refusal)),
        None if parts.assertion.is_some() => sheet.pass(Stage::Decryption, None),
        None => {}
    }
}

/// Which element's signature counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    Response,
    Assertion,
}

/// Verifies every signature that is present, in the order of the verification.
fn check_signatures(sheet: &mut Sheet, tree: &Tree<'_>, case: Case<'_>) -> Option<Signed> {
    let response = message::Response::read(tree.root()).ok()?;
    let keys = keys(case.given);
    let mut names = Vec::new();
    let of_assertion = match &response.content {
        Content::Nothing => return None,
        Content::Assertion(assertion) => assertion.signature.as_ref().map(|own| (own, assertion.element)),
        Content::Encrypted(_) => None,
    };
    let of_response = response.signature.as_ref().map(|own| (own, response.element));
    for (signature, parent) in [of_assertion, of_response].into_iter().flatten() {
        if let Err(refusal) = signature.verify(&Exclusive, tree, parent, &keys) {
            fail_signature(sheet, (case, parent), &refusal);
            return None;
        }
        names.push(parent.local());
    }
    if case.parts.is_encrypted {
        // Whether the assertion inside is signed is known only once it has been decrypted and verified.
        names.extend(case.parts.assertion.as_ref().map(|_| "what was encrypted"));
        if names.is_empty() {
            return None;
        }
    }
    if names.is_empty() {
        let refusal = Refusal::new(Reason::SignatureMissing);
        sheet.fail(Stage::Signature, &refusal, case.explain(&refusal));
        return None;
    }
    sheet.pass(Stage::Signature, Some(format!("signed: {}", names.join(" and "))));
    Some(if response.signature.is_some() { Signed::Response } else { Signed::Assertion })
}

fn fail_signature(sheet: &mut Sheet, (case, parent): (Case<'_>, Element<'_>), refusal: &Refusal) {
    let signer = signer::named_in(parent);
    let case = Case { signer: signer.as_ref(), ..case };
    sheet.fail(Stage::Signature, refusal, case.explain(refusal));
    if refusal.reason() == Reason::SignatureInvalid {
        let pinned = signer::shown(case.given.expected.idp.certificates());
        sheet.shows(Stage::Signature, Some(pinned), signer.as_ref().map(signer::name));
    }
}

/// The fields of the response.
fn check_response(sheet: &mut Sheet, case: &Case<'_>, signed: Option<Signed>) {
    let (parts, expected) = (case.parts, &case.given.expected);
    if !parts.is_response {
        return;
    }
    match parts.issuer {
        None => sheet.skip(Stage::ResponseIssuer),
        Some(issuer) => sheet.note(
            Stage::ResponseIssuer,
            conditions::check_issuer(issuer, expected),
            (case, Some(issuer)),
        ),
    }
    let is_signed = signed == Some(Signed::Response);
    if parts.destination.is_none() && !is_signed {
        sheet.skip(Stage::Destination);
    } else {
        let checked = conditions::check_destination(parts.destination, is_signed, expected);
        sheet.note(Stage::Destination, checked, (case, parts.destination));
    }
    if let Some(id) = parts.in_response_to {
        sheet.note(Stage::InResponseTo, conditions::check_in_response_to(id, expected), (case, None));
    }
    if let Some(issued) = parts.response_issued {
        let checked = conditions::check_issued(issued, case.clock()).map(drop);
        sheet.note(Stage::ResponseTime, checked, (case, None));
    }
}

/// The fields of the assertion.
fn check_assertion(sheet: &mut Sheet, case: &Case<'_>) {
    let Some(assertion) = &case.parts.assertion else { return };
    let (expected, now) = (&case.given.expected, case.clock());
    if let Some(issuer) = assertion.issuer {
        sheet.note(Stage::Issuer, conditions::check_issuer(issuer, expected), (case, Some(issuer)));
    }
    let issued = assertion.issued.map(|issued| conditions::check_issued(issued, now).map(drop));
    if let Some(checked) = issued {
        let measured = case.measured();
        sheet.note(Stage::Clock, checked, (case, measured.as_deref()));
    }
    // A message from the future may be out of date as well, by another of its times.
    let issued = assertion.issued.and_then(|issued| instant::parse(issued).ok());
    if let Some(conditions) = &assertion.conditions {
        let audiences = conditions.audiences.concat().join(", ");
        let checked = conditions::check_audience(conditions, expected);
        sheet.note(Stage::Audience, checked, (case, Some(&audiences)));
        if let Some(issued) = issued {
            let checked = conditions::check_conditions_window(conditions, issued, now).map(drop);
            sheet.note(Stage::Validity, checked, (case, conditions.not_on_or_after));
        }
    }
    if let Some(subject) = &assertion.subject {
        if let Some(issued) = issued {
            let checked = conditions::check_confirmations(&subject.confirmations, expected, issued, now);
            sheet.note(Stage::Confirmation, checked.map(drop), (case, None));
        }
        match &subject.name_id {
            None => sheet.skip(Stage::NameId),
            Some(name_id) => {
                let checked = conditions::check_qualifiers(name_id, expected);
                sheet.note(Stage::NameId, checked, (case, None));
            }
        }
    }
    if let Some(statements) = &assertion.authn_statements {
        let checked = conditions::check_authn_statements(statements, now);
        if let Ok((instants, _)) = &checked {
            let checked = conditions::check_policy(statements, instants, expected).map(drop);
            sheet.note(Stage::Manner, checked, (case, None));
        }
        sheet.note(Stage::Session, checked.map(drop), (case, None));
    }
}
