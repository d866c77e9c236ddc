//! Group H: encrypted assertions that are broken, unsigned, nested or of the wrong algorithms.
//!
//! Separate because these rows need a key of ours; the tests at the end look at all that is accepted, and at what
//! an attacker can tell from the refusals.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anteroom::saml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::{Attack, World, cut, replaced, replaced_first};
use crate::app::{ENTITY_ID, Wanted};
use crate::idp::encryption::{Cipher, Encryption, KeyPlace, Transport};
use crate::idp::{ASSERTION_NS, DSIG_NS, Idp, KeyType, LONG_AGO, Message, Request, Sign, Signer, SigningKey};

/// The one answer to everything that fails from the private operation on.
const UNIFORM: &[&str] = &["decryption_failed"];
const MALFORMED: &[&str] = &["encryption_malformed"];
const ALGORITHM: &[&str] = &["encryption_algorithm_forbidden"];

pub(crate) fn attacks() -> Vec<Attack> {
    [broken_data(), broken_keys(), contents(), strangers(), algorithms(), shapes()]
        .into_iter()
        .flatten()
        .collect()
}

/// What Entra sends when it encrypts: AES-256-CBC around a signed assertion, in an unsigned response.
fn control(world: &World) -> Message {
    world.control().encrypted(Encryption::to(SigningKey::ours()))
}

fn control_gcm(world: &World) -> Message {
    control(world).with(|message| encryption(message).cipher = Cipher::Aes256Gcm)
}

fn control_beside(world: &World) -> Message {
    control(world).with(|message| encryption(message).key_place = KeyPlace::Referred)
}

fn control_signed(world: &World) -> Message {
    control(world).signed(Sign::Response)
}

fn encryption(message: &mut Message) -> &mut Encryption {
    message.encryption.as_mut().expect("the message is encrypted")
}

/// A row in which the encryption is changed.
macro_rules! changed {
    ($id:literal, $name:literal, $control:expr, $codes:expr, |$encryption:ident| $change:expr) => {
        Attack {
            id: $id,
            name: $name,
            control: $control,
            hostile: |_, mut control| {
                let $encryption = encryption(&mut control);
                $change;
                control.to_xml().into_bytes()
            },
            codes: $codes,
        }
    };
}

/// A row in which the text of the `EncryptedAssertion` is changed.
macro_rules! rewritten {
    ($id:literal, $name:literal, $control:expr, $codes:expr, |$text:ident| $change:expr) => {
        changed!($id, $name, $control, $codes, |encryption| {
            encryption.rewrite = Some(Box::new(|$text: &str| $change));
        })
    };
}

/// A row in which the plaintext is changed after it was signed.
macro_rules! plaintext {
    ($id:literal, $name:literal, $control:expr, |$text:ident| $change:expr) => {
        changed!($id, $name, $control, UNIFORM, |encryption| {
            encryption.rewrite_plaintext = Some(Box::new(|$text: &str| Vec::from($change)));
        })
    };
}

fn flip(octets: &mut [u8], at: usize) {
    octets[at] ^= 0x01;
}

