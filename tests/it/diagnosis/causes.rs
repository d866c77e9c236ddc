//! Every likely cause, by a message that has it.

use std::time::Duration;

use anteroom::saml::diagnosis::{self, Check, Outcome};

use super::{changed, check, diagnose, diagnose_at, failed};
use crate::attacks::World;
use crate::idp::encryption::Encryption;
use crate::idp::{self, FAR_AWAY, Idp, KeyType, LONG_AGO, Message, Sign, SigningKey};

/// Fails unless the check failed for that reason, and its cause or remedy has these words.
fn says(check: &Check, reason: &str, words: &[&str]) {
    assert_eq!((check.outcome, check.reason.as_deref()), (Outcome::Failed, Some(reason)), "{check:?}");
    let said = format!("{} {}", check.cause.as_deref().unwrap_or(""), check.remedy.as_deref().unwrap_or(""));
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    let whole = |text: &Option<String>| text.as_deref().is_some_and(|text| text.ends_with('.'));
    assert!(whole(&check.cause) && whole(&check.remedy), "{check:?}");
}

/// The same world with another entity ID or address of ours.
fn world_of(entity_id: &str, acs_url: &str) -> World {
    let mut world = World::pure();
    world.request.sp_entity_id = entity_id.to_owned();
    world.request.acs_url = acs_url.to_owned();
    world
}

const ENTITY_ID: &str = "https://app.example.com/saml";
const ACS_URL: &str = "https://login.example.com/saml2/idpresponse";

#[test]
fn an_accepted_message_passes_everything_and_is_measured() {
    let diagnosis = changed(|_| {});
    assert_eq!((diagnosis.refused(), failed(&diagnosis).len()), (None, 0));
    let outcomes = diagnosis.checks().iter().map(|check| check.outcome);
    assert!(outcomes.into_iter().all(|outcome| matches!(outcome, Outcome::Passed | Outcome::NotApplicable)));
    assert!(check(&diagnosis, "clock").got.as_deref().is_some_and(|got| got.contains("before it arrived")));
}

#[test]
fn an_almost_right_audience_is_told_by_its_difference() {
    for (ours, theirs, words) in [
        ("contoso-app", "spn:contoso-app", &["spn:", "Identifier"][..]),
        (ENTITY_ID, "https://app.example.com/saml/", &["slash"]),
        (ENTITY_ID, "http://app.example.com/saml", &["http://", "https://"]),
        (ENTITY_ID, "https://APP.example.com/saml", &["capital"]),
        (ENTITY_ID, "5ba0d3c6-0b5c-4c1f-9d3b-7e2f3a4b5c6d", &["ID of the application"]),
        (ENTITY_ID, "urn:other", &["another application"]),
    ] {
        let world = world_of(ours, ACS_URL);
        let message = world.control().with(|message| message.audiences = vec![vec![theirs.to_owned()]]);
        let diagnosis = diagnose(&world, message.to_xml().as_bytes());
        let check = check(&diagnosis, "audience");
        says(check, "wrong_audience", words);
        assert_eq!((check.expected.as_deref(), check.got.as_deref()), (Some(ours), Some(theirs)));
    }
}

#[test]
fn an_almost_right_reply_url_is_told_by_its_difference() {
    for (theirs, words) in [
        ("http://login.example.com/saml2/idpresponse", &["http://", "Reply URL"][..]),
        ("https://login.example.com/saml2/idpresponse/", &["slash"]),
        ("https://login.example.com/saml2/IdpResponse", &["capital"]),
        ("https://login.example.com/acs", &["path"]),
        ("https://staging.example.com/saml2/idpresponse", &["host"]),
        ("https://evil.example/", &["another address"]),
    ] {
        let diagnosis = changed(|message| {
            message.destination = Some(theirs.to_owned());
            message.recipient = Some(theirs.to_owned());
        });
        says(check(&diagnosis, "destination"), "wrong_destination", words);
        says(check(&diagnosis, "confirmation"), "wrong_recipient", words);
    }
}

#[test]
fn faults_that_have_nothing_to_do_with_each_other_are_all_told() {
    let diagnosis = changed(|message| {
        message.audiences = vec![vec!["urn:other".to_owned()]];
        message.not_on_or_after = Some("2026-06-15T09:00:00Z".to_owned());
        message.not_before = Some("2026-06-15T08:00:00Z".to_owned());
        message.destination = Some("https://evil.example/".to_owned());
        message.signer = idp::Signer::new(SigningKey::foreign());
    });
    assert_eq!(
        failed(&diagnosis),
        [
            ("signature", "signature_invalid"),
            ("destination", "wrong_destination"),
            ("audience", "wrong_audience"),
            ("validity", "expired"),
        ]
    );
    assert!(diagnosis.claims().is_some());
}

