//! Every attack of the catalogue, as data: a control message, what the attacker makes of it, and
//! the code with which it must be refused.
//!
//! Separate from the surface: here each row is tried on the pure verifier; [`surface`] attacks a running
//! Anteroom with the same rows. `docs/saml.md` has the list of all rows and the tests that prove each.
//!
//! Rules: the control is accepted as the genuine user, or the row proves nothing; the hostile
//! message differs from it by one fault.

#![expect(
    clippy::too_many_lines,
    clippy::assigning_clones,
    clippy::format_collect,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tables of rows are long, their texts are short"
)]

/// A test for each row of the list of attacks, named by it.
macro_rules! rows {
    ($($test:ident $id:literal)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            $crate::attacks::surface::refuses_row($id).await;
        }
    )+};
}

mod browser;
mod demands;
mod encryption;
mod exhaustion;
mod identity_values;
mod list;
mod logout;
mod metadata;
mod mutation;
mod parsing;
mod protocol;
mod surface;
mod trust;
mod wrapping;

use std::sync::Arc;
use std::time::Duration;

use anteroom::saml::{self, Expected, KeyPair, Refusal, VerifiedAssertion};
use jiff::Timestamp;

use crate::idp::{self, Idp, Message, SigningKey};

/// The parties of an attack.
pub(crate) struct World {
    pub(crate) idp: Idp,
    pub(crate) request: idp::Request,
    pub(crate) now: Timestamp,
    /// What can be encrypted to.
    pub(crate) own_keys: Vec<Arc<KeyPair>>,
}

/// One row of the catalogue.
pub(crate) struct Attack {
    /// The row in the list of attacks, such as `A1`.
    pub(crate) id: &'static str,
    /// What the attacker does, as a sentence.
    pub(crate) name: &'static str,
    /// The message that would be accepted.
    pub(crate) control: fn(&World) -> Message,
    /// What the attacker posts instead.
    pub(crate) hostile: fn(&World, Message) -> Vec<u8>,
    /// The codes that are right answers.
    pub(crate) codes: &'static [&'static str],
}

/// All rows that are a single posted message.
pub(crate) fn catalogue() -> Vec<Attack> {
    [
        wrapping::attacks(),
        parsing::attacks(),
        trust::attacks(),
        protocol::attacks(),
        identity_values::attacks(),
        exhaustion::attacks(),
        encryption::attacks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl World {
    /// A world of its own, for the pure verifier.
    pub(crate) fn pure() -> Self {
        Self {
            idp: Idp::entra(),
            request: idp::Request {
                id: "id7f3a9c52e1d84b06".to_owned(),
                sp_entity_id: "urn:amazon:cognito:sp:us-east-1_Example00".to_owned(),
                acs_url: "https://login.example.com/saml2/idpresponse".to_owned(),
            },
            now: "2026-06-15T10:30:00Z".parse().expect("a time"),
            own_keys: Vec::new(),
        }
    }

    /// One in which assertions may be encrypted to these keys of ours.
    pub(crate) fn with_keys(keys: &[&SigningKey]) -> Self {
        Self { own_keys: keys.iter().map(|key| key.own()).collect(), ..Self::pure() }
    }

    /// The control of most rows: what Entra sends.
    pub(crate) fn control(&self) -> Message {
        self.idp.answer(&self.request, self.now)
    }

    pub(crate) fn trusted(&self) -> saml::IdentityProvider {
        saml::metadata::parse(&self.idp.metadata_xml(), self.now).expect("the metadata is good")
    }

    /// What the pure verifier says.
    pub(crate) fn verify(&self, octets: &[u8]) -> Result<VerifiedAssertion, Refusal> {
        self.verify_trusting(&self.trusted(), octets)
    }

    pub(crate) fn verify_trusting(
        &self,
        trusted: &saml::IdentityProvider,
        octets: &[u8],
    ) -> Result<VerifiedAssertion, Refusal> {
        let document = saml::Document::parse(octets)?;
        saml::Response::read(&document)?.verify(&self.expected(trusted), self.now)
    }

    /// What it says where one connection is to be treated in another way than most.
    pub(crate) fn verify_demanding(
        &self,
        policy: saml::Policy<'_>,
        octets: &[u8],
    ) -> Result<VerifiedAssertion, Refusal> {
        let trusted = self.trusted();
        let document = saml::Document::parse(octets)?;
        saml::Response::read(&document)?.verify(&Expected { policy, ..self.expected(&trusted) }, self.now)
    }

    pub(crate) fn expected<'a>(&'a self, trusted: &'a saml::IdentityProvider) -> Expected<'a> {
        Expected {
            idp: trusted,
            sp_entity_id: &self.request.sp_entity_id,
            acs_url: &self.request.acs_url,
            own_keys: &self.own_keys,
            in_response_to: &self.request.id,
            skew: Duration::from_mins(3),
            policy: saml::Policy::default(),
        }
    }
}

/// Runs rows against the pure verifier and names every one that fails.
fn refuses_all_in(world: &World, attacks: &[Attack]) {
    let trusted = world.trusted();
    let mut failures = Vec::new();
    for attack in attacks {
        let mut fails = |what: String| failures.push(format!("{} {}: {what}", attack.id, attack.name));
        let control = (attack.control)(world);
        let control_xml = control.to_xml();
        match world.verify_trusting(&trusted, control_xml.as_bytes()) {
            Ok(assertion) if assertion.id() == control.assertion_id => {}
            Ok(_) => fails("the control is accepted as another assertion".to_owned()),
            Err(refusal) => fails(format!("the control is refused: {refusal}")),
        }
        let hostile = (attack.hostile)(world, control);
        if hostile == control_xml.as_bytes() {
            fails("the hostile message is the control".to_owned());
        }
        match world.verify_trusting(&trusted, &hostile) {
            Ok(_) => fails("ACCEPTED".to_owned()),
            Err(refusal) if attack.codes.contains(&refusal.reason().code()) => {}
            Err(refusal) => fails(format!(
                "refused with {} instead of {:?} ({refusal})",
                refusal.reason().code(),
                attack.codes
            )),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Replaces exactly one occurrence, so that a row cannot silently miss its target.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} stands there once");
    text.replacen(from, to, 1)
}

/// Replaces the first occurrence.
fn replaced_first(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} stands there");
    text.replacen(from, to, 1)
}

/// The part of a text from one marker up to and including another.
fn cut<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("{from:?} stands there"));
    let end = text[start..].find(to).unwrap_or_else(|| panic!("{to:?} follows"));
    &text[start..start + end + to.len()]
}

#[test]
fn every_row_has_a_name_of_its_own() {
    let rows = catalogue();
    let mut names: Vec<_> = rows.iter().map(|attack| (attack.id, attack.name)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rows.len());
    assert!(rows.len() > 100, "{} rows", rows.len());
}