/// H1 and H2: the ciphertext of the assertion.
fn broken_data() -> Vec<Attack> {
    vec![
        changed!("H1", "a flipped bit under GCM", control_gcm, UNIFORM, |e| {
            e.rewrite_data = Some(|data| flip(data, 40));
        }),
        changed!("H1", "a flipped bit in the nonce", control_gcm, UNIFORM, |e| {
            e.rewrite_data = Some(|data| flip(data, 3));
        }),
        changed!("H1", "a flipped bit in the tag", control_gcm, UNIFORM, |e| {
            e.rewrite_data = Some(|data| {
                let last = data.len() - 1;
                flip(data, last);
            });
        }),
        changed!("H1", "no tag at all", control_gcm, UNIFORM, |e| {
            e.rewrite_data = Some(|data| data.truncate(12));
        }),
        changed!("H1", "nothing encrypted with GCM", control_gcm, UNIFORM, |e| {
            e.rewrite_data = Some(Vec::clear);
        }),
        changed!("H2", "a tag of 15 octets", control_gcm, UNIFORM, |e| {
            e.rewrite_data = Some(|data| {
                data.pop();
            });
        }),
        changed!("H2", "a tag of 4 octets", control_gcm, UNIFORM, |e| {
            e.rewrite_data = Some(|data| data.truncate(data.len() - 12));
        }),
        changed!("H1", "a flipped bit in the initialization vector", control, UNIFORM, |e| {
            e.rewrite_data = Some(|data| flip(data, 1));
        }),
        changed!("H1", "a flipped bit in the middle under CBC", control, UNIFORM, |e| {
            e.rewrite_data = Some(|data| {
                let middle = data.len() / 2;
                flip(data, middle);
            });
        }),
        changed!("H1", "the last block but one changed, as an oracle is asked", control, UNIFORM, |e| {
            e.rewrite_data = Some(|data| {
                let at = data.len() - 17;
                flip(data, at);
            });
        }),
        changed!("H1", "the last block left out", control, UNIFORM, |e| {
            e.rewrite_data = Some(|data| data.truncate(data.len() - 16));
        }),
        changed!("H1", "a block that is not whole", control, UNIFORM, |e| {
            e.rewrite_data = Some(|data| data.truncate(data.len() - 1));
        }),
        changed!("H1", "an initialization vector and nothing more", control, UNIFORM, |e| {
            e.rewrite_data = Some(|data| data.truncate(16));
        }),
        changed!("H1", "nothing encrypted with CBC", control, UNIFORM, |e| e.rewrite_data = Some(Vec::clear)),
        changed!("H1", "a padding of nothing", control, UNIFORM, |e| e.pad = Some(|text| padded_by(text, 0))),
        // 32 is a space, so all but the padding is right.
        changed!("H1", "a padding longer than a block", control, UNIFORM, |e| {
            e.pad = Some(|text| padded_by(text, 32));
        }),
        changed!("H1", "no padding", control, UNIFORM, |e| {
            e.pad = Some(|text| {
                let mut padded = padded_by(text, 32);
                padded.truncate(padded.len() - 16);
                padded
            });
        }),
        changed!("H1", "a padding that eats a part of the text", control, UNIFORM, |e| {
            e.pad = Some(|text| {
                let mut padded = padded_by(text, 16);
                padded.truncate(padded.len() - 16);
                *padded.last_mut().expect("it is long") = 16;
                padded
            });
        }),
    ]
}

/// The text in whole blocks, whose last octet is the one given.
fn padded_by(text: &[u8], last: u8) -> Vec<u8> {
    // White space behind the root element is allowed, so that only the padding is wrong.
    let mut padded = text.to_vec();
    padded.resize(text.len().next_multiple_of(16), b' ');
    padded.extend([b' '; 15]);
    padded.push(last);
    padded
}

/// H1: the ciphertext of the key.
fn broken_keys() -> Vec<Attack> {
    vec![
        changed!("H1", "a flipped bit in the encrypted key", control, UNIFORM, |e| {
            e.rewrite_key = Some(|key| flip(key, 100));
        }),
        changed!("H1", "a flipped bit in the encrypted key under GCM", control_gcm, UNIFORM, |e| {
            e.rewrite_key = Some(|key| flip(key, 100));
        }),
        changed!("H1", "an encrypted key that is too short", control, UNIFORM, |e| {
            e.rewrite_key = Some(|key| {
                key.pop();
            });
        }),
        changed!("H1", "an encrypted key that is too long", control, UNIFORM, |e| {
            e.rewrite_key = Some(|key| key.push(0));
        }),
        changed!("H1", "an encrypted key of zeros", control, UNIFORM, |e| {
            e.rewrite_key = Some(|key| key.fill(0));
        }),
        changed!("H1", "an encrypted key larger than the modulus", control, UNIFORM, |e| {
            e.rewrite_key = Some(|key| key.fill(0xff));
        }),
        changed!("H1", "no encrypted key", control, UNIFORM, |e| e.rewrite_key = Some(Vec::clear)),
        changed!("H1", "a content key of half the length", control, UNIFORM, |e| e.key_octets = Some(16)),
        changed!("H1", "a content key of twice the length", control_gcm, UNIFORM, |e| e.key_octets =
            Some(64)),
        changed!("H1", "an empty content key", control, UNIFORM, |e| e.key_octets = Some(0)),
        changed!("H1", "encrypted to somebody else", control, UNIFORM, |e| {
            e.recipient = SigningKey::foreign();
        }),
    ]
}