#[test]
fn clocks_that_differ_are_measured() {
    let world = World::pure();
    let octets = world.control().to_xml().into_bytes();
    // Theirs is ahead: the message comes before it was made.
    let early = diagnose_at(&world, &octets, world.now - Duration::from_secs(450), None);
    says(check(&early, "clock"), "issued_in_future", &["7 min 30 s ahead"]);
    // Theirs is behind: it was made before we asked for it.
    let later = world.now + Duration::from_mins(65);
    let behind = diagnose_at(&world, &octets, later, Some(later - Duration::from_secs(5)));
    says(check(&behind, "validity"), "expired", &["1 h 4 min behind", "clock"]);
    // Nobody's clock is off: somebody has waited.
    let waited = diagnose_at(&world, &octets, later, Some(world.now - Duration::from_secs(5)));
    says(check(&waited, "validity"), "expired", &["1 h 5 min after it was made", "good for 1 h"]);
    // A few seconds are no cause of anything.
    let slack = diagnose_at(&world, &octets, later, Some(world.now + Duration::from_mins(1)));
    says(check(&slack, "validity"), "expired", &["1 h 5 min after it was made"]);
    let not_yet = changed(|message| message.not_before = Some("2026-06-15T10:40:00Z".to_owned()));
    says(check(&not_yet, "validity"), "not_yet_valid", &["10 min ahead"]);
}

#[test]
fn a_signature_by_another_certificate_says_whose() {
    let thumbprint_of = |key: &SigningKey| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.certificate);
        digest.as_ref().iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
    };
    // Renewed: the certificate is newer than all that are known.
    let renewed = Box::leak(Box::new(SigningKey::make(KeyType::Rsa, (2026, 6, 1), FAR_AWAY)));
    let diagnosis = changed(|message| message.signer = idp::Signer::new(renewed));
    let check_of = |diagnosis: &diagnosis::Diagnosis| check(diagnosis, "signature").clone();
    let found = check_of(&diagnosis);
    says(&found, "signature_invalid", &["renewed", "Federation Metadata"]);
    assert!(found.got.as_deref().is_some_and(|got| got.contains(&thumbprint_of(renewed))), "{found:?}");
    let pinned = thumbprint_of(SigningKey::rsa());
    assert!(found.expected.as_deref().is_some_and(|expected| expected.contains(&pinned)), "{found:?}");

    // Of the same age: another application of the tenant.
    let diagnosis = changed(|message| message.signer = idp::Signer::new(SigningKey::foreign()));
    says(&check_of(&diagnosis), "signature_invalid", &["another application of the same tenant"]);

    // Another tenant altogether.
    let world = World::pure();
    let other = Idp::other_tenant();
    let octets = other.answer(&world.request, world.now).to_xml().into_bytes();
    let diagnosis = diagnose(&world, &octets);
    says(&check_of(&diagnosis), "signature_invalid", &["another tenant"]);
    says(check(&diagnosis, "issuer"), "wrong_issuer", &["another tenant", &other.tenant_id]);

    // The certificate is a known one, and yet its key did not sign.
    let xml = world.control().to_xml();
    let at = xml.find("<SignatureValue>").expect("it is signed") + 20;
    let forged = format!("{}{}{}", &xml[..at], if &xml[at..=at] == "A" { "B" } else { "A" }, &xml[at + 1..]);
    says(&check_of(&diagnose(&world, forged.as_bytes())), "signature_invalid", &["changed on its way"]);

    // None is named.
    let diagnosis = changed(|message| {
        message.signer = idp::Signer::new(SigningKey::foreign());
        message.signer.key_info = Some(String::new());
    });
    says(&check_of(&diagnosis), "signature_invalid", &["does not name its certificate"]);
}

#[test]
fn a_certificate_outside_its_time_is_told_as_such() {
    let key = |from, until| -> &'static SigningKey {
        Box::leak(Box::new(SigningKey::make(KeyType::P256, from, until)))
    };
    for (key, reason, word) in [
        (key(LONG_AGO, (2026, 1, 1)), "certificate_expired", "active"),
        (key((2026, 12, 1), FAR_AWAY), "certificate_not_yet_valid", "clock"),
    ] {
        let mut world = World::pure();
        world.idp.key = key;
        let message = world.control().with(|message| message.audiences = vec![vec!["urn:other".to_owned()]]);
        let diagnosis = diagnose(&world, message.to_xml().as_bytes());
        says(check(&diagnosis, "signature"), reason, &[word]);
        // What is signed can be looked at all the same.
        says(check(&diagnosis, "audience"), "wrong_audience", &[]);
    }
}

