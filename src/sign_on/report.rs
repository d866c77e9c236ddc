//! What a trial sign-on has found: every check by its name, in the order in which they are made.
//!
//! Separate because it is read by people who set up an identity provider: a refusal has one reason, this says how
//! far the answer came, and what to change there.
//!
//! Rules: a check counts as passed only if one that comes after it in the verification has been reached; where
//! one reason can come from several places, the earliest is named, and later checks are left open.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::directory::{AttributeName, Few};
use crate::email::EmailDomain;
use crate::saml::{self, Reason, VerifiedAssertion};
use crate::sign_on::connections::Connection;
use crate::sign_on::person::{self, Part, Person, email_sources};

/// What a trial sign-on has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When the answer came.
    pub at: Timestamp,
    /// All checks, in order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its stable name.
    pub code: String,
    /// What is checked, for people.
    pub title: String,
    /// How it went.
    pub outcome: Outcome,
    /// What would have been, or was, accepted.
    pub expected: Option<String>,
    /// What came.
    pub got: Option<String>,
    /// What is wrong; a whole sentence.
    pub problem: Option<String>,
    /// What to do about it; a whole sentence.
    pub advice: Option<String>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be: nobody could sign on like that.
    Failed,
    /// An earlier check failed.
    NotReached,
}

impl Report {
    /// Whether somebody could sign on like that.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.outcome == Outcome::Passed)
    }

    /// The check that failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.outcome == Outcome::Failed)
    }

    /// A message that cannot be read.
    #[must_use]
    pub(super) fn of_unreadable(refusal: &saml::Refusal, at: Timestamp) -> Self {
        Self::new(at).failed(Stage::Message, refusal.reason().explanation(), sides(refusal))
    }

    /// An answer that came too late.
    #[must_use]
    pub(super) fn of_late(at: Timestamp) -> Self {
        let sides = (Some("an answer within an hour".to_owned()), None);
        Self::new(at).failed(Stage::Request, "the answer came too late", sides)
    }

    /// A message that the verification refuses.
    #[must_use]
    pub(super) fn of_refusal(refusal: &saml::Refusal, at: Timestamp) -> Self {
        let stage = Stage::of(refusal.reason());
        let (expected, got) = sides(refusal);
        let said = refusal.status().and_then(|status| status.message.as_deref());
        let got = match said {
            Some(said) => Some(format!("{}: {said}", got.unwrap_or_default())),
            None => got,
        };
        Self::new(at).failed(stage, refusal.reason().explanation(), (expected, got))
    }

    /// A genuine message, and the person that it speaks of, if it does.
    #[must_use]
    pub(super) fn of_genuine(
        assertion: &VerifiedAssertion,
        person: Result<&Person, &person::Refused>,
        (connection, expected): (&Connection, &saml::Expected<'_>),
        at: Timestamp,
    ) -> Self {
        let report = Self::new(at)
            .compared(Stage::Request, expected.in_response_to, assertion.in_response_to())
            .compared(Stage::Issuer, expected.idp.entity_id(), assertion.issuer())
            .compared(Stage::Destination, expected.acs_url, expected.acs_url)
            .compared(Stage::Audience, expected.sp_entity_id, expected.sp_entity_id);
        let options = &connection.options;
        let domains: Vec<_> = connection.organization.domains.iter().map(EmailDomain::as_str).collect();
        match person {
            Err(refused) => {
                let part = refused.part();
                let (expected, advice) = match part {
                    Part::Domain => (Some(domains.join(", ")), None),
                    Part::Email => (Some(email_sources(options)), of_options(&options.email_attributes)),
                    Part::EmailForm => (None, of_options(&options.email_attributes)),
                    Part::Name => (None, of_options(&options.name_attributes)),
                    Part::Key => (None, None),
                };
                let report = report.failed(Stage::of_part(part), &refused.to_string(), (expected, None));
                report.advised(Stage::of_part(part), advice)
            }
            Ok(person) => {
                let name = person.name.as_ref().map_or("none", |name| name.as_str());
                let report = report
                    .passed_up_to(Stage::Name)
                    .compared(Stage::Email, &email_sources(options), &person.email_source.to_string())
                    .compared(Stage::Domain, &domains.join(", "), person.email.as_str())
                    .compared(Stage::Key, "a key that never changes", &person.subject.key)
                    .compared(Stage::Name, "a name", name);
                if person.stable { report } else { report.unstable() }
            }
        }
    }

    fn new(at: Timestamp) -> Self {
        let checks = Stage::ALL.iter().map(|stage| Check {
            code: stage.code().to_owned(),
            title: stage.title().to_owned(),
            outcome: Outcome::NotReached,
            expected: None,
            got: None,
            problem: None,
            advice: None,
        });
        Self { at, checks: checks.collect() }
    }

    fn check(&mut self, stage: Stage) -> Option<&mut Check> {
        self.checks.iter_mut().find(|check| check.code == stage.code())
    }

    fn compared(mut self, stage: Stage, expected: &str, got: &str) -> Self {
        if let Some(check) = self.check(stage) {
            check.expected = Some(expected.to_owned());
            check.got = Some(got.to_owned());
        }
        self
    }

    fn passed_up_to(mut self, stage: Stage) -> Self {
        let reached = self.checks.iter().position(|check| check.code == stage.code()).unwrap_or_default();
        for check in self.checks.iter_mut().take(reached + 1) {
            check.outcome = Outcome::Passed;
        }
        self
    }

    fn failed(self, stage: Stage, why: &str, (expected, got): (Option<String>, Option<String>)) -> Self {
        let mut report = self.passed_up_to(stage);
        if let Some(check) = report.check(stage) {
            check.outcome = Outcome::Failed;
            check.expected = expected;
            check.got = got;
            check.problem = Some(format!("{}.", capitalized(why)));
            check.advice = Some(format!("{}.", stage.advice()));
        }
        report
    }

    /// Says what to do in other words than usual.
    fn advised(mut self, stage: Stage, advice: Option<&str>) -> Self {
        if let (Some(check), Some(advice)) = (self.check(stage), advice) {
            check.advice = Some(format!("{advice}."));
        }
        self
    }

    /// The person could be told, but not for good; what comes after has been looked at all the same.
    fn unstable(mut self) -> Self {
        if let Some(check) = self.check(Stage::Key) {
            check.outcome = Outcome::Failed;
            check.problem = Some("The key holds for this one sign-on only.".to_owned());
            check.advice = Some(format!("{}.", Stage::Key.advice()));
        }
        self
    }
}

