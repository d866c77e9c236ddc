//! Why a message was refused: a stable machine code and what was expected against what came.
//!
//! Separate because every step of the check speaks it, and because support, audit and metrics
//! depend on the codes alone.
//!
//! Rules: a code never changes once released; the texts are bounded, free of control characters,
//! and never hold a whole assertion.

use std::fmt;

/// A refused message: the check that failed, and the two sides of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Box<Sides>);

/// Behind a pointer, since all that may refuse hands on one of these and hardly anything does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sides {
    reason: Reason,
    expected: Option<String>,
    got: Option<String>,
    status: Option<Status>,
}

/// What the identity provider said instead of success (SAML Core 3.2.2). Normally unsigned, so
/// for display only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The status codes, outermost first.
    pub codes: Vec<String>,
    /// The status message, cut to a bounded length.
    pub message: Option<String>,
}

impl Refusal {
    #[cold]
    pub(super) fn new(reason: Reason) -> Self {
        Self(Box::new(Sides { reason, expected: None, got: None, status: None }))
    }

    #[must_use]
    pub(super) fn expected(mut self, text: impl AsRef<str>) -> Self {
        self.0.expected = Some(bounded(text.as_ref()));
        self
    }

    #[must_use]
    pub(super) fn got(mut self, text: impl AsRef<str>) -> Self {
        self.0.got = Some(bounded(text.as_ref()));
        self
    }

    pub(super) fn not_success(status: Status) -> Self {
        let mut refusal =
            Self::new(Reason::StatusNotSuccess).expected("Success").got(status.codes.join(" / "));
        refusal.0.status = Some(status);
        refusal
    }

    /// The check that failed.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// What would have been accepted, where that can be said.
    #[must_use]
    pub fn expected_text(&self) -> Option<&str> {
        self.0.expected.as_deref()
    }

    /// What came instead, cut and made printable.
    #[must_use]
    pub fn got_text(&self) -> Option<&str> {
        self.0.got.as_deref()
    }

