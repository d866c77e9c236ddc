//! From a failed check to its likely cause and what to do, in the words of Entra's portal and of our pages.
//!
//! Separate because it is advice: a wrong guess here misleads a person, but never lets anybody in.

use super::check::Advice;
use super::parts::Parts;
use super::time::{between, span};
use super::{Given, difference};
use crate::saml::conditions;
use crate::saml::instant;
use crate::saml::key::Certificate;
use crate::saml::refusal::{Reason, Refusal};

/// A message with what it is held against.
#[derive(Clone, Copy)]
pub(super) struct Case<'c> {
    pub(super) given: &'c Given<'c>,
    pub(super) parts: &'c Parts<'c>,
    /// The certificate that the refused signature names.
    pub(super) signer: Option<&'c Certificate>,
}

impl Case<'_> {
    pub(super) fn clock(&self) -> conditions::Now {
        conditions::clock(&self.given.expected, self.given.now)
    }

    /// When it was made, and how long before it came.
    pub(super) fn measured(&self) -> Option<String> {
        let text = self.parts.issued()?;
        let issued = instant::parse(text).ok()?;
        Some(if let Some(seconds) = between(issued, self.given.now) {
            format!("{text}, {} before it arrived", span(seconds))
        } else {
            let ahead = between(self.given.now, issued).unwrap_or_default();
            format!("{text}, {} after it arrived", span(ahead))
        })
    }

    /// How far the provider's clock is behind ours at least: it cannot have answered before it was asked.
    fn behind(&self) -> Option<i64> {
        let issued = instant::parse(self.parts.issued()?).ok()?;
        between(issued, self.given.asked_at?).filter(|seconds| *seconds > 0)
    }

    /// The likely cause of a refusal, and what to do.
    pub(super) fn explain(&self, refusal: &Refusal) -> Advice {
        let got = refusal.got_text().unwrap_or_default();
        match refusal.reason() {
            Reason::WrongAudience => self.audience(got),
            Reason::WrongDestination => address("Destination", &self.given.expected, got),
            Reason::WrongRecipient => address("Recipient", &self.given.expected, got),
            Reason::WrongIssuer => self.issuer(got),
            Reason::IssuedInFuture | Reason::NotYetValid => self.ahead(got),
            Reason::Expired | Reason::SessionExpired => self.late(),
            Reason::SignatureInvalid => self.signature(),
            _ => plain(refusal),
        }
    }

    fn audience(&self, got: &str) -> Advice {
        let ours = self.given.expected.sp_entity_id;
        let audiences = self.parts.assertion.as_ref().and_then(|assertion| assertion.conditions.as_ref());
        let audiences = audiences.map(|conditions| conditions.audiences.concat()).unwrap_or_default();
        let near = audiences.iter().find_map(|audience| difference::between(ours, audience));
        let cause = match near {
            Some(near) => format!("The Identifier there is almost ours: {near}."),
            None if difference::is_guid(got) => {
                "The identity provider sends the ID of the application instead of the Identifier.".to_owned()
            }
            None => "The message was made for another application, or the Identifier there is another one."
                .to_owned(),
        };
        Advice::new(cause, SET_IDENTIFIER)
    }

    fn issuer(&self, got: &str) -> Advice {
        let expected = self.given.expected.idp.entity_id();
        let (ours, theirs) = (difference::guids(expected), difference::guids(got));
        let cause = if got.contains('{') {
            "The issuer is the pattern of Entra's multi-tenant metadata.".to_owned()
        } else if let (Some(tenant), Some(other)) = (ours.first(), theirs.first())
            && !tenant.eq_ignore_ascii_case(other)
        {
            format!("The message is from another tenant: {other} instead of {tenant}.")
        } else if theirs.len() > ours.len() {
            "The tenant is the right one, but the issuer has the application's ID at its end (Entra: \"Append \
             application ID to issuer\", or several applications of one kind)."
                .to_owned()
        } else if !ours.is_empty() && ours == theirs {
            "The tenant is the right one, but it writes its issuer in another form.".to_owned()
        } else if let Some(near) = difference::between(expected, got) {
            format!("The issuer is almost the one of the metadata: {near}.")
        } else {
            "The message is from another identity provider than the one of the metadata.".to_owned()
        };
        Advice::new(
            cause,
            "Upload the Federation Metadata of this very application here (Entra: App Federation Metadata Url), \
             or have the person sign on with the account of the right organization.",
        )
    }

    fn ahead(&self, got: &str) -> Advice {
        let ahead = instant::parse(got).ok().and_then(|at| between(self.given.now, at));
        let cause = match ahead {
            Some(seconds) => {
                let ahead = span(seconds);
                format!("The clock of the identity provider is {ahead} ahead of ours, or ours is behind.")
            }
            None => "The clock of the identity provider is ahead of ours, or ours is behind.".to_owned(),
        };
        Advice::new(cause, SET_CLOCKS)
    }

    fn late(&self) -> Advice {
        if let Some(seconds) = self.behind().filter(|seconds| *seconds > SLACK_SECONDS) {
            let behind = span(seconds);
            return Advice::new(
                format!(
                    "The clock of the identity provider is at least {behind} behind ours, or ours is ahead: the \
                     message claims to be from before we asked for it."
                ),
                SET_CLOCKS,
            );
        }
        let issued = self.parts.issued().and_then(|text| instant::parse(text).ok());
        let age = issued.and_then(|issued| between(issued, self.given.now));
        let good_for = issued.and_then(|issued| between(issued, self.parts.conditions_end()?));
        let cause = match (age, good_for) {
            (Some(age), Some(good_for)) => {
                let (age, good_for) = (span(age), span(good_for));
                format!(
                    "The message arrived {age} after it was made, and was good for {good_for}: the page was left \
                     open, the message was sent again, or the clocks differ."
                )
            }
            _ => {
                "The message is out of date: the page was left open, it was sent again, or the clocks differ."
                    .to_owned()
            }
        };
        Advice::new(
            cause,
            "Sign on again. If it happens every time, set the clocks of both sides by a time server.",
        )
    }

    fn signature(&self) -> Advice {
        let pinned = self.given.expected.idp.certificates();
        let Some(signer) = self.signer else {
            return Advice::new(
                "No key of the metadata here made the signature, and the message does not name its certificate.",
                UPLOAD_METADATA,
            );
        };
        if pinned.iter().any(|certificate| certificate.der() == signer.der()) {
            return Advice::new(
                "The message names a certificate of the metadata, but its key did not make this signature: the \
                 message was changed on its way, or is forged.",
                "Try again; if it happens again, tell the operators.",
            );
        }
        let issuer = self.parts.assertion.as_ref().and_then(|assertion| assertion.issuer);
        if issuer.is_some_and(|issuer| issuer != self.given.expected.idp.entity_id()) {
            return Advice::new(
                "It is signed with a certificate that is not in the metadata here, and its issuer is another: it \
                 is from another tenant or identity provider.",
                "Upload the Federation Metadata of this very application here, or have the person sign on with \
                 the account of the right organization.",
            );
        }
        let is_newer = pinned.iter().all(|certificate| certificate.not_before() < signer.not_before());
        let cause = if is_newer {
            "It is signed with a certificate that is not in the metadata here and newer than all that are: the \
             identity provider has probably renewed its certificate."
        } else {
            "It is signed with a certificate that is not in the metadata here: the identity provider has changed \
             its certificate, or the metadata is of another application of the same tenant."
        };
        Advice::new(cause, UPLOAD_METADATA)
    }
}