/// H3: what stands inside.
fn contents() -> Vec<Attack> {
    vec![
        plaintext!("H3", "an assertion that is not signed", control, |text| {
            replaced(text, cut(text, "<Signature ", "</Signature>"), "")
        }),
        plaintext!("H3", "an assertion that was changed", control, |text| text
            .replace("mia.berg", "eve.evil")),
        plaintext!("H3", "two assertions", control, |text| text.repeat(2)),
        plaintext!("H3", "a forged assertion before the genuine one", control, |text| {
            format!("{}{text}", text.replace("mia.berg", "eve.evil"))
        }),
        plaintext!("H3", "a forged assertion around the genuine one", control, |text| {
            let signature = cut(text, "<Signature ", "</Signature>").to_owned();
            let genuine = text.replacen(&signature, "", 1);
            let forged = text.replace("mia.berg", "eve.evil").replacen(" ID=\"_a", " ID=\"_e", 1);
            let object = format!("</SignatureValue><Object>{genuine}</Object>");
            replaced(&forged, "</SignatureValue>", &object)
        }),
        plaintext!("H3", "a DOCTYPE", control, |text| format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{text}")),
        plaintext!("H3", "a comment in the name", control, |text| {
            replaced_first(text, "mia.berg@contoso.com", "mia.berg@contoso.com<!-- -->.evil.example")
        }),
        plaintext!("H3", "a processing instruction", control, |text| format!("<?x y?>{text}")),
        plaintext!("H3", "text behind the assertion", control, |text| format!("{text}more")),
        plaintext!("H3", "a second root", control, |text| format!("{text}<x></x>")),
        plaintext!("H3", "something else than an assertion", control, |_text| "<x></x>".to_owned()),
        plaintext!("H3", "no XML", control, |_text| "mia.berg@contoso.com".to_owned()),
        plaintext!("H3", "no text", control, |_text| vec![0xff, 0xfe, 0x00]),
        plaintext!("H3", "nothing", control_gcm, |_text| Vec::new()),
        plaintext!("H3", "the inside of an assertion", control, |text| {
            let start = text.find('>').expect("a tag") + 1;
            text[start..text.len() - "</Assertion>".len()].to_owned()
        }),
        plaintext!("H3", "a whole response", control, |text| {
            format!(
                "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">{text}</samlp:Response>"
            )
        }),
        plaintext!("H3", "an encrypted assertion once more", control, |_text| {
            format!("<EncryptedAssertion xmlns=\"{ASSERTION_NS}\"></EncryptedAssertion>")
        }),
        plaintext!(
            "H3",
            "a namespace that only the response declares",
            |world| control(world).prefixed(),
            |text| {
                replaced(text, &format!("<saml:Assertion xmlns:saml=\"{ASSERTION_NS}\""), "<saml:Assertion")
            }
        ),
    ]
}

/// H4: encryption proves nothing, since the certificate is public.
fn strangers() -> Vec<Attack> {
    vec![
        Attack {
            id: "H4",
            name: "encrypted by somebody who signs nothing",
            control,
            hostile: |_, control| control.signed(Sign::Nothing).to_xml().into_bytes(),
            codes: UNIFORM,
        },
        Attack {
            id: "H4",
            name: "encrypted and signed by somebody else",
            control,
            hostile: |_, control| control.signed_by(SigningKey::foreign()).to_xml().into_bytes(),
            codes: UNIFORM,
        },
        Attack {
            id: "H4",
            name: "encrypted and signed with our own key, which is no provider's",
            control,
            hostile: |_, control| control.signed_by(SigningKey::ours()).to_xml().into_bytes(),
            codes: UNIFORM,
        },
        Attack {
            id: "H4",
            name: "the ciphertext of a signed response exchanged for another",
            control: control_signed,
            hostile: |world, control| {
                let text = control.to_xml();
                let other = control_signed(world).with(|message| message.sign = Sign::Nothing).to_xml();
                let from = ("<EncryptedAssertion ", "</EncryptedAssertion>");
                replaced(&text, cut(&text, from.0, from.1), cut(&other, from.0, from.1)).into_bytes()
            },
            codes: &["digest_mismatch"],
        },
        Attack {
            id: "H4",
            name: "a response signed by somebody else around a genuine ciphertext",
            control: control_signed,
            hostile: |_, control| control.signed_by(SigningKey::foreign()).to_xml().into_bytes(),
            codes: &["signature_invalid"],
        },
        Attack {
            id: "H4",
            name: "an assertion in the clear beside the encrypted one",
            control,
            hostile: |world, control| {
                let plain = world.control().with(|message| message.assertion_id = "_forged".to_owned());
                let text = control.to_xml();
                let both = format!("{}</samlp:Response>", plain.signed_assertion());
                replaced(&text, "</samlp:Response>", &both).into_bytes()
            },
            codes: &["several_assertions", "unexpected_element"],
        },
    ]
}

/// H5: algorithms that are refused before our key is used.
fn algorithms() -> Vec<Attack> {
    vec![
        rewritten!("H5", "Triple DES", control, ALGORITHM, |text| {
            replaced(text, "xmlenc#aes256-cbc", "xmlenc#tripledes-cbc")
        }),
        rewritten!("H5", "AES-192-CBC", control, ALGORITHM, |text| {
            replaced(text, "xmlenc#aes256-cbc", "xmlenc#aes192-cbc")
        }),
        rewritten!("H5", "AES-192-GCM", control_gcm, ALGORITHM, |text| {
            replaced(text, "xmlenc11#aes256-gcm", "xmlenc11#aes192-gcm")
        }),
        rewritten!("H5", "no algorithm at all", control, MALFORMED, |text| {
            replaced(text, " Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes256-cbc\"", "")
        }),
        rewritten!("H1", "RSA with PKCS#1 v1.5", control, ALGORITHM, |text| {
            replaced(text, "xmlenc#rsa-oaep-mgf1p", "xmlenc#rsa-1_5")
        }),
        rewritten!("H5", "two hashes in one padding", control, ALGORITHM, |text| {
            replaced(
                text,
                "http://www.w3.org/2000/09/xmldsig#sha1",
                "http://www.w3.org/2001/04/xmlenc#sha256",
            )
        }),
        rewritten!(
            "H5",
            "another hash for the mask than for the digest",
            |world| control(world).with(|message| encryption(message).transport = Transport::Oaep),
            ALGORITHM,
            |text| {
                let method = "Algorithm=\"http://www.w3.org/2009/xmlenc11#rsa-oaep\">";
                let mask = "<xenc11:MGF xmlns:xenc11=\"http://www.w3.org/2009/xmlenc11#\" \
                            Algorithm=\"http://www.w3.org/2009/xmlenc11#mgf1sha256\"></xenc11:MGF>";
                replaced(text, method, &format!("{method}{mask}"))
            }
        ),
        rewritten!("H5", "the digest is named twice", control, MALFORMED, |text| {
            let digest = cut(text, "<ds:DigestMethod", "</ds:DigestMethod>");
            replaced(text, digest, &digest.repeat(2))
        }),
        rewritten!("H5", "a hash that is none of the list", control, ALGORITHM, |text| {
            replaced(
                text,
                "http://www.w3.org/2000/09/xmldsig#sha1",
                "http://www.w3.org/2001/04/xmldsig-more#md5",
            )
        }),
        rewritten!(
            "H5",
            "an unknown mask",
            |world| control(world).with(|message| {
                encryption(message).transport = Transport::OaepSha256;
            }),
            ALGORITHM,
            |text| replaced(text, "mgf1sha256", "mgf1sha512")
        ),
        rewritten!("H5", "a key wrapped with a shared key", control, ALGORITHM, |text| {
            replaced(text, "xmlenc#rsa-oaep-mgf1p", "xmlenc#kw-aes256")
        }),
    ]
}

/// H6: keys in other places, more of them, and references that lead on.
fn shapes() -> Vec<Attack> {
    let rows = vec![
        rewritten!("H6", "two encrypted keys inside", control, MALFORMED, |text| {
            let key = cut(text, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>");
            replaced(text, key, &key.repeat(2))
        }),
        rewritten!("H6", "two encrypted keys beside", control_beside, MALFORMED, |text| {
            let key = cut(text, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>");
            replaced(text, key, &key.repeat(2))
        }),
        rewritten!("H6", "no encrypted key anywhere", control, MALFORMED, |text| {
            replaced(text, cut(text, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>"), "")
        }),
        rewritten!("H6", "a reference to another ID", control_beside, MALFORMED, |text| {
            replaced(text, "URI=\"#_k1\"", "URI=\"#_k2\"")
        }),
        rewritten!("H6", "a reference to the data itself", control_beside, MALFORMED, |text| {
            replaced(text, "URI=\"#_k1\"", "URI=\"#_d1\"")
        }),
        rewritten!("H6", "a reference to another machine", control_beside, MALFORMED, |text| {
            replaced(text, "URI=\"#_k1\"", "URI=\"https://evil.example/key\"")
        }),
        rewritten!("H6", "an empty reference", control_beside, MALFORMED, |text| {
            replaced(text, "URI=\"#_k1\"", "URI=\"\"")
        }),
        rewritten!("H6", "a reference with a transform", control_beside, MALFORMED, |text| {
            let transforms = "<ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\">\
                </ds:Transform></ds:Transforms></ds:RetrievalMethod>";
            replaced(text, "</ds:RetrievalMethod>", transforms)
        }),
        rewritten!("H6", "two references", control_beside, MALFORMED, |text| {
            let reference = cut(text, "<ds:RetrievalMethod ", "</ds:RetrievalMethod>");
            replaced(text, reference, &reference.repeat(2))
        }),
        rewritten!("H6", "a reference to a key that stands inside", control, MALFORMED, |text| {
            let reference = "<ds:RetrievalMethod Type=\"http://www.w3.org/2001/04/xmlenc#EncryptedKey\" \
                URI=\"#_k1\"></ds:RetrievalMethod><xenc:EncryptedKey ";
            replaced(text, "<xenc:EncryptedKey ", reference)
        }),
        rewritten!("H6", "a list that refers to further keys", control, MALFORMED, |text| {
            let list = "</xenc:CipherData><xenc:ReferenceList><xenc:KeyReference URI=\"#_k2\">\
                </xenc:KeyReference></xenc:ReferenceList></xenc:EncryptedKey>";
            replaced(text, "</xenc:CipherData></xenc:EncryptedKey>", list)
        }),
        rewritten!("H6", "a reference of another type", control_beside, MALFORMED, |text| {
            replaced(text, "xmlenc#EncryptedKey", "xmlenc#EncryptedData")
        }),
        rewritten!("H6", "a key whose own key is referred to", control, MALFORMED, |text| {
            let further = format!(
                "</xenc:EncryptionMethod><ds:KeyInfo xmlns:ds=\"{DSIG_NS}\"><ds:RetrievalMethod URI=\"#_k1\">\
                 </ds:RetrievalMethod></ds:KeyInfo><xenc:CipherData>"
            );
            replaced_first(text, "</xenc:EncryptionMethod><xenc:CipherData>", &further)
        }),
        rewritten!("H6", "a key inside a key", control, MALFORMED, |text| {
            let key = cut(text, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>");
            let key_info =
                format!("<ds:KeyInfo xmlns:ds=\"{DSIG_NS}\">{}</ds:KeyInfo>", key.replace("_k1", "_k2"));
            let nested = key.replacen("<xenc:CipherData>", &format!("{key_info}<xenc:CipherData>"), 1);
            replaced(text, key, &nested)
        }),
        rewritten!("H6", "keys inside keys without end", control, &["too_complex"], |text| {
            let open = "<ds:KeyInfo><xenc:EncryptedKey>".repeat(500);
            let close = "</xenc:EncryptedKey></ds:KeyInfo>".repeat(500);
            let key = cut(text, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>");
            replaced(text, key, &format!("{key}{open}{close}"))
        }),
        rewritten!("H6", "a cipher text that stands elsewhere", control, MALFORMED, |text| {
            let value = cut(text, "<xenc:CipherValue>", "</xenc:CipherValue>");
            replaced(
                text,
                value,
                "<xenc:CipherReference URI=\"https://evil.example/\"></xenc:CipherReference>",
            )
        }),
        rewritten!("H6", "a cipher text that is not base64", control, MALFORMED, |text| {
            replaced_first(text, "<xenc:CipherValue>", "<xenc:CipherValue>!")
        }),
        rewritten!("H6", "the content of an element only", control, MALFORMED, |text| {
            replaced(text, "xmlenc#Element", "xmlenc#Content")
        }),
        rewritten!("H6", "encrypted data twice", control, MALFORMED, |text| {
            let data = cut(text, "<xenc:EncryptedData ", "</xenc:EncryptedData>");
            replaced(text, data, &data.repeat(2))
        }),
        rewritten!("H6", "an agreement instead of a key", control, MALFORMED, |text| {
            let key = cut(text, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>");
            replaced(text, key, "<xenc:AgreementMethod Algorithm=\"x:y\"></xenc:AgreementMethod>")
        }),
        rewritten!("H6", "a signature hidden beside the encrypted key", control, MALFORMED, |text| {
            let hidden = "<ds:X509Data><ds:Object></ds:Object></ds:X509Data><xenc:EncryptedKey ";
            replaced(text, "<xenc:EncryptedKey ", hidden)
        }),
        rewritten!("H6", "properties of the encryption", control, MALFORMED, |text| {
            let more = "<xenc:EncryptionProperties></xenc:EncryptionProperties></xenc:EncryptedData>";
            replaced(text, "</xenc:EncryptedData>", more)
        }),
    ];
    rows
}

fn world() -> World {
    World::with_keys(&[SigningKey::ours()])
}

rows! {
    h01_no_oracle_for_data_or_key "H1"
    h02_a_shortened_tag "H2"
    h03_what_stands_inside "H3"
    h04_encrypted_by_a_stranger "H4"
    h05_algorithms_outside_the_list "H5"
    h06_keys_elsewhere_and_references_that_lead_on "H6"
}

#[test]
fn every_combination_of_the_list_is_accepted() {
    let world = world();
    let trusted = world.trusted();
    let mut count = 0;
    for cipher in Cipher::ALL {
        for transport in Transport::ALL {
            for key_place in KeyPlace::ALL {
                for sign in [Sign::Assertion, Sign::Response, Sign::Both] {
                    let encryption =
                        Encryption { cipher, transport, key_place, ..Encryption::to(SigningKey::ours()) };
                    let message = world.control().signed(sign).encrypted(encryption);
                    let message = if count % 2 == 0 { message } else { message.prefixed() };
                    let what = format!("{cipher:?} {transport:?} {key_place:?} {sign:?}");
                    let accepted = world
                        .verify_trusting(&trusted, message.to_xml().as_bytes())
                        .unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
                    assert_eq!(accepted.id(), message.assertion_id, "{what}");
                    let name_id = accepted.name_id().expect("there is one");
                    assert_eq!(name_id.value, "mia.berg@contoso.com", "{what}");
                    let octets = str::from_utf8(accepted.signed_octets()).expect("UTF-8");
                    assert!(octets.contains("mia.berg@contoso.com"), "{what}: read from what was digested");
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 108);
}

#[test]
fn an_unsigned_response_needs_a_signed_assertion_and_a_signed_one_does_not() {
    let world = world();
    let refusal = world.verify(control(&world).signed(Sign::Nothing).to_xml().as_bytes()).expect_err("no");
    assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
    assert!(world.verify(control(&world).signed(Sign::Response).to_xml().as_bytes()).is_ok());
    // What is signed must be right, also where it need not be there.
    let both = control(&world).signed(Sign::Both).with(|message| {
        encryption(message).rewrite_plaintext =
            Some(Box::new(|text| text.replace("mia.berg", "eve.evil").into()));
    });
    let refusal = world.verify(both.to_xml().as_bytes()).expect_err("the inner signature is wrong");
    assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
}

/// The certificate may be named in any form, since nobody reads it.
#[test]
fn how_a_certificate_is_named_does_not_matter() {
    let world = world();
    let issuer = "<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=Anteroom</ds:X509IssuerName>\
        <ds:X509SerialNumber>7</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>";
    let reference = format!(
        "<o:SecurityTokenReference xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/\
         oasis-200401-wss-wssecurity-secext-1.0.xsd\">{issuer}</o:SecurityTokenReference>"
    );
    for (hint, accepted) in [
        (issuer, true),
        (&reference, true),
        ("<ds:KeyName>sp</ds:KeyName>", true),
        (
            "<o:SecurityTokenReference xmlns:o=\"urn:x\"><ds:Signature></ds:Signature></o:SecurityTokenReference>",
            false,
        ),
        (
            "<o:SecurityTokenReference xmlns:o=\"urn:x\"><xenc:EncryptedKey></xenc:EncryptedKey></o:SecurityTokenReference>",
            false,
        ),
    ] {
        let key_info = format!("</xenc:EncryptionMethod><ds:KeyInfo>{hint}</ds:KeyInfo><xenc:CipherData>");
        let message = control(&world).with(|message| {
            encryption(message).rewrite = Some(Box::new(move |text| {
                replaced_first(text, "</xenc:EncryptionMethod><xenc:CipherData>", &key_info)
            }));
        });
        assert_eq!(world.verify(message.to_xml().as_bytes()).is_ok(), accepted, "{hint}");
    }
}

#[test]
fn any_of_our_keys_decrypts() {
    let ours = || control(&World::pure()).to_xml();
    let with = World::with_keys;
    let (current, next) = (SigningKey::ours(), SigningKey::ours_next());
    for keys in [&[current][..], &[next, current], &[current, next]] {
        assert!(with(keys).verify(ours().as_bytes()).is_ok());
    }
    let refusal = with(&[next]).verify(ours().as_bytes()).expect_err("the old key is gone");
    assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
    let refusal = with(&[]).verify(ours().as_bytes()).expect_err("there is no key");
    assert_eq!(refusal.reason(), saml::Reason::EncryptionKeyMissing);
}

/// What an attacker could tell apart: nothing.
#[test]
fn whatever_fails_inside_fails_alike() {
    let world = world();
    let trusted = world.trusted();
    let rows = attacks();
    let uniform: Vec<_> = rows.iter().filter(|attack| attack.codes == UNIFORM).collect();
    assert!(uniform.len() > 40, "{}", uniform.len());
    let refusals: HashSet<_> = uniform
        .iter()
        .map(|attack| {
            let hostile = (attack.hostile)(&world, (attack.control)(&world));
            let refusal = world.verify_trusting(&trusted, &hostile).expect_err("it is hostile");
            format!("{refusal:?}")
        })
        .collect();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}

/// The dates of a certificate are told where all the rest is right, and only there.
#[test]
fn an_expired_certificate_is_named_for_genuine_messages_only() {
    let old: &'static SigningKey =
        Box::leak(Box::new(SigningKey::make(KeyType::Rsa, LONG_AGO, (2026, 1, 1))));
    let world = World { idp: Idp { key: old, ..Idp::entra() }, ..world() };
    let message = || control(&world).with(|message| message.signer = Signer::new(old));
    let refusal = world.verify(message().to_xml().as_bytes()).expect_err("it has expired");
    assert_eq!(refusal.reason(), saml::Reason::CertificateExpired);
    let changed = message().with(|message| {
        encryption(message).rewrite_plaintext =
            Some(Box::new(|text| text.replace("mia.berg", "eve.evil").into()));
    });
    let refusal = world.verify(changed.to_xml().as_bytes()).expect_err("and was changed");
    assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
    // Nor where nothing but the padding is wrong.
    let padded = message().with(|message| encryption(message).pad = Some(|text| padded_by(text, 32)));
    let refusal = world.verify(padded.to_xml().as_bytes()).expect_err("and is padded wrongly");
    assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
}

/// After the signature inside is verified, the checks of the protocol have their own names again.
#[test]
fn what_was_decrypted_is_checked_as_any_other_assertion() {
    let world = world();
    for (change, code) in [
        (
            Box::new(|message: &mut Message| message.audiences = vec![vec!["urn:other".to_owned()]])
                as Box<dyn Fn(&mut Message)>,
            "wrong_audience",
        ),
        (
            Box::new(|message: &mut Message| message.recipient = Some("https://evil.example/".to_owned())),
            "wrong_recipient",
        ),
        (
            Box::new(|message: &mut Message| message.in_response_to = Some("id-other".to_owned())),
            "wrong_in_response_to",
        ),
        (
            Box::new(|message: &mut Message| {
                message.assertion_issuer = Some("https://evil.example/".to_owned());
            }),
            "wrong_issuer",
        ),
    ] {
        for sign in [Sign::Assertion, Sign::Both] {
            let message = control(&world).signed(sign).with(&change);
            let refusal = world.verify(message.to_xml().as_bytes()).expect_err(code);
            assert_eq!(refusal.reason().code(), code, "{sign:?}");
        }
    }
}

/// Another provider signs a ciphertext anew that it has caught: it learns nothing of what is inside.
#[test]
fn a_ciphertext_that_another_provider_signs_anew_tells_nothing() {
    let world = world();
    let covered = || control(&world).signed(Sign::Response);
    world.verify(covered().to_xml().as_bytes()).expect("the issuer inside may be the one that signs");
    let stranger = covered().with(|message| message.assertion_issuer = Some("https://a.example/".to_owned()));
    let refusal = world.verify(stranger.to_xml().as_bytes()).expect_err("it is somebody else's");
    assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
    assert_eq!((refusal.expected_text(), refusal.got_text()), (None, None));
}

/// Replaces the octets of the nth cipher value.
fn with_cipher_value(text: &str, nth: usize, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let marker = "<xenc:CipherValue>";
    let start = text.match_indices(marker).nth(nth).expect("it stands there").0 + marker.len();
    let end = start + text[start..].find('<').expect("it ends");
    let mut octets = STANDARD.decode(&text[start..end]).expect("base64");
    change(&mut octets);
    format!("{}{}{}", &text[..start], STANDARD.encode(octets), &text[end..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_ciphertext_is_accepted_or_told_apart(
        cipher in 0..4_usize,
        nth in 0..2_usize,
        at in any::<proptest::sample::Index>(),
        mask in 1..=255_u8,
        cut_to in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let world = world();
        let message = control(&world).with(|message| encryption(message).cipher = Cipher::ALL[cipher]);
        let changed = with_cipher_value(&message.to_xml(), nth, |octets| {
            let index = at.index(octets.len());
            octets[index] ^= mask;
            if let Some(cut_to) = cut_to {
                octets.truncate(cut_to.index(octets.len()));
            }
        });
        let refusal = world.verify(changed.as_bytes()).expect_err("it was changed");
        prop_assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
        prop_assert_eq!((refusal.expected_text(), refusal.got_text()), (None, None));
    }

    #[test]
    fn no_octets_make_the_decryption_panic(
        cipher in 0..4_usize,
        data in proptest::collection::vec(any::<u8>(), 0..200),
        key in proptest::collection::vec(any::<u8>(), 0..300),
        keeps_key in any::<bool>(),
    ) {
        let world = world();
        let message = control(&world).with(|message| encryption(message).cipher = Cipher::ALL[cipher]);
        let mut text = with_cipher_value(&message.to_xml(), 1, |octets| *octets = data);
        if !keeps_key {
            text = with_cipher_value(&text, 0, |octets| *octets = key);
        }
        let refusal = world.verify(text.as_bytes()).expect_err("it is garbage");
        prop_assert_eq!(refusal.reason(), saml::Reason::DecryptionFailed);
    }
}

/// An implementation that is not ours encrypts: xmlsec1 on libxml2 and OpenSSL.
#[test]
fn what_xmlsec1_encrypts_is_read() {
    if Command::new("xmlsec1").arg("--version").output().is_err() {
        eprintln!("SKIPPED: xmlsec1 is not installed");
        return;
    }
    let world = world();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let plain = world.control();
    std::fs::write(path("assertion.xml"), plain.signed_assertion()).expect("it can be written");
    std::fs::write(path("sp.crt"), SigningKey::ours().certificate_pem()).expect("it can be written");
    for (content, octets, transport) in [
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "aes-128", "xmlenc#rsa-oaep-mgf1p"),
        ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", "aes-256", "xmlenc#rsa-oaep-mgf1p"),
        ("http://www.w3.org/2009/xmlenc11#aes256-gcm", "aes-256", "xmlenc#rsa-oaep-mgf1p"),
    ] {
        let template = format!(
            "<EncryptedData xmlns=\"http://www.w3.org/2001/04/xmlenc#\" \
             Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><EncryptionMethod Algorithm=\"{content}\"/>\
             <KeyInfo xmlns=\"{DSIG_NS}\"><EncryptedKey xmlns=\"http://www.w3.org/2001/04/xmlenc#\">\
             <EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/{transport}\"/><KeyInfo xmlns=\"{DSIG_NS}\">\
             <X509Data/></KeyInfo><CipherData><CipherValue/></CipherData></EncryptedKey></KeyInfo>\
             <CipherData><CipherValue/></CipherData></EncryptedData>"
        );
        std::fs::write(path("template.xml"), template).expect("it can be written");
        let made = Command::new("xmlsec1")
            .args(["--encrypt", "--pubkey-cert-pem"])
            .arg(path("sp.crt"))
            .args(["--session-key", octets, "--xml-data"])
            .args([path("assertion.xml"), path("template.xml")])
            .output()
            .expect("xmlsec1 runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let data = String::from_utf8(made.stdout).expect("UTF-8");
        let data = data.split_once("?>").map_or(data.as_str(), |(_, rest)| rest).trim().to_owned();
        let message = world.control().with(|message| {
            message.assertion_id = plain.assertion_id.clone();
        });
        let text = message.to_xml();
        let wrapped = format!("<EncryptedAssertion xmlns=\"{ASSERTION_NS}\">{data}</EncryptedAssertion>");
        let text = replaced(&text, cut(&text, "<Assertion ", "</Assertion>"), &wrapped);
        let accepted =
            world.verify(text.as_bytes()).unwrap_or_else(|refusal| panic!("{content}: {refusal}\n{text}"));
        assert_eq!(accepted.id(), plain.assertion_id, "{content}");
    }
}

/// What a browser can tell apart of messages that fail inside: nothing but the reference.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_cannot_tell_why_a_decryption_failed() {
    let app = Wanted::default().own_keys(&[SigningKey::ours()]).start().await;
    let mut seen = HashSet::new();
    let rows = attacks();
    let uniform: Vec<_> = rows.iter().filter(|attack| attack.codes == UNIFORM).collect();
    for attack in uniform.iter().step_by(4) {
        let mut visitor = app.visitor();
        let pending = visitor.begin("/private").await;
        let request = Request { sp_entity_id: ENTITY_ID.to_owned(), ..pending.request };
        let world = World { idp: app.idp.clone(), request, now: app.now(), own_keys: Vec::new() };
        let hostile = (attack.hostile)(&world, (attack.control)(&world));
        let sent = Instant::now();
        let page = visitor.post(STANDARD.encode(hostile)).await;
        assert!(sent.elapsed() >= Duration::from_millis(25), "{}: told before its moment", attack.name);
        let reference = app.audit().await.into_iter().find_map(|entry| entry.reference).expect("it is noted");
        let mut headers: Vec<_> = page.headers.keys().map(|name| name.as_str().to_owned()).collect();
        headers.sort_unstable();
        seen.insert((page.status.as_u16(), headers, page.body.replace(&reference, "REFERENCE")));
        assert_eq!(visitor.session(), None, "{}", attack.name);
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
}
