//! Group C: signatures that are missing, made with the wrong key, or by the wrong algorithm.
//!
//! Separate because these rows are about keys; the tests at the end change what is trusted, which
//! no posted message can do.

use anteroom::saml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Attack, World, cut, replaced, replaced_first};
use crate::idp::{Algorithm, DSIG_NS, Digest, FAR_AWAY, Idp, KeyType, LONG_AGO, Message, Sign, SigningKey};

pub(crate) fn attacks() -> Vec<Attack> {
    [missing(), keys(), algorithms()].into_iter().flatten().collect()
}

fn missing() -> Vec<Attack> {
    vec![
        Attack {
            id: "C1",
            name: "nothing is signed",
            control: World::control,
            hostile: |_, control| control.signed(Sign::Nothing).to_xml().into_bytes(),
            codes: &["signature_missing"],
        },
        Attack {
            id: "C1",
            name: "the signature is stripped from a genuine message",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                replaced(&text, cut(&text, "<Signature ", "</Signature>"), "").into_bytes()
            },
            codes: &["signature_missing"],
        },
        Attack {
            id: "C1",
            name: "the signature is an empty element",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let empty = format!("<Signature xmlns=\"{DSIG_NS}\"></Signature>");
                replaced(&text, cut(&text, "<Signature ", "</Signature>"), &empty).into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "C1",
            name: "the signature value is empty",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let value = cut(&text, "<SignatureValue>", "</SignatureValue>");
                replaced(&text, value, "<SignatureValue></SignatureValue>").into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "C2",
            name: "only the status is signed",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signature = cut(&text, "<Signature ", "</Signature>").to_owned();
                let text = replaced(&text, &signature, "");
                replaced(&text, "</samlp:Status>", &format!("{signature}</samlp:Status>")).into_bytes()
            },
            codes: &["unexpected_element"],
        },
        Attack {
            id: "C2",
            name: "a genuine assertion signature under a response signature that is broken",
            control: |world| world.control().signed(Sign::Both),
            hostile: |world, control| {
                // The response of another message, so only its own signature is broken.
                let issued =
                    |at| format!("IssueInstant=\"{}\" Version=\"2.0\"><Issuer", crate::idp::time(at));
                let later = issued(world.now + jiff::SignedDuration::from_millis(1));
                replaced_first(&control.to_xml(), &issued(world.now), &later).into_bytes()
            },
            codes: &["digest_mismatch"],
        },
        Attack {
            id: "C2",
            name: "a genuine response signature over an assertion whose own is foreign",
            control: |world| world.control().signed(Sign::Both),
            hostile: |world, control| {
                let foreign = world
                    .control()
                    .with(|m| m.assertion_id.clone_from(&control.assertion_id))
                    .signed_by(SigningKey::foreign())
                    .signed_assertion();
                control
                    .with(|message| {
                        message.sign = Sign::Response;
                        message.rewrite_response = Some(Box::new(move |text| {
                            replaced(text, cut(text, "<Assertion ", "</Assertion>"), &foreign)
                        }));
                    })
                    .to_xml()
                    .into_bytes()
            },
            codes: &["signature_invalid"],
        },
    ]
}

