//! Recent sign-ons and refusals, with what was expected against what came.
//!
//! Separate because it is what a visitor's reference leads to.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::checks::{CheckLine, CheckResult, CheckTexts};
use crate::pages::support::{Agent, Section};
use crate::pages::texts::texts;
use crate::pages::{Brand, link};

/// `/.anteroom/support/sign-ons`.
#[derive(Debug, Clone)]
pub struct SignOns {
    /// Who works at the console.
    pub agent: Agent,
    /// `q`: a reference, an address or a reason.
    pub text: String,
    /// The newest first.
    pub rows: Vec<SignOnLine>,
    /// `before`: the place before which older ones begin, if there are more.
    pub next_before: Option<i64>,
    /// What was found out about the one that was looked for by its reference.
    pub trace: Option<Trace>,
}

/// Every check of a refused sign-on.
#[derive(Debug, Clone)]
pub struct Trace {
    /// What the visitor was shown.
    pub reference: String,
    /// The checks, in their order.
    pub checks: Vec<CheckLine>,
}

/// Something that happened at sign-on.
#[derive(Debug, Clone)]
pub struct SignOnLine {
    /// When.
    pub at: Moment,
    /// The address, if it was known at that point.
    pub email: Option<String>,
    /// The organization's name, if it was known at that point.
    pub organization: Option<String>,
    /// Whom a refused message spoke of, where nobody was known yet.
    pub claimed: Option<Claim>,
    /// How it went.
    pub outcome: SignOnOutcome,
    /// What the visitor was shown.
    pub reference: Option<String>,
    /// Whether every check of it was kept, so that its reference leads there.
    pub has_trace: bool,
}

/// Whom a refused message spoke of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The address, else the identity provider's key.
    pub whom: String,
    /// Whether the message itself was genuine. Otherwise anybody may have written it.
    pub is_verified: bool,
}

/// How a sign-on went.
#[derive(Debug, Clone)]
pub enum SignOnOutcome {
    /// Somebody signed on.
    Accepted,
    /// It was refused.
    Refused {
        /// The stable code of the reason.
        code: String,
        /// The reason for people, as in the log: in lower case, without a full stop.
        explanation: String,
        /// What would have been accepted.
        expected: Option<String>,
        /// What came instead.
        got: Option<String>,
    },
    /// An answer that nobody asked for: a normal sign-on began instead.
    Unsolicited,
    /// Somebody signed out, or a session ended: the action's code.
    Other(String),
}

/// What a refusal shows.
pub(super) struct RefusedText<'a> {
    pub(super) code: &'a str,
    pub(super) explanation: String,
    pub(super) expected: Option<&'a str>,
    pub(super) got: Option<&'a str>,
    pub(super) remedy: &'static str,
}

impl SignOnLine {
    pub(super) fn title(&self) -> &str {
        self.email.as_deref().unwrap_or("Address not known")
    }

    pub(super) const fn tone(&self) -> &'static str {
        match self.outcome {
            SignOnOutcome::Accepted => "passed",
            SignOnOutcome::Refused { .. } => "failed",
            SignOnOutcome::Unsolicited | SignOnOutcome::Other(_) => "neutral",
        }
    }

    pub(super) fn english_outcome(&self) -> &str {
        match &self.outcome {
            SignOnOutcome::Accepted => "Signed on",
            SignOnOutcome::Refused { .. } => "Refused",
            SignOnOutcome::Unsolicited => "Not asked for",
            SignOnOutcome::Other(action) => english_action(action),
        }
    }

    /// Where every check is shown.
    pub(super) fn trace_href(&self) -> Option<String> {
        let reference = self.reference.as_deref().filter(|_| self.has_trace)?;
        Some(format!("{}?q={}#checks", Section::SignOns.path(), link::query_value(reference)))
    }

    pub(super) fn refused(&self) -> Option<RefusedText<'_>> {
        let SignOnOutcome::Refused { code, explanation, expected, got } = &self.outcome else { return None };
        Some(RefusedText {
            code,
            explanation: as_sentence(explanation),
            expected: expected.as_deref(),
            got: got.as_deref(),
            remedy: english_remedy(code),
        })
    }
}

impl SignOns {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        frame::render(&Html {
            frame: Frame::console_english(brand, text.heading, &self.agent, Section::SignOns),
            sign_on_text: SignOnTexts::english(),
            next_href: self.next_before.map(|before| {
                let text = link::query_value(&self.text);
                format!("{}?q={text}&before={before}", Section::SignOns.path())
            }),
            trace_heading: self.trace.as_ref().map(|trace| english_trace_heading(&trace.reference)),
            checks: self.trace.as_ref().map_or(&[][..], |trace| &trace.checks),
            check_text: CheckTexts::english(),
            text,
            page: self,
        })
    }
}

#[derive(Template)]
#[template(path = "sign_ons.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    sign_on_text: SignOnTexts,
    next_href: Option<String>,
    trace_heading: Option<String>,
    checks: &'a [CheckLine],
    check_text: CheckTexts,
    page: &'a SignOns,
}

texts! {
    Texts {
        heading: "Sign-ons",
        search: "Reference, address or reason",
        search_hint: "The reference is what the visitor was shown, like 7F3KQ2MX9A.",
        submit: "Search",
        none: "Nobody has signed on yet.",
        no_match: "Nothing matches. Check the reference letter by letter: it has no O, I, L or U.",
        events: "The newest first",
        paging: "More pages",
        next: "Older ones",
    }
}