fn address(name: &str, expected: &crate::saml::Expected<'_>, got: &str) -> Advice {
    let cause = match difference::between(expected.acs_url, got) {
        Some(near) => format!("The Reply URL there ({name} in the message) is almost ours: {near}."),
        None => format!("The message was made for another address ({name} in the message)."),
    };
    Advice::new(cause, SET_REPLY_URL)
}

/// What can be said of a refusal without the message around it.
pub(super) fn plain(refusal: &Refusal) -> Advice {
    match refusal.reason() {
        Reason::AlgorithmForbidden if is_sha1(refusal) => {
            Advice::new("It is signed with SHA-1, which has been broken for years.", SIGN_WITH_SHA256)
        }
        Reason::Unsolicited => Advice::new(
            "Nobody here asked for it: the sign-on began at the identity provider (Entra: My Apps or \"Test\", \
             for an application without Sign-on URL).",
            "Set the Sign-on URL of the application to our address, so that the tile leads here first.",
        ),
        reason => {
            let remedy = of_keys(reason).unwrap_or_else(|| of_content(reason));
            Advice::new(sentence(reason.explanation()), remedy)
        }
    }
}

/// What to do about signatures, certificates and encryption.
const fn of_keys(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::AlgorithmForbidden | Reason::TransformForbidden | Reason::SignatureMalformed => {
            SIGN_WITH_SHA256
        }
        Reason::SignatureMissing => SIGN_THE_ASSERTION,
        Reason::EncryptionKeyMissing => {
            "Switch token encryption off for the application (Entra: Security, Token encryption), or have the \
             operators set saml.signing_key and saml.certificate, and upload that certificate there."
        }
        Reason::DecryptionFailed => {
            "Let the assertion be encrypted to the certificate that our metadata has now, and be signed as well \
             (Entra: Security, Token encryption, activate the present certificate)."
        }
        Reason::EncryptionAlgorithmForbidden => {
            "Let the assertion be encrypted with AES-256 and RSA-OAEP, or switch token encryption off."
        }
        Reason::EncryptionNotSupported | Reason::EncryptionMalformed => {
            "Let the assertion be encrypted as a whole and for us alone, or switch token encryption off."
        }
        Reason::CertificateExpired => {
            "Make a new certificate active at the identity provider, and upload its present Federation Metadata \
             here. Entra goes on signing with an expired one if there is no other."
        }
        Reason::MetadataExpired => {
            "Fetch the metadata again (anteroom organization metadata, with --refresh), or ask the administrator for \
             the present one and upload it."
        }
        Reason::CertificateNotYetValid => {
            "Compare our clock with a time server; if it is right, wait until the certificate holds, or have the \
             former one made active."
        }
        Reason::DigestMismatch | Reason::CanonicalFormUnstable | Reason::SecondOpinionDisagrees => {
            "The message was changed after it was signed, on its way or by somebody. Try again; if it happens \
             again, tell the operators."
        }
        _ => return None,
    })
}