fn keys() -> Vec<Attack> {
    vec![
        Attack {
            id: "C3",
            name: "a foreign key whose certificate stands in KeyInfo",
            control: World::control,
            hostile: |_, control| control.signed_by(SigningKey::foreign()).to_xml().into_bytes(),
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C3",
            name: "a foreign key, the pinned certificate in KeyInfo",
            control: World::control,
            hostile: |world, control| {
                let genuine = key_info(&world.idp);
                control
                    .signed_by(SigningKey::foreign())
                    .with(|m| m.signer.key_info = Some(genuine))
                    .to_xml()
                    .into_bytes()
            },
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C3",
            name: "a foreign key with a bare KeyValue",
            control: World::control,
            hostile: |_, control| {
                control
                    .signed_by(SigningKey::foreign())
                    .with(|m| {
                        m.signer.key_info = Some(
                            "<KeyInfo><KeyValue><RSAKeyValue><Modulus>wQ==</Modulus><Exponent>AQAB</Exponent>\
                             </RSAKeyValue></KeyValue></KeyInfo>"
                                .to_owned(),
                        );
                    })
                    .to_xml()
                    .into_bytes()
            },
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C3",
            name: "a foreign key fetched by RetrievalMethod",
            control: World::control,
            hostile: |_, control| {
                control
                    .signed_by(SigningKey::foreign())
                    .with(|m| {
                        m.signer.key_info = Some(
                            "<KeyInfo><RetrievalMethod URI=\"http://127.0.0.1:1/key\"></RetrievalMethod></KeyInfo>"
                                .to_owned(),
                        );
                    })
                    .to_xml()
                    .into_bytes()
            },
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C8",
            name: "the key of another tenant under our issuer",
            control: World::control,
            hostile: |_, control| control.signed_by(Idp::other_tenant().key).to_xml().into_bytes(),
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C6",
            name: "a signature value that is one octet short",
            control: World::control,
            hostile: |_, control| {
                with_signature_value(&control, |value| {
                    value.pop();
                })
            },
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C6",
            name: "a signature value with a zero in front",
            control: World::control,
            hostile: |_, control| with_signature_value(&control, |value| value.insert(0, 0)),
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C6",
            name: "a signature value with octets behind",
            control: World::control,
            hostile: |_, control| with_signature_value(&control, |value| value.extend([0; 16])),
            codes: &["signature_invalid"],
        },
        Attack {
            id: "C6",
            name: "a signature value of one, which an exponent of one would accept",
            control: World::control,
            hostile: |_, control| {
                with_signature_value(&control, |value| {
                    value.fill(0);
                    *value.last_mut().expect("not empty") = 1;
                })
            },
            codes: &["signature_invalid"],
        },
    ]
}

/// A row in which the signature names another algorithm than the one it was made with.
macro_rules! claiming {
    ($id:literal, $name:literal, $uri:literal) => {
        Attack {
            id: $id,
            name: $name,
            control: World::control,
            hostile: |_, control| {
                control.with(|m| m.signer.claimed_algorithm = Some($uri)).to_xml().into_bytes()
            },
            codes: &["algorithm_forbidden"],
        }
    };
}

