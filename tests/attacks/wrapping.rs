//! Group A: signature wrapping. A genuine signature stays in the message, a forged assertion is to
//! be read.
//!
//! Separate because these rows move whole elements about.

use super::{Attack, World, cut, replaced, replaced_first};
use crate::idp::{DSIG_NS, Message, Sign, Signer};

pub(crate) fn attacks() -> Vec<Attack> {
    [responses(), assertions(), signatures(), roots()].into_iter().flatten().collect()
}

fn responses() -> Vec<Attack> {
    vec![
        Attack {
            id: "A1",
            name: "forged response carries the signature, the original stands in its Object (XSW1)",
            control: signed_response,
            hostile: |world, control| {
                let original = control.to_xml();
                let signature = signature_of(&original);
                let original = replaced(&original, &signature, "");
                let hiding = with_object(&signature, &original);
                forged_response(world, &hiding).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A1",
            name: "forged response holds the original before its signature (XSW2)",
            control: signed_response,
            hostile: |world, control| {
                let original = control.to_xml();
                let signature = signature_of(&original);
                let original = replaced(&original, &signature, "");
                forged_response(world, &(original + &signature)).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A1",
            name: "forged response carries the signature of the original, which is left out",
            control: signed_response,
            hostile: |world, control| {
                let signature = signature_of(&control.to_xml());
                forged_response(world, &signature).into_bytes()
            },
            codes: &["reference_mismatch"],
        },
        Attack {
            id: "A9",
            name: "signed response holds a second assertion",
            control: signed_response,
            hostile: |world, control| {
                let evil = forged_assertion(world, "_evil");
                let both = control.with(|message| {
                    message.rewrite_response = Some(Box::new(move |text| {
                        replaced(text, "</samlp:Response>", &format!("{evil}</samlp:Response>"))
                    }));
                });
                both.to_xml().into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A13",
            name: "signed error response with a decoy signature that smuggles an assertion in its Object",
            control: signed_response,
            hostile: |world, control| {
                let error = control.with(|message| {
                    message.status = vec!["urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned()];
                    message.rewrite_response = Some(Box::new(|text| {
                        let assertion = cut(text, "<Assertion", "</Assertion>").to_owned();
                        replaced(text, &assertion, "")
                    }));
                });
                let text = error.to_xml();
                let signature = signature_of(&text);
                let decoy = with_object(&signature, &forged_assertion(world, "_evil"));
                replaced(&text, &signature, &format!("{signature}{decoy}")).into_bytes()
            },
            codes: &["missing_element", "unexpected_element"],
        },
    ]
}

fn assertions() -> Vec<Attack> {
    vec![
        Attack {
            id: "A2",
            name: "forged assertion before the signed one (XSW3)",
            control: World::control,
            hostile: |world, control| {
                let evil = forged_assertion(world, "_evil");
                replaced(&control.to_xml(), "<Assertion ", &format!("{evil}<Assertion ")).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A2",
            name: "forged assertion after the signed one",
            control: World::control,
            hostile: |world, control| {
                let evil = forged_assertion(world, "_evil");
                replaced(&control.to_xml(), "</Assertion>", &format!("</Assertion>{evil}")).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A2",
            name: "forged assertion wraps the signed one (XSW4)",
            control: World::control,
            hostile: |world, control| {
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>");
                let evil = forged_assertion(world, "_evil");
                let wrapping = replaced(&evil, "</Assertion>", &format!("{signed}</Assertion>"));
                replaced(&text, signed, &wrapping).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A3",
            name: "forged assertion carries the copied signature, the original stands at the end (XSW5)",
            control: World::control,
            hostile: |world, control| {
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>");
                let signature = signature_of(signed);
                let evil = forged_assertion(world, "_evil");
                let evil = replaced(&evil, "</Issuer>", &format!("</Issuer>{signature}"));
                let original = replaced(signed, &signature, "");
                replaced(&text, signed, &(evil + &original)).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A3",
            name: "forged assertion carries a signature that holds the original (XSW6)",
            control: World::control,
            hostile: |world, control| {
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>");
                let signature = signature_of(signed);
                let original = replaced(signed, &signature, "");
                let holding = replaced(&signature, "</Signature>", &format!("{original}</Signature>"));
                let evil = forged_assertion(world, "_evil");
                let evil = replaced(&evil, "</Issuer>", &format!("</Issuer>{holding}"));
                replaced(&text, signed, &evil).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A3",
            name: "forged assertion takes over ID and signature of the original",
            control: World::control,
            hostile: |world, control| {
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>");
                let evil = forged_assertion(world, &control.assertion_id);
                let evil = replaced(&evil, "</Issuer>", &format!("</Issuer>{}", signature_of(signed)));
                replaced(&text, signed, &evil).into_bytes()
            },
            codes: &["digest_mismatch"],
        },
        Attack {
            id: "A4",
            name: "forged assertion in Extensions (XSW7)",
            control: World::control,
            hostile: |world, control| {
                let evil = forged_assertion(world, "_evil");
                let extensions = format!("<samlp:Extensions>{evil}</samlp:Extensions><samlp:Status>");
                replaced(&control.to_xml(), "<samlp:Status>", &extensions).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A4",
            name: "the signed assertion moves to Extensions, a forged one takes its place",
            control: World::control,
            hostile: |world, control| {
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>").to_owned();
                let text = replaced(&text, &signed, &forged_assertion(world, "_evil"));
                let extensions = format!("<samlp:Extensions>{signed}</samlp:Extensions><samlp:Status>");
                replaced(&text, "<samlp:Status>", &extensions).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A4",
            name: "extensions of any content",
            control: World::control,
            hostile: |_, control| {
                let extensions = "<samlp:Extensions></samlp:Extensions><samlp:Status>";
                replaced(&control.to_xml(), "<samlp:Status>", extensions).into_bytes()
            },
            codes: &["missing_element"],
        },
        Attack {
            id: "A5",
            name: "the original stands in the Object of the forged assertion's signature (XSW8)",
            control: World::control,
            hostile: |world, control| {
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>");
                let signature = signature_of(signed);
                let original = replaced(signed, &signature, "");
                let evil = forged_assertion(world, "_evil");
                let hiding = with_object(&signature, &original);
                let evil = replaced(&evil, "</Issuer>", &format!("</Issuer>{hiding}"));
                replaced(&text, signed, &evil).into_bytes()
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A5",
            name: "an empty Object in the signature",
            control: World::control,
            hostile: |_, control| {
                replaced(&control.to_xml(), "</Signature>", "<Object></Object></Signature>").into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "A8",
            name: "signed advice holds another assertion",
            control: World::control,
            hostile: |world, control| {
                let evil = forged_assertion(world, "_evil");
                let advice = format!("</Conditions><Advice>{evil}</Advice>");
                rewritten(control, "</Conditions>", advice)
            },
            codes: &["several_assertions"],
        },
        Attack {
            id: "A8",
            name: "signed advice of any content",
            control: World::control,
            hostile: |_, control| {
                rewritten(control, "</Conditions>", "</Conditions><Advice></Advice>".to_owned())
            },
            codes: &["unexpected_element"],
        },
        Attack {
            id: "A9",
            name: "the same signed assertion twice",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>");
                replaced(&text, signed, &signed.repeat(2)).into_bytes()
            },
            codes: &["id_duplicate"],
        },
        Attack {
            id: "A9",
            name: "an encrypted assertion beside the signed one",
            control: World::control,
            hostile: |_, control| {
                let encrypted = "</Assertion><EncryptedAssertion \
                                 xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"></EncryptedAssertion>";
                replaced(&control.to_xml(), "</Assertion>", encrypted).into_bytes()
            },
            codes: &["several_assertions"],
        },
    ]
}

fn signatures() -> Vec<Attack> {
    vec![
        Attack {
            id: "A6",
            name: "two SignedInfo, the second one forged",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signed_info = cut(&text, "<SignedInfo>", "</SignedInfo>");
                replaced(&text, signed_info, &signed_info.repeat(2)).into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "A6",
            name: "two SignatureValue",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let value = cut(&text, "<SignatureValue>", "</SignatureValue>");
                replaced(&text, value, &value.repeat(2)).into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "A6",
            name: "a signature inside the signature",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signature = signature_of(&text);
                let nested = replaced(&signature, "<KeyInfo>", &format!("{signature}<KeyInfo>"));
                replaced(&text, &signature, &nested).into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "A6",
            name: "a signature inside KeyInfo",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signature = signature_of(&text);
                let nested = replaced(&signature, "<KeyInfo>", &format!("<KeyInfo>{signature}"));
                replaced(&text, &signature, &nested).into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "A6",
            name: "two signatures in the assertion",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signature = signature_of(&text);
                replaced(&text, &signature, &signature.repeat(2)).into_bytes()
            },
            codes: &["missing_element"],
        },
        Attack {
            id: "A7",
            name: "the signature in the assertion signs the response around it",
            control: World::control,
            hostile: |_, control| {
                let unsigned = control.with(|message| message.sign = Sign::Nothing);
                let text = unsigned.to_xml();
                let signature = Signer::new(unsigned.signer.key).signature(&text, &unsigned.response_id);
                let at = text.rfind("</Issuer>").expect("the assertion's issuer") + "</Issuer>".len();
                format!("{}{signature}{}", &text[..at], &text[at..]).into_bytes()
            },
            codes: &["reference_mismatch"],
        },
        Attack {
            id: "A7",
            name: "the signature of the assertion stands in the response",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signature = signature_of(&text);
                let text = replaced(&text, &signature, "");
                replaced_first(&text, "</Issuer>", &format!("</Issuer>{signature}")).into_bytes()
            },
            codes: &["reference_mismatch"],
        },
        Attack {
            id: "A7",
            name: "the signature stands before the issuer",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signature = signature_of(&text);
                let text = replaced(&text, &signature, "");
                let at = text.rfind("<Issuer>").expect("the assertion's issuer");
                format!("{}{signature}{}", &text[..at], &text[at..]).into_bytes()
            },
            codes: &["missing_element"],
        },
        Attack {
            id: "A7",
            name: "the signature stands at the end of the assertion",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let signature = signature_of(&text);
                let text = replaced(&text, &signature, "");
                replaced(&text, "</Assertion>", &format!("{signature}</Assertion>")).into_bytes()
            },
            codes: &["unexpected_element"],
        },
        Attack {
            id: "A11",
            name: "response and assertion share one ID",
            control: |world| world.control().signed(Sign::Both),
            hostile: |_, control| {
                control.with(|m| m.response_id.clone_from(&m.assertion_id)).to_xml().into_bytes()
            },
            codes: &["id_duplicate"],
        },
        Attack {
            id: "A11",
            name: "an xml:id on a signed element",
            control: World::control,
            hostile: |_, control| rewritten(control, "<Subject>", "<Subject xml:id=\"_s\">".to_owned()),
            codes: &["id_malformed"],
        },
        Attack {
            id: "A11",
            name: "an Id attribute on an element that has none in SAML",
            control: World::control,
            hostile: |_, control| rewritten(control, "<Subject>", "<Subject Id=\"_s\">".to_owned()),
            codes: &["id_malformed"],
        },
        Attack {
            id: "A11",
            name: "an AssertionID attribute beside the ID",
            control: World::control,
            hostile: |_, control| rewritten(control, "<Subject>", "<Subject AssertionID=\"_s\">".to_owned()),
            codes: &["id_malformed"],
        },
        Attack {
            id: "A11",
            name: "the signature has the ID of the assertion",
            control: |world| world.control().with(|m| m.assertion_id = "_taken".to_owned()),
            hostile: |_, control| {
                let tag = format!("<Signature xmlns=\"{DSIG_NS}\"");
                replaced(&control.to_xml(), &tag, &format!("{tag} Id=\"_taken\"")).into_bytes()
            },
            codes: &["id_duplicate"],
        },
        Attack {
            id: "A11",
            name: "an Id on the SignedInfo",
            control: World::control,
            hostile: |_, control| {
                replaced(&control.to_xml(), "<SignedInfo>", "<SignedInfo Id=\"_s\">").into_bytes()
            },
            codes: &["id_malformed"],
        },
        Attack {
            id: "A15",
            name: "a signature value of zeros",
            control: World::control,
            hostile: |_, control| {
                let text = control.to_xml();
                let value = cut(&text, "<SignatureValue>", "</SignatureValue>");
                let zeros = format!("<SignatureValue>{}AA==</SignatureValue>", "A".repeat(340));
                replaced(&text, value, &zeros).into_bytes()
            },
            codes: &["signature_invalid"],
        },
    ]
}

fn roots() -> Vec<Attack> {
    vec![
        Attack {
            id: "A10",
            name: "a second document after the first",
            control: World::control,
            hostile: |_, control| control.to_xml().repeat(2).into_bytes(),
            codes: &["xml_malformed"],
        },
        Attack {
            id: "A10",
            name: "text after the document",
            control: World::control,
            hostile: |_, control| (control.to_xml() + "x").into_bytes(),
            codes: &["xml_malformed"],
        },
        Attack {
            id: "A12",
            name: "the public signed metadata is posted as the message",
            control: World::control,
            hostile: |world, _| world.idp.signed_entity_descriptor().into_bytes(),
            codes: &["not_a_response"],
        },
        Attack {
            id: "A12",
            name: "the public signed metadata stands in a forged response",
            control: World::control,
            hostile: |world, _| {
                let metadata = world.idp.signed_entity_descriptor();
                forged_response(world, &metadata).into_bytes()
            },
            codes: &["id_malformed"],
        },
        Attack {
            id: "A12",
            name: "the signature of the public metadata is put into a forged assertion with its ID",
            control: World::control,
            hostile: |world, control| {
                let metadata = world.idp.signed_entity_descriptor();
                let id = cut(&metadata, " ID=\"", "\" ").trim_matches([' ', '"']).replace("ID=\"", "");
                let evil = forged_assertion(world, &id);
                let evil = replaced(&evil, "</Issuer>", &format!("</Issuer>{}", signature_of(&metadata)));
                let text = control.to_xml();
                let signed = cut(&text, "<Assertion ", "</Assertion>");
                replaced(&text, signed, &evil).into_bytes()
            },
            codes: &["digest_mismatch"],
        },
        Attack {
            id: "A12",
            name: "a logout request is posted to the assertion consumer service",
            control: World::control,
            hostile: |_, control| {
                control.to_xml().replace("samlp:Response", "samlp:LogoutRequest").into_bytes()
            },
            codes: &["not_a_response"],
        },
        Attack {
            id: "A14",
            name: "the signed assertion is the root",
            control: World::control,
            hostile: |_, control| control.signed_assertion().into_bytes(),
            codes: &["not_a_response"],
        },
        Attack {
            id: "A14",
            name: "the response stands in another element",
            control: World::control,
            hostile: |_, control| format!("<x>{}</x>", control.to_xml()).into_bytes(),
            codes: &["not_a_response"],
        },
        Attack {
            id: "A14",
            name: "the root is called Response in another namespace",
            control: World::control,
            hostile: |_, control| {
                let other = "urn:oasis:names:tc:SAML:1.0:protocol";
                control.to_xml().replace(crate::idp::PROTOCOL_NS, other).into_bytes()
            },
            codes: &["not_a_response"],
        },
    ]
}

fn signed_response(world: &World) -> Message {
    world.control().signed(Sign::Response)
}

/// What the attacker wants to be read: an unsigned assertion about somebody else.
fn forged(world: &World, assertion_id: &str) -> Message {
    world
        .control()
        .for_user("ceo@contoso.com", "The Boss", "00000000-0000-4000-8000-000000000001")
        .with(|message| message.assertion_id = assertion_id.to_owned())
        .signed(Sign::Nothing)
}

fn forged_assertion(world: &World, assertion_id: &str) -> String {
    forged(world, assertion_id).signed_assertion()
}

/// An unsigned response about somebody else, with something put after its issuer.
fn forged_response(world: &World, after_issuer: &str) -> String {
    let text = forged(world, "_evil").to_xml();
    replaced_first(&text, "</Issuer>", &format!("</Issuer>{after_issuer}"))
}

fn signature_of(text: &str) -> String {
    cut(text, "<Signature ", "</Signature>").to_owned()
}

fn with_object(signature: &str, content: &str) -> String {
    replaced(signature, "</Signature>", &format!("<Object>{content}</Object></Signature>"))
}

/// The message with its assertion changed before it is signed.
fn rewritten(control: Message, from: &'static str, to: String) -> Vec<u8> {
    control
        .with(|message| {
            message.rewrite_assertion = Some(Box::new(move |text| replaced(text, from, &to)));
        })
        .to_xml()
        .into_bytes()
}

rows! {
    a01_a_forged_response_carries_the_signature_of_a_genuine_one "A1"
    a02_a_forged_assertion_stands_beside_or_around_the_signed_one "A2"
    a03_a_forged_assertion_carries_the_copied_signature "A3"
    a04_a_forged_assertion_stands_in_extensions "A4"
    a05_the_original_stands_in_an_object_of_the_signature "A5"
    a06_a_signature_has_parts_twice_or_inside_each_other "A6"
    a07_what_is_signed_is_not_what_holds_the_signature "A7"
    a08_another_assertion_stands_in_advice "A8"
    a09_there_are_several_assertions "A9"
    a10_something_follows_the_document "A10"
    a11_an_id_is_not_unique_or_not_an_id "A11"
    a12_another_signed_document_is_used_again "A12"
    a13_a_decoy_signature_smuggles_an_assertion_into_an_error "A13"
    a14_the_root_is_not_a_response "A14"
    a15_a_signature_value_of_nothing "A15"
}