/// What to do about everything else.
const fn of_content(reason: Reason) -> &'static str {
    match reason {
        Reason::WrongInResponseTo | Reason::InResponseToMismatch => {
            "Begin again at the address of the application, and finish at once in the same window."
        }
        Reason::AudienceMissing => SET_IDENTIFIER,
        Reason::DestinationMissing | Reason::ConfirmationMalformed | Reason::ConfirmationMissing => {
            SET_REPLY_URL
        }
        Reason::NameIdQualifierForeign => {
            "Leave the Name ID at its default: without a qualifier, or with our Identifier."
        }
        Reason::NameIdMalformed => {
            "Let the Name ID be made from an attribute that is filled in, without spaces around it."
        }
        Reason::AttributeDuplicate => {
            "Two claims have the same name there. Remove one of them (Entra: Attributes & Claims)."
        }
        Reason::AttributeValueForbidden | Reason::ValueTooLong => {
            "Send claims as plain text of ordinary length, and groups only as far as they are needed."
        }
        Reason::AuthnStatementMissing | Reason::SessionExpired => {
            "Sign out at the identity provider, then sign on there anew."
        }
        Reason::AuthnContextRefused | Reason::AuthnNotFresh => {
            "Let the identity provider demand that way of signing on, or change the organization's sign-on options \
             here."
        }
        Reason::LifetimeTooLong => "Shorten the lifetime of SAML tokens there to a day at most.",
        Reason::NotBase64 | Reason::XmlMalformed | Reason::TooLarge => {
            "The message was cut off or changed on its way, or is none. Try again; a very large one has too many \
             groups in it."
        }
        _ => {
            "Leave the answer as the identity provider makes it by default: one response with one assertion, \
             without extras."
        }
    }
}

fn is_sha1(refusal: &Refusal) -> bool {
    refusal.got_text().is_some_and(|got| got.ends_with("sha1"))
}

/// A whole sentence from an explanation.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Clocks that differ by less are no cause of anything.
const SLACK_SECONDS: i64 = 60;

const SET_IDENTIFIER: &str = "Set the Identifier (Entity ID) of the application to the value that we gave, letter by letter (Entra: \
     Single sign-on, Basic SAML Configuration).";
const SET_REPLY_URL: &str = "Set the Reply URL (Assertion Consumer Service URL) of the application to the value that we gave, letter by \
     letter (Entra: Single sign-on, Basic SAML Configuration).";
const SET_CLOCKS: &str = "Set the clocks of both sides by a time server (NTP); Entra's own is right.";
const UPLOAD_METADATA: &str = "Upload the present Federation Metadata of this very application here (Entra: Single sign-on, SAML \
     Certificates, App Federation Metadata Url).";
const SIGN_THE_ASSERTION: &str = "Let the identity provider sign the assertion, which is the default (Entra: Single sign-on, SAML \
     Certificates, Edit, Signing Option: Sign SAML assertion).";
const SIGN_WITH_SHA256: &str = "Let the identity provider sign with RSA and SHA-256, which is the default (Entra: Single sign-on, SAML \
     Certificates, Edit, Signing Algorithm: SHA-256).";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_cause_and_a_remedy_in_whole_sentences() {
        for reason in Reason::ALL {
            let advice = plain(&Refusal::new(*reason));
            for text in [&advice.cause, &advice.remedy] {
                assert!(text.ends_with('.'), "{}: {text}", reason.code());
                assert!(text.starts_with(|c: char| c.is_ascii_uppercase()), "{}: {text}", reason.code());
            }
        }
    }
}