fn algorithms() -> Vec<Attack> {
    vec![
        claiming!(
            "C4",
            "HMAC-SHA-256, for which the public key would be the secret",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
        ),
        claiming!("C4", "HMAC-SHA-1", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        claiming!("C4", "ECDSA under an RSA key", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
        claiming!("C4", "DSA", "http://www.w3.org/2009/xmldsig11#dsa-sha256"),
        claiming!("C4", "an algorithm that does not exist", "http://www.w3.org/2001/04/xmldsig-more#none"),
        claiming!("C4", "no algorithm", ""),
        Attack {
            id: "C4",
            name: "an HMACOutputLength in the signature method",
            control: World::control,
            hostile: |_, control| {
                control
                    .with(|m| {
                        m.signer.rewrite_signed_info = Some(|text| {
                            replaced(
                                text,
                                "</SignatureMethod>",
                                "<HMACOutputLength>1</HMACOutputLength></SignatureMethod>",
                            )
                        });
                    })
                    .to_xml()
                    .into_bytes()
            },
            codes: &["signature_malformed"],
        },
        claiming!("C5", "RSA with SHA-1", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        claiming!("C5", "RSA with MD5", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"),
        Attack {
            id: "C5",
            name: "a SHA-1 digest under a good signature",
            control: World::control,
            hostile: |_, control| control.with(|m| m.signer.digest = Digest::Sha1).to_xml().into_bytes(),
            codes: &["algorithm_forbidden"],
        },
        claiming!(
            "C6",
            "RSA-PSS, whose parameters nobody checks",
            "http://www.w3.org/2007/05/xmldsig-more#rsa-pss"
        ),
        claiming!(
            "C6",
            "another hash than the one that was signed",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
        )
        .expecting(&["signature_invalid"]),
    ]
}

impl Attack {
    fn expecting(mut self, codes: &'static [&'static str]) -> Self {
        self.codes = codes;
        self
    }
}

fn key_info(idp: &Idp) -> String {
    let certificate = STANDARD.encode(&idp.key.certificate);
    format!("<KeyInfo><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo>")
}

fn with_signature_value(control: &Message, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let text = control.to_xml();
    let element = cut(&text, "<SignatureValue>", "</SignatureValue>");
    let encoded = element.trim_start_matches("<SignatureValue>").trim_end_matches("</SignatureValue>");
    let mut value = STANDARD.decode(encoded).expect("base64");
    change(&mut value);
    replaced(&text, encoded, &STANDARD.encode(value)).into_bytes()
}

rows! {
    c01_nothing_is_signed "C1"
    c02_only_something_else_is_signed "C2"
    c03_the_message_brings_its_own_key "C3"
    c04_the_algorithm_does_not_fit_the_key "C4"
    c05_a_broken_hash "C5"
    c06_a_signature_value_or_key_is_taken_leniently "C6"
    c08_the_key_of_another_tenant "C8"
}

#[test]
fn every_kind_of_key_and_hash_that_is_allowed_verifies() {
    let combinations = [
        (SigningKey::rsa(), Algorithm::RsaSha256, Digest::Sha256),
        (SigningKey::rsa(), Algorithm::RsaSha384, Digest::Sha384),
        (SigningKey::rsa(), Algorithm::RsaSha512, Digest::Sha512),
        (SigningKey::p256(), Algorithm::EcdsaSha256, Digest::Sha256),
        (SigningKey::p384(), Algorithm::EcdsaSha384, Digest::Sha384),
    ];
    for (key, algorithm, digest) in combinations {
        for sign in [Sign::Assertion, Sign::Response, Sign::Both] {
            let mut world = World::pure();
            world.idp.key = key;
            let message = world
                .control()
                .with(|m| {
                    m.signer.algorithm = algorithm;
                    m.signer.digest = digest;
                })
                .signed(sign);
            let assertion = world
                .verify(message.to_xml().as_bytes())
                .unwrap_or_else(|refusal| panic!("{algorithm:?} {digest:?} {sign:?}: {refusal}"));
            assert_eq!(assertion.id(), message.assertion_id);

            let prefixed = world.control().prefixed().signed(sign).to_xml();
            world
                .verify(prefixed.as_bytes())
                .unwrap_or_else(|refusal| panic!("prefixed {sign:?}: {refusal}"));
        }
    }
}

#[test]
fn c09_a_message_signed_with_the_next_published_key_is_accepted() {
    let world = World::pure();
    let message = world.control().signed_by(SigningKey::rsa_next()).to_xml();
    assert!(world.verify(message.as_bytes()).is_ok());
}

#[test]
fn c09_a_key_that_left_the_metadata_is_refused() {
    let mut world = World::pure();
    let message = world.control().signed_by(SigningKey::rsa_next()).to_xml();
    world.idp.further_keys.clear();
    let refusal = world.verify(message.as_bytes()).expect_err("the key is gone");
    assert_eq!(refusal.reason(), saml::Reason::SignatureInvalid);
}

#[test]
fn c09_a_key_for_encryption_only_never_verifies() {
    let world = World::pure();
    let signing = crate::idp::key_descriptor("signing", &SigningKey::rsa_next().certificate);
    let encryption = crate::idp::key_descriptor("encryption", &SigningKey::rsa_next().certificate);
    let metadata = world.idp.entity_descriptor("_m").replace(&signing, &encryption);
    let trusted = saml::metadata::parse(metadata.as_bytes(), world.now).expect("one signing key is left");
    let message = world.control().signed_by(SigningKey::rsa_next()).to_xml();
    let refusal = world.verify_trusting(&trusted, message.as_bytes()).expect_err("not for signing");
    assert_eq!(refusal.reason(), saml::Reason::SignatureInvalid);
}

#[test]
fn c07_certificates_outside_of_their_validity_are_refused_unless_told_otherwise() {
    let cases = [
        (LONG_AGO, (2026, 6, 1), "certificate_expired"),
        ((2026, 7, 1), FAR_AWAY, "certificate_not_yet_valid"),
    ];
    for (from, until, code) in cases {
        let key: &'static SigningKey = Box::leak(Box::new(SigningKey::make(KeyType::P256, from, until)));
        let mut world = World::pure();
        world.idp.key = key;
        let message = world.control().to_xml();
        let refusal = world.verify(message.as_bytes()).expect_err("outside of its validity");
        assert_eq!(refusal.reason().code(), code);

        let policy = saml::Policy { accept_expired_certificates: true, ..saml::Policy::default() };
        assert!(world.verify_demanding(policy, message.as_bytes()).is_ok(), "{code}");
    }
}