#[test]
fn missing_and_weak_signatures_name_the_option_to_change() {
    let unsigned = changed(|message| message.sign = Sign::Nothing);
    says(check(&unsigned, "signature"), "signature_missing", &["Sign SAML assertion"]);
    let world = World::pure();
    let xml = world.control().to_xml();
    let (start, end) =
        (xml.find("<Signature ").expect("signed"), xml.find("</Signature>").expect("signed") + 12);
    let signature = &xml[start..end];
    let moved = xml.replacen(signature, "", 1);
    let moved = moved.replacen("</samlp:Status>", &format!("</samlp:Status>{signature}"), 1);
    let diagnosis = diagnose(&world, moved.as_bytes());
    assert_eq!(failed(&diagnosis)[0].0, "form");

    let sha1 = changed(|message| {
        message.signer.claimed_algorithm = Some("http://www.w3.org/2000/09/xmldsig#rsa-sha1");
        message.audiences = vec![vec!["urn:other".to_owned()]];
    });
    says(check(&sha1, "signature_form"), "algorithm_forbidden", &["SHA-1", "SHA-256"]);
    // The rest can be looked at all the same.
    says(check(&sha1, "audience"), "wrong_audience", &[]);
    let digest = changed(|message| message.signer.digest = idp::Digest::Sha1);
    says(check(&digest, "signature_form"), "algorithm_forbidden", &["SHA-1"]);

    let changed_later = World::pure().control().to_xml().replacen(">Mia<", ">Eve<", 1);
    let diagnosis = diagnose(&World::pure(), changed_later.as_bytes());
    // Signed by a known key, but over other octets.
    assert_eq!(failed(&diagnosis), [("signature", "digest_mismatch")]);
}

#[test]
fn an_issuer_in_another_form_is_told_from_another_tenant() {
    let tenant = Idp::entra().tenant_id;
    for (issuer, words) in [
        (
            format!("https://sts.windows.net/{tenant}/5ba0d3c6-0b5c-4c1f-9d3b-7e2f3a4b5c6d"),
            "application's ID",
        ),
        (format!("https://login.microsoftonline.com/{tenant}/v2.0"), "another form"),
        ("https://sts.windows.net/{tenantid}/".to_owned(), "multi-tenant"),
        ("https://idp.example.org/".to_owned(), "another identity provider"),
    ] {
        let diagnosis = changed(|message| {
            message.assertion_issuer = Some(issuer.clone());
            message.response_issuer = Some(issuer.clone());
        });
        for code in ["issuer", "response_issuer"] {
            says(check(&diagnosis, code), "wrong_issuer", &[words]);
        }
    }
}

#[test]
fn a_status_of_entra_is_put_into_words() {
    let of = |codes: &[&str], text: Option<&str>| {
        changed(|message| {
            message.status =
                codes.iter().map(|code| format!("urn:oasis:names:tc:SAML:2.0:status:{code}")).collect();
            message.status_text = text.map(str::to_owned);
        })
    };
    for (text, word) in [
        ("AADSTS50105: Your administrator has configured the application … Trace ID: 1", "not assigned"),
        ("AADSTS75011: Authentication method by which the user …", "another way"),
        ("AADSTS50011: The redirect URI …", "Reply URL"),
        ("AADSTS700016: Application with identifier …", "Identifier"),
        ("AADSTS53003: Access has been blocked by Conditional Access policies.", "Conditional Access"),
        ("AADSTS4242: something new", "AADSTS4242"),
    ] {
        let diagnosis = of(&["Responder"], Some(text));
        let check = check(&diagnosis, "status");
        says(check, "status_not_success", &[word]);
        assert!(check.got.as_deref().is_some_and(|got| got.contains(text)), "{check:?}");
    }
    let diagnosis = of(&["Responder", "NoAuthnContext"], None);
    says(check(&diagnosis, "status"), "status_not_success", &["demanded"]);
    assert_eq!(check(&diagnosis, "status").got.as_deref(), Some("Responder / NoAuthnContext"));
}

#[test]
fn an_answer_that_nobody_asked_for_says_where_it_began() {
    let diagnosis =
        changed(|message| (message.response_in_response_to, message.in_response_to) = (None, None));
    says(check(&diagnosis, "request"), "unsolicited", &["My Apps", "Sign-on URL"]);
}