/// The checks, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Message,
    Request,
    Status,
    Assertion,
    Signature,
    Issuer,
    Destination,
    Clock,
    Audience,
    Validity,
    Confirmation,
    Subject,
    Manner,
    Email,
    EmailForm,
    Domain,
    Key,
    Name,
}

impl Stage {
    const ALL: [Self; 18] = [
        Self::Message,
        Self::Request,
        Self::Status,
        Self::Assertion,
        Self::Signature,
        Self::Issuer,
        Self::Destination,
        Self::Clock,
        Self::Audience,
        Self::Validity,
        Self::Confirmation,
        Self::Subject,
        Self::Manner,
        Self::Email,
        Self::EmailForm,
        Self::Domain,
        Self::Key,
        Self::Name,
    ];

    /// Where a refusal of the verification belongs.
    const fn of(reason: Reason) -> Self {
        match reason {
            Reason::Unsolicited | Reason::InResponseToMismatch | Reason::WrongInResponseTo => Self::Request,
            Reason::StatusNotSuccess => Self::Status,
            Reason::AssertionMissing
            | Reason::EncryptionNotSupported
            | Reason::EncryptionKeyMissing
            | Reason::EncryptionMalformed
            | Reason::EncryptionAlgorithmForbidden
            | Reason::DecryptionFailed => Self::Assertion,
            Reason::SignatureMissing
            | Reason::SignatureMalformed
            | Reason::ReferenceMismatch
            | Reason::TransformForbidden
            | Reason::AlgorithmForbidden
            | Reason::SignatureInvalid
            | Reason::DigestMismatch
            | Reason::CanonicalFormUnstable
            | Reason::CertificateExpired
            | Reason::CertificateNotYetValid
            | Reason::SecondOpinionDisagrees => Self::Signature,
            Reason::WrongIssuer => Self::Issuer,
            Reason::WrongDestination | Reason::DestinationMissing => Self::Destination,
            Reason::IssuedInFuture | Reason::MessageTooOld | Reason::TimeMalformed => Self::Clock,
            Reason::AudienceMissing | Reason::WrongAudience => Self::Audience,
            Reason::NotYetValid
            | Reason::Expired
            | Reason::ValidityInverted
            | Reason::LifetimeTooLong
            | Reason::ConditionsMissing
            | Reason::UnknownCondition => Self::Validity,
            Reason::ConfirmationMissing | Reason::ConfirmationMalformed | Reason::WrongRecipient => {
                Self::Confirmation
            }
            Reason::NameIdQualifierForeign | Reason::AuthnStatementMissing | Reason::SessionExpired => {
                Self::Subject
            }
            Reason::AuthnContextRefused | Reason::AuthnNotFresh => Self::Manner,
            Reason::NotBase64
            | Reason::TooLarge
            | Reason::EncodingForbidden
            | Reason::DoctypeForbidden
            | Reason::CommentForbidden
            | Reason::ProcessingInstructionForbidden
            | Reason::CdataForbidden
            | Reason::TooComplex
            | Reason::XmlMalformed
            | Reason::NamespaceForbidden
            | Reason::NotAResponse
            | Reason::NotALogoutMessage
            | Reason::ParameterMalformed
            | Reason::NotDeflated
            | Reason::VersionUnsupported
            | Reason::UnexpectedElement
            | Reason::MissingElement
            | Reason::UnexpectedAttribute
            | Reason::MissingAttribute
            | Reason::UnexpectedText
            | Reason::IdMalformed
            | Reason::IdDuplicate
            | Reason::SeveralAssertions
            | Reason::NameIdMalformed
            | Reason::AttributeDuplicate
            | Reason::AttributeValueForbidden
            | Reason::ValueTooLong => Self::Message,
        }
    }

