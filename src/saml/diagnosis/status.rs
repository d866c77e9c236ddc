//! What an identity provider says instead of success, in plain words.
//!
//! Separate because it is two tables: Entra's own codes, and those of SAML (SAML Core 3.2.2.2).
//!
//! Rules: the status is normally unsigned, so it is shown and never acted upon; Microsoft asks not to program
//! against its codes, so an unknown one is shown as it is.

use super::check::Advice;
use crate::saml::refusal::{Status, bounded};

/// The likely cause of a status, and what to do.
pub(super) fn explain(status: &Status) -> Advice {
    if let Some(number) = status.message.as_deref().and_then(aadsts) {
        return match AADSTS.iter().find(|(known, _, _)| known.contains(&number)) {
            Some((_, cause, remedy)) => Advice::new(format!("AADSTS{number}: {cause}"), *remedy),
            None => Advice::new(
                format!("Entra refused the sign-on with AADSTS{number}."),
                "Look the code up at https://login.microsoftonline.com/error, and the sign-in in the log of \
                 the tenant (Entra ID, Sign-in logs).",
            ),
        };
    }
    let inner = status.codes.iter().rev().map(|code| short(code));
    for code in inner {
        if let Some((_, cause, remedy)) = SAML.iter().find(|(known, _, _)| *known == code) {
            return Advice::new(*cause, *remedy);
        }
    }
    Advice::new(
        "The identity provider reports a failure of its own.",
        "Look into the identity provider's log of sign-ins; the message above says what to look for.",
    )
}

/// The status in one line.
pub(super) fn shown(status: &Status) -> String {
    let codes: Vec<_> = status.codes.iter().map(|code| short(code)).collect();
    let codes = codes.join(" / ");
    bounded(&match &status.message {
        Some(message) => format!("{codes}: {message}"),
        None => codes,
    })
}

fn short(code: &str) -> &str {
    code.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:").unwrap_or(code)
}

/// The number behind the first `AADSTS` of a text.
fn aadsts(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("AADSTS")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end).filter(|digits| (3..=8).contains(&digits.len()))
}

type Row = (&'static [&'static str], &'static str, &'static str);

/// Entra's codes that a service provider gets to see, or hears of on the telephone.
const AADSTS: &[Row] = &[
    (
        &["50105"],
        "the person is not assigned to the application.",
        "Entra: Enterprise application, Users and groups, add the person or a group of theirs; or switch \
         \"Assignment required\" off.",
    ),
    (
        &["50011"],
        "our Reply URL is not registered for the application.",
        "Entra: Single sign-on, Basic SAML Configuration, set the Reply URL to the Reply URL that we gave, \
         letter by letter.",
    ),
    (
        &["700016", "70001", "650056"],
        "the application of our Identifier is not known in that tenant, or is not set up completely.",
        "Entra: Single sign-on, Basic SAML Configuration, set the Identifier (Entity ID) to the value that we \
         gave; and check that the metadata here is that of this very tenant.",
    ),
    (
        &["75011"],
        "the person signed on in another way than the request demands.",
        "Leave out the demanded authentication context for this organization, or have the person sign on in \
         that way.",
    ),
    (
        &["75016", "90011"],
        "the request demands a format of the Name ID that Entra does not have.",
        "Leave out the Name ID policy for this organization, so that the setting in Entra counts.",
    ),
    (
        &["75005", "75003", "75008", "750054", "75006"],
        "Entra could not make sense of our request.",
        "Try again from the address of the application, not from a bookmark of the sign-in page; if it happens \
         every time, tell the operators.",
    ),
    (
        &["76021"],
        "the application wants signed requests, and ours was not signed with a certificate known there.",
        "Upload our certificate to Entra (Single sign-on, Verification certificates), or switch \"Require \
         verification certificates\" off.",
    ),
    (
        &["76026"],
        "the request was too old when it came to Entra, or our clock is off.",
        "Sign on again; if it happens every time, compare our clock with a time server.",
    ),
    (
        &["50008"],
        "Entra could not work with a token of the person's home directory.",
        "Ask the tenant's administrator to look at the federation of that domain.",
    ),
    (
        &["501241"],
        "the attribute that the Name ID is made from is empty for the person.",
        "Entra: fill in that attribute of the person, or choose another source for the Name ID (Single sign-on, \
         Attributes & Claims).",
    ),
    (
        &["50126", "50034", "50053", "50055", "50056", "50057"],
        "the person could not sign on at Entra: password, or the account itself.",
        "The person's own IT department helps with that.",
    ),
    (
        &["53003", "53000", "53001", "53002", "530032", "50074", "50076", "50079", "50158", "50097"],
        "a rule of the tenant (Conditional Access, second factor) did not let the person through.",
        "Ask the tenant's administrator to look at the sign-in log, tab Conditional Access.",
    ),
    (
        &["50058"],
        "nobody was signed on at Entra, and it was not allowed to ask.",
        "Sign on again from the address of the application.",
    ),
    (
        &["50196"],
        "the browser has been sent to Entra again and again.",
        "Close all windows of the browser and sign on again; if it goes on, the browser refuses our cookies.",
    ),
    (
        &["50003"],
        "the application has no signing certificate.",
        "Entra: Single sign-on, SAML Certificates, make a certificate and make it active; then upload the \
         Federation Metadata here.",
    ),
    (
        &["50020", "51004", "90072"],
        "the account belongs to another directory and is no guest of this tenant.",
        "The person should sign out at Microsoft and sign on with the work account, or be invited as a guest.",
    ),
    (
        &["65001", "90094", "90093"],
        "nobody has consented to the application in that tenant.",
        "Ask the tenant's administrator to grant consent to the enterprise application.",
    ),
    (
        &["7000112", "500014"],
        "the application is switched off in the tenant.",
        "Entra: Enterprise application, Properties, \"Enabled for users to sign in\": Yes.",
    ),
];