#[test]
fn what_is_encrypted_is_looked_at_once_it_is_verified_and_not_before() {
    let encrypted = |world: &World, key| {
        let message = world.control().encrypted(Encryption::to(key));
        message.with(|message| message.audiences = vec![vec!["urn:other".to_owned()]]).to_xml().into_bytes()
    };
    let world = World::with_keys(&[SigningKey::ours()]);
    let diagnosis = diagnose(&world, &encrypted(&world, SigningKey::ours()));
    assert_eq!(failed(&diagnosis), [("audience", "wrong_audience")]);
    assert_eq!(check(&diagnosis, "decryption").outcome, Outcome::Passed);
    assert!(diagnosis.claims().is_some());

    let diagnosis = diagnose(&world, &encrypted(&world, SigningKey::foreign()));
    says(check(&diagnosis, "decryption"), "decryption_failed", &["certificate that our metadata has"]);
    assert_eq!(failed(&diagnosis).len(), 1);
    assert_eq!(check(&diagnosis, "audience").outcome, Outcome::NotReached);
    assert!(diagnosis.claims().is_none());

    let without = World::pure();
    let diagnosis = diagnose(&without, &encrypted(&without, SigningKey::ours()));
    says(check(&diagnosis, "assertion"), "encryption_key_missing", &["Token encryption", "saml.signing_key"]);
    assert_eq!(check(&diagnosis, "audience").outcome, Outcome::NotReached);
}

#[test]
fn nothing_is_said_of_what_is_encrypted_before_all_that_is_around_it_is_right() {
    type Fault = fn(&mut Message);
    let world = World::with_keys(&[SigningKey::ours()]);
    let of = |change: Fault| {
        let message = world.control().encrypted(Encryption::to(SigningKey::ours()));
        let message = message.with(|message| message.audiences = vec![vec!["urn:other".to_owned()]]);
        diagnose(&world, message.with(change).to_xml().as_bytes())
    };
    assert_eq!(failed(&of(|_| {})), [("audience", "wrong_audience")], "the control can be looked into");
    let foreign: Fault = |message| message.signer = idp::Signer::new(SigningKey::foreign());
    let faults: [(&str, &str, Fault); 4] = [
        ("decryption", "decryption_failed", |message| message.sign = Sign::Nothing),
        ("decryption", "decryption_failed", foreign),
        ("signature", "signature_invalid", |message| {
            message.sign = Sign::Response;
            message.signer = idp::Signer::new(SigningKey::foreign());
        }),
        ("destination", "wrong_destination", |message| message.destination = Some(ENTITY_ID.to_owned())),
    ];
    for (code, reason, fault) in faults {
        let diagnosis = of(fault);
        assert_eq!(failed(&diagnosis), [(code, reason)]);
        assert_eq!(check(&diagnosis, "audience").outcome, Outcome::NotReached, "{reason}");
        assert!(diagnosis.claims().is_none(), "{reason}");
    }
}

#[test]
fn hostile_values_are_shown_short_and_printable() {
    let world = World::pure();
    let long = format!("https://evil.example/\u{1b}[2J{}", "x".repeat(5000));
    let hostile = |message: Message| {
        message.with(|message| {
            message.audiences = vec![vec![long.replace('\u{1b}', "\u{85}")]; 3];
            message.destination = Some(long.replace('\u{1b}', "\u{85}"));
            message.status_text = Some("y".repeat(5000));
            message.status = vec!["z".repeat(5000)];
        })
    };
    let diagnosis = diagnose(&world, hostile(world.control()).to_xml().as_bytes());
    assert!(failed(&diagnosis).len() >= 3, "{:?}", failed(&diagnosis));
    for check in diagnosis.checks() {
        for text in [&check.expected, &check.got, &check.cause, &check.remedy].into_iter().flatten() {
            assert!(text.chars().count() < 1200, "{}: {} characters", check.code, text.chars().count());
            assert!(!text.chars().any(char::is_control), "{}: {text:?}", check.code);
        }
    }
}

#[test]
fn what_cannot_be_decoded_or_held_against_anybody_is_looked_at_as_far_as_it_goes() {
    let refusal = anteroom::saml::Response::decode("%%%").expect_err("it is no base64");
    let diagnosis = diagnosis::of_unreadable(&refusal);
    assert_eq!(failed(&diagnosis), [("message", "not_base64")]);
    let world = World::pure();
    let diagnosis = diagnosis::of_unknown(world.control().to_xml().as_bytes());
    assert_eq!((failed(&diagnosis).len(), diagnosis.refused()), (0, None));
    assert_eq!(check(&diagnosis, "signature").outcome, Outcome::NotReached);
    let hints = diagnosis::hints(world.control().to_xml().as_bytes());
    assert_eq!(hints.issuer.as_deref(), Some(world.idp.entity_id.as_str()));
    assert_eq!(hints.issued, Some(world.now));
    assert_eq!(diagnosis::hints(b"<"), diagnosis::Hints::default());
}