    const fn of_part(part: Part) -> Self {
        match part {
            Part::Email => Self::Email,
            Part::EmailForm => Self::EmailForm,
            Part::Domain => Self::Domain,
            Part::Key => Self::Key,
            Part::Name => Self::Name,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Request => "request",
            Self::Status => "status",
            Self::Assertion => "assertion",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Destination => "destination",
            Self::Clock => "clock",
            Self::Audience => "audience",
            Self::Validity => "validity",
            Self::Confirmation => "confirmation",
            Self::Subject => "subject",
            Self::Manner => "manner",
            Self::Email => "email",
            Self::EmailForm => "email_form",
            Self::Domain => "email_domain",
            Self::Key => "key",
            Self::Name => "name",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Message => "The message can be read",
            Self::Request => "It answers our request",
            Self::Status => "The identity provider reports success",
            Self::Assertion => "It says who has signed on",
            Self::Signature => "It is signed with a certificate of the metadata",
            Self::Issuer => "It comes from this identity provider",
            Self::Destination => "It is sent to our address",
            Self::Clock => "The clocks agree",
            Self::Audience => "It is meant for us",
            Self::Validity => "It is valid now",
            Self::Confirmation => "It is confirmed for our address",
            Self::Subject => "It says that somebody has signed on",
            Self::Manner => "They have signed on as is demanded here",
            Self::Email => "There is an e-mail address",
            Self::EmailForm => "The e-mail address can be used",
            Self::Domain => "The address is in the organization’s domains",
            Self::Key => "There is a lasting key of the person",
            Self::Name => "The name can be read",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Message => {
                "Leave the answer as the identity provider makes it by default: one response with one \
                 assertion, without extras"
            }
            Self::Request => "Begin the trial again, and finish it at once in the same window",
            Self::Status => {
                "Look into the identity provider's own sign-in log; often the person is not assigned to the \
                 application, or a value in it is not the one we gave"
            }
            Self::Assertion => {
                "Switch off the encryption of assertions (token encryption) for the application"
            }
            Self::Signature => {
                "Let the identity provider sign with SHA-256, and upload its present Federation Metadata here; \
                 after a change of its certificate the metadata has to be uploaded again"
            }
            Self::Issuer => {
                "The metadata here belongs to another application or tenant: upload that of this one"
            }
            Self::Destination | Self::Confirmation => {
                "Set the Reply URL (Assertion Consumer Service URL) to the value that we gave"
            }
            Self::Clock => "Set the clocks of both sides by a time server",
            Self::Audience => "Set the Identifier (Entity ID) to the value that we gave",
            Self::Validity => {
                "Try again; if it happens again, compare the clocks and the lifetime of tokens there"
            }
            Self::Subject => "Sign on there anew, and leave the Name ID at its default",
            Self::Manner => {
                "Let the identity provider ask for the demanded way of signing on, or change the organization's \
                 sign-on options here"
            }
            Self::Email => {
                "Add the claim http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress with the \
                 person's mail address"
            }
            Self::EmailForm => {
                "Let the claim of the e-mail address have exactly one full address, like name@company.com"
            }
            Self::Domain => {
                "Let the identity provider send the work address, or add the domain to the organization here"
            }
            Self::Key => {
                "Let the identity provider send a persistent Name ID (Entra: the default claims), or add every \
                 person here beforehand"
            }
            Self::Name => "Let the claim of the name have exactly one value",
        }
    }
}

/// What to do where the names of attributes have been chosen.
fn of_options(names: &Few<AttributeName>) -> Option<&'static str> {
    (!names.is_empty()).then_some(
        "Let the identity provider send one of the attributes that the organization's sign-on options name, with \
         exactly one value, or change the options here",
    )
}

fn sides(refusal: &saml::Refusal) -> (Option<String>, Option<String>) {
    (refusal.expected_text().map(str::to_owned), refusal.got_text().map(str::to_owned))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