/// SAML's own codes.
const SAML: &[(&str, &str, &str)] = &[
    (
        "AuthnFailed",
        "The identity provider could not sign the person on.",
        "Look into its log of sign-ins; the person's own IT department helps with that.",
    ),
    (
        "RequestDenied",
        "The identity provider will not answer our request: often the person has no access to the application.",
        "Give the person access to the application there.",
    ),
    (
        "NoPassive",
        "Nobody was signed on there, and the identity provider was not allowed to ask.",
        "Sign on again from the address of the application.",
    ),
    (
        "InvalidNameIDPolicy",
        "The identity provider cannot send the Name ID in the form that is asked for.",
        "Leave out the Name ID policy for this organization, or allow that form there.",
    ),
    (
        "NoAuthnContext",
        "The identity provider cannot sign anybody on in the way that is demanded.",
        "Leave out the demanded authentication context for this organization.",
    ),
    (
        "RequestUnsupported",
        "The identity provider does not support our request.",
        "Check that it knows our Identifier and our Reply URL, and whether it wants signed requests.",
    ),
    (
        "UnknownPrincipal",
        "The identity provider does not know the person.",
        "Check that the person has an account there.",
    ),
    (
        "VersionMismatch",
        "The identity provider does not speak SAML 2.0.",
        "Switch SAML 2.0 on there; no other version is accepted.",
    ),
    (
        "Requester",
        "The identity provider takes our request for wrong: often it does not know our Identifier or Reply URL.",
        "Compare Identifier and Reply URL there with the values that we gave, letter by letter.",
    ),
    ("Responder", "The identity provider had a failure of its own.", "Look into its log at that time."),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_code_is_found_in_the_message_of_entra() {
        assert_eq!(aadsts("AADSTS50105: Your administrator …"), Some("50105"));
        assert_eq!(aadsts("Error: AADSTS75011"), Some("75011"));
        for other in ["", "AADSTS", "AADSTS1", "AADSTSx50105", "aadsts50105", "AADSTS123456789"] {
            assert_eq!(aadsts(other), None, "{other}");
        }
    }

    #[test]
    fn no_code_stands_in_two_rows() {
        let codes: Vec<_> = AADSTS.iter().flat_map(|(codes, _, _)| *codes).collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        assert!(codes.iter().all(|code| aadsts(&format!("AADSTS{code}")) == Some(code)));
    }

    #[test]
    fn the_innermost_code_that_is_known_explains_most() {
        let of = |codes: &[&str]| {
            let codes = codes.iter().map(|code| format!("urn:oasis:names:tc:SAML:2.0:status:{code}"));
            explain(&Status { codes: codes.collect(), message: None }).cause
        };
        assert!(of(&["Responder", "NoAuthnContext"]).contains("in the way that is demanded"));
        assert!(of(&["Responder", "Own"]).contains("failure of its own"));
        assert!(of(&["Own"]).contains("reports a failure"));
    }
}