texts! {
    /// The labels beside a sign-on, also on the page of a user.
    pub(super) SignOnTexts {
        reference: "Reference",
        checks: "Show every check",
        expected: "Expected",
        got: "Got",
        claimed_verified: "The identity provider spoke of",
        claimed_unverified: "Claimed, not verified:",
        claimed_hint: "Anybody may have written that.",
    }
}

fn english_trace_heading(reference: &str) -> String {
    format!("Every check of {reference}")
}

/// An explanation of the log as a sentence.
fn as_sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// An action of the audit log.
fn english_action(action: &str) -> &str {
    match action {
        "session.begun" => "Session begun",
        "session.signed_out" => "Signed out",
        "session.signed_out_everywhere" => "Signed out on all devices",
        "session.revoked" => "Session ended",
        "session.ended_by_provider" => "Signed out at the identity provider",
        "session.replaced" => "Session replaced",
        "user.created" => "First sign-on",
        "user.bound" => "First sign-on, identity connected",
        other => other,
    }
}

/// What to do about a refusal, by its stable code: a whole sentence.
#[must_use]
pub fn english_remedy(code: &str) -> &'static str {
    match code {
        "signature_invalid" | "certificate_expired" | "certificate_not_yet_valid" => {
            "The identity provider probably signs with a new certificate. Ask the administrator for the present \
             Federation Metadata and upload it."
        }
        "metadata_expired" => {
            "The metadata of the identity provider has expired. Fetch it again, or ask the administrator for the \
             present one and upload it."
        }
        "signature_missing" | "algorithm_forbidden" | "signature_malformed" => {
            "Ask the administrator to have the assertion signed with RSA and SHA-256, which is the default."
        }
        "digest_mismatch" | "reference_mismatch" | "second_opinion_disagrees" => {
            "The message was changed on its way, or is an attack. If it happens again, tell the operators."
        }
        "wrong_issuer" => {
            "The message comes from another identity provider. Compare the entity ID with the uploaded metadata."
        }
        "wrong_audience" | "audience_missing" => {
            "Ask the administrator to enter our Identifier exactly as the organization’s page shows it."
        }
        "wrong_recipient" | "wrong_destination" | "destination_missing" => {
            "Ask the administrator to enter our Reply URL exactly as the organization’s page shows it."
        }
        "status_not_success" => {
            "The identity provider itself refused. Often the person is not assigned to the application there."
        }
        "expired" | "not_yet_valid" | "issued_in_future" | "message_too_old" => {
            "The identity provider’s clock is off, or the sign-in page was open for too long. Try again first."
        }
        "request_replayed" | "assertion_replayed" => {
            "The page was loaded twice, or the person went back in the browser. Signing in again helps."
        }
        "unknown_request" | "wrong_in_response_to" | "unsolicited" => {
            "The answer belongs to no sign-in of ours. The person should begin at the application’s own address."
        }
        "not_a_logout_message" | "parameter_malformed" | "not_deflated" => {
            "The identity provider’s logout message is not of the form that SAML has. Ask the administrator which \
             product it is, and tell the operators."
        }
        "unknown_issuer" => {
            "The logout message comes from an identity provider that no organization has. Compare its issuer with \
             the uploaded metadata."
        }
        _ => english_remedy_about_people(code),
    }
}

/// What to do about who somebody is, or how they signed on.
fn english_remedy_about_people(code: &str) -> &'static str {
    match code {
        "email_missing" | "email_invalid" | "attribute_value_count" => {
            "Ask the administrator to send exactly one e-mail address (claim emailaddress from user.mail)."
        }
        "email_domain_not_allowed" => {
            "The address is outside the organization’s domains. Correct it there, or add the domain here."
        }
        "authn_context_refused" => {
            "The person signed on in another way than the organization’s sign-on options demand, often without a \
             second factor. Ask the administrator to demand it there, or change the options."
        }
        "authn_not_fresh" => {
            "The organization’s sign-on options demand a fresh sign-on, and the identity provider passed over that. \
             The person should sign out there and try again."
        }
        "subject_conflict" => "The account has another identity. Open the user and settle the conflict.",
        "subject_not_stable" => {
            "The identity provider sends no lasting key of the person. Add the user first, or ask the \
             administrator for the object identifier."
        }
        "user_disabled" => "The account is switched off. Open the user to switch it on.",
        "organization_paused" | "connection_paused" => {
            "The organization is paused. Open the organization to resume it."
        }
        _ => english_remedy_of_encryption(code),
    }
}

/// What to do about encryption, and about everything that has no words of its own.
fn english_remedy_of_encryption(code: &str) -> &'static str {
    match code {
        "encryption_key_missing" => {
            "Ask the administrator to turn token encryption off, or tell the operators to set saml.signing_key \
             and saml.certificate."
        }
        "decryption_failed" => {
            "Ask the administrator to encrypt to the certificate that our metadata has now, and to sign the \
             assertion too. After a change of our certificate the old key has to stay configured for a while."
        }
        "encryption_algorithm_forbidden" => {
            "Ask the administrator to encrypt with AES-256 (GCM or CBC) and RSA-OAEP, or to turn encryption off."
        }
        "assertion_encrypted" | "encryption_not_supported" | "encryption_malformed" => {
            "Ask the administrator to encrypt the assertion as a whole for one recipient, or to turn encryption off."
        }
        _ => "Try a new sign-in first. If it is refused again, tell the operators the reference.",
    }
}
