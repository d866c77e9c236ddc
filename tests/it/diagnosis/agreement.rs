//! The diagnosis says of every message what the verification does.

use anteroom::saml::IdentityProvider;
use anteroom::saml::diagnosis::{self, Given, Outcome};

use super::failed;
use crate::attacks::{World, catalogue};
use crate::idp::encryption::Encryption;
use crate::idp::{CLAIM_EMAIL, Message, Sign, SigningKey};

/// How the diagnosis differs from the verification, if it does.
fn difference(world: &World, trusted: &IdentityProvider, octets: &[u8]) -> Option<String> {
    let given = Given { expected: world.expected(trusted), now: world.now, asked_at: None };
    let diagnosis = diagnosis::diagnose(octets, &given);
    let verdict = world.verify_trusting(trusted, octets).map(drop).map_err(|refusal| refusal.reason());
    let first = failed(&diagnosis).first().map(|(_, reason)| (*reason).to_owned());
    let expected = verdict.err();
    let agrees =
        diagnosis.refused() == expected && first.as_deref() == expected.map(anteroom::saml::Reason::code);
    let all_said = diagnosis
        .checks()
        .iter()
        .filter(|check| check.outcome == Outcome::Failed)
        .all(|check| check.cause.is_some() && check.remedy.is_some());
    (!agrees || !all_said).then(|| format!("{verdict:?}, but {:?}", failed(&diagnosis)))
}

#[test]
fn every_message_of_the_catalogue_is_judged_as_the_verification_does() {
    let world = World::with_keys(&[SigningKey::ours()]);
    let trusted = world.trusted();
    let mut differences = Vec::new();
    for attack in catalogue() {
        let control = (attack.control)(&world);
        let control_octets = control.to_xml().into_bytes();
        let hostile = (attack.hostile)(&world, control);
        for (which, octets) in [("control", control_octets), ("hostile", hostile)] {
            let difference = difference(&world, &trusted, &octets);
            differences
                .extend(difference.map(|what| format!("{} {} ({which}): {what}", attack.id, attack.name)));
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

type Fault = fn(&mut Message);

/// Faults of fields that can be had together.
const FAULTS: &[Fault] = &[
    |message| message.encryption = Some(Encryption::to(SigningKey::ours())),
    |message| message.encryption = Some(Encryption::to(SigningKey::foreign())),
    |message| message.version = "1.1".to_owned(),
    |message| message.status = vec!["urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned()],
    |message| (message.response_in_response_to, message.in_response_to) = (None, None),
    |message| {
        message.response_in_response_to = Some("idother".to_owned());
        message.in_response_to = Some("idother".to_owned());
    },
    |message| message.in_response_to = None,
    |message| message.sign = Sign::Nothing,
    |message| message.sign = Sign::Both,
    |message| message.signer.key = SigningKey::foreign(),
    |message| message.signer.claimed_algorithm = Some("http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
    |message| message.response_issuer = Some("https://evil.example/".to_owned()),
    |message| message.response_issuer = None,
    |message| message.assertion_issuer = Some("https://evil.example/".to_owned()),
    |message| message.destination = Some("https://evil.example/".to_owned()),
    |message| message.destination = None,
    |message| message.issued = "2026-06-15T11:30:00Z".to_owned(),
    |message| message.issued = "yesterday".to_owned(),
    |message| message.audiences = vec![vec!["urn:other".to_owned()]],
    |message| message.audiences = Vec::new(),
    |message| message.not_before = Some("2026-06-15T10:55:00Z".to_owned()),
    |message| message.not_on_or_after = Some("2026-06-15T10:00:00Z".to_owned()),
    |message| message.not_on_or_after = None,
    |message| message.recipient = Some("https://evil.example/".to_owned()),
    |message| message.confirmation_not_on_or_after = None,
    |message| message.confirmation_method = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches".to_owned(),
    |message| message.name_id_attributes = " NameQualifier=\"https://evil.example/\"".to_owned(),
    |message| message.session_not_on_or_after = Some("2026-06-15T10:00:00Z".to_owned()),
    |message| message.authn_instant = "2026-06-15T12:00:00Z".to_owned(),
    |message| message.attributes.push((CLAIM_EMAIL.to_owned(), vec!["again@contoso.com".to_owned()])),
    |message| message.name_id = Some(" padded ".to_owned()),
];

#[test]
fn of_any_two_faults_together_the_first_is_that_of_the_verification() {
    let world = World::with_keys(&[SigningKey::ours()]);
    let trusted = world.trusted();
    let mut differences = Vec::new();
    for (at, one) in FAULTS.iter().enumerate() {
        for (other_at, other) in FAULTS.iter().enumerate().skip(at) {
            let message = world.control().with(one).with(other);
            let difference = difference(&world, &trusted, message.to_xml().as_bytes());
            differences.extend(difference.map(|what| format!("{at} and {other_at}: {what}")));
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

#[test]
fn rubbish_is_judged_as_the_verification_does() {
    let world = World::with_keys(&[SigningKey::ours()]);
    let trusted = world.trusted();
    let control = world.control().to_xml();
    let mut cut: Vec<_> =
        (0..control.len()).step_by(97).map(|at| control.as_bytes()[..at].to_vec()).collect();
    cut.extend([b"<x/>".to_vec(), b"\xff\xfe".to_vec(), b"<Response/>".to_vec()]);
    cut.push(world.control().signed_assertion().into_bytes());
    cut.extend((0..control.len()).step_by(41).map(|at| {
        let mut octets = control.clone().into_bytes();
        octets[at] ^= 1 << (at % 7);
        octets
    }));
    for octets in cut {
        assert_eq!(difference(&world, &trusted, &octets), None, "{}", String::from_utf8_lossy(&octets));
    }
}