    /// The status the identity provider reported, for [`Reason::StatusNotSuccess`].
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.0.status.as_ref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.reason.explanation())?;
        if let Some(expected) = &self.0.expected {
            write!(f, "; expected {expected:?}")?;
        }
        if let Some(got) = &self.0.got {
            write!(f, "; got {got:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Cuts a text from outside to [`TEXT_CHARS_MAX`] and replaces what a log or a page cannot show.
pub(super) fn bounded(text: &str) -> String {
    if text.len() <= TEXT_CHARS_MAX && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut kept: String =
        text.chars().take(TEXT_CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        kept.push('…');
    }
    kept
}

/// Long enough for an entity ID and a URL, too short for an assertion.
const TEXT_CHARS_MAX: usize = 300;

macro_rules! reasons {
    ($($(#[$section:meta])* $variant:ident $code:literal $explanation:literal)+) => {
        /// The check that failed. The codes are part of the contract with audit, metrics and tests.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $explanation] $variant,)+
        }

        impl Reason {
            /// Every reason, for documentation and metrics.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable machine code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// One sentence in lower case for people.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)+ }
            }
        }
    };
}

reasons! {
    // Octets and XML.
    NotBase64 "not_base64" "the form field of the response is not strict base64"
    TooLarge "too_large" "the message is larger than allowed"
    EncodingForbidden "encoding_forbidden" "the message is not plain UTF-8 XML 1.0"
    DoctypeForbidden "doctype_forbidden" "the message holds a DOCTYPE or another markup declaration"
    CommentForbidden "comment_forbidden" "the message holds a comment"
    ProcessingInstructionForbidden "processing_instruction_forbidden" "the message holds a processing instruction"
    CdataForbidden "cdata_forbidden" "the message holds a CDATA section"
    TooComplex "too_complex" "the message is nested too deeply or has too many elements, attributes or namespaces"
    XmlMalformed "xml_malformed" "the message is not well-formed XML"
    NamespaceForbidden "namespace_forbidden" "the message declares a relative, empty or reserved namespace"
    // Shape.
    NotAResponse "not_a_response" "the root element is not a SAML 2.0 Response"
    VersionUnsupported "version_unsupported" "the message is not SAML version 2.0"
    UnexpectedElement "unexpected_element" "an element stands where none is allowed"
    MissingElement "missing_element" "a required element is missing"
    UnexpectedAttribute "unexpected_attribute" "an XML attribute stands where none is allowed"
    MissingAttribute "missing_attribute" "a required XML attribute is missing"
    UnexpectedText "unexpected_text" "text stands where only elements are allowed, or the reverse"
    IdMalformed "id_malformed" "an ID is missing, malformed, or in a forbidden attribute"
    IdDuplicate "id_duplicate" "two elements carry the same ID"
    SeveralAssertions "several_assertions" "the message holds more than one assertion"
    AssertionMissing "assertion_missing" "the message holds no assertion"
    EncryptionNotSupported "encryption_not_supported" "an identifier or attribute in the assertion is encrypted by itself, which is not supported"
    // Signature.
    SignatureMissing "signature_missing" "neither the assertion nor the response is signed"
    SignatureMalformed "signature_malformed" "the signature does not have the one shape that is allowed"
    ReferenceMismatch "reference_mismatch" "the signature does not refer to the element that holds it"
    TransformForbidden "transform_forbidden" "the signature uses a transform other than enveloped and exclusive canonicalization"
    AlgorithmForbidden "algorithm_forbidden" "the signature uses an algorithm that is not allowed for the key"
    SignatureInvalid "signature_invalid" "the signature was not made by a key of this identity provider"
    DigestMismatch "digest_mismatch" "the signed element was changed after it was signed"
    CanonicalFormUnstable "canonical_form_unstable" "the signed element has no stable canonical form"
    CertificateExpired "certificate_expired" "the certificate of the key that signed has expired"
    CertificateNotYetValid "certificate_not_yet_valid" "the certificate of the key that signed is not valid yet"
    SecondOpinionDisagrees "second_opinion_disagrees" "the second, independent verification does not agree"
    // Protocol.
    StatusNotSuccess "status_not_success" "the identity provider did not report success"
    WrongIssuer "wrong_issuer" "the message was issued by another identity provider"
    WrongDestination "wrong_destination" "the response was meant for another destination"
    DestinationMissing "destination_missing" "the signed response names no destination"
    Unsolicited "unsolicited" "the response answers no request"
    InResponseToMismatch "in_response_to_mismatch" "response and assertion disagree about the request they answer"
    WrongInResponseTo "wrong_in_response_to" "the response answers another request"
    TimeMalformed "time_malformed" "a time is not a UTC dateTime as SAML requires"
    IssuedInFuture "issued_in_future" "the message claims to be from the future"
    NotYetValid "not_yet_valid" "the assertion is not valid yet"
    Expired "expired" "the assertion has expired"
    ValidityInverted "validity_inverted" "the assertion ends before it begins"
    LifetimeTooLong "lifetime_too_long" "the assertion claims to be valid for too long"
    ConditionsMissing "conditions_missing" "the assertion has no conditions"
    UnknownCondition "unknown_condition" "the assertion has a condition that is not understood"
    AudienceMissing "audience_missing" "the assertion is not restricted to an audience"
    WrongAudience "wrong_audience" "the assertion is meant for another audience"
    ConfirmationMissing "confirmation_missing" "the assertion has no bearer confirmation"
    ConfirmationMalformed "confirmation_malformed" "the bearer confirmation is incomplete or carries what it must not"
    WrongRecipient "wrong_recipient" "the assertion is meant for another recipient"
    AuthnStatementMissing "authn_statement_missing" "the assertion does not say that anybody signed on"
    SessionExpired "session_expired" "the session at the identity provider has ended already"
    // Identity values.
    NameIdMalformed "name_id_malformed" "the name identifier is empty, padded or holds control characters"
    NameIdQualifierForeign "name_id_qualifier_foreign" "the name identifier belongs to another identity or service provider"
    AttributeDuplicate "attribute_duplicate" "an attribute name occurs twice"
    AttributeValueForbidden "attribute_value_forbidden" "an attribute value is not plain text"
    ValueTooLong "value_too_long" "a name or value is too long, or there are too many"
    // What one connection demands.
    AuthnContextRefused "authn_context_refused" "the subject signed on in another way than this connection demands"
    AuthnNotFresh "authn_not_fresh" "the subject did not sign on afresh, as this connection demands"
    // Encryption.
    EncryptionKeyMissing "encryption_key_missing" "the assertion is encrypted, and there is no key to decrypt it with"
    EncryptionMalformed "encryption_malformed" "the encrypted assertion does not have the one shape that is allowed"
    EncryptionAlgorithmForbidden "encryption_algorithm_forbidden" "the assertion is encrypted by an algorithm that is not allowed"
    DecryptionFailed "decryption_failed" "the assertion cannot be decrypted with any of our keys, or what is in it is not one rightly signed assertion"
    // Single logout.
    NotALogoutMessage "not_a_logout_message" "the root element is not the SAML 2.0 logout message that was announced"
    ParameterMalformed "parameter_malformed" "a parameter is missing, given twice, too long or not properly escaped"
    NotDeflated "not_deflated" "the message of the redirect is not compressed with DEFLATE"
    MessageTooOld "message_too_old" "the message was issued too long ago"
    // Trust that has run out.
    MetadataExpired "metadata_expired" "the metadata of the identity provider says that it is good no longer"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_snake_case_and_explanations_lower_case() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{code}"
            );
            assert!(!reason.explanation().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn texts_from_outside_are_cut_and_made_printable() {
        let refusal = Refusal::new(Reason::WrongIssuer).got("a\r\n".to_owned() + &"x".repeat(5000));
        let got = refusal.got_text().expect("a text was given");
        assert!(got.starts_with("a\u{fffd}\u{fffd}x"));
        assert!(got.chars().count() <= TEXT_CHARS_MAX + 1);
    }
}
