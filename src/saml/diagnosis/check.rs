//! One check with its outcome, and the sheet on which the checks of a message are ticked.
//!
//! Separate because other layers add checks of their own to the same list.

use serde::{Deserialize, Serialize};

use super::causes::Case;
use crate::saml::refusal::{Reason, Refusal, bounded};

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its stable name.
    pub code: String,
    /// What is checked, for people.
    pub title: String,
    /// How it went.
    pub outcome: Outcome,
    /// The stable code of why it failed.
    pub reason: Option<String>,
    /// What would have been, or was, accepted.
    pub expected: Option<String>,
    /// What came.
    pub got: Option<String>,
    /// What is wrong and the likely cause; whole sentences. Of a check that passed: something worth knowing.
    pub cause: Option<String>,
    /// What to do about it; whole sentences.
    pub remedy: Option<String>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be: nobody could sign on like that.
    Failed,
    /// It makes no sense without one that failed.
    NotReached,
    /// There is nothing to check in this message.
    NotApplicable,
}

/// A likely cause, and what to do: whole sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) cause: String,
    pub(crate) remedy: String,
}

impl Advice {
    pub(crate) fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: remedy.into() }
    }
}

impl Check {
    /// A check that has not been made.
    pub(crate) fn new(code: &str, title: &str) -> Self {
        Self {
            code: code.to_owned(),
            title: title.to_owned(),
            outcome: Outcome::NotReached,
            reason: None,
            expected: None,
            got: None,
            cause: None,
            remedy: None,
        }
    }

    /// It is as it should be.
    #[must_use]
    pub(crate) fn passed(self, got: Option<String>) -> Self {
        Self { outcome: Outcome::Passed, got, ..self }
    }

    /// It is not.
    #[must_use]
    pub(crate) fn failed(self, reason: &str, advice: Advice) -> Self {
        Self {
            outcome: Outcome::Failed,
            reason: Some(reason.to_owned()),
            cause: Some(advice.cause),
            remedy: Some(advice.remedy),
            ..self
        }
    }

    /// Both sides of it.
    #[must_use]
    pub(crate) fn showing(self, expected: Option<String>, got: Option<String>) -> Self {
        Self { expected, got, ..self }
    }
}

macro_rules! stages {
    ($($variant:ident $code:literal $title:literal)+) => {
        /// The checks, in the order of the verification.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Stage { $($variant,)+ }

        impl Stage {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

stages! {
    Message "message" "The message can be read"
    SignatureForm "signature_form" "Its signatures are of an allowed kind"
    Form "form" "It has the form of a SAML response"
    Status "status" "The identity provider reports success"
    Request "request" "It answers a request of ours"
    Assertion "assertion" "It says who has signed on"
    Signature "signature" "It is signed with a key of the metadata"
    ResponseIssuer "response_issuer" "The response comes from this identity provider"
    Destination "destination" "It is sent to our address"
    InResponseTo "in_response_to" "It answers this very request"
    ResponseTime "response_time" "The response is not from the future"
    Decryption "decryption" "What is encrypted can be decrypted"
    Issuer "issuer" "The assertion comes from this identity provider"
    Clock "clock" "The clocks agree"
    Audience "audience" "It is meant for us"
    Validity "validity" "It is valid now"
    Confirmation "confirmation" "It is confirmed for our address and request"
    NameId "name_id" "The Name ID is meant for us"
    Session "session" "It says when the person signed on"
    Manner "manner" "The person signed on as is demanded here"
    Verification "verification" "The verification as a whole agrees"
}

/// The checks of one message, ticked one by one.
pub(super) struct Sheet(Vec<Check>);

impl Sheet {
    pub(super) fn new() -> Self {
        Self(Stage::ALL.iter().map(|stage| Check::new(stage.code(), stage.title())).collect())
    }

    fn change(&mut self, stage: Stage, change: impl FnOnce(Check) -> Check) {
        if let Some(check) = self.0.iter_mut().find(|check| check.code == stage.code()) {
            *check = change(check.clone());
        }
    }

    pub(super) fn pass(&mut self, stage: Stage, got: Option<String>) {
        self.change(stage, |check| check.passed(got));
    }

    /// There is nothing to check.
    pub(super) fn skip(&mut self, stage: Stage) {
        self.change(stage, |check| Check { outcome: Outcome::NotApplicable, ..check });
    }

    pub(super) fn fail(&mut self, stage: Stage, refusal: &Refusal, advice: Advice) {
        let (expected, got) = (refusal.expected_text(), refusal.got_text());
        // What stands in a name identifier is nobody's business but the verifier's.
        let got = got.filter(|_| refusal.reason() != Reason::NameIdMalformed);
        self.change(stage, |check| {
            check
                .failed(refusal.reason().code(), advice)
                .showing(expected.map(str::to_owned), got.map(str::to_owned))
        });
    }

    /// Both sides, where more can be said than the refusal does.
    pub(super) fn shows(&mut self, stage: Stage, expected: Option<String>, got: Option<String>) {
        self.change(stage, |check| check.showing(expected, got));
    }

    /// Ticks a check by how it went; what came is shown if it passed.
    pub(super) fn note(
        &mut self,
        stage: Stage,
        checked: Result<(), Refusal>,
        (case, got): (&Case<'_>, Option<&str>),
    ) {
        match checked {
            Ok(()) => self.pass(stage, got.map(bounded)),
            Err(refusal) => self.fail(stage, &refusal, case.explain(&refusal)),
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.0.iter().any(|check| check.outcome == Outcome::Failed)
    }

    /// The checks; of the last one only if it has something to say.
    pub(super) fn into_checks(mut self) -> Vec<Check> {
        self.0.pop_if(|check| check.outcome != Outcome::Failed);
        self.0
    }
}
